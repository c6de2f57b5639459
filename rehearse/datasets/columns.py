"""Columns of values: each shape drawn for any rows of its table, as an Arrow array of the column's type."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rehearse.datasets import amounts, arrow, keys, objects, picking, randomness, vocabulary, words
from rehearse.datasets.frame import Frame, case_numbers
from rehearse.datasets.randomness import Floats, Ints
from rehearse.profiles import Type
from rehearse.profiles import shapes as sh

__all__ = ["Frame", "draw"]
_MICROSECONDS = 1_000_000
_IN_ORDER = 0.5  # correlation with the rows' places, above which a list's words come in their order
_FEW = 100  # rows with the rarer value of a bool, below which they are counted out


def draw(shape: sh.Shape, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return values of a shape for a frame's rows, in the Arrow type of the column."""
    return _DRAWERS[type(shape)](shape, kind, frame, stream)


def _serial(shape: sh.Serial, kind: Type, frame: Frame, stream: int) -> pa.Array:
    places = frame.rows if shape.order == "rows" else randomness.permuted(stream, frame.rows, frame.table.rows)
    return arrow.from_integers(shape.start + places * shape.step, kind)


def _position(shape: sh.Position, kind: Type, frame: Frame, _stream: int) -> pa.Array:
    return arrow.from_integers(frame.positions(shape.within) + 1, kind)


def _choice(shape: sh.Choice, kind: Type, frame: Frame, stream: int) -> pa.Array:
    weights = shape.of if isinstance(shape.of, Mapping) else dict.fromkeys(map(_word, shape.of), 1.0)
    if shape.each:
        in_order = shape.correlation > _IN_ORDER
        places = frame.rows if in_order else randomness.permuted(stream, frame.rows, frame.table.rows)
        return _pool(weights, kind).take(pa.array(places % len(weights)))
    if shape.within is not None:
        group = frame.parents(frame.table.references[shape.within])[0]
        places = keys.ranked(stream, group, frame.positions(shape.within), len(weights))
        return _pool(weights, kind).take(pa.array(places))
    drawn = frame.uniform(stream, shape.correlation, even=not shape.slices and shape.recent is None)
    picked = _picked(weights, kind, drawn)
    parts = [(1.0 - shape.recent_rows, shape.recent)] if shape.recent is not None else []
    starts = [0.0, *(upto for upto, _ in shape.slices[:-1])]
    parts += [(start, part) for start, (_, part) in zip(starts, shape.slices, strict=False)]
    for start, part in parts:
        later = frame.rows >= frame.table.rows * start
        if later.any():
            picked = pc.if_else(pa.array(later), _picked(part, kind, drawn), picked)
    return picked


def _picked(weights: Mapping[str, float], kind: Type, drawn: Floats) -> pa.Array:
    return _pool(weights, kind).take(pa.array(picking.by_weight(tuple(weights.values())).places(drawn)))


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pool(weights: Mapping[str, float], kind: Type) -> pa.Array:
    return arrow.cast(pa.array(list(weights), pa.string()), kind)


def _bool(shape: sh.Bool, kind: Type, frame: Frame, stream: int) -> pa.Array:
    rows = frame.table.rows
    rare = round(min(shape.true, 1.0 - shape.true) * rows)
    if 0 < rare < _FEW:  # so few that chance might leave out the lot
        is_rare = randomness.permuted(stream, frame.rows, rows) < rare
        return arrow.cast(pa.array(is_rare if shape.true < 0.5 else ~is_rare), kind)
    return arrow.cast(pa.array(frame.uniform(stream) >= 1.0 - shape.true), kind)


def _copy(shape: sh.Copy, kind: Type, frame: Frame, _stream: int) -> pa.Array:
    return arrow.cast(amounts.source(shape.of, frame), kind)


def _value(shape: sh.Value, kind: Type, frame: Frame, _stream: int) -> pa.Array:
    if shape.value is None:
        return pa.nulls(len(frame.rows), arrow.arrow_type(kind))
    if kind.kind == "array" and isinstance(shape.value, list):
        one = pa.array([shape.value], arrow.arrow_type(kind))
    else:
        one = arrow.cast(pa.array([json.dumps(shape.value) if kind.kind == "json" else _word(shape.value)]), kind)
    return one.take(pa.array(np.zeros(len(frame.rows), np.int64)))


def _range(shape: sh.Range, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return ranges as the server reads them, `[low,high)`; those of whole numbers and days are never empty."""
    drawn = -np.log1p(-randomness.uniform(randomness.key(stream, "length"), frame.rows)) * shape.length
    bound = arrow.RANGE_BOUNDS.get(kind.declared, arrow.RANGE_BOUNDS["tsrange"])
    low = draw(shape.low, bound, frame, stream)
    if bound.kind in ("timestamp", "date"):
        unit = 86_400 if bound.kind == "date" else 1
        later = arrow.to_micros(low).to_numpy() + ((drawn + 1.0) * unit * _MICROSECONDS).astype(np.int64)
        high = arrow.from_micros(later, bound)
    else:
        high = pc.add(low, arrow.from_floats(np.floor(drawn) + 1.0, bound))
    return vocabulary.join("[", pc.cast(low, pa.string()), ",", pc.cast(high, pa.string()), ")")


def _given(shape: sh.Given, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return for each row what the case of its other column gives; every case draws its rows alone."""
    numbers = case_numbers(frame, shape.of, list(shape.cases))
    parts, order = [], []
    for number, case in enumerate([*shape.cases.values(), shape.otherwise]):
        at = np.flatnonzero(numbers == number)
        if at.size:
            parts.append(_case(case, kind, frame, randomness.key(stream, "case"), at))
            order.append(at)
    if not parts:
        return pa.nulls(0, arrow.arrow_type(kind))
    return pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(order), kind="stable")))


def _case(shape: sh.Shape, kind: Type, frame: Frame, stream: int, at: Ints) -> pa.Array:
    picked = pa.array(at)
    made = {name: values.take(picked) for name, values in frame.made.items()}
    part = Frame(frame.plan, frame.table, frame.rows[at], made, raw=frame.raw, again=frame.again)
    values = draw(shape, kind, part, stream)
    if not shape.null:
        return values
    missing = randomness.uniform(randomness.key(stream, "null"), part.rows) < shape.null
    return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)


_DRAWERS: Mapping[type, Callable[[Any, Type, Frame, int], pa.Array]] = {
    sh.Serial: _serial,
    sh.Position: _position,
    sh.Choice: _choice,
    sh.Number: amounts.number,
    sh.Histogram: amounts.histogram,
    sh.Time: amounts.time,
    sh.After: amounts.after,
    sh.Copy: _copy,
    sh.Text: words.text,
    sh.Pattern: words.pattern,
    sh.Bool: _bool,
    sh.Json: objects.json_object,
    sh.Items: objects.items,
    sh.Random: words.random,
    sh.Value: _value,
    sh.Range: _range,
    sh.Given: _given,
}
