"""A copy of a database within its server: the same objects by the server's own words for them, and the same rows.

Rows are copied by INSERT … SELECT, with checks off: InnoDB's files can be exchanged only table by table, unlocked and
without partitions, and a copy of the whole data folder would need a second server with a cold cache. About 1 µs a byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rehearse.engines.mysql.client import Connection, execute, listed, named, rows

if TYPE_CHECKING:
    from rehearse.engines.mysql.database import MysqlDatabase

_OFF = "SET SESSION foreign_key_checks = 0, unique_checks = 0, check_constraint_checks = 0"
_KINDS = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s ORDER BY table_name"
_COLUMNS = """
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s AND generation_expression IS NULL
    ORDER BY ordinal_position
"""
_TRIGGERS = """
    SELECT trigger_name FROM information_schema.triggers
    WHERE trigger_schema = %s ORDER BY event_object_table, action_timing, event_manipulation, action_order
"""
_ROUTINES = "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = %s"
_EVENTS = "SELECT event_name FROM information_schema.events WHERE event_schema = %s"


def copy(source: MysqlDatabase, target: MysqlDatabase) -> None:
    """Fill an empty database with what another holds; events are copied as they are, but do not run."""
    with target.connect() as connection:
        execute(connection, _OFF)
        kinds = [(str(name), str(kind)) for name, kind in rows(connection, _KINDS, (source.name,))]
        for name in (name for name, kind in kinds if kind == "SEQUENCE"):
            _sequence(connection, source.name, name)
        tables = [name for name, kind in kinds if kind in ("BASE TABLE", "SYSTEM VERSIONED")]
        for name in tables:
            execute(connection, _created(connection, "TABLE", source.name, name))
        for name in tables:
            _rows(connection, source.name, name)
        for statement in _code(connection, source.name, target.name):
            execute(connection, statement)
        _views(connection, source.name, target.name, [name for name, kind in kinds if kind == "VIEW"])


def _created(connection: Connection, kind: str, database: str, name: str) -> str:
    """Return the statement that makes an object, in the server's own words."""
    ((_, text, *_),) = rows(connection, f"SHOW CREATE {kind} {named(database, name)}")
    return str(text)


def _rows(connection: Connection, database: str, table: str) -> None:
    columns = listed([column for (column,) in rows(connection, _COLUMNS, (database, table))])
    execute(connection, f"INSERT INTO {named(table)} ({columns}) SELECT {columns} FROM {named(database, table)}")


def _sequence(connection: Connection, database: str, name: str) -> None:
    execute(connection, _created(connection, "SEQUENCE", database, name))
    ((value,),) = rows(connection, f"SELECT next_not_cached_value FROM {named(database, name)}")
    rows(connection, f"SELECT SETVAL({named(name)}, {value}, 0)")


def _code(connection: Connection, source: str, target: str) -> Iterator[str]:
    """Yield what makes routines, triggers and events, each under the mode that it was written in."""
    found = [(str(kind), str(name)) for kind, name in rows(connection, _ROUTINES, (source,))]
    found += [("TRIGGER", str(name)) for (name,) in rows(connection, _TRIGGERS, (source,))]
    found += [("EVENT", str(name)) for (name,) in rows(connection, _EVENTS, (source,))]
    for kind, name in found:
        (row,) = rows(connection, f"SHOW CREATE {kind} {named(source, name)}")
        mode, text = str(row[1]), str(row[3] if kind == "EVENT" else row[2])
        yield "SET SESSION sql_mode = '" + mode.replace("'", "''") + "'"
        text = text.replace(f"`{source}`.", f"`{target}`.")
        yield re.sub(r"\bENABLE\b", "DISABLE", text, count=1) if kind == "EVENT" else text


def _views(connection: Connection, source: str, target: str, names: list[str]) -> None:
    """Make the views; one that reads another comes after it."""
    left = {name: _created(connection, "VIEW", source, name) for name in names}
    left = {name: text.replace(f"`{source}`.", f"`{target}`.") for name, text in left.items()}
    while left:
        ready = [name for name, text in left.items() if not any(_reads(text, one) for one in left if one != name)]
        for name in ready or list(left):
            execute(connection, left.pop(name))


def _reads(text: str, name: str) -> bool:
    return f".{named(name)}" in text
