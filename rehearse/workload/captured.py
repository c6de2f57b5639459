"""Calls from the statements that production counted (pg_stat_statements): each parameter gets values of its column.

What was counted has no constants, no grouping into transactions and no order. A parameter takes values that exist in
the column that it is compared with, set to or inserted into; where none can be told the statement is left out, and that
is said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from rehearse.model import CallChoice, Survey, TableFacts
from rehearse.workload.shapes import named, parsed, target

Greatest = Callable[[TableFacts, str], str | None]
_COMPARED = (
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Like,
    exp.ILike,
    exp.In,
    exp.Between,
    exp.NullSafeEQ,
)
_PASSED = (exp.Paren, exp.Cast, exp.Neg, exp.Lower, exp.Upper, exp.Tuple)
_SUMS = (exp.Add, exp.Sub)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PARAMETER = re.compile(r"\$(\d+)")


class Unresolved(Exception):
    """A parameter of which nothing tells what its values are."""


@dataclass(frozen=True, slots=True)
class Captured:
    """The calls that were made of statements; `left_out` are the others with the reason, and their share of all."""

    calls: tuple[CallChoice, ...]
    left_out: tuple[tuple[str, str], ...]
    share_left_out: float


def captured(statements: Sequence[tuple[str, float]], survey: Survey, greatest: Greatest) -> Captured:
    """Return calls for statements, each with its weight, as far as values can be found for their parameters."""
    calls, left_out, lost = list[CallChoice](), list[tuple[str, str]](), 0.0
    names: Counter[str] = Counter()
    for sql, weight in statements:
        try:
            values, kind = _values(sql, survey, greatest)
        except Unresolved as reason:
            left_out.append((sql, str(reason)))
            lost += weight
            continue
        names[kind] += 1
        name = kind if names[kind] == 1 else f"{kind} {names[kind]}"
        calls.append(CallChoice(name=name, sql=_PARAMETER.sub(r":p\1", sql), share=weight, values=values))
    whole = sum(weight for _, weight in statements)
    return Captured(tuple(calls), tuple(left_out), lost / whole if whole else 0.0)


def _values(sql: str, survey: Survey, greatest: Greatest) -> tuple[dict[str, Any], str]:
    tree = parsed(sql)
    if tree is None:
        raise Unresolved("it is not read as a query or a write of rows")
    found: dict[str, Any] = {}
    for one in tree.find_all(exp.Parameter):
        name = f"p{one.this.name}"
        if name not in found:
            found[name] = _value(one, tree, survey, greatest)
    return found, _kind(tree, survey)


def _kind(tree: exp.Expr, survey: Survey) -> str:
    table = target(tree) if not isinstance(tree, exp.Query) else tree.find(exp.Table)
    verb = "read" if isinstance(tree, exp.Query) else tree.key
    return f"{verb} {named(table, survey)}" if table is not None else verb


def _value(one: exp.Expr, tree: exp.Expr, survey: Survey, greatest: Greatest) -> Any:
    """Return what a scenario would say of a parameter's values."""
    inner, parent = one, one.parent
    while isinstance(parent, _PASSED) and not isinstance(parent.parent, exp.Values):
        inner, parent = parent, parent.parent
    if isinstance(parent, exp.Limit | exp.Fetch):
        return {"min": 1, "max": 50}
    if isinstance(parent, exp.Offset):
        return {"min": 0, "max": 100}
    if isinstance(parent, exp.Tuple) and isinstance(parent.parent, exp.Values):
        return _inserted(parent.expressions.index(inner), tree, survey, greatest)
    if isinstance(parent, _SUMS):
        return {"min": 1, "max": 5}
    if isinstance(parent, _COMPARED):
        table, column = _column(parent, inner, tree, survey)
        return f"{table.table}.{column}"
    raise Unresolved(f"${one.this.name} is compared with no column")


def _inserted(place: int, tree: exp.Expr, survey: Survey, greatest: Greatest) -> Any:
    table = target(tree)
    facts = survey.tables.get(named(table, survey)) if table is not None else None
    if facts is None:
        raise Unresolved("it inserts into no table that is known")
    columns = [one.name for one in tree.this.expressions] if isinstance(tree.this, exp.Schema) else facts.columns
    column = columns[place]
    if column in facts.key and len(facts.key) == 1:
        last = greatest(facts, column) or "0"
        if _UUID.fullmatch(last):
            return {"uuid": True}
        if not last.lstrip("-").isdigit():
            raise Unresolved(f"new keys of {facts.table}.{column} cannot be made")
        return {"serial": f"{facts.table}.{column}"}
    return f"{_with_rows(facts).table}.{column}"


def _column(compared: exp.Expr, side: exp.Expr, tree: exp.Expr, survey: Survey) -> tuple[TableFacts, str]:
    """Return the column on the other side of a comparison."""
    for one in _others(compared, side):
        table = _table(one, tree, survey)
        if table is not None and one.name in table.columns:
            return _with_rows(table), one.name
    raise Unresolved("a parameter is compared with no column of a table that is known")


def _others(compared: exp.Expr, side: exp.Expr) -> Iterator[exp.Column]:
    for child in compared.iter_expressions():
        if child is not side:
            yield from child.find_all(exp.Column)


def _table(column: exp.Column, tree: exp.Expr, survey: Survey) -> TableFacts | None:
    """Return the table of a column: by its alias, or the only one of the statement that has such a column."""
    tables = list(tree.find_all(exp.Table))
    if column.table:
        tables = [one for one in tables if one.alias_or_name == column.table]
    found = {facts.table: facts for one in tables if (facts := survey.tables.get(named(one, survey))) is not None}
    having = [facts for facts in found.values() if column.name in facts.columns]
    return having[0] if len(having) == 1 else None


def _with_rows(table: TableFacts) -> TableFacts:
    if not table.rows:
        raise Unresolved(f"{table.table} has no rows to take values from")
    return table
