"""What the constants in conditions leave of a column's values, read from the conditions' trees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlglot import exp

from rehearse.datasets.conditions import Condition, bare
from rehearse.datasets.expressions import Outside, Rows, Tree, array_items, pattern_of, regexes, term
from rehearse.datasets.expressions import quantities as qu
from rehearse.datasets.expressions.quantities import Number, Span
from rehearse.profiles import Column

Constant = Decimal | str | bool  # moments are µs since 1970, spans seconds
_COMPARED: Mapping[type, str] = {exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.EQ: "="}
# Casts that change no value, by the column's kind.
_KEEPING: Mapping[str, tuple[str, ...]] = {
    "integer": ("SMALLINT", "INT", "BIGINT", "DECIMAL", "DOUBLE"),
    "numeric": ("DECIMAL", "DOUBLE"),
    "float": ("DOUBLE",),
    "text": ("TEXT", "VARCHAR", "BPCHAR"),
    "enum": ("TEXT",),
    "date": ("TIMESTAMP",),
}
_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "="}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What values that are there may be; None: anything. `beyond_low` and `beyond_high`: the bound itself may not be.

    `pattern` is a regular expression in RE2's words.
    """

    low: Decimal | None = None
    high: Decimal | None = None
    beyond_low: bool = False
    beyond_high: bool = False
    values: tuple[Constant, ...] | None = None
    least_length: int = 0
    most_length: int | None = None
    pattern: str | None = None
    nothing: bool = False  # a value may not be there at all

    @property
    def impossible(self) -> bool:
        """Say whether no value is left."""
        if self.most_length is not None and self.least_length > self.most_length:
            return True
        if self.values is not None:
            return not self.values
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.beyond_low or self.beyond_high))

    def both(self, other: Bounds) -> Bounds:
        """Return what both leave."""
        low = max((one for one in (self, other) if one.low is not None), key=_lowest, default=self)
        high = min((one for one in (self, other) if one.high is not None), key=_highest, default=self)
        lengths = [one.most_length for one in (self, other) if one.most_length is not None]
        made = Bounds(
            low=low.low,
            beyond_low=low.beyond_low,
            high=high.high,
            beyond_high=high.beyond_high,
            least_length=max(self.least_length, other.least_length),
            most_length=min(lengths, default=None),
            pattern=self.pattern or other.pattern,
            nothing=self.nothing or other.nothing,
        )
        lists = [one.values for one in (self, other) if one.values is not None]
        if not lists:
            return made
        values = [one for one in lists[0] if all(one in rest for rest in lists[1:])]
        return replace(made, values=tuple(one for one in values if not isinstance(one, Decimal) or made.spans(one)))

    def either(self, other: Bounds) -> Bounds:
        """Return what one of them leaves, or a little more."""
        if self.nothing or other.nothing:
            return self if other.nothing else other
        sides = (self, other)
        low = None if None in (self.low, other.low) else min(sides, key=_lowest)
        high = None if None in (self.high, other.high) else max(sides, key=_highest)
        lengths = [one.most_length for one in sides]
        return Bounds(
            low=low.low if low else None,
            beyond_low=bool(low and low.beyond_low),
            high=high.high if high else None,
            beyond_high=bool(high and high.beyond_high),
            values=None if None in (self.values, other.values) else (*(self.values or ()), *(other.values or ())),
            least_length=min(self.least_length, other.least_length),
            most_length=None if None in lengths else max(one for one in lengths if one is not None),
        )

    def spans(self, value: Decimal) -> bool:
        """Say whether a number lies between the bounds."""
        above = self.low is None or value > self.low or (value == self.low and not self.beyond_low)
        return above and (self.high is None or value < self.high or (value == self.high and not self.beyond_high))


ANYTHING = Bounds()


def _lowest(one: Bounds) -> tuple[Decimal, bool]:
    assert one.low is not None
    return one.low, one.beyond_low


def _highest(one: Bounds) -> tuple[Decimal, bool]:
    assert one.high is not None
    return one.high, not one.beyond_high


def bounds(column: Column, conditions: Iterable[Condition]) -> Bounds:
    """Return what all of the conditions together leave of a column's values."""
    found = ANYTHING
    for one in conditions:
        if column.name in one.columns:
            found = found.both(_of(one.tree, column))
    return found


def _of(tree: Tree, column: Column) -> Bounds:  # noqa: PLR0911 - one answer a form
    if tree.args.get("negate"):
        return ANYTHING
    match tree:
        case exp.Paren():
            return _of(tree.this, column)
        case exp.And():
            return _of(tree.left, column).both(_of(tree.right, column))
        case exp.Or():
            return _of(tree.left, column).either(_of(tree.right, column))
        case exp.Between():
            low, high = (
                _compared(op, tree.this, tree.args[side], column) for op, side in ((">=", "low"), ("<=", "high"))
            )
            return low.both(high)
        case exp.In():
            return _listed(tree.expressions) if _is(tree.this, column) else ANYTHING
        case exp.Is():
            nothing = isinstance(tree.expression, exp.Null) and _is(tree.this, column)
            return Bounds(nothing=True) if nothing else ANYTHING
        case exp.RegexpLike() | exp.Like():
            return _pattern(tree, column)
        case _:
            op = _COMPARED.get(type(tree))
            return _comparison(op, tree, column) if op else ANYTHING


def _is(tree: Tree, column: Column) -> bool:
    """Say whether a tree is the column, or a cast of it that keeps every value."""
    if isinstance(tree, exp.Paren):
        return _is(tree.this, column)
    if isinstance(tree, exp.Cast):
        keeps = tree.to.this.name in _KEEPING.get(column.type.kind, ()) and not tree.to.expressions
        return keeps and _is(tree.this, column)
    return isinstance(tree, exp.Column) and tree.name == column.name


def _comparison(op: str, tree: Tree, column: Column) -> Bounds:
    left, right = tree.this, tree.expression
    if isinstance(right, exp.Any):
        if op != "=" or not _is(left, column):
            return ANYTHING
        try:
            return _listed(array_items(right.this))
        except Outside:
            return ANYTHING
    found = _compared(op, left, right, column)
    return found if found is not ANYTHING else _compared(_MIRRORED[op], right, left, column)


def _listed(trees: Iterable[Tree]) -> Bounds:
    values = [constant(one) for one in trees]
    known = tuple(dict.fromkeys(one for one in values if one is not None))
    return Bounds(values=known) if len(known) == len(set(values)) and None not in values else ANYTHING


def _compared(op: str, left: Tree, right: Tree, column: Column) -> Bounds:
    value = constant(right)
    if value is None:
        return ANYTHING
    inner = bare(left)
    if isinstance(inner, exp.Length) and _is(_untrimmed(inner.this), column) and isinstance(value, Decimal):
        return _lengths(op, int(value))
    if not _is(left, column):
        return ANYTHING
    if op == "=":
        return Bounds(values=(value,))
    if not isinstance(value, Decimal):
        return ANYTHING
    beyond = op in (">", "<")
    return Bounds(low=value, beyond_low=beyond) if op[0] == ">" else Bounds(high=value, beyond_high=beyond)


def _untrimmed(tree: Tree) -> Tree:
    inner = bare(tree)
    return inner.this if isinstance(inner, exp.Trim) else inner


def _lengths(op: str, count: int) -> Bounds:
    if op[0] == ">":
        return Bounds(least_length=count + (op == ">"))
    if op[0] == "<":
        return Bounds(most_length=count - (op == "<"))
    return Bounds(least_length=count, most_length=count)


def _pattern(tree: exp.RegexpLike | exp.Like, column: Column) -> Bounds:
    word = constant(tree.expression)
    if not (_is(tree.this, column) and isinstance(word, str)):
        return ANYTHING
    if isinstance(tree, exp.Like):
        return Bounds(pattern=regexes.from_like(word))
    return Bounds(pattern=word) if pattern_of(word, any_case=False, like=False) else ANYTHING


def constant(tree: Tree) -> Constant | None:
    """Return the value of a tree in which no column stands; None where it has none that we know."""
    if tree.find(exp.Column):
        return None
    try:
        found = term(tree, {})
        return _plain(found.value(Rows({})), unit=qu.MICROS_A_DAY if found.kind == "date" else 1)
    except (Outside, pa.ArrowException, AttributeError, KeyError, TypeError, ValueError):
        return None


def _plain(value: Any, *, unit: int) -> Constant | None:
    if isinstance(value, Number):
        number = value.values.as_py()
        return (
            None
            if number is None
            else Decimal(repr(number) if isinstance(number, float) else number).scaleb(-value.scale)
        )
    if isinstance(value, Span):
        return Decimal(qu.length(value).as_py()) / qu.MICROS_A_SECOND
    plain = value.as_py()
    return Decimal(plain * unit) if isinstance(plain, int) and not isinstance(plain, bool) else plain
