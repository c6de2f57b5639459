"""Numbers, moments and spans of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from rehearse.datasets.expressions import quantities as qu
from rehearse.datasets.expressions.quantities import Number, Span
from rehearse.datasets.expressions.terms import (
    NUMBERS,
    TEMPORAL,
    Kind,
    Maker,
    Outside,
    Rows,
    Term,
    Tree,
    as_moment,
    bare,
    numeric,
    surely,
    term,
)
from rehearse.profiles import Column


def _arithmetic(tree: exp.Binary, columns: Mapping[str, Column]) -> Term:
    left, right = term(tree.left, columns), term(tree.right, columns)
    if left.kind in NUMBERS and right.kind in NUMBERS:
        return _of_numbers(type(tree), left, right)
    sign = {exp.Add: 1, exp.Sub: -1}.get(type(tree))
    if sign is None:
        return _times(tree, left, right)
    return _of_moments(sign, left, right)


def _of_numbers(deed: type[exp.Binary], left: Term, right: Term) -> Term:
    whole = left.kind == right.kind == "integer"
    kind: Kind = "integer" if whole else "float" if "float" in (left.kind, right.kind) else "numeric"
    if deed in (exp.Div, exp.Mod, exp.IntDiv):
        made: Callable[[Number, Number], Number] = (
            qu.remainder if deed is exp.Mod else lambda one, two: qu.divided(one, two, whole=whole)
        )
        return Term(kind, lambda rows: made(left.value(rows), _divisor(right, rows)))
    deeds: Mapping[type, Callable[[Number, Number], Number]] = {exp.Add: qu.added, exp.Sub: qu.subtracted}
    plain = deeds.get(deed, qu.multiplied)
    return Term(kind, lambda rows: plain(left.value(rows), right.value(rows)))


def _divisor(one: Term, rows: Rows) -> Number:
    """Return a divisor; the rows at which it is nought are broken, since the server raises an error there."""
    found: Number = one.value(rows)
    rows.broken.append(surely(pc.equal(found.values, 0)))
    return found


def _times(tree: exp.Binary, left: Term, right: Term) -> Term:
    if not isinstance(tree, exp.Mul) or {left.kind, right.kind} - {"interval", *NUMBERS}:
        raise Outside(f"{left.kind} {type(tree).__name__} {right.kind}")
    span, factor = (left, right) if left.kind == "interval" else (right, left)

    def value(rows: Rows) -> Span:
        one, by = span.value(rows), qu.as_double(factor.value(rows))
        return Span(
            0, pc.cast(pc.multiply(pc.cast(qu.length(one), pa.float64(), safe=False), by), pa.int64(), safe=False)
        )

    return Term("interval", value)


def _of_moments(sign: int, left: Term, right: Term) -> Term:
    deed = pc.add if sign > 0 else pc.subtract
    kinds = left.kind, right.kind
    if sign > 0 and right.kind in ("date", "timestamp", "moment") and left.kind in ("integer", "interval"):
        return _of_moments(sign, right, left)
    if kinds == ("date", "integer"):
        return Term("date", lambda rows: deed(left.value(rows), right.value(rows).values))
    if kinds == ("date", "date") and sign < 0:
        return Term("integer", lambda rows: Number(deed(left.value(rows), right.value(rows))))
    if kinds == ("interval", "interval"):
        return Term("interval", lambda rows: Span(0, deed(qu.length(left.value(rows)), qu.length(right.value(rows)))))
    if right.kind == "interval" and left.kind in ("date", "timestamp", "moment"):
        base = as_moment(left) if left.kind == "date" else left
        return Term(base.kind, lambda rows: qu.moved(base.value(rows), right.value(rows), sign))
    if sign < 0 and (kinds == ("moment", "moment") or set(kinds) <= set(TEMPORAL)):
        first, second = (one if one.kind == "moment" else as_moment(one) for one in (left, right))
        return Term("interval", lambda rows: Span(0, deed(first.value(rows), second.value(rows))))
    raise Outside(f"{left.kind} and {right.kind}")


def _negative(tree: exp.Neg, columns: Mapping[str, Column]) -> Term:
    one = numeric(tree.this, columns)
    return Term(one.kind, lambda rows: qu.negated(one.value(rows)))


def _abs(tree: exp.Abs, columns: Mapping[str, Column]) -> Term:
    one = numeric(tree.this, columns)

    def value(rows: Rows) -> Number:
        found: Number = one.value(rows)
        return Number(pc.abs(found.values), found.scale)

    return Term(one.kind, value)


def _sign_of(tree: exp.Sign, columns: Mapping[str, Column]) -> Term:
    one = numeric(tree.this, columns)
    return Term(one.kind, lambda rows: Number(pc.cast(pc.sign(one.value(rows).values), pa.int64())))


def _rounding(mode: str) -> Callable[..., Term]:
    def made(tree: Tree, columns: Mapping[str, Column]) -> Term:
        one, digits = numeric(tree.this, columns), tree.args.get("decimals")
        if digits is not None and not (isinstance(digits, exp.Literal) and digits.this.isdigit()):
            raise Outside("round to a computed place")
        nearest = "half_to_even" if one.kind == "float" and mode == "half_towards_infinity" else mode
        kind: Kind = "float" if one.kind == "float" else "numeric"
        return Term(kind, lambda rows: qu.rounded(one.value(rows), int(digits.this) if digits else 0, nearest))

    return made


def _power(tree: exp.Pow, columns: Mapping[str, Column]) -> Term:
    base, power = numeric(tree.this, columns), numeric(tree.expression, columns)
    return Term("float", lambda rows: Number(pc.power(*(qu.as_double(one.value(rows)) for one in (base, power)))))


_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "year": pc.year,
    "month": pc.month,
    "day": pc.day,
    "quarter": pc.quarter,
    "doy": pc.day_of_year,
    "week": pc.iso_week,
    "isoyear": pc.iso_year,
    "hour": pc.hour,
    "minute": pc.minute,
    "dow": lambda at: pc.day_of_week(at, week_start=7),
    "isodow": lambda at: pc.day_of_week(at, count_from_zero=False),
}


def _extract(tree: exp.Extract, columns: Mapping[str, Column]) -> Term:
    one, part = term(tree.expression, columns), bare(tree.this)
    name = (part.this.name if isinstance(part, exp.Cast) else part.name).lower()
    kind: Kind = "numeric" if isinstance(part, exp.Var) else "float"
    if name == "epoch" and one.kind in ("interval", "moment", *TEMPORAL):
        micros = one if one.kind in ("interval", "moment") else as_moment(one)
        return Term(kind, lambda rows: Number(_epoch(micros.value(rows)), 6))
    if name not in _FIELDS or one.kind not in (TEMPORAL if name not in ("hour", "minute") else ("timestamp", "clock")):
        raise Outside(f"{name} of {one.kind}")  # of a moment it depends on the session's time zone
    at = one if one.kind == "clock" else as_moment(one)
    field_of = _FIELDS[name]
    return Term(kind, lambda rows: Number(pc.cast(field_of(pc.cast(at.value(rows), pa.timestamp("us"))), pa.int64())))


def _epoch(value: Any) -> Any:
    return qu.length(value) if isinstance(value, Span) else value


MAKERS: Mapping[type, Maker] = {
    exp.Add: _arithmetic,
    exp.Sub: _arithmetic,
    exp.Mul: _arithmetic,
    exp.Div: _arithmetic,
    exp.Mod: _arithmetic,
    exp.Neg: _negative,
    exp.Abs: _abs,
    exp.Sign: _sign_of,
    exp.Round: _rounding("half_towards_infinity"),
    exp.Trunc: _rounding("towards_zero"),
    exp.Floor: _rounding("down"),
    exp.Ceil: _rounding("up"),
    exp.Pow: _power,
    exp.Extract: _extract,
}
