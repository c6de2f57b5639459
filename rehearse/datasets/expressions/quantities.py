"""Numbers, moments and spans of time as conditions compute with them: exact where the server is exact.

A numeric is a whole number of its smallest unit, so that 0.1 + 0.2 = 0.3; what outgrows 64 bits, and what is divided,
goes on as a double.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MICROS_A_SECOND = 1_000_000
MICROS_A_DAY = 86_400 * MICROS_A_SECOND
_DAYS_A_MONTH = 30  # as the server compares intervals
_UNIT_MICROS = {
    "day": MICROS_A_DAY,
    "hour": 3600 * MICROS_A_SECOND,
    "min": 60 * MICROS_A_SECOND,
    "sec": MICROS_A_SECOND,
}
_UNIT_MONTHS = {"year": 12, "mon": 1, "month": 1}
_PART = re.compile(r"([+-]?\d+) (year|mon|month|day|hour|min|sec)(?:ute|ond)?s?\b")
_CLOCK = re.compile(r"([+-]?)(\d+):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?")


class Number(NamedTuple):
    """Arrow's int64 in units of 10 ** -scale, or doubles (of scale 0); an array, or a scalar for all rows."""

    values: Any
    scale: int = 0


class Span(NamedTuple):
    """A span of time: months, whose length depends on where they begin, and µs."""

    months: int
    micros: Any


def number(value: Decimal) -> Number:
    """Return a constant."""
    exponent = value.as_tuple().exponent
    scale = max(0, -exponent) if isinstance(exponent, int) else 0
    return Number(pa.scalar(int(value.scaleb(scale)), pa.int64()), scale)


def is_double(one: Number) -> bool:
    """Say whether a number has lost its exactness."""
    return bool(pa.types.is_floating(one.values.type))


def as_double(one: Number) -> Any:
    """Return a number's values as doubles."""
    values = pc.cast(one.values, pa.float64(), safe=False)
    return pc.divide(values, 10.0**one.scale) if one.scale else values


def aligned(numbers: list[Number]) -> list[Number]:
    """Return the numbers in one unit, all of them doubles where they have none in common."""
    scale = max(one.scale for one in numbers)
    if not any(map(is_double, numbers)):
        try:
            return [Number(_scaled(one.values, scale - one.scale), scale) for one in numbers]
        except pa.ArrowInvalid:  # more than 64 bits
            pass
    return [Number(as_double(one)) for one in numbers]


def _scaled(values: Any, digits: int) -> Any:
    return pc.multiply_checked(values, pa.scalar(10**digits, pa.int64())) if digits else values


def added(left: Number, right: Number) -> Number:
    """Return the sum."""
    return _combined(pc.add_checked, *aligned([left, right]))


def subtracted(left: Number, right: Number) -> Number:
    """Return the difference."""
    return _combined(pc.subtract_checked, *aligned([left, right]))


def multiplied(left: Number, right: Number) -> Number:
    """Return the product."""
    if not (is_double(left) or is_double(right)):
        try:
            return Number(pc.multiply_checked(left.values, right.values), left.scale + right.scale)
        except pa.ArrowInvalid:
            pass
    return Number(pc.multiply(as_double(left), as_double(right)))


def _combined(deed: Callable[[Any, Any], Any], left: Number, right: Number) -> Number:
    try:
        return Number(deed(left.values, right.values), left.scale)
    except pa.ArrowInvalid:
        return Number(deed(as_double(left), as_double(right)))


def divided(left: Number, right: Number, *, whole: bool) -> Number:
    """Return the quotient, cut towards nought where both are integers; a divisor of nought gives null."""
    divisor = pc.if_else(pc.equal(right.values, 0), pa.scalar(None, right.values.type), right.values)
    if whole:
        return Number(pc.divide(left.values, divisor))
    return Number(pc.divide(as_double(left), as_double(Number(divisor, right.scale))))


def remainder(left: Number, right: Number) -> Number:
    """Return the remainder, of the left one's sign; a divisor of nought gives null."""
    first, second = aligned([left, right])
    quotient = divided(Number(first.values), Number(second.values), whole=not is_double(first))
    cut = Number(pc.trunc(quotient.values)) if is_double(quotient) else quotient
    return subtracted(first, Number(multiplied(cut, Number(second.values)).values, first.scale))


def negated(one: Number) -> Number:
    """Return the number with the other sign."""
    return Number(pc.negate(one.values), one.scale)


def rounded(one: Number, digits: int, mode: str) -> Number:
    """Return the number with so many digits after the point; `mode` is Arrow's word for how."""
    if is_double(one):
        return Number(pc.round(one.values, ndigits=digits, round_mode=mode))
    if one.scale <= digits:
        return one
    unit = 10 ** (one.scale - digits)
    values = pc.round_to_multiple(pc.cast(one.values, pa.int64()), multiple=unit, round_mode=mode)
    return Number(pc.divide(values, pa.scalar(unit, pa.int64())), digits)


def span(text: str) -> Span | None:
    """Return the interval that a text such as "1 mon 2 days 03:04:05" stands for; None where it cannot be read."""
    months = micros = 0
    for count, unit in _PART.findall(text):
        months += int(count) * _UNIT_MONTHS.get(unit, 0)
        micros += int(count) * _UNIT_MICROS.get(unit, 0)
    rest = _PART.sub("", text).strip()
    if not rest:
        return Span(months, pa.scalar(micros, pa.int64()))
    clock = clock_micros(rest)
    return None if clock is None else Span(months, pa.scalar(micros + clock, pa.int64()))


def clock_micros(text: str) -> int | None:
    """Return the µs that a text such as 08:30:00.5 counts; None where it cannot be read."""
    found = _CLOCK.fullmatch(text.strip())
    if not found:
        return None
    sign, hours, minutes, seconds, rest = found.groups()
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds or 0)
    return (-1 if sign == "-" else 1) * (whole * MICROS_A_SECOND + int((rest or "").ljust(6, "0")))


def length(one: Span) -> Any:
    """Return a span's µs as the server compares them, a month being thirty days."""
    return pc.add(one.micros, pa.scalar(one.months * _DAYS_A_MONTH * MICROS_A_DAY, pa.int64()))


def moved(moments: Any, by: Span, sign: int) -> Any:
    """Return moments (µs) later or earlier by a span; the 31st of January and a month make the 28th of February."""
    later = moments if not by.months else _months_later(moments, sign * by.months)
    return pc.add(later, by.micros) if sign > 0 else pc.subtract(later, by.micros)


def _months_later(moments: Any, months: int) -> Any:
    if isinstance(moments, pa.Scalar):
        return pa.array(_months_later(pa.array([moments.as_py()], pa.int64()), months))[0]
    at = pc.fill_null(moments, 0).to_numpy(zero_copy_only=False).astype("M8[us]")
    month = at.astype("M8[M]")
    since = at - month.astype("M8[us]")
    target = month + np.timedelta64(months, "M")
    last = (target + 1).astype("M8[D]") - target.astype("M8[D]") - np.timedelta64(1, "D")
    day = since.astype("m8[D]")
    shifted = target.astype("M8[us]") + np.minimum(day, last) + (since - day)
    return pc.if_else(moments.is_null(), pa.scalar(None, pa.int64()), pa.array(shifted.astype(np.int64)))
