"""`rehearse diff` on two real databases of MariaDB, and of MySQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rehearse.cli.diff import command
from rehearse.engines.mysql.client import execute, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import ScenarioMistake, ServerFailed
from rehearse.protocols import Role
from tests.engines.mysql.comparing import numbers, run

pytestmark = pytest.mark.slow

SCHEMA = f"""
create table orders (id bigint primary key, status varchar(20) default 'new', total decimal(10, 2), note text,
    key orders_status (status));
create table items (order_id bigint, place int, name text, primary key (order_id, place),
    foreign key (order_id) references orders (id));
create table log (at int, says text);
create view seen as select id from orders;
insert into orders select seq, 'paid', seq + 0.5, if(seq % 2, null, concat('note ', seq)) from {numbers(5000)};
insert into items select 1 + seq % 5000, seq, concat('item ', seq) from {numbers(8000)};
insert into log select seq % 10, 'line' from {numbers(300)};
"""

Two = tuple[MysqlDatabase, MysqlDatabase]


@pytest.fixture
def pair(server: MysqlServer) -> Iterator[Two]:
    made = [server.create(f"diff_{name}") for name in ("first", "second")]
    for one in made:
        run(one, SCHEMA)
    yield made[0], made[1]
    for one in made:
        one.drop()


def compared(pair: Two, *words: str, role: Role = Role.OWNER) -> Result:
    return CliRunner().invoke(command, [*(one.url(role) for one in pair), *words], standalone_mode=False)


def found(pair: Two, *words: str) -> dict[str, Any]:
    result = compared(pair, "--json", *words)
    assert result.exception is None, result.exception
    content: dict[str, Any] = json.loads(result.output)
    return content | {"tables": {one["table"]: one for one in content["tables"]}}


@pytest.mark.parametrize("role", [Role.OWNER, Role.OBSERVER])
def test_two_databases_that_were_made_alike_do_not_differ(pair: Two, role: Role) -> None:
    result = compared(pair, role=role)
    assert (result.exception, result.return_value) == (None, 0)
    assert result.output == "✓ 0 differences of the schema, 3 tables of 3 with the same rows\n"


def test_each_difference_is_found_with_its_mending_and_nothing_is_written(pair: Two) -> None:
    run(
        pair[1],
        "update orders set status = 'lost' where id in (17, 4000); update orders set note = null where id = 42;"
        "delete from items where place <= 3; alter table orders drop key orders_status;"
        "alter table orders alter status set default 'old'; insert into log values (3, 'line');"
        "create table more (id int)",
    )
    with pair[0].server.connect() as connection:
        before = rows(connection, "SHOW GLOBAL STATUS LIKE 'Innodb_rows_%ed'")
        content = found(pair)
        after = rows(connection, "SHOW GLOBAL STATUS LIKE 'Innodb_rows_%ed'")
    assert [one for one in before if one[0] != "Innodb_rows_read"] == [
        one for one in after if one[0] != "Innodb_rows_read"
    ]
    assert {(one["object"], one["property"]) for one in content["schema"]} == {
        ("table more", "exists"),
        ("table orders column status", "default"),
        ("table orders index orders_status", "exists"),
    }
    orders, items, log = (content["tables"][name] for name in ("orders", "items", "log"))
    assert {one["column"]: one["values_changed"] for one in orders["columns"]} == {"status": 2, "note": 1}
    assert [one["key"] for one in orders["columns"][0]["examples"] + orders["columns"][1]["examples"]] == [
        "42", "17", "4000"
    ]  # fmt: skip
    assert (items["rows_missing"], items["rows_unexpected"], log["rows_unexpected"]) == (3, 0, 1)
    for one in content["schema"]:
        if one["mend"]:
            run(pair[1], one["mend"])
    assert {one["object"] for one in found(pair, "--schema-only")["schema"]} == {"table more"}


def test_a_table_that_is_locked_is_told_and_is_not_waited_for(pair: Two) -> None:
    with pair[1].connect() as holding:
        execute(holding, "LOCK TABLES log WRITE")
        result = compared(pair)
        execute(holding, "UNLOCK TABLES")
    assert isinstance(result.exception, ServerFailed) or "log" in result.output
    assert "locked" in str(result.exception) or "1205" in result.output


def test_a_table_may_be_changed_while_others_are_read(pair: Two) -> None:
    """A lock on a table's definition is let go of with the table."""
    from rehearse.engines.mysql import diff  # noqa: PLC0415

    with diff._reading(pair[0]) as connection, pair[0].connect() as changing:
        with diff._passing(connection):
            assert rows(connection, "SELECT COUNT(*) FROM log") == ((300,),)
        execute(changing, "SET SESSION lock_wait_timeout = 1")
        execute(changing, "ALTER TABLE log ADD more int")


def test_two_kinds_of_servers_are_not_compared(mariadb: MysqlServer, mysql: MysqlServer) -> None:
    made = mariadb.create("diff_mine"), mysql.create("diff_theirs")
    try:
        with pytest.raises(ScenarioMistake, match="one of the two is a MariaDB"):
            raise compared(made).exception or AssertionError
        result = CliRunner().invoke(command, [made[0].url(Role.OWNER), "postgresql://me@127.0.0.1/shop"])
        assert re.search("different kinds", result.output)
    finally:
        for one in made:
            one.drop()
