"""What MySQL has and MariaDB has not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rehearse import registry
from rehearse.engines.mysql.client import execute, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.engines.mysql.survey import survey
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from rehearse.tools._mysql_link import linked
from tests.conftest import KeepingJournal
from tests.engines.comparing import table, wrote
from tests.engines.mysql.comparing import compared, run

pytestmark = pytest.mark.slow


@pytest.fixture
def own(mysql: MysqlServer) -> Iterator[MysqlDatabase]:
    """A fresh database on MySQL."""
    made = mysql.create("own")
    yield made
    made.drop()


def test_a_unique_index_of_an_expression_is_no_key(own: MysqlDatabase) -> None:
    run(own, "create table t (a int not null, b varchar(20) not null, unique key ab (a, (lower(b))), unique key b (b))")
    assert survey(own.url(Role.OWNER)).tables["t"].key == ("b",)
    assert own.structure().tables["t"].keys == (("b",),)
    assert own.snapshot("now").tables["t"].key == ("b",)


def test_a_key_that_the_server_makes_up_is_the_last_of_the_columns_and_tells_rows_apart(own: MysqlDatabase) -> None:
    with own.connect() as connection:
        execute(connection, "SET sql_generate_invisible_primary_key = ON")
        execute(connection, "CREATE TABLE t (v int, w varchar(9))")
    before = "insert into t values (1, 'a'), (1, 'a'), (2, null);"
    writes = [wrote("insert", {"my_row_id": "4"}, {"v": "9"})]
    found = table(compared(own, before, "update t set v = 5 where my_row_id = 2; insert into t (v) values (9)", writes))
    facts = survey(own.url(Role.OWNER)).tables["t"]
    assert (facts.columns, facts.key, facts.numbered) == (("v", "w", "my_row_id"), ("my_row_id",), "my_row_id")
    assert (found.rows_missing, found.rows_unexpected, found.wrong_writes) == (0, 0, ())
    assert [(one.column, one.values_changed) for one in found.columns] == [("v", 1)]


def test_every_part_that_only_mysql_has_comes_with_a_copy(own: MysqlDatabase) -> None:
    run(
        own,
        "create table t (id int primary key, a json, s point not null srid 4326, hidden int invisible default (1 + 1), "
        "made varchar(9) as (a ->> '$.x') virtual, key by_x ((cast(a ->> '$.x' as char(20)))), "
        "key many ((cast(a -> '$.l' as unsigned array))), key unseen (hidden) invisible, spatial key (s), "
        "constraint later check (hidden > 5) not enforced);"
        'insert into t (id, a, s) values (1, \'{"x": "y", "l": [1, 2]}\', st_geomfromtext(\'point(1 2)\', 4326))',
    )
    copy = own.fork("own_copy")
    try:
        mine, theirs = own.snapshot("one"), copy.snapshot("one")
        assert mine.schema == theirs.schema
        assert mine.tables["t"].is_like(theirs.tables["t"]) and mine.tables["t"].checksum is not None
        with copy.connect() as connection:
            assert rows(connection, "SELECT made, hidden FROM t WHERE 2 MEMBER OF (a -> '$.l')") == (("y", 2),)
    finally:
        copy.drop()


def test_the_migrations_tool_logs_in_after_the_server_has_forgotten_it(own: MysqlDatabase) -> None:
    with own.connect() as connection:
        execute(connection, "FLUSH PRIVILEGES")
    with linked(own.url(Role.MIGRATION), {}, None) as link:
        assert link.ask("SELECT 1") == [["1"]]


def test_rights_are_in_our_databases_where_names_are_no_patterns(mysql: MysqlServer) -> None:
    with mysql.connect() as connection:
        execute(connection, "SET GLOBAL partial_revokes = ON")  # as some clouds have it
        try:
            url = EngineChoice(name="mysql", via="url", url=mysql.url(Role.OWNER, ""))
            with registry.engine("mysql").start(url, KeepingJournal()) as theirs:
                made = theirs.create("in_parts")
                assert isinstance(made, MysqlDatabase)
                run(made, "create table t (id int primary key)")
                fork = made.fork("of_them")
                assert [table for (table,) in rows(connection, f"SHOW TABLES IN {fork.name}")] == ["t"]
                fork.drop()
            assert not rows(connection, "SHOW DATABASES LIKE %s", (made.name,))
        finally:
            execute(connection, "SET GLOBAL partial_revokes = OFF")
