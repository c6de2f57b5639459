"""Tries of a statement for a calibration: larger until it takes long enough to time, then again for its scatter."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Literal

from rehearse.model import Speed

_LONG_ENOUGH_S = 0.15
_TRIES = 6


def tried(
    name: Literal["cpu", "sort", "read"], unit: str, says: str, run: Callable[[int], object], *, least: int, most: int
) -> Speed:
    """Return the speed of `run(count)`, which does so many units of work."""
    count = least
    while (took := timed(run, count)) < _LONG_ENOUGH_S and count < most:
        count = min(most, math.ceil(count * min(8.0, 1.2 * _LONG_ENOUGH_S / max(took, 1e-6))))
    rates = [count / took, *(count / timed(run, count) for _ in range(_TRIES - 1))]
    return speed(name, unit, says, rates)


def timed(run: Callable[[int], object], count: int) -> float:
    """Return the seconds that one run took."""
    began = time.perf_counter()
    run(count)
    return time.perf_counter() - began


def speed(name: Literal["cpu", "sort", "read"], unit: str, says: str, rates: list[float]) -> Speed:
    """Return the median of the better half of the rates, for others only make it slower, with the scatter of all."""
    better = sorted(rates)[len(rates) // 2 :]
    logs = [math.log(one) for one in rates]
    doubt = statistics.stdev(logs) if len(logs) > 1 else 0.2
    return Speed(
        name=name, per_s=statistics.median(better), unit=unit, doubt=round(doubt, 4), tries=len(rates), says=says
    )
