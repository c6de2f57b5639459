"""Distribution functions with steps: common values stand as steps between quantiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def steps(bounds: Floats, at: Floats, common: Sequence[tuple[float, float]]) -> tuple[Floats, Floats, Floats]:
    """Return an inverse distribution function: shares, the values there, and the shares of those that are not common.

    `at` are cumulative shares (0 … 1) at the bounds, among the values that are not common; `common` are values with
    their shares of all, each a step at its place between the bounds.
    """
    ordered = sorted(common)
    values = np.array([value for value, _ in ordered], np.float64)
    weights = np.array([weight for _, weight in ordered], np.float64)
    if weights.sum() > 1.0:  # rounded shares may be a little more than there is
        weights /= weights.sum()
    left, before = max(0.0, 1.0 - float(weights.sum())), np.concatenate([[0.0], np.cumsum(weights)])
    places = np.interp(values, bounds, at).clip(at[0], at[-1])  # a slope between denormal bounds overflows
    rest = np.concatenate([at, places, places])
    jumps = np.concatenate([before[np.searchsorted(values, bounds)], before[:-1], before[1:]])
    shares = rest * left + jumps
    every = np.concatenate([bounds, values, values])
    order = np.lexsort((every, jumps, shares))  # where nothing lies between two steps, the lower one comes first
    return shares[order], every[order], rest[order]
