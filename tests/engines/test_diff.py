"""`rehearse diff` on two real databases."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rehearse.cli.diff import command
from rehearse.cli.similarity import Named
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.diff import Asked, difference
from rehearse.engines.postgres.server import PostgresServer
from rehearse.protocols import Role

pytestmark = pytest.mark.slow

SCHEMA = """
CREATE TABLE orders (id bigint PRIMARY KEY, status text DEFAULT 'new', total numeric(10, 2), note text);
CREATE INDEX orders_status ON orders (status);
CREATE TABLE items (order_id bigint REFERENCES orders, place int, name text, PRIMARY KEY (order_id, place));
CREATE TABLE log (at int, says text);
CREATE SEQUENCE counted;
CREATE SCHEMA app;
CREATE TABLE app."Odd, name" (id uuid PRIMARY KEY, doc jsonb, at timestamptz);
INSERT INTO orders SELECT g, 'paid', g + 0.5, CASE WHEN g % 2 = 0 THEN 'note ' || g END FROM generate_series(1, 5000) g;
INSERT INTO items SELECT 1 + g % 5000, g, 'item ' || g FROM generate_series(1, 8000) g;
INSERT INTO log SELECT g % 10, 'line' FROM generate_series(1, 300) g;
INSERT INTO app."Odd, name"
SELECT ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid, '{"a": 1}', '2026-01-01Z'
FROM generate_series(1, 500) g;
"""


@pytest.fixture
def pair(server: PostgresServer) -> Iterator[tuple[PostgresDatabase, PostgresDatabase]]:
    made = [server.create(f"diff_{name}") for name in ("first", "second")]
    for one in made:
        run(one, SCHEMA)
    yield made[0], made[1]
    for one in made:
        one.drop()


def run(database: PostgresDatabase, *statements: str) -> None:
    with database.connect(Role.MIGRATION) as connection:
        for sql in statements:
            connection.execute(sql.encode())


def compared(pair: tuple[PostgresDatabase, PostgresDatabase], *words: str) -> Result:
    return CliRunner().invoke(command, [*(one.url(Role.OWNER) for one in pair), *words], standalone_mode=False)


def found(pair: tuple[PostgresDatabase, PostgresDatabase], *words: str) -> dict[str, Any]:
    result = compared(pair, "--json", *words)
    assert result.exception is None, result.exception
    content: dict[str, Any] = json.loads(result.output)
    return content | {"tables": {one["table"]: one for one in content["tables"]}}


def test_two_databases_that_were_made_alike_do_not_differ(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    result = compared(pair)
    assert result.return_value == 0
    assert result.output == "✓ 0 differences of the schema, 4 tables of 4 with the same rows\n"


def test_each_difference_is_found_and_no_other(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    run(
        pair[1],
        "UPDATE orders SET status = 'lost' WHERE id IN (17, 4000)",
        "UPDATE orders SET note = NULL WHERE id = 42",
        "DELETE FROM items WHERE place <= 3",
        "INSERT INTO items VALUES (1, 90001, 'more')",
        "INSERT INTO log VALUES (3, 'line')",
        "UPDATE app.\"Odd, name\" SET at = at + interval '1 hour' WHERE id::text LIKE '%00007'",
        "ALTER TABLE orders ALTER status SET DEFAULT 'open'",
        "SELECT setval('counted', 50)",
        "DROP INDEX orders_status",
    )
    seen = found(pair)
    assert seen["differs"]
    properties = {(one["object"], one["property"]) for one in seen["schema"]}
    assert properties == {
        ("table orders column status", "default"),
        ("table orders index orders_status", "exists"),
        ("sequence counted", "value"),
    }
    orders = {one["column"]: one for one in seen["tables"]["orders"]["columns"]}
    assert {name: one["values_changed"] for name, one in orders.items()} == {"status": 2, "note": 1}
    assert [one["key"] for one in orders["status"]["examples"]] == ["17", "4000"]
    items = seen["tables"]["items"]
    assert (items["rows_missing"], items["rows_unexpected"], items["columns"]) == (3, 1, [])
    assert (seen["tables"]["log"]["rows_missing"], seen["tables"]["log"]["rows_unexpected"]) == (0, 1)
    assert [one["column"] for one in seen["tables"]["app.Odd, name"]["columns"]] == ["at"]


def test_what_is_shown_names_sides_keys_and_values(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    run(
        pair[1],
        "UPDATE orders SET status = 'lost' WHERE id = 17",
        "ALTER TABLE items DROP name, ADD extra int",
        "DROP TABLE log",
        "CREATE TABLE more (id int PRIMARY KEY)",
    )
    result = compared(pair)
    assert result.return_value == 1
    lines = result.output.splitlines()
    assert "≠ orders.status: 1 value differs" in lines
    assert "    key 17: 'paid' → 'lost'" in lines
    assert "≠ table log: only in the first, with 300 rows" in lines
    assert "≠ table more: only in the second, with 0 rows" in lines
    assert "≠ items: name only in the first" in lines
    assert "≠ items: extra only in the second" in lines
    assert lines[-1].startswith("✗ ")
    hidden = compared(pair, "--examples", "0")
    assert "lost" not in hidden.output
    assert "orders.status" in hidden.output


def test_schema_or_data_alone_and_single_tables(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    run(pair[1], "UPDATE orders SET status = 'lost' WHERE id = 17", "ALTER TABLE items ADD extra int")
    schema = found(pair, "--schema-only")
    assert schema["tables"] == {}
    assert [one["object"] for one in schema["schema"]] == ["table items column extra"]
    data = found(pair, "--data-only")
    assert data["schema"] == []
    assert data["tables"]["orders"]["differs"]
    one = found(pair, "--tables", "orders")
    assert list(one["tables"]) == ["orders"]
    assert one["schema"] == []
    assert list(found(pair, "--tables", "public.orders")["tables"]) == ["orders"]
    assert compared(pair, "--schema-only", "--tables", "orders").return_value == 0
    assert compared(pair, "--quiet").output == ""


def test_a_role_that_may_not_read_a_table_is_told_and_nothing_is_called_the_same(
    pair: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    for one in pair:
        run(one, "REVOKE ALL ON items FROM rehearse_application", "GRANT USAGE ON SCHEMA app TO rehearse_application")
    urls = [one.url(Role.APPLICATION) for one in pair]
    result = CliRunner().invoke(command, [*urls, "--data-only"], standalone_mode=False)
    assert result.return_value == 3
    assert "? items: permission denied for table items" in result.output


def test_a_table_that_neither_has_and_two_opposite_wishes_are_mistakes(
    pair: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    assert "--tables ordres: neither database has such a table; did you mean 'orders'" in str(
        compared(pair, "--tables", "ordres").exception
    )
    assert "choose one" in str(compared(pair, "--schema-only", "--data-only").exception)


def test_long_texts_are_shown_where_they_part(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    run(pair[0], f"UPDATE orders SET note = '{'a' * 500}left{'b' * 500}' WHERE id = 8")
    run(pair[1], f"UPDATE orders SET note = '{'a' * 500}right{'b' * 500}' WHERE id = 8")
    line = next(one for one in compared(pair, "--data-only").output.splitlines() if "key 8" in one)
    assert "aleftb" in line
    assert "arightb" in line


def test_rows_that_only_one_side_has_are_named(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    run(pair[1], "DELETE FROM items WHERE place = 3", "INSERT INTO log VALUES (7, 'odd')")
    output = compared(pair, "--data-only").output
    assert "    key order_id = 4, place = 3\n" in output
    assert "    (at = 7, says = odd)\n" in output
    assert "odd" not in compared(pair, "--data-only", "--examples", "0").output


ODD = """
CREATE TABLE odd (id int PRIMARY KEY, name text, spans tstzrange, cost money, waits interval, share float8, raw bytea);
INSERT INTO odd
SELECT g, 'Zo\u00eb ' || g, tstzrange('2026-01-01Z', '2026-02-01Z'), g, g * '25 hours'::interval, 1.0 / g, '\\x00ff'
FROM generate_series(1, 40) g;
CREATE TABLE keyed (name text PRIMARY KEY, v char(9));
INSERT INTO keyed VALUES ('\u00e4', '\u00fc');
"""


def test_what_servers_and_roles_set_otherwise_is_no_difference(
    pair: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    for one in pair:
        run(one, ODD)
    with pair[1].connect(Role.OWNER) as connection:
        connection.execute(
            f"""ALTER DATABASE "{pair[1].name}" SET timezone = 'Asia/Tokyo';
            ALTER DATABASE "{pair[1].name}" SET datestyle = 'German';
            ALTER DATABASE "{pair[1].name}" SET intervalstyle = 'iso_8601';
            ALTER DATABASE "{pair[1].name}" SET extra_float_digits = -5;
            ALTER DATABASE "{pair[1].name}" SET bytea_output = 'escape'""".encode()
        )
    assert compared(pair, "--data-only").return_value == 0


def test_texts_in_two_encodings_are_compared_by_their_characters(
    pair: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    name = f"{pair[1].name}_latin"
    with pair[1].connect(Role.OWNER) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'".encode())
    try:
        latin = PostgresDatabase(name=name, server=pair[1].server)
        both = (pair[0], latin)
        for one in both:
            with one.connect(Role.OWNER, client_encoding="utf8") as connection:
                connection.execute(ODD.encode())
        told = compared(both, "--data-only", "--tables", "odd", "--tables", "keyed")
        assert told.return_value == 0, told.output
        with latin.connect(Role.OWNER) as connection:
            connection.execute(b"UPDATE odd SET name = 'Zoe 7' WHERE id = 7; UPDATE keyed SET v = 'u'")
        seen = found(both, "--data-only", "--tables", "odd", "--tables", "keyed")["tables"]
        assert [(one["column"], one["examples"][0]["key"]) for one in seen["odd"]["columns"]] == [("name", "7")]
        assert [(one["column"], one["examples"][0]["key"]) for one in seen["keyed"]["columns"]] == [("v", "\u00e4")]
    finally:
        with pair[1].connect(Role.OWNER) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


SLOW = """
CREATE TABLE slow (id int PRIMARY KEY, body text, sum text GENERATED ALWAYS AS (md5(repeat(body, 300))) VIRTUAL);
ALTER TABLE slow ALTER body SET STORAGE external;
INSERT INTO slow SELECT g, repeat('x', 200000) FROM generate_series(1, 300) g;
"""
_RUNNING = """
SELECT count(*) FROM pg_stat_activity
WHERE state = 'active' AND query LIKE '%slow%group by 1' AND pid <> pg_backend_pid()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_what_runs_on_both_servers(
    pair: tuple[PostgresDatabase, PostgresDatabase], number: signal.Signals
) -> None:
    for one in pair:
        run(one, SLOW)
    urls = [one.url(Role.OWNER) for one in pair]
    words = [sys.executable, "-m", "rehearse", "diff", *urls, "--data-only", "--tables", "slow"]
    with pair[0].connect(Role.OWNER) as watching:
        process = subprocess.Popen(words, stderr=subprocess.PIPE)
        try:
            assert eventually(watching, 2)
            process.send_signal(number)
            assert process.wait(timeout=20) == 130  # of a minute that the queries would take
            assert eventually(watching, 0)
        finally:
            process.kill()
            process.communicate()


def eventually(connection: Any, wanted: int) -> bool:
    """Say whether so many of the queries run, within half a minute."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = connection.execute(_RUNNING).fetchone()
        if found[0] == wanted:
            return True
    return False


def by_role(database: PostgresDatabase, *statements: str) -> None:
    """Run statements as the superuser."""
    with database.connect(Role.OWNER) as connection:
        for one in statements:
            connection.execute(one.encode())


def as_application(pair: tuple[PostgresDatabase, PostgresDatabase], *words: str) -> Result:
    urls = [one.url(Role.APPLICATION) for one in pair]
    return CliRunner().invoke(command, [*urls, *words], standalone_mode=False)


def test_rows_that_a_policy_hides_are_not_taken_for_the_same(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    for one in pair:
        run(one, "ALTER TABLE log ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON log USING (at = 1)")
        by_role(one, "GRANT SELECT ON log TO rehearse_application")
    run(pair[1], "UPDATE log SET says = 'other' WHERE at = 2")
    result = as_application(pair, "--data-only", "--tables", "log")
    assert result.return_value == 3
    assert "row-level security" in result.output
    assert result.output.splitlines()[-1].startswith("? ")


def test_a_sequence_that_may_not_be_read_stops_nothing(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    for one in pair:
        by_role(one, "REVOKE ALL ON SEQUENCE counted FROM rehearse_application, PUBLIC")
    result = as_application(pair, "--tables", "log")
    assert result.exception is None
    assert result.return_value in {0, 3}


def test_a_roles_own_timeouts_do_not_end_a_comparison(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    by_role(pair[0], f"ALTER DATABASE {pair[0].name} SET statement_timeout = '61s'")
    with pair[0].connect(Role.OWNER) as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("61s",)  # the role heeds it
    for one in pair:
        by_role(one, f"ALTER DATABASE {one.name} SET statement_timeout = '1ms'")
    assert compared(pair).return_value == 0


def test_a_table_that_is_locked_is_not_waited_for(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    with pair[1].connect(Role.MIGRATION) as holding:
        holding.execute("begin")
        holding.execute("lock table log in access exclusive mode")
        assert "locked by DDL for more than 2s" in str(compared(pair, "--data-only").exception)


def test_the_locks_of_a_table_that_was_read_are_let_go(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    held: list[int] = []

    def told(table: str) -> None:
        if table == "orders":
            with pair[0].connect(Role.OWNER) as watching:
                query = "SELECT count(*) FROM pg_locks WHERE relation = 'log'::regclass AND granted"
                held.append((watching.execute(query).fetchone() or (None,))[0])

    sides = [Named(one.url(Role.OWNER), "URL") for one in pair]
    difference(sides[0], sides[1], Asked(), told)
    assert held == [0]  # "log" comes before "orders"


def test_the_order_of_columns_is_felt(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    run(pair[0], "CREATE TABLE t (a int, b int)")
    run(pair[1], "CREATE TABLE t (b int, a int)")
    result = compared(pair)
    assert result.return_value == 1
    assert "≠ table t: column order a, b → b, a (behaviour)" in result.output


def test_a_name_with_a_blank_has_its_columns_compared(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    run(pair[0], 'CREATE TABLE "my table" (id int PRIMARY KEY, v int DEFAULT 1)')
    run(pair[1], 'CREATE TABLE "my table" (id int PRIMARY KEY, v int DEFAULT 2)')
    assert [one["property"] for one in found(pair, "--tables", "my table")["schema"]] == ["default"]


def test_odd_columns_are_compared(pair: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    for one in pair:
        by_role(
            one,
            "CREATE TABLE rights AS SELECT 1 AS id, ARRAY[acldefault('r', 10)]::aclitem[] AS acl",
            "CREATE TABLE empty (); INSERT INTO empty DEFAULT VALUES",
            "CREATE TABLE large (id int PRIMARY KEY, body text); INSERT INTO large VALUES (1, repeat('x', 3000000))",
        )
    assert compared(pair, "--data-only", "--tables", "rights", "--tables", "large").return_value == 0
    assert compared(pair, "--data-only", "--tables", "empty").return_value == 3
    by_role(
        pair[1],
        "UPDATE rights SET acl = '{}'",
        "INSERT INTO empty DEFAULT VALUES",
        "UPDATE large SET body = 'y' || substr(body, 2)",
    )
    result = compared(pair, "--json", "--data-only")
    tables = {one["table"]: one for one in json.loads(result.output)["tables"]}
    assert [name for name, one in tables.items() if one["differs"]] == ["empty", "large", "rights"]
    assert len(result.output) < 100_000
