"""What the migration waited for, in words, from facts by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rehearse.events import CompanyKept, Event, SessionSeen
from rehearse.measures.obstacles import Obstacle, obstacles, whom
from rehearse.testing.recordings import MIGRATION, at, lock, phase, recorded, statement, traffic, waited

FORWARD = phase("forward", 10, 20, acted=(11, 15))
ALTER = statement(1, "ALTER TABLE orders ADD note text", 11, 13)
WAIT = waited("orders", 11, 12.5, session=MIGRATION, role="migration", mode="AccessExclusiveLock", blocked_by=(77,))
SEEN = SessionSeen(
    at_ns=at(11.005), session=77, role="other", kind="client backend", state="idle in transaction",
    since_ns=at(2.5), query="SELECT *\n  FROM orders",
)  # fmt: skip


def found(*events: Event) -> Obstacle:
    (one,) = obstacles(recorded([FORWARD, ALTER, WAIT, *events], frames=[traffic(10, 20)]), "forward")
    return one


def test_a_wait_has_its_statement_its_length_and_the_queue_behind_it() -> None:
    behind = [waited("orders", 11.2 + n / 10, 12.6, session=5001 + n) for n in range(3)]
    later = waited("orders", 13, 13.2)
    apart = waited("orders", 11.2, 12, blocked_by=(1,))
    one = found(*behind, later, apart)
    assert (one.statement, one.what, one.queued) == (1, "orders", 3)
    assert one.waited_ns == pytest.approx(1.5e9)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (
            SEEN,
            "session 77 of another user, idle in transaction, whose transaction was 10.00 s old, "
            "last statement: SELECT * FROM orders",
        ),
        (
            replace(SEEN, kind="autovacuum worker", query="autovacuum: VACUUM public.orders"),
            "autovacuum: VACUUM public.orders",
        ),
        (replace(SEEN, role="application"), "a session of the application"),
        (replace(SEEN, role="migration", query=None), "another session of the migration (77)"),
        (CompanyKept(at_ns=at(9), ended_ns=at(12.5), name="the report", session=77), "'the report'"),
    ],
)  # fmt: skip
def test_who_stood_in_the_way_is_told_in_words(seen: Event, words: str) -> None:
    assert found(seen).whom == (words,)


def test_who_is_not_known_has_at_least_a_number() -> None:
    assert found().whom == ("session 77",)
    assert found(replace(SEEN, at_ns=at(19))).whom == ("session 77",)


def test_a_prepared_transaction_is_told() -> None:
    wait = replace(WAIT, blocked_by=(0,))
    seen = SessionSeen(at_ns=at(11.1), session=0, role="other", kind="prepared transaction")
    (one,) = obstacles(recorded([FORWARD, wait, seen], frames=[traffic(10, 20)]), "forward")
    assert (one.whom, one.statement) == (("a prepared transaction",), None)


def test_a_call_of_the_application_that_was_under_way_is_named() -> None:
    calls = traffic(10, 20, rate=20)
    long = calls.index[calls["at_ns"] > at(10.5)][0]
    calls.loc[long, "done_ns"] = at(12.5)
    session = int(calls.loc[long, "session"])
    wait = replace(WAIT, blocked_by=(session,))
    seen = replace(SEEN, session=session, role="application")
    (one,) = obstacles(recorded([FORWARD, wait, seen], frames=[calls]), "forward")
    assert one.whom == (f"calls of the application ({calls.loc[long, 'call']})",)


def test_a_row_of_a_table_is_not_the_table() -> None:
    wait = replace(WAIT, on="row", mode="ExclusiveLock")
    (one,) = obstacles(recorded([FORWARD, ALTER, wait], frames=[traffic(10, 20)]), "forward")
    assert (one.what, one.of_table) == ("a row that others waited for, too (orders)", False)


def test_what_is_no_table_has_words() -> None:
    wait = replace(WAIT, table=None, on="old snapshot")
    (one,) = obstacles(recorded([FORWARD, ALTER, wait], frames=[traffic(10, 20)]), "forward")
    assert one.what == "older transactions, which may still see what was"


def test_a_lock_is_told_for_whom_it_waited_and_only_until_it_was_granted() -> None:
    later = replace(WAIT, at_ns=at(14), ended_ns=at(14.5), blocked_by=(78,))
    recording = recorded([FORWARD, ALTER, WAIT, later, SEEN], frames=[traffic(10, 20)])
    (words,) = whom(recording, lock("orders", 11, 12.5, 13))
    assert words.startswith("session 77")
