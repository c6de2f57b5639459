"""The migration's connection to MySQL or MariaDB, by PyMySQL."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT, SERVER_STATUS
from pymysql.cursors import SSCursor

from rehearse.events import Journal, Remarked
from rehearse.protocols import MigrationFailed
from rehearse.tools._links import MOST_NOTICES, Refused

_NAME = re.compile(r"\w+")


@contextmanager
def linked(url: str, settings: Mapping[str, Any], journal: Journal | None) -> Iterator[MysqlLink]:
    """Connect by a URL, with the session's settings; the server's warnings go to the journal."""
    try:
        connection = _opened(url)
    except (pymysql.err.MySQLError, RuntimeError) as error:  # RuntimeError: neither TLS nor a package for that
        raise MigrationFailed(f"the migration could not connect: {_words(error)}") from error
    try:
        _set(connection, settings)
        yield MysqlLink(connection, url, journal)
    finally:
        if connection.open:
            connection.close()


class MysqlLink:
    """A connection by PyMySQL. A statement of DDL commits what was open before it, and itself."""

    counts_seconds = True

    def __init__(self, connection: Connection, url: str, journal: Journal | None) -> None:
        self._connection = connection
        self._url = url
        self._journal = journal
        self._noticed = 0
        self.session = int(connection.thread_id())

    @property
    def is_open(self) -> bool:
        """Say whether a transaction is open, as the server's last answer said."""
        return self._connection.open and bool(self._connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    @property
    def can_answer(self) -> bool:
        """Say whether the connection is there."""
        return bool(self._connection.open)

    def wants_no_block(self, _statement: str, /) -> bool:
        """Say yes to all: DDL commits by itself, so that a block around it keeps nothing to be looked at."""
        return True

    def send(self, statement: str, _rows: str | None, /) -> int | None:
        """Run a statement; a query's rows are read and dropped."""
        with _refusing():
            with self._connection.cursor(SSCursor) as cursor:
                touched = cursor.execute(statement)
                is_query = cursor.description is not None
                for _ in cursor.fetchall_unbuffered() if is_query else ():
                    pass
                noticed = cursor.warning_count
            self._notice(noticed)
        return None if is_query else int(touched)

    def ask(self, query: str, /) -> Sequence[Sequence[str | None]]:
        """Return the rows of a query as text."""
        with _refusing(), self._connection.cursor() as cursor:
            cursor.execute(query)
            return [[None if cell is None else str(cell) for cell in row] for row in cursor.fetchall()]

    def cancel(self) -> None:
        """Have the server stop the statement under way, from a connection of its own."""
        with suppress(pymysql.err.MySQLError):
            other = _opened(self._url, connect_timeout=5)
            try:
                other.query(f"KILL QUERY {self.session}")
            finally:
                other.close()

    def _notice(self, count: int) -> None:
        """Write down what the server warns of: a value that it cut or changed is told nowhere else."""
        if self._journal is None or not count:
            return
        for level, code, text in self.ask("SHOW WARNINGS"):
            self._noticed += 1
            if self._noticed > MOST_NOTICES:
                return
            last = "; what the server noticed after this is not written down" if self._noticed == MOST_NOTICES else ""
            says = f"{level} {code}: {text}{last}"
            self._journal.write(Remarked(at_ns=time.monotonic_ns(), source="tool", says=says))


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except pymysql.err.MySQLError as error:
        raise Refused(_words(error), str(error.args[0]) if error.args else None) from error


def _opened(url: str, **options: Any) -> Connection:
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname or "",
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.lstrip("/")) or None,
        charset="utf8mb4",
        autocommit=True,
        client_flag=CLIENT.FOUND_ROWS,
        **options,
    )


def _set(connection: Connection, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if not _NAME.fullmatch(name):
            raise MigrationFailed(f"migration.settings.{name}: not the name of a session variable")
        text = int(value) if isinstance(value, bool) else value
        number = re.fullmatch(r"-?\d+(\.\d+)?", str(text))
        literal = str(text) if number else connection.escape(str(text))
        try:
            connection.query(f"SET SESSION {name} = {literal}")
        except pymysql.err.MySQLError as error:
            raise MigrationFailed(f"migration.settings.{name} = {value!r}: {_words(error)}") from error


def _words(error: pymysql.err.MySQLError) -> str:
    """Return a server's error on one line, its number first."""
    code, *rest = error.args or (0, str(error))
    return " ".join(f"ERROR {code}: {' '.join(map(str, rest))}".split())
