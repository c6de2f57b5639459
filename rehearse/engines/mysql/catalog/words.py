"""Rows of the information schema as properties in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from rehearse.engines.mysql.client import Connection, is_mariadb, named, rows

Found = Mapping[str, Any]
Pairs = Iterator[tuple[str, dict[str, str]]]
REFUSED = {1044, 1142, 1143, 1146, 1227, 1305, 1370}  # no right to look; or what we may not see is said not to be
TABLES = frozenset({"BASE TABLE", "SYSTEM VERSIONED"})
# What is the same for all of a database, and what changes by itself.
_PLACES = frozenset(
    f"{thing}_{place}"
    for thing in ("table", "constraint", "trigger", "event", "routine", "specific", "index", "event_object")
    for place in ("catalog", "schema")
)
_ALWAYS = _PLACES | frozenset({"catalog_name", "schema_name", "created", "last_altered"})
_NOTHING = frozenset({None, "", "NONE"})
# What code of every kind was written under, by the column's name.
WRITTEN = {
    "definer": "definer",
    "sql_mode": "sql mode",
    "character_set_client": "client character set",
    "collation_connection": "connection collation",
    "database_collation": "database collation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is read: the connection and its database, each table's kind, and the users that are ours."""

    connection: Connection
    database: str
    kinds: Mapping[str, str]
    ours: Collection[str]
    read: dict[str, list[Found]] = field(default_factory=dict, repr=False)

    @property
    def is_mariadb(self) -> bool:
        """Say whether the server is a MariaDB."""
        return is_mariadb(self.connection)

    def of(self, view: str, where: str = "table_schema") -> list[Found]:
        """Return the rows of a view that are of this database, asked once."""
        if view not in self.read:
            self.read[view] = self.ask(f"SELECT * FROM information_schema.{view} WHERE {where} = database()")
        return self.read[view]

    def ask(self, query: str) -> list[Found]:
        """Return a query's rows, columns in small letters."""
        with self.connection.cursor(DictCursor) as cursor:
            cursor.execute(query)
            return [{key.lower(): value for key, value in row.items()} for row in cursor.fetchall()]

    def shown(self, kind: str, name: str, *, at: int = 1) -> str:
        """Return what SHOW CREATE says, in which column of its row; nothing where we may not look."""
        try:
            ((*row,),) = rows(self.connection, f"SHOW CREATE {kind} {named(name)}")
        except pymysql.err.MySQLError as refused:
            if refused.args[0] not in REFUSED:
                raise
            return ""
        return str(row[at] or "")

    def is_table(self, name: str) -> bool:
        """Say whether a name is of a table, and not of a view or a sequence."""
        return self.kinds.get(name) in TABLES

    def relation(self, name: str) -> str:
        """Return what a table, view or sequence is called."""
        return f"{ {'VIEW': 'view', 'SEQUENCE': 'sequence'}.get(self.kinds.get(name, ''), 'table') } {name}"

    def plain(self, text: str) -> str:
        """Return a text without the database's own name: a copy of it is the same."""
        return text.replace(f"{named(self.database)}.", "")

    def told(self, row: Found, words: Mapping[str, str], without: str) -> dict[str, str]:
        """Return a row's properties: `words` name some, `without` are none, of the others the columns' names do.

        Those that are empty are left out.
        """
        left_out = {*_ALWAYS, *without.split()}
        return {
            words.get(key, key.replace("_", " ")): self.plain(str(value))
            for key, value in row.items()
            if key not in left_out and value not in _NOTHING
        }

    def written(self, row: Found, words: Mapping[str, str], without: str) -> dict[str, str]:
        """Return the properties of a piece of code. A definer that is ours is whoever made it, and so is none."""
        properties = self.told(row, {**WRITTEN, **words}, without)
        if properties.get("definer", "").rpartition("@")[0] in self.ours:
            del properties["definer"]
        return properties


def given(**properties: str | None) -> dict[str, str]:
    """Return properties by their names in words, without those that are not there."""
    return {key.replace("_", " "): value for key, value in properties.items() if value}


def yes(is_so: object) -> str | None:
    """Return a property that is there or is not."""
    return "yes" if is_so else None
