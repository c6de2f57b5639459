"""Which of many weighted things a number picks: what np.searchsorted says, at an eighth of its cost.

A guide table (Chen and Asau 1974): [0, 1) is cut into equal steps, and for each is known how many limits lie before it.
A step that holds one limit at most needs one comparison; numbers in the others are searched for.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from rehearse.datasets.randomness import Floats, Ints

_STEPS_A_LIMIT = 8
_MOST_STEPS = 1 << 16


class Guide:
    """Finds places among limits that rise from 0 to 1."""

    def __init__(self, limits: Floats) -> None:
        """Count the limits before each step; their number is a power of two, so that no step's edge is rounded."""
        self._limits = np.append(limits, np.inf)
        self._steps = min(_MOST_STEPS, 1 << (_STEPS_A_LIMIT * len(limits)).bit_length())
        before = np.searchsorted(limits, np.arange(self._steps + 1) / self._steps, side="right")
        self._before, self._crowded = before[:-1].astype(np.int32), np.diff(before) > 1

    def places(self, drawn: Floats) -> Ints:
        """Return for each number of [0, 1] how many limits are not greater."""
        steps = np.minimum((drawn * self._steps).astype(np.int32), self._steps - 1)
        found = self._before[steps].astype(np.int64)
        found += self._limits[found] <= drawn
        crowded = np.flatnonzero(self._crowded[steps])
        if crowded.size:
            found[crowded] = np.searchsorted(self._limits[:-1], drawn[crowded], side="right")
        return found


@lru_cache(maxsize=256)
def by_weight(weights: tuple[float, ...]) -> Guide:
    """Return the guide that picks each of some things as often as its weight says; the last limit, 1, is left out."""
    limits = np.cumsum(weights)
    return Guide(limits[:-1] / limits[-1])
