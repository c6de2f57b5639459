"""What materialized views and large objects hold is compared, too, as digests."""

from __future__ import annotations

import pytest

from rehearse.engines import _differences
from rehearse.engines.postgres import schema
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.model import Snapshot
from rehearse.protocols import Role
from tests.engines.comparing import compared, named, run, wrote

pytestmark = pytest.mark.slow

MADE = """
create table t (id int primary key, v json, p point);
insert into t select g, '{"a": 1}', point(g, g) from generate_series(1, 50) g;
create materialized view seen as select * from t; create materialized view none as select * from t with no data;
select lo_from_bytea(4711, 'abc');
"""
VIEW, OBJECTS = ("materialized view seen", "content"), ("database", "content of large objects")
CHANGES = {
    "other rows": ("update t set v = '{}' where id = 7; refresh materialized view seen", {VIEW}),
    "the same rows in another order": ("create index on seen (id desc); cluster seen using seen_id_idx; "
                                       "drop index seen_id_idx", set()),
    "a large object": ("select lo_put(4711, 1, 'x')", {OBJECTS}),
    "nothing": ("", set()),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_another_content_is_a_difference(database: PostgresDatabase, change: str) -> None:
    statement, expected = CHANGES[change]
    comparison = compared(database, MADE, statement)
    assert named(comparison.schema) == expected
    assert {one.severity for one in comparison.schema} <= {"behaviour"}


def test_a_content_that_the_traffic_may_have_changed_is_none_of_the_migration(database: PostgresDatabase) -> None:
    writes = [wrote("update", {"id": "7"}, {"v": "{}"})]
    assert not compared(database, MADE, CHANGES["other rows"][0], writes).schema


def test_where_there_are_none_nothing_is_told(database: PostgresDatabase) -> None:
    with database.connect(Role.OWNER) as connection, connection.transaction(force_rollback=True):
        assert "content of large objects" not in schema.read_schema(connection, content=True)["database"]


def test_what_a_role_may_not_read_differs_from_nothing(database: PostgresDatabase) -> None:
    run(database, MADE + "create role contents_low; grant usage on schema public to contents_low;")
    try:
        with database.connect(Role.OWNER) as connection, connection.transaction(force_rollback=True):
            before = schema.read_schema(connection, content=True)
            connection.execute("set local role contents_low")
            held = schema.read_schema(connection, content=True)
        assert before["materialized view seen"]["content"].startswith("50 rows, digest ")
        assert held["materialized view seen"]["content"] == "not compared: permission denied for materialized view seen"
        assert held["database"]["content of large objects"].startswith("not compared: permission denied")
        assert "content" not in before["materialized view none"]
        states = (Snapshot(name="", at_ns=0, took_ns=0, schema=one, physical={}, tables={}) for one in (before, held))
        assert not [one for one in _differences.schema(*states) if one.property.startswith("content")]
    finally:
        run(database, "drop owned by contents_low; drop role contents_low")
