"""Whether a figure of a run is worse than those of earlier runs beyond what the noise allows.

Durations scatter by factors and not by lengths, so they are compared as logarithms, with a floor (`grain`) below which
nothing is told apart. The band is a prediction interval for one further run from n earlier ones,
mean ± t · s · sqrt(1 + 1/n) at 99 % (any textbook on regression). With fewer than four of them their own scatter says
nothing yet, so the scatter that runs on one machine usually have is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

USUAL = 0.25  # standard deviation of the logarithm of a duration from run to run on a shared machine
_LEAST = 0.05  # of runs that happen to agree: no figure repeats itself to less than 5 %
_OWN = 4  # earlier runs from which on their own scatter is taken
_NORMAL = 2.58
# Student's t at 99 % (two-sided), by degrees of freedom.
_STUDENT = ((3, 5.84), (4, 4.60), (5, 4.03), (6, 3.71), (7, 3.50), (8, 3.36), (10, 3.17), (15, 2.95), (30, 2.75))


@dataclass(frozen=True, slots=True)
class Band:
    """Where a further run like `runs` earlier ones lies in 99 of 100 cases; `own`: by their own scatter."""

    low: float
    high: float
    runs: int
    own: bool


def band(earlier: Sequence[float], grain: float) -> Band | None:
    """Return the band for a further run; None without an earlier one. `grain` is in the figure's unit, above 0."""
    if not earlier:
        return None
    logs = [math.log(max(one, 0.0) + grain) for one in earlier]
    own = len(logs) >= _OWN
    scatter = max(stdev(logs), _LEAST) if own else USUAL
    half = (_student(len(logs) - 1) if own else _NORMAL) * scatter * math.sqrt(1 + 1 / len(logs))
    low, high = math.exp(mean(logs) - half) - grain, math.exp(mean(logs) + half) - grain
    return Band(max(low, 0.0), high, len(logs), own)


def _student(freedom: int) -> float:
    return next((t for most, t in reversed(_STUDENT) if freedom >= most), _STUDENT[0][1])
