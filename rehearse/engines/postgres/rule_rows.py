"""Sampled rows of a table, the same at each query, and the values of expressions in them as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from pglast.keywords import COL_NAME_KEYWORDS, RESERVED_KEYWORDS, TYPE_FUNC_NAME_KEYWORDS
from psycopg import Connection, sql

from rehearse.engines._rule_terms import Term, Values
from rehearse.engines.postgres import images
from rehearse.engines.postgres.pairing import Pairing

_SAMPLE = 300  # rows
_DRAWN = 3_000  # rows of which these are taken; larger tables are sampled by blocks
_WHOLE = 200_000  # rows up to which each row is drawn by itself
_LETTERS = 4_000  # of a value
_KEYWORDS = frozenset().union(COL_NAME_KEYWORDS, RESERVED_KEYWORDS, TYPE_FUNC_NAME_KEYWORDS)

_NUMBERS = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8"})
_TEXTS = frozenset({"text", "varchar", "bpchar", "name"})
REFUSED = (psycopg.errors.DataError, psycopg.errors.ProgrammingError, psycopg.errors.NotSupportedError)
_UNREAD = frozenset({"bytea", "tsvector", "xml", "point", "polygon"})


def quoted(name: str) -> str:
    """Return a name as SQL needs it: in quotes only where it must be."""
    is_plain = re.fullmatch("[a-z_][a-z0-9_]*", name) is not None and name not in _KEYWORDS
    return name if is_plain else '"' + name.replace('"', '""') + '"'


def plain(table: images.Table) -> str:
    """Return a table's name as SQL needs it, without the schema "public"."""
    own = quoted(table.relation)
    return own if table.schema == "public" else f"{quoted(table.schema)}.{own}"


def kind(column: images.Column) -> str | None:
    """Return what a column's values are to rules: number, text, bool, json or their type; None: not looked at."""
    if column.base in _UNREAD:
        return None
    if column.base in _NUMBERS:
        return "number"
    if column.base in _TEXTS:
        return "text"
    if column.base in {"json", "jsonb"}:
        return "json"
    return column.type if column.is_array or not column.base else column.base


@dataclass(frozen=True, slots=True)
class Source:
    """An expression to take values from; see `Term`."""

    sql: str
    kind: str
    cost: int = 0
    is_whole: bool = False

    @classmethod
    def of(cls, column: images.Column) -> Source:
        """Return a column itself; one that is not looked at has a kind that fits nothing."""
        return cls(quoted(column.name), kind(column) or "", is_whole=column.base in images.INTEGERS)


@dataclass(frozen=True, slots=True)
class Sampled:
    """Rows of a table, in one order; `source` is all that follows FROM."""

    connection: Connection[Any]
    source: sql.Composed

    def terms(self, sources: Sequence[Source]) -> list[Term]:
        """Return the values of expressions in these rows."""
        values = self.values([one.sql for one in sources])
        rows = max(map(len, values), default=0)
        return [
            Term(one.sql, one.kind, some or (None,) * rows, one.cost, is_whole=one.is_whole)
            for one, some in zip(sources, values, strict=True)
        ]

    def values(self, expressions: Sequence[str]) -> list[Values]:
        """Return, by expression, its values as texts, cut where they are very long; none where the server refuses."""
        if not expressions:
            return []
        asked = sql.SQL(", ").join(sql.SQL(f"left(({one})::text, {_LETTERS})") for one in expressions)
        try:
            with self.connection.transaction():
                rows = self.connection.execute(sql.SQL("select {} from {}").format(asked, self.source)).fetchall()
        except REFUSED:
            half = len(expressions) // 2
            return [*self.values(expressions[:half]), *self.values(expressions[half:])] if half else [()]
        return [tuple(column) for column in zip(*rows, strict=True)] if rows else [() for _ in expressions]


def sampled(connection: Connection[Any], table: images.Table, rows: int) -> Sampled:
    """Return rows of a table of so many, spread over it; the same ones as long as the transaction lasts."""
    share = min(100.0, 100.0 * _DRAWN / max(rows, 1))
    drawn = sql.SQL(
        "(select * from {table} tablesample {how} ({share}) repeatable (1) "
        "order by hashtextextended(tableoid || ' ' || ctid::text, 0), tableoid, ctid limit {most}) as {name}"
    ).format(
        table=table.source,
        how=sql.SQL("bernoulli" if rows <= _WHOLE else "system"),
        share=sql.Literal(share),
        most=sql.Literal(_SAMPLE),
        name=sql.Identifier(table.relation),
    )
    return Sampled(connection, drawn)


def matched(connection: Connection[Any], pairing: Pairing, sample: Sampled) -> Sampled:
    """Return the older state's rows of the sampled keys, in their order; NULLs where there is none."""
    keys = sample.values([quoted(name) for name in pairing.key])
    given = [sql.Identifier(f"key {place}") for place in range(len(keys))]
    name = sql.Identifier(pairing.older.relation)
    source = sql.SQL("unnest({}) with ordinality as w({}, place) left join {} as {} on {} order by w.place").format(
        sql.SQL(", ").join(sql.SQL("{}::text[]").format(sql.Literal(list(some))) for some in keys),
        sql.SQL(", ").join(given),
        pairing.older.source,
        name,
        sql.SQL(" and ").join(
            sql.SQL("{}.{} = w.{}::{}").format(
                name, sql.Identifier(key), given[place], sql.SQL(pairing.older.columns[key].cast)
            )
            for place, key in enumerate(pairing.key)
        ),
    )
    return Sampled(connection, source)
