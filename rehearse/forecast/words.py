"""A fit in words: the law with its parameters, and what makes the interval as wide as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rehearse.forecast.fit import Fit, Point
from rehearse.forecast.models import CONSTANT, LINEAR, SORTED
from rehearse.units import NS_PER_S, human_duration, human_size

_MILLION = 1e6
_LEAST = 0.005  # a width below is not told


def law(fit: Fit, unit: str, rows: float, driver: str) -> str:
    """Return "12 ms + 1.83 s a million rows of orders"."""
    told = (lambda value: human_duration(value * NS_PER_S)) if unit == "s" else human_size
    if fit.law == CONSTANT:
        return f"{told(fit.fixed)}, whatever the size"
    of_rows = f"rows of {driver}" if driver else "rows"
    if fit.law in (LINEAR, SORTED):
        per = told(fit.slope * _MILLION / rows)
        grown = "" if fit.law == LINEAR else ", times the logarithm of their number over that at the largest size"
        return f"{told(fit.fixed)} + {per} a million {of_rows}{grown}"
    return f"{told(fit.fixed)} + a part that grows with the square of the {of_rows}"


def width(fit: Fit, points: Sequence[Point]) -> list[str]:
    """Return the reasons of the width, the largest first."""
    times = 1.0 / max(one.x for one in points)
    runs = len(points)
    parts = [
        (fit.of_law, f"the law is not certain over {times:,.3g} times the largest size run"),
        (math.hypot(fit.scatter, fit.of_runs), f"scatter of {runs} runs, of which one differs from the next"),
    ]
    parts.sort(reverse=True)
    return [f"± {100 * 1.645 * part:.0f} %: {says}" for part, says in parts if part > _LEAST]
