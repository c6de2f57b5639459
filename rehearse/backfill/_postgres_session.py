"""A session with PostgreSQL, by psycopg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import sql

from rehearse import registry
from rehearse.backfill.seams import Refused, Rows

_BEHIND = """
    SELECT CASE WHEN NOT pg_is_in_recovery() THEN NULL
                WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000 END
"""


@contextmanager
def opened(url: str) -> Iterator[PostgresSession]:
    """Connect in autocommit, known to the server by our name; the password comes as libpq takes it."""
    given = registry.part("engine", "postgres", "given").Given(url, "URL")
    with given.connect(application_name="rehearse backfill", prepare_threshold=None) as connection:
        yield PostgresSession(connection)


class PostgresSession:
    """A connection by psycopg."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def ask(self, query: str, /) -> Rows:
        """Return a query's rows as text."""
        with _refusing(), self._connection.cursor() as cursor:
            cursor.execute(sql.SQL(query))  # its values are in it, quoted
            return _as_text(cursor.fetchall())

    def tell(self, statement: str, /) -> int:
        """Run a statement of ours."""
        with _refusing():
            return max(0, self._connection.execute(sql.SQL(statement)).rowcount)

    def run(self, statement: str, /) -> int:
        """Run the user's statement."""
        return self.tell(statement)

    def together(self, statements: Sequence[str], query: str | None = None, /) -> tuple[Sequence[int], Rows]:
        """Send all in one message of the simple protocol; the server stops at the first that fails."""
        text = "\n;\n".join([*statements, *([] if query is None else [query])])  # a comment may end a statement
        with _refusing(), self._connection.cursor() as cursor:
            cursor.execute(sql.SQL(text))
            touched = [max(0, cursor.rowcount)]
            while cursor.nextset():
                touched.append(max(0, cursor.rowcount))
            return touched[: len(statements)], () if query is None else _as_text(cursor.fetchall())

    def behind_ms(self) -> float | None:
        """Return how far this replica is behind; None: it is no replica, or has replayed no transaction yet."""
        found = self.ask(_BEHIND)[0][0]
        return None if found is None else float(found)

    def cancel(self) -> None:
        """Have the server stop the statement under way; from any thread."""
        with suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=5)


def _as_text(rows: Sequence[Sequence[object]]) -> Rows:
    return [[None if cell is None else str(cell) for cell in row] for row in rows]


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise Refused(_words(error), error.sqlstate) from error


def _words(error: psycopg.Error) -> str:
    """Return the server's words on one line."""
    found = error.diag
    parts = [found.message_primary or str(error), found.message_detail, found.message_hint]
    return " ".join(" ".join(filter(None, parts)).split())
