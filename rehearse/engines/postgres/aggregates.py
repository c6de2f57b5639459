"""What counting tells and statistics only guess: children a parent, different values, nulls, orphans, duplicates.

Each statement reads a whole table (or two) and returns counts, never a value. Those that take longer than the timeout
are given up, and said to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from rehearse.engines.postgres.statistics import Asking
from rehearse.model.names import split
from rehearse.profiles import counting
from rehearse.profiles.statistics import ColumnStatistics, FanoutCount, Statistics, TableStatistics
from rehearse.profiles.structure import ForeignKey, Structure, Table

# Children a parent: how many parents have so many, in each part of their table. One aggregate over the child's key.
_GROUPS = """
    SELECT part, children, count(*)
    FROM (SELECT {part} AS part, count(*) AS children FROM {child} WHERE {given} GROUP BY {columns}) counted
    GROUP BY part, children
"""
_ROWS = "SELECT {part} AS part, count(*) FROM {table} GROUP BY part"
_ORPHANS = """
    SELECT count(*)
    FROM {child} c
    WHERE {given} AND NOT EXISTS (SELECT FROM {parent} p WHERE {equal})
"""
_NULLS = "SELECT count(*), {counts} FROM {table}"  # of bools also how many are true
_DISTINCT = "SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {column} IS NOT NULL GROUP BY {column}) kinds"


def count(asking: Asking, structure: Structure, statistics: Statistics) -> Statistics:
    """Return the statistics with what was counted in place of what was guessed."""
    unseen: list[str] = []
    tables = {
        name: _counted(asking, structure.tables[name], found, unseen) if name in structure.tables else found
        for name, found in statistics.tables.items()
    }
    wanted = [
        (table, key)
        for table in structure.tables.values()
        for key in [*table.foreign_keys, *structure.undeclared(table)]
        if table.name in tables and key.parent in tables
    ]
    parents = {
        name: _parents(asking, structure.tables[name], tables[name], unseen)
        for name in sorted({key.parent for _, key in wanted})
    }
    found = (_fanout(asking, table, key, tables[table.name], parents[key.parent], unseen) for table, key in wanted)
    fanouts = [one for one in found if one is not None]
    return replace(
        statistics,
        tables=tables,
        fanouts=tuple(fanouts),
        unseen=(*statistics.unseen, *unseen),
        asked=tuple(asking.asked),
    )


def _counted(asking: Asking, table: Table, found: TableStatistics, unseen: list[str]) -> TableStatistics:
    names = list(found.columns)
    if not names:
        return found
    bools = [name for name in names if name in table.columns and table.columns[name].type.kind == "bool"]
    counts = sql.SQL(", ").join(
        [
            *(sql.SQL("count({})").format(sql.Identifier(name)) for name in names),
            *(sql.SQL("count(*) FILTER (WHERE {})").format(sql.Identifier(name)) for name in bools),
        ]
    )
    query = sql.SQL(_NULLS).format(table=rows_of(table, found), counts=counts)
    row = _asked(asking, f"nulls of {table.name}", query, unseen, round(found.rows))
    if row is None:
        return found
    rows, filled = float(row[0][0]), dict(zip(names, row[0][1:], strict=False))
    true = dict(zip(bools, row[0][1 + len(names) :], strict=True))
    columns = {
        name: counting.with_true(one, true[name], filled[name], rows)
        if name in true
        else _distinct(asking, table, found, name, rows, filled[name], unseen)
        for name, one in found.columns.items()
    }
    return replace(found, rows=rows, columns=columns)


def _distinct(  # noqa: PLR0917 - the parts of one count
    asking: Asking, table: Table, whole: TableStatistics, name: str, rows: float, filled: int, unseen: list[str]
) -> ColumnStatistics:
    one = counting.with_null(whole.columns[name], 1.0 - filled / rows if rows else 0.0)
    column = table.columns.get(name)
    if column is None or column.type.kind in counting.UNCOUNTED or (name,) in table.keys or not rows:
        return one
    query = sql.SQL(_DISTINCT).format(table=rows_of(table, whole), column=sql.Identifier(name))
    found = _asked(asking, f"different values of {table.name}.{name}", query, unseen, round(rows))
    if found is None:
        return one
    return counting.with_distinct(one, found[0][0], rows)


@dataclass(frozen=True, slots=True)
class _Parents:
    """A table that others point at: where the parts of its `key` begin, and how many rows each of them has."""

    source: sql.Composed
    key: str | None
    edges: tuple[int, ...]
    rows: Mapping[int, int]

    def part(self, column: str) -> sql.Composable:
        """Return the number of the part in which a column points, as the server works it out."""
        if not self.edges:
            return sql.SQL("0")
        return sql.SQL("width_bucket({}, {}::bigint[])").format(sql.Identifier(column), sql.Literal([*self.edges]))


def _parents(asking: Asking, table: Table, found: TableStatistics, unseen: list[str]) -> _Parents | None:
    key = table.primary_key[0] if table.primary_key and len(table.primary_key) == 1 else None
    uncounted = _Parents(rows_of(table, found), key, counting.edges(table, key, found) if key else (), {})
    query = sql.SQL(_ROWS).format(table=rows_of(table, found), part=uncounted.part(key or ""))
    counted = _asked(asking, f"rows of {table.name}", query, unseen, round(found.rows))
    return replace(uncounted, rows=dict(counted)) if counted is not None else None


def _fanout(  # noqa: PLR0917 - the parts of one count
    asking: Asking, table: Table, key: ForeignKey, child: TableStatistics, parents: _Parents | None, unseen: list[str]
) -> FanoutCount | None:
    rows = child.rows
    what = f"{table.name}({', '.join(key.columns)})"
    columns = [sql.Identifier(column) for column in key.columns]
    given = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(column) for column in columns)
    if parents is None:
        return None
    names = {"child": rows_of(table, child), "parent": parents.source, "given": given}
    along = parents if key.parent_columns == (parents.key,) else replace(parents, edges=())
    counted = _asked(
        asking,
        f"children a parent of {what}",
        sql.SQL(_GROUPS).format(columns=sql.SQL(", ").join(columns), part=along.part(key.columns[0]), **names),
        unseen,
        round(rows),
    )
    if counted is None:
        return None
    total = sum(parents.rows.values())
    orphans = 0 if key in table.foreign_keys else _orphans(asking, key, names, what, unseen, round(rows) + total)
    pointing = sum(children * with_children for _, children, with_children in counted)
    return FanoutCount(
        table=table.name,
        columns=key.columns,
        parent=key.parent,
        parent_columns=key.parent_columns,
        groups=counting.grouped(((children, count) for _, children, count in counted), total),
        null=max(0.0, 1.0 - pointing / rows) if rows else 0.0,
        orphans=orphans,
        parts=counting.by_part(counted, parents.rows) if along.edges and not orphans else (),
    )


def _orphans(  # noqa: PLR0917 - the parts of one count
    asking: Asking, key: ForeignKey, names: dict[str, Any], what: str, unseen: list[str], rows: int
) -> int | None:
    pairs = zip(key.columns, key.parent_columns, strict=True)
    equal = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("p", theirs), sql.Identifier("c", mine)) for mine, theirs in pairs
    )
    found = _asked(asking, f"orphans of {what}", sql.SQL(_ORPHANS).format(equal=equal, **names), unseen, rows)
    return found[0][0] if found else None


def _asked(
    asking: Asking, what: str, query: sql.Composed, unseen: list[str], rows_read: int
) -> list[tuple[Any, ...]] | None:
    """Return a query's rows; None, and a word of why, where it took too long or may not be asked."""
    try:
        with asking.connection.transaction():
            return asking.rows(what, query.as_string(asking.connection), rows_read=rows_read)
    except psycopg.Error as error:
        unseen.append(f"{what}: {str(error).splitlines()[0]}")
        return None


def rows_of(table: Table, found: TableStatistics) -> sql.Composed:
    """Return what to select a table's own rows from; tables that inherit from it have theirs."""
    return sql.SQL("{}" if found.partitions else "ONLY {}").format(name_of(table.name))


def name_of(table: str) -> sql.Identifier:
    """Return a table's name, quoted and with its schema."""
    schema, name = split(table)
    return sql.Identifier(schema or "public", name)
