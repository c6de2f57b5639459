"""A database beside a copy of itself, and beside one in which something was changed, on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rehearse import datasets
from rehearse.cli.data import command as data_command
from rehearse.cli.similarity import command
from rehearse.datasets import alike, to_profile
from rehearse.engines.postgres import physical, plan_shapes
from rehearse.engines.postgres.alike import contents
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import ServerFailed
from rehearse.events import DataCompared, Remarked
from rehearse.model import Data, EngineChoice, MigrationChoice, Scenario
from rehearse.profiles import ForeignKey
from rehearse.protocols import Role
from rehearse.reading import profile as profiles
from rehearse.rehearsal import prepare
from tests.conftest import KeepingJournal

pytestmark = pytest.mark.slow

SHOP = Path(__file__).parents[2] / "scenarios" / "shop" / "schema.sql"
QUERIES = (
    "SELECT * FROM orders WHERE id = 17",
    "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.segment = 'wholesale'",
    "SELECT o.id FROM orders o WHERE o.customer_id = 5 ORDER BY o.created_at DESC LIMIT 3",
    "DELETE FROM order_items WHERE order_id = 3",
)
EVERY_TYPE = """
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE TABLE things (
        id int PRIMARY KEY, small smallint, real_ real, free numeric, name varchar(20), fixed char(4), yes boolean,
        mood mood, day date, at timestamp, moment timestamptz, clock time, span interval, uid uuid, doc jsonb,
        plain json, raw bytea, ip inet, words text[], net cidr, spot point, "odd, ""name""%" text
    );
    INSERT INTO things
    SELECT n, n % 7, n / 3.0, CASE n % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN 1e400 ELSE n * 1.5 END, 'näme ' || n, 'ab',
        n % 3 = 0, CASE n % 2 WHEN 0 THEN 'sad' ELSE 'glad' END::mood,
        CASE n % 40 WHEN 0 THEN 'infinity' WHEN 1 THEN '0044-03-15 BC' ELSE date '2024-01-01' + n END,
        CASE WHEN n % 40 <> 0 THEN timestamp '2024-01-01' + n * interval '1 min' ELSE '-infinity' END,
        timestamptz '2024-01-01' + n * interval '1 h', time '00:00' + n * interval '1 s', n * interval '1 day',
        gen_random_uuid(), jsonb_build_object('n', n), '{}', sha256(n::text::bytea), '10.0.0.1'::inet + n,
        array_fill('x'::text, array[n % 4]), '10.0.0.0/8', point(n, 1),
        CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN E'a "line"\\n, and more' END
    FROM generate_series(1, 500) n;
    CREATE TABLE empty (id int PRIMARY KEY, thing int REFERENCES things);
    CREATE SCHEMA audit;
    CREATE TABLE audit.log (thing int, note text);
    INSERT INTO audit.log SELECT n, 'orphan' FROM generate_series(401, 600) n;
    CREATE TABLE parts (at date NOT NULL, n int) PARTITION BY RANGE (at);
    CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2025-01-01');
    CREATE TABLE parts_new PARTITION OF parts FOR VALUES FROM ('2025-01-01') TO (MAXVALUE);
    INSERT INTO parts SELECT date '2024-12-01' + n % 60, n FROM generate_series(1, 1000) n;
    CREATE INDEX parts_n ON parts (n);
    VACUUM ANALYZE;
"""


@pytest.fixture(scope="module")
def shop(server: PostgresServer) -> Iterator[PostgresDatabase]:
    """A shop of 38,000 rows."""
    made = server.create("alike_shop")
    made.run_file(SHOP)
    made.load(datasets.open_tables(profiles.find("shop"), made.structure(), scale=0.001), KeepingJournal())
    yield made
    made.drop()


@pytest.fixture
def copy(shop: PostgresDatabase) -> Iterator[PostgresDatabase]:
    """A fork of it, to be changed."""
    made = shop.fork("alike_copy")
    yield made
    made.drop()


def run(database: PostgresDatabase, *statements: str) -> None:
    with database.connect() as connection:
        for one in statements:
            connection.execute(one)


def test_a_database_is_like_its_fork_in_everything(shop: PostgresDatabase, copy: PostgresDatabase) -> None:
    source, forked = contents(shop), contents(copy)
    found = alike.compare(source, forked)
    assert (found.gaps, found.missing) == ({}, ())
    assert (found.overall, found.shapes, found.pairs, found.fan_outs_score) == (1.0, 1.0, 1.0, 1.0)
    assert {one.table for one in found.tables} == set(source.tables) == set(shop.structure().tables)
    assert all(one.rows_ratio == 1.0 and one.new_rows == 0.0 for one in found.tables)
    assert all(column.score == 1.0 for table in found.tables for column in table.columns)
    assert {(one.source_orphans, one.copy_orphans) for one in found.fan_outs} == {(0.0, 0.0)}
    disk = physical.compare(physical.on_disk(shop), physical.on_disk(copy), {})
    assert all(one.table.ratio == 1.0 and one.source_visible == one.copy_visible == 1.0 for one in disk)
    assert {index.ratio for one in disk for index in one.indexes} == {1.0}
    assert all(one.copy_dead is None for one in disk if one.table.name == "orders"), "nothing was counted in the fork"
    plans = plan_shapes.plans(shop, copy, QUERIES)
    assert [one.alike for one in plans] == [True] * len(QUERIES)
    assert {(one.steps, one.q_error) for one in plans} == {(1.0, 1.0)}
    assert "using orders_pkey on orders" in str(plans[0].source)


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("orders.channel", "UPDATE orders SET channel = 'phone' WHERE channel = 'web'"),
        ("customers.full_name", "UPDATE customers SET full_name = upper(full_name) || ' the third of his name'"),
        ("products.price", "UPDATE products SET price = price + 1000"),
        ("reviews.body", "UPDATE reviews SET body = NULL"),
        ("events.payload", 'UPDATE events SET payload = payload || \'{"padding": "0123456789"}\''),
        ("addresses.city", "UPDATE addresses SET city = 'Neustadt an der Donau'"),
        ("payments.order_id", "UPDATE payments SET order_id = 1"),
    ],
)
def test_the_column_that_was_changed_is_named_as_the_worst(
    shop: PostgresDatabase, copy: PostgresDatabase, column: str, change: str
) -> None:
    run(copy, change)
    found = alike.compare(contents(shop), contents(copy))
    assert found.worst == column
    assert found.worst_score is not None
    assert found.worst_score < 0.7
    table = next(one for one in found.tables if one.table == column.partition(".")[0])
    assert table.new_rows is not None
    assert table.new_rows > 0.05
    others = [one for one in found.tables if one is not table]
    assert {one.score for one in others} == {1.0}


def test_a_plan_that_changed_its_shape_is_found_and_nothing_is_executed(
    shop: PostgresDatabase, copy: PostgresDatabase
) -> None:
    run(copy, "DROP INDEX orders_customer_id_created_at_idx", "ANALYZE")
    plans = plan_shapes.plans(shop, copy, [*QUERIES, "SELECT 1; COMMIT; DELETE FROM events", "SELECT FROM nowhere"])
    assert [one.alike for one in plans] == [True, False, False, True, None, None]
    assert "orders_customer_id_created_at_idx" in str(plans[2].source)
    assert "orders_customer_id_created_at_idx" not in str(plans[2].copy)
    assert plans[2].steps is not None
    assert plans[2].steps < 1
    assert "multiple commands" in str(plans[4].error)
    assert 'source: relation "nowhere" does not exist' in str(plans[5].error)
    assert alike.compare(contents(shop), contents(copy)).overall == 1.0, "no row was written by any of them"


def test_dead_rows_and_bloat_are_seen(shop: PostgresDatabase, copy: PostgresDatabase) -> None:
    run(
        copy,
        "UPDATE products SET stock = stock",
        "UPDATE products SET stock = stock",
        "SELECT pg_stat_force_next_flush()",
    )
    disk = {one.table.name: one for one in physical.compare(physical.on_disk(shop), physical.on_disk(copy), {})}
    products = disk["products"]
    assert products.table.ratio is not None
    assert products.table.ratio > 1.5
    assert products.copy_dead is not None
    assert products.copy_dead > 0.5
    assert disk["orders"].table.ratio == 1.0


def test_every_type_is_read_whatever_it_holds(database: PostgresDatabase) -> None:
    run(database, *EVERY_TYPE.split(";\n"))
    found = contents(database)
    assert found.gaps == {}
    assert {name: one.rows for name, one in found.tables.items()} == {
        "things": 500, "empty": 0, "audit.log": 200, "parts": 1000,
    }  # fmt: skip
    compared = alike.compare(found, contents(database))
    things = next(one for one in compared.tables if one.table == "things")
    assert len(things.columns) == 22
    assert {one.score for one in things.columns} == {1.0}
    assert next(one for one in compared.tables if one.table == "empty").score is None
    odd = found.tables["things"].columns['odd, "name"%']
    assert int(odd.present.sum()) == 333, "an empty text is no null"
    assert odd.lengths is not None
    assert sorted(set(odd.lengths[odd.present].tolist())) == [0.0, 19.0]
    json.dumps(alike.as_json(compared), allow_nan=False)


def test_references_that_the_schema_does_not_declare_are_counted_with_their_orphans(database: PostgresDatabase) -> None:
    run(database, *EVERY_TYPE.split(";\n"))
    key = ForeignKey(columns=("thing",), parent="things", parent_columns=("id",))
    found = next(one for one in contents(database, keys={"audit.log": [key]}).fan_outs if one.table == "audit.log")
    assert (found.groups, found.orphans, found.unset) == ({0: 400, 1: 100}, 100, 0)


def test_a_sample_is_near_the_whole(shop: PostgresDatabase) -> None:
    whole, sampled = contents(shop), contents(shop, rows=2000)
    assert sampled.tables["events"].rows == whole.tables["events"].rows == 20_000
    assert not sampled.tables["events"].whole
    assert 1500 < len(sampled.tables["events"].columns["kind"].present) < 2500
    found = alike.compare(whole, sampled)
    assert found.overall is not None
    assert found.overall > 0.95


def test_what_cannot_be_read_is_a_gap_and_no_error(shop: PostgresDatabase, copy: PostgresDatabase) -> None:
    # A count of the events is stopped at once, and what the last ANALYZE thought takes its place.
    hindered = contents(copy, timeout_ms=1)
    assert "timeout" in hindered.gaps["events"]
    # A policy would hide rows in silence.
    run(copy, "ALTER TABLE reviews ENABLE ROW LEVEL SECURITY", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC")
    found = contents(_Seen(copy))
    assert "reviews" not in found.tables
    assert found.gaps.keys() == {"reviews"}
    assert "row-level security" in found.gaps["reviews"]
    compared = alike.compare(contents(shop), found)
    assert compared.overall == 1.0
    assert "copy: reviews" in (compared.gaps or {})


@dataclass(frozen=True)
class _Seen:
    """A database as the observer sees it."""

    database: PostgresDatabase

    def connect(self, **options: Any) -> Any:
        return self.database.connect(Role.OBSERVER, **options)


def test_a_locked_table_is_said_to_be_locked_and_not_waited_for(copy: PostgresDatabase) -> None:
    with copy.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE reviews IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ServerFailed, match="one of them is locked"):
            contents(copy)


def test_loaded_rows_keep_to_their_profile_and_changed_ones_do_not(
    shop: PostgresDatabase, copy: PostgresDatabase
) -> None:
    plan = datasets.open_tables(profiles.find("shop"), shop.structure(), scale=0.001)[0].plan
    wanted: dict[str, Any] = {"rows": 10_000, "parts": to_profile.parts(plan), "keys": to_profile.keys(plan)}
    kept = to_profile.to_profile(plan, shop.contents(**wanted))
    assert kept.overall is not None
    assert kept.overall > 0.95
    run(copy, "UPDATE orders SET total_cents = total_cents * 4", "DELETE FROM reviews WHERE id % 2 = 0")
    changed = to_profile.to_profile(plan, copy.contents(**wanted))
    assert changed.worst == "orders.total_cents"
    reviews = next(one for one in changed.tables if one.table == "reviews")
    assert reviews.rows_ratio == 0.5


class _NoMigration:
    """Makes the shop's tables, and changes nothing."""

    def prepare(self, url: str) -> None:
        import psycopg  # noqa: PLC0415

        with psycopg.connect(url) as connection:
            connection.execute(SHOP.read_text(encoding="utf-8"))


def test_a_rehearsal_writes_down_how_near_its_rows_are(database: PostgresDatabase) -> None:
    from rehearse.rehearsal.progress import Silent  # noqa: PLC0415

    scenario = Scenario(
        name="a", engine=EngineChoice(), data=Data(profile="shop", scale=0.001), migration=MigrationChoice()
    )
    journal = KeepingJournal()
    prepare.prepare(scenario, database, _NoMigration(), journal, Silent())  # type: ignore[arg-type]
    (event,) = (one for one in journal.events if isinstance(one, DataCompared))
    assert event.profile == "shop"
    assert event.overall is not None
    assert event.overall > 0.95
    assert event.measured > 40
    assert not [one for one in journal.events if isinstance(one, Remarked) and one.source == "data"]


def test_the_command_prints_tables_and_plans(shop: PostgresDatabase, copy: PostgresDatabase, tmp_path: Path) -> None:
    run(copy, "UPDATE orders SET channel = 'phone'", "DROP INDEX orders_customer_id_created_at_idx")
    queries = tmp_path / "queries.sql"
    queries.write_text("".join(f"{one};\n" for one in QUERIES), encoding="utf-8")
    urls = shop.url(Role.OWNER), copy.url(Role.OWNER)
    done = CliRunner().invoke(command, [*urls, "--queries", str(queries)], catch_exceptions=False)
    assert "least similar: orders.channel" in done.output
    assert "plans: 2 of 4 alike" in done.output
    assert "queries.sql:3" in done.output
    printed = CliRunner().invoke(command, [*urls, "--queries", str(queries), "--json"], catch_exceptions=False)
    plain = json.loads(printed.output)
    assert plain["worst"] == "orders.channel"
    assert [one["alike"] for one in plain["plans"].values()] == [True, False, False, True]
    assert {one["table"]["name"] for one in plain["disk"]} == {one["table"] for one in plain["tables"]}


def test_a_dataset_is_compared_with_its_source_once_it_is_loaded(
    shop: PostgresDatabase, database: PostgresDatabase
) -> None:
    database.run_file(SHOP)
    urls = ["--into", database.url(Role.OWNER), "--like", shop.url(Role.OWNER)]
    done = CliRunner().invoke(data_command, ["shop", "--scale", "0.001", *urls, "--json"], catch_exceptions=False)
    plain = json.loads(done.output)
    assert plain["similarity"]["overall"] == 1.0, "the same seed gives the same rows"
    assert {one["columns"][0] for one in plain["similarity"]["fan_outs"] if one["table"] == "events"} == {"customer_id"}
    refused = CliRunner().invoke(data_command, ["shop", "--out", "somewhere", "--like", "postgresql://x"])
    assert "--like compares what --into has loaded" in refused.output
