from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from rehearse import datasets
from rehearse.cli.data import command
from rehearse.engines.postgres import abreast
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.load import load
from rehearse.errors import NotDisposable, ScenarioMistake, ServerFailed
from rehearse.events import TableLoaded
from rehearse.protocols import Role
from rehearse.reading import profile as profiles
from tests.conftest import KeepingJournal

pytestmark = pytest.mark.slow

SHOP = Path(__file__).parent.parent.parent / "scenarios" / "shop" / "schema.sql"

EVERY_TYPE = """
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE DOMAIN short AS varchar(5) NOT NULL;
    CREATE TABLE owners (id smallserial PRIMARY KEY);
    CREATE TABLE things (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        owner_id smallint UNIQUE REFERENCES owners DEFERRABLE,
        small smallint, big bigint, real_ real, double_ double precision,
        money_ numeric(12, 4) NOT NULL, free numeric, tiny numeric(3, 3),
        name short, fixed char(4), long text, yes boolean NOT NULL, mood mood NOT NULL,
        day date NOT NULL, at timestamp, moment timestamptz, clock time, span interval,
        uid uuid NOT NULL UNIQUE, doc jsonb, plain json, raw bytea, ip inet,
        words text[], numbers int[] NOT NULL, moods mood[], net cidr,
        doubled int GENERATED ALWAYS AS (small * 2) STORED,
        kept text NOT NULL DEFAULT 'as it was'
    );
    CREATE INDEX things_name ON things (name DESC) WHERE yes;
    COMMENT ON INDEX things_name IS 'kept';
    ALTER TABLE things CLUSTER ON things_pkey;
    ALTER TABLE things REPLICA IDENTITY USING INDEX things_uid_key;
    CREATE MATERIALIZED VIEW counted AS SELECT mood, count(*) FROM things GROUP BY mood;
    CREATE TABLE parts (at date NOT NULL, n int) PARTITION BY RANGE (at);
    CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2025-01-01');
    CREATE TABLE parts_new PARTITION OF parts FOR VALUES FROM ('2025-01-01') TO (MAXVALUE);
    CREATE INDEX ON parts (n);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
    CREATE TRIGGER refusing BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION refuse();
"""
EVERY_SHAPE = {
    "name": "types",
    "tables": {
        "owners": {"rows": 1000},
        "things": {
            "rows": 900,
            "columns": {
                "moods": {"kind": "value", "value": ["sad", "glad"]},
                "net": {"kind": "choice", "of": ["10.0.0.0/8", "192.168.0.0/16"], "null": 0.5},
                "money_": {"kind": "number", "low": -500, "high": 500, "null": 0},
                "doc": {"kind": "json", "keys": {"a": {"kind": "items", "of": {"kind": "text"}}}},
            },
        },
        "parts": {"rows": 700},
    },
}


def fill(database: PostgresDatabase, schema: str, profile: dict[str, Any] | str, **options: Any) -> KeepingJournal:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(schema)
    described = profiles.find(profile) if isinstance(profile, str) else profiles.parse(profile)
    journal = KeepingJournal()
    database.load(datasets.open_tables(described, database.structure(), **options), journal)
    return journal


def one(database: PostgresDatabase, query: str) -> Any:
    with database.connect() as connection:
        found = connection.execute(query).fetchone()
    assert found is not None
    return found[0] if len(found) == 1 else found


def test_every_type_is_loaded(database: PostgresDatabase) -> None:
    journal = fill(database, EVERY_TYPE, EVERY_SHAPE)
    loaded = {event.table: event.rows for event in journal.events if isinstance(event, TableLoaded)}
    assert loaded == {"owners": 1000, "things": 900, "parts": 700}
    assert one(database, "SELECT count(*), count(DISTINCT uid), count(DISTINCT owner_id) FROM things")[:2] == (900, 900)
    assert one(database, "SELECT count(*) FROM things WHERE kept <> 'as it was' OR doubled <> small * 2") == 0
    assert one(database, "SELECT min(money_) >= -500 AND min(money_) < -480 AND max(money_) <= 500 FROM things")
    assert one(database, "SELECT min(day) >= '2023-06-01' AND max(moment) <= '2026-07-01 UTC' FROM things")
    assert one(database, "SELECT bool_and(family(ip) = 4 AND jsonb_typeof(doc -> 'a') = 'array') FROM things")
    assert one(database, "SELECT count(*) FROM things WHERE moods <> '{sad,glad}'") == 0
    assert one(database, "SELECT bool_and(array_length(numbers, 1) IS NULL OR numbers[1] > 0) FROM things")
    assert one(database, "SELECT sum(count) FROM counted") == 900


def test_loading_leaves_the_schema_as_it_was(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(EVERY_TYPE)
    before = dict(database.snapshot("before").schema)
    tables = datasets.open_tables(profiles.parse(EVERY_SHAPE), database.structure())
    database.load(tables, KeepingJournal())
    after = dict(database.snapshot("after").schema)
    counted = [dict(one.pop("materialized view counted")) for one in (before, after)]
    assert counted[0].pop("content") != counted[1].pop("content")  # it was filled anew
    assert counted[0] == counted[1]
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert all("sequence" in name for name in changed), changed
    assert one(database, "SELECT count(*) FROM pg_index WHERE NOT (indisready AND indisvalid)") == 0
    assert one(database, "SELECT relhastriggers FROM pg_class WHERE relname = 'things'")


def test_the_next_number_is_past_the_rows(database: PostgresDatabase) -> None:
    fill(database, EVERY_TYPE, EVERY_SHAPE)
    assert one(database, "SELECT nextval(pg_get_serial_sequence('things', 'id'))") == 901
    assert one(database, "SELECT nextval('owners_id_seq')") == 1001


def test_tables_are_left_vacuumed_and_analyzed(database: PostgresDatabase) -> None:
    fill(database, SHOP.read_text(), "shop", scale=0.001)
    pages, visible, rows = one(
        database, "SELECT relpages, relallvisible, reltuples FROM pg_class WHERE relname = 'orders'"
    )
    assert (visible, rows) == (pages, 5000)


def test_the_shop_is_sound(database: PostgresDatabase) -> None:
    fill(database, SHOP.read_text(), "shop", scale=0.001, seed=5)
    with database.connect() as connection:
        connection.execute("CREATE EXTENSION amcheck")
        for (index,) in connection.execute(
            "SELECT c.oid FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE amname = 'btree' AND relkind = 'i'"
            " AND relnamespace = 'public'::regnamespace"
        ).fetchall():
            connection.execute("SELECT bt_index_check(%s::oid::regclass, true)", [index])
    assert (
        one(database, "SELECT count(*) FROM orders o LEFT JOIN customers c ON c.id = customer_id WHERE c.id IS NULL")
        == 0
    )
    assert one(database, "SELECT max(line) FROM order_items") < 10


def test_rows_that_break_a_condition_name_the_table(database: PostgresDatabase) -> None:
    schema = "CREATE TABLE t (id int PRIMARY KEY, n jsonb NOT NULL CHECK (n ? 'key'))"
    with pytest.raises(ScenarioMistake, match=r"^tables\.t\.columns\.n: the generated rows break CHECK .*'key'"):
        fill(database, schema, {"name": "p", "tables": {"t": {"rows": 10}}})


def test_rows_that_break_a_unique_index_name_it(database: PostgresDatabase) -> None:
    schema = "CREATE TABLE t (id int PRIMARY KEY, n text); CREATE UNIQUE INDEX lowered ON t (lower(n))"
    columns = {"n": {"kind": "choice", "of": ["a", "A"]}}
    with pytest.raises(ServerFailed, match="index lowered does not hold"):
        fill(database, schema, {"name": "p", "tables": {"t": {"rows": 10, "columns": columns}}})


def test_rows_that_point_nowhere_are_found(database: PostgresDatabase) -> None:
    schema = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p)"
    columns = {"p_id": {"kind": "number", "low": 100, "high": 200}}
    tables = {"p": {"rows": 10}, "c": {"rows": 10, "columns": columns}}
    with pytest.raises(ServerFailed, match=r"c: p_id = \d+ is not in p \(c_p_id_fkey\)"):
        fill(database, schema, {"name": "p", "tables": tables})


def test_a_load_that_fails_leaves_empty_tables_and_whole_indexes(database: PostgresDatabase) -> None:
    schema = "CREATE TABLE t (id int PRIMARY KEY, n text); CREATE UNIQUE INDEX lowered ON t (lower(n))"
    columns = {"n": {"kind": "choice", "of": ["a", "A"]}}
    with pytest.raises(ServerFailed):
        fill(database, schema, {"name": "p", "tables": {"t": {"rows": 10, "columns": columns}}})
    assert one(database, "SELECT count(*) FROM t") == 0
    assert one(database, "SELECT count(*) FROM pg_index WHERE NOT (indisready AND indisvalid)") == 0


def test_an_owner_who_is_no_superuser_loads_under_the_constraints(database: PostgresDatabase) -> None:
    class AsMigration:
        def connect(self, **options: Any) -> Any:
            return database.connect(Role.MIGRATION, **options)

    with database.connect(Role.MIGRATION) as connection:
        connection.execute(SHOP.read_text())
    tables = datasets.open_tables(profiles.find("shop"), database.structure(), scale=0.0005)
    load(AsMigration(), tables, KeepingJournal())
    assert one(database, "SELECT count(*) FROM orders") == 2500


def test_rows_go_from_the_command_line_into_empty_tables_only(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(SHOP.read_text())
    arguments = ["shop", "--scale", "0.0002", "--into", database.url(Role.MIGRATION), "--json"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["tables"]["orders"]["rows"] == 1000
    assert isinstance(CliRunner().invoke(command, arguments).exception, NotDisposable)


def test_rows_go_into_parquet_files(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["shop", "--scale", "0.0002", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert pq.read_metadata(tmp_path / "orders.parquet").num_rows == 1000


def test_as_many_tables_are_loaded_at_once_as_are_asked_for(
    database: PostgresDatabase, journal: KeepingJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []

    class Noting(abreast.Abreast):
        def __init__(self, database: Any, *, streams: int | None = None) -> None:
            asked.append(streams)
            super().__init__(database, streams=streams)

    monkeypatch.setattr("rehearse.engines.postgres.load.Abreast", Noting)
    with database.connect() as connection:
        connection.execute("CREATE TABLE t (n int NOT NULL)")
    tables = datasets.open_tables(profiles.parse({"name": "p", "tables": {"t": {"rows": 10}}}), database.structure())
    load(database, tables, journal, streams=3)
    assert asked == [3]
