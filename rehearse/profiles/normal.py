"""The normal distribution in columns, by a table: scores from shares and back."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_GRID = np.linspace(-8.0, 8.0, 16_385)


def scores(shares: Floats) -> Floats:
    """Return the standard normal number below which each share of a normal population lies."""
    return np.interp(shares, _shares(), _GRID)


def shares(scores: Floats) -> Floats:
    """Return the share of a normal population below each number; wrong by 3e-8 at the most."""
    return np.interp(scores, _GRID, _shares())


@cache
def _shares() -> Floats:
    return np.array([0.5 * math.erfc(-score / math.sqrt(2.0)) for score in _GRID])
