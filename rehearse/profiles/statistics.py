"""What a server knows about its tables without reading a row, in no engine's own words.

Values are texts as the server writes them. Nothing here is fit to be written down: it may hold literals of any column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Groups = tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStatistics:
    """A column. `distinct` counts the values, or where it is below 0 is minus their share of the rows."""

    null: float
    distinct: float
    width_bytes: float
    correlation: float | None = None  # of the value's rank with the row's place; None: not ordered
    common: tuple[tuple[str, float], ...] = ()  # values and their shares of all rows, the most common first
    bounds: tuple[str, ...] = ()  # of buckets of equal weight, over the values that are not common
    items: tuple[tuple[str, float], ...] = ()  # of arrays: elements, and the share of rows that hold them
    sizes: tuple[int, ...] = ()  # of arrays: quantiles of the number of different elements
    seen: tuple[tuple[str, float], ...] = ()  # values of a sample of rows, with the share of rows that each stands for


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatistics:
    """A table. What is None could not be seen. The counts of writes are since `counted_since`."""

    rows: float
    pages: int
    visible_pages: int
    size_bytes: int
    index_bytes: int
    toast_bytes: int
    indexes: Mapping[str, int] = field(default_factory=dict)  # size by name, in bytes
    dead: int | None = None
    analyzed: datetime | None = None
    changed: int | None = None  # rows written since then
    inserted: int | None = None
    updated: int | None = None
    deleted: int | None = None
    options: tuple[str, ...] = ()
    partitions: int = 0
    columns: Mapping[str, ColumnStatistics] = field(default_factory=dict)
    are_columns_seen: bool = True  # False: nothing is known of their values, and why stands in what is unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStatistics:
    """Columns of which the server keeps statistics together: values that are common together, with their shares."""

    table: str
    columns: tuple[str, ...]
    common: tuple[tuple[tuple[str | None, ...], float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FanoutCount:
    """A foreign key's children, counted: (children a parent, parents with so many), those with none included."""

    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    groups: Groups
    null: float  # share of the rows that point nowhere
    orphans: int | None = 0  # rows that point at a parent that is not there; None: not counted
    parts: tuple[tuple[float, Groups], ...] = ()  # the groups up to a share of the parents, in the order of their keys


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStatistics:
    """A statement of the application, with its constants taken out."""

    text: str
    calls: int
    mean_ms: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What was asked of the server: the statement, how long it took, and how many rows of tables it read."""

    what: str
    sql: str
    took_s: float
    rows_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Everything that was seen, and in `unseen` words what could not be."""

    server: str
    taken_at: datetime
    counted_since: datetime | None
    tables: Mapping[str, TableStatistics]
    pairs: tuple[PairStatistics, ...] = ()
    fanouts: tuple[FanoutCount, ...] = ()
    queries: tuple[QueryStatistics, ...] = ()
    unseen: tuple[str, ...] = ()
    asked: tuple[Query, ...] = ()
