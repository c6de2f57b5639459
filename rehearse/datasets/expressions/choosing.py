"""Values chosen among others: CASE, COALESCE, GREATEST; and the count of those that are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from rehearse.datasets.expressions import quantities as qu
from rehearse.datasets.expressions.quantities import Number
from rehearse.datasets.expressions.terms import (
    NUMBERS,
    TEXTS,
    Kind,
    Maker,
    Outside,
    Rows,
    Term,
    Tree,
    compared,
    is_missing,
    surely,
    term,
    textual,
    truth,
)
from rehearse.profiles import Column


def _common(terms: list[Term]) -> Kind:
    """Return the kind that all terms can be given in; NULL fits any."""
    kinds = {"text" if one.kind in TEXTS else one.kind for one in terms if one.kind != "null"}
    if kinds and kinds <= set(NUMBERS):
        return next(kind for kind in ("float", "numeric", "integer") if kind in kinds)
    if len(kinds) != 1 or "interval" in kinds:
        raise Outside("values of several types")
    return next(iter(kinds))


def _in_common(terms: list[Term]) -> tuple[Kind, Callable[[Rows], list[Any]], Callable[[Any, int], Any]]:
    """Return the kind, the Arrow values in one type, and what makes a term's value of a result."""
    kind = _common(terms)

    def values(rows: Rows) -> list[Any]:
        found = [None if one.kind == "null" else one.value(rows) for one in terms]
        if kind in NUMBERS:
            return _numbers(found)
        known = [one for one in found if one is not None]
        return [pa.scalar(None, known[0].type) if one is None else one for one in found]

    return kind, values, lambda made, scale: Number(made, scale) if kind in NUMBERS else made


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
        scale = found.pop(0).as_py() if kind in NUMBERS else 0
        return wrapped(pick(rows, found), scale)

    return Term(kind, value)


def _coalesce(tree: exp.Coalesce, columns: Mapping[str, Column]) -> Term:
    terms = [textual(term(one, columns)) for one in (tree.this, *tree.expressions)]
    return _chosen(terms, lambda _rows, found: pc.coalesce(*found))


def _nullif(tree: exp.Nullif, columns: Mapping[str, Column]) -> Term:
    left, right = term(tree.this, columns), term(tree.expression, columns)
    equal = compared("equal", left, right)
    null = Term("null", lambda _rows: None)
    return _chosen([left, null], lambda rows, found: pc.if_else(surely(equal.value(rows)), found[1], found[0]))


def _case(tree: exp.Case, columns: Mapping[str, Column]) -> Term:
    subject = term(tree.this, columns) if tree.this else None
    tests = [
        truth(term(one.this, columns)) if subject is None else compared("equal", subject, term(one.this, columns))
        for one in tree.args["ifs"]
    ]
    last = tree.args.get("default") or exp.Null()
    terms = [textual(term(one, columns)) for one in (*(each.args["true"] for each in tree.args["ifs"]), last)]

    def pick(rows: Rows, found: list[Any]) -> Any:
        value = found[-1]
        for test, one in zip(reversed(tests), reversed(found[:-1]), strict=True):
            value = pc.if_else(surely(test.value(rows)), one, value)
        return value

    return _chosen(terms, pick)


def _extreme(deed: Callable[..., Any]) -> Callable[..., Term]:
    def made(tree: exp.Greatest | exp.Least, columns: Mapping[str, Column]) -> Term:
        terms = [term(one, columns) for one in (tree.this, *tree.expressions)]
        if _common(terms) not in (*NUMBERS, "date", "timestamp", "moment", "clock"):
            raise Outside("order of texts depends on the collation")
        return _chosen(terms, lambda _rows, found: reduce(lambda one, two: deed(one, two, skip_nulls=True), found))

    return made


def count_nulls(trees: list[Tree], columns: Mapping[str, Column], *, missing: bool) -> Term:
    """Return how many of the values are missing, or are there."""
    tests = [is_missing(term(one, columns)) for one in trees]

    def value(rows: Rows) -> Number:
        found = [pc.cast(one.value(rows), pa.int64()) for one in tests]
        nulls = reduce(pc.add, found)
        return Number(nulls if missing else pc.subtract(pa.scalar(len(found), pa.int64()), nulls))

    return Term("integer", value)


MAKERS: Mapping[type, Maker] = {
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
    exp.Case: _case,
    exp.Greatest: _extreme(pc.max_element_wise),
    exp.Least: _extreme(pc.min_element_wise),
}
