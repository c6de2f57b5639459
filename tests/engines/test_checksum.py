"""Checksums find what a hash of fewer bits, or of fewer kinds of equality, would miss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rehearse.engines.postgres import images
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.schema import take
from rehearse.engines.postgres.server import PostgresServer
from rehearse.model import TableState
from tests.engines.comparing import run

SOUND = {
    "-1 and 4294967295": ("bigint", "-1", "4294967295"),
    "the scale of a numeric": ("numeric", "1.0", "1.00"),
    "zero and minus zero": ("float8", "'0'", "'-0'"),
    "blanks of a char": ("bpchar", "'a'", "'a '"),
    "a month and thirty days": ("interval", "'1 mon'", "'30 days'"),
    "the scale within jsonb": ("jsonb", "'1.0'", "'1.00'"),
    "null and an empty text": ("text", "null", "''"),
    "null and zero": ("int", "null", "0"),
    "the order of an array": ("int[]", "'{1,2}'", "'{2,1}'"),
    "the order of keys in json": ("json", '\'{"a":1,"b":2}\'', '\'{"b":2,"a":1}\''),
    "a microsecond": ("timestamptz", "'2024-01-01 00:00:00.000001Z'", "'2024-01-01 00:00:00.000002Z'"),
    "a truth": ("bool", "true", "false"),
    "bytes": ("bytea", "'\\x00'", "'\\x0000'"),
    "infinity": ("date", "'infinity'", "'-infinity'"),
}


def states(database: PostgresDatabase, before: str, change: str) -> tuple[TableState, TableState]:
    run(database, before)
    old = take(database, "start").tables["t"]
    run(database, change)
    return old, take(database, "back").tables["t"]


@pytest.mark.slow
@pytest.mark.parametrize("kind, one, other", SOUND.values(), ids=SOUND)
def test_values_that_some_hash_takes_for_equal_have_other_checksums(
    database: PostgresDatabase, kind: str, one: str, other: str
) -> None:
    old, new = states(
        database,
        f"create table t (id int primary key, v {kind}, w int); insert into t values (1, {one}, 3)",
        f"update t set v = {other}",
    )
    assert old.checksum != new.checksum
    assert old.columns["v"] != new.columns["v"]
    assert old.columns["w"] == new.columns["w"]


@pytest.mark.slow
def test_a_value_that_ignores_case_is_compared_exactly(installed: PostgresServer) -> None:
    """The embedded server has no ICU; Debian's has."""
    database = installed.create("nocase")
    with database.connect() as connection:
        try:
            connection.execute(
                "create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
            )
        except Exception as refused:
            pytest.skip(f"this build of PostgreSQL has no ICU: {refused}; Debian's postgresql has")
    old, new = states(
        database,
        "create table t (id int primary key, v text collate nocase); insert into t values (1, 'a')",
        "update t set v = 'A'",
    )
    database.drop()
    assert old.checksum != new.checksum


@pytest.mark.slow
@pytest.mark.parametrize("key", ["id int primary key", "id text primary key", "id int"])
def test_values_that_change_places_are_found(database: PostgresDatabase, key: str) -> None:
    old, new = states(
        database,
        f"create table t ({key}, v int); insert into t select g, g from generate_series(1, 50) g",
        "update t set v = 1 + v % 50",
    )
    assert old.rows == new.rows == 50
    assert old.checksum != new.checksum


@pytest.mark.slow
def test_columns_that_change_places_are_found(database: PostgresDatabase) -> None:
    old, new = states(
        database,
        "create table t (id int primary key, a int, b int); "
        "insert into t select g, g, 2 * g from generate_series(1, 9) g",
        "update t set a = b, b = a",
    )
    assert old.checksum != new.checksum


@pytest.mark.slow
def test_the_same_rows_in_another_order_and_another_order_of_columns_are_the_same(database: PostgresDatabase) -> None:
    old, new = states(
        database,
        "create table t (id int primary key, a text, b numeric); "
        "insert into t select g, g, g from generate_series(1, 99) g",
        "create table u (b numeric, id int primary key, a text); insert into u select b, id, a from t order by id desc;"
        "drop table t; alter table u rename to t",
    )
    assert (old.checksum, old.columns) == (new.checksum, new.columns)


@pytest.mark.slow
def test_a_partitioned_table_has_the_checksum_of_a_plain_one(database: PostgresDatabase) -> None:
    old, new = states(
        database,
        "create table t (id int primary key, a text); insert into t select g, g from generate_series(1, 99) g",
        "alter table t rename to o; create table t (id int primary key, a text) partition by range (id);"
        "create table t1 partition of t for values from (0) to (50);"
        "create table t2 partition of t for values from (50) to (100); insert into t select * from o; drop table o",
    )
    assert (old.checksum, old.rows) == (new.checksum, new.rows)


@pytest.mark.slow
def test_odd_tables_are_summed(database: PostgresDatabase) -> None:
    run(
        database,
        'create schema "Other"; create table "Other"."My Table" ("Key Column" text primary key, "v%s" int);'
        'insert into "Other"."My Table" values (\'a\', 1); create table bare ();'
        "create table none_yet (id int primary key)",
    )
    found = take(database, "start").tables
    assert found["Other.My Table"].rows == 1
    assert found["bare"].checksum == "0"
    assert found["none_yet"].checksum == "0"


@pytest.mark.slow
def test_the_size_of_a_table_is_asked_once_however_many_columns_it_has(database: PostgresDatabase) -> None:
    columns = ", ".join(f"c{place} int" for place in range(50))
    run(database, f"create table t ({columns}); create table p (id int) partition by range (id)")
    with database.connect() as connection:
        ((plan,),) = connection.execute(f"explain (analyze, verbose, format json) {images._TABLES}".encode()).fetchall()
    asking = [node for node in nodes(plan[0]["Plan"]) if "pg_total_relation_size(" in str(node.get("Output"))]
    assert asking
    assert max(node["Actual Rows"] for node in asking) <= 2


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)
