"""Each kind of call is tried in quiet: what the server says, and what its answer is made of."""

from __future__ import annotations

import pytest

from rehearse.engines.mysql import tries
from rehearse.engines.mysql.client import execute, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.protocols import Role

pytestmark = pytest.mark.slow


def tried(shop: MysqlDatabase, *calls: tuple[list[str], list[list[bytes | None]]]) -> list[tries.Tried]:
    return tries.tried(shop.url(Role.APPLICATION), [(sql, [values]) for sql, values in calls], {})


@pytest.fixture
def orders(shop: MysqlDatabase) -> MysqlDatabase:
    with shop.connect() as connection:
        execute(
            connection,
            "create table orders (id int primary key, note varchar(20), total decimal(10, 2), at datetime(3), "
            "kind enum('a', 'b'), many bigint unsigned, long_ text, raw varbinary(9))",
        )
        execute(connection, "insert into orders (id, note) values (1, 'one?'), (2, 'two')")
    return shop


def test_the_columns_of_an_answer_are_told_with_their_types(orders: MysqlDatabase) -> None:
    ((code, message, columns),) = tried(orders, (["select * from orders where id = $1 limit $2"], [[b"1", b"1"]]))
    assert (code, message) == (None, None)
    assert columns == (
        "id int, note varchar(20), total decimal(10,2), at datetime, kind enum, many bigint unsigned, long_ text, "
        "raw varbinary(9)"
    )


def test_an_error_is_told_by_its_number_and_nothing_stays(orders: MysqlDatabase) -> None:
    found = tried(
        orders,
        (["update orders set note = $1 where id = $2", "select gone from orders"], [[b"new", b"1"], []]),
        (["select * from nowhere"], [[]]),
        (["insert into orders (id) values ($1)"], [[b"1"]]),
    )
    assert [code for code, *_ in found] == ["1054", "1146", "1062"]
    assert "gone" in (found[0][1] or "")
    with orders.connect() as connection:
        assert rows(connection, "select note from orders where id = 1") == (("one?",),)


def test_values_may_hold_what_sql_means_something_by(orders: MysqlDatabase) -> None:
    ((code, _, columns),) = tried(
        orders, (["select '?' as q, id from orders where note = $1"], [["o'ne\\? ö".encode()]])
    )
    assert code is None
    assert (columns or "").endswith("id int")


def test_the_first_values_that_work_count(orders: MysqlDatabase) -> None:
    found = tries.tried(
        orders.url(Role.APPLICATION),
        [(["insert into orders (id) values ($1)"], [[[b"1"]], [[b"9"]]])],
        {},
    )
    assert found == [(None, None, None)]
