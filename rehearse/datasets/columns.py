"""Columns of values: each shape drawn for any rows of its table, as an Arrow array of the column's type."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rehearse.datasets import arrow, corpus, keys, picking, quantiles, randomness, repair, vocabulary
from rehearse.datasets.fanout import Fanout
from rehearse.datasets.plan import Plan, Reference, TablePlan
from rehearse.datasets.quantiles import micros
from rehearse.datasets.randomness import Bools, Floats, Ints, Words
from rehearse.profiles import NullBy, Type, normal
from rehearse.profiles import shapes as sh

_MICROSECONDS = 1_000_000
_AHEAD = 0.9  # how far before its children a row of the same table lies, as a share of their place
_LN_2 = math.log(2)
_SIGNS = {"#": pa.array(list("0123456789")), "?": pa.array(list(ascii_uppercase)), "*": pa.array(list(ascii_lowercase))}
_TEXT = Type(kind="text", declared="text")


@dataclass(slots=True)
class Frame:
    """Some rows of one table, whose columns are made when asked for, and once.

    Those that a condition of the table binds are mended until it holds, unless the frame is `raw`; `again` says that it
    draws them a further time for that.
    """

    plan: Plan
    table: TablePlan
    rows: Ints
    made: dict[str, pa.Array] = field(default_factory=dict)
    pointed: dict[tuple[str, ...], tuple[Ints, Bools]] = field(default_factory=dict)
    scores: dict[str, Floats] = field(default_factory=dict)
    raw: bool = False
    again: repair.Again | None = None

    def column(self, name: str) -> pa.Array:
        """Return a column's values for these rows."""
        if name not in self.made:
            tie = None if self.raw else self.table.ties.get(name)
            if tie is None:
                self.made[name] = self._column(name)
            else:
                self.made |= self._mended(tie)
        return self.made[name]

    def stream(self, *names: object) -> int:
        """Return the key of a stream of random numbers of this table."""
        again = () if self.again is None else ("again", self.again.attempt, self.again.condition)
        return randomness.key(self.plan.seed, self.table.name, *names, *again)

    def parents(self, reference: Reference) -> tuple[Ints, Bools]:
        """Return the places of the rows' parents, and which rows have none."""
        if reference.columns not in self.pointed:
            places, missing = self._parents(reference)
            self.pointed[reference.columns] = places, self._missing(reference, missing)
        return self.pointed[reference.columns]

    def parent_column(self, reference: Reference, name: str) -> pa.Array:
        """Return a column of the rows' parents; null where a row has none."""
        places, missing = self.parents(reference)
        parent = self.plan.tables.get(reference.parent)
        if parent is None or not parent.rows:
            return pa.nulls(len(self.rows), arrow.arrow_type(self.table.columns[reference.columns[0]].type))
        if reference.shape.orphans:
            lost = randomness.uniform(self.stream("orphans", *reference.columns), self.rows) < reference.shape.orphans
            places = np.where(lost, places + parent.rows, places)
        values = Frame(self.plan, parent, places).column(name)
        return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values) if missing.any() else values

    def positions(self, column: str) -> Ints:
        """Return 0, 1, 2 … among the children of one parent."""
        reference = self.table.references[column]
        count = self.plan.tables[reference.parent].rows
        if not count:
            return np.zeros_like(self.rows)
        if reference.counted:
            return self._fanout(reference, count).places(self.rows)[1]
        return keys.positions(self._reference_stream(reference), reference.shape, self.rows, self.table.rows, count)

    def _mended(self, tie: repair.Tie) -> dict[str, pa.Array]:
        """Return the columns that conditions tie together, so that the conditions hold."""
        made = {name: self.made[name] for name in tie.columns if name in self.made}
        raw, columns = Frame(self.plan, self.table, self.rows, made, raw=True), self.table.columns
        drawn = {name: raw.column(name) for name in tie.columns}
        return repair.repaired(drawn, tie, columns, self._drawn_again, lambda: self._lent(tie))

    def _drawn_again(
        self, again: repair.Again, places: Ints, kept: Mapping[str, pa.Array], targets: frozenset[str]
    ) -> dict[str, pa.Array]:
        made = {name: values for name, values in kept.items() if name not in targets}
        frame = Frame(self.plan, self.table, self.rows[places], made, raw=True, again=again)
        return {name: frame.column(name) for name in targets}

    def _lent(self, tie: repair.Tie) -> dict[str, pa.Array]:
        """Return columns of a few rows from all over the table that hold, the same for every chunk."""
        rows = np.unique(np.linspace(0, max(0, self.table.rows - 1), repair.LENT_ROWS).astype(np.int64))
        raw = Frame(self.plan, self.table, rows, raw=True)
        some = Frame(self.plan, self.table, rows)
        return repair.good({name: raw.column(name) for name in tie.columns}, tie, self.table.columns, some._drawn_again)

    def _missing(self, reference: Reference, drawn: Bools) -> Bools:
        """Return which rows have no parent, where a condition may have taken it away."""
        name = reference.columns[0]
        if name not in self.table.ties or len(reference.columns) > 1:
            return drawn
        if not self.raw or name in self.made:
            return np.asarray(self.column(name).is_null())
        if self.again is None:
            return drawn
        return randomness.uniform(self.stream(name, "null"), self.rows) < self._null_share(name, reference.null)

    def _null_share(self, name: str, share: float) -> float | Floats:
        """Return the share of rows without a value, where this further draw does not ask for another."""
        asked, by = None if self.again is None else self.again.missing, self.table.nulls_by.get(name)
        free = self.table.columns[name].nullable and self.table.shapes[name].null is None and by is None
        if asked is None or (asked and not free):
            return share if by is None else self._null_shares(by)
        return asked

    def _column(self, name: str) -> pa.Array:
        reference, kind = self.table.references.get(name), self.table.columns[name].type
        if reference is not None and isinstance(self.table.shapes[name], sh.Parent):
            key = reference.parent_columns[reference.columns.index(name)]
            return arrow.cast(self.parent_column(reference, key), kind)
        shape = self.table.shapes[name] if self.again is None else self.again.loosened(self.table.shapes[name])
        values = draw(shape, kind, self, self.stream(name))
        share = self._null_share(name, self.table.nulls[name])
        if not np.any(share):
            return values
        missing = randomness.uniform(self.stream(name, "null"), self.rows) < share
        return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)

    def _null_shares(self, nulls: NullBy) -> Floats:
        numbers = _case_numbers(self, nulls.of, list(nulls.shares))
        return np.array([*nulls.shares.values(), nulls.otherwise])[numbers]

    def _parents(self, reference: Reference) -> tuple[Ints, Bools]:
        stream, parent = self._reference_stream(reference), self.plan.tables.get(reference.parent)
        count, own = (parent.rows if parent else 0), reference.parent == self.table.name
        missing = randomness.uniform(randomness.key(stream, "null"), self.rows) < reference.null
        if not count:
            return np.zeros_like(self.rows), np.ones(len(self.rows), np.bool_)
        if reference.ranked:
            return self._ranked(reference, self.table.references[reference.ranked], count), missing
        if reference.counted:
            places, _, missing = self._fanout(reference, count).places(self.rows)
            return (self._earlier(reference, places), missing | (self.rows == 0)) if own else (places, missing)
        places = keys.parents(stream, reference, self.rows, self.table.rows, count, own=own)
        nullable = all(self.table.columns[column].nullable for column in reference.columns)
        places, missing = np.maximum(places, 0), missing | ((places < 0) & nullable)
        return places, missing

    def _ranked(self, reference: Reference, beside: Reference, count: int) -> Ints:
        """Return parents that differ among the rows with the same parent by another reference."""
        group, positions = self.parents(beside)[0], self.positions(beside.columns[0])
        if reference.counted and beside.counted:
            other = self._fanout(beside, self.plan.tables[beside.parent].rows)
            return self._fanout(reference, count).beside(other, group, positions)
        return keys.ranked(self._reference_stream(reference), group, positions, count)

    def _fanout(self, reference: Reference, count: int) -> Fanout:
        own = reference.parent == self.table.name
        return Fanout(
            stream=self._reference_stream(reference),
            groups=_with_children(reference) if own else tuple(reference.shape.groups),
            children=self.table.rows,
            parents=round(count * _share_with_children(reference)) if own else count,
            orphans=reference.null,
            correlation=1.0 if own else reference.shape.correlation,
        )

    def _earlier(self, reference: Reference, places: Ints) -> Ints:
        """Return rows of the same table, each with its number of children, that come before these rows.

        Those with children lie at even steps, and their children in the same order: so far behind that one in ten steps
        is to spare.
        """
        step = _AHEAD / max(1e-9, _share_with_children(reference))
        return np.minimum((places * step).astype(np.int64), self.rows - 1).clip(0)

    def uniform(self, stream: int, correlation: float = 0.0) -> Floats:
        """Return a number in [0, 1) for each row, that goes with the row's place or its other columns as told."""
        joint = self._joint(stream)
        if joint is not None:
            return normal.shares(joint)
        if not correlation:
            return randomness.uniform(stream, self.rows)
        own = math.sqrt(1.0 - correlation**2)
        return normal.shares(correlation * self._place_scores() + own * randomness.normal(stream, self.rows))

    def _joint(self, stream: int) -> Floats | None:
        """Return the normal scores of the column with this stream, if it goes with others."""
        names, factors = self.table.joint
        at = next((at for at, name in enumerate(names) if self.stream(name) == stream), None)
        return None if at is None else sum(factors[at, one] * self._own_scores(names[one]) for one in range(at + 1))

    def _own_scores(self, name: str) -> Floats:
        """Return normal scores that are a joint column's alone; those of "#" are the row's place."""
        if name not in self.scores:
            key = randomness.key(self.stream(name), "joint")
            self.scores[name] = self._place_scores() if name == "#" else randomness.normal(key, self.rows)
        return self.scores[name]

    def _place_scores(self) -> Floats:
        return normal.scores((self.rows + 0.5) / max(1, self.table.rows))

    def _reference_stream(self, reference: Reference) -> int:
        return randomness.key(self.plan.seed, self.table.name, "parents", *reference.columns)


def _with_children(reference: Reference) -> tuple[tuple[float, int], ...]:
    return tuple((children, parents) for children, parents in reference.shape.groups if children > 0)


def _share_with_children(reference: Reference) -> float:
    every = sum(parents for _, parents in reference.shape.groups)
    return sum(parents for _, parents in _with_children(reference)) / max(1, every)


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
    values, drawn = _pool(weights, kind), frame.uniform(stream, shape.correlation)
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
    return picking.by_weight(tuple(weights.values())).places(drawn)


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
    curve, drawn = quantiles.curve(shape), frame.uniform(stream, shape.correlation)
    rest = max(0.0, 1.0 - sum(shape.common.values())) * (1.0 - (shape.null or 0.0))
    kinds = None
    if shape.distinct is not None:  # where values follow the rows' places no step is left out by chance
        in_order = abs(shape.correlation) >= 1.0
        kinds = _kinds(shape.distinct, frame, math.inf if in_order else rest, grows=shape.grows)
    moments = isinstance(shape.bounds[0], date)
    if kinds is not None and kind.kind in ("integer", "numeric"):
        kinds = quantiles.apart(shape, kinds, 0 if kind.kind == "integer" else arrow.scale(kind))
    values = curve.spread(drawn, kinds)
    return arrow.from_micros(values.astype(np.int64), kind) if moments else arrow.from_floats(values, kind)


def _kinds(distinct: int, frame: Frame, share: float, *, grows: bool) -> int | None:
    """Return from how many values to draw so that about `distinct` occur in a share of the rows; None: all differ."""
    wanted = max(1, round(distinct * frame.table.growth)) if grows else distinct
    return wanted if math.isinf(share) else quantiles.pool_size(wanted, max(1, round(frame.table.rows * share)))


def _numbered(shape: sh.Text | sh.Pattern | sh.Random, frame: Frame, stream: int) -> Frame | None:
    """Return a frame whose rows are the numbers of the values that these rows have; None: each row has its own."""
    if shape.distinct is None or getattr(shape, "unique", False):
        return None
    left = max(0.0, 1.0 - sum(shape.shares)) * (1.0 - (shape.null or 0.0)) * (1.0 - getattr(shape, "empty", 0.0))
    others = max(1, shape.distinct - len(shape.shares))
    kinds = _kinds(others, frame, left, grows=shape.grows)
    count = len(shape.shares) + (kinds or frame.table.rows)
    if shape.within is not None:
        group = frame.parents(frame.table.references[shape.within])[0]
        numbers = keys.ranked(stream, group, frame.positions(shape.within), count)
        return Frame(frame.plan, replace(frame.table, rows=count), numbers)
    drawn = randomness.uniform(randomness.key(stream, "value"), frame.rows)
    limits = np.cumsum(shape.shares)
    frequent = len(limits)
    numbers = np.searchsorted(limits, drawn, side="right")
    rest = numbers >= frequent
    known = float(limits[-1]) if frequent else 0.0
    more = max(1, count - frequent)
    drawn_anew = (drawn[rest] - known) / max(1e-12, 1.0 - known) * more
    numbers[rest] = frequent + (frame.rows[rest] if kinds is None else drawn_anew.astype(np.int64))
    table = replace(frame.table, rows=frequent + more)
    return Frame(frame.plan, table, numbers.astype(np.int64))


def _time(shape: sh.Time, kind: Type, frame: Frame, stream: int) -> pa.Array:
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


def _after(shape: sh.After, kind: Type, frame: Frame, stream: int) -> pa.Array:
    start = _source(shape.of, frame)
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
    values = arrow.from_micros(moments, kind)
    return pc.if_else(start.is_null(), pa.scalar(None, values.type), values) if start.null_count else values


def _copy(shape: sh.Copy, kind: Type, frame: Frame, _stream: int) -> pa.Array:
    return arrow.cast(_source(shape.of, frame), kind)


def _source(of: str, frame: Frame) -> pa.Array:
    first, _, second = of.partition(".")
    return frame.parent_column(frame.table.references[first], second) if second else frame.column(first)


def _text(shape: sh.Text, kind: Type, frame: Frame, stream: int) -> pa.Array:
    if shape.empty:
        return _with_empty(shape, kind, frame, stream)
    numbered = _numbered(shape, frame, stream)
    frame, unique = (numbered, True) if numbered else (frame, shape.unique)
    if shape.lengths:
        numbers = randomness.permuted(stream, frame.rows, frame.table.rows) if unique else None
        return arrow.cast(corpus.texts(shape, stream, frame.rows, numbers=numbers, count=frame.table.rows), kind)
    number = None
    if unique:
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
    if shape.empty:
        return _with_empty(shape, kind, frame, stream)
    must_differ = shape.unique or shape.within is not None
    numbered = _numbered(shape, frame, stream)
    if numbered:
        frame, shape = numbered, replace(shape, unique=True)
    weights = {shape.pattern: 1.0} if isinstance(shape.pattern, str) else shape.pattern
    count = frame.table.rows
    is_counted = shape.unique or shape.order == "rows"
    numbers = frame.rows if shape.order == "rows" else randomness.permuted(stream, frame.rows, count)
    drawn = (numbers + 0.5) / max(1, count) if is_counted else randomness.uniform(stream, frame.rows)
    limits = np.cumsum(list(weights.values()))
    limits = np.concatenate([[0.0], limits / limits[-1]])
    which = np.searchsorted(limits, drawn, side="right").clip(1, len(weights)) - 1
    parts, order = [], []
    for place, pattern in enumerate(weights):
        at = np.flatnonzero(which == place)
        low, high = (math.ceil(limits[place + one] * count - 0.5) for one in (0, 1))
        spread = randomness.words(randomness.key(stream, "code"), frame.rows[at])
        parts.append(_matching(pattern, numbers[at] - low, max(1, high - low), spread, shape, must_differ))
        order.append(at)
    mixed = pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(order), kind="stable")))
    return arrow.cast(mixed, kind)


def _matching(  # noqa: PLR0917 - the parts of one text
    pattern: str,
    numbers: Ints,
    count: int,
    spread: Words,
    shape: sh.Pattern,
    must_differ: bool,  # noqa: FBT001
) -> pa.Array:
    """Return texts of one pattern: the numbers, of [0, count), spread over all that it has; or any, where none counts.

    Where they must differ and the pattern has too few, they get more digits at the end.
    """
    total = math.prod(len(_SIGNS.get(sign, ".")) for sign in pattern)
    if must_differ and total < count:
        return _matching(_wider(pattern, count // total), numbers, count, spread, shape, must_differ)
    total = min(total, 1 << 62)
    if shape.unique or shape.order == "rows":
        left = (numbers * max(1, total // count)) % total
    else:
        left = (spread % np.uint64(total)).astype(np.int64)
    parts: list[Any] = []
    for sign in reversed(pattern):
        if letters := _SIGNS.get(sign):
            left, digit = np.divmod(left, len(letters))
            parts.append(letters.take(pa.array(digit)))
        else:
            parts.append(sign)
    return _filled(vocabulary.join(*reversed(parts)) if parts else pa.scalar(""), len(numbers))


def _wider(pattern: str, more: int) -> str:
    """Return a pattern that has more texts: its last letter or digit is free, or where all are, it is longer."""
    for at in range(len(pattern) - 1, -1, -1):
        sign = pattern[at]
        if sign.isascii() and sign.isalnum():
            return pattern[:at] + ("#" if sign.isdigit() else "?" if sign.isupper() else "*") + pattern[at + 1 :]
    return pattern + "#" * len(str(more))


def _with_empty(shape: sh.Text | sh.Pattern, kind: Type, frame: Frame, stream: int) -> pa.Array:
    null = 1.0 - (1.0 - (shape.null or 0.0)) * (
        1.0 - shape.empty
    )  # so that distinct texts are reckoned on what is left
    full = draw(replace(shape, empty=0.0, null=null), kind, frame, stream)
    empty = randomness.uniform(randomness.key(stream, "empty"), frame.rows) < shape.empty
    return pc.if_else(pa.array(empty), pa.scalar("", full.type), full)


def _filled(text: Any, count: int) -> pa.Array:
    return pa.array([text.as_py()] * count) if isinstance(text, pa.Scalar) else text


def _bool(shape: sh.Bool, kind: Type, frame: Frame, stream: int) -> pa.Array:
    return arrow.cast(pa.array(frame.uniform(stream) >= 1.0 - shape.true), kind)


def _json(shape: sh.Json, kind: Type, frame: Frame, stream: int) -> pa.Array:
    if shape.keys and not _may_lack_keys(shape):
        return arrow.cast(_complete(shape, frame, stream), kind)
    there = _key_sets(shape, frame, stream)
    parts = [
        _member(name, inner, frame, randomness.key(stream, name), there=None if there is None else there[name])
        for name, inner in shape.keys.items()
    ]
    if not parts:
        return pa.array(["{}"] * len(frame.rows))
    inside = vocabulary.join(*parts) if len(parts) > 1 else parts[0]
    return arrow.cast(vocabulary.join("{", pc.ascii_ltrim(inside, characters=","), "}"), kind)


def _may_lack_keys(shape: sh.Json) -> bool:
    return any(inner.null for inner in shape.keys.values()) or bool(shape.sets)


def _complete(shape: sh.Json, frame: Frame, stream: int) -> pa.Array:
    """Return objects that all have every key, joined at once."""
    pieces: list[Any] = []
    for name, inner in shape.keys.items():
        pieces += [f",{json.dumps(name)}:", _json_value(inner, frame, randomness.key(stream, name))]
    return vocabulary.join("{" + pieces[0][1:], *pieces[1:], "}")


def _key_sets(shape: sh.Json, frame: Frame, stream: int) -> dict[str, Bools] | None:
    """Return for each key which objects have it, where it is known which keys come together."""
    if not shape.sets:
        return None
    drawn = _by_weight(shape.sets, randomness.uniform(randomness.key(stream, "keys"), frame.rows))
    sets = [frozenset(filter(None, text.split(","))) for text in shape.sets]
    return {name: np.array([name in one for one in sets])[drawn] for name in shape.keys}


def _member(name: str, shape: sh.Shape, frame: Frame, stream: int, *, there: Bools | None = None) -> pa.Array:
    """Return `,"name":value` for each row, or nothing where the key is left out."""
    value = vocabulary.join(f",{json.dumps(name)}:", _json_value(shape, frame, stream))
    if there is None:
        if not shape.null:
            return value
        there = randomness.uniform(randomness.key(stream, "null"), frame.rows) >= shape.null
    return pc.if_else(pa.array(there), value, pa.scalar(""))


def _json_value(shape: sh.Shape, frame: Frame, stream: int) -> pa.Array:
    if isinstance(shape, sh.Json):
        return _json(shape, _TEXT, frame, stream)
    if isinstance(shape, sh.Items):
        offsets, inner = _item_rows(shape, frame, stream)
        values = _json_value(shape.of, inner, randomness.key(stream, "items"))
        return vocabulary.join("[", pc.binary_join(pa.ListArray.from_arrays(offsets, values), ","), "]")
    if isinstance(shape, sh.Choice) and not isinstance(shape.of, Mapping):
        literals = {json.dumps(one, ensure_ascii=False): 1.0 for one in shape.of}
        return draw(sh.Choice(of=literals), _TEXT, frame, stream)
    if isinstance(shape, sh.Choice) and isinstance(shape.of, Mapping) and shape.recent is None:
        literals = {json.dumps(one, ensure_ascii=False): weight for one, weight in shape.of.items()}
        return draw(replace(shape, of=literals), _TEXT, frame, stream)
    if isinstance(shape, sh.Histogram) and not all(float(quantiles.number(one)).is_integer() for one in shape.bounds):
        return pc.cast(draw(shape, _BOUNDS["numrange"], frame, stream), pa.string())
    drawn = draw(shape, Type(kind="json", declared="jsonb"), frame, stream)
    return drawn if isinstance(shape, sh.Number | sh.Bool | sh.Serial | sh.Histogram) else _quoted(drawn)


def _quoted(text: pa.Array) -> pa.Array:
    safe = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '\\"')
    return vocabulary.join('"', safe, '"')


def _items(shape: sh.Items, kind: Type, frame: Frame, stream: int) -> pa.Array:
    if kind.element is None:
        raise pa.ArrowInvalid("the column is no array")
    offsets, inner = _item_rows(shape, frame, stream)
    return pa.ListArray.from_arrays(offsets, draw(shape.of, kind.element, inner, randomness.key(stream, "items")))


def _item_rows(shape: sh.Items, frame: Frame, stream: int) -> tuple[pa.Array, Frame]:
    """Return where each row's items begin and end, and a frame in which each item is a row."""
    if shape.sizes:
        sizes = quantiles.lengths(shape.sizes, randomness.uniform(stream, frame.rows))
    else:
        sizes = shape.least + randomness.below(stream, frame.rows, shape.most - shape.least + 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    rows = np.repeat(frame.rows, sizes) * (max([shape.most, *shape.sizes]) + 1) + place
    return pa.array(offsets, pa.int32()), Frame(frame.plan, frame.table, rows)


def _random(shape: sh.Random, kind: Type, frame: Frame, stream: int) -> pa.Array:
    frame = _numbered(shape, frame, stream) or frame
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


def _range(shape: sh.Range, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return ranges as the server reads them, `[low,high)`; those of whole numbers and days are never empty."""
    drawn = -np.log1p(-randomness.uniform(randomness.key(stream, "length"), frame.rows)) * shape.length
    bound = _BOUNDS.get(kind.declared, _BOUNDS["tsrange"])
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
    numbers = _case_numbers(frame, shape.of, list(shape.cases))
    parts, order = [], []
    for number, case in enumerate([*shape.cases.values(), shape.otherwise]):
        at = np.flatnonzero(numbers == number)
        if at.size:
            parts.append(_case(case, kind, frame, randomness.key(stream, "case"), at))
            order.append(at)
    if not parts:
        return pa.nulls(0, arrow.arrow_type(kind))
    return pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(order), kind="stable")))


def _case_numbers(frame: Frame, of: str, cases: list[str]) -> Ints:
    """Return which case each row's value of a column is; their number where it is none of them."""
    values = frame.column(of)
    words = pc.fill_null(values if values.type == pa.string() else pc.cast(values, pa.string()), "null")
    found: Ints = pc.fill_null(pc.index_in(words, pa.array(cases, pa.string())), len(cases)).to_numpy().astype(np.int64)
    if "*" in cases and "null" in cases:  # all that the case says is whether there is a value
        found[found == len(cases)] = cases.index("*")
    return found


def _case(shape: sh.Shape, kind: Type, frame: Frame, stream: int, at: Ints) -> pa.Array:
    picked = pa.array(at)
    made = {name: values.take(picked) for name, values in frame.made.items()}
    part = Frame(frame.plan, frame.table, frame.rows[at], made, raw=frame.raw, again=frame.again)
    values = draw(shape, kind, part, stream)
    if not shape.null:
        return values
    missing = randomness.uniform(randomness.key(stream, "null"), part.rows) < shape.null
    return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)


_BOUNDS = {  # of range types
    "int4range": Type(kind="integer", declared="integer", bits=32),
    "int8range": Type(kind="integer", declared="bigint"),
    "numrange": Type(kind="numeric", declared="numeric(14,2)", precision=14, scale=2),
    "daterange": Type(kind="date", declared="date"),
    "tsrange": Type(kind="timestamp", declared="timestamp"),
    "tstzrange": Type(kind="timestamp", declared="timestamptz", zoned=True),
}
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
    sh.Range: _range,
    sh.Given: _given,
}
