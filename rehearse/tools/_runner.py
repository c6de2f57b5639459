"""Sends a migration's statements one by one, with exact times, and lets an onlooker look between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Timer
from typing import Any

import psycopg
from psycopg import pq, sql

from rehearse.events import Journal, Remarked, StatementRan
from rehearse.protocols import Effects, MigrationFailed, Onlooker
from rehearse.tools._layouts import Script
from rehearse.tools._split import Statement, statements
from rehearse.units import human_duration

_MANY = 100_000  # repetitions after which a `rehearse:repeat` statement is taken for one that never ends


@dataclass(slots=True)
class Runner:
    """One connection of the migration's role and what runs on it, statements counted from 1."""

    connection: psycopg.Connection[Any]
    journal: Journal | None
    onlooker: Onlooker | None = None
    number: int = 0
    transaction: int = 0
    timed_out: str | None = field(default=None, init=False)

    def run(self, scripts: Sequence[Script], transaction: str) -> None:
        """Run scripts; the first statement that fails ends it, is rolled back, and raises MigrationFailed."""
        self._look(0)
        for script in scripts:
            parts = statements(script.text, script.name, first_line=script.first_line)
            if transaction == "file" and script.in_transaction is not False:
                self._in_one_transaction(parts, script.name)
            else:
                self._one_by_one(parts)
        if self._is_open():
            self._commit("end of the migration")

    def _in_one_transaction(self, parts: Sequence[Statement], name: str) -> None:
        if not parts:
            return
        self._begin(name)
        for part in parts:
            self._perform(part)
        if self._is_open():
            self._commit(name)

    def _one_by_one(self, parts: Sequence[Statement]) -> None:
        """Run each in a transaction of its own; one that may run in a block is wrapped, which changes nothing for it.

        So the locks of a statement that is over in a moment can still be looked at before they are released.
        """
        for part in parts:
            if part.repeat:
                self._repeat(part)
            elif self._is_open() or part.controls_transaction or not part.may_run_in_transaction:
                self._perform(part)
            else:
                self._wrapped(part)

    def _wrapped(self, part: Statement) -> int:
        self._begin(part.place)
        rows = self._perform(part)
        self._commit(part.place)
        return rows

    def _repeat(self, part: Statement) -> None:
        for _ in range(_MANY):
            if self._wrapped(part) == 0:
                return
            time.sleep(part.pause_s)
        raise MigrationFailed(f"{part.place}: still affects rows after {_MANY:,} repetitions: {part.sql}")

    def _begin(self, place: str) -> None:
        self._perform(Statement("BEGIN", place))

    def _commit(self, place: str) -> None:
        self._perform(Statement("COMMIT", place))

    def _perform(self, part: Statement) -> int:
        """Send one statement and write it down; returns the rows it affected."""
        was_open = self._is_open()
        self.number += 1
        began = time.monotonic_ns()
        error, rows = self._send(part.sql)
        ended = time.monotonic_ns()
        if self._is_open() and not was_open:
            self.transaction += 1
        inside = self.transaction if was_open or self._is_open() else None
        effects = self._look(self.number)
        if self.journal is not None:
            self.journal.write(
                StatementRan(
                    at_ns=began,
                    ended_ns=ended,
                    n=self.number,
                    sql=part.sql,
                    session=self.connection.info.backend_pid,
                    transaction=inside,
                    error=None if error is None else words(error),
                    code=None if error is None else error.sqlstate,
                    rows=rows,
                    wal_bytes=effects.wal_bytes,
                    rewrites=effects.rewrites,
                    file=part.place,
                )
            )
        if error is not None:
            self._give_up(part, error)
        return rows or 0

    def _send(self, text: str) -> tuple[psycopg.Error | None, int | None]:
        try:
            cursor = self.connection.execute(sql.SQL(text))  # the user's own text
        except psycopg.Error as error:
            return error, None
        return None, cursor.rowcount if cursor.rowcount >= 0 else None

    def _give_up(self, part: Statement, error: psycopg.Error) -> None:
        failed = self.number
        if self._is_open():
            with suppress(MigrationFailed):
                self._perform(Statement("ROLLBACK", part.place))
        why = f"{self.timed_out}: " if self.timed_out else ""
        raise MigrationFailed(f"{why}{part.place} (statement {failed}): {words(error)}") from error

    def _look(self, number: int) -> Effects:
        if self.onlooker is None:
            return Effects()
        status = self.connection.info.transaction_status
        asks = status in (pq.TransactionStatus.IDLE, pq.TransactionStatus.INTRANS)
        return self.onlooker.between(self.connection.info.backend_pid, number, self._ask if asks else None)

    def _ask(self, query: str) -> Sequence[Sequence[str | None]]:
        rows = self.connection.execute(query).fetchall()  # our own constant
        return [[None if cell is None else str(cell) for cell in row] for row in rows]

    def _is_open(self) -> bool:
        return self.connection.info.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)


@contextmanager
def runner(
    url: str,
    *,
    settings: Mapping[str, Any],
    journal: Journal | None = None,
    onlooker: Onlooker | None = None,
    timeout_ns: int | None = None,
) -> Iterator[Runner]:
    """Connect as the migration's role, with its settings; a statement that outlives the time-out is cancelled."""
    try:
        connection = psycopg.connect(url, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise MigrationFailed(f"the migration could not connect: {words(error)}") from error
    with connection:
        if journal is not None:
            connection.add_notice_handler(_noticing(journal))
        _set(connection, settings)
        running = Runner(connection, journal, onlooker)
        with _limit(running, timeout_ns):
            yield running


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
    def notice(found: psycopg.errors.Diagnostic) -> None:
        says = f"{found.severity}: {found.message_primary}"
        journal.write(Remarked(at_ns=time.monotonic_ns(), source="tool", says=says))

    return notice


@contextmanager
def _limit(running: Runner, timeout_ns: int | None) -> Iterator[None]:
    if timeout_ns is None:
        yield
        return

    def cancel() -> None:
        running.timed_out = f"cancelled after {human_duration(timeout_ns)}, migration.timeout"
        with suppress(psycopg.Error):
            running.connection.cancel_safe(timeout=5)

    timer = Timer(timeout_ns / 1e9, cancel)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
