"""SQL expressions over columns in Arrow, by SQL's three-valued logic; what is not known here is left to the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from rehearse.datasets import quantities as qu
from rehearse.datasets import regexes
from rehearse.datasets.quantities import Number, Span
from rehearse.profiles import Column, Type

Kind = Literal[
    "array", "bool", "bpchar", "bytes", "citext", "clock", "date", "enum", "float", "integer", "interval", "json",
    "moment", "null", "numeric", "text", "timestamp", "uuid",
]  # fmt: skip
Tree = Any  # sqlglot's expressions; their base class has another name in each of its versions
Columns = Mapping[str, pa.Array]
_NUMBERS = ("integer", "numeric", "float")
_TEXTS = ("text", "bpchar", "enum")
_TEMPORAL = ("date", "timestamp")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLANK = " "


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


def term(tree: Tree, columns: Mapping[str, Column]) -> Term:
    """Return the term of a tree; raises Outside where it, or a column in it, is not known."""
    maker = _MAKERS.get(type(tree))
    if maker is None:
        raise Outside(type(tree).__name__)
    made = maker(tree, columns)
    return _inverted(made) if tree.args.get("negate") else made


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
    if left.kind in _NUMBERS and right.kind in _NUMBERS:
        return Term(
            "bool", lambda rows: deed(*(one.values for one in qu.aligned([left.value(rows), right.value(rows)])))
        )
    if left.kind == right.kind == "interval":
        return Term("bool", lambda rows: deed(qu.length(left.value(rows)), qu.length(right.value(rows))))
    if left.kind in _TEMPORAL and right.kind in _TEMPORAL and left.kind != right.kind:
        early, late = _as_moment(left), _as_moment(right)
        return Term("bool", lambda rows: deed(early.value(rows), late.value(rows)))
    if left.kind == right.kind and left.kind in ("date", "timestamp", "moment", "clock"):
        return Term("bool", lambda rows: deed(left.value(rows), right.value(rows)))
    if name not in ("equal", "not_equal"):
        raise Outside("order of texts depends on the collation")
    first, second = _comparable(left, right)
    return Term("bool", lambda rows: deed(first(rows), second(rows)))


def _comparable(left: Term, right: Term) -> tuple[Callable[[Rows], Any], Callable[[Rows], Any]]:
    if "citext" in (left.kind, right.kind):
        one, other = (_as_text(side).value for side in (left, right))
        return lambda rows: pc.utf8_lower(one(rows)), lambda rows: pc.utf8_lower(other(rows))
    if left.kind in _TEXTS and right.kind in _TEXTS:
        return _as_text(left).value, _as_text(right).value
    if left.kind == right.kind and left.kind in ("bool", "bytes"):
        return left.value, right.value
    raise Outside(f"{left.kind} beside {right.kind}")


# -- columns and constants


def _column(tree: exp.Column, columns: Mapping[str, Column]) -> Term:
    name = tree.name
    if name not in columns or tree.table:
        raise Outside(name)
    kind = columns[name].type
    return Term(_kind(kind), lambda rows: _read(rows.columns[name], kind))


def _kind(kind: Type) -> Kind:
    if kind.declared == "citext":
        return "citext"
    if kind.kind == "text" and kind.declared.startswith(("character(", "bpchar", '"char"')):
        return "bpchar"
    if kind.kind == "timestamp":
        return "moment" if kind.zoned else "timestamp"
    if kind.kind in ("inet", "other"):
        raise Outside(kind.declared)
    return {"time": "clock"}.get(kind.kind, kind.kind)  # type: ignore[return-value]


def _read(values: pa.Array, kind: Type) -> Any:  # noqa: PLR0911 - one answer a type
    match kind.kind:
        case "integer":
            return Number(values.cast(pa.int64()))
        case "float":
            return Number(values.cast(pa.float64()))
        case "numeric":
            return Number(_unscaled(values), values.type.scale)
        case "date":
            return values.cast(pa.int32()).cast(pa.int64())
        case "timestamp" | "time":
            return values.cast(pa.int64())
        case "interval":
            return Span(0, values.cast(pa.int64()))
        case "text" if kind.length and _kind(kind) == "bpchar":
            return pc.utf8_rpad(values, kind.length)
        case _:
            return values


def _unscaled(values: pa.Array) -> pa.Array:
    """Return decimals, none of which has more than 18 digits here, in their smallest unit."""
    both = np.frombuffer(values.buffers()[1], "<i8", 2 * len(values), 16 * values.offset)
    missing = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    return pa.array(np.ascontiguousarray(both[::2]), mask=missing)


def _literal(tree: exp.Literal, _columns: Mapping[str, Column]) -> Term:
    return _constant("text", tree.this) if tree.is_string else _number(tree.this)


def _number(text: str) -> Term:
    try:
        value = Decimal(text)
        number = qu.number(value)
    except (InvalidOperation, OverflowError, pa.ArrowInvalid):
        raise Outside(text) from None
    return Term("numeric" if number.scale else "integer", lambda _rows: number)


def _constant(kind: Kind, value: object) -> Term:
    scalar = value if isinstance(value, Span | Number) else pa.scalar(value)
    return Term(kind, lambda _rows: scalar)


def _boolean(tree: exp.Boolean, _columns: Mapping[str, Column]) -> Term:
    return _constant("bool", bool(tree.this))


def _null(_tree: exp.Null, _columns: Mapping[str, Column]) -> Term:
    return Term("null", lambda _rows: pa.scalar(None, pa.bool_()))


def _inside(tree: exp.Paren, columns: Mapping[str, Column]) -> Term:
    return term(tree.this, columns)


# -- casts


def _cast(tree: exp.Cast, columns: Mapping[str, Column]) -> Term:
    wanted, inner = tree.to, _bare(tree.this)
    if isinstance(inner, exp.Literal) and inner.is_string:
        return _from_words(inner.this, wanted)
    return _converted(term(inner, columns), wanted)


def _bare(tree: Tree) -> Tree:
    return _bare(tree.this) if isinstance(tree, exp.Paren) else tree


def _from_words(text: str, wanted: exp.DataType) -> Term:
    """Return the constant that a quoted word of a type stands for."""
    name = wanted.this.name
    if name in ("TEXT", "VARCHAR", "CHAR", "BPCHAR", "NCHAR", "NAME"):
        return _constant("text", text)
    if name == "USERDEFINED":
        return _constant("citext" if "citext" in wanted.sql().lower() else "enum", text)
    if name in ("INT", "BIGINT", "SMALLINT", "DECIMAL", "DOUBLE", "FLOAT"):
        return _converted(_number(text), wanted)
    if name == "BOOLEAN" and text in ("t", "f", "true", "false"):
        return _constant("bool", text.startswith("t"))
    micros = _moment(text) if name in ("DATE", "TIMESTAMP", "TIMESTAMPTZ") else None
    if name == "TIME":
        micros = qu.clock_micros(text)
    if micros is not None:
        kinds: Mapping[str, Kind] = {"DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMPTZ": "moment", "TIME": "clock"}
        return _constant(kinds[name], micros // qu.MICROS_A_DAY if name == "DATE" else micros)
    span = qu.span(text) if name == "INTERVAL" else None
    if span is None:
        raise Outside(f"{text!r} as {name}")
    return _constant("interval", span)


def _moment(text: str) -> int | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _converted(one: Term, wanted: exp.DataType) -> Term:  # noqa: PLR0911 - one answer a type
    name, sizes = wanted.this.name, [int(size.name) for size in wanted.expressions if size.name.isdigit()]
    if one.kind == "null":
        return one
    if name in ("TEXT", "VARCHAR") and not sizes:
        return _as_text(one)
    if name == "DECIMAL" and one.kind in ("integer", "numeric"):
        return _rounded(one, sizes[1] if len(sizes) > 1 else 0) if sizes else Term("numeric", one.value)
    if name in ("INT", "BIGINT", "SMALLINT") and one.kind in ("integer", "numeric"):
        return one if one.kind == "integer" else Term("integer", _rounded(one, 0).value)
    if name in ("DOUBLE", "FLOAT") and one.kind in _NUMBERS:
        return Term("float", lambda rows: Number(qu.as_double(one.value(rows))))
    if name == "TIMESTAMP" and one.kind in _TEMPORAL:
        return _as_moment(one)
    if name == "DATE" and one.kind in _TEMPORAL:
        return one if one.kind == "date" else Term("date", lambda rows: _days(one.value(rows)))
    same = {"BOOLEAN": "bool", "JSON": "json", "JSONB": "json", "TIMESTAMPTZ": "moment", "INTERVAL": "interval"}
    if same.get(name) == one.kind:
        return one
    if name == "USERDEFINED" and "citext" in wanted.sql().lower() and one.kind in ("citext", "text"):
        return Term("citext", one.value)
    raise Outside(f"{one.kind} as {name}")


def _days(micros: Any) -> Any:
    days = pc.floor(pc.divide(pc.cast(micros, pa.float64(), safe=False), float(qu.MICROS_A_DAY)))
    return pc.cast(days, pa.int64())


def _rounded(one: Term, digits: int) -> Term:
    return Term("numeric", lambda rows: qu.rounded(one.value(rows), digits, "half_towards_infinity"))


def _as_text(one: Term) -> Term:
    if one.kind == "bpchar":
        return Term("text", lambda rows: pc.utf8_rtrim(one.value(rows), _BLANK))
    if one.kind in ("text", "enum", "citext"):
        return Term("text", one.value)
    raise Outside(f"{one.kind} as text")


def _as_moment(one: Term) -> Term:
    if one.kind == "timestamp":
        return one
    return Term("timestamp", lambda rows: pc.multiply(one.value(rows), pa.scalar(qu.MICROS_A_DAY, pa.int64())))


# -- logic


def _connected(deed: Callable[[Any, Any], Any]) -> Callable[..., Term]:
    def made(tree: exp.Binary, columns: Mapping[str, Column]) -> Term:
        left, right = (truth(term(side, columns)) for side in (tree.left, tree.right))
        return Term("bool", lambda rows: deed(left.value(rows), right.value(rows)))

    return made


def _not(tree: exp.Not, columns: Mapping[str, Column]) -> Term:
    return _inverted(truth(term(tree.this, columns)))


def _surely(values: Any) -> Any:
    """Return a condition that is false where it was NULL."""
    return pc.fill_null(values, False)  # noqa: FBT003


def _inverted(one: Term) -> Term:
    return Term("bool", lambda rows: pc.invert(one.value(rows)))


def _is(tree: exp.Is, columns: Mapping[str, Column]) -> Term:
    left, right = term(tree.this, columns), _bare(tree.expression)
    if isinstance(right, exp.Null):
        return _missing(left)
    if not isinstance(right, exp.Boolean):
        raise Outside("IS")
    wanted, tested = bool(right.this), truth(left)
    return Term("bool", lambda rows: pc.equal(pc.fill_null(tested.value(rows), not wanted), wanted))


def _missing(one: Term) -> Term:
    return Term("bool", lambda rows: pc.is_null(_plain(one.value(rows))))


def _plain(value: Any) -> Any:
    """Return the Arrow values of whatever a term gives."""
    return value.values if isinstance(value, Number) else value.micros if isinstance(value, Span) else value


def _comparison(name: str) -> Callable[..., Term]:
    def made(tree: exp.Binary, columns: Mapping[str, Column]) -> Term:
        items = _items(tree.expression)
        left = term(tree.this, columns)
        if items is None:
            return compared(name, left, term(tree.expression, columns))
        every, trees = items
        return _each(left, [term(one, columns) for one in trees], name, every=every)

    return made


def _items(tree: Tree) -> tuple[bool, list[Tree]] | None:
    """Return the items of ANY (ARRAY[…]) or ALL (ARRAY[…]), and whether it is ALL; None where it is neither."""
    named = isinstance(tree, exp.Anonymous) and str(tree.this).upper() in ("ALL", "SOME")
    if not (isinstance(tree, exp.Any | exp.All) or named):
        return None
    every = isinstance(tree, exp.All) or (named and str(tree.this).upper() == "ALL")
    return every, array_items(tree.expressions[0] if named else tree.this)


def array_items(tree: Tree) -> list[Tree]:
    """Return the items of an array that is written out."""
    tree = _bare(tree)
    if isinstance(tree, exp.Array):
        return list(tree.expressions)
    if isinstance(tree, exp.Cast):
        inner, wanted = _bare(tree.this), tree.to.expressions
        if isinstance(inner, exp.Literal) and wanted:
            words = _words(inner.this)
            return [exp.Cast(this=exp.Literal.string(word), to=wanted[0].copy()) for word in words]
        items = array_items(inner)
        return [exp.Cast(this=one.copy(), to=wanted[0].copy()) for one in items] if wanted else items
    raise Outside("an array that is not written out")


def _words(literal: str) -> list[str]:
    inside = literal.removeprefix("{").removesuffix("}")
    if len(inside) != len(literal) - 2 or set(inside) & set('"\\{}') or "NULL" in inside.upper().split(","):
        raise Outside(literal)
    return inside.split(",") if inside else []


def _each(left: Term, items: list[Term], name: str, *, every: bool) -> Term:
    if any(one.kind == "null" for one in items) or not items:
        raise Outside("NULL in a list")
    tests = [compared(name, left, one) for one in items]
    deed = pc.and_kleene if every else pc.or_kleene
    return Term("bool", lambda rows: reduce(deed, (one.value(rows) for one in tests)))


def _in(tree: exp.In, columns: Mapping[str, Column]) -> Term:
    if tree.args.get("query") or tree.args.get("unnest"):
        raise Outside("IN (SELECT …)")
    return _each(term(tree.this, columns), [term(one, columns) for one in tree.expressions], "equal", every=False)


def _between(tree: exp.Between, columns: Mapping[str, Column]) -> Term:
    middle, low, high = (term(tree.args[part], columns) for part in ("this", "low", "high"))
    above, below = compared("greater_equal", middle, low), compared("less_equal", middle, high)
    return Term("bool", lambda rows: pc.and_kleene(above.value(rows), below.value(rows)))


def _distinct(*, same: bool) -> Callable[..., Term]:
    def made(tree: exp.Binary, columns: Mapping[str, Column]) -> Term:
        left, right = term(tree.left, columns), term(tree.right, columns)
        equal, nulls = compared("equal", left, right), [_missing(left), _missing(right)]

        def value(rows: Rows) -> Any:
            first, second = (one.value(rows) for one in nulls)
            alike = pc.if_else(pc.or_(first, second), pc.and_(first, second), _surely(equal.value(rows)))
            return alike if same else pc.invert(alike)

        return Term("bool", value)

    return made


# -- choice between values


def _common(terms: list[Term]) -> Kind:
    """Return the kind that all terms can be given in; NULL fits any."""
    kinds = {"text" if one.kind in _TEXTS else one.kind for one in terms if one.kind != "null"}
    if kinds and kinds <= set(_NUMBERS):
        return next(kind for kind in ("float", "numeric", "integer") if kind in kinds)
    if len(kinds) != 1 or "interval" in kinds:
        raise Outside("values of several types")
    return next(iter(kinds))


def _in_common(terms: list[Term]) -> tuple[Kind, Callable[[Rows], list[Any]], Callable[[Any, int], Any]]:
    """Return the kind, the Arrow values in one type, and what makes a term's value of a result."""
    kind = _common(terms)

    def values(rows: Rows) -> list[Any]:
        found = [None if one.kind == "null" else one.value(rows) for one in terms]
        if kind in _NUMBERS:
            return _numbers(found)
        known = [one for one in found if one is not None]
        return [pa.scalar(None, known[0].type) if one is None else one for one in found]

    return kind, values, lambda made, scale: Number(made, scale) if kind in _NUMBERS else made


def _numbers(found: list[Any]) -> list[Any]:
    same = iter(qu.aligned([one for one in found if one is not None]))
    made = [None if one is None else next(same) for one in found]
    scale = next(one.scale for one in made if one is not None)
    kind = next(one.values.type for one in made if one is not None)
    return [pa.scalar(scale), *(pa.scalar(None, kind) if one is None else one.values for one in made)]


def _chosen(terms: list[Term], pick: Callable[[Rows, list[Any]], Any]) -> Term:
    kind, values, wrapped = _in_common(terms)

    def value(rows: Rows) -> Any:
        found = values(rows)
        scale = found.pop(0).as_py() if kind in _NUMBERS else 0
        return wrapped(pick(rows, found), scale)

    return Term(kind, value)


def _coalesce(tree: exp.Coalesce, columns: Mapping[str, Column]) -> Term:
    terms = [_textual(term(one, columns)) for one in (tree.this, *tree.expressions)]
    return _chosen(terms, lambda _rows, found: pc.coalesce(*found))


def _textual(one: Term) -> Term:
    return _as_text(one) if one.kind in _TEXTS else one


def _nullif(tree: exp.Nullif, columns: Mapping[str, Column]) -> Term:
    left, right = term(tree.this, columns), term(tree.expression, columns)
    equal = compared("equal", left, right)
    null = Term("null", lambda _rows: None)
    return _chosen([left, null], lambda rows, found: pc.if_else(_surely(equal.value(rows)), found[1], found[0]))


def _case(tree: exp.Case, columns: Mapping[str, Column]) -> Term:
    subject = term(tree.this, columns) if tree.this else None
    tests = [
        truth(term(one.this, columns)) if subject is None else compared("equal", subject, term(one.this, columns))
        for one in tree.args["ifs"]
    ]
    last = tree.args.get("default") or exp.Null()
    terms = [_textual(term(one, columns)) for one in (*(each.args["true"] for each in tree.args["ifs"]), last)]

    def pick(rows: Rows, found: list[Any]) -> Any:
        value = found[-1]
        for test, one in zip(reversed(tests), reversed(found[:-1]), strict=True):
            value = pc.if_else(_surely(test.value(rows)), one, value)
        return value

    return _chosen(terms, pick)


def _extreme(deed: Callable[..., Any]) -> Callable[..., Term]:
    def made(tree: exp.Greatest | exp.Least, columns: Mapping[str, Column]) -> Term:
        terms = [term(one, columns) for one in (tree.this, *tree.expressions)]
        if _common(terms) not in (*_NUMBERS, "date", "timestamp", "moment", "clock"):
            raise Outside("order of texts depends on the collation")
        return _chosen(terms, lambda _rows, found: reduce(lambda one, two: deed(one, two, skip_nulls=True), found))

    return made


def _count_nulls(trees: list[Tree], columns: Mapping[str, Column], *, missing: bool) -> Term:
    tests = [_missing(term(one, columns)) for one in trees]

    def value(rows: Rows) -> Number:
        found = [pc.cast(one.value(rows), pa.int64()) for one in tests]
        nulls = reduce(pc.add, found)
        return Number(nulls if missing else pc.subtract(pa.scalar(len(found), pa.int64()), nulls))

    return Term("integer", value)


# -- numbers and moments


def _arithmetic(tree: exp.Binary, columns: Mapping[str, Column]) -> Term:
    left, right = term(tree.left, columns), term(tree.right, columns)
    if left.kind in _NUMBERS and right.kind in _NUMBERS:
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
    rows.broken.append(_surely(pc.equal(found.values, 0)))
    return found


def _times(tree: exp.Binary, left: Term, right: Term) -> Term:
    if not isinstance(tree, exp.Mul) or {left.kind, right.kind} - {"interval", *_NUMBERS}:
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
        base = _as_moment(left) if left.kind == "date" else left
        return Term(base.kind, lambda rows: qu.moved(base.value(rows), right.value(rows), sign))
    if sign < 0 and (kinds == ("moment", "moment") or set(kinds) <= set(_TEMPORAL)):
        first, second = (one if one.kind == "moment" else _as_moment(one) for one in (left, right))
        return Term("interval", lambda rows: Span(0, deed(first.value(rows), second.value(rows))))
    raise Outside(f"{left.kind} and {right.kind}")


def _negative(tree: exp.Neg, columns: Mapping[str, Column]) -> Term:
    one = _numeric(tree.this, columns)
    return Term(one.kind, lambda rows: qu.negated(one.value(rows)))


def _numeric(tree: Tree, columns: Mapping[str, Column]) -> Term:
    one = term(tree, columns)
    if one.kind not in _NUMBERS:
        raise Outside(f"{one.kind} as a number")
    return one


def _abs(tree: exp.Abs, columns: Mapping[str, Column]) -> Term:
    one = _numeric(tree.this, columns)

    def value(rows: Rows) -> Number:
        found: Number = one.value(rows)
        return Number(pc.abs(found.values), found.scale)

    return Term(one.kind, value)


def _sign_of(tree: exp.Sign, columns: Mapping[str, Column]) -> Term:
    one = _numeric(tree.this, columns)
    return Term(one.kind, lambda rows: Number(pc.cast(pc.sign(one.value(rows).values), pa.int64())))


def _rounding(mode: str) -> Callable[..., Term]:
    def made(tree: Tree, columns: Mapping[str, Column]) -> Term:
        one, digits = _numeric(tree.this, columns), tree.args.get("decimals")
        if digits is not None and not (isinstance(digits, exp.Literal) and digits.this.isdigit()):
            raise Outside("round to a computed place")
        nearest = "half_to_even" if one.kind == "float" and mode == "half_towards_infinity" else mode
        kind: Kind = "float" if one.kind == "float" else "numeric"
        return Term(kind, lambda rows: qu.rounded(one.value(rows), int(digits.this) if digits else 0, nearest))

    return made


def _power(tree: exp.Pow, columns: Mapping[str, Column]) -> Term:
    base, power = _numeric(tree.this, columns), _numeric(tree.expression, columns)
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
    one, part = term(tree.expression, columns), _bare(tree.this)
    name = (part.this.name if isinstance(part, exp.Cast) else part.name).lower()
    kind: Kind = "numeric" if isinstance(part, exp.Var) else "float"
    if name == "epoch" and one.kind in ("interval", "moment", *_TEMPORAL):
        micros = one if one.kind in ("interval", "moment") else _as_moment(one)
        return Term(kind, lambda rows: Number(_epoch(micros.value(rows)), 6))
    if name not in _FIELDS or one.kind not in (_TEMPORAL if name not in ("hour", "minute") else ("timestamp", "clock")):
        raise Outside(f"{name} of {one.kind}")  # of a moment it depends on the session's time zone
    at = one if one.kind == "clock" else _as_moment(one)
    field_of = _FIELDS[name]
    return Term(kind, lambda rows: Number(pc.cast(field_of(pc.cast(at.value(rows), pa.timestamp("us"))), pa.int64())))


def _epoch(value: Any) -> Any:
    return qu.length(value) if isinstance(value, Span) else value


# -- texts, JSON, arrays


def _characters(tree: Tree, columns: Mapping[str, Column]) -> Term:
    return _as_text(term(tree, columns))


def _length(tree: exp.Length, columns: Mapping[str, Column]) -> Term:
    one = term(tree.this, columns)
    if one.kind == "bytes":
        return Term("integer", lambda rows: _whole(pc.binary_length(one.value(rows))))
    text = _as_text(one)
    return Term("integer", lambda rows: _whole(pc.utf8_length(text.value(rows))))


def _whole(values: Any) -> Number:
    return Number(pc.cast(values, pa.int64()))


def _changed(deed: Callable[[Any], Any]) -> Callable[..., Term]:
    def made(tree: Tree, columns: Mapping[str, Column]) -> Term:
        one = _characters(tree.this, columns)
        return Term("text", lambda rows: deed(one.value(rows)))

    return made


def _trim(tree: exp.Trim, columns: Mapping[str, Column]) -> Term:
    one, signs = _characters(tree.this, columns), tree.args.get("expression")
    letters = _literal_text(signs) if signs is not None else _BLANK
    side = str(tree.args.get("position") or "BOTH").upper()
    deed = {"LEADING": pc.utf8_ltrim, "TRAILING": pc.utf8_rtrim}.get(side, pc.utf8_trim)
    return Term("text", lambda rows: deed(one.value(rows), letters))


def _literal_text(tree: Tree) -> str:
    tree = _bare(tree)
    inner = _bare(tree.this) if isinstance(tree, exp.Cast) else tree
    if not (isinstance(inner, exp.Literal) and inner.is_string):
        raise Outside("a pattern that is computed")
    return str(inner.this)


def _literal_count(tree: Tree | None) -> int:
    if not (isinstance(tree, exp.Literal) and not tree.is_string and tree.this.isdigit()):
        raise Outside("a place that is computed")
    return int(tree.this)


def _left(tree: exp.Left, columns: Mapping[str, Column]) -> Term:
    one, count = _characters(tree.this, columns), _literal_count(tree.expression)
    return Term("text", lambda rows: pc.utf8_slice_codeunits(one.value(rows), 0, count))


def _right(tree: exp.Right, columns: Mapping[str, Column]) -> Term:
    one, count = _characters(tree.this, columns), _literal_count(tree.expression)
    if not count:
        raise Outside("right(…, 0)")
    return Term("text", lambda rows: pc.utf8_slice_codeunits(one.value(rows), -count, 2**31 - 1))


def _substring(tree: exp.Substring, columns: Mapping[str, Column]) -> Term:
    one, start = _characters(tree.this, columns), _literal_count(tree.args.get("start"))
    width = tree.args.get("length")
    stop = start - 1 + _literal_count(width) if width is not None else 2**31 - 1
    if not start:
        raise Outside("substring from 0")
    return Term("text", lambda rows: pc.utf8_slice_codeunits(one.value(rows), start - 1, stop))


def _position(tree: exp.StrPosition, columns: Mapping[str, Column]) -> Term:
    one, wanted = _characters(tree.this, columns), _literal_text(tree.args["substr"])
    if not wanted.isascii():
        raise Outside("the place of a letter in bytes")

    def value(rows: Rows) -> Number:
        text = one.value(rows)
        before = pc.utf8_length(pc.list_element(pc.split_pattern(text, wanted), 0))
        found = pc.match_substring(text, wanted)
        return Number(pc.if_else(found, pc.add(pc.cast(before, pa.int64()), 1), pa.scalar(0, pa.int64())))

    return Term("integer", value)


def _starts(tree: exp.StartsWith, columns: Mapping[str, Column]) -> Term:
    one, start = _characters(tree.this, columns), _literal_text(tree.expression)
    return Term("bool", lambda rows: pc.starts_with(one.value(rows), start))


def _joined(tree: exp.DPipe, columns: Mapping[str, Column]) -> Term:
    parts = [_characters(side, columns) for side in (tree.left, tree.right)]
    return Term("text", lambda rows: pc.binary_join_element_wise(*(one.value(rows) for one in parts), ""))


def _concatenated(tree: exp.Concat, columns: Mapping[str, Column]) -> Term:
    parts = [_characters(one, columns) for one in tree.expressions]
    return Term(
        "text",
        lambda rows: pc.binary_join_element_wise(
            *(one.value(rows) for one in parts), "", null_handling="replace", null_replacement=""
        ),
    )


def _replaced(tree: exp.Replace, columns: Mapping[str, Column]) -> Term:
    one, old = _characters(tree.this, columns), _literal_text(tree.expression)
    new = _literal_text(tree.args["replacement"])
    return Term("text", lambda rows: pc.replace_substring(one.value(rows), old, new))


def _matching(*, any_case: bool, like: bool) -> Callable[..., Term]:
    def made(tree: exp.Binary, columns: Mapping[str, Column]) -> Term:
        items, left = _items(tree.expression), term(tree.this, columns)
        if items is not None:
            every, trees = items
            tests = [_matched(left, _literal_text(one), any_case=any_case, like=like) for one in trees]
            deed = pc.and_kleene if every else pc.or_kleene
            return Term("bool", lambda rows: reduce(deed, (one.value(rows) for one in tests)))
        return _matched(left, _literal_text(tree.expression), any_case=any_case, like=like)

    return made


def _matched(left: Term, pattern: str, *, any_case: bool, like: bool) -> Term:
    any_case = any_case or left.kind == "citext"
    found = pattern_of(pattern, any_case=any_case, like=like)
    if found is None or left.kind not in ("text", "bpchar", "citext"):
        raise Outside(pattern)
    return Term("bool", lambda rows: pc.match_substring_regex(left.value(rows), found))


def pattern_of(pattern: str, *, any_case: bool, like: bool) -> str | None:
    """Return a pattern in RE2's words, where it can be said in them."""
    if like:
        return regexes.from_like(pattern, any_case=any_case)
    found = regexes.to_re2(pattern, any_case=any_case)
    try:
        pc.match_substring_regex(pa.scalar(""), found or "(")
    except pa.ArrowInvalid:
        return None
    return found


def _named(tree: exp.Anonymous, columns: Mapping[str, Column]) -> Term:
    name, given = str(tree.this).lower(), tree.expressions
    if name in ("num_nulls", "num_nonnulls"):
        return _count_nulls(given, columns, missing=name == "num_nulls")
    if name in ("json_typeof", "jsonb_typeof"):
        return _json_type(term(given[0], columns))
    if name == "octet_length":
        one = term(given[0], columns)
        text = one if one.kind == "bytes" else _as_text(one)
        return Term("integer", lambda rows: _whole(pc.binary_length(text.value(rows))))
    if name == "cardinality":
        return _list_length(term(given[0], columns), empty=0)
    raise Outside(name)


_JSON_TYPES = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}


def _json_type(one: Term) -> Term:
    if one.kind != "json":
        raise Outside("the type of a text")
    signs = pa.array(list(_JSON_TYPES))
    names = pa.array([*_JSON_TYPES.values(), "number"])

    def value(rows: Rows) -> Any:
        text = one.value(rows)
        first = pc.utf8_slice_codeunits(pc.utf8_ltrim(text, " \t\r\n"), 0, 1)
        found = names.take(pc.fill_null(pc.index_in(first, signs), len(signs)))
        return pc.if_else(text.is_null(), pa.scalar(None, pa.string()), found)

    return Term("text", value)


def _array_size(tree: exp.ArraySize, columns: Mapping[str, Column]) -> Term:
    dimension = tree.args.get("expression")
    if dimension is not None and _literal_count(dimension) != 1:
        raise Outside("a second dimension")
    return _list_length(term(tree.this, columns), empty=None)


def _list_length(one: Term, *, empty: int | None) -> Term:
    if one.kind != "array":
        raise Outside(f"the length of {one.kind}")

    def value(rows: Rows) -> Number:
        sizes = pc.cast(pc.list_value_length(one.value(rows)), pa.int64())
        return Number(pc.if_else(pc.equal(sizes, 0), pa.scalar(empty, pa.int64()), sizes))

    return Term("integer", value)


_MAKERS: Mapping[type, Callable[..., Term]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Null: _null,
    exp.Paren: _inside,
    exp.Cast: _cast,
    exp.And: _connected(pc.and_kleene),
    exp.Or: _connected(pc.or_kleene),
    exp.Not: _not,
    exp.Is: _is,
    exp.EQ: _comparison("equal"),
    exp.NEQ: _comparison("not_equal"),
    exp.LT: _comparison("less"),
    exp.LTE: _comparison("less_equal"),
    exp.GT: _comparison("greater"),
    exp.GTE: _comparison("greater_equal"),
    exp.In: _in,
    exp.Between: _between,
    exp.NullSafeEQ: _distinct(same=True),
    exp.NullSafeNEQ: _distinct(same=False),
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
    exp.Case: _case,
    exp.Greatest: _extreme(pc.max_element_wise),
    exp.Least: _extreme(pc.min_element_wise),
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
    exp.Length: _length,
    exp.Lower: _changed(pc.utf8_lower),
    exp.Upper: _changed(pc.utf8_upper),
    exp.Trim: _trim,
    exp.Left: _left,
    exp.Right: _right,
    exp.Substring: _substring,
    exp.StrPosition: _position,
    exp.StartsWith: _starts,
    exp.DPipe: _joined,
    exp.Concat: _concatenated,
    exp.Replace: _replaced,
    exp.Like: _matching(any_case=False, like=True),
    exp.ILike: _matching(any_case=True, like=True),
    exp.RegexpLike: _matching(any_case=False, like=False),
    exp.RegexpILike: _matching(any_case=True, like=False),
    exp.Anonymous: _named,
    exp.ArraySize: _array_size,
}
