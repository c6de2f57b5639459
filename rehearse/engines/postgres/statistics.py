"""What PostgreSQL's catalogs and counters say of a database: no row of a table is read.

One read-only transaction with short timeouts; every statement reads system catalogs and views, and takes no lock that a
migration would feel. PostgreSQL 14 and later.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from rehearse.engines.postgres.structure import NAME, OURS, Connects
from rehearse.profiles.statistics import (
    ColumnStatistics,
    PairStatistics,
    Query,
    QueryStatistics,
    Statistics,
    TableStatistics,
)

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

LOCK_TIMEOUT_MS = 200
STATEMENT_TIMEOUT_MS = 10_000
_SETTINGS = """
    SET LOCAL datestyle = 'ISO, YMD';
    SET LOCAL intervalstyle = 'postgres';
    SET LOCAL timezone = 'UTC';
    SET LOCAL bytea_output = 'hex';
    SET LOCAL search_path = pg_catalog, public;
"""
_SERVER = """
    SELECT current_setting('server_version'), now(), stats_reset
    FROM pg_stat_database
    WHERE datname = current_database()
"""
# Sizes and counters of each table, those of its partitions added up. About 0.1 ms a table.
_TABLES = f"""
    WITH roots AS (
        SELECT c.oid, {NAME} AS name, c.relkind, c.reltuples, c.reloptions
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND {OURS}
    ), parts AS (
        SELECT oid AS root, oid AS part FROM roots WHERE relkind = 'r'
        UNION ALL
        SELECT r.oid, t.relid FROM roots r, pg_partition_tree(r.oid) t WHERE r.relkind = 'p' AND t.isleaf
    ), measured AS (
        SELECT p.root, count(*) AS parts, sum(greatest(c.reltuples, 0)) AS tuples, min(c.reltuples) AS least,
               sum(c.relpages) AS pages, sum(c.relallvisible) AS visible,
               sum(pg_relation_size(c.oid)) AS size, sum(pg_indexes_size(c.oid)) AS index_size,
               sum(CASE WHEN c.reltoastrelid <> 0 THEN pg_relation_size(c.reltoastrelid) ELSE 0 END) AS toast_size,
               sum(s.n_live_tup) AS live, sum(s.n_dead_tup) AS dead,
               min(greatest(s.last_analyze, s.last_autoanalyze)) AS analyzed, sum(s.n_mod_since_analyze) AS changed,
               sum(s.n_tup_ins) AS inserted, sum(s.n_tup_upd) AS updated, sum(s.n_tup_del) AS deleted
        FROM parts p
        JOIN pg_class c ON c.oid = p.part
        LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
        GROUP BY p.root
    )
    SELECT r.name, r.relkind = 'p', r.reltuples, r.reloptions, m.*, current_setting('block_size')::int
    FROM roots r
    LEFT JOIN measured m ON m.root = r.oid
    ORDER BY r.name
"""
_INDEXES = f"""
    SELECT {NAME} AS name, i.relname,
           coalesce((SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(i.oid) t), pg_relation_size(i.oid))
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class c ON c.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND {OURS}
    ORDER BY 1, 2
"""
# The view shows the statistics of columns that we may read, and of no others.
_COLUMNS = f"""
    SELECT {NAME} AS name, s.attname, s.null_frac, s.n_distinct, s.avg_width, s.correlation,
           t.typcategory = 'A',
           CASE WHEN t.typcategory <> 'A' THEN s.most_common_vals::text::text[] END, s.most_common_freqs,
           CASE WHEN t.typcategory <> 'A' THEN s.histogram_bounds::text::text[] END,
           s.most_common_elems::text::text[], s.most_common_elem_freqs, s.elem_count_histogram
    FROM pg_stats s
    JOIN pg_namespace n ON n.nspname = s.schemaname
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE s.inherited = (c.relkind = 'p') AND NOT c.relispartition AND {OURS}
"""
_PAIRS = f"""
    SELECT {NAME} AS name, x.attnames::text[], x.most_common_vals, x.most_common_freqs
    FROM pg_stats_ext x
    JOIN pg_namespace n ON n.nspname = x.schemaname
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = x.tablename
    WHERE x.most_common_vals IS NOT NULL AND {OURS}
"""
_STATEMENTS = "SELECT e.extnamespace::regnamespace::text FROM pg_extension e WHERE e.extname = 'pg_stat_statements'"
# The 200 most frequent statements of this database; PostgreSQL has taken their constants out.
_QUERIES = """
    SELECT query, sum(calls)::bigint, sum(total_exec_time) / greatest(sum(calls), 1), sum(rows)::bigint
    FROM {schema}.pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    GROUP BY query
    ORDER BY sum(calls) DESC
    LIMIT 200
"""
_PRIVATE = "<insufficient privilege>"


@dataclass(slots=True)
class Asking:
    """A read-only transaction whose statements are noted, with what they cost."""

    connection: Connection
    asked: list[Query] = field(default_factory=list)

    def rows(self, what: str, query: str, values: Any = None, *, rows_read: int = 0) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        started = time.monotonic()
        found = self.connection.execute(query, values).fetchall()
        took = time.monotonic() - started
        self.asked.append(Query(what=what, sql=_one_line(query), took_s=took, rows_read=rows_read))
        return found


@contextmanager
def asking(
    database: Connects,
    *,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    apart: bool = False,
) -> Iterator[Asking]:
    """Open a read-only transaction in one snapshot, whose statements end by themselves and wait for no lock.

    `apart` gives each statement a transaction of its own: no table's lock is then held while others are read.
    """
    options = f"-c default_transaction_read_only=on -c statement_timeout={statement_timeout_ms}"
    options += f" -c lock_timeout={lock_timeout_ms} -c idle_in_transaction_session_timeout=60000"
    with database.connect(options=options, application_name="rehearse profile") as connection:
        if apart:
            connection.execute(_SETTINGS.replace("SET LOCAL", "SET"))
            yield Asking(connection)
        else:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute(_SETTINGS)
            yield Asking(connection)
            connection.execute("ROLLBACK")


def read(asking: Asking) -> Statistics:
    """Return what the catalogs say."""
    version, now, reset = asking.rows("the server", _SERVER)[0]
    columns = _columns(asking.rows("column statistics", _COLUMNS))
    indexes: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for table, name, size in asking.rows("indexes and their sizes", _INDEXES):
        indexes[table][name] = int(size or 0)  # one that is dropped just now has none
    tables = {
        row[0]: _table(row, columns.get(row[0], {}), indexes[row[0]])
        for row in asking.rows("tables and their sizes", _TABLES)
    }
    queries, unseen = _queries(asking)
    return Statistics(
        server=f"PostgreSQL {version.split()[0]}",
        taken_at=now,
        counted_since=reset,
        tables=tables,
        pairs=tuple(_pairs(asking.rows("statistics on several columns", _PAIRS))),
        queries=tuple(queries),
        unseen=tuple(unseen),
        asked=tuple(asking.asked),
    )


def _table(row: Sequence[Any], columns: Mapping[str, ColumnStatistics], sizes: Mapping[str, int]) -> TableStatistics:
    _, partitioned, own_tuples, options, _, parts, tuples, least, pages, visible, size, indexes, toast, *rest = row
    live, dead, analyzed, changed, inserted, updated, deleted, block = rest
    return TableStatistics(
        rows=_rows(own_tuples if partitioned and own_tuples >= 0 else None, tuples, least, pages, size, live, block),
        pages=int(pages or 0),
        visible_pages=int(visible or 0),
        size_bytes=int(size or 0),
        index_bytes=int(indexes or 0),
        indexes=sizes,
        toast_bytes=int(toast or 0),
        dead=_whole(dead),
        analyzed=analyzed,
        changed=_whole(changed),
        inserted=_whole(inserted),
        updated=_whole(updated),
        deleted=_whole(deleted),
        options=tuple(options or ()),
        partitions=int(parts or 0) if partitioned else 0,
        columns=columns,
    )


def _rows(own: Any, tuples: Any, least: Any, pages: Any, size: Any, live: Any, block: int) -> float:  # noqa: PLR0917
    """Return the rows as the planner reckons them: the density at the last vacuum or analyze, times today's pages."""
    if least is None or least < 0:  # some part has never been vacuumed or analyzed: the counters are all there is
        return float(max(live or 0, tuples or 0))
    whole = float(tuples if own is None else own)
    return whole * (float(size) / block / float(pages)) if pages else float(max(live or 0, whole))


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _columns(rows: list[tuple[Any, ...]]) -> dict[str, dict[str, ColumnStatistics]]:
    found: defaultdict[str, dict[str, ColumnStatistics]] = defaultdict(dict)
    for table, column, null, distinct, width, correlation, is_array, *values in rows:
        common, shares, bounds, items, item_shares, counts = values
        found[table][column] = ColumnStatistics(
            null=null,
            distinct=distinct,
            width_bytes=width,
            correlation=correlation,
            common=tuple(zip(common or (), shares or (), strict=False)) if not is_array else (),
            bounds=tuple(bounds or ()),
            items=tuple(zip(items or (), item_shares or (), strict=False)),  # three more shares: least, most, null
            sizes=tuple(round(one) for one in (counts or ())[:-1]),  # the last is the mean
        )
    return found


def _pairs(rows: list[tuple[Any, ...]]) -> Iterator[PairStatistics]:
    for table, columns, values, shares in rows:
        common = tuple((tuple(one), share) for one, share in zip(values, shares, strict=True))
        yield PairStatistics(table=table, columns=tuple(columns), common=common)


def _queries(asking: Asking) -> tuple[list[QueryStatistics], list[str]]:
    schema = asking.rows("is pg_stat_statements there", _STATEMENTS)
    if not schema:
        return [], ["the query mix: the extension pg_stat_statements is not in this database"]
    try:
        with asking.connection.transaction():
            rows = asking.rows("the query mix", _QUERIES.format(schema=schema[0][0]))
    except psycopg.Error as error:
        return [], [f"the query mix: {str(error).splitlines()[0]}"]
    seen = [
        QueryStatistics(text=row[0], calls=row[1], mean_ms=row[2], rows=row[3]) for row in rows if row[0] != _PRIVATE
    ]
    hidden = len(rows) - len(seen)
    return seen, [f"{hidden} statements of other roles: grant pg_read_all_stats"] if hidden else []


def _one_line(query: str) -> str:
    return " ".join(query.split())
