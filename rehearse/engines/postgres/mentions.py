"""Roles that a file or a dump speaks of and that this server lacks: made without login, and said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pglast
from pglast import ast, visitors
from psycopg import sql

if TYPE_CHECKING:
    from rehearse.engines.postgres.database import PostgresDatabase

_SUSPECT = re.compile(rb"\b(?:GRANT|REVOKE|ROLE|AUTHORIZATION|POLICY|USER\s+MAPPING|OWNER\s+TO)\b", re.IGNORECASE)
_LONGEST = 100_000  # a longer statement is one of rows
_MISSING = "SELECT name FROM unnest(%s::text[]) AS name WHERE name NOT IN (SELECT rolname FROM pg_roles)"


def make_roles(database: PostgresDatabase, statement: bytes) -> None:
    """Make the roles that a statement needs and that are not there."""
    if len(statement) > _LONGEST or not _SUSPECT.search(statement):
        return
    names = mentioned(statement.decode("utf-8", "replace"))
    if not names:
        return
    server = database.server
    with server.connect() as connection:
        for (name,) in connection.execute(_MISSING, [sorted(names)]).fetchall():
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
            if server.comment:
                statement_of_mark = sql.SQL("COMMENT ON ROLE {} IS {}")
                connection.execute(statement_of_mark.format(sql.Identifier(name), sql.Literal(server.comment)))
            server.remark(
                f"role {name} is spoken of and was not there: made without login and without rights of its own"
            )


def mentioned(statement: str) -> set[str]:
    """Return the roles that a statement takes for granted; none where it cannot be parsed."""
    try:
        tree = pglast.parse_sql(statement)
    except pglast.parser.ParseError:
        return set()
    found = _Roles()
    found(tree)
    return {name for name in found.names if not name.startswith("pg_")}


class _Roles(visitors.Visitor):
    """Collects the names of roles in a syntax tree."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def visit_RoleSpec(self, _: Any, node: ast.RoleSpec) -> None:  # noqa: N802 - the visitor's naming
        if node.rolename:
            self.names.add(node.rolename)

    def visit_GrantRoleStmt(self, _: Any, node: ast.GrantRoleStmt) -> None:  # noqa: N802
        self.names.update(one.priv_name for one in node.granted_roles or () if one.priv_name)

    def visit_VariableSetStmt(self, _: Any, node: ast.VariableSetStmt) -> None:  # noqa: N802
        if node.name in ("role", "session_authorization"):
            self.names.update(
                one.val.sval for one in node.args or () if isinstance(one.val, ast.String) and one.val.sval
            )
