"""The ends of waits from facts by hand."""

from __future__ import annotations

from dataclasses import replace

from rehearse.measures.waits import waits
from rehearse.testing.recordings import MIGRATION, Stall, phase, recorded, traffic, waited
from rehearse.units import NS_PER_MS

FORWARD = phase("forward", 10, 20, acted=(11, 15))
CALLS = traffic(10, 20, rate=4, stalls=[Stall(begin=11, end=12)])
STALLED = CALLS[CALLS["done_ns"] - CALLS["sent_ns"] > 500 * NS_PER_MS].iloc[0]
SEEN = replace(
    waited("orders", 11.5, 12, session=int(STALLED["session"])),
    ended_ns=int(STALLED["done_ns"]) + NS_PER_MS // 5,
)


def test_the_drivers_answer_dates_the_end_of_a_wait() -> None:
    (one,) = waits(recorded([FORWARD, SEEN], frames=[CALLS]), "forward")
    assert one.ended_ns == STALLED["done_ns"]


def test_an_answer_beyond_the_looks_doubt_dates_nothing() -> None:
    later = replace(SEEN, ended_ns=int(STALLED["done_ns"]) + 20 * NS_PER_MS, session=1)
    assert waits(recorded([FORWARD, later], frames=[CALLS]), "forward") == [later]


def test_the_migrations_own_wait_is_left_as_it_was_seen() -> None:
    wait = waited("orders", 11, 11.4, session=MIGRATION, role="migration", blocked_by=(42,))
    assert waits(recorded([FORWARD, wait], frames=[CALLS]), "forward") == [wait]
