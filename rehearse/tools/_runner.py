"""Sends a migration's statements one by one, with exact times, and lets an onlooker look between them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Timer
from typing import Any

from rehearse import registry
from rehearse.errors import Mistake
from rehearse.events import Journal, Remarked, StatementRan
from rehearse.model.ending import ends_transaction
from rehearse.protocols import Effects, MigrationFailed, Onlooker
from rehearse.tools import _backfill
from rehearse.tools._kinds import controls_transaction
from rehearse.tools._layouts import Script
from rehearse.tools._links import Link, Refused, linked
from rehearse.tools._retry import NOT_FREE, Retry, begins, patience
from rehearse.tools._split import Repeat, Statement
from rehearse.units import NS_PER_S, human_duration

_NOT_IN_A_BLOCK = "25001"
_LOST = (None, "1213", "2006", "2013")  # a deadlock rolls the transaction back, as does a connection that is lost


@dataclass(slots=True)
class Runner:
    """One connection of the migration's role and what runs on it, statements counted from 1.

    `attempt` is that of the `block` that is tried again while its locks are not free; `seed` is for the pauses between.
    """

    link: Link
    journal: Journal | None
    onlooker: Onlooker | None = None
    engine: str = "postgres"
    seed: int = 0
    more: Callable[[], AbstractContextManager[Runner]] | None = None  # opens one more like it, counted together
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    transactions: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    number: int = 0
    transaction: int = 0
    attempt: int | None = field(default=None, init=False)
    block: str | None = field(default=None, init=False)
    timed_out: str | None = field(default=None, init=False)
    session: int = field(default=0, init=False)  # the backend's process id

    def __post_init__(self) -> None:
        self.session = self.link.session

    def run(self, scripts: Sequence[Script]) -> None:
        """Run scripts; the first statement that fails ends it, is rolled back, and raises MigrationFailed."""
        self._look(0)
        for script in scripts:
            if _is_in_one_transaction(script):
                self._in_one_transaction(script)
            else:
                self._one_by_one(script.statements)
        if self._is_open():
            self._commit("end of the migration")

    def _in_one_transaction(self, script: Script) -> None:
        if not script.statements:
            return
        self._begin(script.name)
        for part in script.statements:
            self._perform(part)
        if self._is_open():
            self._commit(script.name)

    def _one_by_one(self, parts: Sequence[Statement]) -> None:
        """Run each in a transaction of its own; one that may run in a block is wrapped, which changes nothing for it.

        So the locks of a statement that is over in a moment can still be looked at before they are released.
        """
        for block in blocks(parts):
            first = block[0]
            if first.retry:
                self._patiently(block, first.retry)
            elif first.backfill:
                _backfill.run(self, first, first.backfill)
            elif first.repeat:
                self._repeat(first, first.repeat)
            else:
                self._alone(first)

    def _patiently(self, block: Sequence[Statement], retry: Retry) -> None:
        """Run a block; where a lock is not to be had in time, roll back, wait, and run it again."""
        with patience(self.link, retry):
            for attempt in range(1, retry.attempts + 1):
                self.attempt, self.block = attempt, block[0].place
                try:
                    if self._tried(block, is_last=attempt == retry.attempts):
                        return
                finally:
                    self.attempt = self.block = None
                time.sleep(retry.pause_after_ns(attempt, f"{self.seed}:{block[0].place}") / NS_PER_S)

    def _tried(self, block: Sequence[Statement], *, is_last: bool) -> bool:
        """Run a block once; say whether it went through. Another error than that of a lock ends the migration."""
        if len(block) == 1:
            return self._once(block[0], is_last=is_last)
        return all(self._step(part, is_last=is_last) for part in block)

    def _once(self, part: Statement, *, is_last: bool) -> bool:
        if self.onlooker is None or self._is_open() or self.link.wants_no_block(part.sql):
            return self._step(part, is_last=is_last)
        self._begin(part.place)
        if not self._step(part, is_last=is_last):
            return False
        self._commit(part.place)
        return True

    def _step(self, part: Statement, *, is_last: bool) -> bool:
        ran = self._attempt(part)
        if ran.code not in NOT_FREE or is_last or self.timed_out:
            self._noted(part, ran)
            return True
        if self.journal is not None:
            self.journal.write(replace(ran, retried=True))
        self._roll_back(part)
        return False

    def _alone(self, part: Statement) -> int:
        if self.onlooker is None or self._is_open() or self.link.wants_no_block(part.sql):
            return self._perform(part)
        return self._wrapped(part)

    def _wrapped(self, part: Statement) -> int:
        """Run a statement between BEGIN and COMMIT; by itself where the server knows better (REINDEX of partitions)."""
        self._begin(part.place)
        ran = self._attempt(part)
        if ran.code == _NOT_IN_A_BLOCK:
            self._perform(Statement("ROLLBACK", part.place))
            return self._perform(part)
        rows = self._noted(part, ran)
        self._commit(part.place)
        return rows

    def _repeat(self, part: Statement, repeat: Repeat) -> None:
        """Run a statement until it affects no row; the first time between BEGIN and COMMIT, to see its locks."""
        rows = self._alone(part)
        times = 1
        while rows:
            if times >= repeat.limit:
                raise MigrationFailed(f"{part.place}: still affects rows after {times:,} repetitions: {part.sql}")
            time.sleep(repeat.pause_ns / NS_PER_S)
            rows = self._perform(part)
            times += 1

    def tried(self, part: Statement, is_retried: Callable[[str | None], bool]) -> int:
        """Send a statement whose failure is no end of the migration: it is written down, and raises Refused.

        `is_retried` says by the server's code whether it will be tried again.
        """
        ran = self._attempt(part)
        if self.journal is not None:
            self.journal.write(replace(ran, retried=ran.error is not None and is_retried(ran.code)))
        if ran.error is not None:
            raise Refused(ran.error, ran.code)
        return ran.rows or 0

    def _begin(self, place: str) -> None:
        self._perform(Statement("BEGIN", place))

    def _commit(self, place: str) -> None:
        self._perform(Statement("COMMIT", place))

    def _perform(self, part: Statement) -> int:
        """Send one statement and write it down; returns the rows it affected."""
        return self._noted(part, self._attempt(part))

    def _attempt(self, part: Statement) -> StatementRan:
        """Send one statement and look at what it did."""
        if self.timed_out and part.sql != "ROLLBACK":
            self._roll_back(part)
            raise MigrationFailed(f"{self.timed_out}, before {part.place}")
        was_open = self._is_open()
        self.number = next(self.numbers)
        began = time.monotonic_ns()
        error, rows = None, None
        try:
            rows = self.link.send(part.sql, part.rows)
        except Refused as refused:
            error = refused
        ended = time.monotonic_ns()
        if self._is_open() and not was_open:
            self.transaction = next(self.transactions)
        inside = self.transaction if was_open or self._is_open() else None
        effects = self._look(self.number)
        return StatementRan(
            at_ns=began,
            ended_ns=ended,
            n=self.number,
            sql=part.sql,
            session=self.session,
            transaction=inside,
            error=None if error is None else ": ".join(filter(None, (self.timed_out, str(error)))),
            code=None if error is None else error.code,
            rows=rows,
            wal_bytes=effects.wal_bytes,
            rewrites=effects.rewrites,
            algorithm=effects.algorithm,
            binlog_bytes=effects.binlog_bytes,
            queued_ns=effects.queued_ns,
            commits=was_open and not self._is_open() and _commits(part.sql, error),
            file=part.place,
            attempt=self.attempt,
            block=self.block,
            ignored=tuple(sorted(part.ignored)),
        )

    def _noted(self, part: Statement, ran: StatementRan) -> int:
        """Write a statement down; one that failed ends the migration."""
        if self.journal is not None:
            self.journal.write(ran)
        if ran.error is not None:
            self._roll_back(part)
            raise MigrationFailed(f"{part.place} (statement {ran.n}): {ran.error}")
        return ran.rows or 0

    def _roll_back(self, part: Statement) -> None:
        if self._is_open():
            with suppress(MigrationFailed):
                self._perform(Statement("ROLLBACK", part.place))

    def _look(self, number: int) -> Effects:
        if self.onlooker is None:
            return Effects()
        return self.onlooker.between(self.session, number, self.link.ask if self.link.can_answer else None)

    def _remark(self, says: str) -> None:
        if self.journal is not None:
            self.journal.write(Remarked(at_ns=time.monotonic_ns(), source="tool", says=says, weakens=True))

    def _is_open(self) -> bool:
        return self.link.is_open


def blocks(parts: Sequence[Statement]) -> Iterator[Sequence[Statement]]:
    """Yield the statements one by one; those from a BEGIN that is tried again to its COMMIT come together."""
    place = 0
    while place < len(parts):
        first, end = parts[place], place + 1
        if first.retry and begins(first.sql):
            end = next((at + 1 for at in range(end, len(parts)) if ends_transaction(parts[at].sql)), 0)
            if not end:
                raise Mistake(f"{first.place}: rehearse:retry: there is no COMMIT behind this BEGIN")
        yield parts[place:end]
        place = end


def _commits(sql: str, error: Refused | None) -> bool:
    """Say whether a statement that left no transaction open committed it without a word, as MySQL's DDL does."""
    return not ends_transaction(sql) and (error is None or error.code not in _LOST)


def _is_in_one_transaction(script: Script) -> bool:
    """Say whether a script runs as one; a file that begins its own transaction is sent as one query and obeyed."""
    if script.transaction == "query":
        return len(script.statements) > 1 and not controls_transaction(script.statements[0].sql)
    return script.transaction == "file"


@contextmanager
def runner(
    url: str,
    settings: Mapping[str, Any],
    *,
    journal: Journal | None = None,
    onlooker: Onlooker | None = None,
    timeout_ns: int | None = None,
    seed: int = 0,
) -> Iterator[Runner]:
    """Connect as the migration's role, with its settings; a statement that outlives the time-out is cancelled."""
    with linked(url, settings, journal) as link:
        running = Runner(link, journal, onlooker, registry.engine_of(url), seed)
        running.more = partial(_more, running, url, settings)
        with _limit(running, timeout_ns):
            yield running


@contextmanager
def _more(running: Runner, url: str, settings: Mapping[str, Any]) -> Iterator[Runner]:
    """Open one more connection, whose statements are counted with those of the first."""
    with linked(url, settings, running.journal) as link:
        yield replace(running, link=link, onlooker=None, more=None)


@contextmanager
def _limit(running: Runner, timeout_ns: int | None) -> Iterator[None]:
    if timeout_ns is None:
        yield
        return

    def cancel() -> None:
        running.timed_out = f"cancelled after {human_duration(timeout_ns)} (migration.timeout)"
        running.link.cancel()

    timer = Timer(timeout_ns / 1e9, cancel)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
