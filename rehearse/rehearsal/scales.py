"""At which sizes to measure, so that all of it fits a time limit: from what a first small size cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

COUNT = 4  # sizes, in a decade: three tell a law, the fourth tells when it is wrong
RATIO = 10.0 ** (-1.0 / (COUNT - 1))
LEAST_ROWS = 5_000  # of the largest table: fewer fit a few pages, and tell nothing of many
PILOT_ROWS = 20_000
_FIXED_LOAD_S, _FIXED_RUN_S = 0.5, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a size cost, in seconds: loading it, and one run on a copy of it."""

    x: float
    load_s: float
    run_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The sizes to measure, the smallest first, and how long it will take."""

    sizes: tuple[float, ...]
    seconds: float


def pilot(rows: float) -> float:
    """Return the first size to try, as a share of the largest table's rows at the target."""
    return min(1.0, PILOT_ROWS / max(rows, 1.0))


def plan(costs: Sequence[Cost], *, within_s: float, runs: float, traffic_s: float, rows: float) -> Plan:
    """Return a decade of sizes, the largest that fit the time that is left.

    `runs` are those of each size, `traffic_s` is what a run under traffic takes beyond the run itself.
    """
    load, run = (
        _rate([(one.x, one.load_s) for one in costs], _FIXED_LOAD_S),
        _rate([(one.x, one.run_s) for one in costs], _FIXED_RUN_S),
    )
    fixed = COUNT * (load[0] + runs * run[0] + traffic_s)
    growing = load[1] + runs * run[1]
    together = sum(RATIO**n for n in range(COUNT))
    largest = max(within_s - fixed, 0.0) / max(growing * together, 1e-12)
    least = min(1.0, LEAST_ROWS / max(rows, 1.0) / RATIO ** (COUNT - 1))
    largest = min(1.0, max(largest, least))
    sizes = tuple(_round(largest * RATIO**n) for n in reversed(range(COUNT)))
    return Plan(sizes=sizes, seconds=fixed + growing * together * largest)


def _rate(costs: Sequence[tuple[float, float]], fixed: float) -> tuple[float, float]:
    """Return (seconds, seconds a share) of a cost: by the two largest sizes, or by one with a usual fixed part."""
    known = sorted(costs)
    x, seconds = known[-1]
    if len(known) > 1 and known[-2][0] < x / 1.5:
        less_x, less = known[-2]
        slope = max((seconds - less) / (x - less_x), 0.2 * seconds / x)
        return max(seconds - slope * x, 0.0), slope
    fixed = min(fixed, 0.7 * seconds)
    return fixed, (seconds - fixed) / x


def _round(x: float) -> float:
    """Return a share with three digits."""
    return float(f"{x:.3g}") if x < 1.0 else 1.0


def rest(planned: Sequence[float], done: Sequence[float], largest: float) -> list[float]:
    """Return the sizes that are still to load: those above what is done are set anew, evenly apart up to what fits."""
    small = [x for x in planned if x <= max(done)]
    large = [x for x in planned if x > max(done)]
    top = min(1.0, max(largest, max(done) * 1.5))
    step = (top / max(done)) ** (1.0 / max(len(large), 1))
    anew = [_round(max(done) * math.pow(step, n + 1)) for n in range(len(large))]
    return [*small, *(x for x in anew if x > max(done))]
