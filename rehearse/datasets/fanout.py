"""Fan-out that was counted: each parent gets its number of children, exactly, without a list of the parents.

Parents stand in rank order, those with most children first, and the children fill slots 0 … n-1 in that order. A row's
slot is a permutation of its place, a parent's rank a permutation of its own: both can be turned round, so that any row
finds its parent, and any parent its first slot, by a search in the groups alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rehearse.datasets import randomness
from rehearse.datasets.randomness import Bools, Floats, Ints

Groups = tuple[tuple[float, int], ...]
_PLAIN = 0.02  # a correlation as small as this is none


@dataclass(frozen=True, slots=True)
class Fanout:
    """`children` rows that point at `parents` rows; `groups` are (children a parent, parents with so many).

    `orphans` is the share of children without a parent, and `correlation` that of a row's place with its parent's.
    """

    stream: int
    groups: Groups
    children: int
    parents: int
    orphans: float = 0.0
    correlation: float = 0.0

    def places(self, rows: Ints) -> tuple[Ints, Ints, Bools]:
        """Return each row's parent, its place among that parent's children, and whether it has none at all."""
        if abs(self.correlation) <= _PLAIN:
            slots = randomness.permuted(randomness.key(self.stream, "slots"), rows, self.children)
            missing = slots >= self._pointing
            slots = np.minimum(slots, max(0, self._pointing - 1))
            ranks = self._rank(slots)
            parents = randomness.permuted(self.stream, ranks, self.parents)
            return parents, slots - self._first_slot(ranks), missing
        return self._in_order(rows)

    @property
    def _pointing(self) -> int:
        return self.children - round(self.children * self.orphans)

    def _in_order(self, rows: Ints) -> tuple[Ints, Ints, Bools]:
        """Lay the slots out in the parents' own order, and shuffle them within windows as wide as the correlation asks.

        Those without a parent lie at even steps between the slots. Takes 8 bytes a parent.
        """
        placed = windowed(randomness.key(self.stream, "slots"), rows, self.children, abs(self.correlation))
        if self.correlation < 0:
            placed = self.children - 1 - placed
        lost = self.children - self._pointing
        lost_before = placed * lost // max(1, self.children)
        missing = (placed + 1) * lost // max(1, self.children) > lost_before
        slots = np.minimum(placed - lost_before, max(0, self._pointing - 1))
        starts = _starts(self)
        parents = np.searchsorted(starts, slots, side="right") - 1
        return parents, slots - starts[parents], missing

    def beside(self, group: Fanout, groups: Ints, places: Ints) -> Ints:
        """Return parents that differ among the rows of one group, of which each takes its part of the children.

        `groups` are the rows' parents by another fan-out, `places` those among that parent's children. A group of k
        children samples the parents systematically: the j-th takes the one at (j + u) / k of all slots, u being the
        group's own. Parents stand with the most children first, so that the ranks r(j) are convex in j and
        max(r(j), r(0) + j) rises by at least one at each step.
        """
        ranks = randomness.unpermuted(group.stream, groups, group.parents)
        sizes = np.maximum(1, group._first_slot(ranks + 1) - group._first_slot(ranks))
        order = randomness.permuted(randomness.key(self.stream, "groups"), ranks, group.parents)
        offsets = (order + 0.5) / max(1, group.parents)
        drawn, first = (self._real_rank((at + offsets) / sizes) for at in (places, np.zeros_like(places)))
        apart = np.maximum(drawn, first + places)
        apart = np.minimum(apart, self.parents - sizes + places + 0.5).clip(0)
        return randomness.permuted(self.stream, np.minimum(apart.astype(np.int64), self.parents - 1), self.parents)

    def _real_rank(self, shares: Floats) -> Floats:
        at_slot, at_parent = self._curve()
        return np.interp(shares * self._pointing, at_slot, at_parent)

    def _rank(self, slots: Ints) -> Ints:
        at_slot, at_parent = self._curve()
        ranks: Ints = np.interp(slots + 0.5, at_slot, at_parent).astype(np.int64)
        return np.minimum(ranks, self.parents - 1)

    def _first_slot(self, ranks: Ints) -> Ints:
        at_slot, at_parent = self._curve()
        first: Ints = np.ceil(np.interp(ranks, at_parent, at_slot) - 0.5).astype(np.int64)
        return first.clip(0, self._pointing)

    def _curve(self) -> tuple[Floats, Floats]:
        """Return the slots taken before each group, and the parents: stretched to the rows that there are."""
        return _curve(self.groups, self._pointing, self.parents)


@lru_cache(maxsize=64)
def _curve(groups: Groups, pointing: int, parents: int) -> tuple[Floats, Floats]:
    ordered = sorted((group for group in groups if group[1]), reverse=True)
    counts = np.array([parents_with for _, parents_with in ordered], np.float64)
    sizes = np.array([children for children, _ in ordered], np.float64) * counts
    at_parent = np.concatenate([[0.0], np.cumsum(counts)])
    at_slot = np.concatenate([[0.0], np.cumsum(sizes)])
    return at_slot * (pointing / max(at_slot[-1], 1e-9)), at_parent * (parents / max(at_parent[-1], 1e-9))


@lru_cache(maxsize=8)
def _starts(fanout: Fanout) -> Ints:
    """Return the first slot of each parent, in the parents' own order, and the end of the last."""
    parents = np.arange(fanout.parents, dtype=np.int64)
    ranks = randomness.unpermuted(fanout.stream, parents, fanout.parents)
    bounds = fanout._first_slot(np.concatenate([ranks, ranks + 1]))
    taken = bounds[fanout.parents :] - bounds[: fanout.parents]
    return np.concatenate([[0], np.cumsum(taken)])


def windowed(stream: int, rows: Ints, count: int, correlation: float) -> Ints:
    """Permute numbers of [0, count) within windows, so that they keep about this correlation with what they were.

    Windows of the relative widths w leave a correlation of 1 - Σw³: equal ones of a width that is solved for, and the
    rest as the last.
    """
    width = max(1, math.ceil(_window(correlation) * count))
    first = rows // width * width
    size = np.minimum(width, count - first)
    inside = rows - first
    full = size == width
    moved = np.empty_like(rows)
    for part, length in ((full, width), (~full, count % width)):
        if part.any():
            moved[part] = randomness.permuted(stream, inside[part], length)
    return first + moved


def _window(correlation: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        width = (low + high) / 2.0
        whole = math.floor(1.0 / width + 1e-9)
        left = 1.0 - whole * width
        low, high = (width, high) if 1.0 - whole * width**3 - left**3 > correlation else (low, width)
    return (low + high) / 2.0
