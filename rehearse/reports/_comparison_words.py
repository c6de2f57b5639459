"""Amounts of a comparison as a reader takes them in: the median with its interval, the unit once."""

from __future__ import annotations

from rehearse.measures import ranking
from rehearse.reports import _words
from rehearse.reports._shape_comparison import SpreadSeen


def value(unit: str, amount: float | None) -> str:
    """Return an amount in its unit."""
    words = {
        "ms": _words.ms,
        "s": _words.seconds,
        "bytes": _words.size,
        "count": _words.count,
        "ratio": _words.ratio,
        "share": _words.share,
    }
    return words[unit](amount)


def interval(unit: str, spread: ranking.Spread | SpreadSeen | None) -> str | None:
    """Return "12–15 ms", without the unit where it is that of the median; None: the runs are alike, or there is one."""
    if spread is None or spread.measured < 2:
        return None
    (low, of_low), (high, of_high), (_, of_median) = (
        value(unit, one).rpartition(" ")[::2] for one in (spread.low, spread.high, spread.median)
    )
    if (low, of_low) == (high, of_high):
        return None
    if of_low != of_high or not low or " " in low + high:
        return f"{value(unit, spread.low)} – {value(unit, spread.high)}"
    return f"{low}–{high}" + ("" if of_high == of_median else f" {of_high}")


def cell(unit: str, spread: ranking.Spread | SpreadSeen | None) -> str:
    """Return the median with its interval."""
    if spread is None:
        return _words.NOT_MEASURED
    between = interval(unit, spread)
    return value(unit, spread.median) + (f" ({between})" if between else "")
