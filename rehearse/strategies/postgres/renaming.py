"""Puts other names of columns into the server's own SQL of expressions, indexes and constraints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pglast import ast, parse_sql
from pglast.stream import RawStream
from pglast.visitors import Visitor

from rehearse.profiles.blueprint import Constraint, Index

Names = Mapping[str, str]


class _Renaming(Visitor):
    """Renames columns of the one table that a text is about."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def visit_ColumnRef(self, _ancestors: Any, node: Any) -> None:  # noqa: N802
        last: Any = node.fields[-1]
        if isinstance(last, ast.String) and last.sval in self.names:
            node.fields = (*node.fields[:-1], ast.String(sval=self.names[str(last.sval)]))

    def visit_IndexElem(self, _ancestors: Any, node: Any) -> None:  # noqa: N802
        if isinstance(node.name, str):
            node.name = self.names.get(str(node.name), node.name)


def index(one: Index, names: Names, *, name: str | None = None) -> Index:
    """Return an index on columns of other names; one that is not of them is the same."""
    definition = one.definition
    if set(one.columns) & set(names):
        tree = parse_sql(f"CREATE INDEX x ON y {one.definition}")
        _Renaming(names)(tree)
        definition = str(RawStream()(tree[0])).partition(" ON y ")[2]
    columns = tuple(names.get(column, column) for column in one.columns)
    return replace(one, name=name or one.name, definition=definition, columns=columns)


def constraint(one: Constraint, names: Names, *, name: str | None = None, theirs: Names | None = None) -> Constraint:
    """Return a constraint on columns of other names; `theirs` are those of the table that it points at."""
    definition = one.definition
    if set(one.columns) & set(names) or set(one.parent_columns) & set(theirs or {}):
        tree: Any = parse_sql(f"ALTER TABLE y ADD CONSTRAINT x {one.definition}")
        node = tree[0].stmt.cmds[0].def_
        _Renaming(names)(node)
        for key, known in (("keys", names), ("fk_attrs", names), ("pk_attrs", theirs or {})):
            found = getattr(node, key)
            if found:
                setattr(node, key, tuple(ast.String(sval=known.get(part.sval, part.sval)) for part in found))
        definition = str(RawStream()(tree[0])).partition(" ADD CONSTRAINT x ")[2]
    return replace(
        one,
        name=name or one.name,
        definition=definition,
        columns=tuple(names.get(column, column) for column in one.columns),
        parent_columns=tuple((theirs or {}).get(column, column) for column in one.parent_columns),
    )
