"""Whether a query orders and limits its rows, and the same query with a full order, as its text tells."""

from __future__ import annotations

from typing import Any

from pglast import ast, enums, parse_sql
from pglast.parser import ParseError
from pglast.stream import RawStream


def is_ordered(statement: str) -> bool:
    """Say whether a query orders its rows."""
    tree = _select(statement)
    return tree is not None and bool(tree.sortClause)


def is_limited(statement: str) -> bool:
    """Say whether a query takes some rows of many."""
    tree = _select(statement)
    return tree is not None and (tree.limitCount is not None or tree.limitOffset is not None)


def ordered(statement: str, width: int) -> str:
    """Return a query with all its columns as the last things to order by; another statement as it is."""
    tree = _select(statement)
    if tree is None or not width:
        return statement
    ranks = tuple(
        ast.SortBy(
            node=ast.A_Const(isnull=False, val=ast.Integer(ival=at + 1)),
            sortby_dir=enums.SortByDir.SORTBY_DEFAULT,
            sortby_nulls=enums.SortByNulls.SORTBY_NULLS_DEFAULT,
        )
        for at in range(width)
    )
    tree.sortClause = (*(tree.sortClause or ()), *ranks)
    text: str = RawStream()(tree)
    return text


def _select(statement: str) -> Any:
    try:
        trees = parse_sql(statement)
    except ParseError:
        return None
    tree = trees[0].stmt if len(trees) == 1 else None
    return tree if isinstance(tree, ast.SelectStmt) else None
