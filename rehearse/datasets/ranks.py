"""Parents in rank order, those with most children first: which parent has which rank, and which slots it fills.

The children fill slots 0 … n-1 in the order of the ranks. Where the number of children changes along the parents' table
each slice of it has groups of its own; the ranks go over all slices. Nothing as long as the parents is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rehearse.datasets import randomness
from rehearse.datasets.randomness import Floats, Ints

Groups = tuple[tuple[float, int], ...]
"""Children a parent, and parents with so many."""
Slices = tuple[tuple[float, Groups], ...]
"""Groups up to a share of the parents, from one to the next."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """The order of `parents` parents with `pointing` children. `at_slot` and `at_parent` are where each class begins.

    A class is a group, or a group of one slice: `part` says of which, `inside` where it begins among the slice's own.
    """

    stream: int
    at_slot: Floats
    at_parent: Floats
    pointing: int
    parents: int
    part: Ints
    inside: Ints
    bounds: Ints  # of the slices, as places of parents; two where there is but one

    def of_slots(self, slots: Ints) -> Ints:
        """Return the rank of the parent whose child fills each slot."""
        last = max(0, self.parents - 1)
        ranks: Ints = np.interp(slots + 0.5, self.at_slot, self.at_parent).astype(np.int64).clip(0, last)
        # Where a boundary falls on a half, rounding may put a slot beside it: the first slots decide.
        ranks -= slots < self.first_slots(ranks)
        ranks += slots >= self.first_slots(ranks + 1)
        return ranks.clip(0, last)

    def of_shares(self, shares: Floats) -> Floats:
        """Return the rank, not yet whole, at each share of the slots."""
        found: Floats = np.interp(shares * self.pointing, self.at_slot, self.at_parent)
        return found

    def first_slots(self, ranks: Ints) -> Ints:
        """Return the first slot of the parent with each rank."""
        first: Ints = np.ceil(np.interp(ranks, self.at_parent, self.at_slot) - 0.5).astype(np.int64)
        return first.clip(0, self.pointing)

    def parents_at(self, ranks: Ints) -> Ints:
        """Return the place of the parent with each rank."""
        if len(self.bounds) == 2:
            return randomness.permuted(self.stream, ranks, self.parents)
        classes = (np.searchsorted(self.at_parent, ranks, side="right") - 1).clip(0, len(self.part) - 1)
        parts, inside = self.part[classes], self.inside[classes] + ranks - self.at_parent[classes].astype(np.int64)
        found: Ints = self._by_part(parts, inside, randomness.permuted) + self.bounds[parts]
        return found

    def of_parents(self, parents: Ints) -> Ints:
        """Return the rank of each parent."""
        if len(self.bounds) == 2:
            return randomness.unpermuted(self.stream, parents, self.parents)
        parts = np.searchsorted(self.bounds, parents, side="right") - 1
        inside = self._by_part(parts, parents - self.bounds[parts], randomness.unpermuted)
        ranks = np.zeros_like(parents)
        for part in range(len(self.bounds) - 1):
            mine, own = np.flatnonzero(parts == part), np.flatnonzero(self.part == part)
            classes = own[np.searchsorted(self.inside[own], inside[mine], side="right") - 1]
            ranks[mine] = self.at_parent[classes].astype(np.int64) + inside[mine] - self.inside[classes]
        return ranks

    def _by_part(self, parts: Ints, inside: Ints, moved: Callable[[int, Ints, int], Ints]) -> Ints:
        found, sizes = np.zeros_like(inside), np.diff(self.bounds)
        for part, size in enumerate(sizes.tolist()):
            mine = np.flatnonzero(parts == part)
            if mine.size:
                found[mine] = moved(randomness.key(self.stream, "slice", part), inside[mine], size)
        return found


@lru_cache(maxsize=64)
def ranks(stream: int, groups: Groups, slices: Slices, pointing: int, parents: int) -> Ranks:
    """Return the order of so many parents, whose groups are stretched to the rows that there are."""
    if slices:
        return _sliced(stream, slices, pointing, parents)
    ordered = sorted((group for group in groups if group[1]), reverse=True)
    counts = np.array([parents_with for _, parents_with in ordered], np.float64)
    sizes = np.array([children for children, _ in ordered], np.float64) * counts
    at_parent, at_slot = _from_zero(counts), _from_zero(sizes)
    return Ranks(
        stream=stream,
        at_slot=at_slot * (pointing / max(at_slot[-1], 1e-9)),
        at_parent=at_parent * (parents / max(at_parent[-1], 1e-9)),
        pointing=pointing,
        parents=parents,
        part=np.zeros(len(ordered), np.int64),
        inside=np.zeros(len(ordered), np.int64),
        bounds=np.array([0, parents]),
    )


def _sliced(stream: int, slices: Slices, pointing: int, parents: int) -> Ranks:
    bounds = np.maximum.accumulate([0, *(round(upto * parents) for upto, _ in slices[:-1]), parents])
    classes = sorted(_classes(slices, bounds), key=lambda one: -one[0])
    children, part, inside, counts = (np.array(column) for column in zip(*classes, strict=True))
    at_slot = _from_zero(children * counts)
    return Ranks(
        stream=stream,
        at_slot=at_slot * (pointing / max(at_slot[-1], 1e-9)),
        at_parent=_from_zero(counts),
        pointing=pointing,
        parents=parents,
        part=part,
        inside=inside,
        bounds=bounds,
    )


def _classes(slices: Slices, bounds: Ints) -> Iterator[tuple[float, int, int, int]]:
    """Yield (children a parent, slice, first of the slice's parents, parents), where a class has any."""
    for part, (_, groups) in enumerate(slices):
        size, ordered = int(bounds[part + 1] - bounds[part]), sorted(groups, reverse=True)
        upto = _from_zero(np.array([count for _, count in ordered], np.float64))
        edges = np.round(upto * (size / max(upto[-1], 1e-9))).astype(np.int64).tolist()
        for (children, _), first, end in zip(ordered, edges, edges[1:], strict=False):
            if end > first:
                yield children, part, first, end - first


def _from_zero(counts: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(counts)])
