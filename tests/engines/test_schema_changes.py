"""Of a change of one property that property is found, and nothing else, on each version that can be run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg import Connection

from rehearse.engines import _differences
from rehearse.engines.postgres import schema
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.mending import mend
from rehearse.engines.postgres.server import PostgresServer
from rehearse.model import PropertyDifference, Snapshot
from rehearse.protocols import Role
from tests.engines.comparing import named

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent
SCHEMA = (FOLDER / "schema_changes.sql").read_text(encoding="utf-8")
DISK = ("dropped columns", "column order", "statistics", "toast table")  # which no statement brings back
CHANGES = tomllib.loads((FOLDER / "schema_changes.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Corpus:
    """A database with an object of each kind, as it was read before any change."""

    database: PostgresDatabase
    connection: Connection
    before: Snapshot

    @property
    def names(self) -> dict[str, str]:
        """What stands in the changes for names that differ from run to run."""
        return {"database": self.database.name, "owner": self.connection.info.user}


def snapshot(connection: Connection) -> Snapshot:
    """Return the schema as this transaction sees it."""
    connection.execute("set local search_path = public")
    objects = schema.read_schema(connection) | schema.read_cluster(connection)
    physical = schema.read_physical(connection)
    return Snapshot(name="one", at_ns=0, took_ns=0, schema=objects, physical=physical, tables={})


@pytest.fixture(scope="module")
def corpus(either: PostgresServer) -> Iterator[Corpus]:
    database = either.create("corpus")
    with database.connect(Role.OWNER) as connection:
        connection.execute("drop role if exists corpus_reader; create role corpus_reader")
        connection.execute(SCHEMA.encode())
        with connection.transaction(force_rollback=True):
            before = snapshot(connection)
        yield Corpus(database, connection, before)
        connection.execute("alter subscription feed set (slot_name = none); drop subscription feed")
    database.drop()
    with either.connect() as connection:
        connection.execute("drop role corpus_reader")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_one_property_is_all_that_is_found_and_its_mending_undoes_it(corpus: Corpus, name: str) -> None:
    change, names, connection = CHANGES[name], corpus.names, corpus.connection
    if corpus.database.server.major < change.get("since", 14):
        pytest.skip(f"PostgreSQL {corpus.database.server.major} does not know it")
    with connection.transaction(force_rollback=True):
        connection.execute(change["sql"].format(**names).encode())
        found = differing(corpus.before, snapshot(connection))
        mends = [mend(one) for one in found if one.object not in corpus.before.physical or one.property not in DISK]
        left = []
        if all(mends):
            connection.execute(" ".join(filter(None, mends)).encode())
            left = [one for one in differing(corpus.before, snapshot(connection)) if one.property not in DISK]
    connection.execute("select setval('invoices', 9)")  # which no rollback takes back
    expected = {(thing.format(**names), what) for thing, what in (change["found"], *change.get("follows", ()))}
    assert named(found) == expected, found
    assert left == [], mends


def differing(before: Snapshot, after: Snapshot) -> list[PropertyDifference]:
    return [*_differences.schema(before, after), *_differences.physical(before, after)]
