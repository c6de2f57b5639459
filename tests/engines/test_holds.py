"""Locks from looks and statements by hand; times in ms."""

from __future__ import annotations

import pytest

from rehearse.engines.postgres.holds import Sightings, joined, locks_taken
from rehearse.engines.postgres.looks import Activity, Lock, Look
from rehearse.engines.postgres.relations import Relation
from rehearse.events import LockTaken, StatementRan

MIGRATION = 7
ORDERS = Relation("orders")
MS = 1_000_000


def look(at: float, *locks: Lock) -> Look:
    """Return a look that took 0.2 ms and ended at `at`."""
    sessions = (Activity(MIGRATION, "active", None, None, None, ""),)
    return Look(ns(at - 0.2), ns(at), locks, sessions, 200_000, 0)


def lock(
    mode: str = "AccessExclusiveLock", *, granted: bool = True, asked: float | None = None, tx: str = "3/1"
) -> Lock:
    return Lock(MIGRATION, tx, 20_000, mode, granted, None if asked is None else ns(asked), (), "relation")


def statement(n: int, sql: str, begin: float, end: float, transaction: int | None = None, code: str | None = None):
    return StatementRan(
        at_ns=ns(begin), ended_ns=ns(end), n=n, sql=sql, session=MIGRATION, transaction=transaction, code=code
    )


def ns(ms: float) -> int:
    return round(ms * MS)


def fold(looks: list[Look], statements: list[StatementRan], where: Relation | None = ORDERS) -> list[LockTaken]:
    sightings = seen(looks, where)
    return locks_taken(sightings.holds, statements)


def seen(looks: list[Look], where: Relation | None = ORDERS) -> Sightings:
    sightings = Sightings()
    for one in looks:
        for hold in sightings.see(one, [MIGRATION])[0]:
            hold.where = where
    return sightings


def held_ms(taken: LockTaken) -> float:
    assert taken.granted_ns is not None and taken.released_ns is not None
    return (taken.released_ns - taken.granted_ns) / MS


ALTER = "ALTER TABLE orders ADD COLUMN note text"
TRANSACTION = [
    statement(1, "BEGIN", 10, 10.1, 1),
    statement(2, ALTER, 10.2, 10.6, 1),
    statement(3, "SELECT pg_sleep(0.05)", 10.8, 60.8, 1),
    statement(4, "COMMIT", 61, 61.5, 1),
]


def test_a_lock_is_granted_within_its_statement_and_released_when_its_transaction_ends() -> None:
    looks = [look(5), look(12, lock()), look(17, lock()), look(60, lock()), look(65)]

    (taken,) = fold(looks, TRANSACTION)

    assert taken.statement == 2
    assert taken.granted_ns == ns(10.4)
    assert taken.released_ns == ns(61.5)
    assert taken.doubt_ns == ns(0.4)
    assert taken.at_ns == taken.granted_ns


def test_a_lock_that_waited_was_asked_for_when_its_wait_began() -> None:
    waiting = lock(granted=False, asked=11)
    statements = [statement(1, ALTER, 10.9, 320)]
    looks = [look(5), look(15, waiting), look(305, waiting), look(310, lock()), look(318, lock()), look(325)]

    (taken,) = fold(looks, statements)

    assert taken.at_ns == ns(11)
    assert taken.granted_ns == pytest.approx(ns((304.8 + 310) / 2))
    assert taken.released_ns == ns(320)


def test_a_lock_that_was_never_granted_was_given_up_when_its_statement_failed() -> None:
    waiting = lock(granted=False, asked=11)
    statements = [statement(1, ALTER, 10.9, 111, code="55P03")]

    (taken,) = fold([look(5), look(15, waiting), look(110, waiting), look(115)], statements)

    assert (taken.at_ns, taken.granted_ns, taken.released_ns) == (ns(11), None, ns(111))


def test_a_lock_that_waited_and_was_granted_and_released_between_two_looks_was_held() -> None:
    waiting = lock(granted=False, asked=11)

    (taken,) = fold([look(5), look(15, waiting), look(110, waiting), look(115)], [statement(1, ALTER, 10.9, 111)])

    assert taken.granted_ns == pytest.approx(ns((109.8 + 111) / 2))
    assert taken.released_ns == ns(111)


def test_a_failing_statement_releases_what_its_transaction_held() -> None:
    statements = [
        statement(1, "BEGIN", 10, 10.1, 1),
        statement(2, ALTER, 10.2, 10.6, 1),
        statement(3, "SELECT 1 / 0", 50, 50.2, 1, code="22012"),
        statement(4, "ROLLBACK", 90, 90.1, 1),
    ]

    (taken,) = fold([look(5), look(12, lock()), look(48, lock()), look(53)], statements)

    assert taken.released_ns == ns(50.2)


def test_of_two_transactions_between_looks_the_one_that_ended_with_the_lock_asked_for_it() -> None:
    statements = [
        statement(1, "UPDATE orders SET note = ''", 9, 10),
        statement(2, ALTER, 10.2, 40),
    ]

    (taken,) = fold([look(8), look(13, lock()), look(38, lock()), look(43)], statements)

    assert taken.statement == 2


def test_a_command_of_several_transactions_may_release_before_it_ends() -> None:
    statements = [statement(1, "CREATE INDEX CONCURRENTLY i ON orders (id)", 10, 500)]

    (taken,) = fold([look(5), look(12, lock("ShareLock")), look(100, lock("ShareLock")), look(105)], statements)

    assert taken.released_ns == pytest.approx(ns((99.8 + 105) / 2))


def test_a_transaction_that_ends_still_holds_its_locks_though_it_has_no_number() -> None:
    looks = [look(5), look(12, lock()), look(61.2, lock(tx="3/0")), look(66)]

    (taken,) = fold(looks, TRANSACTION)

    assert taken.released_ns == ns(61.5)


def test_without_statements_the_looks_alone_bound_a_lock() -> None:
    (taken,) = fold([look(5), look(10, lock()), look(50, lock()), look(55)], [])

    assert taken.statement is None
    assert held_ms(taken) == pytest.approx((49.8 + 55) / 2 - (4.8 + 10) / 2)
    assert taken.doubt_ns == ns(5.2 + 5.2)


def test_what_another_observer_saw_between_statements_tightens_the_bounds() -> None:
    polled = seen([look(5), look(30, lock()), look(50, lock()), look(55)])
    between = seen([look(10), look(10.7, lock()), look(60.9, lock()), look(62)])

    (hold,) = joined(polled.holds, between.holds)

    assert (hold.absent_ns, hold.held_ns, hold.still_ns, hold.gone_ns) == (ns(9.8), ns(10.7), ns(60.7), ns(55))


def test_a_lock_that_only_the_onlooker_saw_is_kept() -> None:
    between = seen([look(10), look(10.7, lock()), look(12)])

    assert len(joined(seen([look(5), look(30)]).holds, between.holds)) == 1


def test_a_table_that_nobody_else_can_see_is_left_out() -> None:
    assert fold([look(5), look(12, lock()), look(65)], TRANSACTION, where=None) == []


def test_weak_locks_on_indexes_are_left_out_and_strong_ones_close_the_table() -> None:
    index = Relation("orders", "orders_pkey")

    assert fold([look(5), look(12, lock("RowExclusiveLock")), look(65)], TRANSACTION, where=index) == []
    (taken,) = fold([look(5), look(12, lock()), look(65)], TRANSACTION, where=index)
    assert (taken.table, taken.index, taken.stops) == ("orders", "orders_pkey", ("reads", "writes"))


def test_a_lock_still_held_at_the_last_look_has_no_release() -> None:
    (taken,) = fold([look(5), look(12, lock())], [])

    assert taken.released_ns is None


@pytest.mark.parametrize("on", ["extend", "tuple 3 7", "page 12"])
def test_what_is_locked_within_a_table_closes_no_table(on: str) -> None:
    within = lock("ExclusiveLock")._replace(on=on)
    assert fold([look(10), look(20, within), look(30, within)], [statement(1, "UPDATE orders SET n = 1", 5, 40)]) == []
