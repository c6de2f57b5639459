"""A database that the user names by a URL: opened, with errors that hold no password."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import pymysql

from rehearse.engines.mysql.client import Connection, address, named, opened, rows, words
from rehearse.errors import Missing, NotDisposable, ScenarioMistake, full

if TYPE_CHECKING:
    from rehearse.events import Journal
    from rehearse.profiles import Structure
    from rehearse.protocols import TableData

_TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = database() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1
"""
_INSERT_TRIGGERS = """
    SELECT event_object_table, trigger_name FROM information_schema.triggers
    WHERE trigger_schema = database() AND event_manipulation LIKE '%INSERT%' ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Given:
    """The user's database; `where` says for an error how it was named."""

    url: str = field(repr=False)
    where: str

    @contextmanager
    def connect(self, **options: Any) -> Iterator[Connection]:
        """Connect, in autocommit."""
        at = address(self.url, self.where)
        if at.database is None:
            raise ScenarioMistake(f"{self.where} names no database; write mysql://user@host:3306/database")
        try:
            connection = opened(at, **{"connect_timeout": 10} | options)
        except pymysql.err.OperationalError as error:
            raise Missing(f"{self.where}: no connection: {words(error)}") from None
        with connection:
            yield connection

    def structure(self) -> Structure:
        """Return its tables as generating rows needs them."""
        from rehearse.engines.mysql.structure import structure  # noqa: PLC0415

        return structure(self)

    def refuse_rows(self, way_out: str) -> None:
        """Raise NotDisposable where any of its tables holds a row; reads one row a table at the most."""
        with self.connect() as connection:
            for (name,) in rows(connection, _TABLES):
                if rows(connection, f"SELECT 1 FROM {named(str(name))} LIMIT 1"):
                    raise NotDisposable(f"{self.where}: table {name} of that database holds rows; {way_out}")

    def load(self, tables: Sequence[TableData], _journal: Journal) -> None:
        """Fill empty tables; raise NotDisposable for one that is not, or whose trigger would fire for each row."""
        from rehearse.engines.mysql.load import load_empty  # noqa: PLC0415

        with self.connect() as connection:
            triggers = {str(table): str(trigger) for table, trigger in rows(connection, _INSERT_TRIGGERS)}
            for table in tables:
                if rows(connection, f"SELECT 1 FROM {named(table.table)} LIMIT 1"):
                    raise full(self.where, table.table)
                if trigger := triggers.get(table.table):
                    raise NotDisposable(
                        f"{self.where}: trigger {trigger} of table {table.table} would fire for each row, and nothing "
                        "of yours is dropped; drop it yourself and make it again after the load, or name a database "
                        "without it"
                    )
        load_empty(self, tables, self.where)

    def check_statistics(self) -> NoReturn:
        """Raise a ScenarioMistake: these servers take no statistics from us."""
        raise ScenarioMistake(f"--statistics: {self.where} is no PostgreSQL, whose planner alone can be told of rows")
