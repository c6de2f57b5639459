"""Of a change of one property that property is found, and nothing else, on each version that can be run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
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
from tests.engines.test_catalog_read import left_out

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
    objects = schema.read_schema(connection, content=True) | schema.read_cluster(connection)
    physical = schema.read_physical(connection)
    return Snapshot(name="one", at_ns=0, took_ns=0, schema=objects, physical=physical, tables={})


@pytest.fixture(scope="module")
def corpus(either: PostgresServer) -> Iterator[Corpus]:
    database = either.create("corpus")
    with database.connect(Role.OWNER) as connection:
        connection.execute("drop role if exists corpus_reader; create role corpus_reader")
        connection.execute(SCHEMA.encode())
        connection.execute(f"alter database {database.name} set app.jwt = 'hunter22'".encode())
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


WIDER = (
    "a table's rights", "a table's rights for all", "a column's rights", "a right to pass on",
    "a function's rights for all", "security definer", "a policy for all", "a policy's condition", "a policy's roles",
    "a policy's check", "a policy permissive", "row security", "row security forced", "a view's barrier",
    "a view's invoker", "a default right wider", "public open to all", "a role past row security",
    "a role's membership", "a right on a catalog", "a large object's rights",
)  # fmt: skip


@pytest.mark.parametrize("name", WIDER)
def test_rights_that_are_wider_or_narrower_break(corpus: Corpus, name: str) -> None:
    if corpus.database.server.major < CHANGES[name].get("since", 14):
        pytest.skip(f"PostgreSQL {corpus.database.server.major} does not know it")
    with corpus.connection.transaction(force_rollback=True):
        corpus.connection.execute(CHANGES[name]["sql"].format(**corpus.names).encode())
        found = differing(corpus.before, snapshot(corpus.connection))
    assert [one.severity for one in found] == ["breaks"], found


def test_no_secret_comes_out(corpus: Corpus) -> None:
    with corpus.connection.transaction(force_rollback=True):
        for change in ("a secret of the application's own", "a role's secret", "a foreign table's program"):
            corpus.connection.execute(CHANGES[change]["sql"].format(**corpus.names).encode())
        found = differing(corpus.before, snapshot(corpus.connection))
    assert len(found) == 3
    assert "hunter22" not in f"{corpus.before} {found}"
    assert "format=csv" in corpus.before.schema["foreign table fetched"]["foreign options"]
    assert corpus.before.schema["subscription feed"]["connection password"].startswith("(hidden ")
    assert corpus.before.schema["user mapping corpus_reader on far"]["option password"].startswith("(hidden ")
    assert corpus.before.schema["user mapping corpus_reader on far"]["option user"] == "ann"


def test_a_role_that_may_not_see_all_reads_what_it_may(corpus: Corpus) -> None:
    with corpus.connection.transaction(force_rollback=True):
        corpus.connection.execute("create role corpus_low; grant usage on schema app, public to corpus_low")
        for kind in ("tables", "sequences"):
            corpus.connection.execute(f"grant select on all {kind} in schema public, app to corpus_low".encode())
        corpus.connection.execute("set local role corpus_low")
        seen = snapshot(corpus.connection)
    assert seen.schema.keys() - corpus.before.schema.keys() == {"role corpus_low"}
    assert corpus.before.schema.keys() <= seen.schema.keys()
    assert "connection host" not in seen.schema["subscription feed"]
    assert seen.physical["table orders"] == corpus.before.physical["table orders"]


UNSEEN = {
    ("pg_index", "indisreplident"): "means something only where the table says that an index identifies its rows",
    ("pg_opclass", "opcdefault"): "the server lets no type have two of them",
    ("pg_statistic", "stainherit"): "of a table with children the statistics of all are the ones that are looked at",
}
BOOLEANS = """
    SELECT c.relname, a.attname,
        (SELECT f.attname FROM pg_attribute f WHERE f.attrelid = c.oid AND f.attnum = 1)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
        AND a.atttypid = 'bool'::regtype
    ORDER BY 1, 2
"""
ROWS = """
    SELECT ctid::text FROM {catalog}
    WHERE {first}::oid >= 16384 AND CASE '{catalog}'
        WHEN 'pg_database' THEN to_jsonb({catalog}) ->> 'datname' = '{name}'
        WHEN 'pg_authid' THEN to_jsonb({catalog}) ->> 'rolname' = 'corpus_reader'
        WHEN 'pg_attribute' THEN to_jsonb({catalog}) ->> 'attnum' ~ '^[0-9]' ELSE true END
    ORDER BY {first}::oid LIMIT 150
"""


def test_no_boolean_of_a_catalog_can_be_flipped_unseen(corpus: Corpus) -> None:
    booleans = corpus.connection.execute(BOOLEANS).fetchall()
    left = left_out().keys() | UNSEEN.keys()
    asked = [(catalog, column, first) for catalog, column, first in booleans if (catalog, column) not in left]
    unseen = [(catalog, column) for catalog, column, first in asked if flips(corpus, catalog, column, first) is False]
    assert len(booleans) > 60
    assert unseen == []


def flips(corpus: Corpus, catalog: str, column: str, first: str) -> bool | None:
    """Say whether a flip in our rows, in all at once or in one, was found; None: no row of ours can be flipped."""
    rows = corpus.connection.execute(ROWS.format(catalog=catalog, first=first, name=corpus.database.name).encode())
    places = [place for (place,) in rows.fetchall()]
    found = None
    for some in ([places] if places else []) + [[place] for place in places]:
        with suppress(psycopg.Error), corpus.connection.transaction(force_rollback=True):
            corpus.connection.execute("set local allow_system_table_mods = on")
            flip = f"update {catalog} set {column} = not {column} where ctid = any (%s::tid[])"
            corpus.connection.execute(flip.encode(), [some])
            found = bool(differing(corpus.before, snapshot(corpus.connection)))
        if found is not None and (found or len(some) > 1):
            return found
    return found


def differing(before: Snapshot, after: Snapshot) -> list[PropertyDifference]:
    return [*_differences.schema(before, after), *_differences.physical(before, after)]
