"""What counts tell of a column and of a foreign key, in no engine's own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rehearse.profiles.statistics import ColumnStatistics, Groups, TableStatistics
from rehearse.profiles.structure import Table

UNCOUNTED = ("json", "array", "bytes", "other")  # kinds that have no cheap equality, or none at all
# Of the parents, in the order of a key that was counted up.
_PARTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_FEWEST_PARENTS = 1000
_GROWS = 0.05  # share of the rows, above which different values are taken to grow with them


def with_true(one: ColumnStatistics, true: int, filled: int, rows: float) -> ColumnStatistics:
    """Return the statistics of a bool, with both of its values counted."""
    counts = sorted(((value, count) for value, count in (("t", true), ("f", filled - true)) if count), key=_by_count)
    common = tuple((value, count / rows) for value, count in counts)
    return replace(one, null=1.0 - filled / rows if rows else 0.0, distinct=float(len(common)), common=common)


def _by_count(one: tuple[str, int]) -> int:
    return -one[1]


def with_null(one: ColumnStatistics, null: float) -> ColumnStatistics:
    """Return a column's statistics with its nulls counted; the shares of its values, among the others, stay."""
    factor = (1.0 - null) / (1.0 - one.null) if one.null < 1.0 else 0.0
    return replace(one, null=null, common=tuple((value, share * factor) for value, share in one.common))


def with_distinct(one: ColumnStatistics, kinds: int, rows: float) -> ColumnStatistics:
    """Return a column's statistics with its different values counted."""
    grows = one.distinct < 0 or kinds > _GROWS * rows
    return replace(one, distinct=-kinds / rows if grows else float(kinds))


def edges(table: Table, key: str, found: TableStatistics) -> tuple[int, ...]:
    """Return where the parts of a key begin that may have been counted up as rows came."""
    column, seen = table.columns[key], found.columns.get(key)
    if seen is None or column.type.kind != "integer" or found.rows < _FEWEST_PARENTS or len(seen.bounds) < 100:
        return ()
    starts = [int(float(seen.bounds[round(share * (len(seen.bounds) - 1))])) for share in _PARTS]
    return tuple(starts) if starts == sorted(set(starts)) else ()


def grouped(counted: Iterable[tuple[int, int]], parents: int) -> Groups:
    """Return (children a parent, parents with so many), those with none included."""
    found: Counter[int] = Counter()
    for children, with_children in counted:
        found[children] += with_children
    none = max(0, parents - found.total())
    return ((0.0, none), *((float(children), count) for children, count in sorted(found.items())))


def by_part(counted: Sequence[tuple[int, int, int]], rows: Mapping[int, int]) -> tuple[tuple[float, Groups], ...]:
    """Return the groups of each part of the parents, with the share of the parents up to its end."""
    total, upto, found = sum(rows.values()), 0, []
    for part in sorted(rows):
        upto += rows[part]
        mine = ((children, count) for other, children, count in counted if other == part)
        found.append((upto / total, grouped(mine, rows[part])))
    return tuple(found)
