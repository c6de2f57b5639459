"""Profiles taken from a real server: what is seen by whom, what never leaves, and what comes back."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.conninfo import make_conninfo

from rehearse import datasets
from rehearse.cli.profile import command
from rehearse.datasets import alike
from rehearse.engines.postgres import statistics
from rehearse.engines.postgres.alike import contents
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.profiling import profile
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import ServerFailed
from rehearse.profiles import shapes as sh
from rehearse.profiles.writing import toml
from rehearse.protocols import Role
from rehearse.reading import profile as reading
from tests.conftest import KeepingJournal

pytestmark = pytest.mark.slow

SHOP = Path(__file__).parents[2] / "scenarios" / "shop" / "schema.sql"
SECRETS = [
    "zebulon.quackenbush@example.org",
    "Zebulon Quackenbush",
    "4111111111111111",
    "GB82WEST12345698765432",
    "+44 7700 900123",
    "078-05-1120",
    "sk_live_51Hq9fKx2mVbT8wZ0pLr",
    "12 Rumpelstiltskin Lane",
    "10.99.88.77",
]
# Each secret is common enough to be a most common value, and stands at both ends of what a histogram would hold.
PLANTED = """
    CREATE TABLE people (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, contact text, handled_by text, reference text,
        card bigint, doc jsonb, labels text[], born date, note varchar(200), status text NOT NULL, payload json
    );
    INSERT INTO people (contact, handled_by, reference, card, doc, labels, born, note, status)
    SELECT s.secret, s.secret, 'A' || s.secret, 4111111111111111, jsonb_build_object('who', s.secret, s.secret, 1),
           ARRAY[s.secret, 'vip'], '1971-03-17', s.secret, CASE WHEN g % 3 = 0 THEN 'open' ELSE 'closed' END
    FROM unnest(ARRAY[%s]) AS s (secret), generate_series(1, 300) g;
    INSERT INTO people (contact, handled_by, reference, card, doc, status)
    SELECT 'c' || g, 'team ' || g % 4, 'ref' || g, 4000000000000000 + g, '{"n": 1}', 'open'
    FROM generate_series(1, 3000) g;
    ANALYZE people;
"""


def given(database: PostgresDatabase, role: Role = Role.OWNER) -> str:
    return database.url(role)


@pytest.fixture(scope="module")
def shop(server: PostgresServer) -> Iterator[PostgresDatabase]:
    made = server.create("profiled_shop")
    made.run_file(SHOP)
    made.load(datasets.open_tables(reading.find("shop"), made.structure(), scale=0.002, seed=3), KeepingJournal())
    yield made
    made.drop()


@pytest.mark.parametrize("tier", ["catalogs", "aggregates", "sample"])
def test_no_planted_secret_is_in_a_profile(database: PostgresDatabase, tier: str) -> None:
    with database.connect() as connection:
        connection.execute(PLANTED.replace("%s", ", ".join(f"'{one}'" for one in SECRETS)))
    found, remarks, _ = profile(database, tier=tier)  # type: ignore[arg-type]
    text = toml(found, remarks)
    for secret in SECRETS:
        assert secret not in text
        assert secret.replace(" ", "") not in text.replace(" ", "")
    assert "Quackenbush" not in text
    assert "1971-03-17" not in text
    assert isinstance(found.tables["people"].columns["status"], sh.Choice)


def test_a_profile_that_is_written_is_read_as_the_same(shop: PostgresDatabase) -> None:
    taken, remarks, _ = profile(shop, tier="sample")
    text = toml(taken, remarks)
    read = reading.parse(tomllib.loads(text))
    assert toml(read) == toml(taken)


def test_the_catalogs_are_read_without_reading_a_row(shop: PostgresDatabase) -> None:
    taken, _, asked = profile(shop)
    assert taken.source is not None
    assert taken.source.rows_read == 0
    assert len(asked) <= 6
    assert taken.tables["orders"].rows == 10_000
    facts = taken.tables["orders"].facts
    assert facts is not None
    assert "orders_pkey" in facts.indexes
    assert sum(facts.indexes.values()) == pytest.approx(facts.index_bytes, abs=5 << 16), (
        "those below 64 kB are left out"
    )
    status = taken.tables["orders"].columns["status"]
    assert isinstance(status, sh.Choice)
    assert sum(status.of.values()) == pytest.approx(1.0, abs=0.01)  # type: ignore[union-attr]


def test_counting_tells_the_children_of_each_parent_exactly(shop: PostgresDatabase) -> None:
    taken, _, asked = profile(shop, tier="aggregates")
    groups = taken.tables["order_items"].columns["order_id"]
    assert isinstance(groups, sh.Parent)
    with shop.connect() as connection:
        counted = connection.execute(
            "SELECT children, count(*) FROM (SELECT count(i.id) AS children FROM orders o "
            "LEFT JOIN order_items i ON i.order_id = o.id GROUP BY o.id) c GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert [(int(children), parents) for children, parents in groups.groups] == counted
    assert all(one.rows_read > 0 for one in asked[6:])


def test_a_generated_copy_is_near_its_source(shop: PostgresDatabase, server: PostgresServer) -> None:
    taken, _, _ = profile(shop, tier="sample")
    copy = server.create("profiled_copy")
    try:
        copy.run_file(SHOP)
        copy.load(datasets.open_tables(taken, copy.structure(), seed=5), KeepingJournal())
        found = alike.compare(contents(shop), contents(copy))
    finally:
        copy.drop()
    assert found.shapes is not None
    assert found.shapes > 0.93  # a fiftieth of the rows that the bench has
    assert found.fan_outs_score is not None
    assert found.fan_outs_score > 0.95
    assert found.missing == ()


def test_statistics_on_two_columns_together_are_reproduced(database: PostgresDatabase, server: PostgresServer) -> None:
    schema = "CREATE TABLE parts (id int PRIMARY KEY, colour text NOT NULL, grade text NOT NULL)"
    with database.connect() as connection:
        connection.execute(schema)
        connection.execute(
            "INSERT INTO parts SELECT g, 'tint' || chr(97 + g % 6), 'grade' || chr(97 + g % 6 / 2) "
            "FROM generate_series(1, 6000) g"
        )
        connection.execute("CREATE STATISTICS together (mcv) ON colour, grade FROM parts")
        connection.execute("ANALYZE parts")
    taken, _, _ = profile(database)
    copy = server.create("profiled_pairs")
    try:
        with copy.connect() as connection:
            connection.execute(schema)
        copy.load(datasets.open_tables(taken, copy.structure(), seed=5), KeepingJournal())
        with copy.connect() as connection:
            pairs = connection.execute("SELECT count(DISTINCT (colour, grade)), count(*) FROM parts").fetchone()
    finally:
        copy.drop()
    assert pairs == (6, 6000)


def test_each_table_is_counted_once(shop: PostgresDatabase) -> None:
    _, _, asked = profile(shop, tier="aggregates")
    counted = [one.what for one in asked if one.what.startswith("rows of ")]
    assert len(counted) == len(set(counted)) == 4  # addresses, customers, orders, products


def test_a_role_that_may_read_no_table_gets_what_the_catalogs_show_anybody(database: PostgresDatabase) -> None:
    with database.connect() as connection:
        for number in range(200):
            name = sql.Identifier(f"table_{number}")
            columns = sql.SQL("id bigint PRIMARY KEY, a text, b int, c timestamptz, d numeric(10, 2), e boolean")
            connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, columns))
        connection.execute("INSERT INTO table_7 SELECT g, 'x', g, now(), g, true FROM generate_series(1, 1000) g")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CREATE ROLE looker LOGIN PASSWORD 'looker-secret' IN ROLE pg_read_all_stats")
        try:
            url = make_conninfo(database.url(Role.OWNER), user="looker", password="looker-secret")
            done = CliRunner().invoke(command, [url, "--out", "/dev/null", "--json"])
        finally:
            connection.execute("DROP OWNED BY looker")
            connection.execute("DROP ROLE looker")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert len(told["tables"]) == 200
    assert told["tables"]["table_7"]["rows"] == 1000
    assert told["rows_read"] == 0
    assert {"where": "table_7", "says": "the statistics of its columns are not shown to this role"} in told["unseen"]
    assert "looker-secret" not in done.output


def test_a_locked_table_holds_nobody_up(database: PostgresDatabase) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE locked (id bigint PRIMARY KEY, a text)")
        connection.execute("INSERT INTO locked SELECT g, 'x' FROM generate_series(1, 1000) g")
        connection.execute("VACUUM ANALYZE locked")
        with connection.transaction():
            connection.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
            done = CliRunner().invoke(command, [given(database)])
    assert isinstance(done.exception, ServerFailed)
    assert "locked is locked by a session" in str(done.exception)


def test_a_password_of_the_url_is_nowhere(shop: PostgresDatabase, tmp_path: Path) -> None:
    url = given(shop)
    done = CliRunner().invoke(command, [url, "--sample", "1000", "--out", str(tmp_path / "p.toml"), "--show-sql"])
    assert done.exit_code == 0, done.output
    password = url.partition("://")[2].partition("@")[0].partition(":")[2]
    for text in (done.output, done.stderr, (tmp_path / "p.toml").read_text()):
        assert not password or password not in text
    assert "-- tables and their sizes" in done.stderr


def test_a_review_shows_what_is_told(shop: PostgresDatabase, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    assert CliRunner().invoke(command, [given(shop), "--out", str(path)]).exit_code == 0
    done = CliRunner().invoke(command, [str(path), "--check"], standalone_mode=False)
    assert done.return_value == 0, done.output
    assert "orders.currency: 3 values: EUR, USD, GBP" in done.stdout
    path.write_text(path.read_text().replace('"EUR"', '"bob@example.org"').replace("EUR =", '"bob@example.org" ='))
    done = CliRunner().invoke(command, [str(path), "--check"], standalone_mode=False)
    assert done.return_value == 1
    assert done.stdout.splitlines()[0].startswith("orders.currency: PERSONAL")


def test_no_connection_is_a_clear_error() -> None:
    done = CliRunner().invoke(command, ["postgresql://nobody:hush@127.0.0.1:1/none"])
    assert done.exit_code != 0
    assert "hush" not in done.output + str(done.exception)


TELLING = """
    CREATE TABLE reps (name text PRIMARY KEY, badge bigint UNIQUE);
    INSERT INTO reps
    SELECT * FROM unnest(ARRAY['Garcia', 'Okonkwo', 'Schmidt'], ARRAY[4915112345001, 4915112345002, 7]);
    CREATE TABLE currencies (code text PRIMARY KEY);
    INSERT INTO currencies VALUES ('EUR'), ('GBP'), ('USD');
    CREATE TABLE deals (
        id int PRIMARY KEY, rep text REFERENCES reps, currency text REFERENCES currencies, doc jsonb, ticket text,
        fts tsvector
    );
    INSERT INTO deals
    SELECT g, (ARRAY['Garcia', 'Okonkwo', 'Schmidt'])[1 + g % 3], (ARRAY['EUR', 'GBP', 'USD'])[1 + g % 3],
           jsonb_build_object('phone', 4915112340000 + g, 'ssn', 123450000 + g), 'OKONKWO-' || (1000 + g)
    FROM generate_series(1, 600) g;
    CREATE TABLE salaries (salary int, diagnosed date);
    INSERT INTO salaries VALUES (54321, '2001-05-06'), (98765, '2019-08-07');
    ANALYZE;
"""


@pytest.mark.parametrize("tier", ["catalogs", "sample"])
def test_few_rows_and_names_that_are_keys_are_told_by_no_literal(database: PostgresDatabase, tier: str) -> None:
    with database.connect() as connection:
        connection.execute(TELLING)
    found, remarks, _ = profile(database, tier=tier, rows=20_000)
    text = toml(found, remarks)
    for told in ("arcia", "konkwo", "OKONKWO", "49151", "1234", "5430", "5432", "9880", "2001-05", "2019-08"):
        assert told not in text, told
    assert "EUR" in text  # a code of a short list is worth telling
    assert reading.parse(tomllib.loads(text)).tables["deals"].rows == 600  # a column of a type of its own and all


def test_counting_holds_no_lock_on_a_table_while_it_counts_the_next(shop: PostgresDatabase) -> None:
    held = "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass"
    with statistics.asking(shop, apart=True) as asking, shop.connect() as other:
        with asking.connection.transaction():
            asking.rows("orders", "SELECT count(*) FROM orders")
            assert other.execute(held).fetchone() == (1,)
        assert other.execute(held).fetchone() == (0,)


def test_rows_of_tables_that_inherit_are_counted_in_their_own(
    database: PostgresDatabase, server: PostgresServer
) -> None:
    schema = """
        CREATE TABLE vehicles (id int PRIMARY KEY, wheels int NOT NULL);
        CREATE TABLE trucks (load int NOT NULL) INHERITS (vehicles);
    """
    with database.connect() as connection:
        connection.execute(schema)
        connection.execute("INSERT INTO vehicles SELECT g, 4 FROM generate_series(1, 50) g")
        connection.execute("INSERT INTO trucks SELECT g, 6, g FROM generate_series(1, 3000) g")
        connection.execute("ANALYZE")
    found, remarks, _ = profile(database, tier="sample", rows=20_000)
    assert {name: table.rows for name, table in found.tables.items()} == {"trucks": 3000, "vehicles": 50}
    read = reading.parse(tomllib.loads(toml(found, remarks)))
    copy = server.create("vehicles_again")
    with copy.connect(Role.MIGRATION) as connection:
        connection.execute(schema)
    copy.load(datasets.open_tables(read, copy.structure()), KeepingJournal())
    with copy.connect() as connection:
        assert connection.execute("SELECT count(*) FROM ONLY vehicles").fetchone() == (50,)
        assert connection.execute("SELECT count(*) FROM ONLY trucks").fetchone() == (3000,)
    copy.drop()


def test_a_statement_may_not_go_without_a_limit() -> None:
    done = CliRunner().invoke(command, ["postgresql://nobody@127.0.0.1:1/x", "--aggregates", "--timeout", "0s"])
    assert done.exit_code == 2
    assert "at least 1ms" in done.output
