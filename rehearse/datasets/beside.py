"""Two fan-outs of one table whose pairs of parents differ, as those of a product and the user who reviews it do."""

from __future__ import annotations

import numpy as np

from rehearse.datasets import randomness
from rehearse.datasets.fanout import Fanout, Placed
from rehearse.datasets.randomness import Bools, Ints

_TOGETHER = 8  # children of one parent that are looked at together; of more, popular parents would lose too many
_TRIES = 8


def parents(own: Fanout, group: Fanout, placed: Placed) -> Ints:
    """Return parents by `own`, with as many children as it says, that differ among the rows of one parent by `group`.

    `placed` is where the rows belong by `group`. Each row takes a slot of its own; where two rows of one group would
    have the same parent, the later one draws another slot. Groups of more than 8 rows, and those that find no other,
    sample the parents instead: see `_sampled`.
    """
    order, among = own.ranks, group.ranks
    found = _ranks_of(own, placed.numbers)
    ranks = among.of_parents(placed.parents)
    first = among.first_slots(ranks)
    sizes = np.maximum(1, among.first_slots(ranks + 1) - first)
    large = (sizes > _TOGETHER) & ~placed.missing
    some = np.flatnonzero((sizes > 1) & ~large & ~placed.missing)
    if some.size:
        found[some], unsettled = _differing(own, first[some], sizes[some], placed.places[some])
        large[some[unsettled]] = True
    if large.any():
        found[large] = _sampled(own, group, ranks[large], sizes[large], placed.places[large])
    return order.parents_at(found)


def _ranks_of(own: Fanout, numbers: Ints) -> Ints:
    """Return the ranks of the parents whose slots the rows with these numbers take, each its own."""
    slots = randomness.permuted(randomness.key(own.stream, "beside"), numbers, own.children)
    return own.ranks.of_slots(slots * own.pointing // max(1, own.children))


def _differing(own: Fanout, first: Ints, sizes: Ints, places: Ints) -> tuple[Ints, Bools]:
    """Return ranks that differ among the rows of a group, of which all are drawn; and which rows' groups have none."""
    starts, which = np.unique(first, return_inverse=True)
    counts = np.zeros(len(starts), np.int64)
    counts[which] = sizes
    before = np.concatenate([[0], np.cumsum(counts)])
    groups = np.repeat(np.arange(len(starts)), counts)
    numbers = np.arange(before[-1]) - np.repeat(before[:-1] - starts, counts)
    ranks = _ranks_of(own, numbers)
    for turn in range(_TRIES):
        again = _repeated(groups, ranks)
        if not again.size:
            break
        key = randomness.key(own.stream, "again", turn)
        ranks[again] = own.ranks.of_slots(randomness.below(key, numbers[again], max(1, own.pointing)))
    unsettled = np.zeros(len(starts), np.bool_)
    unsettled[groups[_repeated(groups, ranks)]] = True
    return ranks[before[which] + places], unsettled[which]


def _repeated(groups: Ints, ranks: Ints) -> Ints:
    """Return where a rank stands that an earlier row of its group has."""
    order = np.lexsort((ranks, groups))  # stable: of equal ones the earlier row comes first
    same = (np.diff(groups[order]) == 0) & (np.diff(ranks[order]) == 0)
    return np.sort(order[1:][same])


def _sampled(own: Fanout, group: Fanout, ranks: Ints, sizes: Ints, places: Ints) -> Ints:
    """Return ranks that differ within a group of any size, of which each group takes its part of the children.

    A group of k children samples the parents systematically: the j-th takes the one at (j + u) / k of all slots, u
    being the group's own. Parents stand with the most children first, so that the ranks r(j) are convex in j and
    max(r(j), r(0) + j) rises by at least one at each step.
    """
    order = randomness.permuted(randomness.key(own.stream, "groups"), ranks, group.parents)
    offsets = (order + 0.5) / max(1, group.parents)
    drawn, first = (own.ranks.of_shares((at + offsets) / sizes) for at in (places, np.zeros_like(places)))
    apart = np.maximum(drawn, first + places)
    apart = np.minimum(apart, own.parents - sizes + places + 0.5).clip(0)
    found: Ints = np.minimum(apart.astype(np.int64), own.parents - 1)
    return found
