"""Parts of an SQL expression over columns in Arrow, by SQL's three-valued logic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from rehearse.datasets.expressions import quantities as qu
from rehearse.datasets.expressions.quantities import Number, Span
from rehearse.profiles import Column

Kind = Literal[
    "array", "bool", "bpchar", "bytes", "citext", "clock", "date", "enum", "float", "integer", "interval", "json",
    "moment", "null", "numeric", "text", "timestamp", "uuid",
]  # fmt: skip
Tree = Any  # sqlglot's expressions; their base class has another name in each of its versions
Columns = Mapping[str, pa.Array]
NUMBERS = ("integer", "numeric", "float")
TEXTS = ("text", "bpchar", "enum")
TEMPORAL = ("date", "timestamp")
BLANK = " "


class Outside(Exception):
    """An expression that is not evaluated here."""


@dataclass(slots=True)
class Rows:
    """The rows that an expression is evaluated over. `broken` are those at which the server would raise an error."""

    columns: Columns
    broken: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Term:
    """A part of an expression: the kind of its values and how to get them.

    Numbers are `Number`, intervals `Span`, dates days and other moments µs in int64, all others Arrow's own.
    """

    kind: Kind
    value: Callable[[Rows], Any]
    labels: tuple[str, ...] = ()  # of an enum's column, in their order


Sides = tuple[Callable[[Rows], Any], Callable[[Rows], Any]]
Maker = Callable[..., Term]  # of a tree and the columns by name
makers: dict[type, Maker] = {}  # by the class of the tree; the modules beside this one fill it


def term(tree: Tree, columns: Mapping[str, Column]) -> Term:
    """Return the term of a tree; raises Outside where it, or a column in it, is not known."""
    maker = makers.get(type(tree))
    if maker is None:
        raise Outside(type(tree).__name__)
    made = maker(tree, columns)
    return inverted(made) if tree.args.get("negate") else made


def truth(one: Term) -> Term:
    """Return a term that must be a condition."""
    if one.kind == "null":
        return Term("bool", lambda _rows: pa.scalar(None, pa.bool_()))
    if one.kind != "bool":
        raise Outside(f"{one.kind} as a condition")
    return one


def compared(name: str, left: Term, right: Term) -> Term:
    """Return a comparison by Arrow's name for it, such as equal, less or greater_equal."""
    deed = getattr(pc, name)
    if "null" in (left.kind, right.kind):
        return Term("bool", lambda _rows: pa.scalar(None, pa.bool_()))
    if left.kind in NUMBERS and right.kind in NUMBERS:
        return Term("bool", lambda rows: deed(*_aligned(left.value(rows), right.value(rows))))
    sides = _ordered(left, right)
    if sides is None and name not in ("equal", "not_equal"):
        raise Outside("order of texts depends on the collation")
    first, second = sides or _comparable(left, right)
    return Term("bool", lambda rows: deed(first(rows), second(rows)))


def _aligned(left: Number, right: Number) -> list[Any]:
    return [one.values for one in qu.aligned([left, right])]


def _ordered(left: Term, right: Term) -> Sides | None:
    """Return the values of the sides where their kind has an order that does not depend on the database."""
    if left.kind == right.kind == "interval":
        return lambda rows: qu.length(left.value(rows)), lambda rows: qu.length(right.value(rows))
    if left.kind in TEMPORAL and right.kind in TEMPORAL and left.kind != right.kind:
        return as_moment(left).value, as_moment(right).value
    if left.kind == right.kind and left.kind in ("date", "timestamp", "moment", "clock"):
        return left.value, right.value
    labels = pa.array(left.labels or right.labels, pa.string())
    if left.kind == right.kind == "enum" and len(labels):
        return lambda rows: pc.index_in(left.value(rows), labels), lambda rows: pc.index_in(right.value(rows), labels)
    return None


def _comparable(left: Term, right: Term) -> Sides:
    if "citext" in (left.kind, right.kind):
        one, other = (as_text(side).value for side in (left, right))
        return lambda rows: pc.utf8_lower(one(rows)), lambda rows: pc.utf8_lower(other(rows))
    if left.kind in TEXTS and right.kind in TEXTS:
        return as_text(left).value, as_text(right).value
    if left.kind == right.kind and left.kind in ("bool", "bytes"):
        return left.value, right.value
    raise Outside(f"{left.kind} beside {right.kind}")


def bare(tree: Tree) -> Tree:
    """Return a tree without the parentheses around it."""
    return bare(tree.this) if isinstance(tree, exp.Paren) else tree


def as_text(one: Term) -> Term:
    """Return a term of texts; blanks at the end of a char(n) are none of it."""
    if one.kind == "bpchar":
        return Term("text", lambda rows: pc.utf8_rtrim(one.value(rows), BLANK))
    if one.kind in ("text", "enum", "citext"):
        return Term("text", one.value)
    raise Outside(f"{one.kind} as text")


def as_moment(one: Term) -> Term:
    """Return a date as a timestamp."""
    if one.kind == "timestamp":
        return one
    return Term("timestamp", lambda rows: pc.multiply(one.value(rows), pa.scalar(qu.MICROS_A_DAY, pa.int64())))


def surely(values: Any) -> Any:
    """Return a condition that is false where it was NULL."""
    return pc.fill_null(values, False)  # noqa: FBT003


def inverted(one: Term) -> Term:
    """Return NOT."""
    return Term("bool", lambda rows: pc.invert(one.value(rows)))


def is_missing(one: Term) -> Term:
    """Return IS NULL."""
    return Term("bool", lambda rows: pc.is_null(arrow_values(one.value(rows))))


def arrow_values(value: Any) -> Any:
    """Return the Arrow values of whatever a term gives."""
    return value.values if isinstance(value, Number) else value.micros if isinstance(value, Span) else value


def textual(one: Term) -> Term:
    """Return a term whose kind is text where it is like one."""
    return as_text(one) if one.kind in TEXTS else one


def numeric(tree: Tree, columns: Mapping[str, Column]) -> Term:
    """Return the term of a tree that must be a number."""
    one = term(tree, columns)
    if one.kind not in NUMBERS:
        raise Outside(f"{one.kind} as a number")
    return one


def whole_number(values: Any) -> Number:
    """Return Arrow's whole numbers of any width."""
    return Number(pc.cast(values, pa.int64()))


def characters(tree: Tree, columns: Mapping[str, Column]) -> Term:
    """Return the term of a tree that must be a text."""
    return as_text(term(tree, columns))


def literal_text(tree: Tree) -> str:
    """Return a text that is written out."""
    tree = bare(tree)
    inner = bare(tree.this) if isinstance(tree, exp.Cast) else tree
    if not (isinstance(inner, exp.Literal) and inner.is_string):
        raise Outside("a pattern that is computed")
    return str(inner.this)


def literal_count(tree: Tree | None) -> int:
    """Return a count that is written out."""
    if not (isinstance(tree, exp.Literal) and not tree.is_string and tree.this.isdigit()):
        raise Outside("a place that is computed")
    return int(tree.this)
