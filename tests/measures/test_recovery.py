"""How long after an outage calls are as fast as before, from facts by hand."""

from __future__ import annotations

import pandas
import pytest

from rehearse.measures.recovery import recovery_ns
from rehearse.testing.recordings import Refusal, Stall, lock, phase, recorded, traffic

BASELINE, FORWARD = phase("baseline", 0, 5), phase("forward", 10, 20, acted=(11, 13))


def recovered(calls: pandas.DataFrame) -> int | None:
    events = [BASELINE, FORWARD, lock("orders", 11, 11, 12)]
    return recovery_ns(recorded(events, frames=[pandas.concat([traffic(0, 5), calls])]), "forward")


def test_the_last_slow_call_after_the_outage_ends_it() -> None:
    assert recovered(traffic(10, 20, stalls=[Stall(begin=11, end=12.5)])) == pytest.approx(0.49e9, abs=2e7)
    assert recovered(traffic(10, 20)) == 0


def test_calls_that_fail_up_to_the_end_have_not_recovered() -> None:
    refused = Refusal(begin=11, end=20, code="42703", message="no column")
    assert recovered(traffic(10, 20, refusals=[refused])) is None
