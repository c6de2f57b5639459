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
from rehearse.datasets.randomness import Bools, Ints
from rehearse.datasets.ranks import Groups, Ranks, Slices, ranks

_PLAIN = 0.02  # a correlation as small as this is none


@dataclass(frozen=True, slots=True)
class Placed:
    """Where rows belong: their `parents`, their `places` among that parent's children, and which have none at all.

    `numbers` counts the rows: those of one parent follow each other, and those without one come last.
    """

    parents: Ints
    places: Ints
    missing: Bools
    numbers: Ints


@dataclass(frozen=True, slots=True)
class Fanout:
    """`children` rows that point at `parents` rows; `groups` are (children a parent, parents with so many).

    `slices` take their place where they change along the parents' table. `orphans` is the share of children without a
    parent, and `correlation` that of a row's place with its parent's.
    """

    stream: int
    groups: Groups
    children: int
    parents: int
    orphans: float = 0.0
    correlation: float = 0.0
    slices: Slices = ()

    @property
    def pointing(self) -> int:
        """The rows that have a parent."""
        return self.children - round(self.children * self.orphans)

    @property
    def ranks(self) -> Ranks:
        """The parents' order."""
        return ranks(self.stream, self.groups, self.slices, self.pointing, self.parents)

    def placed(self, rows: Ints) -> Placed:
        """Return where rows belong."""
        if abs(self.correlation) > _PLAIN:
            return self._in_order(rows)
        numbers = randomness.permuted(randomness.key(self.stream, "slots"), rows, self.children)
        slots = np.minimum(numbers, max(0, self.pointing - 1))
        order = self.ranks
        found = order.of_slots(slots)
        return Placed(order.parents_at(found), slots - order.first_slots(found), numbers >= self.pointing, numbers)

    def _in_order(self, rows: Ints) -> Placed:
        """Lay the slots out in the parents' own order, and shuffle them within windows as wide as the correlation asks.

        Those without a parent lie at even steps between the slots. Takes 8 bytes a parent.
        """
        placed = windowed(randomness.key(self.stream, "slots"), rows, self.children, abs(self.correlation))
        if self.correlation < 0:
            placed = self.children - 1 - placed
        lost = self.children - self.pointing
        lost_before = placed * lost // max(1, self.children)
        missing = (placed + 1) * lost // max(1, self.children) > lost_before
        slots = np.minimum(placed - lost_before, max(0, self.pointing - 1))
        starts = _starts(self)
        parents = np.searchsorted(starts, slots, side="right") - 1
        order = self.ranks
        places = slots - starts[parents]
        numbers = np.where(missing, self.pointing + lost_before, order.first_slots(order.of_parents(parents)) + places)
        return Placed(parents, places, missing, numbers)


@lru_cache(maxsize=8)
def _starts(fanout: Fanout) -> Ints:
    """Return the first slot of each parent, in the parents' own order, and the end of the last."""
    order = fanout.ranks
    found = order.of_parents(np.arange(fanout.parents, dtype=np.int64))
    bounds = order.first_slots(np.concatenate([found, found + 1]))
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
