"""Columns of values: each shape drawn for any rows of its table, as an Arrow array of the column's type."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rehearse.datasets import arrow, keys, randomness, vocabulary
from rehearse.datasets.plan import Plan, Reference, TablePlan
from rehearse.datasets.randomness import Bools, Floats, Ints
from rehearse.profiles import Type
from rehearse.profiles import shapes as sh

_MICROSECONDS = 1_000_000
_LN_2 = math.log(2)
_DIGITS, _LETTERS = pa.array(list("0123456789")), pa.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_TEXT = Type(kind="text", declared="text")


@dataclass(slots=True)
class Frame:
    """Some rows of one table, whose columns are made when asked for, and once."""

    plan: Plan
    table: TablePlan
    rows: Ints
    made: dict[str, pa.Array] = field(default_factory=dict)
    pointed: dict[tuple[str, ...], tuple[Ints, Bools]] = field(default_factory=dict)

    def column(self, name: str) -> pa.Array:
        """Return a column's values for these rows."""
        if name not in self.made:
            self.made[name] = self._column(name)
        return self.made[name]

    def stream(self, *names: object) -> int:
        """Return the key of a stream of random numbers of this table."""
        return randomness.key(self.plan.seed, self.table.name, *names)

    def parents(self, reference: Reference) -> tuple[Ints, Bools]:
        """Return the places of the rows' parents, and which rows have none."""
        if reference.columns not in self.pointed:
            self.pointed[reference.columns] = self._parents(reference)
        return self.pointed[reference.columns]

    def parent_column(self, reference: Reference, name: str) -> pa.Array:
        """Return a column of the rows' parents; null where a row has none."""
        places, missing = self.parents(reference)
        parent = self.plan.tables.get(reference.parent)
        if parent is None or not parent.rows:
            return pa.nulls(len(self.rows), arrow.arrow_type(self.table.columns[reference.columns[0]].type))
        values = Frame(self.plan, parent, places).column(name)
        return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values) if missing.any() else values

    def positions(self, column: str) -> Ints:
        """Return 0, 1, 2 … among the children of one parent."""
        reference = self.table.references[column]
        count = self.plan.tables[reference.parent].rows
        return keys.positions(self._reference_stream(reference), reference.shape, self.rows, self.table.rows, count)

    def _column(self, name: str) -> pa.Array:
        reference, kind = self.table.references.get(name), self.table.columns[name].type
        if reference is not None and isinstance(self.table.shapes[name], sh.Parent):
            key = reference.parent_columns[reference.columns.index(name)]
            return arrow.cast(self.parent_column(reference, key), kind)
        values = draw(self.table.shapes[name], kind, self, self.stream(name))
        share = self.table.nulls[name]
        if not share:
            return values
        missing = randomness.uniform(self.stream(name, "null"), self.rows) < share
        return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)

    def _parents(self, reference: Reference) -> tuple[Ints, Bools]:
        stream, parent = self._reference_stream(reference), self.plan.tables.get(reference.parent)
        count, own = (parent.rows if parent else 0), reference.parent == self.table.name
        missing = randomness.uniform(randomness.key(stream, "null"), self.rows) < reference.null
        if not count:
            return np.zeros_like(self.rows), np.ones(len(self.rows), np.bool_)
        if reference.ranked:
            group = self.parents(self.table.references[reference.ranked])[0]
            return keys.ranked(stream, group, self.positions(reference.ranked), count), missing
        places = keys.parents(stream, reference, self.rows, self.table.rows, count, own=own)
        nullable = all(self.table.columns[column].nullable for column in reference.columns)
        places, missing = np.maximum(places, 0), missing | ((places < 0) & nullable)
        return places, missing

    def _reference_stream(self, reference: Reference) -> int:
        return self.stream("parents", *reference.columns)


def draw(shape: sh.Shape, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return values of a shape for a frame's rows, in the Arrow type of the column."""
    return _DRAWERS[type(shape)](shape, kind, frame, stream)


def _serial(shape: sh.Serial, kind: Type, frame: Frame, _stream: int) -> pa.Array:
    return arrow.from_integers(shape.start + frame.rows * shape.step, kind)


def _position(shape: sh.Position, kind: Type, frame: Frame, _stream: int) -> pa.Array:
    return arrow.from_integers(frame.positions(shape.within) + 1, kind)


def _choice(shape: sh.Choice, kind: Type, frame: Frame, stream: int) -> pa.Array:
    weights = shape.of if isinstance(shape.of, Mapping) else dict.fromkeys(map(_word, shape.of), 1.0)
    values, drawn = _pool(weights, kind), randomness.uniform(stream, frame.rows)
    picked = values.take(pa.array(_by_weight(weights, drawn)))
    if shape.recent is None:
        return picked
    recent = frame.rows >= frame.table.rows * (1.0 - shape.recent_rows)
    if not recent.any():
        return picked
    late = _pool(shape.recent, kind).take(pa.array(_by_weight(shape.recent, drawn)))
    return pc.if_else(pa.array(recent), late, picked)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pool(weights: Mapping[str, float], kind: Type) -> pa.Array:
    return arrow.cast(pa.array(list(weights), pa.string()), kind)


def _by_weight(weights: Mapping[str, float], drawn: Floats) -> Ints:
    limits = np.cumsum(list(weights.values()))
    return np.minimum(np.searchsorted(limits / limits[-1], drawn, side="right"), len(limits) - 1)


def _number(shape: sh.Number, kind: Type, frame: Frame, stream: int) -> pa.Array:
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


def _histogram(shape: sh.Histogram, kind: Type, frame: Frame, stream: int) -> pa.Array:
    bounds = shape.bounds
    moments = isinstance(bounds[0], date)
    edges = np.array([_micros(one) if isinstance(one, date) else one for one in bounds], np.float64)
    place = randomness.uniform(stream, frame.rows) * (len(edges) - 1)
    drawn = np.interp(place, np.arange(len(edges)), edges)
    values = arrow.from_micros(drawn.astype(np.int64), kind) if moments else arrow.from_floats(drawn, kind)
    if not shape.common:
        return values
    known = sum(shape.common.values())
    drawn = randomness.uniform(randomness.key(stream, "common"), frame.rows)
    usual = _pool(shape.common, kind).take(pa.array(_by_weight(shape.common, drawn / max(known, 1e-12))))
    return pc.if_else(pa.array(drawn < known), usual, values)


def _micros(moment: sh.Moment) -> int:
    whole = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    aware = whole if whole.tzinfo else whole.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _time(shape: sh.Time, kind: Type, frame: Frame, stream: int) -> pa.Array:
    until = _micros(shape.until or frame.plan.profile.now)
    history = round(frame.plan.profile.years * 365.25 * 86_400 * _MICROSECONDS)
    since = _micros(shape.since) if shape.since else until - history
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


def _after(shape: sh.After, kind: Type, frame: Frame, stream: int) -> pa.Array:
    start = _source(shape.of, frame)
    base = pc.fill_null(arrow.to_micros(start), 0).to_numpy(zero_copy_only=False)
    delay = -np.log1p(-randomness.uniform(stream, frame.rows)) * (shape.typical / _LN_2) + shape.at_least
    if shape.same:
        delay[randomness.uniform(randomness.key(stream, "same"), frame.rows) < shape.same] = 0.0
    moments = base + (delay * _MICROSECONDS).astype(np.int64)
    if not shape.open:
        moments = np.minimum(moments, np.maximum(base, _micros(frame.plan.profile.now)))
    values = arrow.from_micros(moments, kind)
    return pc.if_else(start.is_null(), pa.scalar(None, values.type), values) if start.null_count else values


def _copy(shape: sh.Copy, kind: Type, frame: Frame, _stream: int) -> pa.Array:
    return arrow.cast(_source(shape.of, frame), kind)


def _source(of: str, frame: Frame) -> pa.Array:
    first, _, second = of.partition(".")
    return frame.parent_column(frame.table.references[first], second) if second else frame.column(first)


def _text(shape: sh.Text, kind: Type, frame: Frame, stream: int) -> pa.Array:
    number = None
    if shape.unique:
        number = pc.cast(pa.array(randomness.permuted(stream, frame.rows, frame.table.rows) + 1), pa.string())
    text = vocabulary.draw(shape.of, stream, frame.rows, number=number)
    if kind.length is None or (number is None and kind.kind != "text"):
        return arrow.cast(text, kind)
    return _cut(text, number, kind.length)


def _cut(text: pa.Array, number: pa.Array | None, length: int) -> pa.Array:
    """Return texts of at most `length` characters; one that is too long keeps its number, which makes it unique."""
    short = pc.utf8_slice_codeunits(text, 0, length)
    if number is None:
        return short
    long = pc.greater(pc.utf8_length(text), length)
    if not pc.any(long).as_py():
        return text
    room = max(0, length - int(pc.max(pc.utf8_length(number)).as_py()) - 1)
    kept = vocabulary.join(pc.utf8_slice_codeunits(text, 0, room), "~", number)
    return pc.if_else(long, pc.utf8_slice_codeunits(kept if room else number, 0, length), text)


def _pattern(shape: sh.Pattern, kind: Type, frame: Frame, stream: int) -> pa.Array:
    sizes = [{"#": 10, "?": 26}.get(sign, 1) for sign in shape.pattern]
    total = math.prod(sizes)
    if shape.unique and total < frame.table.rows:  # more rows than the pattern has texts: more digits at the end
        longer = sh.Pattern(pattern=shape.pattern + "#" * len(str(frame.table.rows // total)), unique=True)
        return _pattern(longer, kind, frame, stream)
    left = _codes(stream, frame.rows, min(total, 1 << 62), unique=shape.unique)
    parts: list[Any] = []
    for sign in reversed(shape.pattern):
        if sign in "#?":
            letters = _DIGITS if sign == "#" else _LETTERS
            left, digit = np.divmod(left, len(letters))
            parts.append(letters.take(pa.array(digit)))
        else:
            parts.append(sign)
    return arrow.cast(_filled(vocabulary.join(*reversed(parts)), len(frame.rows)), kind)


def _filled(text: Any, count: int) -> pa.Array:
    return pa.array([text.as_py()] * count) if isinstance(text, pa.Scalar) else text


def _codes(stream: int, rows: Ints, total: int, *, unique: bool) -> Ints:
    if unique:
        return randomness.permuted(stream, rows, total)
    return (randomness.words(stream, rows) % np.uint64(total)).astype(np.int64)


def _bool(shape: sh.Bool, kind: Type, frame: Frame, stream: int) -> pa.Array:
    return arrow.cast(pa.array(randomness.uniform(stream, frame.rows) < shape.true), kind)


def _json(shape: sh.Json, kind: Type, frame: Frame, stream: int) -> pa.Array:
    parts = [_member(name, inner, frame, randomness.key(stream, name)) for name, inner in shape.keys.items()]
    if not parts:
        return pa.array(["{}"] * len(frame.rows))
    inside = vocabulary.join(*parts) if len(parts) > 1 else parts[0]
    return arrow.cast(vocabulary.join("{", pc.utf8_slice_codeunits(inside, 1), "}"), kind)


def _member(name: str, shape: sh.Shape, frame: Frame, stream: int) -> pa.Array:
    """Return `,"name":value` for each row, or nothing where the key is left out."""
    value = vocabulary.join(f",{json.dumps(name)}:", _json_value(shape, frame, stream))
    if not shape.null:
        return value
    missing = randomness.uniform(randomness.key(stream, "null"), frame.rows) < shape.null
    return pc.if_else(pa.array(missing), pa.scalar(""), value)


def _json_value(shape: sh.Shape, frame: Frame, stream: int) -> pa.Array:
    if isinstance(shape, sh.Json):
        return _json(shape, _TEXT, frame, stream)
    if isinstance(shape, sh.Items):
        drawn = draw(shape, Type(kind="array", declared="", element=_TEXT), frame, stream)
        return vocabulary.join("[", pc.binary_join(_quoted_items(drawn), ","), "]")
    if isinstance(shape, sh.Choice) and not isinstance(shape.of, Mapping):
        literals = {json.dumps(one, ensure_ascii=False): 1.0 for one in shape.of}
        return draw(sh.Choice(of=literals), _TEXT, frame, stream)
    drawn = draw(shape, Type(kind="json", declared="jsonb"), frame, stream)
    return drawn if isinstance(shape, sh.Number | sh.Bool | sh.Serial) else _quoted(drawn)


def _quoted(text: pa.Array) -> pa.Array:
    safe = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '\\"')
    return vocabulary.join('"', safe, '"')


def _quoted_items(lists: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(lists.offsets, _quoted(lists.values))


def _items(shape: sh.Items, kind: Type, frame: Frame, stream: int) -> pa.Array:
    if kind.element is None:
        raise pa.ArrowInvalid("the column is no array")
    sizes = shape.least + randomness.below(stream, frame.rows, shape.most - shape.least + 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    inner = Frame(frame.plan, frame.table, np.repeat(frame.rows, sizes) * (shape.most + 1) + place)
    values = draw(shape.of, kind.element, inner, randomness.key(stream, "items"))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _random(shape: sh.Random, kind: Type, frame: Frame, stream: int) -> pa.Array:
    first = randomness.words(stream, frame.rows)
    if kind.kind == "inet":
        return arrow.inet(first)
    if kind.kind in ("uuid", "text", "json"):
        second = randomness.permuted(stream, frame.rows, max(2, frame.table.rows)).astype(np.uint64)
        mixed = first ^ (second * np.uint64(0x9E3779B97F4A7C15))
        return arrow.uuid(first, mixed, kind)
    return _random_bytes(shape, frame, stream)


def _random_bytes(shape: sh.Random, frame: Frame, stream: int) -> pa.Array:
    sizes = shape.least + randomness.below(stream, frame.rows, max(0, shape.most - shape.least) + 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    rows, places = np.repeat(frame.rows, (sizes + 7) // 8), (sizes + 7) // 8
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(places) - places, places)
    whole = randomness.words(randomness.key(stream, "bytes"), rows * 16_384 + turn).view(np.uint8)
    kept = np.arange(8 * len(rows)) - np.repeat(8 * (np.cumsum(places) - places), 8 * places) < np.repeat(
        sizes, 8 * places
    )
    content = whole[kept]
    return pa.BinaryArray.from_buffers(pa.binary(), len(sizes), [None, pa.py_buffer(offsets), pa.py_buffer(content)])


def _value(shape: sh.Value, kind: Type, frame: Frame, _stream: int) -> pa.Array:
    if shape.value is None:
        return pa.nulls(len(frame.rows), arrow.arrow_type(kind))
    if kind.kind == "array" and isinstance(shape.value, list):
        one = pa.array([shape.value], arrow.arrow_type(kind))
    else:
        one = arrow.cast(pa.array([json.dumps(shape.value) if kind.kind == "json" else _word(shape.value)]), kind)
    return one.take(pa.array(np.zeros(len(frame.rows), np.int64)))


_DRAWERS: Mapping[type, Callable[[Any, Type, Frame, int], pa.Array]] = {
    sh.Serial: _serial,
    sh.Position: _position,
    sh.Choice: _choice,
    sh.Number: _number,
    sh.Histogram: _histogram,
    sh.Time: _time,
    sh.After: _after,
    sh.Copy: _copy,
    sh.Text: _text,
    sh.Pattern: _pattern,
    sh.Bool: _bool,
    sh.Json: _json,
    sh.Items: _items,
    sh.Random: _random,
    sh.Value: _value,
}
