from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse.datasets import keys, randomness
from rehearse.profiles.shapes import Parent


@given(st.integers(1, 5000), st.integers(0, 2**64 - 1))
def test_a_permutation_holds_every_number_once(count: int, stream: int) -> None:
    moved = randomness.permuted(stream, np.arange(count, dtype=np.int64), count)
    assert sorted(moved.tolist()) == list(range(count))


@given(st.integers(1, 3000), st.integers(1, 9000), st.floats(0, 1))
def test_sorted_children_are_numbered_from_nought_without_a_gap(parents: int, children: int, spread: float) -> None:
    shape, rows = Parent(order="sorted", spread=spread), np.arange(children, dtype=np.int64)
    parent, first = keys._sorted(7, shape, rows, children, parents)
    places = keys.positions(7, shape, rows, children, parents)
    assert (np.diff(parent) >= 0).all()
    assert parent.max() < parents
    assert (places >= 0).all()
    assert len(set(zip(parent.tolist(), places.tolist(), strict=True))) == children
    assert (rows[first] == first).all()


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.4])
def test_zipf_ranks_stay_in_range_and_fall(exponent: float) -> None:
    ranks = randomness.zipf(3, np.arange(100_000, dtype=np.int64), exponent, 1000)
    counts = np.bincount(ranks, minlength=1000)
    assert ranks.min() >= 0
    assert len(counts) == 1000
    assert counts[:10].sum() >= counts[-10:].sum() * 0.8 * 50**exponent


def test_uniform_numbers_are_uniform() -> None:
    drawn = randomness.uniform(11, np.arange(200_000, dtype=np.int64))
    counts, _ = np.histogram(drawn, 100, (0, 1))
    assert abs(counts - 2000).max() < 250
