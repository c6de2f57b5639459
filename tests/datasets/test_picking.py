"""The guide table says what a binary search says, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rehearse.datasets.picking import Guide, by_weight
from rehearse.datasets.randomness import Floats

unit = st.floats(0.0, 1.0)


@given(
    limits=arrays.arrays(np.float64, st.integers(0, 80), elements=unit | st.sampled_from([0.0, 0.25, 0.5, 1.0])),
    drawn=arrays.arrays(np.float64, st.integers(0, 50), elements=unit),
)
def test_the_places_are_those_of_a_binary_search(limits: Floats, drawn: Floats) -> None:
    limits = np.sort(limits)
    drawn = np.concatenate([drawn, limits, np.nextafter(limits, 0.0), [0.0, 1.0]])
    assert Guide(limits).places(drawn).tolist() == np.searchsorted(limits, drawn, side="right").tolist()


@pytest.mark.parametrize("count", [1, 3, 5, 8192, 30_000])
def test_so_are_those_of_many_skewed_limits(count: int) -> None:
    source = np.random.default_rng(count)
    limits = np.cumsum(source.pareto(1.1, count))
    limits /= limits[-1]
    drawn = source.random(50_000)
    assert (Guide(limits).places(drawn) == np.searchsorted(limits, drawn, side="right")).all()


def test_each_thing_is_picked_as_often_as_its_weight_says() -> None:
    picked = by_weight((8.0, 0.0, 1.0, 1.0)).places(np.arange(1000) / 1000)
    assert np.bincount(picked, minlength=4).tolist() == [800, 0, 100, 100]
    assert by_weight((3.0,)).places(np.array([0.0, 0.5, 1.0])).tolist() == [0, 0, 0]
