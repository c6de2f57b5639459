"""What the family's catalogs say of a database: no row of a table is read.

Sizes and estimates from the information schema and, as far as they may be read, InnoDB's own statistics; histograms of
columns where somebody had them made (MariaDB: mysql.column_stats; MySQL: information_schema.column_statistics).
A read-only session outside any transaction, so that no metadata lock outlives a statement.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pymysql

from rehearse.engines.mysql import histograms
from rehearse.engines.mysql.client import Connection, execute, is_mariadb, rows, words
from rehearse.profiles.statistics import (
    ColumnStatistics,
    Query,
    QueryStatistics,
    Statistics,
    TableStatistics,
)
from rehearse.profiles.structure import Column, Structure, Table

LOCK_TIMEOUT_S = 1  # the shortest that these servers know
STATEMENT_TIMEOUT_MS = 10_000
OURS = "rehearse"  # alias of every table that we read, by which our own statements are known in the query mix
_PAGE = 16384
_SERVER = "SELECT version(), utc_timestamp(6) AS rehearse"
_TABLES = """
    SELECT t.table_name, coalesce(t.table_rows, 0), coalesce(t.data_length, 0), coalesce(t.index_length, 0),
           (SELECT count(*) FROM information_schema.partitions p
            WHERE p.table_schema = t.table_schema AND p.table_name = t.table_name AND p.partition_name IS NOT NULL)
    FROM information_schema.tables t
    WHERE t.table_schema = database() AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
    ORDER BY t.table_name
"""
# How many different values the leading column of an index has, as the planner reckons.
_LEADING = """
    SELECT table_name, column_name, max(cardinality)
    FROM information_schema.statistics
    WHERE table_schema = database() AND seq_in_index = 1 AND sub_part IS NULL AND cardinality IS NOT NULL
    GROUP BY table_name, column_name
"""
_ANALYZED = """
    SELECT table_name, max(last_update) FROM mysql.innodb_table_stats WHERE database_name = database() GROUP BY 1
"""
_INDEXES = """
    SELECT table_name, index_name, sum(stat_value)
    FROM mysql.innodb_index_stats
    WHERE database_name = database() AND stat_name = 'size'
    GROUP BY 1, 2
"""
# The 200 most frequent statements; the server has taken their constants out.
_QUERIES = """
    SELECT digest_text, sum(count_star), sum(sum_timer_wait) / 1e9 / greatest(sum(count_star), 1),
           sum(sum_rows_sent + sum_rows_affected), min(first_seen)
    FROM performance_schema.events_statements_summary_by_digest
    WHERE schema_name = database() AND digest_text NOT LIKE '%\\_schema`%' AND digest_text NOT LIKE '%`mysql`%'
      AND digest_text NOT LIKE '%`rehearse`%'
    GROUP BY digest_text
    ORDER BY sum(count_star) DESC
    LIMIT 200
"""
_FUNCTION = re.compile(r"`(\w+)` \(")
_WIDTHS = {"date": 4.0, "timestamp": 8.0, "bool": 1.0, "uuid": 16.0, "enum": 1.0}


class Connects(Protocol):
    """A database that can be connected to."""

    def connect(self, **options: Any) -> Any:
        """Return a connection, as a context."""
        ...


@dataclass(slots=True)
class Asking:
    """A read-only session whose statements are noted, with what they cost."""

    connection: Connection
    asked: list[Query] = field(default_factory=list)

    @property
    def is_mariadb(self) -> bool:
        """Whether the server is MariaDB, whose statistics are kept elsewhere."""
        return is_mariadb(self.connection)

    def rows(self, what: str, query: str, values: Any = None, *, rows_read: int = 0) -> Sequence[tuple[Any, ...]]:
        """Return all rows of a query."""
        started = time.monotonic()
        found = rows(self.connection, query, values)
        took = time.monotonic() - started
        self.asked.append(Query(what=what, sql=" ".join(query.split()), took_s=took, rows_read=rows_read))
        return found

    def tried(self, what: str, query: str, unseen: list[str], *, rows_read: int = 0) -> Sequence[tuple[Any, ...]]:
        """Return a query's rows; none, and a word of why, where it may not be asked or takes too long."""
        try:
            return self.rows(what, query, rows_read=rows_read)
        except pymysql.err.MySQLError as error:
            unseen.append(f"{what}: {words(error)}")
            return ()


@contextmanager
def asking(database: Connects, *, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS) -> Iterator[Asking]:
    """Open a read-only session whose statements end by themselves, and wait for no lock longer than a second."""
    with database.connect(program_name="rehearse profile") as connection:
        execute(connection, "SET SESSION TRANSACTION READ ONLY")
        execute(connection, f"SET lock_wait_timeout = {LOCK_TIMEOUT_S}, innodb_lock_wait_timeout = {LOCK_TIMEOUT_S}")
        execute(connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")  # no old rows are kept for us
        found = Asking(connection)
        if found.is_mariadb:
            execute(connection, f"SET max_statement_time = {statement_timeout_ms / 1000}")
        else:
            execute(connection, f"SET max_execution_time = {statement_timeout_ms}, information_schema_stats_expiry = 0")
        yield found


def read(asking: Asking, structure: Structure) -> Statistics:
    """Return what the catalogs say of the tables of a structure."""
    ((version, now),) = asking.rows("the server", _SERVER)
    unseen: list[str] = []
    sizes: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for table, name, pages in asking.tried("the sizes of indexes", _INDEXES, unseen):
        sizes[table][name] = int(pages) * _PAGE
    before = len(unseen)
    analyzed = dict(asking.tried("when tables were analyzed", _ANALYZED, unseen))
    unknown = now if len(unseen) > before else None  # not to be told when is no reason to say never
    leading: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for table, column, kinds in asking.rows("different values of indexes", _LEADING):
        leading[table][column] = float(kinds)
    kept = histograms.read(asking, structure, unseen)
    tables = {}
    for name, *row in asking.rows("tables and their sizes", _TABLES):
        if name not in structure.tables:
            continue
        columns = _columns(structure.tables[name], float(row[0]), kept.get(name, {}), leading[name])
        tables[name] = _table(row, columns, sizes[name], _moment(analyzed.get(name, unknown)))
        if tables[name].rows and not kept.get(name):
            unseen.append(f"{name}: the server keeps no histograms of its columns; --sample looks at rows instead")
    queries, since = _queries(asking, unseen)
    return Statistics(
        server=f"MariaDB {version.partition('-')[0]}" if asking.is_mariadb else f"MySQL {version.partition('-')[0]}",
        taken_at=datetime.fromisoformat(str(now)).replace(tzinfo=UTC),
        counted_since=since,
        tables=tables,
        queries=queries,
        unseen=tuple(unseen),
        asked=tuple(asking.asked),
    )


def _table(
    row: Sequence[Any], columns: Mapping[str, ColumnStatistics], sizes: Mapping[str, int], analyzed: datetime | None
) -> TableStatistics:
    estimate, size, index_size, parts = row
    pages = int(size) // _PAGE
    return TableStatistics(
        rows=float(estimate),
        pages=pages,
        visible_pages=pages,
        size_bytes=int(size),
        index_bytes=int(index_size),
        toast_bytes=0,  # long values lie in the table's own file
        indexes=dict(sizes),
        analyzed=analyzed,
        partitions=int(parts),
        columns=columns,
        are_columns_seen=any(one.common or one.bounds for one in columns.values()),
    )


def _columns(
    table: Table, estimate: float, kept: Mapping[str, ColumnStatistics], leading: Mapping[str, float]
) -> dict[str, ColumnStatistics]:
    """Return what is known of columns: histograms, and of keys what an index that begins with them tells."""
    first = (table.primary_key or ("",))[0]
    pointing = {column for key in table.foreign_keys for column in key.columns}
    found = {}
    for name, column in table.columns.items():
        one = kept.get(name)
        if one is None and name in pointing | {first}:
            one = _of_key(column, table, estimate, leading.get(name))
        if one is not None:
            found[name] = replace(one, correlation=1.0) if name == first else one  # rows lie in its order
    return found


def _of_key(column: Column, table: Table, estimate: float, kinds: float | None) -> ColumnStatistics:
    distinct = -1.0 if (column.name,) in table.keys or not kinds else _growing(kinds, estimate)
    return ColumnStatistics(null=0.0, distinct=distinct, width_bytes=_width(column))


def _growing(distinct: float, estimate: float) -> float:
    return -min(1.0, distinct / estimate) if estimate and distinct > 0.1 * estimate else distinct


def _width(column: Column) -> float:
    known = _WIDTHS.get(column.type.kind)
    return known or (float(column.type.length) / 2 if column.type.length else column.type.bits / 8)


def _moment(value: Any) -> datetime | None:
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
    return None


def _queries(asking: Asking, unseen: list[str]) -> tuple[tuple[QueryStatistics, ...], datetime | None]:
    """Return the statements of the application, and since when they were counted."""
    found = asking.tried("the query mix", _QUERIES, unseen)
    if not found and not any(one.startswith("the query mix") for one in unseen):
        unseen.append("the query mix: performance_schema is off, or has seen no statement of this database")
    queries = [
        QueryStatistics(text=_closer(text), calls=int(calls), mean_ms=float(mean), rows=int(touched))
        for text, calls, mean, touched, _ in found
    ]
    moments = [at for row in found if (at := _moment(row[4])) is not None]
    return tuple(queries), min(moments, default=None)


def _closer(digest: str) -> str:
    """Return a digest's text as people write statements: `t` . `c` as t.c, and functions without quotes."""
    return (
        _FUNCTION.sub(r"\1(", digest.replace("` . `", "`.`")).replace("( ", "(").replace(" )", ")").replace(" , ", ", ")
    )
