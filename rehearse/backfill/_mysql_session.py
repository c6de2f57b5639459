"""A session with MySQL or MariaDB, by PyMySQL, with the server's own settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
from pymysql.constants import CLIENT
from pymysql.cursors import DictCursor

from rehearse import registry
from rehearse.backfill.seams import Refused, Rows, one_by_one

_PLAIN = CLIENT.MULTI_RESULTS  # rows that an UPDATE changed are told, and not those that it left as they were


@contextmanager
def opened(url: str) -> Iterator[MysqlSession]:
    """Connect in autocommit, known to the server by our name; the password comes as the clients take it."""
    given = registry.part("engine", "mysql", "given").Given(url, "URL")
    known = {"program_name": "rehearse backfill"}
    with given.connect(init_command=None, client_flag=_PLAIN, local_infile=False, **known) as connection:
        yield MysqlSession(connection, lambda: given.connect(connect_timeout=5))


class MysqlSession:
    """A connection by PyMySQL."""

    def __init__(self, connection: Any, other: Any) -> None:
        self._connection = connection
        self._other = other
        self._number = int(connection.thread_id())

    def ask(self, query: str, /) -> Rows:
        """Return a query's rows as text."""
        with _refusing(), self._connection.cursor() as cursor:
            cursor.execute(query)
            return [[None if cell is None else _text(cell) for cell in row] for row in cursor.fetchall()]

    def tell(self, statement: str, /) -> int:
        """Run a statement of ours."""
        with _refusing(), self._connection.cursor() as cursor:
            return max(0, int(cursor.execute(statement)))

    def run(self, statement: str, /) -> int:
        """Run the user's statement."""
        return self.tell(statement)

    def together(self, statements: Sequence[str], query: str | None = None, /) -> tuple[Sequence[int], Rows]:
        """Send them one by one: what a statement of the user's might hide behind a semicolon is never run."""
        return one_by_one(self, statements, query)

    def behind_ms(self) -> float | None:
        """Return how far this replica is behind, in whole seconds; None: it is no replica, or does not replicate."""
        with _refusing(), self._connection.cursor(DictCursor) as cursor:
            try:
                cursor.execute("SHOW REPLICA STATUS")
            except pymysql.err.ProgrammingError:  # older than MySQL 8.0.22
                cursor.execute("SHOW SLAVE STATUS")
            found = cursor.fetchone() or {}
        seconds = found.get("Seconds_Behind_Source", found.get("Seconds_Behind_Master"))
        return None if seconds is None else float(seconds) * 1000

    def cancel(self) -> None:
        """Have the server stop the statement under way, from a connection of its own."""
        with suppress(pymysql.err.MySQLError), self._other() as other:
            other.query(f"KILL QUERY {self._number}")


def _text(cell: Any) -> str:
    return cell.decode() if isinstance(cell, bytes) else str(cell)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except pymysql.err.MySQLError as error:
        code, *rest = error.args or (None, str(error))
        raise Refused(" ".join(f"ERROR {code}: {' '.join(map(str, rest))}".split()), str(code)) from error
