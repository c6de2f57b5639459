"""Names that hold dots, quotes and spaces: no two tables share one."""

from __future__ import annotations

import pytest

from rehearse.engines.postgres import images, promises
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.schema import take
from rehearse.engines.postgres.sql_names import beside, qualified, routine
from rehearse.engines.postgres.survey import survey
from rehearse.measures.deeds import Names, deeds
from rehearse.model import Survey
from rehearse.model.names import split, told
from rehearse.model.recording import TableFacts
from rehearse.protocols import Role
from rehearse.testing.recordings import statement
from rehearse.workload.shapes import named, parsed, target
from tests.engines.comparing import compared

ODD = [
    ("public", "orders"), ("app", "orders"), ("public", "app.orders"), ("app.orders", "x"), ("app", "orders.x"),
    ("public", 'say "a"'), ("public", '"app"."orders"'), ("public", "Odd orders"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "name"), ODD)
def test_a_name_in_words_is_split_into_what_it_was_made_of(schema: str, name: str) -> None:
    assert split(told(schema, name)) == ("" if schema == "public" else schema, name)


def test_no_two_tables_share_a_name_and_ordinary_names_stay() -> None:
    assert len({told(*one) for one in ODD}) == len(ODD)
    assert [told(*one) for one in ODD[:3]] == ["orders", "app.orders", '"app.orders"']
    assert told("public", "Odd orders") == "Odd orders"


def test_a_name_with_a_dot_is_one_name_in_sql() -> None:
    assert qualified('"a.b"') == '"a.b"'
    assert qualified('a."b.c"') == 'a."b.c"'
    assert routine('"a.b"(integer)') == '"a.b"(integer)'
    assert (beside('"a.b"', "b_id"), beside('"x.y".b', "b_id")) == ("b_id", '"x.y".b_id')


TABLES = """
create schema a;
create table a.b (id int primary key, v int); create table "a.b" (id int primary key, v int);
insert into a.b select g, g from generate_series(1, 5) g; insert into "a.b" select * from a.b;
create sequence "a.s"; create sequence a.s;
"""
AWAY = 'drop schema if exists a cascade; drop table if exists "a.b"; drop sequence if exists "a.s";'


@pytest.mark.slow
def test_rows_of_both_tables_that_a_dot_tells_apart_are_compared(database: PostgresDatabase) -> None:
    for changed, other in (("a.b", '"a.b"'), ('"a.b"', "a.b")):
        found = compared(database, AWAY + TABLES, f"update {changed} set v = 0")
        wrong = {one.table: [column.values_changed for column in one.columns] for one in found.tables}
        assert (wrong[changed], wrong[other]) == ([5], [])


@pytest.mark.slow
def test_all_that_reads_the_catalogs_gives_a_table_the_same_name(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(TABLES.encode())
        assert images.read(connection).keys() == {"a.b", '"a.b"'}
        assert {one.table for one in promises.read(connection)} == {"a.b", '"a.b"'}
    assert survey(database.url(Role.OWNER)).tables.keys() == {"a.b", '"a.b"'}
    objects = take(database, "one").schema.keys()
    assert {"table a.b", 'table "a.b"', "sequence a.s", 'sequence "a.s"'} <= objects
    assert not any("#2" in one for one in objects)


@pytest.mark.parametrize(
    ("written", "meant"), [("a.b", "a.b"), ('"a.b"', '"a.b"'), ('public."a.b"', '"a.b"'), ("B", "a.b")]
)
def test_a_statement_means_the_table_that_its_quotes_say(written: str, meant: str) -> None:
    facts = {one: TableFacts(table=one, schema="", name="", rows=0, size_bytes=0, columns=(), key=())
             for one in ("a.b", '"a.b"')}  # fmt: skip
    sql = f"DELETE FROM {written}"
    (shape,) = [target(tree) for tree in [parsed(sql)] if tree is not None]
    assert shape is not None
    assert named(shape, Survey(tables=facts)) == meant
    names = Names(known=frozenset(facts))
    assert [step.deed.tables for step in deeds([statement(1, f"DROP TABLE {written}", 1, 2)], names)] == [{meant}]
