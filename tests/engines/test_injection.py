"""A small copy whose planner reckons with production."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from rehearse import datasets
from rehearse.cli.data import command
from rehearse.engines.postgres import ENGINE, injection
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import ScenarioMistake
from rehearse.events import Remarked
from rehearse.model import Data, EngineChoice, MigrationChoice, Scenario
from rehearse.profiles import Profile
from rehearse.protocols import Role
from rehearse.reading import profile as profiles
from rehearse.rehearsal import prepare
from rehearse.rehearsal.progress import Silent
from tests.conftest import KeepingJournal
from tests.engines.test_load import EVERY_SHAPE, EVERY_TYPE, SHOP

SCALE = 0.01
SAMPLED = 30_000  # rows that ANALYZE reads of a table
# Of a copy that is not told of production each is planned in another way.
DIFFERING = (
    "SELECT * FROM customers WHERE email = 'a@b.c'",
    "SELECT * FROM orders WHERE status = 'pending'",
    "SELECT * FROM orders WHERE channel = 'phone' ORDER BY created_at DESC LIMIT 20",
    "SELECT * FROM orders JOIN customers ON customers.id = customer_id WHERE status = 'pending' AND channel = 'phone'",
    "SELECT * FROM open_orders WHERE total_cents > 100000",
)
ALIKE = (
    "SELECT * FROM orders WHERE status = 'returned'",
    "SELECT customer_id, count(*) FROM orders GROUP BY customer_id",
    "SELECT * FROM orders WHERE created_at > '2026-06-01'",
)


def production() -> Profile:
    """Return a shop that is a fiftieth of the shipped one: 100,000 orders."""
    shop = profiles.find("shop")
    return replace(shop, tables={name: replace(one, rows=one.rows // 50) for name, one in shop.tables.items()})


def made(server: PostgresServer, name: str, scale: float) -> PostgresDatabase:
    database = server.create(name)
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(SHOP.read_text())
    database.load(datasets.open_tables(production(), database.structure(), scale=scale), KeepingJournal())
    return database


@pytest.fixture(scope="module")
def whole(server: PostgresServer) -> Iterator[PostgresDatabase]:
    """Production."""
    database = made(server, "production", 1.0)
    yield database
    database.drop()


@pytest.fixture
def small(server: PostgresServer) -> Iterator[PostgresDatabase]:
    """A hundredth of it."""
    database = made(server, "small", SCALE)
    yield database
    database.drop()


def told(database: PostgresDatabase) -> injection.Injected:
    tables = datasets.production(production(), database.structure())
    return injection.inject(database, tables, KeepingJournal())


def planned(database: PostgresDatabase, query: str) -> tuple[str, float]:
    """Return the nodes of a plan, and the rows it expects."""

    def nodes(plan: dict[str, Any]) -> str:
        own = " ".join(str(plan.get(one, "")) for one in ("Node Type", "Relation Name", "Index Name"))
        return f"{own}({', '.join(nodes(one) for one in plan.get('Plans', ()))})"

    with database.connect(options="-c max_parallel_workers_per_gather=0") as connection:
        found = connection.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchone()  # type: ignore[arg-type]
    assert found is not None
    plan = found[0][0]["Plan"]
    return nodes(plan), float(plan["Plan Rows"])


def statistics(database: PostgresDatabase) -> dict[str, tuple[Any, ...]]:
    """Return shares of nulls, numbers of values, the most common ones' shares, correlations, first and last bounds."""
    query = """
        SELECT tablename || '.' || attname, null_frac, avg_width,
               CASE WHEN n_distinct < 0 THEN -n_distinct * reltuples ELSE n_distinct END,
               most_common_freqs[1], correlation
        FROM pg_stats JOIN pg_class ON oid = (schemaname || '.' || tablename)::regclass
        WHERE schemaname = 'public'
    """
    with database.connect() as connection:
        return {row[0]: row[1:] for row in connection.execute(query)}


@pytest.mark.slow
def test_a_small_copy_gets_the_plans_and_the_estimates_of_production(
    whole: PostgresDatabase, small: PostgresDatabase
) -> None:
    wanted = {query: planned(whole, query)[0] for query in DIFFERING + ALIKE}
    before = {query: planned(small, query)[0] for query in DIFFERING}
    assert not [query for query in DIFFERING if before[query] == wanted[query]]
    told(small)
    assert {query: planned(small, query)[0] for query in DIFFERING + ALIKE} == wanted
    for query in DIFFERING + ALIKE:
        assert planned(small, query)[1] == pytest.approx(planned(whole, query)[1], rel=0.25, abs=5), query


@pytest.mark.slow
def test_statistics_are_those_of_production_and_rows_stay_as_they_were(
    whole: PostgresDatabase, small: PostgresDatabase
) -> None:
    before = small.snapshot("before")
    injected = told(small)
    after = small.snapshot("after")
    assert before.schema == after.schema
    assert [one.checksum for one in before.tables.values()] == [one.checksum for one in after.tables.values()]
    assert injected.left == {}
    assert injected.share == pytest.approx(SCALE, rel=0.02)
    wanted, found = statistics(whole), statistics(small)
    assert wanted.keys() == found.keys()
    assert "products_active_name_idx.lower" in found
    for name, (null, width, distinct, most, correlation) in wanted.items():
        assert found[name][0] == pytest.approx(null, abs=0.02), name
        assert found[name][1] == pytest.approx(width, rel=0.1, abs=1), name
        assert found[name][2] == pytest.approx(distinct, rel=0.15), name
        if found[name][3] is not None and most is not None:
            scatter = 4 * math.sqrt(2 * most / SAMPLED)  # of a share that is counted in two samples
            assert found[name][3] == pytest.approx(most, rel=0.1, abs=scatter), name
        assert found[name][4] == pytest.approx(correlation, abs=0.07), name


@pytest.mark.slow
def test_every_type_is_carried_partitions_too(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(EVERY_TYPE)
        connection.execute("ALTER TABLE things ADD during int4range, ADD place point, ALTER big SET STATISTICS 20")
    profile = profiles.parse(EVERY_SHAPE)
    database.load(datasets.open_tables(profile, database.structure()), KeepingJournal())
    before = statistics(database)
    larger = replace(profile, tables={name: replace(one, rows=20 * one.rows) for name, one in profile.tables.items()})
    injected = injection.inject(database, datasets.production(larger, database.structure()), KeepingJournal())
    assert injected.left == {}
    assert injected.tables == 3
    after = statistics(database)
    assert before.keys() == after.keys()
    assert after["things.uid"][1:3] == (16, 18_000)
    with database.connect() as connection:
        parts = "SELECT sum(reltuples) FROM pg_class WHERE relname ~ '^parts_(old|new)$'"
        assert connection.execute(parts).fetchone() == (14_000,)
        asked = "SELECT array_length(histogram_bounds, 1) FROM pg_stats WHERE tablename = 'things' AND attname = 'big'"
        assert connection.execute(asked).fetchone() == (21,)
        ranges = "SELECT range_bounds_histogram IS NOT NULL FROM pg_stats WHERE attname = 'during'"
        assert connection.execute(ranges).fetchone() == (True,)


@pytest.mark.slow
def test_a_table_that_holds_no_rows_is_left_and_named(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(SHOP.read_text())
    tables = datasets.open_tables(production(), database.structure(), scale=SCALE, rows={"events": 0})
    database.load(tables, KeepingJournal())
    assert told(database).left == {"events": "it holds no rows here"}


class _NoMigration:
    """Makes the shop's tables, and changes nothing."""

    def prepare(self, url: str) -> None:
        import psycopg  # noqa: PLC0415

        with psycopg.connect(url) as connection:
            connection.execute(SHOP.read_text(encoding="utf-8"))


def prepared(server: PostgresServer) -> KeepingJournal:
    data, journal = Data(profile="shop", scale=0.001, statistics="production"), KeepingJournal()
    scenario = Scenario(name="a", engine=EngineChoice(), data=data, migration=MigrationChoice())
    database = server.create("prepared")
    with server.loading():
        prepare.prepare(scenario, database, _NoMigration(), journal, Silent())  # type: ignore[arg-type]
        database.grant()
    with database.connect() as connection:
        rows = connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'orders'").fetchone()
    assert rows == (5_000_000,)
    return journal


@pytest.mark.slow
def test_a_scenario_asks_for_it_and_autovacuum_stays_off() -> None:
    with ENGINE.start(EngineChoice(), KeepingJournal()) as server:
        journal = prepared(server)
        found = server.settings()
        with server.database("prepared").connect() as connection:
            connection.execute("CREATE INDEX ON orders (coupon)")  # PostgreSQL 18 keeps the count with autovacuum off
            rows = connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'orders'").fetchone()
    assert rows == (5_000_000,)
    assert found["autovacuum"] == "off"
    assert found["min_parallel_table_scan_size"] == "8kB"
    assert "fsync" not in found
    said = [one.says for one in journal.events if isinstance(one, Remarked) and one.source == "data"]
    assert said == ["statistics = 'production': the planner reckons with production's rows in 8 tables and 68 columns"]


@pytest.mark.slow
def test_an_older_server_is_told_before_anything_is_loaded() -> None:
    with ENGINE.start(EngineChoice(via="binary", version="15"), KeepingJournal()) as server:
        with pytest.raises(ScenarioMistake, match=r"needs PostgreSQL 18 or later, and this server is 15\."):
            prepared(server)
        with server.database("prepared").connect() as connection:
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)
        arguments = ["shop", "--scale=0.0002", "--into", server.database("prepared").url(Role.OWNER)]
        done = CliRunner().invoke(command, [*arguments, "--statistics", "production"])
        assert isinstance(done.exception, ScenarioMistake)


@pytest.mark.slow
def test_the_command_line_says_what_was_told(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(SHOP.read_text())
    arguments = ["shop", "--scale=0.0002", "--into", database.url(Role.MIGRATION), "--statistics", "production"]
    done = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    assert "production's rows in 8 tables and 68 columns" in json.loads(done.stdout)["remarks"][0]
    with database.connect() as connection:
        rows = connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'events'").fetchone()
    assert rows == (20_000_000,)


def test_statistics_are_for_a_database() -> None:
    done = CliRunner().invoke(command, ["shop", "--out", "there", "--statistics", "production"])
    assert "--statistics is for a server's planner" in done.output


FIGURES = injection.Figures(
    null=0.0,
    width=8,
    distinct=3.0,
    common=["a", "b", "c"],
    shares=[0.5, 4 / 30_000, 3 / 30_000],
    bounds=["d", "z"],
    correlation=0.0,
)


def test_values_that_few_sampled_rows_share_are_not_common() -> None:
    found = injection.at_scale(FIGURES, 14_000, 13_995, 30_000, rows=10_000_000)
    assert found.common == ["a"]
    assert found.shares == [0.5]


def test_a_list_of_all_values_is_kept_whole() -> None:
    found = injection.at_scale(replace(FIGURES, bounds=None), 3, 0, 30_000, rows=10_000_000)
    assert (found.common, found.distinct) == (["a", "b", "c"], 3.0)


@pytest.mark.parametrize(
    ("values", "single", "known", "distinct"),
    [(30_000, 30_000, None, -1.0), (10, 0, None, 10.0), (20_000, 15_000, None, 39_880.4), (900, 0, 5e6, -0.5)],
)
def test_the_number_of_values_is_that_of_the_table(
    values: int, single: int, known: float | None, distinct: float
) -> None:
    found = injection.at_scale(FIGURES, values, single, 30_000, rows=10_000_000, known=known)
    assert found.distinct == pytest.approx(distinct, abs=0.1)
