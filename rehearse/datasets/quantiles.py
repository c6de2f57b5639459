"""Distributions that were measured: values from shares by an inverse distribution function, and how many differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from rehearse.datasets.randomness import Floats, Ints
from rehearse.profiles import curves
from rehearse.profiles.shapes import Histogram, Moment

_MOST_STEPS = 1 << 21
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Curve:
    """An inverse distribution function with steps: `common` values are the steps, `rest` says what lies between.

    `shares` are cumulative over all values, `values` and `rest` (cumulative over those that are not common) at them.
    """

    shares: Floats
    values: Floats
    rest: Floats

    def values_at(self, drawn: Floats) -> Floats:
        """Return the value at each share."""
        return np.interp(drawn, self.shares, self.values)

    def spread(self, drawn: Floats, kinds: int | None) -> Floats:
        """Return the value at each share; those that are not common are `kinds` different ones (None: any)."""
        if kinds is None:
            return self.values_at(drawn)
        place = np.searchsorted(self.shares, drawn, side="right").clip(1, len(self.shares) - 1)
        is_rest = self.rest[place] > self.rest[place - 1]
        rest = np.interp(drawn, self.shares, self.rest)
        stepped = (np.floor(rest * kinds) + 0.5) / kinds
        return np.where(is_rest, np.interp(stepped, self.rest, self.values), np.interp(drawn, self.shares, self.values))


def curve(shape: Histogram) -> Curve:
    """Return the inverse distribution function of a histogram, its common values merged in at their places."""
    bounds = np.array([number(one) for one in shape.bounds], np.float64)
    at = np.linspace(0.0, 1.0, len(bounds)) if shape.at is None else np.array(shape.at, np.float64)
    common = [(_parsed(value, shape), share) for value, share in shape.common.items()]
    return Curve(*curves.steps(bounds, at, common))


def number(value: float | Moment) -> float:
    """Return a bound as a number; a moment as µs since 1970 in UTC."""
    return float(micros(value)) if isinstance(value, date) else float(value)


def micros(moment: Moment) -> int:
    """Return a moment as µs since 1970; one without a zone is in UTC."""
    whole = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    aware = whole if whole.tzinfo else whole.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def _parsed(value: str, shape: Histogram) -> float:
    if isinstance(shape.bounds[0], date):
        return float(micros(datetime.fromisoformat(value)))
    return float(value)


def pool_size(distinct: int, rows: int) -> int | None:
    """Return from how many values `rows` must be drawn evenly so that about `distinct` of them occur.

    Solves distinct = d · (1 - exp(-rows / d)) for d. None: more than there are rows, so each row has its own.
    """
    if distinct >= 0.995 * rows:
        return None
    low, high = float(distinct), 200.0 * rows
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if middle * -math.expm1(-rows / middle) < distinct else (low, middle)
    return max(1, round(low))


def apart(shape: Histogram, kinds: int, unit: float) -> int:
    """Return into how many even steps to cut a histogram so that about `kinds` values remain after rounding.

    Where it is dense many steps round to one multiple of the `unit`. Up to 64 times as many.
    """
    key = (tuple(map(number, shape.bounds)), tuple(shape.at or ()), kinds, unit)
    return _apart(key)


@lru_cache(maxsize=256)
def _apart(key: tuple[tuple[float, ...], tuple[float, ...], int, float]) -> int:
    bounds, at, kinds, unit = key
    edges = np.array(bounds)
    shares = np.array(at) if at else np.linspace(0.0, 1.0, len(edges))
    steps = kinds
    while steps < 64 * kinds and steps < _MOST_STEPS:
        left = len(np.unique(np.round(np.interp((np.arange(steps) + 0.5) / steps, shares, edges) / unit)))
        if left >= 0.97 * kinds:
            break
        steps = round(steps * 1.4) + 1
    return steps


def lengths(quantiles: Sequence[int], drawn: Floats) -> Ints:
    """Return a whole number for each share, from quantiles at equal steps."""
    edges = np.array([*quantiles, *quantiles[-1:]] if len(quantiles) == 1 else quantiles, np.float64)
    return np.interp(drawn * (len(edges) - 1), np.arange(len(edges)), edges).round().astype(np.int64)
