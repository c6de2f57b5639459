"""The user's own SQL files, run as psql would run them, streamed; what cannot matter in a rehearsal is left out."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from rehearse.engines.postgres import mentions, roles
from rehearse.engines.postgres.script import Command, Script, Statement
from rehearse.errors import RehearseError, ScenarioMistake, ServerFailed, TooBig
from rehearse.protocols import Role

if TYPE_CHECKING:
    from rehearse.engines.postgres.database import PostgresDatabase

_HARMLESS = {
    "restrict",
    "unrestrict",
    "connect",
    "c",
    "encoding",
    "echo",
    "qecho",
    "warn",
    "set",
    "unset",
    "pset",
    "timing",
}
_INCLUDES = ("i", "ir", "include", "include_relative")
_COPY_IN = re.compile(rb"COPY\b.*\bFROM\s+STDIN\b", re.IGNORECASE | re.DOTALL)
_INSERT = re.compile(rb"INSERT\s", re.IGNORECASE)
_MESSAGE_BYTES = 1 << 15
_SET = re.compile(rb"SET\s", re.IGNORECASE)
# Databases are made by us, and who owns what is settled after the load.
_OWNER = re.compile(rb"ALTER\s[^;]*\sOWNER\s+TO\s+(?:\"[^\"]+\"|\w+)\s*", re.IGNORECASE)
_DATABASE_SETTING = re.compile(
    rb"ALTER\s+DATABASE\s+(?:\"[^\"]+\"|\w+)\s+((?:SET|RESET)\s+(?!TABLESPACE\b).*)", re.IGNORECASE | re.DOTALL
)
_DATABASE = re.compile(rb"(?:CREATE|DROP|ALTER)\s+DATABASE\b", re.IGNORECASE)
_NEW_ROLE = re.compile(rb"CREATE\s+(?:ROLE|USER|GROUP)\b", re.IGNORECASE)
_FOREIGN = {
    b"-- MySQL dump": "a dump of MySQL; it cannot be loaded into PostgreSQL",
    b"-- MariaDB dump": "a dump of MariaDB; it cannot be loaded into PostgreSQL",
    b"-- PostgreSQL database cluster dump": "a dump of a whole cluster; dump the one database with pg_dump",
}
_COPY_LINE = re.compile(r"^COPY .*, line (\d+)", re.MULTILINE)


def run_file(database: PostgresDatabase, path: Path) -> None:
    """Run a file of plain SQL (also gzipped) on one connection; what it makes belongs to the migration's role."""
    with _opened(path) as stream:
        run_stream(database, stream, shown(path), folder=path.parent)


def run_stream(database: PostgresDatabase, stream: IO[bytes], name: str, *, folder: Path) -> None:
    """Run plain SQL from a stream; `name` stands before the line in an error, `folder` is where includes are."""
    with loader(database) as connection:
        _Run(database, connection, name, folder).perform(stream)
    database.grant()


@contextmanager
def loader(database: PostgresDatabase) -> Iterator[roles.Connection]:
    """Connect as one who may do everything; on a server that is not ours, as the migration's role."""
    if database.server.is_ours:
        with database.connect(user=roles.LOADER, prepare_threshold=None) as connection:
            yield connection
    else:
        with database.connect(Role.MIGRATION, prepare_threshold=None) as connection:
            yield connection


def shown(path: Path) -> str:
    """Return a path as the user would write it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            is_packed = file.peek(2).startswith(b"\x1f\x8b")
            stream = io.BufferedReader(gzip.GzipFile(fileobj=file)) if is_packed else file
            head = stream.peek(256)[:256]
            for start, what in _FOREIGN.items():
                if start in head:
                    raise ScenarioMistake(f"{shown(path)}: {what}")
            yield stream
    except OSError as error:
        raise ScenarioMistake(f"{shown(path)}: {error.strerror or error}") from error


class _Run:
    """One file on one connection."""

    def __init__(
        self, database: PostgresDatabase, connection: roles.Connection, name: str, folder: Path, *, depth: int = 0
    ) -> None:
        self._database = database
        self._connection = connection
        self._name = name
        self._folder = folder
        self._depth = depth
        self._inserts: list[Statement] = []
        self._inserts_bytes = 0

    def perform(self, stream: IO[bytes]) -> None:
        script = Script(stream)
        for part in script.parts():
            if isinstance(part, Statement) and self._is_joinable(part):
                self._join(part)
                continue
            self._flush()
            if isinstance(part, Command):
                self._command(part)
            elif setting := _DATABASE_SETTING.fullmatch(part.text):
                ours = sql.Identifier(self._database.name).as_bytes(self._connection)
                self._execute(Statement(b"ALTER DATABASE " + ours + b" " + setting[1], part.line))
            elif _DATABASE.match(part.text):
                words = " ".join(part.text.decode("utf-8", "replace").split())[:100]
                self._database.server.remark(f"{self._name}:{part.line}: left out: {words}")
            elif not _OWNER.fullmatch(part.text):
                self._statement(part, script)
        self._flush()

    def _is_joinable(self, statement: Statement) -> bool:
        """Say whether a statement may share a message with its neighbours, which saves most of its time."""
        is_idle = self._connection.info.transaction_status == TransactionStatus.IDLE
        return is_idle and _INSERT.match(statement.text) is not None

    def _join(self, statement: Statement) -> None:
        self._inserts.append(statement)
        self._inserts_bytes += len(statement.text)
        if self._inserts_bytes > _MESSAGE_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Send the statements that were joined; where the message is refused, one by one, to tell which it was."""
        inserts, self._inserts, self._inserts_bytes = self._inserts, [], 0
        if not inserts:
            return
        try:
            self._connection.execute(b";\n".join(one.text for one in inserts))
        except psycopg.Error:
            for one in inserts:
                self._execute(one)

    def _command(self, command: Command) -> None:
        word, _, rest = command.text.partition(" ")
        if word in _INCLUDES:
            self._include(rest.strip().strip("'"), command.line)
        elif word not in _HARMLESS:
            raise ScenarioMistake(
                f"{self._name}:{command.line}: \\{word} is psql's own command and is not known here; write it as SQL"
            )

    def _include(self, name: str, line: int) -> None:
        path = self._folder / name
        if not path.is_file() or self._depth > 50:
            raise ScenarioMistake(f"{self._name}:{line}: there is no file {name!r} in {self._folder}")
        with _opened(path) as stream:
            _Run(self._database, self._connection, shown(path), path.parent, depth=self._depth + 1).perform(stream)

    def _statement(self, statement: Statement, script: Script) -> None:
        mentions.make_roles(self._database, statement.text)
        if _COPY_IN.match(statement.text):
            self._copy(statement, script)
        else:
            self._execute(statement)

    def _copy(self, statement: Statement, script: Script) -> None:
        began = script.line
        try:
            with self._connection.cursor() as cursor, cursor.copy(statement.text) as copy:
                for rows in script.rows():
                    copy.write(rows)
        except psycopg.Error as error:
            raise self._complaint(statement, error, began) from error

    def _execute(self, statement: Statement) -> None:
        try:
            self._connection.execute(statement.text)
        except psycopg.Error as error:
            if not self._is_bearable(statement, error):
                raise self._complaint(statement, error, statement.line) from error
            self._database.server.remark(f"{self._name}:{statement.line}: left out: {error}".strip())

    def _is_bearable(self, statement: Statement, error: psycopg.Error) -> bool:
        """Say whether psql's user would not mind: a newer pg_dump's SET, a role that is there already."""
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            return False
        if isinstance(error, psycopg.errors.DuplicateObject):
            return _NEW_ROLE.match(statement.text) is not None
        return isinstance(error, psycopg.errors.UndefinedObject) and _SET.match(statement.text) is not None

    def _complaint(self, statement: Statement, error: psycopg.Error, began: int) -> RehearseError:
        if self._connection.closed or error.sqlstate is None:
            return ServerFailed(f"{self._name}:{statement.line}: the server was lost: {str(error).strip()}")
        if isinstance(error, psycopg.errors.DiskFull):
            return TooBig(f"{self._name}:{statement.line}: the disk is full: {error.diag.message_primary}")
        said = error.diag
        words = [f"{said.severity}: {said.message_primary}"]
        words += [
            f"{label}: {text}" for label, text in (("DETAIL", said.message_detail), ("HINT", said.message_hint)) if text
        ]
        if "extension" in words[0] and "is not available" in words[0]:
            words.append(
                "HINT: engine.via = 'binary' uses an installed PostgreSQL, with the extensions installed for it"
            )
        return ScenarioMistake(f"{self._name}:{_line(statement, error, began)}: " + "\n  ".join(words))


def _line(statement: Statement, error: psycopg.Error, began: int) -> int:
    """Return the line that the server points at: within the statement, or of the row that it refused."""
    if row := _COPY_LINE.search(error.diag.context or ""):
        return began + int(row[1])
    position = int(error.diag.statement_position or 1)
    before = statement.text.decode("utf-8", "replace")[: position - 1]
    return statement.line + before.count("\n")
