"""The children that parents have: estimated from statistics, and counted ones made short."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from rehearse.profiles import figures
from rehearse.profiles.statistics import ColumnStatistics, Groups

_UNLIKELY = 6.0  # standard deviations from chance, above which parts of the parents differ
_ALIKE = 0.1  # a part's mean this near to the whole's is no other
_PART_BINS = 24


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


def sliced(parts: Sequence[tuple[float, Groups]]) -> list[tuple[float, list[tuple[float, int]]]]:
    """Return the groups of each part of the parents, made short; nothing where the parts are alike.

    The parts' means are held against what chance gives: Σ n (m - M)² / s² follows a chi-square law.
    """
    if len(parts) < 2:
        return []
    whole = [group for _, groups in parts for group in groups]
    count = sum(parents for _, parents in whole)
    mean = sum(children * parents for children, parents in whole) / max(1, count)
    variance = sum((children - mean) ** 2 * parents for children, parents in whole) / max(1, count)
    means = [(sum(children * n for children, n in one) / max(1, sum(n for _, n in one)), one) for _, one in parts]
    between = sum((one - mean) ** 2 * sum(n for _, n in groups) for one, groups in means) / max(1e-9, variance)
    free = len(parts) - 1
    is_told = between > free + _UNLIKELY * math.sqrt(2.0 * free)
    if not is_told or max(abs(one - mean) for one, _ in means) < _ALIKE * mean:
        return []
    return [(round(upto, 5), [*binned(groups, _PART_BINS)]) for upto, groups in parts]


def _bins(ordered: Sequence[tuple[float, int]], ratio: float) -> list[list[tuple[float, int]]]:
    bins: list[list[tuple[float, int]]] = []
    for group in ordered:
        if bins and bins[-1][0][0] > 0 and group[0] <= bins[-1][0][0] * ratio:
            bins[-1].append(group)
        else:
            bins.append([group])
    return bins
