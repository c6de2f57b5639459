"""Waits, queues and deadlocks from facts by hand."""

from __future__ import annotations

import pytest

from rehearse.measures.waits import blockers, deadlocks, locks_held, queues, waits
from rehearse.testing.recordings import (
    APPLICATION,
    MIGRATION,
    Refusal,
    Stall,
    lock,
    phase,
    recorded,
    statement,
    traffic,
    waited,
)
from rehearse.units import NS_PER_MS

FORWARD = phase("forward", 10, 20, acted=(11, 15))


def test_each_statement_has_its_locks_with_wait_and_hold() -> None:
    recording = recorded([FORWARD, lock("orders", 11, 11.3, 11.5, by=2), lock("payments", 12, None, None, by=3)])

    held = locks_held(recording, "forward")

    assert held[2][0].waited_ns == pytest.approx(300 * NS_PER_MS)
    assert held[2][0].held_ns == pytest.approx(200 * NS_PER_MS)
    assert (held[3][0].waited_ns, held[3][0].held_ns) == (None, None)


def test_the_longest_queue_is_how_many_waited_at_once() -> None:
    queue = [waited("orders", 11 + n / 10, 12, session=session) for n, session in enumerate(APPLICATION)]
    later = waited("orders", 13, 13.1)
    apart = waited("orders", 11, 14, blocked_by=(1,))

    (one,) = queues(recorded([FORWARD, *queue, later, apart]), "forward")

    assert (one.table, one.waits, one.longest) == ("orders", len(queue) + 1, len(queue))
    assert one.longest_wait_ns == pytest.approx(1000 * NS_PER_MS)


def test_whom_the_migration_waited_for_is_told() -> None:
    wait = waited("orders", 11, 11.4, session=MIGRATION, role="migration", blocked_by=(42,))

    (one,) = blockers(recorded([FORWARD, wait]), "forward")

    assert (one.table, one.sessions) == ("orders", (42,))


def test_the_drivers_answer_dates_the_end_of_a_wait() -> None:
    calls = traffic(10, 20, stalls=[Stall(begin=11, end=12)])
    wait = waited("orders", 11.01, 12.0003)

    (one,) = waits(recorded([FORWARD, wait], frames=[calls]), "forward")

    assert one.ended_ns in set(calls["done_ns"]) or one == wait


def test_deadlocks_are_counted_on_both_sides() -> None:
    refused = Refusal(begin=12, end=13, code="40P01", message="deadlock detected", most=2)
    victim = statement(3, "alter table orders", 14, 15, code="40P01", error="deadlock detected")

    found = deadlocks(recorded([FORWARD, victim], frames=[traffic(10, 20, refusals=[refused])]), "forward")

    assert (found.calls, found.statements) == (2, (3,))
