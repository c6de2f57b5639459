"""Which CHECK constraints list the values that a column may have: every other text breaks one."""

from __future__ import annotations

from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from rehearse.datasets.conditions import bare
from rehearse.profiles import TableStructure

_NOT_PART = (" NOT VALID", " NO INHERIT", " NOT ENFORCED")


def listed(table: TableStructure, column: str) -> tuple[str, ...] | None:
    """Return the values that a CHECK of the table leaves a column, None where none lists them."""
    for check in table.checks:
        found = _of_check(check, column)
        if found:
            return found
    return None


@lru_cache(maxsize=4096)
def _of_check(check: str, column: str) -> tuple[str, ...] | None:
    text = check.strip()
    for words in _NOT_PART:
        text = text.removesuffix(words)
    try:
        tree = sqlglot.parse_one(f"SELECT {text[5:] if text[:5].upper() == 'CHECK' else text}", read="postgres")
    except (SqlglotError, RecursionError):
        return None
    return _of_tree(tree.expressions[0], column) if len(tree.expressions) == 1 else None


def _of_tree(tree: exp.Expression, column: str) -> tuple[str, ...] | None:
    """Return the values for which a condition may hold; none for IS NULL, None where they may be any."""
    match tree:
        case exp.Paren():
            return _of_tree(tree.this, column)
        case exp.And():
            first = _of_tree(tree.this, column)
            return _of_tree(tree.expression, column) if first is None else first
        case exp.Or():
            sides = _of_tree(tree.this, column), _of_tree(tree.expression, column)
            return None if None in sides else tuple(one for side in sides for one in side or ())
        case exp.Is() if isinstance(tree.expression, exp.Null) and _is_column(tree.this, column):
            return ()
        case exp.EQ() if _is_column(tree.this, column):
            return _literals(tree.expression)
    return None


def _is_column(tree: exp.Expression, column: str) -> bool:
    """Say whether it is the column alone: what a function, or a cut to some length, makes of it says little of it."""
    if any(cast.to.expressions for cast in tree.find_all(exp.Cast)):
        return False
    found = bare(tree)
    return isinstance(found, exp.Column) and found.name == column


def _literals(tree: exp.Expression) -> tuple[str, ...] | None:
    found = bare(tree)
    if isinstance(found, exp.Any):
        found = bare(found.this)
        return _all_literals(found.expressions) if isinstance(found, exp.Array) else None
    return _all_literals([found])


def _all_literals(trees: list[exp.Expression]) -> tuple[str, ...] | None:
    found = [bare(one) for one in trees]
    return tuple(str(one.this) for one in found) if all(isinstance(one, exp.Literal) for one in found) else None
