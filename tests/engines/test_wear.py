"""Dead rows and pages that are not all-visible, as a profile tells of them."""

from __future__ import annotations

from typing import Any

import pytest

from rehearse import datasets
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.load import load
from rehearse.engines.postgres.server import PostgresServer
from rehearse.events import Remarked
from rehearse.protocols import Role
from rehearse.reading import profile as profiles
from tests.conftest import KeepingJournal

pytestmark = pytest.mark.slow

PLAIN = """
    CREATE TABLE t (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int NOT NULL, note text, big text,
        doubled int GENERATED ALWAYS AS (n * 2) STORED
    ) WITH (fillfactor = 90);
    CREATE INDEX ON t (n);
    CREATE TABLE children (id int PRIMARY KEY, t_id int REFERENCES t ON DELETE CASCADE);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'nobody writes here'; END $$;
    CREATE TRIGGER refusing BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION refuse();
    CREATE TRIGGER always BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION refuse();
    ALTER TABLE t ENABLE ALWAYS TRIGGER always;
"""
PARTED = """
    CREATE TABLE t (id int NOT NULL, n int NOT NULL, note text, big text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (MINVALUE) TO (10001);
    CREATE TABLE t_high PARTITION OF t FOR VALUES FROM (10001) TO (MAXVALUE);
    CREATE TABLE children (id int PRIMARY KEY, t_id int REFERENCES t);
"""
COLUMNS = {
    "n": {"kind": "number", "low": 0, "high": 1000},
    "note": {"kind": "text", "of": "sentence", "null": 0.3},
    "big": {"kind": "text", "of": "paragraph", "lengths": [10, 200, 400]},
}
STATE = """
    SELECT sum(n_dead_tup)::float / sum(n_live_tup), sum(relallvisible)::float / sum(relpages), sum(n_ins_since_vacuum)
    FROM pg_stat_all_tables s JOIN pg_class c ON oid = relid
    WHERE c.relname ~ '^t(_|$)' AND relkind = 'r'
"""


def loaded(database: PostgresDatabase, schema: str, **wear: float) -> KeepingJournal:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(schema)
    return loaded_again(database, **wear)


def loaded_again(database: PostgresDatabase, **wear: Any) -> KeepingJournal:
    tables = {"t": {"rows": 20_000, "columns": COLUMNS, **wear}, "children": {"rows": 1000}}
    journal = KeepingJournal()
    made = datasets.open_tables(profiles.parse({"name": "worn", "tables": tables}), database.structure())
    database.load(made, journal)
    return journal


def asked(database: PostgresDatabase, query: str) -> Any:
    with database.connect() as connection:
        found = connection.execute(query).fetchone()
    assert found is not None
    return found


def transactions(database: PostgresDatabase) -> int:
    """Return how many there have been that wrote, this one included."""
    return int(asked(database, "SELECT pg_current_xact_id()::text")[0])


@pytest.mark.parametrize("schema", [PLAIN, PARTED], ids=["with triggers", "in partitions"])
@pytest.mark.parametrize(("dead", "visible"), [(0.1, 0.8), (0.3, 0.5), (0.02, 0.9), (2.0, 0.0), (0.0, 0.9)])
def test_a_table_is_as_worn_as_its_profile_says(
    database: PostgresDatabase, schema: str, dead: float, visible: float
) -> None:
    loaded(database, schema, dead=dead, visible=visible)
    found_dead, found_visible, inserted = asked(database, STATE)
    assert found_dead == pytest.approx(dead, rel=0.2, abs=0.0001)
    assert found_visible == pytest.approx(visible, abs=0.05)
    assert inserted == 0


@pytest.mark.parametrize("schema", [PLAIN, PARTED], ids=["with triggers", "in partitions"])
def test_a_table_loaded_with_autovacuum_off_is_worn_too(server: PostgresServer, schema: str) -> None:
    database = server.create("loading")
    with server.loading():  # a vacuum of frozen pages counts no rows then, and no index build does
        loaded(database, schema, dead=0.1, visible=0.8)
    assert asked(database, STATE)[:2] == (pytest.approx(0.1, rel=0.2), pytest.approx(0.8, abs=0.05))
    database.drop()


@pytest.mark.parametrize("schema", [PLAIN, PARTED], ids=["with triggers", "in partitions"])
def test_wear_changes_no_value_and_nothing_of_the_schema(database: PostgresDatabase, schema: str) -> None:
    loaded(database, schema)
    before = database.snapshot("before")
    loaded_again(database, dead=0.3, visible=0.5)
    after = database.snapshot("after")
    assert {name: (one.rows, one.checksum) for name, one in before.tables.items()} == {
        name: (one.rows, one.checksum) for name, one in after.tables.items()
    }
    assert before.schema == after.schema
    assert asked(database, STATE)[0] > 0.25


def test_rows_stay_where_they_were(database: PostgresDatabase) -> None:
    loaded(database, PLAIN, dead=0.3, visible=0.5)
    query = "SELECT correlation FROM pg_stats WHERE tablename = 't' AND attname = 'id'"
    assert asked(database, query)[0] > 0.999


@pytest.mark.parametrize("schema", [PLAIN, PARTED], ids=["with triggers", "in partitions"])
def test_a_vacuum_cleans_up_and_cuts_nothing_off(database: PostgresDatabase, schema: str) -> None:
    loaded(database, schema, dead=0.3, visible=0.5)
    size = "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relname ~ '^t(_|$)' AND relkind = 'r'"
    before = asked(database, size)
    with database.connect() as connection:
        connection.execute("VACUUM t")
    assert asked(database, size) == before
    assert asked(database, STATE)[:2] == (0, 1)


def test_dead_rows_stand_in_the_indexes_too(database: PostgresDatabase) -> None:
    loaded(database, PLAIN, dead=0.5, visible=0.3)
    with database.connect() as connection:
        connection.execute("CREATE EXTENSION pgstattuple")
    entries = "SELECT sum(avg_leaf_density * leaf_pages) FROM pgstatindex('t_pkey')"
    worn = asked(database, entries)[0]
    with database.connect() as connection:
        connection.execute("VACUUM t")
    assert worn > 1.3 * asked(database, entries)[0]


def test_a_table_without_wear_costs_nothing(database: PostgresDatabase) -> None:
    loaded(database, PLAIN)
    assert asked(database, STATE)[:2] == (0, 1)
    before = transactions(database)
    loaded_again(database)
    unworn = transactions(database) - before
    loaded_again(database, dead=0.0, visible=1.0)
    assert transactions(database) - before == 2 * unworn


def test_who_may_not_silence_triggers_is_told_that_nothing_was_worn(database: PostgresDatabase) -> None:
    class AsMigration:
        def connect(self, **options: Any) -> Any:
            return database.connect(Role.MIGRATION, **options)

    with database.connect(Role.MIGRATION) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    profile = profiles.parse({"name": "worn", "tables": {"t": {"rows": 5000, "dead": 0.2}}})
    journal = KeepingJournal()
    load(AsMigration(), datasets.open_tables(profile, database.structure()), journal)
    said = [one.says for one in journal.events if isinstance(one, Remarked)]
    assert said == [
        "t: its dead rows and not all-visible pages are not reproduced: "
        'permission denied to set parameter "session_replication_role"'
    ]
    assert asked(database, "SELECT count(*) FROM t") == (5000,)


@pytest.mark.parametrize("schema", [PLAIN, PARTED], ids=["with triggers", "in partitions"])
@pytest.mark.parametrize(("dead", "visible"), [(0.0, 1.0), (0.1, 0.7)])
def test_a_table_has_the_free_space_of_earlier_wear(
    database: PostgresDatabase, schema: str, dead: float, visible: float
) -> None:
    size = "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relname ~ '^t(_|$)' AND relkind = 'r'"
    loaded(database, schema)
    wanted = round(1.5 * float(asked(database, size)[0]))
    with database.connect() as connection:
        connection.execute("TRUNCATE t CASCADE")
    loaded_again(database, dead=dead, visible=visible, facts={"bytes": wanted})
    assert float(asked(database, size)[0]) == pytest.approx(wanted, rel=0.06)
    found_dead, found_visible, inserted = asked(database, STATE)
    assert found_dead == pytest.approx(dead, rel=0.2, abs=0.0001)
    assert found_visible == pytest.approx(visible, abs=0.05)
    assert inserted == 0


INDEX_SIZES = """
    SELECT jsonb_object_agg(root, size)
    FROM (
        SELECT coalesce(pg_partition_root(c.oid)::regclass::text, c.relname) AS root,
               sum(pg_relation_size(c.oid)) AS size
        FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
        WHERE x.indrelid::regclass::text ~ '^t(_|$)' AND c.relkind = 'i' GROUP BY 1
    ) s
"""


@pytest.mark.parametrize("schema", [PLAIN, PARTED], ids=["with triggers", "in partitions"])
def test_an_index_that_was_loose_is_as_large_and_its_options_stay(database: PostgresDatabase, schema: str) -> None:
    loaded(database, schema)
    tight = asked(database, INDEX_SIZES)[0]
    before = database.snapshot("before")
    wanted = {name: round(size * 1.8) for name, size in tight.items()}
    loaded_again(database, facts={"indexes": wanted | {"no_such_index": 10**9}})
    loose = asked(database, INDEX_SIZES)[0]
    assert loose.keys() == tight.keys()
    for name, size in wanted.items():
        assert loose[name] == pytest.approx(size, rel=0.1), name
    assert database.snapshot("after").schema == before.schema


def test_an_index_that_was_hardly_looser_is_left_as_it_is(database: PostgresDatabase) -> None:
    loaded(database, PLAIN)
    tight = asked(database, INDEX_SIZES)[0]
    loaded_again(database, facts={"indexes": {name: round(size * 1.1) for name, size in tight.items()}})
    assert asked(database, INDEX_SIZES)[0] == tight


def test_an_option_that_an_index_has_of_its_own_comes_back(database: PostgresDatabase) -> None:
    loaded(database, PLAIN + "CREATE INDEX own ON t (note) WITH (fillfactor = 60, deduplicate_items = off);")
    tight = asked(database, INDEX_SIZES)[0]
    loaded_again(database, facts={"indexes": {"own": tight["own"] * 2}})
    assert asked(database, INDEX_SIZES)[0]["own"] == pytest.approx(tight["own"] * 2, rel=0.1)
    options = asked(database, "SELECT reloptions FROM pg_class WHERE relname = 'own'")[0]
    assert sorted(options) == ["deduplicate_items=off", "fillfactor=60"]
