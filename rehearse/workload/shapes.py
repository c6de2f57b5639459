"""What a kind of call touches: the tables that it reads and writes, those behind views and references included."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from rehearse.model import Survey
from rehearse.model.names import split, told
from rehearse.workload.statements import positioned, spaced

WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_REPLACE = re.compile(r"^\s*replace\s+(?:into\b)?", re.IGNORECASE)
_DIALECTS = {"postgres": "postgres", "mysql": "mysql", "mariadb": "mysql"}


def parsed(sql: str, *, engine: str = "postgres") -> exp.Expr | None:
    """Return a statement's tree, or None where it cannot be read as a query or a write of rows."""
    try:
        tree = sqlglot.parse_one(_readable(sql, engine), dialect=_DIALECTS.get(engine))
    except SqlglotError:
        return None
    return tree if isinstance(tree, exp.Query | exp.Insert | exp.Update | exp.Delete | exp.Merge) else None


def _readable(sql: str, engine: str) -> str:
    """Return a statement as sqlglot reads it: in MySQL's dialect $1 would be a name, and REPLACE a command."""
    if _DIALECTS.get(engine) != "mysql":
        return spaced(sql)
    return _REPLACE.sub("INSERT INTO", positioned(sql, "@"))


def touches(
    statements: Sequence[str], survey: Survey, *, engine: str = "postgres"
) -> Mapping[str, tuple[str, ...]] | None:
    """Return {table: kinds} with kinds of "reads" and "writes"; None where one statement cannot be told.

    A table is read too where a reference makes the server look there: at the parent of a row that comes, and at the
    children of a row that goes (written, if they go with it). What triggers and functions touch is not seen.
    """
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for sql in statements:
        tree = parsed(sql, engine=engine)
        if tree is None:
            return None
        for table, kind in _touched(tree, survey):
            kinds[table].add(kind)
    return {table: tuple(sorted(found)) for table, found in sorted(kinds.items())}


def target(tree: exp.Expr) -> exp.Table | None:
    """Return the table that a write goes to."""
    this = tree.this
    if isinstance(this, exp.Schema):
        this = this.this
    return this if isinstance(this, exp.Table) else None


def named(table: exp.Table, survey: Survey) -> str:
    """Return the name by which the survey knows a table or view, or the name as it was written."""
    name, schema = (_folded(part, folds=survey.folds) for part in (table.this, table.args.get("db")))
    known = {**survey.tables, **survey.views}
    usual = told(schema or "public", name)
    if schema or usual in known:
        return usual
    elsewhere = [one for one in known if split(one)[1] == name]
    return elsewhere[0] if len(elsewhere) == 1 else usual


def below(name: str, survey: Survey) -> tuple[str, ...]:
    """Return the tables of a view, or the table itself."""
    return survey.views.get(name, (name,))


def cascades(table: str, survey: Survey) -> set[str]:
    """Return the tables in which rows go or change when a row of this one is deleted."""
    found: set[str] = set()
    ahead = [table]
    while ahead:
        parent = ahead.pop()
        new = {one.table for one in survey.references if one.references == parent and one.cascades} - found
        found |= new
        ahead.extend(new)
    return found


def _folded(identifier: exp.Expr | None, *, folds: bool = True) -> str:
    if not isinstance(identifier, exp.Identifier):
        return identifier.name if identifier is not None else ""
    return identifier.name if identifier.args.get("quoted") or not folds else identifier.name.lower()


def _touched(tree: exp.Expr, survey: Survey) -> Iterator[tuple[str, str]]:
    written = [(target(node), node) for node in tree.find_all(*WRITES)]
    targets = {id(table) for table, _ in written if table is not None}
    for table in tree.find_all(exp.Table):
        if id(table) not in targets and isinstance(table.this, exp.Identifier) and not _is_common(table):
            yield from ((name, "reads") for name in below(named(table, survey), survey))
    for goal, node in written:
        if goal is not None:
            for name in below(named(goal, survey), survey):
                yield name, "writes"
                yield from _referred(name, node, survey)


def _is_common(table: exp.Table) -> bool:
    """Say whether a name is that of a WITH query of this statement."""
    if table.args.get("db"):
        return False
    root = table.root()
    return any(_folded(one.args["alias"].this) == _folded(table.this) for one in root.find_all(exp.CTE))


def _referred(table: str, node: exp.Expr, survey: Survey) -> Iterator[tuple[str, str]]:
    if not isinstance(node, exp.Delete):
        yield from ((one.references, "reads") for one in survey.references if one.table == table)
    if isinstance(node, exp.Delete | exp.Merge):
        gone = cascades(table, survey)
        yield from ((child, "writes") for child in gone)
        yield from ((one.table, "reads") for one in survey.references if one.references in {table, *gone})
