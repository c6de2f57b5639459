"""The children that parents have: estimated from statistics, and counted ones made short."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from rehearse.profiles import figures
from rehearse.profiles.statistics import ColumnStatistics, Groups


def estimated_groups(found: ColumnStatistics, rows: float, parents: float) -> Groups:
    """Return the fan-out that statistics suggest: the common parents as they are, the others geometrically.

    The number of different parents is the server's estimate, which is too low where the fan-out is skewed.
    """
    heavy = [(share * rows, 1) for _, share in found.common]
    distinct = min(parents, max(len(heavy), figures.value_count(found, rows)))
    others, children = distinct - len(heavy), max(0.0, rows * (1.0 - found.null) - sum(one for one, _ in heavy))
    groups: list[tuple[float, int]] = list(heavy)
    if others >= 1 and children:
        groups += _geometric(children, round(others))
    none = round(parents - sum(count for _, count in groups))
    return (*groups, *([(0.0, none)] if none > 0 else []))


def _geometric(children: float, parents: int) -> Iterator[tuple[float, int]]:
    mean = children / parents
    if mean <= 1.05 or parents < 20:
        yield mean, parents
        return
    chance, left_parents, left_children = 1.0 / mean, parents, children
    edges = sorted({1, 2, 3, 4, 5, 7, 10, *(round(mean * factor) for factor in (0.5, 1, 1.5, 2, 3, 4, 6))} - {0})
    for low, high in itertools.pairwise(edges):
        count = round(parents * ((1 - chance) ** (low - 1) - (1 - chance) ** (high - 1)))
        size = low + (high - low - 1) * 0.45
        if 0 < count < left_parents and size * count < left_children:
            left_parents, left_children = left_parents - count, left_children - size * count
            yield size, count
    yield left_children / left_parents, left_parents


def binned(groups: Groups, most: int = 60) -> Iterator[tuple[float, int]]:
    """Yield groups, the fewest children first, those of about as many children put together so that `most` are left."""
    ordered = sorted(group for group in groups if group[1] > 0)
    ratio = 1.0
    while len(bins := _bins(ordered, ratio)) > most:
        ratio *= 1.05
    for one in bins:
        parents = sum(count for _, count in one)
        mean = sum(children * count for children, count in one) / parents
        yield (round(mean, 3) if not mean.is_integer() else int(mean)), parents


def _bins(ordered: Sequence[tuple[float, int]], ratio: float) -> list[list[tuple[float, int]]]:
    bins: list[list[tuple[float, int]]] = []
    for group in ordered:
        if bins and bins[-1][0][0] > 0 and group[0] <= bins[-1][0][0] * ratio:
            bins[-1].append(group)
        else:
            bins.append([group])
    return bins
