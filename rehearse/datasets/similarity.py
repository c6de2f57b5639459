"""How near two columns, pairs of columns or fan-outs are, from 0 (nothing in common) to 1 (alike).

The definitions are those that SDMetrics publishes (docs.sdv.dev/sdmetrics), under its names, where there is one. Each
is symmetric. None means that it could not be measured: a side has no value, or none that varies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Weights = Mapping[object, float]


def tv_complement(first: Weights, second: Weights) -> float | None:
    """Return SDMetrics' TVComplement of two distributions over categories, 1 − ½ Σ|p − q|; weights may have any sum."""
    one, other = sum(first.values()), sum(second.values())
    if one <= 0 or other <= 0:
        return None
    both = first.keys() | second.keys()
    return _share(1.0 - 0.5 * sum(abs(first.get(key, 0) / one - second.get(key, 0) / other) for key in both))


def tv_complement_of(first: Codes, second: Codes) -> float | None:
    """Return TVComplement of two columns of codes."""
    return tv_complement(_weights(first), _weights(second))


def ks_complement(
    first: Floats, second: Floats, *, first_weights: Floats | None = None, second_weights: Floats | None = None
) -> float | None:
    """Return SDMetrics' KSComplement of two columns of numbers: 1 − sup|F − G|; values may weigh more than 1 each."""
    if not first.size or not second.size:
        return None
    points = np.unique(np.concatenate([first, second]))
    gap = np.abs(_cumulative(first, first_weights, points) - _cumulative(second, second_weights, points))
    return _share(1.0 - float(gap.max()))


def missing_value_similarity(first: float, second: float) -> float:
    """Return SDMetrics' MissingValueSimilarity of two shares of nulls: 1 − |a − b|."""
    return _share(1.0 - abs(first - second))


def correlation(first: Floats, second: Floats) -> float | None:
    """Return Pearson's coefficient over the rows in which both are finite; None where one of them is constant."""
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < 2:
        return None
    one, other = _centred(first[both]), _centred(second[both])
    spread = float(np.sqrt((one @ one) * (other @ other)))
    return float(np.clip((one @ other) / spread, -1.0, 1.0)) if spread > 0 else None


def _centred(values: Floats) -> Floats:
    """Return the values around their mean, in a unit in which no square is too large for a float."""
    scaled = values / max(float(np.abs(values).max()), np.finfo(np.float64).tiny)
    return np.asarray(scaled - scaled.mean(), np.float64)


def ranks(values: Floats) -> Floats:
    """Return each value's place in order, ties at their mean, NaN at NaN; Spearman's coefficient is Pearson's of it."""
    known = np.flatnonzero(~np.isnan(values))
    placed = np.full(len(values), np.nan)
    _, inverse, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    placed[known] = (ends - (counts - 1) / 2.0)[inverse]
    return placed


def correlation_similarity(first: float | None, second: float | None) -> float | None:
    """Return SDMetrics' CorrelationSimilarity of two coefficients, Pearson's or Spearman's: 1 − |ρ_a − ρ_b| / 2."""
    return None if first is None or second is None else _share(1.0 - abs(first - second) / 2.0)


def contingency_similarity(first: tuple[Codes, Codes], second: tuple[Codes, Codes]) -> float | None:
    """Return SDMetrics' ContingencySimilarity of two pairs of columns: 1 − ½ ΣΣ|P − Q| over the pairs of categories."""
    return tv_complement(_pair_weights(*first), _pair_weights(*second))


def mutual_information(first: Codes, second: Codes) -> float | None:
    """Return the normalised mutual information of two columns, I(X;Y) / √(H(X) H(Y)); None where one is constant."""
    if not len(first):
        return None
    joint = np.array(list(_pair_weights(first, second).values())) / len(first)
    one, other = (np.unique(column, return_counts=True)[1] / len(column) for column in (first, second))
    scale = float(np.sqrt(_entropy(one) * _entropy(other)))
    return _share((_entropy(one) + _entropy(other) - _entropy(joint)) / scale) if scale > 0 else None


def cardinality_shape_similarity(first: Mapping[int, int], second: Mapping[int, int]) -> float | None:
    """Return SDMetrics' CardinalityShapeSimilarity: KSComplement of the children a parent has, those without included.

    Each side is {children: parents with so many}.
    """
    (one, its), (other, theirs) = _counted(first), _counted(second)
    return ks_complement(one, other, first_weights=its, second_weights=theirs)


def mean_children(groups: Mapping[int, int]) -> float | None:
    """Return how many children a parent has on average; None where there is no parent."""
    parents = sum(groups.values())
    return sum(children * count for children, count in groups.items()) / parents if parents else None


def ratio(first: float, second: float) -> float | None:
    """Return the smaller in the larger; 1 for two zeros, None for a negative."""
    low, high = sorted((first, second))
    if low < 0:
        return None
    return low / high if high else 1.0


def distinct_in(counts: NDArray[np.int64], rows: int) -> float:
    """Return how many distinct values so many rows would have of a column whose values occur `counts` times.

    Rarefaction (Hurlbert 1971): Σ 1 − C(N − Nᵢ, n) / C(N, n).
    """
    total = int(counts.sum())
    if rows >= total:
        return float(len(counts))
    occurring, kinds = np.unique(counts, return_counts=True)
    missed = [_missed(total, int(count), rows) for count in occurring]
    return float(((1.0 - np.array(missed)) * kinds).sum())


def distinct_ratio(first: Codes, second: Codes, *, scale: float | None = None) -> float | None:
    """Return the ratio of the numbers of distinct values in equally many rows.

    A reference to a table that was scaled too has `scale` times as many values; where a scale is given and both sides
    are whole, the nearer of the two expectations counts.
    """
    if not first.size or not second.size:
        return None
    mine, theirs = (np.unique(column, return_counts=True)[1] for column in (first, second))
    rows = min(len(first), len(second))
    found = ratio(distinct_in(mine, rows), distinct_in(theirs, rows)) or 0.0
    scaled = ratio(len(mine) * scale, len(theirs)) if scale is not None else None
    return max(found, scaled or 0.0)


def _missed(total: int, count: int, rows: int) -> float:
    """Return the probability that none of `count` rows is among `rows` drawn of `total`."""
    if rows > total - count:
        return 0.0
    parts = (total - count, -(total - count - rows), -total, total - rows)
    return math.exp(sum(math.copysign(math.lgamma(abs(part) + 1.0), part) for part in parts))


def _share(number: float) -> float:
    return min(1.0, max(0.0, number))


def _weights(codes: Codes) -> dict[object, float]:
    values, counts = np.unique(codes, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _pair_weights(first: Codes, second: Codes) -> dict[object, float]:
    (one, places), (other, theirs) = (np.unique(column, return_inverse=True) for column in (first, second))
    if not len(one):
        return {}
    cells, counts = np.unique(places * len(other) + theirs, return_counts=True)
    pairs = zip(one[cells // len(other)].tolist(), other[cells % len(other)].tolist(), strict=True)
    return dict(zip(pairs, counts.tolist(), strict=True))


def _cumulative(values: Floats, weights: Floats | None, points: Floats) -> Floats:
    order = np.argsort(values, kind="stable")
    places = np.searchsorted(values[order], points, side="right")
    if weights is None:
        return places / len(values)
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    return np.asarray(sums[places] / sums[-1], np.float64)


def _counted(groups: Mapping[int, int]) -> tuple[Floats, Floats]:
    pairs = [(children, parents) for children, parents in groups.items() if parents > 0]
    both = np.array(pairs, np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _entropy(shares: Floats) -> float:
    return float(-(shares * np.log(shares)).sum())
