"""All that looks at one PostgreSQL database in one phase, and what it says in the end; see `protocols.Watch`."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from psycopg import conninfo

from rehearse.engines.postgres.holds import joined, locks_taken
from rehearse.engines.postgres.lock_probe import LockProbe, Watched
from rehearse.engines.postgres.modes import EXCLUSIVE
from rehearse.engines.postgres.onlooker import PostgresOnlooker
from rehearse.engines.postgres.progress import ProgressProbe
from rehearse.engines.postgres.samples import SampleProbe
from rehearse.engines.postgres.statements import ServerLog, statements_with_effects
from rehearse.engines.postgres.wire import ConnectionLost, Wire
from rehearse.events import Journal, LockTaken, Remarked, StatementRan
from rehearse.model.names import split
from rehearse.protocols import Onlooker, Probe, Role
from rehearse.units import NS_PER_MS, human_duration

if TYPE_CHECKING:
    from rehearse.engines.postgres.database import PostgresDatabase

_MUCH_NS = 20 * NS_PER_MS


def watch(database: PostgresDatabase, journal: Journal) -> PostgresWatch:
    """Begin a watch."""
    return PostgresWatch(database, journal)


class PostgresWatch:
    """One phase's observers: the server's log is read and its CPU is sampled where it runs on this machine."""

    def __init__(self, database: PostgresDatabase, journal: Journal) -> None:
        log = database.server.log_path
        url = database.url(Role.OBSERVER)
        self._journal = journal
        self._url = url
        self._database = database.name
        self._migration = _user(database.url(Role.MIGRATION))
        application = _user(database.url(Role.APPLICATION))
        self._locks = LockProbe(Watched(url, self._migration, application, database.server.pid))
        self._locks.connect()
        self._log = ServerLog(log) if log is not None and log.suffix == ".json" and log.exists() else None
        major = database.server.major
        self.probes: Sequence[Probe] = (
            self._locks,
            SampleProbe(url, database.server.pid, major, database.server.data),
            ProgressProbe(url, major),
        )
        self._missed: str | None = None  # why statements that were read from the log may lack some
        self._between = PostgresOnlooker(url, database.server.pid)
        self.onlooker: Onlooker = self._between

    def statements(self) -> Sequence[StatementRan]:
        """Return the migration's statements from the log; from what looks saw, where there is no log to read.

        For after the probes were closed. Their WAL is the server's between two looks, traffic's included.
        """
        ran = list(self._logged()) if self._log is not None else self._seen()
        files_known = self._locks.files_known
        rewrites = _rewrites(ran, self._taken(ran), self._locks.rewritten) if files_known else None
        return list(statements_with_effects(ran, self._locks.wal_at, rewrites))

    def finish(self, statements: Sequence[StatementRan], /) -> None:
        """Write the migration's locks, dated by looks and statements together, and disconnect."""
        self._between.close()
        for taken in self._taken(statements):
            self._journal.write(taken)
        for at_ns, table in self._cancelled():
            says = f"{table} was being vacuumed or analyzed by the server itself, which was cancelled for a lock"
            self._journal.write(Remarked(at_ns=at_ns, source="vacuum", says=says))
        if self._missed:
            says = f"the server's log may lack statements: {self._missed}"
            self._journal.write(Remarked(at_ns=time.monotonic_ns(), source="statements", says=says, weakens=True))
        if self._between.kept_ns > _MUCH_NS:
            says = (
                f"looking between statements kept the migration's locks {human_duration(self._between.kept_ns)} longer"
            )
            self._journal.write(Remarked(at_ns=time.monotonic_ns(), source="locks", says=says))

    def _taken(self, statements: Sequence[StatementRan]) -> list[LockTaken]:
        return locks_taken(joined(self._locks.holds, self._between.holds), statements)

    def _logged(self) -> Iterator[StatementRan]:
        assert self._log is not None
        try:
            wire = Wire(self._url, "rehearse observer: log")
        except ConnectionLost:  # the server is gone; what looks saw is all there is
            yield from self._seen()
            return
        try:
            yield from self._log.statements(
                wire,
                self._locks.clock,
                user=self._migration,
                database=self._database,
                began=self._locks.statements.began,
            )
        finally:
            self._missed = self._log.missed
            wire.close()

    def _cancelled(self) -> list[tuple[int, str]]:
        if self._log is None or self._locks.clock.doubt_ns is None:
            return []
        try:
            wire = Wire(self._url, "rehearse observer: log")
        except ConnectionLost:
            return []
        try:
            return self._log.cancelled_vacuums(wire, self._locks.clock, self._database)
        except ConnectionLost:
            return []
        finally:
            wire.close()

    def _seen(self) -> list[StatementRan]:
        seen = self._locks.statements.statements()
        if seen:
            says = "the migration's statements are known from looks alone: those shorter than an interval are missing"
            self._journal.write(Remarked(at_ns=seen[0].at_ns, source="statements", says=says))
        return seen


def _rewrites(
    statements: Sequence[StatementRan], taken: Sequence[LockTaken], rewritten: dict[str, list[int]]
) -> dict[int, tuple[str, ...]]:
    """Return {statement: tables}: whose transaction closed a table that then had another file.

    Of the transaction's statements that name the table, the longest is taken for the one that rewrote it.
    """
    by_n = {one.n: one for one in statements}
    found: dict[int, set[str]] = defaultdict(set)
    for table, seen_ns in rewritten.items():
        locks = [one for one in taken if one.table == table and one.mode == EXCLUSIVE and one.statement in by_n]
        for at_ns in seen_ns:
            before = [one for one in locks if one.granted_ns is not None and one.granted_ns <= at_ns]
            if before:
                lock = max(before, key=lambda one: one.granted_ns or 0)
                asking = by_n[lock.statement or 0]
                found[_longest(asking, statements, table).n].add(table)
    return {n: tuple(sorted(tables)) for n, tables in found.items()}


def _longest(asking: StatementRan, statements: Sequence[StatementRan], table: str) -> StatementRan:
    word = re.compile(rf"(?<!\w){re.escape(split(table)[1])}(?!\w)", re.IGNORECASE)
    same = [
        one
        for one in statements
        if asking.transaction is not None and one.transaction == asking.transaction and word.search(one.sql)
    ]
    return max([*same, asking], key=lambda one: one.ended_ns - one.at_ns)


def _user(url: str) -> str:
    return str(conninfo.conninfo_to_dict(url).get("user") or "")
