"""Shapes narrowed to what a table's conditions allow, so that most rows hold as they are drawn.

A shape of the profile is only cut; one that we chose ourselves may move to where the condition wants it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from rehearse.datasets import arrow, quantiles, randomness
from rehearse.datasets.bounds import Bounds, bounds
from rehearse.datasets.conditions import Condition, compiled
from rehearse.datasets.expressions import regexes
from rehearse.errors import ScenarioMistake
from rehearse.profiles import Column, TableStructure, Type
from rehearse.profiles import shapes as sh

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY_S = 86_400.0
_OFTEN = 0.3  # the share of a vocabulary's texts that must hold, so that drawing again soon finds one
_USUAL_LENGTH = 8
S = TypeVar("S", bound=sh.Shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A column whose shape is narrowed. `alone` are the conditions that name no other column."""

    table: TableStructure
    column: Column
    described: bool
    alone: Sequence[Condition]

    @property
    def kind(self) -> Type:
        return self.column.type

    def mistake(self, what: str) -> ScenarioMistake:
        """Return the error for a shape, or a schema, that leaves this column no value."""
        texts = " and ".join(one.text for one in self.alone)
        return ScenarioMistake(f"tables.{self.table.name}.columns.{self.column.name}: {what}: {texts}")


def narrowed(
    shapes: Mapping[str, sh.Shape],
    table: TableStructure,
    *,
    described: Iterable[str] = (),
    now: sh.Moment,
    years: float,
) -> dict[str, sh.Shape]:
    """Return the shapes of a table's columns within the bounds that its conditions set.

    `described` columns have their shape from the profile; history reaches from `years` before `now` to it. Raises a
    ScenarioMistake that names table, column and condition where no value is left.
    """
    conditions = [found for check in table.checks if (found := compiled(check, table.columns))]
    made = dict(shapes)
    for name, shape in shapes.items():
        alone = [one for one in conditions if one.columns == {name}]
        if alone and not isinstance(shape, sh.Parent | sh.Default):
            place = _Place(table=table, column=table.columns[name], described=name in set(described), alone=alone)
            made[name] = _narrowed(shape, place, now, years)
    return _ordered(made, table, conditions, set(described))


def shortened(table: TableStructure) -> TableStructure:
    """Return the table with texts no longer than its conditions allow; so texts are cut, and unique ones stay so."""
    conditions = [found for check in table.checks if (found := compiled(check, table.columns))]
    columns = dict(table.columns)
    for name, column in table.columns.items():
        most = bounds(column, (one for one in conditions if one.columns == {name})).most_length
        if most is not None and column.type.kind == "text":
            length = max(0, min(most, column.type.length if column.type.length is not None else most))
            columns[name] = replace(column, type=replace(column.type, length=length))
    return replace(table, columns=columns) if columns != table.columns else table


def _narrowed(shape: sh.Shape, place: _Place, now: sh.Moment, years: float) -> sh.Shape:  # noqa: PLR0911
    limits = bounds(place.column, place.alone)
    if limits.impossible:
        raise place.mistake("no value can hold")
    shape = _present(shape, place)
    match shape:
        case sh.Choice() | sh.Bool() | sh.Value():
            return _allowed(shape, place)
        case sh.Number() if limits.values is not None and not place.described:
            return sh.Choice(of=[_word(one) for one in limits.values], null=shape.null)
        case sh.Number():
            return _number(shape, place, limits)
        case sh.Histogram():
            return _histogram(shape, place, limits)
        case sh.Serial():
            return _serial(shape, place, limits)
        case sh.Time():
            return _time(shape, place, limits, now, years)
        case sh.Text():
            return shape if place.described else _text(shape, place, limits)
        case _:
            return shape


def _word(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value).lower() if isinstance(value, bool) else str(value)


def _present(shape: S, place: _Place) -> S:
    """Return the shape without rows that have no value, where a condition asks for one."""
    nothing = {place.column.name: pa.nulls(1, arrow.arrow_type(place.kind))}
    if all(one.holds(nothing)[0] for one in place.alone):
        return shape
    if shape.null:
        raise place.mistake(f"null = {shape.null}, and a value must be there; leave null out")
    return replace(shape, null=0.0)


# -- few values: each is tried


def _allowed(shape: sh.Choice | sh.Bool | sh.Value, place: _Place) -> sh.Shape:
    if isinstance(shape, sh.Bool):
        held = _tried([True, False], place)
        if all(held):
            return shape
        if not any(held) or (place.described and 0.0 < shape.true < 1.0) or (place.described and shape.true != held[0]):
            raise place.mistake(f"true = {shape.true}, which the condition forbids")
        return replace(shape, true=1.0 if held[0] else 0.0)
    if isinstance(shape, sh.Value):
        plain = isinstance(shape.value, str | int | float | bool) and place.kind.kind not in ("json", "array")
        if plain and not _tried([shape.value], place)[0]:
            raise place.mistake(f"value = {shape.value!r}, which the condition forbids")
        return shape
    return _choice(shape, place)


def _choice(shape: sh.Choice, place: _Place) -> sh.Choice:
    of = _kept(shape.of, place)
    if not of:
        raise place.mistake(f"none of the values of its choice is allowed ({', '.join(map(str, shape.of))})")
    recent = _kept(shape.recent, place) if shape.recent is not None else None
    if shape.recent is not None and not recent:
        raise place.mistake(f"none of its recent values is allowed ({', '.join(shape.recent)})")
    return shape if of == shape.of and recent == shape.recent else replace(shape, of=of, recent=recent)


def _kept(values: Any, place: _Place) -> Any:
    held = _tried(list(values), place)
    if isinstance(values, Mapping):
        return {value: weight for (value, weight), good in zip(values.items(), held, strict=True) if good}
    return [value for value, good in zip(values, held, strict=True) if good]


def _tried(values: Sequence[object], place: _Place) -> list[bool]:
    """Say which values the conditions allow; what is none of the column's type is told elsewhere."""
    try:
        pool = arrow.cast(pa.array([_word(one) for one in values], pa.string()), place.kind)
    except (pa.ArrowException, ValueError):
        return [True] * len(values)
    held = [one.holds({place.column.name: pool}) for one in place.alone]
    return [bool(one) for one in np.logical_and.reduce(held)]


# -- numbers


def _number(shape: sh.Number, place: _Place, limits: Bounds) -> sh.Number:
    low, high = _closed(limits, place.kind)
    if low is not None and high is not None and low > high:
        raise place.mistake("no value can hold")
    least = shape.low if low is None else max(shape.low, float(low))
    most = shape.high if high is None else min(shape.high, float(high))
    if least <= most:
        return shape if (least, most) == (shape.low, shape.high) else _within(shape, least, most)
    if place.described:
        raise place.mistake(f"low = {shape.low:g}, high = {shape.high:g}, of which the condition allows nothing")
    width = shape.high - shape.low
    if low is not None:
        return _within(shape, float(low), float(low) + width if high is None else float(high))
    assert high is not None
    return _within(shape, float(high) - width, float(high))


def _within(shape: sh.Number, low: float, high: float) -> sh.Number:
    median = shape.median if shape.median is None or low <= shape.median <= high else None
    return replace(shape, low=low, high=high, median=median)


def _closed(limits: Bounds, kind: Type) -> tuple[Decimal | None, Decimal | None]:
    """Return the least and the greatest value within the bounds, in steps that the type can hold."""
    if kind.kind == "float" or limits.low is limits.high is None:
        nudge = Decimal("1e-6")
        low, high = limits.low, limits.high
        return (
            low + nudge * (1 + abs(low)) * limits.beyond_low if low is not None else None,
            high - nudge * (1 + abs(high)) * limits.beyond_high if high is not None else None,
        )
    digits = arrow.scale(kind) if kind.kind == "numeric" else 0
    step = Decimal(1).scaleb(-digits)
    low = high = None
    if limits.low is not None:
        low = limits.low.quantize(step, ROUND_CEILING)
        low += step if limits.beyond_low and low == limits.low else 0
    if limits.high is not None:
        high = limits.high.quantize(step, ROUND_FLOOR)
        high -= step if limits.beyond_high and high == limits.high else 0
    return low, high


def _serial(shape: sh.Serial, place: _Place, limits: Bounds) -> sh.Serial:
    low, _ = _closed(limits, place.kind)
    if place.kind.kind not in ("integer", "numeric", "float") or low is None or shape.start >= low or shape.step < 0:
        return shape
    if place.described:
        raise place.mistake(f"start = {shape.start}, which the condition forbids")
    return replace(shape, start=int(low.to_integral_value(ROUND_CEILING)))


def _histogram(shape: sh.Histogram, place: _Place, limits: Bounds) -> sh.Histogram:
    common = _kept(shape.common, place) if shape.common else shape.common
    moments = place.kind.kind in ("date", "timestamp")
    low, high = (limits.low, limits.high) if moments else _closed(limits, place.kind)
    edges = np.array([quantiles.number(one) for one in shape.bounds])
    least = edges[0] if low is None else max(edges[0], float(low))
    most = edges[-1] if high is None else min(edges[-1], float(high))
    if least > most and not common:
        raise place.mistake(
            f"bounds from {shape.bounds[0]} to {shape.bounds[-1]}, of which the condition allows nothing"
        )
    if least > most or (least == edges[0] and most == edges[-1]):
        return shape if common == shape.common else replace(shape, common=common)
    at = np.linspace(0.0, 1.0, len(edges)) if shape.at is None else np.array(shape.at)
    inside = (edges > least) & (edges < most)
    kept = np.concatenate([[least], edges[inside], [most]])
    shares = np.concatenate([[np.interp(least, edges, at)], at[inside], [np.interp(most, edges, at)]])
    width = shares[-1] - shares[0]
    shares = (shares - shares[0]) / width if width > 0 else np.linspace(0.0, 1.0, len(kept))
    new: Any = [_moment(one) for one in kept] if isinstance(shape.bounds[0], datetime) or moments else kept.tolist()
    return replace(shape, bounds=new, at=shares.tolist(), common=common)


# -- moments


def _moment(micros: float | Decimal) -> datetime:
    return _EPOCH + int(micros) * _MICROSECOND


def _time(shape: sh.Time, place: _Place, limits: Bounds, now: sh.Moment, years: float) -> sh.Time:
    if limits.low is None and limits.high is None:
        return shape
    if place.kind.kind == "time":
        return shape if place.described else _clock(shape, limits)
    unit = Decimal(int(_DAY_S) * 1_000_000) if place.kind.kind == "date" else Decimal(1_000_000)
    until = Decimal(quantiles.micros(shape.until or now))
    history = Decimal(round(years * 365.25 * _DAY_S * 1_000_000))
    since = Decimal(quantiles.micros(shape.since)) if shape.since else until - history
    low = None if limits.low is None else limits.low + unit * limits.beyond_low
    high = None if limits.high is None else limits.high - unit * limits.beyond_high
    least, most = max(since, low or since), min(until, high if high is not None else until)
    if (least, most) == (since, until):
        return shape
    if least > most:
        if place.described:
            raise place.mistake(
                f"moments from {_moment(since)} to {_moment(until)}, of which the condition allows none"
            )
        least = low if low is not None else (high or most) - history
        most = high if high is not None else least + history
    return replace(shape, since=_moment(least), until=_moment(most))


def _clock(shape: sh.Time, limits: Bounds) -> sh.Time:
    day = int(_DAY_S) * 1_000_000
    low = int(limits.low or 0) + limits.beyond_low * 1_000_000
    high = (int(limits.high) if limits.high is not None else day) - 1_000_000 * (
        limits.beyond_high or limits.high is None
    )
    return replace(shape, since=_moment(low), until=_moment(max(low, high)), order="random")


def _ordered(
    shapes: dict[str, sh.Shape], table: TableStructure, conditions: Iterable[Condition], described: set[str]
) -> dict[str, sh.Shape]:
    """Make a moment of our own choice come after the one that a condition such as `ends_at > starts_at` names."""
    keyed = {name for key in table.keys for name in key}
    for wish in (wish for one in conditions for wish in one.wishes if wish.direction > 0 and wish.other):
        later, earlier = wish.column, str(wish.other)
        shape = shapes.get(later)
        if not isinstance(shape, sh.Time) or later in described or later in keyed or earlier not in shapes:
            continue
        kinds = {table.columns[name].type.kind for name in (later, earlier)}
        if not kinds <= {"date", "timestamp"} or _follows(shapes, earlier, later):
            continue
        gap = _DAY_S if "date" in kinds else 1.0
        shapes[later] = sh.After(of=earlier, at_least=gap if wish.by else 0.0, typical=_DAY_S, null=shape.null)
    return shapes


def _follows(shapes: Mapping[str, sh.Shape], name: str, other: str) -> bool:
    """Say whether a column is drawn from another one, to any depth."""
    while isinstance(shape := shapes.get(name), sh.After | sh.Copy):
        name = shape.of.partition(".")[0]
        if name == other:
            return True
    return name == other


# -- texts


def _text(shape: sh.Text, place: _Place, limits: Bounds) -> sh.Shape:
    if limits.values is not None and not shape.unique:
        return sh.Choice(of=[_word(one) for one in limits.values], null=shape.null)
    from rehearse.datasets import vocabulary  # noqa: PLC0415 - the vocabularies are read when asked for

    rows = np.arange(256, dtype=np.int64)
    if _share_held(vocabulary.draw(shape.of, randomness.key(0, "narrowing"), rows), place) > _OFTEN:
        return shape
    sample = regexes.sample(limits.pattern) if limits.pattern is not None else None
    length = max(limits.least_length, min(_USUAL_LENGTH, limits.most_length or _USUAL_LENGTH))
    plain = [sign * length for sign in "*?#"]
    begins = sample is not None and "^" in str(limits.pattern)[:6]  # else it says of a small part what it is
    for pattern in filter(None, [sample, *plain] if begins else [*plain, sample]):
        if _share_held(pa.array(regexes.readings(pattern)), place) == 1.0:
            return sh.Pattern(pattern=pattern, unique=shape.unique, null=shape.null)
    return shape


def _share_held(texts: pa.Array, place: _Place) -> float:
    held = [one.holds({place.column.name: arrow.cast(texts, place.kind)}) for one in place.alone]
    return float(np.logical_and.reduce(held).mean())
