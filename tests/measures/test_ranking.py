"""Who is better beyond the noise: exact tests against counting by hand, intervals, winners and the order."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearse.measures import ranking
from rehearse.measures.ranking import Sample, Won, better, leaders, ordered, p_value, spread, winner

FIGURES = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=4)


def of(*values: float | None, doubt: float = 0.0) -> Sample:
    return Sample(values=values, doubt=doubt)


def by_hand(one: list[float], other: list[float]) -> float:
    """Return p by dealing the runs out in every way and ranking them each time."""
    values = [*one, *other]
    ranks = [sum(a < b for a in values) + (sum(a == b for a in values) + 1) / 2 for b in values]
    deals = [sum(deal) for deal in itertools.combinations(ranks, len(one))]
    found = sum(ranks[: len(one)])
    return min(1.0, 2 * min(sum(deal <= found for deal in deals), sum(deal >= found for deal in deals)) / len(deals))


@settings(max_examples=60, deadline=None)
@given(FIGURES, FIGURES)
def test_p_is_twice_the_share_of_deals_that_are_as_one_sided(one: list[float], other: list[float]) -> None:
    assert p_value(one, other) == pytest.approx(by_hand(one, other))
    assert p_value(one, other) == p_value(other, one)
    assert p_value(one, other) >= ranking.least_p(one, other)


def test_three_runs_each_just_reach_the_level() -> None:
    assert p_value([1, 2, 3], [4, 5, 6]) == pytest.approx(0.1) and ranking.LEVEL >= 0.1
    assert p_value([1, 2], [3, 4]) > ranking.LEVEL
    least = next(n for n in range(1, 9) if 2 / math.comb(2 * n, n) <= ranking.LEVEL)
    assert least == ranking.ENOUGH


@pytest.mark.parametrize(
    ("runs", "places", "holds"),
    [(1, (0, 0), 0.0), (3, (0, 2), 0.75), (5, (0, 4), 0.9375), (6, (0, 5), 0.96875), (9, (1, 7), 0.9609375)],
)
def test_an_interval_holds_the_median_as_often_as_it_says(runs: int, places: tuple[int, int], holds: float) -> None:
    values = [float(n) for n in range(runs)]
    found = spread(of(*reversed(values)))
    assert found is not None
    assert (found.low, found.high) == places
    assert found.holds == pytest.approx(holds)


def test_figures_that_were_not_measured_are_counted_and_not_nought() -> None:
    found = spread(of(None, 4.0, 2.0))
    assert found is not None
    assert (found.median, found.measured, found.runs) == (3.0, 2, 3)
    assert spread(of(None, None)) is None


def test_a_difference_within_the_doubt_of_the_figures_is_none() -> None:
    assert better(of(1, 2, 3), of(4, 5, 6))
    assert not better(of(1, 2, 3, doubt=0.6), of(4, 5, 6, doubt=0.6))
    assert not better(of(4, 5, 6), of(1, 2, 3))
    assert better(of(0.9, 1.0, 1.0), of(0.2, 0.3, 0.4), more_is_better=True)


def test_intervals_that_meet_are_no_difference_though_p_is_small() -> None:
    one, other = of(*range(1, 9), 30), of(*range(10, 19))
    assert p_value(one.known, other.known) <= ranking.LEVEL and better(one, other)
    wide = of(1, 1, 1, 1, 1, 30, 30, 30, 30)
    assert not better(wide, other)


def test_a_winner_is_better_than_each_of_the_others() -> None:
    won = winner({"a": of(1, 2, 3), "b": of(4, 5, 6), "c": of(40, 50, 60)})
    assert won == Won(best=("a",), p=pytest.approx(0.1))
    shared = winner({"a": of(1, 2, 5), "b": of(4, 5, 6), "c": of(40, 50, 60)})
    assert shared.best == ("a", "b")
    assert shared.reason == "no difference that the noise allows"


def test_nobody_wins_what_was_not_measured_in_each_run() -> None:
    won = winner({"a": of(1, 2, 3), "b": of(4, None, 6)})
    assert won.best == () and won.reason == "not measured in each run of b"


def test_too_few_runs_say_so() -> None:
    won = winner({"a": of(1), "b": of(400)})
    assert won.p is None and set(won.best) == {"a", "b"}
    assert won.reason is not None and won.reason.startswith("1 run of each cannot tell") and "three can" in won.reason


def test_what_is_the_same_in_every_run_is_said_to_be() -> None:
    assert winner({"a": of(0, 0, 0), "b": of(0, 0, 0)}).reason == "the same in every run"
    assert winner({"a": of(0), "b": of(0)}).reason == "the same in every run"
    assert winner({"a": of(1, 2, 3)}).reason == "there is nothing to compare with"


def test_a_later_figure_decides_what_the_noise_hides_in_an_earlier_one() -> None:
    outage = {"slow": of(1, 2, 3), "quick": of(2, 3, 4), "worst": of(90, 91, 92)}
    took = {"slow": of(50, 51, 52), "quick": of(5, 6, 7), "worst": of(1, 1, 1)}
    assert ordered([["slow", "worst", "quick"]], [outage, took]) == ["quick", "slow", "worst"]
    assert ordered([["worst"], ["slow", "quick"]], [outage, took]) == ["worst", "quick", "slow"]
    assert leaders(outage) == ("slow", "quick")


def test_who_was_not_measured_stands_last() -> None:
    outage = {"a": of(None), "b": of(3, 4, 5), "c": of(None, None)}
    assert ordered([["a", "b", "c"]], [outage, outage])[0] == "b"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=5))
def test_an_order_has_everybody_once(runs: list[list[int]]) -> None:
    samples = {str(n): of(*map(float, values)) for n, values in enumerate(runs)}
    assert sorted(ordered([list(samples)], [samples, samples])) == sorted(samples)


def test_what_was_not_seen_at_all_may_be_as_far_off_as_what_was_seen() -> None:
    nothing, little = of(0, 0, 0), (30, 31, 32)
    assert not better(nothing, of(*little, doubt=20))
    assert better(nothing, of(*little, doubt=10))
    assert not better(of(0, None, 0), of(*little))
