"""The application's session: its outcomes, its errors as the server numbers them, and what a lost connection means."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from rehearse.engines.mysql.client import execute, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.session import Answer, MysqlSession, connect
from rehearse.events import Outcome
from rehearse.protocols import Role
from tests.engines.mysql.comparing import numbers

pytestmark = pytest.mark.slow


def call(*statements: str, tells: tuple[int | None, ...] = (), writes: bool = True) -> Any:
    told = tells or (None,) * len(statements)
    return SimpleNamespace(name="a call", statements=statements, tells=told, writes=writes, think_ns=0)


def until(session: MysqlSession, is_so: Any, limit_s: float = 20.0) -> Answer | None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        answer = session.advance()
        if is_so(answer):
            return answer
        time.sleep(0.001)
    raise AssertionError(f"not so within {limit_s} s: {session.trouble}")


def answered(session: MysqlSession, number: int, *values: list[bytes | None]) -> Answer:
    session.send(number, list(values))
    found = until(session, lambda answer: answer is not None)
    assert found is not None
    return found


@contextmanager
def opened(database: MysqlDatabase, *calls: Any, **settings: str) -> Iterator[MysqlSession]:
    session = connect(database.url(Role.APPLICATION), calls, settings)
    try:
        until(session, lambda _: session.ready)
        yield session
    finally:
        session.close()


@pytest.fixture
def accounts(shop: MysqlDatabase) -> MysqlDatabase:
    with shop.connect() as connection:
        execute(
            connection,
            "CREATE TABLE a (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, v decimal(10, 2), w text, d datetime(3))",
        )
        execute(connection, "INSERT INTO a (v, w) VALUES (1, 'x'), (2, 'y')")
    return shop


def test_a_write_is_there_once_it_is_ok(accounts: MysqlDatabase) -> None:
    text = "ä€😀".encode() * 100
    with opened(accounts, call("insert into a (v, w) values ($2, $1) /*M! returning `id` */", tells=(1,))) as session:
        answer = answered(session, 0, [text, b"1.5"])
    assert (answer.outcome, answer.told) == (Outcome.OK, [(1, [["3"]])])
    with accounts.connect() as connection:
        assert rows(connection, "SELECT w FROM a WHERE id = 3")[0][0].encode() == text


def test_rows_are_told_as_text(accounts: MysqlDatabase) -> None:
    with opened(accounts, call("select id, v, d, w from a where id <= $1 order by id", tells=(4,))) as session:
        answer = answered(session, 0, [b"2"])
    assert answer.told == [(2, [["1", "1.00", "", "x"], ["2", "2.00", "", "y"]])]


def test_a_login_that_the_server_has_forgotten_is_made_known_again(accounts: MysqlDatabase) -> None:
    with accounts.connect() as connection:
        execute(connection, "FLUSH PRIVILEGES")  # as migrations do; without TLS MySQL then takes no password
    with opened(accounts, call("select id from a where id = $1", tells=(1,))) as session:
        assert answered(session, 0, [b"2"]).told == [(1, [["2"]])]


def test_a_transaction_is_all_or_nothing(accounts: MysqlDatabase) -> None:
    with opened(accounts, call("update a set v = v + $1 where id = $2", "select * from nowhere")) as session:
        answer = answered(session, 0, [b"1", b"1"], [])
    assert (answer.outcome, answer.code) == (Outcome.FAILED, "1146")
    with accounts.connect() as connection:
        assert rows(connection, "SELECT CAST(v AS CHAR) FROM a WHERE id = 1") == (("1.00",),)


def test_an_update_that_changes_nothing_touches_its_row_all_the_same(accounts: MysqlDatabase) -> None:
    with opened(accounts, call("update a set w = 'x' where id = $1", tells=(0,))) as session:
        assert answered(session, 0, [b"1"]).told == [(1, [])]
        assert answered(session, 0, [b"77"]).told == [(0, [])]


def test_a_procedure_answers_with_all_that_it_asks_and_the_next_call_with_its_own(accounts: MysqlDatabase) -> None:
    with accounts.connect() as connection:
        execute(connection, "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT id, w FROM a; UPDATE a SET v = 7; END")
        execute(connection, "CREATE PROCEDURE q() BEGIN SELECT 1; SELECT * FROM nowhere; END")
    calls = (call("call p()", tells=(0,)), call("call q()"), call("update a set w = 'z' where id = 1", tells=(0,)))
    with opened(accounts, *calls) as session:
        found = [answered(session, number, []) for number in (0, 2, 1, 2, 0)]
    assert [(one.outcome, one.code) for one in found] == [(Outcome.OK, None), (Outcome.OK, None),
        (Outcome.FAILED, "1146"), (Outcome.OK, None), (Outcome.OK, None)]  # fmt: skip
    assert [one.told[0] for one in found] == [(5, []), (1, []), None, (1, []), (5, [])]


def test_errors_keep_the_servers_numbers(accounts: MysqlDatabase) -> None:
    calls = (call("select gone from a where id = $1"), call("insert into a (id) values ($1)"), call("select w from a"))
    with opened(accounts, *calls) as session:
        assert answered(session, 0, [b"1"]).code == "1054"
        assert answered(session, 1, [b"1"]).code == "1062"
        with accounts.connect() as connection:
            execute(connection, "ALTER TABLE a CHANGE w note text")
        assert answered(session, 2, []).code == "1054"


def test_a_prepared_statement_outlives_a_new_column(accounts: MysqlDatabase) -> None:
    with opened(accounts, call("select * from a where id = $1", writes=False)) as session:
        assert answered(session, 0, [b"1"]).outcome is Outcome.OK
        with accounts.connect() as connection:
            execute(connection, "ALTER TABLE a ADD COLUMN z int")
        assert answered(session, 0, [b"1"]).outcome is Outcome.OK


def test_a_row_that_another_holds_is_a_lock_time_out(accounts: MysqlDatabase) -> None:
    with (
        accounts.connect() as holder,
        opened(accounts, call("update a set v = 0 where id = $1"), innodb_lock_wait_timeout="1") as session,
    ):
        execute(holder, "BEGIN")
        execute(holder, "UPDATE a SET v = 9 WHERE id = 1")
        answer = answered(session, 0, [b"1"])
        execute(holder, "ROLLBACK")
    assert (answer.outcome, answer.code) == (Outcome.FAILED, "1205")


def test_a_deadlock_fails_one_of_the_two_and_keeps_its_number(accounts: MysqlDatabase) -> None:
    first = call("update a set v = 5 where id = $1", "update a set v = 5 where id = $1")
    with accounts.connect() as other, opened(accounts, first) as session:
        execute(other, "BEGIN")
        execute(other, f"INSERT INTO a (v) SELECT seq FROM {numbers(100)}")  # the heavier one is spared
        execute(other, "UPDATE a SET v = 1 WHERE id = 2")
        session.send(0, [[b"1"], [b"2"]])
        until(session, lambda _: len(session._told) == 1)
        execute(other, "UPDATE a SET v = 1 WHERE id = 1")
        answer = until(session, lambda answer: answer is not None)
        execute(other, "ROLLBACK")
    assert answer is not None
    assert (answer.outcome, answer.code) == (Outcome.FAILED, "1213")


def test_a_lost_connection_leaves_a_write_open_and_a_read_failed(accounts: MysqlDatabase) -> None:
    calls = (call("insert into a (v) select sleep($1)"), call("select sleep($1)", writes=False))
    for number, outcome in ((0, Outcome.UNKNOWN), (1, Outcome.FAILED)):
        with opened(accounts, *calls) as session:
            session.send(number, [[b"30"]])
            session._wire._socket.shutdown(2)  # type: ignore[union-attr]
            answer = until(session, lambda answer: answer is not None)
            assert answer is not None
            assert (answer.outcome, answer.code) == (outcome, "2013")
            until(session, lambda _, one=session: one.ready)  # it comes back by itself


def test_cancel_stops_the_statement_and_keeps_the_session(accounts: MysqlDatabase) -> None:
    with opened(accounts, call("insert into a (v) select sleep($1) from a x, a y")) as session:
        session.send(0, [[b"30"]])
        until(session, lambda _: True)
        session.cancel()
        answer = until(session, lambda answer: answer is not None)
        assert answer is not None and answer.outcome in (Outcome.FAILED, Outcome.OK)  # SLEEP itself ends early
        assert session.ready


def test_a_server_that_is_not_there_is_trouble_and_no_exception(accounts: MysqlDatabase) -> None:
    url = accounts.url(Role.APPLICATION).replace(f":{accounts.server.address.port}/", ":1/")
    session = connect(url, [call("select 1")], {})
    until(session, lambda _: session.attempts >= 2)
    assert not session.ready and session.trouble


def test_a_wrong_password_is_trouble_in_the_servers_words(accounts: MysqlDatabase) -> None:
    url = accounts.url(Role.APPLICATION)
    secret = accounts.server.logins[Role.APPLICATION].password
    session = connect(url.replace(secret, "wrong"), [call("select 1")], {})
    until(session, lambda _: session.trouble is not None and "1045" in session.trouble)
    assert session.trouble is not None and "wrong" not in session.trouble and not session.ready
