"""What of a database's tables the disk and the planner see: sizes, pages known to be visible, dead rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from rehearse.engines.postgres.alike import identifier, reading, tables_of
from rehearse.engines.postgres.structure import Connects

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

# All parts of a partitioned table together. Counters of rows are nulls where nothing was counted since the last reset.
_TABLE = """
    SELECT sum(pg_table_size(c.oid))::bigint, sum(c.relpages)::bigint, sum(c.relallvisible)::bigint,
           sum(pg_stat_get_live_tuples(c.oid))::bigint, sum(pg_stat_get_dead_tuples(c.oid))::bigint
    FROM pg_class c
    WHERE c.relkind = 'r' AND (c.oid = %(table)s::regclass OR c.oid IN
        (SELECT relid FROM pg_partition_tree(%(table)s::regclass)))
"""
_INDEXES = """
    SELECT c.relname,
           (SELECT sum(pg_relation_size(relid)) FROM (SELECT c.oid AS relid
            UNION SELECT relid FROM pg_partition_tree(c.oid)) parts)::bigint
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = %(table)s::regclass
    ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOnDisk:
    """A table's size without its indexes, and theirs.

    `visible` is the share of its pages that an index-only scan need not read, `dead` that of dead rows. None: nothing
    was counted yet.
    """

    table: str
    size_bytes: int
    indexes: Mapping[str, int]
    visible: float | None
    dead: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRatio:
    """A table's or index's size in the copy, as a ratio to what the source and the scale let expect; 1 is alike."""

    name: str
    source_bytes: int
    copy_bytes: int
    ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSimilarity:
    """How a table of the copy lies on disk, beside its source."""

    table: SizeRatio
    indexes: tuple[SizeRatio, ...]
    source_visible: float | None
    copy_visible: float | None
    source_dead: float | None
    copy_dead: float | None


def on_disk(database: Connects) -> dict[str, TableOnDisk]:
    """Return each table as it lies on disk, locked ones left out; reads catalogs and the sizes of files only."""
    known = tables_of(database)
    found = {}
    with database.connect() as connection:
        for name in known.tables:
            with suppress(psycopg.Error), reading(connection):
                found[name] = _on_disk(connection, name)
    return found


def _on_disk(connection: Connection, name: str) -> TableOnDisk:
    wanted = {"table": identifier(name).as_string(connection)}
    size, pages, visible, live, dead = connection.execute(sql.SQL(_TABLE), wanted).fetchone() or (0,) * 5
    return TableOnDisk(
        table=name,
        size_bytes=int(size or 0),
        indexes=dict(connection.execute(sql.SQL(_INDEXES), wanted).fetchall()),
        visible=visible / pages if pages else None,
        dead=dead / (live + dead) if live or dead else None,
    )


def compare(
    source: Mapping[str, TableOnDisk], copy: Mapping[str, TableOnDisk], scales: Mapping[str, float]
) -> tuple[DiskSimilarity, ...]:
    """Return the tables that both have; `scales` is the share of the source's rows that each table should hold."""
    return tuple(_table(source[name], copy[name], scales.get(name, 1.0)) for name in source if name in copy)


def _table(source: TableOnDisk, copy: TableOnDisk, scale: float) -> DiskSimilarity:
    return DiskSimilarity(
        table=_ratio(source.table, source.size_bytes, copy.size_bytes, scale),
        indexes=tuple(_indexes(source, copy, scale)),
        source_visible=source.visible,
        copy_visible=copy.visible,
        source_dead=source.dead,
        copy_dead=copy.dead,
    )


def _indexes(source: TableOnDisk, copy: TableOnDisk, scale: float) -> Iterator[SizeRatio]:
    for name in source.indexes:
        if name in copy.indexes:
            yield _ratio(name, source.indexes[name], copy.indexes[name], scale)


def _ratio(name: str, source: int, copy: int, scale: float) -> SizeRatio:
    expected = source * scale
    return SizeRatio(name=name, source_bytes=source, copy_bytes=copy, ratio=copy / expected if expected else None)
