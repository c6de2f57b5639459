"""Texts, JSON and arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from rehearse.datasets.expressions import regexes
from rehearse.datasets.expressions.choosing import count_nulls
from rehearse.datasets.expressions.logic import items
from rehearse.datasets.expressions.quantities import Number
from rehearse.datasets.expressions.terms import (
    BLANK,
    Maker,
    Outside,
    Rows,
    Term,
    Tree,
    as_text,
    characters,
    literal_count,
    literal_text,
    term,
    whole_number,
)
from rehearse.profiles import Column


def _length(tree: exp.Length, columns: Mapping[str, Column]) -> Term:
    one = term(tree.this, columns)
    if one.kind == "bytes":
        return Term("integer", lambda rows: whole_number(pc.binary_length(one.value(rows))))
    text = as_text(one)
    return Term("integer", lambda rows: whole_number(pc.utf8_length(text.value(rows))))


def _changed(deed: Callable[[Any], Any]) -> Callable[..., Term]:
    def made(tree: Tree, columns: Mapping[str, Column]) -> Term:
        one = characters(tree.this, columns)
        return Term("text", lambda rows: deed(one.value(rows)))

    return made


def _trim(tree: exp.Trim, columns: Mapping[str, Column]) -> Term:
    one, signs = characters(tree.this, columns), tree.args.get("expression")
    letters = literal_text(signs) if signs is not None else BLANK
    side = str(tree.args.get("position") or "BOTH").upper()
    deed = {"LEADING": pc.utf8_ltrim, "TRAILING": pc.utf8_rtrim}.get(side, pc.utf8_trim)
    return Term("text", lambda rows: deed(one.value(rows), letters))


def _left(tree: exp.Left, columns: Mapping[str, Column]) -> Term:
    one, count = characters(tree.this, columns), literal_count(tree.expression)
    return Term("text", lambda rows: pc.utf8_slice_codeunits(one.value(rows), 0, count))


def _right(tree: exp.Right, columns: Mapping[str, Column]) -> Term:
    one, count = characters(tree.this, columns), literal_count(tree.expression)
    if not count:
        raise Outside("right(…, 0)")
    return Term("text", lambda rows: pc.utf8_slice_codeunits(one.value(rows), -count, 2**31 - 1))


def _substring(tree: exp.Substring, columns: Mapping[str, Column]) -> Term:
    one, start = characters(tree.this, columns), literal_count(tree.args.get("start"))
    width = tree.args.get("length")
    stop = start - 1 + literal_count(width) if width is not None else 2**31 - 1
    if not start:
        raise Outside("substring from 0")
    return Term("text", lambda rows: pc.utf8_slice_codeunits(one.value(rows), start - 1, stop))


def _position(tree: exp.StrPosition, columns: Mapping[str, Column]) -> Term:
    one, wanted = characters(tree.this, columns), literal_text(tree.args["substr"])
    if not wanted.isascii():
        raise Outside("the place of a letter in bytes")

    def value(rows: Rows) -> Number:
        text = one.value(rows)
        before = pc.utf8_length(pc.list_element(pc.split_pattern(text, wanted), 0))
        found = pc.match_substring(text, wanted)
        return Number(pc.if_else(found, pc.add(pc.cast(before, pa.int64()), 1), pa.scalar(0, pa.int64())))

    return Term("integer", value)


def _starts(tree: exp.StartsWith, columns: Mapping[str, Column]) -> Term:
    one, start = characters(tree.this, columns), literal_text(tree.expression)
    return Term("bool", lambda rows: pc.starts_with(one.value(rows), start))


def _joined(tree: exp.DPipe, columns: Mapping[str, Column]) -> Term:
    parts = [characters(side, columns) for side in (tree.left, tree.right)]
    return Term("text", lambda rows: pc.binary_join_element_wise(*(one.value(rows) for one in parts), ""))


def _concatenated(tree: exp.Concat, columns: Mapping[str, Column]) -> Term:
    parts = [characters(one, columns) for one in tree.expressions]
    return Term(
        "text",
        lambda rows: pc.binary_join_element_wise(
            *(one.value(rows) for one in parts), "", null_handling="replace", null_replacement=""
        ),
    )


def _replaced(tree: exp.Replace, columns: Mapping[str, Column]) -> Term:
    one, old = characters(tree.this, columns), literal_text(tree.expression)
    new = literal_text(tree.args["replacement"])
    return Term("text", lambda rows: pc.replace_substring(one.value(rows), old, new))


def _matching(*, any_case: bool, like: bool) -> Callable[..., Term]:
    def made(tree: exp.Binary, columns: Mapping[str, Column]) -> Term:
        listed, left = items(tree.expression), term(tree.this, columns)
        if listed is not None:
            every, trees = listed
            tests = [_matched(left, literal_text(one), any_case=any_case, like=like) for one in trees]
            deed = pc.and_kleene if every else pc.or_kleene
            return Term("bool", lambda rows: reduce(deed, (one.value(rows) for one in tests)))
        return _matched(left, literal_text(tree.expression), any_case=any_case, like=like)

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
        return count_nulls(given, columns, missing=name == "num_nulls")
    if name in ("json_typeof", "jsonb_typeof"):
        return _json_type(term(given[0], columns))
    if name == "octet_length":
        one = term(given[0], columns)
        text = one if one.kind == "bytes" else as_text(one)
        return Term("integer", lambda rows: whole_number(pc.binary_length(text.value(rows))))
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
    if dimension is not None and literal_count(dimension) != 1:
        raise Outside("a second dimension")
    return _list_length(term(tree.this, columns), empty=None)


def _list_length(one: Term, *, empty: int | None) -> Term:
    if one.kind != "array":
        raise Outside(f"the length of {one.kind}")

    def value(rows: Rows) -> Number:
        sizes = pc.cast(pc.list_value_length(one.value(rows)), pa.int64())
        return Number(pc.if_else(pc.equal(sizes, 0), pa.scalar(empty, pa.int64()), sizes))

    return Term("integer", value)


MAKERS: Mapping[type, Maker] = {
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
