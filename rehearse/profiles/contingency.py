"""Tables of how often values of two columns come together, and what the one tells of the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def contingency(first: Codes, second: Codes, rows: int, columns: int) -> Floats:
    """Return how often each kind of one column comes with each of another; those that are below 0 are left out."""
    known = (first >= 0) & (second >= 0)
    counts = np.bincount(first[known] * columns + second[known], minlength=rows * columns)
    return counts.reshape(rows, columns).astype(np.float64)


def information(table: Floats) -> float:
    """Return the mutual information of a contingency table, in nats, without what chance alone shows (Miller, 1955)."""
    total = table.sum()
    if not total:
        return 0.0
    both, rows, columns = table / total, table.sum(1) / total, table.sum(0) / total
    expected = np.outer(rows, columns)
    known = both > 0
    bias = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1) / (2.0 * total)
    found = float(np.sum(both[known] * np.log(both[known] / expected[known]))) - bias
    return found if found > 0.0 else 0.0


def entropy(counts: Floats) -> float:
    """Return how much counts tell, in nats."""
    shares = counts[counts > 0] / max(1.0, counts.sum())
    return -float(np.sum(shares * np.log(shares)))
