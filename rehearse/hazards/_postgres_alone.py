"""Which of PostgreSQL's statements are refused in a transaction block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pglast import ast, enums

Node = Any  # of pglast's tree
_FIRST_IN_BLOCK = (12,)  # ALTER TYPE … ADD VALUE may run in a block from here on
_DATABASE_WIDE = (
    enums.ReindexObjectType.REINDEX_OBJECT_SCHEMA,
    enums.ReindexObjectType.REINDEX_OBJECT_SYSTEM,
    enums.ReindexObjectType.REINDEX_OBJECT_DATABASE,
)


def stands_alone(node: Node, version: tuple[int, ...]) -> bool:
    """Say whether a statement is refused in a transaction block."""
    if isinstance(node, ast.AlterEnumStmt):
        return node.newVal is not None and node.oldVal is None and bool(version) and version < _FIRST_IN_BLOCK
    asked = _ALONE.get(type(node))
    return asked is not None and asked(node)


def is_concurrent(node: ast.ReindexStmt) -> bool:
    return any(option.defname == "concurrently" for option in node.params or ())


def _detaches(node: ast.AlterTableStmt) -> bool:
    commands = [one.def_ for one in node.cmds or () if isinstance(one, ast.AlterTableCmd)]
    return any(isinstance(one, ast.PartitionCmd) and one.concurrent for one in commands)


_ALONE: Mapping[type, Callable[[Node], bool]] = {
    ast.IndexStmt: lambda node: bool(node.concurrent),
    ast.DropStmt: lambda node: bool(node.concurrent),
    ast.ReindexStmt: lambda node: node.kind in _DATABASE_WIDE or is_concurrent(node),
    ast.VacuumStmt: lambda node: bool(node.is_vacuumcmd),  # the other kind is ANALYZE
    ast.AlterTableStmt: _detaches,
    **dict.fromkeys(
        (
            ast.CreatedbStmt,
            ast.DropdbStmt,
            ast.AlterSystemStmt,
            ast.CreateTableSpaceStmt,
            ast.DropTableSpaceStmt,
        ),
        lambda _node: True,
    ),
}
