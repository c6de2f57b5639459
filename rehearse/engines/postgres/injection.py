"""Has the planner of a copy reckon with production: statistics of the rows at scale 1. PostgreSQL 18 and later.

As many of production's rows are made as ANALYZE would read, the server analyzes them in a temporary table, and its
figures are written for the real one: so every type and every shape of a profile is carried, expressions of indexes
too. What a sample of the whole tells in another way than a whole of that size is put right: how many values there are,
and which of them are common.

The planner asks the file for its size and multiplies it by the rows a page that the catalog tells. So the catalog is
told production's rows on the copy's pages: estimates of rows are production's, but what reading pages costs is the
copy's, so that index scans of many rows, and nested loops over them, seem cheaper than they are. The sizes from which
scans are parallel can be set to the copy's (`parallel_from`). Of 40 queries of the shop (1.5 M orders), a copy at scale
0.01 planned 20 as the source did, with this 22, with the sizes too 33; costs of pages set by the scale made it worse.
Not carried are statistics on several columns together and those of single partitions (but for their rows). A rewrite
or an ANALYZE in the migration ends it, and so does autovacuum.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from rehearse.engines.postgres import trial
from rehearse.engines.postgres.abreast import Abreast
from rehearse.engines.postgres.load import Target, fill_trial, targets_of
from rehearse.engines.postgres.structure import Connects
from rehearse.errors import ScenarioMistake
from rehearse.events import Journal, Remarked
from rehearse.model.names import split
from rehearse.protocols import CountsValues, Sampled, TableData

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

LEAST_MAJOR = 18
_ROWS_A_BUCKET = 300  # that ANALYZE reads for each of a column's buckets (Chaudhuri, Motwani, Narasayya 1998)
_MAKE = """
    CREATE TEMP TABLE rehearse_trial (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY) ON COMMIT DROP
"""
_BUCKETS = """
    SELECT attname::text, attstattarget
    FROM pg_attribute
    WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0
"""
_EXPRESSIONS = """
    SELECT n.nspname::text, c.relname::text, pg_get_indexdef(c.oid), a.attname::text,
           pg_get_indexdef(c.oid, a.attnum, true)
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND i.indkey[a.attnum - 1] = 0
    WHERE i.indrelid = %s AND i.indisvalid
    ORDER BY c.oid, a.attnum
"""
_SEEN = """
    SELECT null_frac, avg_width, n_distinct, most_common_vals::text::text[], most_common_freqs,
           histogram_bounds::text::text[], correlation, most_common_elems::text, most_common_elem_freqs,
           elem_count_histogram, range_length_histogram::text, range_empty_frac, range_bounds_histogram::text
    FROM pg_stats
    WHERE schemaname = pg_my_temp_schema()::regnamespace::text AND tablename = %s AND attname = %s
"""
# How many values there are, and how many of them stand in one row only.
_COUNTED = """
    SELECT count(*), count(*) FILTER (WHERE rows = 1), coalesce(sum(rows), 0)::bigint
    FROM (SELECT count(*) AS rows FROM pg_temp.rehearse_trial WHERE ({value}) IS NOT NULL GROUP BY {value}) seen
"""
_HOLDS = "SELECT avg(({condition})::int::float8) FROM pg_temp.rehearse_trial"
_CLEAR = "SELECT pg_clear_attribute_stats(%(schema)s, %(relation)s, %(column)s, %(inherited)s)"
_RESTORE = """
    SELECT pg_restore_attribute_stats(
        'schemaname', %(schema)s::text, 'relname', %(relation)s::text, 'attname', %(column)s::text,
        'inherited', %(inherited)s::bool,
        'null_frac', %(null)s::real, 'avg_width', %(width)s::int, 'n_distinct', %(distinct)s::real,
        'most_common_vals', %(common)s::text[]::text, 'most_common_freqs', %(shares)s::real[],
        'histogram_bounds', %(bounds)s::text[]::text, 'correlation', %(correlation)s::real,
        'most_common_elems', %(items)s::text, 'most_common_elem_freqs', %(item_shares)s::real[],
        'elem_count_histogram', %(sizes)s::real[],
        'range_length_histogram', %(lengths)s::text, 'range_empty_frac', %(empty)s::real,
        'range_bounds_histogram', %(ends)s::text
    )
"""
_RELATIONS = """
    WITH tables AS (SELECT %(table)s::oid AS oid UNION SELECT relid FROM pg_partition_tree(%(table)s))
    SELECT n.nspname::text, c.relname::text, c.relkind::text, c.reltuples, pg_get_expr(i.indpred, i.indrelid)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_index i ON i.indexrelid = c.oid
    WHERE c.relkind IN ('r', 'p', 'i') AND c.reltuples >= 0
      AND (c.oid IN (SELECT oid FROM tables)
           OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM tables)))
"""
_PARALLEL_FROM = r"""
    SELECT name, setting::bigint FROM pg_settings WHERE name ~ '^min_parallel_(table|index)_scan_size$'
"""
_RESTORE_ROWS = "SELECT pg_restore_relation_stats('schemaname', %s::text, 'relname', %s::text, 'reltuples', %s::real)"


@dataclass(frozen=True, slots=True)
class Injected:
    """How many tables and columns have production's statistics; `left` says for others ("orders.note") why not.

    `share` is that of production's rows which are there.
    """

    tables: int
    columns: int
    share: float
    left: Mapping[str, str]

    def __str__(self) -> str:
        """Return a sentence for a person."""
        words = "; ".join(f"not {what}: {why}" for what, why in self.left.items())
        return f"the planner reckons with production's rows in {self.tables} tables and {self.columns} columns" + (
            f"; {words}" if words else ""
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """A column, or an index's expression, whose statistics are to be carried. `seen_as` is its relation here."""

    where: str
    schema: str
    relation: str
    name: str
    inherited: bool
    seen_as: str
    value: sql.Composable


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A column's row of pg_stats. `items` and what follows are for arrays and ranges, and carried as they are."""

    null: float
    width: int
    distinct: float
    common: list[str] | None
    shares: list[float] | None
    bounds: list[str] | None
    correlation: float | None
    items: str | None = None
    item_shares: list[float] | None = None
    sizes: list[float] | None = None
    lengths: str | None = None
    empty: float | None = None
    ends: str | None = None


def check(connection: Connection) -> None:
    """Raise a ScenarioMistake for a server that takes no statistics."""
    if connection.info.server_version < LEAST_MAJOR * 10_000:
        found = connection.info.parameter_status("server_version")
        raise ScenarioMistake(
            f"statistics = 'production' needs PostgreSQL {LEAST_MAJOR} or later, and this server is {found}; "
            "leave it out, or take a newer server"
        )


def inject(database: Connects, production: Iterable[TableData], journal: Journal) -> Injected:
    """Have the planner reckon with production's tables; those of the database hold rows and are analyzed.

    Makes and analyzes some 30,000 rows of each table (about a second), changes no row and no schema, and remarks in the
    journal what it has done. An ANALYZE of the table undoes it, and so does autovacuum's.
    """
    work = Abreast(database)
    with work.connect() as connection:
        check(connection)
        wanted = targets_of(connection, database, list(production))
        share = _share(connection, wanted)
    found = work.each(lambda target: _injected(work, target), wanted)
    columns = [(target, why) for target, whys in zip(wanted, found, strict=True) for why in whys.items()]
    left = {what: why for _, (what, why) in columns if why}
    whole = sum(any(why is None for why in whys.values()) for whys in found)
    injected = Injected(whole, sum(why is None for _, (_, why) in columns), share, left)
    journal.write(Remarked(at_ns=time.monotonic_ns(), source="data", says=f"statistics = 'production': {injected}"))
    return injected


def parallel_from(connection: Connection, share: float) -> dict[str, str]:
    """Return settings under which scans of a copy are parallel where those of production are; both count pages."""
    found = connection.execute(_PARALLEL_FROM).fetchall()
    return {name: f"{max(1, round(pages * share))}" for name, pages in found if pages}


def _share(connection: Connection, tables: Sequence[Target]) -> float:
    there = sum(
        rows
        for target in tables
        for _, _, kind, rows, _ in connection.execute(_RELATIONS, {"table": target.oid}).fetchall()
        if kind == "r"
    )
    return float(there) / max(1, sum(target.rows.rows for target in tables))


def _injected(work: Abreast, target: Target) -> dict[str, str | None]:
    """Inject a table's statistics; return for each column why it was not done, or None."""
    table = target.rows.table
    with work.connect() as connection, connection.transaction():
        relations = connection.execute(_RELATIONS, {"table": target.oid}).fetchall()
        present = sum(rows for _, _, kind, rows, _ in relations if kind == "r")
        if not isinstance(target.rows, Sampled) or not target.rows.rows:
            return {table: "production has no rows of it"}
        if not present:
            return {table: "it holds no rows here"}
        columns = list(_sampled(work, connection, target, target.rows))
        told = {one.where: _carried(connection, one, target.rows) for one in columns}
        for schema, relation, _, rows, condition in relations:
            whole = rows * target.rows.rows / present
            if condition and not target.partitioned:  # few rows of a copy tell little of a condition
                whole = _share_of(connection, condition) * target.rows.rows
            connection.execute(_RESTORE_ROWS, [schema, relation, whole])
    return told


def _share_of(connection: Connection, condition: str) -> float:
    found = connection.execute(sql.SQL(_HOLDS).format(condition=sql.SQL(condition))).fetchone()
    return float(found[0]) if found and found[0] else 0.0


def _sampled(work: Abreast, connection: Connection, target: Target, production: Sampled) -> Iterator[_Column]:
    """Make a sample of production's rows in a temporary table and analyze it; yield what it tells of."""
    connection.execute(sql.SQL(_MAKE).format(target.name))
    usual = connection.execute("SELECT current_setting('default_statistics_target')::int").fetchone()
    buckets = dict(connection.execute(_BUCKETS, [target.oid]).fetchall())
    for name, count in buckets.items():
        statement = sql.SQL("ALTER TABLE {} ALTER {} SET STATISTICS {}")
        connection.execute(statement.format(trial.TABLE, sql.Identifier(name), sql.Literal(count)))
    rows = _ROWS_A_BUCKET * max([*(usual or ()), *buckets.values(), 1])
    fill_trial(work, connection, target, production.sample(rows))
    expressions = list(_expressions(connection, target))
    connection.execute(sql.SQL("ANALYZE {}").format(trial.TABLE))
    schema, relation = split(target.rows.table)
    for name in target.known.columns:
        yield _Column(
            where=f"{target.rows.table}.{name}",
            schema=schema or "public",
            relation=relation,
            name=name,
            inherited=target.partitioned,
            seen_as="rehearse_trial",
            value=sql.Identifier(name),
        )
    yield from expressions


def _expressions(connection: Connection, target: Target) -> Iterator[_Column]:
    """Make the indexes on expressions, of which a server keeps statistics, on the sample too."""
    made: dict[tuple[str, str], str] = {}
    for schema, index, definition, name, value in connection.execute(_EXPRESSIONS, [target.oid]).fetchall():
        if (schema, index) not in made:
            made[schema, index] = f"rehearse_trial_{len(made)}"
            method = definition.partition(" USING ")[2]
            statement = sql.SQL("CREATE INDEX {} ON {} USING {}")
            connection.execute(statement.format(sql.Identifier(made[schema, index]), trial.TABLE, sql.SQL(method)))
        yield _Column(
            where=f"{index}.{name}",
            schema=schema,
            relation=index,
            name=name,
            inherited=False,
            seen_as=made[schema, index],
            value=sql.SQL(value),
        )


def _carried(connection: Connection, column: _Column, production: TableData) -> str | None:
    """Write a column's figures; return why that could not be done."""
    row = connection.execute(_SEEN, [column.seen_as, column.name]).fetchone()
    if row is None:
        return "a column of its type has no statistics"
    found = Figures(**dict(zip(Figures.__dataclass_fields__, row, strict=True)))
    known = production.value_counts().get(column.name) if isinstance(production, CountsValues) else None
    try:
        with connection.transaction():
            sampled = _value_counts(connection, column) if found.distinct else None
            if sampled:
                found = at_scale(found, *sampled, rows=production.rows, known=known)
            return _written(connection, column, found)
    except psycopg.Error as error:
        return error.diag.message_primary or str(error)


def _value_counts(connection: Connection, column: _Column) -> tuple[int, int, int] | None:
    found: tuple[int, int, int] | None = connection.execute(sql.SQL(_COUNTED).format(value=column.value)).fetchone()
    return found


def _written(connection: Connection, column: _Column, found: Figures) -> str | None:
    where = {one: getattr(column, one) for one in ("schema", "relation", "inherited")} | {"column": column.name}
    figures: dict[str, Any] = {one: getattr(found, one) for one in Figures.__dataclass_fields__}
    said: list[str] = []

    def hear(warning: psycopg.errors.Diagnostic) -> None:
        said.append(warning.message_primary or "")

    connection.add_notice_handler(hear)
    try:
        connection.execute(_CLEAR, where)
        written = connection.execute(_RESTORE, where | figures).fetchone()
    finally:
        connection.remove_notice_handler(hear)
    return None if written and written[0] else "; ".join(said) or "the server does not take its statistics"


def at_scale(found: Figures, values: int, single: int, seen: int, *, rows: int, known: float | None = None) -> Figures:
    """Return what a sample's figures mean for a table of so many rows.

    Of `seen` sampled rows with a value there are `values` different ones, `single` of which stand in one row only;
    `known` is their number in the table where it is known.
    """
    filled = rows * (1.0 - found.null)
    count = known if known is not None else _estimated(values, single, seen, filled)
    distinct = min(max(count, 1.0), filled)
    sampled = seen / max(1e-9, 1.0 - found.null)
    kept = _common(found, distinct, sampled, rows) if found.bounds else len(found.common or ())
    return replace(
        found,
        distinct=-distinct / rows if distinct > 0.1 * rows else distinct,
        common=(found.common or [])[:kept] or None,
        shares=(found.shares or [])[:kept] or None,
    )


def _estimated(values: int, single: int, seen: int, filled: float) -> float:
    """Return how many values a table has by a sample of it, as ANALYZE does (Haas and Stokes 1998, Duj1)."""
    if single == seen:
        return filled
    return max(values, seen * values / (seen - single + single * seen / filled))


def _common(found: Figures, distinct: float, sampled: float, rows: int) -> int:
    """Return how many of a sample's most common values are common in the table, as ANALYZE decides it.

    The least common must lie two standard deviations (of the hypergeometric distribution) above the mean of all that
    are not listed, or it goes; and so on with the next.
    """
    shares = found.shares or []
    for kept in range(len(shares), 0, -1):
        others = max(0.0, 1.0 - found.null - sum(shares[: kept - 1])) / max(1.0, distinct - (kept - 1))
        share = shares[kept - 1]
        spread = math.sqrt(sampled * share * max(0.0, 1.0 - share) * max(0.0, rows - sampled) / max(1.0, rows - 1.0))
        if sampled * share > sampled * others + 2.0 * spread + 0.5:
            return kept
    return 0
