"""A figure is worse than before only beyond the noise."""

from __future__ import annotations

import math
import random

import pytest

from rehearse.measures.regression import USUAL, band


def test_without_an_earlier_run_nothing_is_told() -> None:
    assert band([], 0.01) is None


def test_one_earlier_run_allows_the_usual_scatter() -> None:
    found = band([10.0], 1e-9)
    assert found is not None
    assert not found.own
    assert found.high == pytest.approx(10 * math.exp(2.58 * USUAL * math.sqrt(2)), rel=1e-6)
    assert found.low == pytest.approx(10 / math.exp(2.58 * USUAL * math.sqrt(2)), rel=1e-6)


def test_runs_that_agree_make_a_narrow_band_but_no_narrower_than_runs_repeat_themselves() -> None:
    found = band([10.0] * 8, 1e-9)
    assert found is not None
    assert found.own
    assert 1.1 < found.high / 10 < 1.3


def test_nothing_is_told_apart_below_the_grain() -> None:
    found = band([0.0, 0.0, 0.0, 0.0, 0.0], 20.0)
    assert found is not None
    assert found.low == 0.0
    assert found.high > 3.0


@pytest.mark.parametrize("earlier", [1, 3, 4, 6, 12])
def test_a_further_run_of_the_same_kind_is_hardly_ever_outside(earlier: int) -> None:
    drawn = random.Random(7)
    outside = 0
    for _ in range(2_000):
        values = [math.exp(drawn.gauss(1.0, USUAL)) for _ in range(earlier + 1)]
        found = band(values[:-1], 1e-9)
        assert found is not None
        outside += not found.low <= values[-1] <= found.high
    assert outside <= 45  # 1 % are 20; 45 is five standard deviations more


def test_a_run_that_takes_thrice_as_long_is_outside() -> None:
    drawn = random.Random(8)
    earlier = [10 * math.exp(drawn.gauss(0.0, 0.1)) for _ in range(5)]
    found = band(earlier, 0.02)
    assert found is not None
    assert found.high < 30
