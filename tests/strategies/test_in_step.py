"""What old and new code write between two steps of a way is where both look for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearse import strategies
from rehearse.engines.postgres.server import PostgresServer
from rehearse.protocols import Role
from tests.strategies.changes import CHANGES

pytestmark = pytest.mark.slow

ORDER = '"App"."Order"'


@pytest.fixture
def begun(server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A connection to the tables after the first steps of a way, (change, way, how many steps)."""
    name, way, steps = request.param
    database = server.create("instep")
    with database.connect(Role.MIGRATION) as connection:
        connection.execute((Path(__file__).parent / "shapes.sql").read_bytes())
        text = strategies.write(CHANGES[name], way, database.blueprint(), engine="postgres", version="18").forward
        connection.execute(text.partition(f"-- {steps + 1}.")[0].encode())
        yield connection
    database.drop()
    with server.connect() as connection:
        connection.execute("DROP ROLE rehearsed_reader")


@pytest.mark.parametrize("begun", [("a split", "expand", 1)], indirect=True)
def test_both_versions_write_names_that_both_read(begun: Any) -> None:
    def names(tenant: int) -> Any:
        query = f'SELECT "full name", "First", last FROM {ORDER} WHERE "Tenant" = {tenant}'
        return begun.execute(query).fetchone()

    begun.execute(f'INSERT INTO {ORDER} ("Tenant", "full name") VALUES (9, \'Old Code\')')
    assert names(9) == ("Old Code", "Old", "Code")
    begun.execute(f"UPDATE {ORDER} SET \"First\" = 'New', last = 'Name' WHERE \"Tenant\" = 9")
    assert names(9) == ("New Name", "New", "Name")
    begun.execute(f"INSERT INTO {ORDER} (\"Tenant\", \"First\", last) VALUES (8, 'By', 'New')")
    assert names(8) == ("By New", "By", "New")
    begun.execute(f'UPDATE {ORDER} SET "full name" = \'Again Old\' WHERE "Tenant" = 8')
    assert names(8) == ("Again Old", "Again", "Old")


@pytest.mark.parametrize("begun", [("a wider key", "shadow", 2)], indirect=True)
def test_a_shadow_follows_every_write_a_changed_key_too(begun: Any) -> None:
    begun.execute(f"INSERT INTO {ORDER} (\"Tenant\", id, \"full name\") VALUES (7, 900, 'x'), (7, 902, 'y')")
    begun.execute(f"UPDATE {ORDER} SET id = 901 WHERE id = 900")
    begun.execute(f"UPDATE {ORDER} SET note = 'written' WHERE id = 901")
    begun.execute(f"DELETE FROM {ORDER} WHERE id = 902")
    assert begun.execute('SELECT "Tenant", id, note FROM "App"."Order__new"').fetchall() == [(7, 901, "written")]
    begun.execute(f"TRUNCATE {ORDER} CASCADE")
    assert begun.execute('SELECT count(*) FROM "App"."Order__new"').fetchone() == (0,)


@pytest.mark.parametrize("begun", [("another name", "view", 1)], indirect=True)
def test_a_view_in_front_takes_either_name(begun: Any) -> None:
    begun.execute(f"INSERT INTO {ORDER} (\"Tenant\", id, \"full name\", note) VALUES (7, 900, 'x', 'old')")
    begun.execute(f"UPDATE {ORDER} SET \"Remark of it\" = 'new' WHERE id = 900 AND note = 'old'")
    query = f'SELECT note, "Remark of it" FROM {ORDER} WHERE id = 900'
    assert begun.execute(query).fetchone() == ("new", "new")


@pytest.mark.parametrize("begun", [("uuids", "expand", 2)], indirect=True)
def test_a_new_row_has_its_uuid_and_what_points_at_it_finds_it(begun: Any) -> None:
    begun.execute(f'INSERT INTO {ORDER} ("Tenant", id, "full name") VALUES (7, 900, \'x\')')
    begun.execute('INSERT INTO line (tenant, "order") VALUES (7, 900)')
    begun.execute(f"UPDATE {ORDER} SET note = 'again' WHERE id = 900")
    query = f'SELECT o.id__new IS NOT NULL, o.id__new = l."order__new" FROM {ORDER} o JOIN line l ON l."order" = o.id'
    assert begun.execute(f"{query} WHERE o.id = 900").fetchone() == (True, True)
