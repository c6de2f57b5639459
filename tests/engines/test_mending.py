"""SQL that brings a schema back, tried on a real server: after it nothing differs that it was said to mend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rehearse.cli.similarity import Named
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.diff import Asked, difference
from rehearse.engines.postgres.mending import mend
from rehearse.engines.postgres.server import PostgresServer
from rehearse.model import PropertyDifference
from rehearse.protocols import Role

pytestmark = pytest.mark.slow

SCHEMA = """
CREATE TABLE "Odd orders" (id int PRIMARY KEY, status text NOT NULL DEFAULT 'new', total numeric CHECK (total > 0));
COMMENT ON COLUMN "Odd orders".status IS 'it''s';
COMMENT ON TABLE "Odd orders" IS 'orders';
CREATE TABLE kids (id int REFERENCES "Odd orders", name text, UNIQUE (name));
CREATE INDEX kids_name ON kids (lower(name)) WHERE id > 3;
CREATE INDEX ON kids (id);
CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER quiet BEFORE UPDATE ON kids FOR EACH ROW EXECUTE FUNCTION quiet();
ALTER TABLE kids ADD CONSTRAINT "No blank" CHECK (name <> '');
CREATE SCHEMA app;
CREATE TABLE app.notes (id int, note text DEFAULT 'x');
CREATE INDEX notes_id ON app.notes (id);
CREATE TABLE "order" (id int, "user" text);
CREATE INDEX "window" ON "order" ("user");
CREATE FUNCTION app."Odd one"(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
GRANT SELECT ON kids TO mending_reader;
GRANT INSERT (name) ON kids TO "mending Writer" WITH GRANT OPTION;
CREATE SEQUENCE numbers;
CREATE POLICY own_rows ON kids FOR SELECT TO mending_reader USING (id > 1);
"""
LOSSES = {
    "default": 'ALTER TABLE "Odd orders" ALTER status DROP DEFAULT',
    "a default more": 'ALTER TABLE "Odd orders" ALTER total SET DEFAULT 7',
    "not null": 'ALTER TABLE "Odd orders" ALTER status DROP NOT NULL',
    "not null more": "ALTER TABLE kids ALTER name SET NOT NULL",
    "comment of a column": 'COMMENT ON COLUMN "Odd orders".status IS NULL',
    "comment of a table": "COMMENT ON TABLE \"Odd orders\" IS 'other'",
    "check that the server named": 'ALTER TABLE "Odd orders" DROP CONSTRAINT "Odd orders_total_check"',
    "check with a name": 'ALTER TABLE kids DROP CONSTRAINT "No blank"',
    "foreign key": "ALTER TABLE kids DROP CONSTRAINT kids_id_fkey",
    "unique": "ALTER TABLE kids DROP CONSTRAINT kids_name_key",
    "index with a name": "DROP INDEX kids_name",
    "index that the server named": "DROP INDEX kids_id_idx",
    "index of another schema": "DROP INDEX app.notes_id",
    "trigger": "DROP TRIGGER quiet ON kids",
    "an index more": "CREATE INDEX extra ON app.notes (note)",
    "a constraint more": "ALTER TABLE app.notes ADD CONSTRAINT positive CHECK (id > 0)",
    "a trigger more": "CREATE TRIGGER two BEFORE INSERT ON kids FOR EACH ROW EXECUTE FUNCTION quiet()",
    "a view more": "CREATE VIEW seen AS SELECT 1 AS one",
    "statistics": "ALTER TABLE kids ALTER name SET STATISTICS 500",
    "row security": "ALTER TABLE kids ENABLE ROW LEVEL SECURITY",
    "a grant left over": "GRANT UPDATE, DELETE ON kids TO mending_reader",
    "a grant to all": 'GRANT SELECT ON "order" TO PUBLIC',
    "a grant less": "REVOKE SELECT ON kids FROM mending_reader",
    "a grant to pass on": "GRANT SELECT ON kids TO mending_reader WITH GRANT OPTION",
    "a grant to pass on no more": 'REVOKE GRANT OPTION FOR INSERT (name) ON kids FROM "mending Writer"',
    "a column's grant less": 'REVOKE INSERT (name) ON kids FROM "mending Writer"',
    "a column's grant more": 'GRANT SELECT ("user") ON "order" TO mending_reader',
    "a function's grant": 'REVOKE EXECUTE ON FUNCTION app."Odd one"(int, text) FROM PUBLIC',
    "a schema's grant": "GRANT CREATE, USAGE ON SCHEMA app TO mending_reader",
    "a sequence's grant": "GRANT USAGE ON SEQUENCE numbers TO mending_reader",
    "a default grant": "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO mending_reader",
    "a default grant less": "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    "an index with a reserved name": 'DROP INDEX "window"',
    "a policy for all roles": "ALTER POLICY own_rows ON kids TO PUBLIC USING (true)",
    "a policy more": "CREATE POLICY more ON kids",
    "options": "ALTER TABLE kids SET (fillfactor = 50, autovacuum_enabled = off)",
    "a function's attributes": 'ALTER FUNCTION app."Odd one"(int, text) IMMUTABLE STRICT SECURITY DEFINER COST 5',
    "a sequence's increment": "ALTER SEQUENCE numbers INCREMENT 5 CACHE 3 CYCLE",
    "a replica identity": "ALTER TABLE kids REPLICA IDENTITY FULL",
    "a trigger off": "ALTER TABLE kids DISABLE TRIGGER quiet",
}  # fmt: skip


@pytest.fixture(scope="module")
def first(server: PostgresServer) -> Iterator[PostgresDatabase]:
    with server.connect() as connection:
        connection.execute('CREATE ROLE mending_reader; CREATE ROLE "mending Writer"')
    made = server.create("mending_first")
    run(made, SCHEMA)
    yield made
    made.drop()
    with server.connect() as connection:
        connection.execute('DROP ROLE mending_reader, "mending Writer"')


@pytest.fixture
def second(server: PostgresServer) -> Iterator[PostgresDatabase]:
    made = server.create("mending_second")
    run(made, SCHEMA)
    yield made
    made.drop()


def run(database: PostgresDatabase, *statements: str) -> None:
    with database.connect(Role.MIGRATION) as connection:
        for sql in statements:
            connection.execute(sql.encode())


def differing(first: PostgresDatabase, second: PostgresDatabase) -> tuple[PropertyDifference, ...]:
    urls = (Named(one.url(Role.OWNER), "URL") for one in (first, second))
    return tuple(difference(*urls, Asked(data=False)).schema)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_sql_of_a_difference_undoes_it(first: PostgresDatabase, second: PostgresDatabase, loss: str) -> None:
    run(second, LOSSES[loss])
    found = differing(first, second)
    assert found
    assert all(one.mend for one in found), found
    run(second, *(one.mend for one in found if one.mend))
    assert differing(first, second) == ()


@pytest.mark.parametrize(
    "one",
    [
        PropertyDifference(object="table kids column name", property="exists", before="text", after=None),
        PropertyDifference(object="table kids column name", property="type", before="text", after="int"),
        PropertyDifference(object="table kids", property="exists", before="yes", after=None),
        PropertyDifference(
            object="table kids index kids_u", property="exists", before="USING btree (id)", after=None
        ),  # may be unique
        PropertyDifference(object="function f(integer)", property="definition", before="x", after="y"),
        PropertyDifference(object="table kids", property="privileges", before="(owner): SELECT", after=""),
        PropertyDifference(object="table kids", property="privileges", before="a; b: SELECT", after=""),
        PropertyDifference(object="database", property="privileges", before="a: CONNECT", after=""),
        PropertyDifference(object="table kids column id", property="default", before="its own sequence", after=""),
        PropertyDifference(object="table a column b index c", property="valid", before="yes", after="no"),
        PropertyDifference(object="table kids column more", property="exists", before=None, after="text"),  # its values
        PropertyDifference(object="table kids", property="exists", before=None, after="yes"),  # its rows
        PropertyDifference(object="table kids column id sequence", property="exists", before=None, after="5"),
        PropertyDifference(object="table kids column id sequence", property="comment", before="x", after=None),
        PropertyDifference(object="table kids column id sequence", property="privileges", before="a: USAGE", after=""),
        PropertyDifference(object="table odd index orders_status", property="exists", before=None, after="yes"),
        PropertyDifference(object="view a.c #2", property="exists", before=None, after="yes"),
        PropertyDifference(object="table a.c #2 column d", property="comment", before=None, after="x"),
        PropertyDifference(object="table a column b column c", property="comment", before="x", after=None),
        PropertyDifference(object="table a column b column c", property="privileges", before="a: SELECT", after=""),
    ],
)
def test_what_is_not_certain_or_loses_values_has_no_sql(one: PropertyDifference) -> None:
    assert mend(one) is None


@pytest.mark.parametrize(
    ("table", "mended"),
    [
        ("a.b", "COMMENT ON COLUMN a.b.c IS 'x';"),
        ('"a.b"', "COMMENT ON COLUMN \"a.b\".c IS 'x';"),
        ('"a index b."', "COMMENT ON COLUMN \"a index b.\".c IS 'x';"),
    ],
)
def test_the_sql_means_the_table_that_holds_the_dot(table: str, mended: str) -> None:
    one = PropertyDifference(object=f"table {table} column c", property="comment", before="x", after=None)
    assert mend(one) == mended
