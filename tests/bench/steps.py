"""What migration steps cost on a copy against the same steps on the source that it is to stand for.

    python -m tests.bench.steps [--repeats 5] [--only WORD] [--json FILE]

A figure is the CPU of the step's own backend, without parallel workers, caches warm. Source and copies take turns, and
a ratio is the median of those within a turn, for a busy machine makes all of a turn dearer. Each step is undone: by a
rollback where that leaves no trace, else it is done in a fork that is thrown away. Deferred constraints are checked
within the step. The fork of the source (A/A) is the control: what a perfect copy would score here.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from rehearse.engines._machine import cpu_ns
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.roles import Connection
from rehearse.engines.postgres.server import PostgresServer
from tests.bench.sources import bench_server, copies, oscar, pgbench

SOURCES: Mapping[str, Callable[[PostgresServer], PostgresDatabase]] = {"oscar": oscar, "pgbench": pgbench}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A migration step. `reads` are the tables to warm; `writes` says that a rollback would leave dead rows behind."""

    source: str
    name: str
    reads: tuple[str, ...]
    do: tuple[str, ...]
    writes: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step came to: its backend's CPU, and the rows that its statements report, entries of new indexes too."""

    cpu_s: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A step on a source and on its copies. `failed` says what the server refused, and the copy then has no ratio."""

    source: str
    step: str
    cpu_s: float
    rows: int
    cpu_ratio: Mapping[str, float]
    rows_ratio: Mapping[str, float | None]  # None where the source has no rows to report
    failed: Mapping[str, str]


def _shop(name: str, reads: str, *do: str, writes: bool = False) -> Step:
    return Step(source="oscar", name=name, reads=tuple(reads.split()), do=do, writes=writes)


def _bank(name: str, reads: str, *do: str, writes: bool = False) -> Step:
    return Step(source="pgbench", name=name, reads=tuple(reads.split()), do=do, writes=writes)


# Bounds by quantile: a copy's moments may be others.
_QUARTERS = """
    DO $$
    DECLARE bounds timestamptz[];
    BEGIN
        SELECT percentile_disc('{0.25,0.5,0.75}'::float[]) WITHIN GROUP (ORDER BY date_created)
        INTO bounds FROM order_orderstatuschange;
        CREATE TABLE changes (LIKE order_orderstatuschange) PARTITION BY RANGE (date_created);
        CREATE INDEX ON changes (order_id);
        EXECUTE format('CREATE TABLE q1 PARTITION OF changes FOR VALUES FROM (MINVALUE) TO (%L)', bounds[1]);
        EXECUTE format('CREATE TABLE q2 PARTITION OF changes FOR VALUES FROM (%L) TO (%L)', bounds[1], bounds[2]);
        EXECUTE format('CREATE TABLE q3 PARTITION OF changes FOR VALUES FROM (%L) TO (%L)', bounds[2], bounds[3]);
        EXECUTE format('CREATE TABLE q4 PARTITION OF changes FOR VALUES FROM (%L) TO (MAXVALUE)', bounds[3]);
    END $$
"""
_DOUBLES = """
    DELETE FROM analytics_usersearch s
    USING (SELECT id, row_number() OVER (PARTITION BY user_id, lower(query) ORDER BY date_created DESC) AS nth
           FROM analytics_usersearch) d
    WHERE d.id = s.id AND d.nth > 1
"""
_SALES = """
    CREATE MATERIALIZED VIEW sales AS
    SELECT date_trunc('day', o.date_placed) AS day, l.product_id, sum(l.quantity) AS n, sum(l.unit_price_excl_tax)
    FROM order_line l
    JOIN order_order o ON o.id = l.order_id
    WHERE o.status <> 'Cancelled'
    GROUP BY 1, 2
"""
STEPS = (
    _shop("index, one column", "order_line", "CREATE INDEX made ON order_line (line_price_incl_tax)"),
    _shop("index, several columns", "order_order", "CREATE INDEX made ON order_order (status, date_placed, user_id)"),
    _shop("index, expression", "auth_user", "CREATE INDEX made ON auth_user (lower(email))"),
    _shop(
        "index, partial",
        "order_order",
        "CREATE INDEX made ON order_order (date_placed) WHERE status IN ('Pending', 'Being processed', 'Shipped')",
    ),
    _shop("index, unique", "reviews_vote", "CREATE UNIQUE INDEX made ON reviews_vote (review_id, user_id)"),
    _shop("index, GIN of jsonb", "order_lineattribute", "CREATE INDEX made ON order_lineattribute USING gin (value)"),
    _shop(
        "index, GIN of trigrams",
        "order_shippingaddress",
        "CREATE EXTENSION pg_trgm",
        "CREATE INDEX made ON order_shippingaddress USING gin (search_text gin_trgm_ops)",
    ),
    _shop(
        "foreign key, validated",
        "order_line catalogue_product",
        "ALTER TABLE order_line ADD CONSTRAINT made FOREIGN KEY (product_id) REFERENCES catalogue_product NOT VALID",
        "ALTER TABLE order_line VALIDATE CONSTRAINT made",
    ),
    _shop(
        "check, validated",
        "order_line",
        "ALTER TABLE order_line ADD CONSTRAINT made CHECK (line_price_incl_tax >= 0 AND title <> 'none') NOT VALID",
        "ALTER TABLE order_line VALIDATE CONSTRAINT made",
    ),
    _shop(
        "nulls filled, then NOT NULL",
        "order_line",
        "UPDATE order_line SET unit_price_incl_tax = line_price_incl_tax / greatest(quantity, 1) "
        "WHERE unit_price_incl_tax IS NULL",
        "ALTER TABLE order_line ALTER unit_price_incl_tax SET NOT NULL",
        writes=True,
    ),
    _shop("int to bigint", "order_line", "ALTER TABLE order_line ALTER quantity TYPE bigint"),
    _shop(
        "varchar to text, cleaned",
        "order_shippingaddress",
        "ALTER TABLE order_shippingaddress ALTER postcode TYPE text USING upper(replace(postcode, ' ', ''))",
    ),
    _shop(
        "column with a volatile default",
        "payment_transaction",
        "ALTER TABLE payment_transaction ADD token uuid NOT NULL DEFAULT gen_random_uuid()",
    ),
    _shop(
        "backfill, computed",
        "order_order",
        "ALTER TABLE order_order ADD net numeric(12, 2)",
        "UPDATE order_order SET net = total_incl_tax - shipping_incl_tax WHERE status <> 'Cancelled'",
        writes=True,
    ),
    _shop(
        "backfill, by a join",
        "order_line order_order",
        "ALTER TABLE order_line ADD guest varchar(254)",
        "UPDATE order_line l SET guest = o.guest_email "
        "FROM order_order o WHERE o.id = l.order_id AND o.user_id IS NULL",
        writes=True,
    ),
    _shop(
        "texts into a table of their own",
        "order_order",
        "CREATE TABLE statuses AS "
        "SELECT row_number() OVER ()::int AS id, status FROM (SELECT DISTINCT status FROM order_order)",
        "ALTER TABLE order_order ADD status_id int",
        "UPDATE order_order o SET status_id = s.id FROM statuses s WHERE s.status = o.status",
        writes=True,
    ),
    _shop("doubles deleted", "analytics_usersearch", _DOUBLES, writes=True),
    _shop(
        "partitions by range, copied",
        "order_orderstatuschange",
        _QUARTERS,
        "INSERT INTO changes SELECT * FROM order_orderstatuschange",
    ),
    _shop("summary, materialized", "order_line order_order", _SALES),
    _bank(
        "int to bigint, key", "pgbench_accounts pgbench_history", "ALTER TABLE pgbench_accounts ALTER aid TYPE bigint"
    ),
    _bank("index, one column", "pgbench_accounts", "CREATE INDEX made ON pgbench_accounts (abalance)"),
    _bank(
        "backfill, by an aggregate",
        "pgbench_accounts pgbench_history",
        "UPDATE pgbench_accounts a SET abalance = h.sum "
        "FROM (SELECT aid, sum(delta) FROM pgbench_history GROUP BY aid) h WHERE h.aid = a.aid",
        writes=True,
    ),
    _bank(
        "summary, a table",
        "pgbench_history pgbench_accounts",
        "CREATE TABLE made AS SELECT h.tid, a.bid, h.aid, count(*), sum(h.delta) "
        "FROM pgbench_history h JOIN pgbench_accounts a USING (aid) GROUP BY 1, 2, 3",
    ),
)
_ENTRIES = "SELECT coalesce(sum(reltuples), 0)::bigint FROM pg_class WHERE relname = 'made' AND relkind = 'i'"
_TURN_S, _MOST = 0.2, 8  # a turn repeats a short step until it has taken so much CPU, at most so many times
_ALONE = "SET max_parallel_workers_per_gather = 0; SET max_parallel_maintenance_workers = 0"


def measure(connection: Connection, step: Step) -> Cost:
    """Do a step in the transaction that is open, and return what it came to; warms the tables first."""
    for table in step.reads:
        connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
    backend = connection.info.backend_pid
    before = cpu_ns(backend)
    if not before:
        raise RuntimeError("the CPU of a backend can be read on Linux only, on the server's own machine")
    reported = [connection.execute(statement.encode()).rowcount for statement in step.do]
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    spent_s = (cpu_ns(backend) - before) / 1e9
    entries = connection.execute(_ENTRIES).fetchone()
    assert entries is not None
    return Cost(spent_s, sum(max(0, rows) for rows in reported) + entries[0])


@contextmanager
def undone(database: PostgresDatabase, step: Step) -> Iterator[Connection]:
    """Give a connection to do a step on, in a transaction; afterwards the database is as if nothing had been done."""
    used = database.fork(f"{database.name}_try") if step.writes else database
    try:
        with used.connect() as connection:
            connection.execute(_ALONE)
            with connection.transaction(force_rollback=True):
                yield connection
    finally:
        if step.writes:
            used.drop()


def measured(step: Step, databases: Mapping[str, PostgresDatabase], repeats: int) -> Line:
    """Return a step's costs on each of the databases, the source being the first, in turns; a first try warms up."""
    source = next(iter(databases))
    tried = {name: _tried(step, database) for name, database in databases.items()}
    failed = {name: found for name, found in tried.items() if isinstance(found, str)}
    first = {name: found for name, found in tried.items() if isinstance(found, Cost)}
    if source in failed:
        raise RuntimeError(f"{step.name}: {failed[source]}")
    times = 1 if step.writes else min(_MOST, math.ceil(_TURN_S / first[source].cpu_s))
    turns = [_turn(step, databases, first, times, backwards=turn % 2 == 1) for turn in range(repeats)]
    rows = first[source].rows
    others = [name for name in first if name != source]
    return Line(
        source=step.source,
        step=step.name,
        cpu_s=statistics.median(turn[source] for turn in turns),
        rows=rows,
        cpu_ratio={name: statistics.median(turn[name] / turn[source] for turn in turns) for name in others},
        rows_ratio={name: first[name].rows / rows if rows else None for name in others},
        failed=failed,
    )


def _tried(step: Step, database: PostgresDatabase) -> Cost | str:
    """Return what a step came to, or the words with which the server refused it."""
    try:
        with undone(database, step) as connection:
            return measure(connection, step)
    except psycopg.Error as error:
        return str(error).splitlines()[0]


def _turn(
    step: Step, databases: Mapping[str, PostgresDatabase], names: Iterable[str], times: int, *, backwards: bool
) -> dict[str, float]:
    """Return the mean CPU of so many runs of a step on each database, which take turns in who is first."""
    spent: defaultdict[str, float] = defaultdict(float)
    ordered = list(names)[:: -1 if backwards else 1]
    for name in ordered * times:
        with undone(databases[name], step) as connection:
            spent[name] += measure(connection, step).cpu_s
    return {name: total / times for name, total in spent.items()}


def told(lines: list[Line], names: list[str]) -> Iterator[str]:
    """Yield the table, and below it the median and the worst of the ratios of CPU."""
    yield f"{'step':42}{'source':>10}" + "".join(f"{name:>32}" for name in names)
    yield f"{'':42}{'CPU ms':>10}" + "".join(f"{'CPU':>22}{'rows':>10}" for _ in names)
    for line in lines:
        cells = "".join(_cell(line, name) for name in names)
        yield f"{line.source + ': ' + line.step:42}{line.cpu_s * 1e3:10.1f}{cells}"
    for word, chosen in (("median", statistics.median), ("worst", _worst)):
        found = {name: [line.cpu_ratio[name] for line in lines if name in line.cpu_ratio] for name in names}
        yield f"{word:52}" + "".join(f"{'× ' + format(chosen(found[name]), '.2f'):>22}{'':10}" for name in names)
    for line in lines:
        yield from (f"{line.source}: {line.step}: {name}: refused: {why}" for name, why in line.failed.items())


def _cell(line: Line, name: str) -> str:
    if name in line.failed:
        return f"{'refused':>22}{'':10}"
    rows = line.rows_ratio[name]
    return f"{'× ' + format(line.cpu_ratio[name], '.2f'):>22}{'–' if rows is None else '× ' + format(rows, '.2f'):>10}"


def _worst(ratios: list[float]) -> float:
    """Return the ratio that is farthest from one, up or down."""
    return max(ratios, key=lambda ratio: max(ratio, 1 / ratio))


def main() -> None:
    """Build the sources and their copies, do every step on each, and print what came out."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--repeats", type=int, default=5)
    asked.add_argument("--only", default="", help="steps whose source or name has this word")
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    chosen = [step for step in STEPS if given.only in f"{step.source}: {step.name}"]
    lines: list[Line] = []
    names: list[str] = []
    with bench_server() as server:
        for kind in {step.source: None for step in chosen}:
            source = SOURCES[kind](server)
            beside = copies(source)
            names = list(beside)
            of_kind = [step for step in chosen if step.source == kind]
            lines += [measured(step, {"source": source, **beside}, given.repeats) for step in of_kind]
    print("\n".join(told(lines, names)))
    if given.json:
        given.json.write_text(json.dumps([asdict(line) for line in lines], indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
