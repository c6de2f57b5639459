"""What was tried again, and what a policy of time-outs comes to, from facts by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy
import pytest

from rehearse.errors import NotMeasured
from rehearse.events import CompanyKept, Event, StatementRan
from rehearse.measures.lock_attempts import lock_attempts
from rehearse.measures.lock_policy import Foreseen, Holds, Policy, foreseen, grid, holds, recommended
from rehearse.model import CallShape, CompanyChoice, Recording
from rehearse.testing.recordings import MIGRATION, at, phase, recorded, scenario, statement, traffic, waited
from rehearse.units import NS_PER_MS, NS_PER_S

FORWARD = phase("forward", 10, 20, acted=(11, 15))
SECOND = NS_PER_S


def tried(n: int, sql: str, begin: float, end: float, attempt: int, *, code: str | None = None) -> StatementRan:
    made = statement(n, sql, begin, end)
    return replace(made, block="up.sql:2", attempt=attempt, code=code, error=code, retried=code is not None)


def wait(begin: float, end: float) -> Event:
    return waited(
        "orders", begin, end, session=MIGRATION, role="migration", mode="AccessExclusiveLock", blocked_by=(77,)
    )


def test_each_attempt_has_its_wait_and_what_queued_behind_it() -> None:
    events = [
        FORWARD,
        tried(1, "BEGIN", 11, 11.001, 1),
        tried(2, "ALTER TABLE orders ADD a int", 11.001, 11.101, 1, code="55P03"),
        tried(3, "ROLLBACK", 11.101, 11.102, 1),
        tried(4, "BEGIN", 12, 12.001, 2),
        tried(5, "ALTER TABLE orders ADD a int", 12.001, 12.051, 2),
        tried(6, "COMMIT", 12.051, 12.052, 2),
        statement(7, "SELECT 1", 13, 13.1),
        wait(11.001, 11.101),
        wait(12.001, 12.041),
        waited("orders", 11.05, 11.11, session=5001),
        waited("orders", 11.06, 11.11, session=5002),
        waited("orders", 12.01, 12.06, session=5003),
        waited("orders", 13, 14, session=5004),
    ]
    (one,) = lock_attempts(recorded(events, frames=[traffic(10, 20)]), "forward")
    assert (one.block, one.sql, one.table, one.got) == ("up.sql:2", "ALTER TABLE orders ADD a int", "orders", True)
    assert [(each.got, each.queued) for each in one.attempts] == [(False, 2), (True, 1)]
    assert [each.waited_ns / NS_PER_MS for each in one.attempts] == pytest.approx([100, 40])
    assert [each.queued_ns / NS_PER_MS for each in one.attempts] == pytest.approx([110, 50])
    assert one.took_ns / NS_PER_MS == pytest.approx(1052)


def test_a_phase_without_retries_has_no_attempts() -> None:
    assert lock_attempts(recorded([FORWARD, statement(1, "SELECT 1", 11, 12)]), "forward") == []
    assert lock_attempts(recorded([]), "forward") == []


def seen(*spans: tuple[float, float], length: float = 1.0, per_s: float = 100) -> Holds:
    """Return holds by seconds in a window that recurs."""
    found = numpy.array(sorted(spans), dtype=float).reshape(-1, 2) * SECOND
    return Holds(table="t", spans=found, begin_ns=0, end_ns=round(length * SECOND), per_s=per_s)


def test_a_lock_waits_for_the_last_of_those_who_hold_the_table_and_for_nobody_who_comes_later() -> None:
    holders = seen((0.1, 0.5), (0.2, 0.3), (0.4, 0.8))
    moments = numpy.array([0.05, 0.1, 0.25, 0.45, 0.9, 1.25]) * SECOND
    assert holders.waits(moments) / SECOND == pytest.approx([0, 0.4, 0.25, 0.35, 0, 0.25])


def test_a_hold_goes_on_into_the_next_window() -> None:
    assert seen((0.8, 1.2)).waits(numpy.array([0.1, 0.3]) * SECOND) / SECOND == pytest.approx([0.1, 0])


def test_half_the_time_held_is_a_share_of_one_half_and_the_time_out() -> None:
    half = seen((0, 0.5))
    short = foreseen(half, Policy(lock_timeout_ns=NS_PER_MS, attempts=1))
    assert (short.share, short.gets) == (pytest.approx(0.5, abs=0.01), pytest.approx(0.5, abs=0.01))
    longer = foreseen(half, Policy(lock_timeout_ns=100 * NS_PER_MS, attempts=1))
    assert longer.share == pytest.approx(0.6, abs=0.01)
    whole = foreseen(half, Policy(lock_timeout_ns=SECOND, attempts=1))
    assert (whole.share, whole.attempts, whole.stall_ns) == (1, 1, 500 * NS_PER_MS)
    # who is half a second in the way is met with even odds, and is met in the middle: 100 calls/s × ∫ w²/2
    assert whole.queued_ns / SECOND == pytest.approx(100 * 0.5**3 / 6, rel=0.01)


def test_pauses_that_keep_step_with_the_holds_never_meet_a_free_moment() -> None:
    in_step = Policy(lock_timeout_ns=10 * NS_PER_MS, attempts=20, pause_ns=990 * NS_PER_MS, backoff=1)
    found = foreseen(seen((0, 0.5)), in_step)
    assert found.gets == pytest.approx(0.5, abs=0.03)
    other = foreseen(seen((0, 0.5)), replace(in_step, pause_ns=420 * NS_PER_MS))
    assert other.gets == 1


def test_a_table_that_nobody_holds_is_had_at_once() -> None:
    found = foreseen(seen(), Policy(lock_timeout_ns=10 * NS_PER_MS))
    assert (found.share, found.attempts, found.queued_ns) == (1, 1, 0)


def test_what_costs_calls_least_within_the_budget_is_recommended() -> None:
    found = grid(seen((0, 0.5)))
    best = recommended(found, blocked_ns=200 * NS_PER_MS)
    assert best is not None and best.gets >= 0.99 and best.stall_ns <= 200 * NS_PER_MS
    kept = [one for one in found if one.gets >= 0.99 and one.stall_ns <= 200 * NS_PER_MS]
    assert best.queued_ns <= min(one.queued_ns for one in kept) + NS_PER_MS


def test_where_no_policy_gets_the_lock_none_is_recommended() -> None:
    always = grid(seen((0, 0.9), (0.5, 1.5), per_s=10))
    assert all(isinstance(one, Foreseen) for one in always)
    assert recommended(always, blocked_ns=200 * NS_PER_MS) is None


SHAPES = (CallShape(name="read", sql=("",), share=1, touches={"orders": ("reads",)}),)


def with_company(*, calls: tuple[CallShape, ...] = SHAPES, sql: str = "select * from orders") -> Recording:
    of = scenario()
    company = [CompanyChoice(name="report", sql=sql)]
    of = replace(of, workload=replace(of.workload, company=company))
    kept = [CompanyKept(at_ns=at(n), ended_ns=at(n + 0.5), name="report", session=77) for n in range(10)]
    return recorded(
        [phase("baseline", 0, 10), *kept], frames=[traffic(0, 10, rate=10, calls={"read": 1})], of=of, calls=calls
    )


def test_holds_are_those_of_calls_and_of_company_that_touch_the_table() -> None:
    found = holds(with_company(), "orders")
    assert (len(found.spans), found.longest_ns, found.per_s) == (110, 500 * NS_PER_MS, 10)
    assert list(found.spans[:, 0]) == sorted(found.spans[:, 0])


def test_company_elsewhere_and_readers_before_a_lock_that_lets_them_in_hold_nothing() -> None:
    assert len(holds(with_company(sql="select * from customers"), "orders").spans) == 100
    with pytest.raises(NotMeasured, match="hardly anything held orders"):
        holds(with_company(), "orders", kinds=("writes",))


def test_what_is_not_known_is_said() -> None:
    unknown = (CallShape(name="read", sql=("",), share=1, touches=None),)
    with pytest.raises(NotMeasured, match="not known whether it touches orders"):
        holds(with_company(calls=unknown), "orders")
    with pytest.raises(NotMeasured, match="there was no baseline"):
        holds(recorded([FORWARD]), "orders")
