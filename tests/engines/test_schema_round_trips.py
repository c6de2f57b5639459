"""Random schemas: dumped and restored they compare equal, and of one change that one is found."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rehearse.engines import _differences, _local
from rehearse.engines.postgres import binaries, schema
from rehearse.engines.postgres.catalog.forms import settled
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.model import Snapshot
from rehearse.protocols import Role
from tests.engines.random_schemas import READER, WRITER, RandomSchema, quoted, schemas
from tests.engines.test_schema_changes import snapshot

pytestmark = pytest.mark.slow

FRESH = "DROP SCHEMA IF EXISTS app CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public"


@pytest.fixture(scope="module")
def pair(server: PostgresServer) -> Iterator[tuple[PostgresDatabase, PostgresDatabase]]:
    """Two databases, and the roles that random schemas grant rights to."""
    with server.connect() as connection:
        connection.execute(f"CREATE ROLE {READER}; CREATE ROLE {quoted(WRITER)}".encode())
    both = server.create("random_first"), server.create("random_second")
    yield both
    for one in both:
        one.drop()
    with server.connect() as connection:
        connection.execute(f"DROP ROLE {READER}, {quoted(WRITER)}".encode())


def read(database: PostgresDatabase) -> Snapshot:
    with database.connect() as connection:
        schema.begin(connection)
        objects, physical = schema.read_schema(connection), schema.read_physical(connection)
    return Snapshot(name="one", at_ns=0, took_ns=0, schema=objects, physical=physical, tables={})


def dumped(database: PostgresDatabase) -> str:
    """Return pg_dump's script without psql's own commands; --inserts, so that empty tables have no COPY."""
    program = binaries.program("pg_dump", database.server.installation, at_least=database.server.major)
    command = [program, "--inserts", f"--dbname={database.url(Role.OWNER)}"]
    done = subprocess.run(command, env=_local.environment(), capture_output=True, check=True)
    return "\n".join(line for line in done.stdout.decode().splitlines() if not line.startswith("\\"))


def run(database: PostgresDatabase, *scripts: str) -> None:
    with database.connect() as connection:
        for script in scripts:
            connection.execute(script.encode())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=schemas())
def test_a_schema_that_is_dumped_and_restored_is_the_same(
    pair: tuple[PostgresDatabase, PostgresDatabase], made: RandomSchema
) -> None:
    first, second = pair
    run(first, FRESH, made.sql)
    run(second, FRESH, dumped(first))
    before, after = read(first), read(second)
    assert [*_differences.schema(before, after, later=False), *_differences.physical(before, after)] == []
    assert [one.items() for one in before.physical.values()] == [one.items() for one in after.physical.values()]


CHECKS = (
    "v in ('a,]', 'b''c')",
    "v not in ('x', 'y') and w in ('q', 'r')",
    "v in (w, 'a')",
    "v = any ((array[v || 'x', w])::varchar(5)[])",
    "i = any ((array[1, 2])::bigint[])",
    "d = any ('{2020-01-01}'::date[])",
    "coalesce(v, 'a') in (upper(w), 'a')",
    "q in ('a', 'b') or c in ('d', 'e')",
)


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_that_is_made_again_of_the_servers_own_words_is_the_same(server: PostgresServer, check: str) -> None:
    text = "select pg_get_constraintdef(oid) from pg_constraint where conname = 'right_value'"
    table = 'create temporary table t (v varchar, w varchar, i int, d date, "q" varchar(9), c char(3))'
    found = []
    with server.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(table.encode())
        for _ in range(2):
            words = found[-1] if found else f"check ({check})"
            connection.execute(f"alter table t add constraint right_value {words}".encode())
            found += [words for (words,) in connection.execute(text)]
            connection.execute("alter table t drop constraint right_value")
    assert settled(found[0]) == settled(found[1])


def test_what_is_no_cast_of_an_array_is_left_as_it_is() -> None:
    for words in ("(ARRAY[1, 2])[1]", "ARRAY[1]", "'(ARRAY['", "(ARRAY['a", "(ARRAY[(1])::int[]"):
        assert settled(words) == words
    assert settled("(ARRAY[f(a, b), ']'])::text[] || (ARRAY[1])::int[]") == (
        "ARRAY[(f(a, b))::text, (']')::text] || ARRAY[(1)::int]"
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=schemas(), choice=st.randoms(use_true_random=False))
def test_of_a_change_to_a_random_schema_that_one_is_found(
    pair: tuple[PostgresDatabase, PostgresDatabase], made: RandomSchema, choice: st.DataObject
) -> None:
    change = choice.choice(made.changes)  # type: ignore[attr-defined]
    with pair[0].connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(f"{FRESH}; {made.sql}".encode())
        before = snapshot(connection)
        connection.execute(change.sql.encode())
        after = snapshot(connection)
    found = [*_differences.schema(before, after), *_differences.physical(before, after)]
    assert [(one.object, one.property) for one in found] == [(change.object, change.property)], change
