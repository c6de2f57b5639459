"""Where calls lost their time, from facts by hand."""

from __future__ import annotations

import pandas
import pytest

from rehearse.events import Event
from rehearse.measures.losses import losses
from rehearse.testing.recordings import MIGRATION, Stall, phase, recorded, traffic, waited
from rehearse.units import NS_PER_MS, NS_PER_S

BASELINE = phase("baseline", 0, 10)
FORWARD = phase("forward", 10, 20, acted=(11, 15))
BEFORE = traffic(0, 10)


def lost(calls: pandas.DataFrame, *events: Event) -> object:
    return losses(recorded([BASELINE, FORWARD, *events], frames=[pandas.concat([BEFORE, calls])]), FORWARD)


def test_calls_as_quick_as_before_lose_nothing() -> None:
    found = losses(recorded([BASELINE, FORWARD], frames=[pandas.concat([BEFORE, traffic(10, 20)])]), FORWARD)
    assert found is not None
    assert found.locks_ns == 0
    assert found.load_ns < 0.1 * NS_PER_MS * len(BEFORE)


def test_a_wait_for_the_migration_is_locks_and_not_load() -> None:
    calls = traffic(10, 20, rate=20)
    place = calls.index[calls["at_ns"] > FORWARD.acted_ns][0]
    calls.loc[place, "done_ns"] = calls.loc[place, "sent_ns"] + NS_PER_S
    begin = (calls.loc[place, "sent_ns"] - BASELINE.at_ns) / NS_PER_S
    wait = waited("orders", begin + 0.001, begin + 1, session=int(calls.loc[place, "session"]))
    other = waited("orders", begin + 0.001, begin + 1, session=MIGRATION, role="migration")
    found = losses(recorded([BASELINE, FORWARD, wait, other], frames=[pandas.concat([BEFORE, calls])]), FORWARD)
    assert found is not None
    assert found.locks_ns == pytest.approx(999 * NS_PER_MS, rel=0.01)
    assert found.migration_ns == found.locks_ns
    assert found.load_ns < 50 * NS_PER_MS


def test_a_slow_answer_without_a_wait_is_load() -> None:
    calls = traffic(10, 20, stalls=[Stall(begin=12, end=13)])
    found = losses(recorded([BASELINE, FORWARD], frames=[pandas.concat([BEFORE, calls])]), FORWARD)
    assert found is not None
    assert found.locks_ns == 0
    assert found.load_ns + found.pool_ns > 0.5 * 0.5 * 200 * NS_PER_S, "200 calls, half a second each in the mean"


def test_a_call_that_no_session_was_free_for_waited_for_the_pool() -> None:
    calls = traffic(10, 20, rate=20)
    calls.loc[calls.index[3], ["sent_ns", "done_ns"]] += 2 * NS_PER_S
    found = losses(recorded([BASELINE, FORWARD], frames=[pandas.concat([BEFORE, calls])]), FORWARD)
    assert found is not None
    assert found.pool_ns == pytest.approx(2 * NS_PER_S, rel=0.05)


def test_tries_that_failed_and_their_pauses_are_no_pool() -> None:
    calls = traffic(10, 20, rate=20).assign(tries=1)
    calls.loc[calls.index[3], ["sent_ns", "done_ns"]] += 2 * NS_PER_S
    calls.loc[calls.index[3], "tries"] = 3
    found = losses(recorded([BASELINE, FORWARD], frames=[pandas.concat([BEFORE, calls])]), FORWARD)
    assert found is not None
    assert found.retries_ns == pytest.approx(2 * NS_PER_S, rel=0.05)
    assert found.pool_ns < 100 * NS_PER_MS


def test_a_call_of_the_new_version_is_measured_against_all_calls_of_the_baseline() -> None:
    calls = traffic(10, 20).assign(call="read order, new code")
    found = losses(recorded([BASELINE, FORWARD], frames=[pandas.concat([BEFORE, calls])]), FORWARD)
    assert found is not None
    assert found.load_ns < 0.5 * NS_PER_MS * len(calls)


def test_without_a_baseline_nothing_is_told() -> None:
    assert losses(recorded([FORWARD], frames=[traffic(10, 20)]), FORWARD) is None
