"""What accounts may do in a database: in all of it, in tables, columns and routines. Our own accounts are left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pymysql

from rehearse.engines.mysql.catalog.words import REFUSED, Found, Pairs, Scope

# A database's name may be a pattern there.
_OF_ALL = "SELECT * FROM information_schema.schema_privileges WHERE database() LIKE table_schema"
_OF_ROUTINES = "SELECT * FROM mysql.procs_priv WHERE db = database()"
_MEMBERS = """
    SELECT concat(from_user, '@', from_host) role, concat(to_user, '@', to_host) holder, with_admin_option is_admin
    FROM mysql.role_edges
"""
_MEMBERS_OF_MARIADB = """
    SELECT role, concat(user, '@', host) holder, admin_option is_admin FROM mysql.roles_mapping
"""


def rights(scope: Scope) -> Pairs:
    """Yield the objects on which somebody has rights, each with them."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, words in (*_of_relations(scope), *_of_routines(scope)):
        found[name].append(words)
    for name, all_words in found.items():
        yield name, {"privileges": ", ".join(sorted(all_words))}


def roles(scope: Scope) -> Pairs:
    """Yield the roles that have rights here, each with who has it."""
    members: defaultdict[str, list[str]] = defaultdict(list)
    having = {words.partition(" ")[0] for _, words in (*_of_relations(scope), *_of_routines(scope))}
    for row in _looked_up(scope, _MEMBERS_OF_MARIADB if scope.is_mariadb else _MEMBERS):
        role, member = (str(row[key]).removesuffix("@") for key in ("role", "holder"))
        if role in having and member.partition("@")[0] not in scope.ours:
            members[role].append(member + (" with admin option" if row["is_admin"] == "Y" else ""))
    for role, found in members.items():
        yield f"role {role}", {"members": ", ".join(sorted(found))}


def _of_relations(scope: Scope) -> Iterator[tuple[str, str]]:
    rows = [*scope.ask(_OF_ALL), *scope.of("TABLE_PRIVILEGES"), *scope.of("COLUMN_PRIVILEGES")]
    for row in rows:
        account = str(row["grantee"]).replace("'", "")
        if account.partition("@")[0] not in scope.ours:
            grants = " with grant option" if row["is_grantable"] == "YES" else ""
            place, column = _place(scope, row)
            yield place, f"{account.removesuffix('@')} {row['privilege_type']}{column}{grants}"


def _place(scope: Scope, row: Found) -> tuple[str, str]:
    """Return the object that a right is on, and the column's words where that is no object of its own."""
    if "table_name" not in row:
        return "database", ""
    table = str(row["table_name"])
    if "column_name" not in row:
        return scope.relation(table), ""
    if scope.is_table(table):
        return f"table {table} column {row['column_name']}", ""
    return scope.relation(table), f" ({row['column_name']})"


def _of_routines(scope: Scope) -> Iterator[tuple[str, str]]:
    for row in _looked_up(scope, _OF_ROUTINES):
        if row["user"] not in scope.ours:
            account = f"{row['user']}@{row['host']}".removesuffix("@")
            yield f"{row['routine_type']} {row['routine_name']}".lower(), f"{account} {row['proc_priv']}"


def _looked_up(scope: Scope, query: str) -> list[Found]:
    """Return rows of the server's own tables; none where we may not look."""
    try:
        return scope.ask(query)
    except pymysql.err.MySQLError as refused:
        if refused.args[0] not in REFUSED:
            raise
        return []
