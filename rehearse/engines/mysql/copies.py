"""A copy of a database within its server: the same objects by the server's own words for them, and the same rows.

On a server of our own rows come with InnoDB's files, as far as these can be copied; else by INSERT … SELECT, with
checks off. A copy of the whole data folder would need a second server with a cold cache.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import pymysql

from rehearse.engines.mysql import grants, tablespaces
from rehearse.engines.mysql.client import Connection, execute, listed, named, rows

if TYPE_CHECKING:
    from rehearse.engines.mysql.database import MysqlDatabase

_OFF = "SET SESSION foreign_key_checks = 0, unique_checks = 0 /*M! , check_constraint_checks = 0 */"
_KINDS = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s ORDER BY table_name"
_COLUMNS = """
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s AND COALESCE(generation_expression, '') = ''
    ORDER BY ordinal_position
"""
_BOUNDS = """
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s AND generation_expression IN ('ROW START', 'ROW END')
"""
_TRIGGERS = """
    SELECT trigger_name FROM information_schema.triggers
    WHERE trigger_schema = %s ORDER BY event_object_table, action_timing, event_manipulation, action_order
"""
_ROUTINES = "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = %s"
_EVENTS = """
    SELECT event_name, starts IN (created, last_altered) FROM information_schema.events WHERE event_schema = %s
"""
_BROKEN = {1054, 1146, 1305, 1356}  # no such column, table or routine; a view that reads one of these
_DEFAULTS = """
    SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = %s
"""


def copy(source: MysqlDatabase, target: MysqlDatabase) -> None:
    """Fill an empty database with what another holds; where the server runs events, the copies do not."""
    with target.connect() as connection:
        execute(connection, _OFF)
        ((charset, collation),) = rows(connection, _DEFAULTS, (source.name,))
        execute(connection, f"ALTER DATABASE {named(target.name)} CHARACTER SET {charset} COLLATE {collation}")
        kinds = [(str(name), str(kind)) for name, kind in rows(connection, _KINDS, (source.name,))]
        for name in (name for name, kind in kinds if kind == "SEQUENCE"):
            _sequence(connection, source.name, name)
        tables = [name for name, kind in kinds if kind in ("BASE TABLE", "SYSTEM VERSIONED")]
        for name in tables:
            execute(connection, _created(connection, "TABLE", source.name, name))
        files = tablespaces.copy(source, target)
        for name in tables:
            if name in files:
                continue
            if (name, "SYSTEM VERSIONED") in kinds and _keeps_history(connection):
                _versions(connection, source.name, name)
            else:
                _rows(connection, source.name, name)
        _code(connection, source.name, target.name)
        _views(connection, source.name, target.name, [name for name, kind in kinds if kind == "VIEW"])
        for grant in grants.copied(connection, source.name, target.name, source.server.users):
            with suppress(pymysql.err.MySQLError):  # a right on what is gone
                execute(connection, grant)


def _created(connection: Connection, kind: str, database: str, name: str) -> str:
    """Return the statement that makes an object, in the server's own words."""
    ((_, text, *_),) = rows(connection, f"SHOW CREATE {kind} {named(database, name)}")
    return str(text)


def _rows(connection: Connection, database: str, table: str) -> None:
    columns = listed([column for (column,) in rows(connection, _COLUMNS, (database, table))])
    execute(connection, f"INSERT INTO {named(table)} ({columns}) SELECT {columns} FROM {named(database, table)}")


def _keeps_history(connection: Connection) -> bool:
    """Say whether rows that are no more can be written, as MariaDB can from 10.11 on."""
    return bool(rows(connection, "SHOW VARIABLES LIKE 'system_versioning_insert_history'"))


def _versions(connection: Connection, database: str, table: str) -> None:
    """Copy the rows of a versioned table with those that are no more."""
    bounds = [str(column) for (column,) in rows(connection, _BOUNDS, (database, table))] or ["row_start", "row_end"]
    columns = listed([*(column for (column,) in rows(connection, _COLUMNS, (database, table))), *bounds])
    execute(connection, "SET SESSION system_versioning_insert_history = 1")
    execute(
        connection,
        f"INSERT INTO {named(table)} ({columns}) SELECT {columns} FROM {named(database, table)} FOR SYSTEM_TIME ALL",
    )


def _sequence(connection: Connection, database: str, name: str) -> None:
    execute(connection, _created(connection, "SEQUENCE", database, name))
    ((value,),) = rows(connection, f"SELECT next_not_cached_value FROM {named(database, name)}")
    rows(connection, f"SELECT SETVAL({named(name)}, {value}, 0)")


def _code(connection: Connection, source: str, target: str) -> None:
    """Make routines, triggers and events, each as it was written: under its mode, character sets and time zone."""
    found = [(str(kind), str(name), False) for kind, name in rows(connection, _ROUTINES, (source,))]
    found += [("TRIGGER", str(name), False) for (name,) in rows(connection, _TRIGGERS, (source,))]
    found += [("EVENT", str(name), bool(starts_now)) for name, starts_now in rows(connection, _EVENTS, (source,))]
    ((runs,),) = rows(connection, "SELECT @@event_scheduler = 'ON'")
    made = [(one, rows(connection, f"SHOW CREATE {one[0]} {named(source, one[1])}")[0]) for one in found]
    for (kind, _, starts_now), row in made:
        _, mode, *zone, text, client, collation, default = map(str, row[: 7 if kind == "EVENT" else 6])
        text = text.replace(f"`{source}`.", f"`{target}`.")
        if kind == "EVENT":
            text = re.sub(r" STARTS '[^']+'", "", text, count=1) if starts_now else text
            text = re.sub(r"\bENABLE\b", "DISABLE", text, count=1) if runs else text
        as_it_was(connection, target, text, (mode, *(zone or ["+00:00"]), client, collation, default))


def as_it_was(connection: Connection, database: str, text: str, under: tuple[str, ...]) -> None:
    """Run a statement that makes code, `under` the mode, time zone, character set and collations of its writing."""
    mode, zone, client, collation, default = under
    ((usual,),) = rows(connection, "SELECT @@collation_database")
    execute(connection, "SET SESSION sql_mode = %s, time_zone = %s", (mode, zone))
    if default != usual:
        execute(connection, f"ALTER DATABASE {named(database)} COLLATE {default}")
    _as_written(connection, text, client, collation)
    if default != usual:
        execute(connection, f"ALTER DATABASE {named(database)} COLLATE {usual}")
    execute(connection, "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'")


def _as_written(connection: Connection, text: str, client: str, collation: str) -> None:
    """Run a statement in the character set and collation that it was written in."""
    connection.set_character_set(client)
    try:
        execute(connection, f"SET SESSION collation_connection = {collation}")
        execute(connection, text)
    finally:
        if connection.open:
            connection.set_character_set("utf8mb4")


def _views(connection: Connection, source: str, target: str, names: list[str]) -> None:
    """Make the views; one that reads another comes after it, one that reads what is not there stays away."""
    left = {name: rows(connection, f"SHOW CREATE VIEW {named(source, name)}")[0] for name in names}
    while left:
        ready = [name for name, row in left.items() if not any(_reads(row[1], one) for one in left if one != name)]
        for name in ready or list(left):
            _, text, client, collation = map(str, left.pop(name))
            try:
                _as_written(connection, text.replace(f"`{source}`.", f"`{target}`."), client, collation)
            except pymysql.err.MySQLError as error:
                if error.args[0] not in _BROKEN:
                    raise


def _reads(text: str, name: str) -> bool:
    return f".{named(name)}" in text
