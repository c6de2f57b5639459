from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearse.datasets.fanout import Fanout
from rehearse.datasets.randomness import permuted, unpermuted

GROUPS = ((5000.0, 2), (100.0, 50), (3.0, 10_000), (1.0, 5000), (0.0, 4948))
CHILDREN = sum(round(children * parents) for children, parents in GROUPS)
PARENTS = sum(parents for _, parents in GROUPS)


def made(*, correlation: float = 0.0, orphans: float = 0.0, stream: int = 1, scale: float = 1.0) -> Fanout:
    return Fanout(
        stream=stream,
        groups=GROUPS,
        children=round(CHILDREN * scale),
        parents=round(PARENTS * scale),
        orphans=orphans,
        correlation=correlation,
    )


@given(st.integers(0, 2**60), st.integers(2, 5000))
@settings(deadline=None, max_examples=30)
def test_a_permutation_can_be_turned_round(stream: int, count: int) -> None:
    numbers = np.arange(count)
    moved = permuted(stream, numbers, count)
    assert sorted(moved.tolist()) == numbers.tolist()
    assert (unpermuted(stream, moved, count) == numbers).all()


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.75, 0.9, 0.99, 1.0, -0.8])
def test_each_parent_has_its_number_of_children_exactly(correlation: float) -> None:
    parents, places, missing = made(correlation=correlation).places(np.arange(CHILDREN))
    counts = Counter(np.bincount(parents, minlength=PARENTS).tolist())
    assert counts == {int(children): count for children, count in GROUPS}
    assert not missing.any()
    assert len(set(zip(parents.tolist(), places.tolist(), strict=True))) == CHILDREN
    assert abs(np.corrcoef(np.arange(CHILDREN), parents)[0, 1] - correlation) < 0.05


@pytest.mark.parametrize("correlation", [0.0, 0.9, 1.0])
def test_a_share_of_the_children_has_no_parent_and_no_place_is_taken_twice(correlation: float) -> None:
    parents, places, missing = made(correlation=correlation, orphans=0.25).places(np.arange(CHILDREN))
    assert missing.mean() == pytest.approx(0.25, abs=1e-4)
    taken = list(zip(parents[~missing].tolist(), places[~missing].tolist(), strict=True))
    assert len(set(taken)) == len(taken)


def test_a_tenth_of_the_rows_keeps_the_shape() -> None:
    fanout = made(scale=0.1)
    parents, _, _ = fanout.places(np.arange(fanout.children))
    counts = np.bincount(parents, minlength=fanout.parents)
    assert (counts == 0).mean() == pytest.approx(4948 / PARENTS, abs=0.01)
    assert (counts == 3).mean() == pytest.approx(0.5, abs=0.01)
    assert counts.max() > 500  # what the two greatest have of all children, put together


@given(st.integers(0, 2**60), st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=15)
def test_no_pair_of_parents_occurs_twice(stream: int, correlation: float) -> None:
    groups = ((300.0, 2), (20.0, 100), (1.0, 1500))
    users = Fanout(stream=stream, groups=groups, children=4100, parents=1602, correlation=correlation)
    items = Fanout(stream=stream + 1, groups=((200.0, 1), (50.0, 40), (4.0, 475)), children=4100, parents=516)
    user, place, _ = users.places(np.arange(4100))
    item = items.beside(users, user, place)
    assert len(set(zip(user.tolist(), item.tolist(), strict=True))) == 4100
    assert np.bincount(item).max() == pytest.approx(200, rel=0.2)
