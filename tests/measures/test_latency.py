"""Latencies from calls written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse.events import CallEnded, Event, Outcome, PhaseRan
from rehearse.measures.latency import Latencies, latencies, percentile, slowdown
from rehearse.recording.journal import ListingJournal
from rehearse.testing.recordings import Refusal, phase, recorded, traffic

MS = 1_000_000


@dataclass
class Call:
    due_ms: float
    takes_ms: float
    outcome: Outcome = Outcome.OK
    late_ms: float = 0.0
    queued_ms: float = 0.0
    call: str = "read"
    code: str | None = None
    message: str | None = None

    def event(self) -> CallEnded:
        due = round(self.due_ms * MS)
        picked = due + round(self.late_ms * MS)
        return CallEnded(
            at_ns=due,
            call=self.call,
            session=1,
            sent_ns=None if self.outcome is Outcome.MISSED else picked + round(self.queued_ms * MS),
            done_ns=due + round(self.takes_ms * MS),
            outcome=self.outcome,
            code=self.code,
            message=self.message,
            picked_ns=picked,
        )


def felt(*calls: Call, acted_ms: tuple[float, float] | None = None, name: str = "forward") -> Latencies:
    journal = ListingJournal()
    acted, finished = (round(at * MS) for at in acted_ms) if acted_ms else (None, None)
    events: list[Event] = [one.event() for one in calls]
    for event in [PhaseRan(at_ns=0, name=name, acted_ns=acted, finished_ns=finished, ended_ns=10_000 * MS), *events]:
        journal.write(event)
    recording: Any = SimpleNamespace(history=journal.close())
    found = latencies(recording, name)
    assert found is not None
    return found


def test_latency_counts_from_when_a_call_was_due() -> None:
    found = felt(Call(0, 300, queued_ms=290))
    assert found.p50_ns == 300 * MS


def test_a_missed_call_counts_with_the_time_until_it_was_given_up() -> None:
    found = felt(Call(0, 1), Call(1, 1), Call(2, 10_000, Outcome.MISSED))
    assert (found.missed, found.max_ns) == (1, 10_000 * MS)


def test_a_call_that_waited_for_a_session_is_not_the_drivers_lateness() -> None:
    found = felt(Call(0, 100, queued_ms=90), Call(1, 1))
    assert (found.on_time_share, found.sent_share) == (1.0, 0.5)


def test_a_call_that_the_driver_came_to_late_is_not_on_time() -> None:
    assert felt(Call(0, 100, late_ms=6), Call(1, 1, late_ms=4)).on_time_share == 0.5


def test_a_phase_that_was_not_run_has_no_latencies() -> None:
    assert latencies(SimpleNamespace(history=ListingJournal().close()), "back") is None  # type: ignore[arg-type]


def test_a_phase_without_calls_has_no_percentiles_and_no_share() -> None:
    found = felt()
    assert (found.due, found.p99_ns, found.on_time_share, found.windows) == (0, None, None, ())


def test_the_act_divides_a_phase_in_before_during_and_after() -> None:
    found = felt(Call(10, 1), Call(110, 50), Call(120, 60), Call(300, 2), acted_ms=(100, 200))
    assert found.before and found.during and found.after
    assert [one.due for one in (found.before, found.during, found.after)] == [1, 2, 1]
    assert found.during.max_ns == 60 * MS


def test_the_baseline_has_no_before_and_after() -> None:
    assert felt(Call(0, 1), name="baseline").before is None


def test_errors_are_counted_by_code_with_the_commonest_message() -> None:
    bad = [
        Call(n, 1, Outcome.FAILED, code="55P03", message="canceling statement due to lock timeout") for n in range(3)
    ]
    found = felt(*bad, Call(9, 1, Outcome.UNKNOWN), Call(10, 1))
    assert [(one.code, one.count) for one in found.errors] == [("55P03", 3), (None, 1)]
    assert found.errors[0].example == "canceling statement due to lock timeout"


def test_errors_that_ended_while_the_migration_acted_are_told_apart() -> None:
    ran = phase("forward", 10, 20, acted=(12, 14))
    refused = [Refusal(begin=second, end=second + 1, code="55P03", message="no", most=4) for second in (10.5, 12.5, 15)]
    (one,) = latencies(recorded([ran], frames=[traffic(10, 20, refusals=refused)]), "forward").errors
    assert (one.count, one.acting) == (12, 4)


def test_each_kind_of_call_has_its_own_percentiles() -> None:
    found = felt(Call(0, 1, call="read"), Call(1, 40, call="write"))
    assert [(one.call, one.p50_ns) for one in found.calls] == [("read", MS), ("write", 40 * MS)]


def test_windows_are_contiguous_and_count_every_call_once() -> None:
    found = felt(Call(5, 1), Call(250, 300), Call(450, 1, Outcome.FAILED))
    assert [one.at_ns // MS for one in found.windows] == [0, 100, 200, 300, 400]
    assert [one.ok for one in found.windows] == [1, 0, 1, 0, 0]
    assert [one.answered for one in found.windows] == [1, 0, 0, 0, 0]
    assert [one.p50_ns for one in found.windows][1] is None


def test_slowdown_is_the_ratio_to_the_baseline() -> None:
    ratio = slowdown(felt(Call(0, 30)), felt(Call(0, 10)))
    assert (ratio.p50, ratio.p99) == (3.0, 3.0)


def test_slowdown_of_nothing_is_not_known() -> None:
    assert slowdown(felt(Call(0, 30)), felt()).p99 is None


@given(st.lists(st.integers(0, 10**12), min_size=1), st.sampled_from([0.5, 0.95, 0.99, 0.999, 1.0]))
def test_at_least_the_share_lies_at_or_below_a_percentile_and_less_below_it(values: list[int], share: float) -> None:
    ordered = np.sort(np.array(values, dtype=np.int64))
    found = percentile(ordered, share)
    assert np.mean(ordered <= found) >= share
    assert np.mean(ordered < found) < share


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100)])
def test_percentiles_of_one_to_a_hundred_are_themselves(share: float, value: int) -> None:
    assert percentile(np.arange(1, 101), share) == value
