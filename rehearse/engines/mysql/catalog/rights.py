"""What accounts may do in a database: in all of it, in tables, columns and routines. Our own accounts are left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pymysql

from rehearse.engines.mysql.catalog.words import Found, Pairs, Scope

# A database's name may be a pattern there.
_OF_ALL = "SELECT * FROM information_schema.schema_privileges WHERE database() LIKE table_schema"
_OF_ROUTINES = "SELECT * FROM mysql.procs_priv WHERE db = database()"
_REFUSED = {1044, 1142, 1143, 1146}  # no right to look, or no such table


def rights(scope: Scope) -> Pairs:
    """Yield the objects on which somebody has rights, each with them."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, words in (*_of_relations(scope), *_of_routines(scope)):
        found[name].append(words)
    for name, all_words in found.items():
        yield name, {"privileges": ", ".join(sorted(all_words))}


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
    try:
        rows = scope.ask(_OF_ROUTINES)
    except pymysql.err.MySQLError as refused:
        if refused.args[0] not in _REFUSED:
            raise
        return
    for row in rows:
        if row["user"] not in scope.ours:
            account = f"{row['user']}@{row['host']}".removesuffix("@")
            yield f"{row['routine_type']} {row['routine_name']}".lower(), f"{account} {row['proc_priv']}"
