"""A snapshot of a database: its schema in normal form, what only the disk sees, and its tables.

Every column of the information schema's views is read, but for a short list of what is no property (times, counts,
estimates); so a new version's new columns are in by themselves. SHOW CREATE is read beside them, for what they lack.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymysql.cursors import DictCursor

from rehearse.engines.mysql import checksum
from rehearse.engines.mysql.client import Connection, execute, named, rows
from rehearse.model import Snapshot
from rehearse.protocols import Role

if TYPE_CHECKING:
    from rehearse.engines.mysql.database import MysqlDatabase

Objects = dict[str, dict[str, str]]
Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view of the information schema: whose rows are ours, how each is called, and what is no property of it."""

    name: str
    where: str
    called: str  # a format over the row's columns
    without: str = ""
    one: bool = True  # one row an object; else its rows are told as one, in their order

    @property
    def left_out(self) -> frozenset[str]:
        """The columns that are no properties: places, times, counts, and what the name says."""
        return frozenset({*self.without.split(), *re.findall(r"{(\w+)}", self.called)})


_ALWAYS = frozenset(
    [
        "table_catalog",
        "table_schema",
        "constraint_catalog",
        "constraint_schema",
        "trigger_catalog",
        "trigger_schema",
        "event_catalog",
        "event_schema",
        "routine_catalog",
        "routine_schema",
        "specific_catalog",
        "specific_schema",
        "index_schema",
        "catalog_name",
        "schema_name",
        "unique_constraint_catalog",
        "unique_constraint_schema",
        "event_object_catalog",
        "event_object_schema",
        "created",
        "last_altered",
        "create_time",
        "update_time",
        "check_time",
        "referenced_table_schema",
    ]
)
_COUNTS = (
    "table_rows avg_row_length data_length max_data_length index_length data_free checksum max_index_length version "
    "temporary"
)
_VIEWS = (
    View(name="SCHEMATA", where="schema_name", called="database", without="sql_path schema_comment"),
    View(name="TABLES", where="table_schema", called="table {table_name}", without=f"{_COUNTS} auto_increment"),
    View(
        name="COLUMNS",
        where="table_schema",
        called="table {table_name} column {column_name}",
        without="privileges column_key ordinal_position",
    ),
    View(
        name="STATISTICS",
        where="table_schema",
        called="table {table_name} index {index_name}",
        without="cardinality",
        one=False,
    ),
    View(
        name="KEY_COLUMN_USAGE",
        where="table_schema",
        called="table {table_name} foreign key {constraint_name}",
        one=False,
    ),
    View(
        name="REFERENTIAL_CONSTRAINTS",
        where="constraint_schema",
        called="table {table_name} foreign key {constraint_name}",
    ),
    View(name="CHECK_CONSTRAINTS", where="constraint_schema", called="table {table_name} check {constraint_name}"),
    View(name="VIEWS", where="table_schema", called="view {table_name}"),
    View(name="TRIGGERS", where="trigger_schema", called="table {event_object_table} trigger {trigger_name}"),
    View(name="ROUTINES", where="routine_schema", called="routine {routine_name}", without="specific_name"),
    View(name="PARAMETERS", where="specific_schema", called="routine {specific_name}", one=False),
    View(name="EVENTS", where="event_schema", called="event {event_name}", without="last_executed"),
    View(name="PARTITIONS", where="table_schema", called="table {table_name} partitions", without=_COUNTS, one=False),
)
# Rights are the account's in the whole database, in a table or in a column; what we gave to our own is there as well.
_RIGHTS = (
    ("SCHEMA_PRIVILEGES", "database privileges", "grantee privilege_type is_grantable"),
    ("TABLE_PRIVILEGES", "table {table_name} privileges", "grantee privilege_type is_grantable"),
    ("COLUMN_PRIVILEGES", "table {table_name} column {column_name} privileges", "grantee privilege_type is_grantable"),
)
_SEQUENCES = """
    SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND table_type = 'SEQUENCE'
"""
_CREATED = """
    SELECT table_name, table_type FROM information_schema.tables
    WHERE table_schema = database() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
"""
_PLACES = """
    SELECT c.table_name, c.column_name FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = database() AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
    ORDER BY c.table_name, c.ordinal_position
"""
_COUNTERS = """
    SELECT table_name, auto_increment FROM information_schema.tables
    WHERE table_schema = database() AND auto_increment IS NOT NULL AND table_type <> 'SEQUENCE'
"""
_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
# The lines of SHOW CREATE TABLE, by what they declare.
_LINES = (
    (re.compile(r"`((?:[^`]|``)*)`"), "table {} column {}"),
    (re.compile(r"(PRIMARY) KEY"), "table {} index {}"),
    (re.compile(r"(?:UNIQUE |FULLTEXT |SPATIAL )?KEY `((?:[^`]|``)*)`"), "table {} index {}"),
    (re.compile(r"CONSTRAINT `((?:[^`]|``)*)` FOREIGN KEY"), "table {} foreign key {}"),
    (re.compile(r"CONSTRAINT `((?:[^`]|``)*)` CHECK"), "table {} check {}"),
)
_WORDS = {"column_type": "type", "index_type": "method", "is_nullable": "nullable", "column_default": "default"}
DECLARED = "declared"  # a property that repeats others in the server's own words, and more than they


def take(database: MysqlDatabase, name: str) -> Snapshot:
    """Return the snapshot of this name; reads every row, in one transaction that stops nobody."""
    began = time.monotonic_ns()
    with database.connect(Role.OWNER) as connection:
        begin(connection)
        schema, physical = read(connection, database.name)
        states = checksum.states(connection)
        execute(connection, "ROLLBACK")
    took = time.monotonic_ns() - began
    return Snapshot(name=name, at_ns=began, took_ns=took, schema=schema, physical=physical, tables=states)


def begin(connection: Connection) -> None:
    """Open the transaction that everything is read in."""
    execute(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    execute(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")


def read(connection: Connection, database: str) -> tuple[Objects, Objects]:
    """Return what has a meaning for the application or its owner, and what only the disk sees."""
    schema: Objects = {}
    kinds = {row["table_name"]: str(row["table_type"]) for row in _asked(connection, "TABLES", "table_schema")}
    for view in _VIEWS:
        for name, properties in _told(view, _asked(connection, view.name, view.where), kinds, database):
            schema.setdefault(name, {}).update(properties)
    for name, words, columns in _RIGHTS:
        for called, text in _rights(_asked(connection, name, "table_schema"), words, columns):
            schema[called] = {"privileges": text}
    schema |= dict(_sequences(connection, database))
    for called, line in _declared(connection):
        schema.setdefault(called, {})[DECLARED] = line
    return schema, _physical(connection)


def _physical(connection: Connection) -> Objects:
    found: Objects = {}
    for table, column in rows(connection, _PLACES):
        order = found.setdefault(f"table {table}", {})
        order["column order"] = f"{order['column order']}, {column}" if order else str(column)
    for table, value in rows(connection, _COUNTERS):
        found[f"table {table} counter"] = {"increment": "1", "value": str(value)}
    return found


def _asked(connection: Connection, view: str, where: str) -> Sequence[Found]:
    with connection.cursor(DictCursor) as cursor:
        cursor.execute(f"SELECT * FROM information_schema.{view} WHERE {where} = database()")
        return [{key.lower(): value for key, value in row.items()} for row in cursor.fetchall()]


def _told(
    view: View, found: Iterable[Found], kinds: Mapping[str, str], database: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the view's objects by name, each with its properties as text; those that are empty are left out."""
    many: dict[str, list[str]] = {}
    for row in found:
        kind = kinds.get(str(row.get("table_name")), "")
        if _is_told_elsewhere(view, row, kind):
            continue
        name = view.called.format_map(row)
        name = name.replace("table ", "view ", 1) if kind == "VIEW" else name
        properties = {
            _WORDS.get(key, key.replace("_", " ")): _plain(str(value), database)
            for key, value in row.items()
            if key not in _ALWAYS and key not in view.left_out and value is not None and value != ""
        }
        if view.one:
            yield name, properties
        else:
            many.setdefault(name, []).append(", ".join(f"{key} {value}" for key, value in properties.items()))
    for name, lines in many.items():
        unique = {"unique": "yes"} if view.name == "STATISTICS" and "non unique 0" in lines[0] else {}
        yield name, {"parameters" if view.name == "PARAMETERS" else "definition": "; ".join(lines), **unique}


def _is_told_elsewhere(view: View, row: Found, kind: str) -> bool:
    """Say whether a row is of a sequence, of a view as a table, of a key that is an index, or of no partition."""
    if kind == "SEQUENCE" or (kind == "VIEW" and view.name == "TABLES"):
        return True
    needed = {"KEY_COLUMN_USAGE": "referenced_table_name", "PARTITIONS": "partition_name"}.get(view.name)
    return needed is not None and row[needed] is None


def _plain(text: str, database: str) -> str:
    """Return a text without the database's own name: a copy of it is the same."""
    return text.replace(f"`{database}`.", "")


def _rights(found: Iterable[Found], words: str, columns: str) -> Iterator[tuple[str, str]]:
    many: dict[str, list[str]] = {}
    for row in found:
        account, *rest = (str(row[column]) for column in columns.split())
        many.setdefault(words.format_map(row), []).append(f"{account} {rest[0]}{' +' if rest[1] == 'YES' else ''}")
    for name, lines in many.items():
        yield name, ", ".join(sorted(lines))


def _sequences(connection: Connection, database: str) -> Iterator[tuple[str, dict[str, str]]]:
    for (name,) in rows(connection, _SEQUENCES):
        with connection.cursor(DictCursor) as cursor:
            cursor.execute(f"SELECT * FROM {named(name)}")
            found = {key.replace("_", " "): str(value) for key, value in cursor.fetchall()[0].items()}
        found["value"] = found.pop("next not cached value")
        ((_, created),) = rows(connection, f"SHOW CREATE SEQUENCE {named(name)}")
        yield f"sequence {name}", {**found, "definition": _plain(str(created), database)}


def _declared(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield (object, line) of each table's own CREATE; what is of the whole table is one text."""
    for name in dict.fromkeys(str(table) for table, _ in rows(connection, _PLACES)):
        ((_, text, *_),) = rows(connection, f"SHOW CREATE TABLE {named(name)}")
        _, *lines = _COUNTER.sub("", str(text)).split("\n")
        whole = []
        for line in (one.strip().rstrip(",") for one in lines):
            called = next((form.format(name, found[1]) for what, form in _LINES if (found := what.match(line))), None)
            if called is None:
                whole.append(line)
            else:
                yield called, line
        yield f"table {name}", " ".join(whole)
