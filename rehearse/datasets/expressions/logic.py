"""Conditions: AND and OR, comparisons, lists, NULL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import pyarrow.compute as pc
from sqlglot import exp

from rehearse.datasets.expressions.terms import (
    Maker,
    Outside,
    Rows,
    Term,
    Tree,
    bare,
    compared,
    inverted,
    is_missing,
    surely,
    term,
    truth,
)
from rehearse.profiles import Column


def _connected(deed: Callable[[Any, Any], Any]) -> Callable[..., Term]:
    def made(tree: exp.Binary, columns: Mapping[str, Column]) -> Term:
        left, right = (truth(term(side, columns)) for side in (tree.left, tree.right))
        return Term("bool", lambda rows: deed(left.value(rows), right.value(rows)))

    return made


def _not(tree: exp.Not, columns: Mapping[str, Column]) -> Term:
    return inverted(truth(term(tree.this, columns)))


def _is(tree: exp.Is, columns: Mapping[str, Column]) -> Term:
    left, right = term(tree.this, columns), bare(tree.expression)
    if isinstance(right, exp.Null):
        return is_missing(left)
    if not isinstance(right, exp.Boolean):
        raise Outside("IS")
    wanted, tested = bool(right.this), truth(left)
    return Term("bool", lambda rows: pc.equal(pc.fill_null(tested.value(rows), not wanted), wanted))


def _comparison(name: str) -> Callable[..., Term]:
    def made(tree: exp.Binary, columns: Mapping[str, Column]) -> Term:
        listed = items(tree.expression)
        left = term(tree.this, columns)
        if listed is None:
            return compared(name, left, term(tree.expression, columns))
        every, trees = listed
        return _each(left, [term(one, columns) for one in trees], name, every=every)

    return made


def items(tree: Tree) -> tuple[bool, list[Tree]] | None:
    """Return the items of ANY (ARRAY[…]) or ALL (ARRAY[…]), and whether it is ALL; None where it is neither."""
    named = isinstance(tree, exp.Anonymous) and str(tree.this).upper() in ("ALL", "SOME")
    if not (isinstance(tree, exp.Any | exp.All) or named):
        return None
    every = isinstance(tree, exp.All) or (named and str(tree.this).upper() == "ALL")
    return every, array_items(tree.expressions[0] if named else tree.this)


def array_items(tree: Tree) -> list[Tree]:
    """Return the items of an array that is written out."""
    tree = bare(tree)
    if isinstance(tree, exp.Array):
        return list(tree.expressions)
    if isinstance(tree, exp.Cast):
        inner, wanted = bare(tree.this), tree.to.expressions
        if isinstance(inner, exp.Literal) and wanted:
            words = _words(inner.this)
            return [exp.Cast(this=exp.Literal.string(word), to=wanted[0].copy()) for word in words]
        inside = array_items(inner)
        return [exp.Cast(this=one.copy(), to=wanted[0].copy()) for one in inside] if wanted else inside
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
        equal, nulls = compared("equal", left, right), [is_missing(left), is_missing(right)]

        def value(rows: Rows) -> Any:
            first, second = (one.value(rows) for one in nulls)
            alike = pc.if_else(pc.or_(first, second), pc.and_(first, second), surely(equal.value(rows)))
            return alike if same else pc.invert(alike)

        return Term("bool", value)

    return made


MAKERS: Mapping[type, Maker] = {
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
}
