"""A database that the user names by a URL: opened, with errors that hold no password."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import conninfo, sql

from rehearse.engines.postgres.roles import Connection
from rehearse.errors import Missing, NotDisposable, ScenarioMistake, full
from rehearse.model.names import split

if TYPE_CHECKING:
    from rehearse.events import Journal
    from rehearse.profiles import Structure
    from rehearse.protocols import TableData

# Tables that may hold rows, the parents of parts left out: they have none of their own. Any version; milliseconds.
_TABLES = """
    SELECT n.nspname, c.relname
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY 1, 2
"""


def words(url: str, where: str) -> dict[str, Any]:
    """Return the parts of a URL (or of libpq's `key=value`); `where` says for an error which one it is."""
    if url.partition("://")[0].partition("+")[0] in ("mysql", "mariadb"):
        raise ScenarioMistake(f"{where}: this is for PostgreSQL alone so far, and not for MariaDB or MySQL")
    try:
        return dict(conninfo.conninfo_to_dict(url))
    except (psycopg.ProgrammingError, UnicodeError):  # their texts quote the URL, and so the password
        raise ScenarioMistake(
            f"{where} cannot be read; write postgresql://user@host:5432/database, with % and @ in a password as "
            "%25 and %40"
        ) from None


def connect(url: str, where: str, **options: Any) -> Connection:
    """Connect to a user's database, in autocommit unless the options say otherwise; settings add to the URL's own."""
    own = words(url, where).get("options")
    if own and "options" in options:
        options["options"] = f"{own} {options['options']}"
    try:
        return psycopg.connect(url, **{"autocommit": True, "connect_timeout": 10} | options)
    except psycopg.OperationalError as error:
        raise Missing(f"{where}: no connection: {str(error).strip()}") from None


@dataclass(frozen=True, slots=True)
class Given:
    """The user's database; `where` says for an error how it was named."""

    url: str = field(repr=False)
    where: str

    def connect(self, **options: Any) -> Connection:
        """Connect, in autocommit."""
        return connect(self.url, self.where, **options)

    def structure(self) -> Structure:
        """Return its tables as generating rows needs them."""
        from rehearse.engines.postgres.structure import structure  # noqa: PLC0415

        return structure(self)

    def refuse_rows(self, way_out: str) -> None:
        """Raise NotDisposable where any of its tables holds a row."""
        with self.connect() as connection:
            refuse_rows(connection, self.where, way_out)

    def load(self, tables: Sequence[TableData], journal: Journal) -> None:
        """Fill empty tables; raise NotDisposable for one that is not."""
        from rehearse.engines.postgres.load import load  # noqa: PLC0415

        with self.connect() as connection:
            for table in tables:
                schema, name = split(table.table)
                if has_rows(connection, schema or "public", name):
                    raise full(self.where, table.table)
        load(self, tables, journal)

    def check_statistics(self) -> None:
        """Raise a ScenarioMistake where the server takes no statistics."""
        from rehearse.engines.postgres import injection  # noqa: PLC0415

        with self.connect() as connection:
            injection.check(connection)

    def reckon_with(self, production: Sequence[TableData], journal: Journal) -> None:
        """Have the planner reckon with these tables."""
        from rehearse.engines.postgres import injection  # noqa: PLC0415

        injection.inject(self, production, journal)


def refuse_rows(connection: Connection, where: str, way_out: str) -> None:
    """Raise NotDisposable where any table of the database holds a row; reads one row a table at the most."""
    for schema, table in connection.execute(_TABLES).fetchall():
        if has_rows(connection, schema, table):
            raise NotDisposable(f"{where}: table {schema}.{table} of that database holds rows; {way_out}")


def has_rows(connection: Connection, schema: str, table: str) -> bool:
    """Say whether a table, or any part of it, holds a row."""
    query = sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(schema, table))
    return connection.execute(query).fetchone() is not None
