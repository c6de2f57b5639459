"""Reads an UPDATE or INSERT … SELECT of MySQL or MariaDB, by sqlglot."""

from __future__ import annotations

from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from rehearse.backfill.statement import RANGE, Reading, Token, parts, refuse, with_range
from rehearse.errors import Mistake

_GROUPED = ("group", "having", "distinct", "limit", "offset", "windows", "qualify")
_QUOTED = ("IDENTIFIER", "STRING")


def read(text: str) -> Reading:
    """Return the statement taken apart; a Mistake says why it cannot be run in batches."""
    text = text.strip().rstrip(";").rstrip()
    tree = _tree(text)
    if isinstance(tree, exp.Update):
        return _update(text, tree)
    if isinstance(tree, exp.Insert):
        return _insert(text, tree)
    raise refuse("is neither UPDATE nor INSERT … SELECT", "give one of these")


def _tree(text: str) -> exp.Expr:
    words = text.split(maxsplit=1)
    if not words or words[0].upper() not in ("UPDATE", "INSERT"):
        raise refuse("is neither UPDATE nor INSERT … SELECT", "give one of these")
    try:
        found = [one for one in sqlglot.parse(text, read="mysql") if one is not None]
    except SqlglotError as error:
        says = " ".join(str(error).split(".")[0].split())
        raise Mistake(f"the statement cannot be read: {says}: {text}") from None
    if len(found) != 1:
        raise Mistake(f"one statement is needed, and these are {len(found)}: {text}")
    return found[0]


def _update(text: str, tree: exp.Update) -> Reading:
    for part, word in (("with_", "WITH"), ("order", "ORDER BY"), ("limit", "LIMIT"), ("returning", "RETURNING")):
        if tree.args.get(part):
            raise refuse(f"has a {word}", "leave it out")
    if not tree.expressions:
        raise Mistake(f"the statement cannot be read: it sets nothing: {text}")
    table = tree.this
    _check_joins(table.args.get("joins") or ())
    tokens = _tokens(text)
    head, condition, tail = parts(text, tokens)
    start = next(one.stop for one in tokens if one.word == "UPDATE")
    end = next(one.start for one in tokens if one.word == "SET")
    return Reading(
        kind="update",
        template=_checked(with_range(head, condition, tail), tree, tree),
        table=_name(table),
        alias=table.alias_or_name,
        source=text[start:end].strip(),
        condition=None if condition is None else condition.strip(),
        sets=tuple(one.this.name for one in tree.expressions if isinstance(one, exp.EQ)),
        reads_others=bool(table.args.get("joins")) or tree.find(exp.Select) is not None,
    )


def _insert(text: str, tree: exp.Insert) -> Reading:
    select = tree.expression
    if tree.args.get("with_") or (isinstance(select, exp.Select) and select.args.get("with_")):
        raise refuse("has a WITH", "write its query into FROM or into a subquery")
    if not isinstance(select, exp.Select) or not isinstance(getattr(select.args.get("from_"), "this", None), exp.Table):
        raise refuse("does not select from a table", "write INSERT INTO … SELECT … FROM table WHERE …")
    if any(select.args.get(one) for one in _GROUPED) or _aggregates(select):
        raise refuse("groups, orders out or limits rows", "each row of the table must make its own rows")
    table = select.args["from_"].this
    joins = select.args.get("joins") or ()
    _check_joins(joins)
    head, condition, tail = parts(text, _tokens(text), ends=("ON_DUPLICATE", "ORDER", "FOR"))
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    return Reading(
        kind="insert",
        template=_checked(with_range(head, condition, tail), tree, select),
        table=_name(table),
        alias=table.alias_or_name,
        source="",
        condition=None if condition is None else condition.strip(),
        target=_name(target),
        reads_others=bool(joins) or any(one is not select for one in select.find_all(exp.Select)),
        skips_existing=bool(tree.args.get("ignore")) or "NOT EXISTS" in " ".join(text.upper().split()),
        overwrites=tree.args.get("conflict") is not None,
    )


def _check_joins(joins: object) -> None:
    assert isinstance(joins, list | tuple)
    if any((one.side or "").upper() in ("RIGHT", "FULL") for one in joins):
        raise refuse("joins by RIGHT or FULL", "name the table whose keys make the batches first")


def _aggregates(select: exp.Select) -> bool:
    found = [*select.find_all(exp.AggFunc), *select.find_all(exp.Window)]
    return any(one.find_ancestor(exp.Select) is select for one in found)


def _tokens(text: str) -> list[Token]:
    """Return the tokens; the ON of ON DUPLICATE KEY bears its own word, for a JOIN has an ON, too."""
    found = sqlglot.tokenize(text, read="mysql")
    words = ["" if one.token_type.name in _QUOTED else one.text.upper() for one in found]
    for at, (first, second) in enumerate(pairwise(words)):
        if first == "ON" and second == "DUPLICATE":
            words[at] = "ON_DUPLICATE"
    return [Token(word, one.start, one.end + 1) for word, one in zip(words, found, strict=True)]


def _checked(template: str, tree: exp.Expr, holder: exp.Expr) -> str:
    """Return the statement with the range in it, once the reader has said that nothing else is different."""
    before = holder.args.get("where")
    own = exp.column(RANGE)
    holder.set(
        "where", exp.Where(this=own if before is None else exp.And(this=own, expression=exp.Paren(this=before.this)))
    )
    is_same = _bare(_tree(template)) == _bare(tree)
    holder.set("where", before)
    if not is_same:
        raise refuse("is one whose WHERE cannot be told apart", "write its condition in brackets")
    return template


def _bare(tree: exp.Expr) -> exp.Expr:
    """Return a tree without the user's comments."""
    copy = tree.copy()
    for one in copy.walk():
        one.comments = None
    return copy


def _name(table: exp.Table) -> tuple[str, ...]:
    return (table.db, table.name) if table.db else (table.name,)
