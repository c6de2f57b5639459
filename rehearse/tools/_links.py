"""The connection that a migration's statements go through, of each kind of database."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Protocol

import psycopg
from psycopg import pq, sql

from rehearse.events import Journal, Remarked
from rehearse.protocols import MigrationFailed
from rehearse.tools._kinds import wants_no_block

MOST_NOTICES = 200  # a loop that raises a notice a row is no reason to write them all down


class Refused(Exception):
    """A statement that the server refused, in its words; `code` is its own for it."""

    def __init__(self, text: str, code: str | None) -> None:
        super().__init__(text)
        self.code = code


class Link(Protocol):
    """One connection of the migration's role, in autocommit. `session` is what the server calls it.

    `counts_seconds`: its time-outs for locks are whole seconds.
    """

    session: int
    counts_seconds: bool

    @property
    def is_open(self) -> bool:
        """Say whether a transaction is open."""
        ...

    @property
    def can_answer(self) -> bool:
        """Say whether `ask` would be answered: not in a failed transaction, not on a lost connection."""
        ...

    def wants_no_block(self, statement: str, /) -> bool:
        """Say whether a BEGIN before it and a COMMIT after it would change what a statement does or says."""
        ...

    def send(self, statement: str, rows: str | None, /) -> int | None:
        """Run a statement, with the rows that follow it; return how many rows it touched. Raises Refused."""
        ...

    def ask(self, query: str, /) -> Sequence[Sequence[str | None]]:
        """Return the rows of a read-only query as text. Raises Refused."""
        ...

    def cancel(self) -> None:
        """Have the server stop the statement under way; from any thread."""
        ...


def linked(url: str, settings: Mapping[str, Any], journal: Journal | None) -> AbstractContextManager[Link]:
    """Connect by a URL, with the session's settings; what the server notices goes to the journal."""
    if url.startswith("mysql:"):
        from rehearse.tools import _mysql_link  # noqa: PLC0415  its package is an extra

        return _mysql_link.linked(url, settings, journal)
    return _linked(url, settings, journal)


@contextmanager
def _linked(url: str, settings: Mapping[str, Any], journal: Journal | None) -> Iterator[PostgresLink]:
    try:
        connection = psycopg.connect(url, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise MigrationFailed(f"the migration could not connect: {words(error)}") from error
    with connection:
        if journal is not None:
            connection.add_notice_handler(_noticing(journal))
        _set(connection, settings)
        yield PostgresLink(connection)


class PostgresLink:
    """A connection by psycopg."""

    counts_seconds = False

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.session = connection.info.backend_pid

    @property
    def is_open(self) -> bool:
        """Say whether a transaction is open, failed ones included."""
        return self._connection.info.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)

    @property
    def can_answer(self) -> bool:
        """Say whether a query would be answered."""
        return self._connection.info.transaction_status in (pq.TransactionStatus.IDLE, pq.TransactionStatus.INTRANS)

    def wants_no_block(self, statement: str, /) -> bool:
        """Say whether BEGIN and COMMIT around a statement would change it."""
        return wants_no_block(statement, server=self._connection.info.server_version)

    def send(self, statement: str, rows: str | None, /) -> int | None:
        """Run a statement; `rows` are those of a COPY."""
        text = sql.SQL(statement)  # the user's own text, and no value is put into it
        try:
            with self._connection.cursor() as cursor:
                if rows is None:
                    cursor.execute(text)
                else:
                    with cursor.copy(text) as copy:
                        copy.write(rows)
                return cursor.rowcount if cursor.rowcount >= 0 else None
        except psycopg.Error as error:
            raise Refused(words(error), error.sqlstate) from error

    def ask(self, query: str, /) -> Sequence[Sequence[str | None]]:
        """Return the rows of a query as text."""
        try:
            rows = self._connection.execute(sql.SQL(query)).fetchall()  # of our own
        except psycopg.Error as error:
            raise Refused(words(error), error.sqlstate) from error
        return [[None if cell is None else str(cell) for cell in row] for row in rows]

    def cancel(self) -> None:
        """Ask the server to stop the statement under way."""
        with suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=5)


def words(error: psycopg.Error) -> str:
    """Return a server's error as psql shows it, on one line: severity, text, detail, hint."""
    found = error.diag
    if found.message_primary is None:
        return str(error).strip().replace("\n", " ")
    parts = [f"{found.severity or 'ERROR'}: {found.message_primary}"]
    parts += [f"DETAIL: {found.message_detail}"] if found.message_detail else []
    parts += [f"HINT: {found.message_hint}"] if found.message_hint else []
    return " ".join(" ".join(parts).split())


def _set(connection: psycopg.Connection[Any], settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        try:
            connection.execute("SELECT set_config(%s, %s, false)", (name, text))
        except psycopg.Error as error:
            raise MigrationFailed(f"migration.settings.{name} = {value!r}: {words(error)}") from error


def _noticing(journal: Journal) -> Callable[[psycopg.errors.Diagnostic], None]:
    heard = itertools.count(1)

    def notice(found: psycopg.errors.Diagnostic) -> None:
        number = next(heard)
        if number <= MOST_NOTICES:
            says = f"{found.severity}: {found.message_primary}"
            last = "; what the server noticed after this is not written down" if number == MOST_NOTICES else ""
            journal.write(Remarked(at_ns=time.monotonic_ns(), source="tool", says=says + last))

    return notice
