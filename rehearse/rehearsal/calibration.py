"""How many calls a second the database answers at most: rates doubled until it falls behind, on a copy of its own.

What is asked for as a share of this is then the same load on a laptop and on a server. The calls, their mix and their
number of sessions are those of the rehearsal.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from rehearse.errors import ScenarioMistake, ServerFailed
from rehearse.events import CallEnded, Outcome
from rehearse.model import OfCapacity, WorkloadChoice
from rehearse.protocols import Database, Forkable
from rehearse.recording.journal import ListingJournal
from rehearse.units import NS_PER_S
from rehearse.workload.driver import Driver
from rehearse.workload.mix import Mix

_FIRST_PER_S = 500.0
_DOUBLINGS = 9
_STEP_S, _WARM_S = 1.0, 0.3
_LAST_S = 3.0
_BEHIND = 0.85  # of the calls that were due: with fewer answered the database is full
_OVER = 1.3  # times the best rate so far, for the last and longest look
_PATIENCE_NS = NS_PER_S


def calibrated(mix: Mix, database: Database, choice: WorkloadChoice, seed: int) -> tuple[WorkloadChoice, float]:
    """Return the workload with a rate in calls a second, and the capacity that was measured, in calls a second.

    Raises ScenarioMistake where the engine makes no copies to measure on.
    """
    asked = choice.rate
    assert isinstance(asked, OfCapacity)
    if not isinstance(database, Forkable):
        raise ScenarioMistake(f"workload.rate = '{asked}': this engine cannot copy a database; give calls a second")
    copy = database.fork("calibration")
    try:
        found = _capacity(mix, copy, choice, seed)
    finally:
        copy.drop()
    if not found:
        raise ServerFailed("no call was answered while the capacity was measured; give workload.rate in calls a second")
    return replace(choice, rate=max(1.0, round(asked.share * found, 1))), found


def _capacity(mix: Mix, database: Database, choice: WorkloadChoice, seed: int) -> float:
    most = replace(choice, rate=_FIRST_PER_S * 2**_DOUBLINGS, patience=_PATIENCE_NS)
    best = 0.0
    with Driver(mix, database, most, seed, ListingJournal()) as driver:
        for rate in _rates():
            answered = _answered(driver, rate, _STEP_S)
            best = max(best, answered)
            if answered < _BEHIND * rate:
                break
        return max(best, _answered(driver, _OVER * best, _LAST_S)) if best else 0.0


def _rates() -> Iterator[float]:
    return (_FIRST_PER_S * 2**step for step in range(_DOUBLINGS + 1))


def _answered(driver: Driver, rate: float, seconds: float) -> float:
    """Return the calls that were answered well a second, once the first moments are over."""
    journal = ListingJournal()
    driver.begin("calibration", rate=rate, journal=journal)
    begun = time.monotonic_ns()
    time.sleep(seconds)
    ended = time.monotonic_ns()
    driver.end()
    calls = journal.close().frame(CallEnded)
    warm = begun + round(_WARM_S * NS_PER_S)
    ok = (calls["outcome"] == Outcome.OK.value) & (calls["done_ns"] >= warm) & (calls["done_ns"] <= ended)
    return float(ok.sum()) * NS_PER_S / (ended - warm)
