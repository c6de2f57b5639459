"""Tells what a statement may do: whether it stands alone, outside any transaction block, or is about transactions.

By the syntax tree; a statement that only newer servers understand is told by its first words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pglast import ast, enums, parse_sql
from pglast.parser import ParseError

# First words of statements that no grammar of ours reads and that may not run in a transaction block.
_ALONE = re.compile(r"(repack\b|vacuum\b|\w+\b.*\bconcurrently\b)", re.IGNORECASE | re.DOTALL)
_ENDS_TRANSACTION = re.compile(r"\b(commit|rollback|call)\b", re.IGNORECASE)
_DATABASE_WIDE = (
    enums.ReindexObjectType.REINDEX_OBJECT_SCHEMA,
    enums.ReindexObjectType.REINDEX_OBJECT_SYSTEM,
    enums.ReindexObjectType.REINDEX_OBJECT_DATABASE,
)
_FIRST_IN_TRANSACTION = 120_000  # ALTER TYPE … ADD VALUE may run in a block from PostgreSQL 12 on


def stands_alone(sql: str, *, server: int = _FIRST_IN_TRANSACTION) -> bool:
    """Say whether a statement may not run in a transaction block, or ends transactions itself (CALL, some DO)."""
    node = _node(sql)
    if node is None:
        return bool(_ALONE.match(sql))
    if isinstance(node, ast.AlterEnumStmt):
        return node.newVal is not None and server < _FIRST_IN_TRANSACTION
    asked = _STANDS_ALONE.get(type(node))
    return asked is not None and asked(node)


def controls_transaction(sql: str) -> bool:
    """Say whether a statement is BEGIN, COMMIT, ROLLBACK, SAVEPOINT or the like."""
    return isinstance(_node(sql), ast.TransactionStmt)


def wants_no_block(sql: str, *, server: int = _FIRST_IN_TRANSACTION) -> bool:
    """Say whether a BEGIN before it and a COMMIT after it would change what a statement does or says.

    LOCK TABLE and DECLARE are refused outside a block, and SET LOCAL warns that it does nothing there.
    """
    node = _node(sql)
    about_blocks = ast.TransactionStmt | ast.VariableSetStmt | ast.LockStmt | ast.DeclareCursorStmt | ast.ExecuteStmt
    return node is None or isinstance(node, about_blocks) or stands_alone(sql, server=server)


def _node(sql: str) -> Any:
    try:
        parsed = parse_sql(sql)
    except ParseError:
        return None
    return parsed[0].stmt if len(parsed) == 1 else None


def _always(_node: Any) -> bool:
    return True


def _is_concurrent(node: Any) -> bool:
    return bool(node.concurrent)


def _reindexes_alone(node: Any) -> bool:
    return node.kind in _DATABASE_WIDE or any(option.defname == "concurrently" for option in node.params or ())


def _detaches_concurrently(node: Any) -> bool:
    commands = [command.def_ for command in node.cmds or () if isinstance(command, ast.AlterTableCmd)]
    return any(isinstance(one, ast.PartitionCmd) and one.concurrent for one in commands)


def _body_ends_transaction(node: Any) -> bool:
    bodies = [one.arg.sval for one in node.args or () if one.defname == "as"]
    return any(_ENDS_TRANSACTION.search(body) for body in bodies)


def _moves_database(node: Any) -> bool:
    return any(option.defname == "tablespace" for option in node.options or ())


_STANDS_ALONE: Mapping[type, Callable[[Any], bool]] = {
    ast.IndexStmt: _is_concurrent,
    ast.DropStmt: _is_concurrent,
    ast.ReindexStmt: _reindexes_alone,
    ast.VacuumStmt: lambda node: bool(node.is_vacuumcmd),  # the other kind is ANALYZE
    ast.ClusterStmt: lambda node: node.relation is None,
    ast.AlterTableStmt: _detaches_concurrently,
    ast.DoStmt: _body_ends_transaction,
    ast.AlterDatabaseStmt: _moves_database,
    ast.CallStmt: _always,
    ast.AlterSystemStmt: _always,
    ast.CreatedbStmt: _always,
    ast.DropdbStmt: _always,
    ast.CreateTableSpaceStmt: _always,
    ast.DropTableSpaceStmt: _always,
    ast.CreateSubscriptionStmt: _always,
    ast.AlterSubscriptionStmt: _always,
    ast.DropSubscriptionStmt: _always,
    ast.DiscardStmt: _always,
}
