"""What each statement of a migration does to which objects, as far as its text tells: read word by word, no server.

What sqlglot's parser does not know of DDL makes it give up the whole statement, so that its tokens are read instead.
A DO block, a CALL and a query that calls a function are deeds whose objects are not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rehearse.events import StatementRan
from rehearse.measures._words import Words, split
from rehearse.model.names import split as parted_name
from rehearse.model.names import told

ALL, COLUMN, TYPE, VALUES, ROWS, SCHEMA, UNKNOWN = "all", "column", "type", "values", "rows", "schema", "unknown"
# Functions that change nothing whose text does not tell it, as tools ask them of the catalogs.
_HARMLESS = re.compile(
    r"(PG|CURRENT|JSON|JSONB|ARRAY|TO|REGEXP|QUOTE|GENERATE|HAS|INET|DATE|STRING)_\w+"
    r"|SETVAL|NEXTVAL|SET_CONFIG|COUNT|SUM|MIN|MAX|AVG|BOOL_AND|BOOL_OR|NOW|VERSION|LOWER|UPPER|LENGTH|TRIM|CONCAT(_WS)?"
    r"|REPLACE|SUBSTR(ING)?|SPLIT_PART|FORMAT(_TYPE)?|(OBJ|COL|SHOBJ)_DESCRIPTION|COALESCE|NULLIF|GREATEST|LEAST|UNNEST"
    r"|ROW_NUMBER|RANK|LAG|LEAD|ROUND|ABS|MD5|CARDINALITY|BTRIM|LTRIM|RTRIM|POSITION|STRPOS|LEFT|RIGHT|EXTRACT|CAST"
)


_VERBS = frozenset({"DELETE", "UPDATE", "INSERT", "MERGE", "SETVAL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that a statement does.

    `takes` says of what: "all" of a table, a "column", a column's "type", "values", "rows", something of the "schema",
    or "unknown". `tables` has a table's name in the text and, if it was renamed since, the one that it had at the
    start; so have `columns`. `name` is that of another object: an index, a constraint, a view.
    """

    does: str  # in capitals, as SQL has it: "DROP COLUMN"
    takes: str
    tables: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()
    name: str | None = None
    kind: str = ""  # of the object with that name, where it stands alone: "sequence", "type"
    cascades: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A deed and the statement that does it."""

    statement: StatementRan
    deed: Deed


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of `table` to `parent`, and what becomes of its rows when a parent's row is deleted."""

    table: str
    parent: str
    columns: tuple[str, ...]
    action: str | None  # "CASCADE", "SET NULL", "SET DEFAULT"; None: it is refused


@dataclass(slots=True)
class Names:
    """Which table and column of the start a name means, statement by statement; `roots` are partitions' tables."""

    known: frozenset[str]
    roots: dict[str, str] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    tables: dict[str, str] = field(default_factory=dict)  # by the name of now
    columns: dict[tuple[str, str], str] = field(default_factory=dict)  # by the table at the start and the name of now

    def full(self, name: str) -> str:
        """Return a name as snapshots have it: its schema stands before it unless that is "public"."""
        name = name.removeprefix("public.")
        if name in self.known or name in self.tables or "." in name:
            return name
        elsewhere = [one for one in (*self.tables, *self.known) if one.rpartition(".")[2] == name]
        return elsewhere[0] if len(set(elsewhere)) == 1 else name

    def table(self, name: str) -> frozenset[str]:
        """Return all that a table's name may mean."""
        return frozenset({name, self.tables.get(name, name)})

    def column(self, table: str, name: str) -> frozenset[str]:
        """Return all that a column's name may mean."""
        return frozenset({name, self.columns.get((self.tables.get(table, table), name), name)})

    def rename(self, table: str, name: str) -> None:
        """Follow a table to another name."""
        self.tables[name] = self.tables.pop(table, table)

    def rename_column(self, table: str, column: str, name: str) -> None:
        """Follow a column to another name."""
        start = self.tables.get(table, table)
        self.columns[start, name] = self.columns.pop((start, column), column)

    def keeps(self, table: str, column: str | None = None) -> bool:
        """Say whether a table or column of the start is there by another name now."""
        if column is None:
            return table in self.tables.values()
        return any(key[0] == table and start == column for key, start in self.columns.items())


def deeds(statements: Iterable[StatementRan], names: Names) -> list[Step]:
    """Return what statements do, in their order; `names` is brought up to the last of them."""
    return [Step(one, deed) for one in kept(statements) for deed in _read(split(one.sql), names)]


def kept(statements: Iterable[StatementRan]) -> Iterator[StatementRan]:
    """Yield the statements that did what they say: none that failed, none that was rolled back to be tried again."""
    found = list(statements)
    undone = {one.transaction for one in found if one.retried and one.transaction is not None}
    return (one for one in found if not one.error and one.transaction not in undone)


def _read(parts: Sequence[Words] | None, names: Names) -> Iterator[Deed]:
    if parts is None:
        yield _unknown("a text that cannot be read")
    for words in parts or ():
        reader = _READERS.get(words.word())
        if reader is not None:
            yield from _reached(reader(words, names), names)


def unknown(words: Words) -> str | None:
    """Return what a statement is that may do anything, such as "a DO block"; None: its text tells what it does."""
    if words.word() not in ("DO", "CALL", "EXECUTE", "SELECT", "WITH"):
        return None
    found = _read([words], Names(frozenset()))
    return next((one.does for one in found if one.takes == UNKNOWN), None)


def _unknown(does: str) -> Deed:
    return Deed(does=does, takes=UNKNOWN)


def _reached(found: Iterable[Deed], names: Names) -> Iterator[Deed]:
    """Yield deeds, and with each what it does to the table of a partition and to the rows that refer to its own."""
    for one in found:
        yield one
        for table in one.tables & names.roots.keys() if one.takes in (ALL, ROWS) else ():
            yield replace(one, takes=ROWS, tables=frozenset({names.roots[table]}))
        if one.takes == ROWS and (one.does.startswith(("DELETE", "MERGE")) or one.cascades):
            yield from _cascaded(one, names.references, seen=one.tables)


def _cascaded(one: Deed, references: Sequence[Reference], *, seen: frozenset[str]) -> Iterator[Deed]:
    for key in references:
        if key.parent not in one.tables or key.table in seen:
            continue
        child = replace(one, tables=frozenset({key.table}), does=f"{one.does} of {key.parent}, by its foreign key")
        if key.action == "CASCADE" or one.does.startswith("TRUNCATE"):
            yield child
            yield from _cascaded(replace(child, does=one.does), references, seen=seen | {key.table})
        elif key.action:
            yield replace(child, takes=VALUES, columns=frozenset(key.columns))


# --- ALTER


_KINDS = (
    "TABLE", "FOREIGN TABLE", "MATERIALIZED VIEW", "VIEW", "INDEX", "SEQUENCE", "TYPE", "DOMAIN", "FUNCTION",
    "PROCEDURE", "AGGREGATE", "ROUTINE", "PUBLICATION", "STATISTICS", "SCHEMA", "EXTENSION", "COLLATION", "DATABASE",
    "POLICY", "TRIGGER", "RULE", "CONSTRAINT", "COLUMN", "CAST", "OPERATOR CLASS", "OPERATOR FAMILY", "OPERATOR",
)  # fmt: skip
_OF_A_TABLE = ("POLICY", "TRIGGER", "RULE", "CONSTRAINT")


def _alter(words: Words, names: Names) -> Iterator[Deed]:
    words.take("ALTER")
    kind = words.one_of(_KINDS)
    if kind is None:
        if words.take("DEFAULT", "PRIVILEGES"):
            yield Deed(does="ALTER DEFAULT PRIVILEGES", takes=SCHEMA, name="", kind="default privileges")
        return
    named = words.skip("IF EXISTS", "ONLY").name()
    if kind not in ("TABLE", "FOREIGN TABLE"):
        yield from _of_other(words, names, f"ALTER {kind}", kind, named)
        return
    table = names.full(named)
    words.skip("*")
    for action in words.parted():
        yield from _action(action, names, table)


def _action(words: Words, names: Names, table: str) -> Iterator[Deed]:
    """Yield what one action of ALTER TABLE does."""
    tables = names.table(table)
    if words.take("RENAME", "CONSTRAINT"):
        yield Deed(does="RENAME CONSTRAINT", takes=SCHEMA, tables=tables, name=words.name())
    elif words.take("RENAME"):
        _rename(words, names, table)
    elif words.take("SET", "SCHEMA"):
        names.rename(table, told(words.own(), parted_name(table)[1]))
    elif words.take("DETACH", "PARTITION"):
        yield Deed(does="DETACH PARTITION", takes=ROWS, tables=tables)
        yield Deed(does="DETACH PARTITION", takes=SCHEMA, tables=names.table(names.full(words.name())))
    elif words.take("DROP"):
        yield _dropped(words, names, table)
    elif words.take("ALTER", "CONSTRAINT"):
        yield Deed(does="ALTER CONSTRAINT", takes=SCHEMA, tables=tables, name=words.name())
    elif words.take("ALTER"):
        column = words.skip("COLUMN").own()
        does, takes = _altered(words)
        yield Deed(does=does, takes=takes, tables=tables, columns=names.column(table, column))
    elif (switches := words.one_of(("DISABLE TRIGGER", "ENABLE TRIGGER", "DISABLE RULE", "ENABLE RULE"))) is not None:
        yield Deed(does=switches, takes=SCHEMA, tables=tables, name=words.name())
    elif words.word() not in ("ADD", "VALIDATE", "ATTACH"):
        yield Deed(does="ALTER TABLE", takes=SCHEMA, tables=tables)


def _altered(words: Words) -> tuple[str, str]:
    """Return what ALTER COLUMN does, from the words after the column's name."""
    first = words.one_of(("SET DATA", "SET", "RESET", "DROP", "ADD", "TYPE", "RESTART")) or ""
    if first in ("SET DATA", "TYPE"):
        return "ALTER COLUMN TYPE", TYPE
    if words.word() == "(":  # RESET (…) takes what SET (…) gives
        return "ALTER COLUMN SET (…)", SCHEMA
    what = "NOT NULL" if words.word() == "NOT" else words.word()
    return f"ALTER COLUMN {first} {what}", SCHEMA


def _rename(words: Words, names: Names, table: str) -> None:
    if words.take("TO"):
        names.rename(table, told(parted_name(table)[0] or "public", words.own()))
    else:
        column = words.skip("COLUMN").own()
        words.take("TO")
        names.rename_column(table, column, words.own())


def _dropped(words: Words, names: Names, table: str) -> Deed:
    does = "DROP CONSTRAINT" if words.take("CONSTRAINT") else "DROP COLUMN"
    name = words.skip("COLUMN", "IF EXISTS").own()
    cascades, tables = words.has("CASCADE"), names.table(table)
    if does == "DROP CONSTRAINT":
        return Deed(does=does, takes=SCHEMA, tables=tables, name=name, cascades=cascades)
    return Deed(does=does, takes=COLUMN, tables=tables, columns=names.column(table, name), cascades=cascades)


# --- DROP, TRUNCATE, CREATE, COMMENT, GRANT


def _drop(words: Words, names: Names) -> Iterator[Deed]:
    words.take("DROP")
    kind = words.one_of(_KINDS)
    if kind is None or kind == "CAST":
        yield _unknown(f"a DROP {kind or words.word()}")
        return
    cascades = words.skip("CONCURRENTLY", "IF EXISTS").has("CASCADE")
    for part in words.parted():
        yield from (
            replace(one, cascades=cascades) for one in _of_other(part, names, f"DROP {kind}", kind, part.name())
        )


def _of_other(words: Words, names: Names, does: str, kind: str, named: str) -> Iterator[Deed]:
    """Yield what is done to an object by its name."""
    if kind in ("TABLE", "FOREIGN TABLE"):
        yield Deed(does=does, takes=ALL, tables=names.table(names.full(named)))
    elif kind in _OF_A_TABLE and words.take("ON"):
        yield Deed(does=does, takes=SCHEMA, tables=names.table(names.full(words.name())), name=named)
    elif kind in ("VIEW", "MATERIALIZED VIEW"):
        yield Deed(does=does, takes=SCHEMA, tables=frozenset({names.full(named)}))
    elif named:
        yield Deed(does=does, takes=SCHEMA, name=named.rpartition(".")[2], kind=kind.lower())


def _truncate(words: Words, names: Names) -> Iterator[Deed]:
    words.skip("TRUNCATE", "TABLE")
    cascades = words.has("CASCADE")
    for name in words.listed():
        yield Deed(does="TRUNCATE", takes=ROWS, tables=names.table(names.full(name)), cascades=cascades)


def _create(words: Words, names: Names) -> Iterator[Deed]:
    words.take("CREATE")
    if words.take("OR", "REPLACE"):
        kind = words.one_of(_KINDS)
        if kind is not None:
            yield from _of_other(words, names, f"CREATE OR REPLACE {kind}", kind, words.name())
    elif words.take("TABLE"):
        name = names.full(words.skip("IF NOT EXISTS").name())
        if words.take("PARTITION", "OF"):
            names.roots[name] = names.full(words.name())


def _comment(words: Words, names: Names) -> Iterator[Deed]:
    words.take("COMMENT", "ON")
    kind = words.one_of(_KINDS)
    named = words.name()
    if kind == "COLUMN":
        table, _, column = named.rpartition(".")
        table = names.full(table)
        yield Deed(does="COMMENT", takes=SCHEMA, tables=names.table(table), columns=names.column(table, column))
    elif kind == "TABLE":
        yield Deed(does="COMMENT", takes=SCHEMA, tables=names.table(names.full(named)))
    elif kind is not None:
        yield from _of_other(words, names, "COMMENT", kind, named)


def _grant(words: Words, names: Names) -> Iterator[Deed]:
    does = words.word()
    is_on = next((place for place in range(len(words.tokens)) if words.word(place) == "ON"), None)
    if is_on is None:
        return
    words.at = is_on + 1
    kind = words.one_of((*_KINDS, "ALL TABLES IN SCHEMA")) or "TABLE"
    for name in words.listed():
        if kind == "TABLE":
            yield Deed(does=does, takes=SCHEMA, tables=names.table(names.full(name)))
        else:
            yield Deed(does=does, takes=SCHEMA, name=name.rpartition(".")[2], kind=kind.lower())


# --- rows and values


def _rows(words: Words, names: Names) -> Iterator[Deed]:
    """Yield what a query does to rows, also in a WITH of it."""
    verbs = [place for place, token in enumerate(words.tokens) if token.word in _VERBS]
    for words.at in verbs:
        before = words.word(-1)
        if words.take("DELETE", "FROM"):
            yield Deed(does="DELETE", takes=ROWS, tables=names.table(names.full(words.skip("ONLY").name())))
        elif words.word() == "UPDATE" and before not in ("FOR", "DO", "THEN", "KEY", "ON"):
            yield from _updated(words, names)
        elif words.take("INSERT", "INTO"):
            yield from _upserted(words, names)
        elif words.take("MERGE", "INTO"):
            yield from _merged(words, names)
        elif words.take("SETVAL", "("):
            yield Deed(does="SETVAL", takes=SCHEMA, name=words.name().rpartition(".")[2], kind="sequence")
    words.at = 0
    if words.word() == "SELECT" and any(not _HARMLESS.fullmatch(one) for one in words.called()):
        yield _unknown("a query that calls a function")


def _updated(words: Words, names: Names) -> Iterator[Deed]:
    words.take("UPDATE")
    table = names.full(words.skip("ONLY").name())
    yield from _set(words, names, table, "UPDATE")


def _upserted(words: Words, names: Names) -> Iterator[Deed]:
    table = names.full(words.name())
    if words.has("DO", "UPDATE", "SET"):
        yield from _set(words, names, table, "INSERT … ON CONFLICT DO UPDATE")


def _merged(words: Words, names: Names) -> Iterator[Deed]:
    table = names.full(words.skip("ONLY").name())
    if words.has("THEN", "DELETE"):
        yield Deed(does="MERGE", takes=ROWS, tables=names.table(table))
    if words.has("UPDATE", "SET"):
        yield from _set(words, names, table, "MERGE")


def _set(words: Words, names: Names, table: str, does: str) -> Iterator[Deed]:
    """Yield an update of the columns that the next SET names."""
    while words.at < len(words.tokens) and not words.take("SET"):
        words.at += 1
    columns = {name for part in words.parted() for name in _targets(part)}
    meant = frozenset[str]().union(*(names.column(table, one) for one in columns))
    yield Deed(does=does, takes=VALUES, tables=names.table(table), columns=meant)


def _targets(part: Words) -> Iterator[str]:
    """Yield the columns before the sign of equality; none where the part is not of this SET any more."""
    found = list(part.listed()) if part.take("(") else [part.name()]
    part.skip(")")
    if part.word() == "=":
        yield from (one.rpartition(".")[2] for one in found)


def _code(words: Words, names: Names) -> Iterator[Deed]:
    kind = {"DO": "a DO block", "CALL": "a CALL", "EXECUTE": "an EXECUTE"}[words.word()]
    yield _unknown(kind)


_READERS: Mapping[str, Callable[[Words, Names], Iterator[Deed]]] = {
    "ALTER": _alter,
    "DROP": _drop,
    "TRUNCATE": _truncate,
    "CREATE": _create,
    "COMMENT": _comment,
    **dict.fromkeys(("GRANT", "REVOKE"), _grant),
    **dict.fromkeys(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE"), _rows),
    **dict.fromkeys(("DO", "CALL", "EXECUTE"), _code),
}
