"""Columns, constants and casts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
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
    Term,
    as_moment,
    as_text,
    bare,
    term,
)
from rehearse.profiles import Column, Type

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _column(tree: exp.Column, columns: Mapping[str, Column]) -> Term:
    name = tree.name
    if name not in columns or tree.table:
        raise Outside(name)
    kind = columns[name].type
    return Term(_kind(kind), lambda rows: _read(rows.columns[name], kind), kind.labels)


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
    wanted, inner = tree.to, bare(tree.this)
    if isinstance(inner, exp.Literal) and inner.is_string:
        return _from_words(inner.this, wanted)
    return _converted(term(inner, columns), wanted)


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
        return as_text(one)
    if name == "DECIMAL" and one.kind in ("integer", "numeric"):
        return _rounded(one, sizes[1] if len(sizes) > 1 else 0) if sizes else Term("numeric", one.value)
    if name in ("INT", "BIGINT", "SMALLINT") and one.kind in ("integer", "numeric"):
        return one if one.kind == "integer" else Term("integer", _rounded(one, 0).value)
    if name in ("DOUBLE", "FLOAT") and one.kind in NUMBERS:
        return Term("float", lambda rows: Number(qu.as_double(one.value(rows))))
    if name == "TIMESTAMP" and one.kind in TEMPORAL:
        return as_moment(one)
    if name == "DATE" and one.kind in TEMPORAL:
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


MAKERS: Mapping[type, Maker] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Null: _null,
    exp.Paren: _inside,
    exp.Cast: _cast,
}
