"""Reads an UPDATE or INSERT … SELECT of PostgreSQL, by the server's own parser."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pglast import ast, enums, parse_sql
from pglast.parser import ParseError, scan
from pglast.visitors import Visitor

from rehearse.backfill.statement import RANGE, Reading, Token, parts, refuse, with_range
from rehearse.errors import Mistake

_COMMENTS = ("SQL_COMMENT", "C_COMMENT")
_GROUPED = ("groupClause", "havingClause", "distinctClause", "windowClause", "limitCount", "limitOffset", "valuesLists")


def read(text: str) -> Reading:
    """Return the statement taken apart; a Mistake says why it cannot be run in batches."""
    text = text.strip().rstrip(";").rstrip()
    node = _node(text)
    if isinstance(node, ast.UpdateStmt):
        return _update(text, node)
    if isinstance(node, ast.InsertStmt):
        return _insert(text, node)
    raise refuse("is neither UPDATE nor INSERT … SELECT", "give one of these")


def _node(text: str) -> Any:
    try:
        found = parse_sql(text)
    except ParseError as error:
        raise Mistake(f"the statement cannot be read: {error.args[0]}: {text}") from None
    if len(found) != 1:
        raise Mistake(f"one statement is needed, and these are {len(found)}: {text}")
    return found[0].stmt


def _update(text: str, node: Any) -> Reading:
    if node.withClause:
        raise refuse("has a WITH", "write its query into FROM or into a subquery")
    if node.returningClause:
        raise refuse("has a RETURNING", "leave it out")
    head, condition, tail = parts(text, _tokens(text))
    template = _checked(with_range(head, condition, tail), node)
    target = node.relation
    return Reading(
        kind="update",
        template=template,
        table=_name(target),
        alias=_alias(target),
        source=", ".join([_from(target), *_from_text(text)]),
        condition=None if condition is None else condition.strip(),
        sets=tuple(one.name for one in node.targetList),
        reads_others=bool(node.fromClause) or _has_query(node),
    )


def _insert(text: str, node: Any) -> Reading:
    select = node.selectStmt
    if node.withClause or (select is not None and select.withClause):
        raise refuse("has a WITH", "write its query into FROM or into a subquery")
    if node.returningClause:
        raise refuse("has a RETURNING", "leave it out")
    if select is None or select.op != enums.SetOperation.SETOP_NONE or not select.fromClause:
        raise refuse("does not select from a table", "write INSERT INTO … SELECT … FROM table WHERE …")
    if any(getattr(select, one) for one in _GROUPED) or _aggregates(select):
        raise refuse("groups, orders out or limits rows", "each row of the table must make its own rows")
    driving = _leftmost(select.fromClause[0])
    action = node.onConflictClause.action if node.onConflictClause else None
    head, condition, tail = parts(text, _tokens(text), ends=("ON_CONFLICT", "ORDER", "FOR"))
    return Reading(
        kind="insert",
        template=_checked(with_range(head, condition, tail), node),
        table=_name(driving),
        alias=_alias(driving),
        source=_from(driving),
        condition=None if condition is None else condition.strip(),
        target=_name(node.relation),
        reads_others=len(select.fromClause) > 1 or isinstance(select.fromClause[0], ast.JoinExpr) or _has_query(select),
        skips_existing=action == enums.OnConflictAction.ONCONFLICT_NOTHING
        or "NOT EXISTS" in " ".join(text.upper().split()),
        overwrites=action == enums.OnConflictAction.ONCONFLICT_UPDATE,
    )


def _tokens(text: str) -> list[Token]:
    """Return the tokens; the ON of ON CONFLICT bears its own word, and the FROM of IS DISTINCT FROM none."""
    found = [one for one in scan(text) if one.name not in _COMMENTS]
    words = [one.name.removesuffix("_P") if one.kind != "NO_KEYWORD" else "" for one in found]
    for at, (first, second) in enumerate(pairwise(words)):
        if first == "ON" and second == "CONFLICT":
            words[at] = "ON_CONFLICT"
        if first == "DISTINCT" and second == "FROM":
            words[at + 1] = ""
    return [Token(word, one.start, one.end + 1) for word, one in zip(words, found, strict=True)]


def _checked(template: str, node: Any) -> str:
    """Return the statement with the range in it, once the parser has said that nothing else is different."""
    mine = _node(template)
    holder: Any
    holder, own = (mine, node) if isinstance(mine, ast.UpdateStmt) else (mine.selectStmt, node.selectStmt)
    where: Any = holder.whereClause
    conjoined = isinstance(where, ast.BoolExpr) and where.boolop == enums.BoolExprType.AND_EXPR
    mark, rest = where.args if conjoined and own.whereClause is not None else (where, None)
    holder.whereClause = rest
    is_range = isinstance(mark, ast.ColumnRef) and [one.sval for one in mark.fields or ()] == [RANGE]
    if not is_range or _plain(mine) != _plain(node):
        raise refuse("is one whose WHERE cannot be told apart", "write its condition in brackets")
    return template


def _plain(node: Any) -> Any:
    """Return a tree without the places where its parts stand in the text."""
    return _unplaced(node(skip_none=True))


def _unplaced(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unplaced(one) for key, one in value.items() if not key.endswith("location")}
    if isinstance(value, list | tuple):
        return [_unplaced(one) for one in value]
    return value


def _name(table: Any) -> tuple[str, ...]:
    return (table.schemaname, table.relname) if table.schemaname else (table.relname,)


def _alias(table: Any) -> str:
    return str(table.alias.aliasname if table.alias else table.relname)


def _from(table: Any) -> str:
    name = ".".join(quoted(one) for one in _name(table))
    only = "" if table.inh else "ONLY "
    return f"{only}{name} AS {quoted(table.alias.aliasname)}" if table.alias else f"{only}{name}"


def quoted(name: str) -> str:
    """Return a name in quotes."""
    return '"' + name.replace('"', '""') + '"'


def _from_text(text: str) -> Iterator[str]:
    """Yield what stands in an UPDATE's own FROM, as it is written."""
    depth, start = 0, -1
    for token in _tokens(text):
        depth += (text[token.start] == "(") - (text[token.start] == ")")
        if depth == 0 and token.word == "FROM" and start < 0:
            start = token.stop
        elif depth == 0 and token.word == "WHERE" and start >= 0:
            yield text[start : token.start].strip()
            return
    if start >= 0:
        yield text[start:].strip()


def _leftmost(node: Any) -> Any:
    """Return the first table of a FROM, whose rows are all there and each drives its own."""
    while isinstance(node, ast.JoinExpr):
        if node.jointype not in (enums.JoinType.JOIN_INNER, enums.JoinType.JOIN_LEFT):
            raise refuse("joins by RIGHT or FULL", "name the table whose keys make the batches first")
        node = node.larg
    if not isinstance(node, ast.RangeVar):
        raise refuse("selects from a query or a function first", "name the table whose keys make the batches first")
    return node


class _Finding(Visitor):
    """Notes whether a tree holds a query of its own, and calls of aggregates."""

    def __init__(self) -> None:
        self.queries = 0
        self.calls: set[str] = set()
        self.is_window = False

    def visit_SubLink(self, _ancestors: Any, _node: Any) -> None:  # noqa: N802
        self.queries += 1

    def visit_RangeSubselect(self, _ancestors: Any, _node: Any) -> None:  # noqa: N802
        self.queries += 1

    def visit_FuncCall(self, ancestors: Any, node: Any) -> None:  # noqa: N802
        if any(isinstance(one, ast.SubLink | ast.RangeSubselect) for one in _above(ancestors)):
            return
        self.calls.add(node.funcname[-1].sval)
        self.is_window |= node.over is not None


def _above(ancestors: Any) -> Iterator[Any]:
    while ancestors is not None and ancestors.node is not None:
        yield ancestors.node
        ancestors = ancestors.parent


_AGGREGATES = {"count", "sum", "avg", "min", "max", "array_agg", "string_agg", "json_agg", "jsonb_agg", "bool_and"}
_AGGREGATES |= {"bool_or", "every", "bit_and", "bit_or", "json_object_agg", "jsonb_object_agg", "xmlagg"}


def _found(node: Any) -> _Finding:
    finding = _Finding()
    finding(node)
    return finding


def _has_query(node: Any) -> bool:
    return _found(node).queries > 0


def _aggregates(select: Any) -> bool:
    found = _found(select)
    return found.is_window or bool(found.calls & _AGGREGATES)
