from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearse.datasets import beside
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
    placed = made(correlation=correlation).placed(np.arange(CHILDREN))
    parents, places, missing = placed.parents, placed.places, placed.missing
    counts = Counter(np.bincount(parents, minlength=PARENTS).tolist())
    assert counts == {int(children): count for children, count in GROUPS}
    assert not missing.any()
    assert len(set(zip(parents.tolist(), places.tolist(), strict=True))) == CHILDREN
    assert abs(np.corrcoef(np.arange(CHILDREN), parents)[0, 1] - correlation) < 0.05


@pytest.mark.parametrize("correlation", [0.0, 0.9, 1.0])
def test_a_share_of_the_children_has_no_parent_and_no_place_is_taken_twice(correlation: float) -> None:
    placed = made(correlation=correlation, orphans=0.25).placed(np.arange(CHILDREN))
    parents, places, missing = placed.parents, placed.places, placed.missing
    assert sorted(placed.numbers.tolist()) == list(range(CHILDREN))
    assert missing.mean() == pytest.approx(0.25, abs=1e-4)
    taken = list(zip(parents[~missing].tolist(), places[~missing].tolist(), strict=True))
    assert len(set(taken)) == len(taken)


def test_a_tenth_of_the_rows_keeps_the_shape() -> None:
    fanout = made(scale=0.1)
    parents = fanout.placed(np.arange(fanout.children)).parents
    counts = np.bincount(parents, minlength=fanout.parents)
    assert (counts == 0).mean() == pytest.approx(4948 / PARENTS, abs=0.01)
    assert (counts == 3).mean() == pytest.approx(0.5, abs=0.01)
    assert counts.max() > 500  # what the two greatest have of all children, put together


@given(st.integers(0, 2**60), st.floats(0.0, 1.0), st.sampled_from([0.0, 0.35]))
@settings(deadline=None, max_examples=15)
def test_no_pair_of_parents_occurs_twice(stream: int, correlation: float, orphans: float) -> None:
    groups = ((300.0, 2), (20.0, 100), (1.0, 1500))
    users = Fanout(stream=stream, groups=groups, children=4100, parents=1602, correlation=correlation, orphans=orphans)
    items = Fanout(stream=stream + 1, groups=((200.0, 1), (50.0, 40), (4.0, 475)), children=4100, parents=516)
    placed = users.placed(np.arange(4100))
    item = beside.parents(items, users, placed)
    known = ~placed.missing
    pairs = zip(placed.parents[known].tolist(), item[known].tolist(), strict=True)
    assert len(set(pairs)) == known.sum()
    assert np.bincount(item).max() == pytest.approx(200, rel=0.3)  # a user of 300 rows has each item once


def test_a_second_fan_out_is_met_where_groups_are_small() -> None:
    users = Fanout(stream=1, groups=((3.0, 1000), (1.0, 3000)), children=6000, parents=4000, orphans=0.2)
    items = Fanout(stream=2, groups=((9.0, 200), (2.0, 1500), (1.0, 1200), (0.0, 900)), children=6000, parents=3800)
    item = beside.parents(items, users, users.placed(np.arange(6000)))
    counts = np.bincount(np.bincount(item, minlength=3800), minlength=10)
    assert counts[[0, 1, 2, 9]].tolist() == pytest.approx([900, 1200, 1500, 200], rel=0.02)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_parents_that_came_early_have_more_children(correlation: float) -> None:
    slices = ((0.25, ((40.0, 1), (4.0, 249))), (1.0, ((2.0, 250), (0.0, 500))))
    fanout = Fanout(stream=3, groups=(), children=1536, parents=1000, correlation=correlation, slices=slices)
    counts = np.bincount(fanout.placed(np.arange(1536)).parents, minlength=1000)
    assert Counter(counts[:250].tolist()) == {40: 1, 4: 249}
    assert Counter(counts[250:].tolist()) == {2: 250, 0: 500}
    order = fanout.ranks
    assert (order.parents_at(order.of_parents(np.arange(1000))) == np.arange(1000)).all()


def test_parts_of_the_parents_without_a_row_of_their_own_are_passed_over() -> None:
    slices = ((0.001, ((3.0, 5),)), (0.002, ((1.0, 7),)), (1.0, ((1.0, 50), (0.0, 50))))
    placed = Fanout(stream=3, groups=(), children=60, parents=90, slices=slices).placed(np.arange(60))
    assert placed.parents.min() >= 0
    assert placed.parents.max() < 90


def test_a_slot_between_two_parents_belongs_to_one_of_them() -> None:
    fanout = Fanout(stream=123, groups=((7.9, 27), (6.0, 48), (0.0, 25)), children=501, parents=100)
    order = fanout.ranks
    slots = np.arange(501)
    ranks = order.of_slots(slots)
    assert (order.first_slots(ranks) <= slots).all()
    assert (slots < order.first_slots(ranks + 1)).all()
