"""At which sizes to measure: a decade, as large as the time allows, and never fewer than three."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse.errors import TooBig
from rehearse.model import EngineChoice, Limits
from rehearse.rehearsal.estimate import Asked, _Measuring, _notes, little
from rehearse.rehearsal.progress import Silent
from rehearse.rehearsal.scales import COUNT, Cost, pilot, plan, rest
from rehearse.rehearsal.sizes import Site
from rehearse.rehearsal.target import Target
from rehearse.testing.recordings import scenario
from tests.forecast.test_forecast import ROWS, SIZES, run

COST = Cost(x=0.001, load_s=1.0, run_s=0.3)


@given(st.floats(1.0, 1e5), st.integers(1, 9), st.floats(1e3, 1e9), st.floats(0.01, 100.0))
def test_sizes_are_a_decade_and_fit_the_time_where_they_can(
    within_s: float, runs: int, rows: float, load_s: float
) -> None:
    found = plan(
        [Cost(x=pilot(rows), load_s=load_s, run_s=0.3)], within_s=within_s, runs=runs, traffic_s=1.7, rows=rows
    )
    assert len(set(found.sizes)) == COUNT
    assert list(found.sizes) == sorted(found.sizes)
    assert 0 < found.sizes[0] < found.sizes[-1] <= 1
    assert found.sizes[0] / found.sizes[-1] == pytest.approx(0.1, rel=0.02)
    least = min(1.0, 50_000 / rows) * 1.01
    assert found.seconds <= 1.05 * within_s or found.sizes[-1] <= least


def test_more_time_is_for_larger_sizes() -> None:
    few, many = (plan([COST], within_s=s, runs=3, traffic_s=1.7, rows=1e8).sizes[-1] for s in (60.0, 600.0))
    assert many > 5 * few


def test_two_sizes_tell_the_fixed_part_of_a_cost() -> None:
    more = Cost(x=0.01, load_s=1.9, run_s=0.4)
    alone = plan([COST], within_s=300.0, runs=3, traffic_s=1.7, rows=1e8).sizes[-1]
    both = plan([COST, more], within_s=300.0, runs=3, traffic_s=1.7, rows=1e8).sizes[-1]
    assert both > alone


def test_what_is_still_to_load_is_set_anew_by_what_fits() -> None:
    assert rest([0.02, 0.1], [0.005, 0.01], 0.4) == pytest.approx([0.0632, 0.4])
    smaller = rest([0.02, 0.1], [0.005, 0.01], 0.04)
    assert smaller[-1] == 0.04
    assert 0.01 < smaller[0] < smaller[1]
    assert rest([0.001, 0.1], [0.01], 0.05) == [0.001, 0.05]
    assert rest([0.1], [0.01], 0.0) == [0.015]
    assert rest([], [0.01], 1.0) == []
    assert rest([1.0], [0.5], 7.0) == [1.0]


def test_memory_is_made_little_only_where_the_server_is_ours() -> None:
    limits = Limits(cache=256 << 20, sort=64 << 20, log=1 << 30)
    ours = scenario()
    assert little(ours, limits, 0.1, ["sort"]) == {"sort": {"maintenance_work_mem": "6553kB"}}
    theirs = replace(ours, engine=EngineChoice(name="postgres", via="url", url="postgresql://there/shop"))
    assert little(theirs, limits, 0.1, ["sort"]) == {}


class TooLittle(_Measuring):
    """Measures whose server with little memory cannot be had."""

    def measure_little(self, limits: Limits) -> None:
        self.seen.append(run(0.1))
        raise TooBig("12 GB are needed and 3 GB are free")


def test_what_was_measured_is_kept_where_little_memory_cannot_be_had() -> None:
    goal = Target(factor=1.0, rows={}, tables={"orders": ROWS}, largest=ROWS)
    site = Site(scenario(), None, None, Silent())  # type: ignore[arg-type]
    before = [run(x) for x in SIZES]
    measuring = TooLittle(site, goal, Asked(), 0.0, seen=list(before))
    measuring.try_little(Limits())
    assert measuring.seen == before
    assert measuring.little == {}
    assert measuring.notes == [
        "what changes with the size was not measured by runs with little memory: 12 GB are needed and 3 GB are free"
    ]


def test_a_target_that_is_farther_than_any_interval_was_checked_is_told() -> None:
    def far(largest: float) -> bool:
        return any("at 10 times only" in one for one in _notes(scenario(), Asked(), [run(largest)], largest))

    assert far(0.02)
    assert not far(0.1)


def test_without_traffic_it_is_told_what_is_in_no_figure() -> None:
    quiet, busy = (list(_notes(scenario(), Asked(traffic=one), [run(0.1)], 0.1)) for one in (False, True))
    assert any("no run was under traffic" in one for one in quiet)
    assert any("it waited for locks for" in one for one in busy)
