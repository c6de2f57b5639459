"""Reads the statements of MySQL and MariaDB into acts, by their words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from rehearse.hazards import _mysql_alter, _mysql_columns
from rehearse.hazards import _mysql_words as read_
from rehearse.hazards.acts import Act, Does, Said
from rehearse.measures._words import Words

_RUN = re.compile(r"/\*M?!\d*(.*?)\*/", re.DOTALL)  # what servers run of a comment
_DDL_WORDS = ("VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "SEQUENCE", "DATABASE", "SCHEMA", "TABLE", "INDEX",
              "USER", "ROLE", "SERVER", "PACKAGE")  # fmt: skip


def read(sql: str, *, version: tuple[int, ...] = ()) -> Said:
    """Return what one statement does; a text that cannot be read says so."""
    words = read_.words(_RUN.sub(r" \1 ", sql))
    if words is None:
        return Said(sql=sql, unread="its quotes or brackets do not close")
    _inner(words)
    verb = words.word()
    reader = _READERS.get(verb)
    if reader is None:
        known = verb in _HARMLESS or not verb
        return Said(sql=sql, unread=None if known else f"the reader does not know what {verb} does")
    acts = tuple(reader(words))
    odd = next((one.name for one in acts if one.does == "unknown"), None)
    settings = {
        one.name: one.to.upper() for one in acts if one.does == "set options" and one.name in ("algorithm", "lock")
    }
    kept = tuple(
        one for one in acts if one.does != "unknown" and not (one.does == "set options" and one.name in settings)
    )
    return Said(
        sql=sql,
        acts=kept,
        algorithm=settings.get("algorithm", ""),
        lock=settings.get("lock", ""),
        unread=None if odd is None else f"the reader does not know {odd} here",
    )


def _inner(words: Words) -> None:
    """Pass over what stands before a statement's own verb: MariaDB's SET STATEMENT … FOR, and WITH … AS (…)."""
    ends = {"SET": ("FOR",), "WITH": ("SELECT", "UPDATE", "DELETE", "TABLE", "VALUES", "(")}
    verb = words.word()
    if verb not in ends or (verb == "SET" and words.word(1) != "STATEMENT"):
        return
    depth = 0
    for place in range(words.at + 1, len(words.tokens)):
        word = words.tokens[place].word
        is_name = word == "(" and words.tokens[place - 1].word != ")"  # a list of columns, or AS (
        if depth == 0 and word in ends[verb] and not is_name:
            words.at = place + (verb == "SET")
            return
        depth += {"(": 1, ")": -1}.get(word, 0)


# --- CREATE, DROP, RENAME, TRUNCATE


def _create(words: Words) -> Iterator[Act]:
    words.take("CREATE")
    is_replaced = words.take("OR", "REPLACE")
    replaced = frozenset({"or replace"} if is_replaced else ())
    is_own = words.take("TEMPORARY")
    unique = words.one_of(("UNIQUE", "FULLTEXT", "SPATIAL"))
    words.one_of(("ONLINE", "OFFLINE"))
    if words.take("INDEX"):
        yield from _index(words, unique)
    elif words.take("TABLE"):
        yield from _table(words, is_own=is_own, is_replaced=is_replaced)
    elif words.has("VIEW") and not words.has("BEGIN"):
        yield Act(does="create view", said=replaced)
    elif words.has("TRIGGER"):
        yield Act(does="create trigger", said=replaced)
    else:
        yield Act(does="create other", name=_made(words), said=replaced)


def _made(words: Words) -> str:
    """Return the name of what CREATE makes besides tables; "" where it stands too far behind."""
    while words.at < len(words.tokens) and words.one_of(_DDL_WORDS) is None:
        words.at += 1
    words.skip("IF NOT EXISTS")
    return read_.name(words)


def _index(words: Words, kind: str | None) -> Iterator[Act]:
    said = {kind.lower()} if kind else set()
    if words.take("IF", "NOT", "EXISTS"):
        said.add("if not exists")
    index = read_.own(words)
    if words.take("USING"):
        words.at += 1
    words.take("ON")
    table = read_.name(words)
    parts = read_.bracketed(words)
    columns = tuple(map(read_.column, parts))
    said |= {"special"} if any(one.at < len(one.tokens) for one in parts) else set()  # a prefix, DESC
    yield Act(does="create index", table=table, name=index, columns=columns, said=frozenset(said))
    while words.at < len(words.tokens):
        option = words.one_of(("ALGORITHM", "LOCK"))
        if option is None:
            words.at += 1
            continue
        words.take("=")
        yield Act(does="set options", name=option.lower(), to=read_.own(words))


def _table(words: Words, *, is_own: bool, is_replaced: bool) -> Iterator[Act]:
    said = {word for word, is_said in (("temporary", is_own), ("or replace", is_replaced)) if is_said}
    if words.take("IF", "NOT", "EXISTS"):
        said.add("if not exists")
    table = read_.name(words)
    parts = read_.bracketed(words)
    if parts and parts[0].word() in ("SELECT", "LIKE"):
        parts = []
    rest = Words(words.tokens, words.at)
    charset = _charset(words)
    if is_replaced and not is_own:
        yield Act(does="drop table", table=table, name=table, said=frozenset({"if exists"}))
    yield Act(does="create table", table=table, to=charset, said=frozenset(said))
    for part in parts:
        if _mysql_alter.is_key(part):
            yield from _mysql_alter.key(part, table)
        else:
            yield from _mysql_columns.column(part, does="add column", table=table)
    if rest.has("SELECT") or rest.has("TABLE"):
        yield _filled(rest, table)


def _charset(words: Words) -> str:
    """Return a table's character set as its options say it; "" where they do not."""
    while words.at < len(words.tokens):
        if words.one_of(("CHARACTER SET", "CHARSET")) is not None:
            words.take("=")
            return read_.own(words)
        words.at += 1
    return ""


def _drop(words: Words) -> Iterator[Act]:
    words.take("DROP")
    is_own = words.take("TEMPORARY")
    kind = words.one_of(_DDL_WORDS) or ""
    said = {"if exists"} if words.take("IF", "EXISTS") else set()
    if kind == "INDEX":
        index = read_.own(words)
        words.take("ON")
        yield Act(does="drop index", table=read_.name(words), name=index)
        return
    does: Does = {
        "TABLE": "drop table",
        "VIEW": "drop view",
        "DATABASE": "drop database",
        "SCHEMA": "drop database",
    }.get(kind, "drop other")  # type: ignore[assignment]
    said |= ({"temporary"} if is_own else set()) | {kind.lower()}
    for part in words.parted():
        full = read_.name(part)
        yield Act(does=does, table=full if does == "drop table" else "", name=full, said=frozenset(said))


def _rename(words: Words) -> Iterator[Act]:
    words.take("RENAME")
    if words.one_of(("TABLES", "TABLE")) is None:
        return
    words.skip("IF EXISTS")
    for part in words.parted():
        old = read_.name(part)
        part.take("TO")
        yield Act(does="rename table", table=old, to=read_.name(part))


def _truncate(words: Words) -> Iterator[Act]:
    words.skip("TRUNCATE", "TABLE")
    yield Act(does="truncate", table=read_.name(words))


# --- rows, transactions, settings


def _update(words: Words) -> Iterator[Act]:
    words.skip("UPDATE", "LOW_PRIORITY", "IGNORE")
    table = read_.name(words)
    said = {"where"} if words.has("WHERE") else set()
    said |= {"limit"} if words.has("LIMIT") else set()
    while words.at < len(words.tokens) and not words.take("SET"):
        words.at += 1
    pairs = [_assigned(part) for part in _until(words, "WHERE", "LIMIT", "ORDER").parted()]
    condition = read_.text(_until(words, "ORDER", "LIMIT")) if words.take("WHERE") else ""
    yield Act(
        does="update",
        table=table,
        columns=tuple(name for name, _ in pairs),
        values=tuple(value for _, value in pairs),
        expression=condition,
        said=frozenset(said),
    )


def _until(words: Words, *ends: str) -> Words:
    """Take the words before one of these."""
    begin = words.at
    while words.at < len(words.tokens) and words.word() not in ends:
        words.at += 1
    return Words(words.tokens[begin : words.at])


def _assigned(words: Words) -> tuple[str, str]:
    """Return the column that is set and the SQL of its value."""
    name = read_.own(words)
    while words.take("."):
        name = read_.own(words)
    words.take("=")
    return name, read_.text(words)


def _delete(words: Words) -> Iterator[Act]:
    words.skip("DELETE", "LOW_PRIORITY", "QUICK", "IGNORE")
    if words.word() == "HISTORY" and words.word(1) == "FROM":  # of MariaDB's tables with versions of rows
        words.at += 1
    words.skip("FROM")
    said = {word.lower() for word in ("WHERE", "LIMIT") if words.has(word)}
    is_matched = words.has("JOIN") and words.has("ON") and not any(words.has(one) for one in ("LEFT", "RIGHT"))
    said |= {"where"} if is_matched or words.has("BEFORE", "SYSTEM_TIME") else set()
    table = read_.name(words)
    while words.at < len(words.tokens) and not words.take("WHERE"):
        words.at += 1
    yield Act(does="delete", table=table, expression=read_.text(_until(words, "ORDER", "LIMIT")), said=frozenset(said))


def _insert(words: Words) -> Iterator[Act]:
    words.at += 1
    words.skip("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO")
    table = read_.name(words)
    is_query = words.has("SELECT") or words.has("TABLE")
    yield _filled(words, table) if is_query else Act(does="insert", table=table)


def _filled(words: Words, table: str) -> Act:
    """Return the act of filling a table by a query; it `references` the first table that the query reads."""
    said = {word.lower() for word in ("WHERE", "LIMIT") if words.has(word)}
    while words.at < len(words.tokens) and words.one_of(("FROM", "TABLE")) is None:
        words.at += 1
    source = "" if words.word() == "(" else read_.name(words)
    return Act(does="insert", table=table, references=source, said=frozenset({"as query"} | said))


def _lock(words: Words) -> Iterator[Act]:
    if words.one_of(("LOCK TABLES", "LOCK TABLE")) is None:
        return
    for part in words.parted():
        table = read_.name(part)
        mode = "write" if part.has("WRITE") else "read"
        yield Act(does="lock table", table=table, mode=mode)


def _flush(words: Words) -> Iterator[Act]:
    """Yield the lock of FLUSH TABLES … WITH READ LOCK, on one table or on all."""
    words.skip("FLUSH", "NO_WRITE_TO_BINLOG", "LOCAL")
    if words.one_of(("TABLES", "TABLE")) is None or not words.has("READ", "LOCK"):
        return
    named = () if words.word() == "WITH" else _until(words, "WITH").parted()
    for table in [read_.name(part) for part in named] or ["every table"]:
        yield Act(does="lock table", table=table, mode="share")


def _set(words: Words) -> Iterator[Act]:
    words.take("SET")
    for part in words.parted():
        part.one_of(("GLOBAL", "SESSION", "LOCAL", "PERSIST"))
        while part.word() in ("@", "@@", ".") or part.word().startswith("@"):
            part.at += 1
        part.one_of(("SESSION", "GLOBAL", "LOCAL"))
        part.take(".")
        name = read_.own(part).lstrip("@").removeprefix("session.")
        part.one_of(("=", ":="))
        yield Act(does="set", name=name, to=read_.text(part).strip("'").lower())


def _begin(words: Words) -> Iterator[Act]:
    if words.take("BEGIN", "NOT", "ATOMIC"):
        yield Act(does="unseen", name="a compound statement")
    elif words.take("BEGIN") or words.take("START", "TRANSACTION"):
        yield Act(does="begin")


def _plain(does: Does, name: str = "") -> Callable[[Words], Iterator[Act]]:
    def reader(_words: Words) -> Iterator[Act]:
        yield Act(does=does, name=name)

    return reader


def _rebuilt(words: Words) -> Iterator[Act]:
    words.skip("OPTIMIZE", "NO_WRITE_TO_BINLOG", "LOCAL", "TABLE", "TABLES")
    for part in words.parted():
        yield Act(does="rebuild", table=read_.name(part), said=frozenset({"optimize"}))


# What changes neither rows nor the schema, and stops nobody.
_HARMLESS = frozenset({
    "USE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "CHECK", "CHECKSUM", "DO", "DEALLOCATE", "RELEASE", "KILL", "REVOKE",
    "VALUES", "TABLE", "(", "HELP", "CACHE", "ANALYSE",
})  # fmt: skip
_READERS: Mapping[str, Callable[[Words], Iterator[Act]]] = {
    "ALTER": _mysql_alter.acts,
    "CREATE": _create,
    "DROP": _drop,
    "RENAME": _rename,
    "TRUNCATE": _truncate,
    "OPTIMIZE": _rebuilt,
    "UPDATE": _update,
    "DELETE": _delete,
    "INSERT": _insert,
    "REPLACE": _insert,
    "SELECT": _plain("select"),
    "WITH": _plain("select"),
    "LOAD": _plain("copy"),
    "LOCK": _lock,
    "FLUSH": _flush,
    "UNLOCK": _plain("unlock tables"),
    "SET": _set,
    "BEGIN": _begin,
    "START": _begin,
    "COMMIT": _plain("commit"),
    "ROLLBACK": _plain("rollback"),
    "SAVEPOINT": _plain("savepoint"),
    "GRANT": _plain("grant"),
    "ANALYZE": _plain("analyze"),
    "CALL": _plain("unseen", "a call of a procedure"),
    "EXECUTE": _plain("unseen", "a prepared statement"),
    "PREPARE": _plain("unseen", "a prepared statement"),
}
