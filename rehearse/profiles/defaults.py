"""The shape of a column that no profile describes, from its type, its name and its table's conditions."""

from __future__ import annotations

import re

from rehearse.profiles.shapes import (
    Bool,
    Choice,
    Default,
    Items,
    Json,
    Number,
    Parent,
    Pattern,
    Random,
    Range,
    Serial,
    Shape,
    Text,
    Time,
    Value,
    Word,
)
from rehearse.profiles.structure import Column, Table, Type

_VOCABULARIES: tuple[tuple[str, Word], ...] = (
    (r"e_?mail", "email"),
    (r"first_?name|given", "first name"),
    (r"last_?name|surname|family", "last name"),
    (r"user_?name|login|nick|slug|handle", "user name"),
    (r"company|organi[sz]ation|employer", "company"),
    (r"product|item_name|article", "product"),
    (r"name", "full name"),
    (r"phone|mobile|fax", "phone"),
    (r"city|town", "city"),
    (r"country", "country"),
    (r"state|region|province", "state"),
    (r"street|address", "street"),
    (r"post_?code|zip", "postcode"),
    (r"url|uri|link|path|href", "url"),
    (r"body|description|content|text|comment|bio", "paragraph"),
    (r"title|subject|note|reason|message|summary", "sentence"),
)
_DECLARED: dict[str, Shape] = {
    **dict.fromkeys(("int4range", "int8range", "numrange"), Range(low=Number(low=1, high=10_000))),
    **dict.fromkeys(("tsrange", "tstzrange"), Range(low=Time(), length=3600.0)),
    "daterange": Range(low=Time(), length=10.0),
    **dict.fromkeys(("spatial point", "spatial geometry"), Pattern(pattern=r"POINT(##.#### ##.####)")),
    "spatial linestring": Pattern(pattern=r"LINESTRING(##.#### ##.####,##.#### ##.####)"),
    "spatial polygon": Pattern(pattern=r"POLYGON((0 0,0 ##.####,##.#### ##.####,0 0))"),
}
_ONE_OF = r"\(?\(?{column}\)?(?:::[\w ]+)?\s*(?:=\s*ANY\s*\(\(?ARRAY\[|IN\s*\()(?P<list>[^\])]*)"
_QUOTED = re.compile(r"'((?:[^']|'')*)'")


def default_shape(table: Table, column: Column) -> Shape:
    """Return a shape that the column can hold; what has a default of its own and no key keeps that default."""
    if any(column.name in key.columns for key in table.foreign_keys):
        return Parent(skew=0.6)
    if column.type.kind == "integer" and (column.numbered or _is_key(table, column)):
        return Serial()
    allowed = listed(table, column)
    if allowed:
        return Choice(of=allowed)
    unique = (column.name,) in table.keys
    kept = column.type.kind in ("text", "json", "numeric", "integer", "float", "array", "enum", "other")
    if column.has_default and kept and not unique:
        return Default()
    return _by_type(column.type, column.name, unique=unique)


def _is_key(table: Table, column: Column) -> bool:
    return (column.name,) in table.keys or (table.primary_key is not None and column.name in table.primary_key)


def listed(table: Table, column: Column) -> list[str | int | float | bool]:
    """Return the values that a condition such as `segment IN ('retail', 'business')` allows."""
    pattern = re.compile(_ONE_OF.format(column=rf'"?{re.escape(column.name)}"?'), re.IGNORECASE)
    for check in table.checks:
        found = pattern.search(check)
        if found:
            return [text.replace("''", "'") for text in _QUOTED.findall(found["list"])]
    return []


def _by_type(kind: Type, name: str, *, unique: bool) -> Shape:  # noqa: PLR0911 - one answer a type
    match kind.kind:
        case "integer" | "numeric" | "float":
            if unique:
                return Serial()
            digits = 9 if kind.precision is None else kind.precision - kind.scale
            return Number(low=1 if digits > 0 else 0, high=min(10_000.0, 10.0 ** max(digits, 0) - 1), median=None)
        case "text":
            return Text(of=vocabulary_of(name), unique=unique)
        case "bool":
            return Bool()
        case "date" | "timestamp" | "time":
            return Time()
        case "enum":
            return Choice(of=list(kind.labels))
        case "json":
            return Json(keys={})
        case "array":
            assert kind.element is not None
            return Items(of=_by_type(kind.element, name, unique=False), most=3)
        case "uuid" | "bytes" | "inet":
            return Random()
        case "interval":
            return Number(low=60, high=86_400)
        case "other":
            return _DECLARED.get(kind.declared, Value(value=None))


def vocabulary_of(name: str) -> Word:
    """Return the vocabulary that a column's name asks for."""
    return next((word for pattern, word in _VOCABULARIES if re.search(pattern, name, re.I)), "word")
