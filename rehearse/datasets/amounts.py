"""Numbers and moments, drawn."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rehearse.datasets import arrow, quantiles, randomness
from rehearse.datasets.quantiles import micros
from rehearse.datasets.randomness import Ints
from rehearse.profiles import Type
from rehearse.profiles import shapes as sh

if TYPE_CHECKING:
    from rehearse.datasets.frame import Frame

_MICROSECONDS = 1_000_000
_STEPS = {"integer": 1.0, "numeric": 0.0, "date": 86_400.0 * _MICROSECONDS}  # between two values of a kind
_LN_2 = math.log(2)


def number(shape: sh.Number, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return numbers between two, or around a median."""
    if shape.median is None:
        drawn = shape.low + randomness.uniform(stream, frame.rows) * (shape.high - shape.low + _whole(kind))
    else:
        drawn = shape.median * np.exp(shape.sigma * randomness.normal(stream, frame.rows))
    if shape.step:
        drawn = np.round(drawn / shape.step) * shape.step
    drawn = np.clip(drawn, shape.low, shape.high)
    return arrow.from_floats(np.floor(drawn) if _whole(kind) else drawn, kind)


def _whole(kind: Type) -> int:
    return int(kind.kind in ("integer", "json", "text"))


def histogram(shape: sh.Histogram, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return values of a measured distribution."""
    curve, drawn = quantiles.curve(shape), frame.uniform(stream, shape.correlation)
    rest = max(0.0, 1.0 - sum(shape.common.values())) * (1.0 - (shape.null or 0.0))
    kinds = None
    if shape.distinct is not None:  # where values follow the rows' places no step is left out by chance
        in_order = abs(shape.correlation) >= 1.0
        kinds = kinds_of(shape.distinct, frame, math.inf if in_order else rest, grows=shape.grows)
    moments = isinstance(shape.bounds[0], date)
    if kinds is not None and kind.kind in _STEPS:
        kinds = quantiles.apart(
            shape, kinds, 10.0 ** -arrow.scale(kind) if kind.kind == "numeric" else _STEPS[kind.kind]
        )
    values = curve.spread(drawn, kinds)
    return arrow.from_micros(values.astype(np.int64), kind) if moments else arrow.from_floats(values, kind)


def time(shape: sh.Time, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return moments that grow with the row's place, or lie anywhere."""
    until = micros(shape.until or frame.plan.profile.now)
    history = round(frame.plan.profile.years * 365.25 * 86_400 * _MICROSECONDS)
    since = micros(shape.since) if shape.since else until - history
    if shape.order == "random":
        place = randomness.uniform(stream, frame.rows)
    else:
        place = (frame.rows + 0.5) / max(1, frame.table.rows)
    if shape.growth != 1.0:
        place = np.log1p(place * (shape.growth - 1.0)) / math.log(shape.growth)
    moments = since + (place * (until - since)).astype(np.int64)
    if shape.jitter:
        width = shape.jitter * _MICROSECONDS
        moments += ((randomness.uniform(stream, frame.rows) - 0.5) * 2.0 * width).astype(np.int64)
        moments = np.clip(moments, since, until)
    return arrow.from_micros(moments, kind)


def after(shape: sh.After, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return moments after others."""
    start = source(shape.of, frame)
    base = pc.fill_null(arrow.to_micros(start), 0).to_numpy(zero_copy_only=False)
    drawn = frame.uniform(stream)
    if shape.parts:
        left = np.maximum(0, micros(shape.until or frame.plan.profile.now) - base) / _MICROSECONDS
        delay = left * np.interp(drawn * (len(shape.parts) - 1), np.arange(len(shape.parts)), shape.parts)
    elif shape.delays:
        delay = np.interp(drawn * (len(shape.delays) - 1), np.arange(len(shape.delays)), shape.delays)
    else:
        delay = -np.log1p(-drawn) * (shape.typical / _LN_2) + shape.at_least
    if shape.same:
        delay[randomness.uniform(randomness.key(stream, "same"), frame.rows) < shape.same] = 0.0
    moments = base + (delay * _MICROSECONDS).astype(np.int64)
    if not shape.open:
        moments = np.minimum(moments, np.maximum(base, micros(frame.plan.profile.now)))
    if shape.common:
        moments = _shared(shape, base, moments, frame, stream)
    values = arrow.from_micros(moments, kind)
    return pc.if_else(start.is_null(), pa.scalar(None, values.type), values) if start.null_count else values


def _shared(shape: sh.After, base: Ints, moments: Ints, frame: Frame, stream: int) -> Ints:
    """Return the moments with those put in that many rows share, unless a row began later."""
    common = np.array([micros(datetime.fromisoformat(text)) for text in shape.common], np.int64)
    drawn = randomness.uniform(randomness.key(stream, "common"), frame.rows)
    which = np.searchsorted(np.cumsum(list(shape.common.values())), drawn, side="right")
    shared = common[np.minimum(which, len(common) - 1)]
    return np.where((which < len(common)) & (shared >= base), shared, moments)


def source(of: str, frame: Frame) -> pa.Array:
    """Return a column of these rows, or of their parents."""
    first, _, second = of.partition(".")
    return frame.parent_column(frame.table.references[first], second) if second else frame.column(first)


def kinds_of(distinct: int, frame: Frame, share: float, *, grows: bool) -> int | None:
    """Return from how many values to draw so that about `distinct` occur in a share of the rows; None: all differ."""
    wanted = max(1, round(distinct * frame.table.growth)) if grows else distinct
    return wanted if math.isinf(share) else quantiles.pool_size(wanted, max(1, round(frame.table.rows * share)))
