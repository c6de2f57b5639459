"""Outages from facts by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rehearse.measures.outage import Outage, outages
from rehearse.model import CallShape
from rehearse.testing.recordings import MIGRATION, Stall, lock, phase, recorded, statement, traffic, waited
from rehearse.units import NS_PER_MS

BASELINE = phase("baseline", 0, 5)
FORWARD = phase("forward", 10, 20, acted=(11, 15))


def found(*events, calls=(), shapes=None) -> dict[str, Outage]:
    frames = [traffic(0, 5), *calls]
    more = {} if shapes is None else {"calls": shapes}
    recording = recorded([BASELINE, FORWARD, *events], frames=frames, **more)
    return {f"{one.table} {one.stops}": one for one in outages(recording, "forward")}


def ms(outage: Outage) -> float:
    return outage.longest_ns / NS_PER_MS


def test_a_table_is_closed_from_the_request_on_since_whoever_comes_later_queues() -> None:
    closed = found(lock("orders", 11, 11.3, 11.5))

    assert ms(closed["orders reads"]) == pytest.approx(500)
    assert ms(closed["orders writes"]) == pytest.approx(500)


def test_a_share_lock_closes_a_table_to_writes_alone() -> None:
    assert set(found(lock("orders", 11, 11, 12, mode="ShareLock", stops=("writes",)))) == {"orders writes"}


def test_a_weak_lock_closes_nothing() -> None:
    assert found(lock("orders", 11, 11, 12, mode="ShareUpdateExclusiveLock", stops=())) == {}


def test_locks_that_touch_make_one_window_and_others_make_two() -> None:
    closed = found(
        lock("orders", 11, 11, 12),
        lock("orders", 11.5, 11.5, 12.5, mode="ExclusiveLock"),
        lock("orders", 14, 14, 14.2),
    )

    assert ms(closed["orders reads"]) == pytest.approx(1500)
    assert closed["orders reads"].total_ns == pytest.approx(1700 * NS_PER_MS)
    assert len(closed["orders reads"].windows) == 2


def test_a_part_of_a_closed_table_adds_no_doubt() -> None:
    """A TOAST table's lock that only the look after the statement saw may be as old as the statement."""
    closed = found(
        lock("orders", 11, 11, 12, doubt_ms=20),
        lock("orders", 11, 11, 12.04, doubt_ms=1000, index="pg_toast.pg_toast_1"),
        lock("orders", 13, 13, 13.5, doubt_ms=3, index="orders_pkey"),
    )

    assert ms(closed["orders reads"]) == pytest.approx(1000)
    assert closed["orders reads"].doubt_ns == 20 * NS_PER_MS
    assert len(closed["orders reads"].windows) == 2


def test_a_lock_that_was_given_up_closed_the_table_while_it_waited() -> None:
    given_up = lock("orders", 11, None, None)
    wait = waited("orders", 11, 11.4, session=MIGRATION, role="migration", mode="AccessExclusiveLock", blocked_by=(5,))

    assert ms(found(given_up, wait)["orders reads"]) == pytest.approx(400)
    assert ms(found(given_up, statement(1, "alter", 11, 11.6))["orders reads"]) == pytest.approx(600)
    assert ms(found(replace(given_up, released_ns=given_up.at_ns + 300 * NS_PER_MS))["orders reads"]) == 300


def test_a_lock_whose_release_was_not_seen_closes_the_table_until_the_phase_ends() -> None:
    assert ms(found(lock("orders", 11, 11, None))["orders reads"]) == pytest.approx(9000)


def test_calls_that_waited_for_the_end_of_a_window_felt_it() -> None:
    calls = traffic(10, 20, seed=2, stalls=[Stall(begin=11, end=12)])

    closed = found(lock("orders", 11, 11, 12), calls=[calls])

    reads = closed["orders reads"]
    assert reads.calls_blocked == pytest.approx(140, abs=30)  # 200/s, 70 % of them reads
    assert (reads.felt_ns or 0) / NS_PER_MS == pytest.approx(1000, abs=30)


def test_a_call_that_went_on_through_a_window_and_ended_well_before_it_was_not_blocked() -> None:
    calls = traffic(10, 20, seed=2, stalls=[Stall(begin=10.95, end=11.5)])

    assert found(lock("orders", 11, 11, 12), calls=[calls])["orders reads"].calls_blocked == 0


def test_calls_on_other_tables_felt_nothing() -> None:
    calls = traffic(10, 20, seed=2, stalls=[Stall(begin=11, end=12)])

    assert found(lock("audit", 11, 11, 12), calls=[calls])["audit reads"].calls_blocked == 0


def test_where_it_is_not_known_what_calls_touch_the_blocked_are_not_measured() -> None:
    shapes = (CallShape(name="read order", sql=("select pay(1)",), share=1, touches=None),)

    assert found(lock("orders", 11, 11, 12), shapes=shapes)["orders reads"].calls_blocked is None


def test_locks_of_another_phase_are_not_counted() -> None:
    assert found(lock("orders", 21, 21, 22)) == {}
