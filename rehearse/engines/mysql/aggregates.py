"""What counting tells and statistics only guess: children a parent, different values, nulls, orphans.

Each statement reads a whole table (or two) and returns counts, never a value. Those that take longer than the timeout
are given up, and said to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rehearse.engines.mysql.client import named
from rehearse.engines.mysql.statistics import OURS, Asking
from rehearse.profiles import counting
from rehearse.profiles.statistics import ColumnStatistics, FanoutCount, Statistics, TableStatistics
from rehearse.profiles.structure import ForeignKey, Structure, Table


def count(asking: Asking, structure: Structure, statistics: Statistics) -> Statistics:
    """Return the statistics with what was counted in place of what was guessed."""
    unseen: list[str] = []
    tables = {
        name: _counted(asking, structure.tables[name], found, unseen) for name, found in statistics.tables.items()
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
    return replace(
        statistics,
        tables=tables,
        fanouts=tuple(one for one in found if one is not None),
        unseen=(*statistics.unseen, *unseen),
        asked=tuple(asking.asked),
    )


def _counted(asking: Asking, table: Table, found: TableStatistics, unseen: list[str]) -> TableStatistics:
    names = [name for name in found.columns if name in table.columns]
    bools = [name for name in names if table.columns[name].type.kind == "bool"]
    counts = ["count(*)", *(f"count({named(name)})" for name in names), *(f"sum({named(name)})" for name in bools)]
    query = f"SELECT {', '.join(counts)} FROM {named(table.name)} {OURS}"
    counted = asking.tried(f"rows and nulls of {table.name}", query, unseen, rows_read=round(found.rows))
    if not counted:
        return found
    rows, filled = float(counted[0][0]), dict(zip(names, counted[0][1:], strict=False))
    true = dict(zip(bools, (int(one or 0) for one in counted[0][1 + len(names) :]), strict=True))
    columns = {
        name: counting.with_true(found.columns[name], true[name], filled[name], rows)
        if name in true
        else _distinct(asking, table, found.columns[name], name, rows, filled[name], unseen)
        for name in names
    }
    return replace(found, rows=rows, columns=columns)


def _distinct(  # noqa: PLR0917 - the parts of one count
    asking: Asking, table: Table, one: ColumnStatistics, name: str, rows: float, filled: int, unseen: list[str]
) -> ColumnStatistics:
    one = counting.with_null(one, 1.0 - filled / rows if rows else 0.0)
    if table.columns[name].type.kind in counting.UNCOUNTED or (name,) in table.keys or not rows:
        return one
    query = f"SELECT count(DISTINCT {named(name)}) FROM {named(table.name)} {OURS}"
    what = f"different values of {table.name}.{name}"
    found = asking.tried(what, query, unseen, rows_read=round(rows))
    return counting.with_distinct(one, found[0][0], rows) if found else one


@dataclass(frozen=True, slots=True)
class _Parents:
    """A table that others point at: where the parts of its `key` begin, and how many rows each of them has."""

    key: str | None
    edges: tuple[int, ...]
    rows: Mapping[int, int]

    def part(self, column: str) -> str:
        """Return the number of the part in which a column points, as the server works it out."""
        return f"INTERVAL({named(column)}, {', '.join(map(str, self.edges))})" if self.edges else "0"


def _parents(asking: Asking, table: Table, found: TableStatistics, unseen: list[str]) -> _Parents | None:
    key = table.primary_key[0] if table.primary_key and len(table.primary_key) == 1 else None
    uncounted = _Parents(key, counting.edges(table, key, found) if key else (), {})
    query = f"SELECT {uncounted.part(key or '')} AS part, count(*) FROM {named(table.name)} {OURS} GROUP BY part"
    before = len(unseen)
    counted = asking.tried(f"rows of {table.name}", query, unseen, rows_read=round(found.rows))
    return None if len(unseen) > before else replace(uncounted, rows={int(part): rows for part, rows in counted})


def _fanout(  # noqa: PLR0917 - the parts of one count
    asking: Asking, table: Table, key: ForeignKey, child: TableStatistics, parents: _Parents | None, unseen: list[str]
) -> FanoutCount | None:
    if parents is None:
        return None
    what = f"{table.name}({', '.join(key.columns)})"
    along = parents if key.parent_columns == (parents.key,) else replace(parents, edges=())
    given = " AND ".join(f"{named(column)} IS NOT NULL" for column in key.columns)
    query = (
        f"SELECT part, children, count(*) FROM (SELECT {along.part(key.columns[0])} AS part, count(*) AS children "
        f"FROM {named(table.name)} {OURS} WHERE {given} GROUP BY {', '.join(map(named, key.columns))}) counted "
        "GROUP BY part, children"
    )
    before = len(unseen)
    found = asking.tried(f"children a parent of {what}", query, unseen, rows_read=round(child.rows))
    if len(unseen) > before:
        return None
    counted: Sequence[tuple[int, int, int]] = [(int(part), int(children), int(some)) for part, children, some in found]
    total = sum(parents.rows.values())
    is_declared = key in table.foreign_keys
    orphans = 0 if is_declared else _orphans(asking, table, key, given, what, unseen, round(child.rows) + total)
    pointing = sum(children * with_children for _, children, with_children in counted)
    return FanoutCount(
        table=table.name,
        columns=key.columns,
        parent=key.parent,
        parent_columns=key.parent_columns,
        groups=counting.grouped(((children, some) for _, children, some in counted), total),
        null=max(0.0, 1.0 - pointing / child.rows) if child.rows else 0.0,
        orphans=orphans,
        parts=counting.by_part(counted, parents.rows) if along.edges and not orphans else (),
    )


def _orphans(  # noqa: PLR0917 - the parts of one count
    asking: Asking, table: Table, key: ForeignKey, given: str, what: str, unseen: list[str], rows: int
) -> int | None:
    pairs = zip(key.columns, key.parent_columns, strict=True)
    equal = " AND ".join(f"p.{named(theirs)} = {OURS}.{named(mine)}" for mine, theirs in pairs)
    query = (
        f"SELECT count(*) FROM {named(table.name)} {OURS} WHERE {given} "
        f"AND NOT EXISTS (SELECT 1 FROM {named(key.parent)} p WHERE {equal})"
    )
    found = asking.tried(f"orphans of {what}", query, unseen, rows_read=rows)
    return int(found[0][0]) if found else None
