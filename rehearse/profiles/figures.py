"""Figures of a column's statistics as a profile's shapes want them: rounded shares, quantiles, scores, counts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from rehearse.profiles import curves
from rehearse.profiles.defaults import default_shape
from rehearse.profiles.privacy import moment
from rehearse.profiles.shapes import Choice, Number, Shape, Time
from rehearse.profiles.statistics import ColumnStatistics
from rehearse.profiles.structure import Column, Type
from rehearse.profiles.structure import Table as TableStructure

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS = 101
_TOLERANCE = 0.004  # of a distribution function, when quantiles are left out
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(?:\+00)?)?")


def quantiles_of(bounds: Sequence[float], share: float, common: Sequence[tuple[float, float]]) -> list[float]:
    """Return quantiles at equal steps of a histogram, which has this share of the rows, and of common values beside it.

    Where there are no common values the bounds are returned as they are.
    """
    if not common:
        return list(bounds)
    total = share + sum(weight for _, weight in common)
    edges = np.array(bounds if share > 0 else sorted(value for value, _ in common), np.float64)
    at = np.linspace(0.0, 1.0, len(edges)) if len(edges) > 1 else np.zeros(len(edges))
    shares, values, _ = curves.steps(edges, at, [(value, weight / total) for value, weight in common])
    found: list[float] = np.interp(np.linspace(0.0, 1.0, _STEPS), shares, values).tolist()
    return found


def simplified(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the fewest quantiles, with their cumulative shares, whose straight lines stay near all the given ones."""
    at, found = np.linspace(0.0, 1.0, len(values)), np.array(values, np.float64)
    kept = {0, len(values) - 1}
    pending = [(0, len(values) - 1)]
    while pending:
        low, high = pending.pop()
        if high - low < 2:
            continue
        width = found[high] - found[low]
        line = at[low] + (found[low:high] - found[low]) / (width or 1.0) * (at[high] - at[low])
        off = np.abs(line - at[low:high])
        worst = low + int(np.argmax(off))
        if off.max() > _TOLERANCE and low < worst < high:
            kept.add(worst)
            pending += [(low, worst), (worst, high)]
    order = sorted(kept)
    return [float(at[one]) for one in order], [float(found[one]) for one in order]


def is_even(at: Sequence[float]) -> bool:
    """Say whether shares stand at equal steps."""
    steps = np.diff(at)
    return bool(np.allclose(steps, steps[0], atol=1e-6))


def kinds(found: ColumnStatistics, rows: float, told: int) -> dict[str, Any]:
    """Return the number of values beside those that are told; nothing where every row has its own."""
    filled = rows * (1.0 - found.null)
    count = round(value_count(found, rows) - told)
    if count < 1 or count >= 0.995 * filled:
        return {}
    return {"distinct": count} if found.distinct < 0 else {"distinct": count, "grows": False}


def value_count(found: ColumnStatistics, rows: float) -> float:
    """Return how many different values a column of so many rows has."""
    return found.distinct if found.distinct >= 0 else -found.distinct * rows


def distinct_of(counts: Sequence[int], rows: float, *, skewed: bool = False) -> float:
    """Return how many different values `rows` rows have, by how often each was seen in a sample of them.

    n d / (n - f + f n / N) for d values in a sample of n of N rows, f of them seen once (Haas and Stokes, 1998); where
    they may be `skewed`, d - f + f √(N / n) if that is more (the GEE of Charikar et al., 2000).
    """
    sampled, once = sum(counts), sum(one == 1 for one in counts)
    if not sampled or rows <= sampled:
        return float(len(counts))
    found = sampled * len(counts) / (sampled - once + once * sampled / rows)
    if skewed:
        found = max(found, len(counts) - once + once * math.sqrt(rows / sampled))
    return min(rows, found)


def score(found: ColumnStatistics) -> float:
    """Return a correlation of ranks as one of normal scores (2 sin πρ/6), without what equal values add to it.

    The server takes rows of one value in their order in the table, so that k values laid out at random show Σp².
    """
    if found.correlation is None:
        return 0.0
    filled = max(1e-9, 1.0 - found.null)
    ties = min(1.0, sum((share / filled) ** 2 for _, share in found.common))
    clean = (found.correlation - ties) / (1.0 - ties) if ties < 0.99 else 0.0
    score = 2.0 * math.sin(math.pi * max(-1.0, min(1.0, clean)) / 6.0)
    return 0.0 if abs(score) < 0.03 else round(score, 5 if abs(score) > 0.99 else 3)


def codes_with_others(
    codes: Sequence[tuple[str, float]], found: ColumnStatistics, filled: float, kinds: float
) -> Choice:
    """Return the values that may be told, and as many nameless ones as were held back, with what is left."""
    left, more = filled - sum(share for _, share in codes), round(kinds) - len(codes)
    weights = {value: rounded_share(share / filled) for value, share in codes}
    if more > 0 and left > 0:
        weights |= {f"other {at + 1}": rounded_share(left / filled / more) for at in range(more)}
    return Choice(of=weights, correlation=score(found))


def weighted(found: ColumnStatistics) -> list[tuple[str, float]]:
    """Return the values that were seen, with the share of rows that each stands for."""
    if found.seen:
        return list(found.seen)
    rest = max(0.0, 1.0 - found.null - sum(share for _, share in found.common))
    each = rest / len(found.bounds) if found.bounds else 0.0
    return [*found.common, *((value, each or 1e-9) for value in found.bounds)]


def characters(found: ColumnStatistics, kind: Type) -> float:
    """Return the mean length that the width means: a short text has a header of one byte, a long one of four."""
    return max(0.0, found.width_bytes - (1 if found.width_bytes <= 127 else 4))


def part(found: ColumnStatistics, value: str) -> float:
    """Return the share of a value among the rows that have one."""
    return dict(found.common).get(value, 0.0) / max(1e-9, 1.0 - found.null)


def rounded_share(share: float) -> float:
    """Return a share to five places, from 0 to 1."""
    return round(min(1.0, max(0.0, share)), 5)


def is_finite(text: str) -> bool:
    """Say whether a number is one, and neither infinite nor NaN."""
    return math.isfinite(float(text))


def micros(text: str) -> float | None:
    """Return a date or a timestamp in UTC as µs since 1970; None for infinity and years before Christ."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    whole = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00:00'}+00:00")
    return (whole - _EPOCH).total_seconds() * 1e6


def number(value: float, kind: Type) -> float:
    """Return a number as a column's type writes it."""
    return round(value) if kind.kind == "integer" or (kind.kind == "numeric" and kind.scale == 0) else value


def word(value: float, *, moments: bool) -> str:
    """Return a number, or a moment in µs since 1970, as a key."""
    if moments:
        return moment(value).isoformat()
    return str(int(value)) if value.is_integer() else str(value)


def magnitude(values: Sequence[float]) -> Shape:
    """Return numbers of about the same size, of which nothing else is told."""
    if not values:
        return Number()
    low, high = min(values), max(values)
    top = 10.0 ** math.ceil(math.log10(max(abs(low), abs(high), 1.0)))
    return Number(low=-top if low < 0 else top / 10 if low > top / 10 else 0.0, high=top)


def decades(values: Sequence[float]) -> Shape:
    """Return moments of about the same time, of which nothing else is told."""
    if not values:
        return Time(order="random")
    years = [moment(one).year for one in (min(values), max(values))]
    since, until = years[0] // 10 * 10, years[1] // 10 * 10 + 10
    return Time(order="random", since=datetime(since, 1, 1), until=datetime(until, 1, 1))


def default_shape_of(column: Column) -> Shape:
    """Return the shape that a column's type and name alone suggest."""
    alone = TableStructure(name="", columns={column.name: replace(column, has_default=False)})
    return default_shape(alone, alone.columns[column.name])
