"""How many children how many parents should have, by what a profile says of a reference; nothing is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rehearse.datasets.plan import Reference
from rehearse.profiles import shapes as sh

_STEPS = 2_000  # points that stand for a continuous distribution
_MOST_RANKS = 200_000
_STRETCHED = 0.05  # groups for another number of children a parent than this share are not compared

Floats = NDArray[np.float64]


def groups(reference: Reference, children: float, parents: int) -> Mapping[int, float] | None:
    """Return how many children how many parents should have; None where the profile states only those without any."""
    shape = reference.shape
    if not parents or reference.ranked:
        return None
    if reference.distinct:
        return {0: max(0.0, parents - children), 1: min(children, parents)}
    if shape.groups:
        return _counted_groups(shape, children / parents)
    if shape.order == "sorted":
        return _sorted(children / parents, shape.spread)
    return _drawn(shape, children, parents) if shape.order == "random" else None


def _counted_groups(shape: sh.Parent, wanted: float) -> Mapping[int, float] | None:
    """Return the groups as they were counted, unless the tables now have another number of children a parent."""
    parents = sum(count for _, count in shape.groups)
    counted = sum(children * count for children, count in shape.groups) / max(1, parents)
    if not counted or abs(wanted / counted - 1.0) > _STRETCHED:
        return None
    return _merged((number, float(count)) for number, count in shape.groups)


def _sorted(wanted: float, spread: float) -> Mapping[int, float]:
    """Return the groups of children that are kept together: evenly from 1 - spread to 1 + spread of their mean."""
    return _merged((size, 1.0) for size in wanted * (1.0 + spread * (2.0 * (np.arange(_STEPS) + 0.5) / _STEPS - 1.0)))


def _merged(sizes: Iterable[tuple[float, float]]) -> Mapping[int, float]:
    """Return groups of whole children: a size between two numbers is shared between them."""
    groups: dict[int, float] = {}
    for size, parents in sizes:
        low = math.floor(size)
        for number, share in ((low, low + 1.0 - size), (low + 1, size - low)):
            if share > 0:
                groups[number] = groups.get(number, 0.0) + share * parents
    return groups


def _drawn(shape: sh.Parent, children: float, parents: int) -> Mapping[int, float]:
    """Return the groups of parents drawn by Zipf's law, of density rank ** -skew, as a mixture of Poisson laws."""
    ranks = np.linspace(1.0, parents + 1.0, min(parents, _MOST_RANKS) + 1)
    weights = np.diff(np.log(ranks) if shape.skew == 1 else ranks ** (1.0 - shape.skew) / (1.0 - shape.skew))
    rates = weights / weights.mean() * children / parents / max(1e-9, 1.0 - shape.without)
    most = int(rates.max() + 12.0 * math.sqrt(rates.max()) + 12.0)
    edges = np.unique(np.concatenate([np.arange(64), np.geomspace(64, max(65, most), 200).astype(np.int64)]))
    binned, counts = np.unique(np.round(np.log(rates), 2), return_counts=True)
    active = counts / counts.sum() * (1.0 - shape.without)
    cumulative = np.array([active @ _poisson_below(int(edge), np.exp(binned)) for edge in edges]) + shape.without
    steps = np.diff(np.concatenate([[0.0], cumulative]))
    return {int(edge): float(step) for edge, step in zip(edges, steps, strict=True) if step > 0}


def _poisson_below(most: int, rates: Floats) -> Floats:
    """Return the probability of at most so many: summed up for few, by Wilson and Hilferty's cube root for many."""
    if most < 64:
        term = np.exp(-rates)
        total = term.copy()
        for number in range(1, most + 1):
            term = term * rates / number
            total += term
        return np.asarray(total, np.float64)
    place = 3.0 * np.sqrt(most + 1.0) * (1.0 - 1.0 / (9.0 * (most + 1.0)) - np.cbrt(rates / (most + 1.0)))
    return np.array([NormalDist().cdf(one) for one in place])
