"""ALTER TABLE in the words of MySQL or MariaDB, as acts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rehearse.hazards import _mysql_columns
from rehearse.hazards import _mysql_words as read
from rehearse.hazards.acts import Act
from rehearse.measures._words import Words

_KEYS = ("INDEX", "KEY", "FULLTEXT", "SPATIAL", "UNIQUE", "CONSTRAINT", "PRIMARY", "FOREIGN", "CHECK")
_OPTIONS = (
    "ENGINE",
    "ALGORITHM",
    "LOCK",
    "ROW_FORMAT",
    "KEY_BLOCK_SIZE",
    "AUTO_INCREMENT",
    "COMMENT",
    "STATS_PERSISTENT",
    "ENCRYPTION",
    "ENCRYPTED",
    "COMPRESSION",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
)
_REBUILDS = ("ROW_FORMAT", "KEY_BLOCK_SIZE", "ENCRYPTED")
_HARMLESS = (  # first words of what touches no row
    "DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "CHECKSUM", "AVG_ROW_LENGTH", "MAX_ROWS", "MIN_ROWS",
    "DELAY_KEY_WRITE", "INSERT_METHOD", "STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES", "SECONDARY_ENGINE",
    "SECONDARY_LOAD", "SECONDARY_UNLOAD", "PACK_KEYS", "PASSWORD", "AUTOEXTEND_SIZE", "ENGINE_ATTRIBUTE",
    "SECONDARY_ENGINE_ATTRIBUTE", "WITHOUT", "WITH", "DISABLE", "ENABLE", "ANALYZE", "CHECK",
)  # fmt: skip
_OF_PARTITIONS = (
    "PARTITION BY", "REMOVE PARTITIONING", "REORGANIZE PARTITION", "COALESCE PARTITION", "REBUILD PARTITION",
    "OPTIMIZE PARTITION", "REPAIR PARTITION",
)  # fmt: skip


def acts(words: Words) -> Iterator[Act]:
    """Yield what each part of an ALTER does; of other objects than tables it is told that they change."""
    words.take("ALTER")
    words.one_of(("ONLINE", "OFFLINE"))
    words.take("IGNORE")
    if words.one_of(("TABLE",)) is None:
        is_database = words.one_of(("DATABASE", "SCHEMA")) is not None
        yield Act(does="alter other", said=frozenset({"database"} if is_database else ()))
        return
    words.skip("IF EXISTS")
    table = read.name(words)
    if words.take("WAIT"):
        words.at += 1
    words.take("NOWAIT")
    is_list = False  # what follows a comma there is one more name, and not another change
    for part in words.parted():
        if is_list and part.word() not in ("ALGORITHM", "LOCK"):
            continue
        is_list = part.word() == "ORDER" or "PARTITION" in (part.word(), part.word(1))
        yield from _action(part, table)


def _action(words: Words, table: str) -> Iterator[Act]:
    first = words.word()
    if first == "ADD":
        yield from _add(words, table)
    elif first == "DROP":
        yield _drop(words, table)
    elif words.take("MODIFY"):
        words.skip("COLUMN", "IF EXISTS")
        yield from _mysql_columns.column(words, does="modify column", table=table)
    elif words.take("CHANGE"):
        words.skip("COLUMN", "IF EXISTS")
        old = read.own(words)
        yield from _mysql_columns.column(words, does="modify column", table=table, old=old)
    elif words.take("ALTER"):
        yield _altered(words, table)
    elif words.take("RENAME"):
        yield _renamed(words, table)
    elif words.take("CONVERT", "TO"):
        words.one_of(("CHARACTER SET", "CHARSET"))
        yield Act(does="convert charset", table=table, to=read.own(words))
    elif words.take("FORCE"):
        yield Act(does="rebuild", table=table)
    else:
        yield from _whole(words, table)


def _whole(words: Words, table: str) -> Iterator[Act]:
    """Yield what concerns the table as a whole: its options, which need no commas, and its partitions."""
    if words.one_of(_OF_PARTITIONS) is not None:
        yield Act(does="partition", table=table)
        return
    if words.take("DISCARD", "TABLESPACE"):
        yield Act(does="truncate", table=table)
        return
    if words.take("TRUNCATE", "PARTITION"):
        yield Act(does="truncate", table=table, name=read.own(words), said=frozenset({"partition"}))
        return
    first, found = words.word(), 0
    while words.at < len(words.tokens):
        option = words.one_of(_OPTIONS)
        if option is None:
            words.at += 1
            continue
        words.take("=")
        value, found = read.own(words), found + 1
        if option == "ENGINE":
            yield Act(does="set engine", table=table, to=value)
        elif option == "ENCRYPTION":
            yield Act(does="encrypt", table=table, to=value)
        elif option in _REBUILDS or (option, value) == ("PAGE_COMPRESSED", "0"):
            yield Act(does="rebuild", table=table, name=option.lower())
        else:
            yield Act(does="set options", table=table, name=option.lower(), to=value)
    if words.tokens and not found and first not in _HARMLESS:
        yield Act(does="unknown", table=table, name=first or words.tokens[0].text)


def _add(words: Words, table: str) -> Iterator[Act]:
    words.take("ADD")
    if words.take("PARTITION"):  # of HASH or KEY their number is said, and rows change their places
        yield Act(does="partition" if words.has("PARTITIONS") else "add partition", table=table)
        return
    if words.take("SYSTEM", "VERSIONING"):
        yield Act(does="system versioning", table=table)
        return
    if is_key(words):
        yield from key(words, table)
        return
    words.take("COLUMN")
    said = frozenset({"if not exists"}) if words.take("IF", "NOT", "EXISTS") else frozenset()
    for part in read.bracketed(words) or [words]:
        for act in _mysql_columns.column(part, does="add column", table=table):
            yield replace(act, said=act.said | said)


def is_key(words: Words) -> bool:
    """Say whether a key or constraint is defined, and not a column."""
    return words.word() in _KEYS


def key(words: Words, table: str) -> Iterator[Act]:
    """Yield the act of a key or a constraint."""
    name = ""
    if words.take("CONSTRAINT") and words.word() not in _KEYS:
        words.skip("IF NOT EXISTS")
        name = read.own(words)
    kind = words.one_of(("PRIMARY KEY", "FOREIGN KEY", "CHECK", "UNIQUE", "FULLTEXT", "SPATIAL", "INDEX", "KEY"))
    if kind == "CHECK":
        condition = ", ".join(map(read.text, read.bracketed(words)))
        not_enforced = frozenset({"not enforced"} if words.has("NOT", "ENFORCED") else ())
        yield Act(does="add check", table=table, name=name, expression=condition, said=not_enforced)
        return
    words.one_of(("INDEX", "KEY"))
    said = {"if not exists"} if words.take("IF", "NOT", "EXISTS") else set()
    if words.word() not in ("(", "USING") and words.at < len(words.tokens):
        name = read.own(words) or name
    if words.take("USING"):
        words.at += 1
    parts = read.bracketed(words)
    columns = tuple(map(read.column, parts))
    said |= {"special"} if any(one.at < len(one.tokens) for one in parts) else set()  # a prefix, DESC
    if kind == "PRIMARY KEY":
        yield Act(does="add primary key", table=table, columns=columns)
    elif kind == "FOREIGN KEY":
        words.take("REFERENCES")
        parent = read.name(words)
        keys = ", ".join(map(read.column, read.bracketed(words)))
        actions = {"on delete": "", "on update": ""}
        while (event := words.one_of(("ON DELETE", "ON UPDATE"))) is not None:
            actions[event.lower()] = words.one_of(("CASCADE", "SET NULL", "RESTRICT", "NO ACTION", "SET DEFAULT")) or ""
        action = actions["on delete"]
        said |= {f"on delete {action.lower()}"} if action else set()
        said |= {"special"} if actions["on update"] not in ("", "RESTRICT", "NO ACTION") else set()
        yield Act(
            does="add foreign key",
            table=table,
            name=name,
            columns=columns,
            references=parent,
            to=keys,
            said=frozenset(said),
        )
    else:
        said |= {kind.lower()} if kind in ("UNIQUE", "FULLTEXT", "SPATIAL") else set()
        yield Act(does="create index", table=table, name=name, columns=columns, said=frozenset(said))


def _drop(words: Words, table: str) -> Act:
    words.take("DROP")
    if words.take("PRIMARY", "KEY"):
        return Act(does="drop primary key", table=table)
    return _drop_of_table(words, table) or _drop_named(words, table)


def _drop_of_table(words: Words, table: str) -> Act | None:
    if words.take("PARTITION"):
        words.skip("IF EXISTS")
        return Act(does="drop partition", table=table, name=read.own(words))
    if words.take("SYSTEM", "VERSIONING"):
        return Act(does="system versioning", table=table)
    return None


def _drop_named(words: Words, table: str) -> Act:
    kind = words.one_of(("FOREIGN KEY", "INDEX", "KEY", "CONSTRAINT", "CHECK", "COLUMN"))
    said = frozenset({"if exists"}) if words.take("IF", "EXISTS") else frozenset()
    name = read.own(words)
    if kind == "FOREIGN KEY":
        return Act(does="drop foreign key", table=table, name=name, said=said)
    if kind in ("INDEX", "KEY"):
        return Act(does="drop index", table=table, name=name, said=said)
    if kind in ("CONSTRAINT", "CHECK"):
        return Act(does="drop constraint", table=table, name=name, said=said)
    return Act(does="drop column", table=table, name=name, said=said)


def _altered(words: Words, table: str) -> Act:
    if words.one_of(("INDEX", "KEY", "CHECK", "CONSTRAINT")) is not None:
        name = read.own(words)
        return Act(does="add check" if words.take("ENFORCED") else "set options", table=table, name=name)
    words.skip("COLUMN", "IF EXISTS")
    column = read.own(words)
    if words.take("SET", "DEFAULT"):
        return Act(does="set default", table=table, name=column, default=read.text(words))
    if words.take("DROP", "DEFAULT"):
        return Act(does="drop default", table=table, name=column)
    if words.one_of(("SET VISIBLE", "SET INVISIBLE")) is not None:
        return Act(does="set options", table=table, name=column)
    return Act(does="unknown", table=table, name="ALTER COLUMN")  # SET NOT NULL and TYPE are PostgreSQL's


def _renamed(words: Words, table: str) -> Act:
    if words.take("COLUMN"):
        words.skip("IF EXISTS")
        old = read.own(words)
        words.take("TO")
        return Act(does="rename column", table=table, name=old, to=read.own(words))
    if words.one_of(("INDEX", "KEY")) is not None:
        old = read.own(words)
        words.take("TO")
        return Act(does="rename index", table=table, name=old, to=read.own(words))
    words.one_of(("TO", "AS", "="))
    return Act(does="rename table", table=table, to=read.name(words))
