"""All that looks at one database in one phase, and what it says in the end; see `protocols.Watch`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pymysql

from rehearse.engines._machine import Queued
from rehearse.engines.mysql import clock, server_record, stages
from rehearse.engines.mysql.client import Connection, Row, opened, rows, words
from rehearse.engines.mysql.closures import locks_of_open_tables, locks_taken, locks_unseen
from rehearse.engines.mysql.flavour import Flavour
from rehearse.engines.mysql.lock_probe import LockProbe, unable
from rehearse.engines.mysql.progress import ProgressProbe
from rehearse.engines.mysql.row_probe import RowProbe
from rehearse.engines.mysql.samples import SampleProbe
from rehearse.events import Journal, Remarked, StatementRan
from rehearse.protocols import Ask, Effects, Onlooker, Probe, Role
from rehearse.units import human_duration

if TYPE_CHECKING:
    from rehearse.engines.mysql.database import MysqlDatabase

# Whether all room is taken, and the end of the oldest that is kept: those before it had to go.
_KEPT = """
    SELECT COUNT(*) >= @@performance_schema_events_statements_history_long_size, COUNT(*), MIN(NULLIF(timer_end, 0))
    FROM performance_schema.events_statements_history_long
"""
_ACTORS = "SELECT COUNT(*) FROM performance_schema.setup_actors WHERE user = %s AND history = 'YES'"
_LOST = "SHOW GLOBAL STATUS LIKE 'Performance_schema_metadata_lock_lost'"
_THREAD = "SELECT thread_os_id FROM performance_schema.threads WHERE processlist_id = %s"
_FILES = "SELECT name, table_id, n_cols FROM information_schema.{innodb}tables WHERE name LIKE %s"


def watch(database: MysqlDatabase, journal: Journal) -> MysqlWatch:
    """Begin a watch."""
    return MysqlWatch(database, journal)


class MysqlWatch:
    """One phase's observers, and the server's own record of the migration's statements."""

    def __init__(self, database: MysqlDatabase, journal: Journal) -> None:
        flavour = database.server.flavour
        self._journal = journal
        self._database, self._flavour = database.name, flavour
        self._migration = database.server.at(Role.MIGRATION).user
        application = database.server.at(Role.APPLICATION).user
        where = database.server.at(Role.OBSERVER, database.name)
        self._connection: Connection = opened(where)
        self._ahead_ns, self._doubt_ns = 0, 0
        self._lost = _figure(rows(self._connection, _LOST))
        self._began_ns = time.monotonic_ns()
        self._locks = LockProbe(where, database.name, self._migration, application, flavour=flavour)
        why = unable(self._connection)
        if why is None:
            self._ahead_ns, self._doubt_ns = clock.offset(self._connection)
        else:
            journal.write(Remarked(at_ns=self._began_ns, source="locks", says=why, weakens=True))
        others = (
            RowProbe(where, self._migration, application, flavour=flavour),
            ProgressProbe(where, self._migration, flavour),
            SampleProbe(database.server.pid, database.server.folder, database.name),
        )
        self.probes: Sequence[Probe] = (self._locks, *others) if why is None else others
        self._files = files(self._connection, database.name, flavour)
        self.onlooker: Onlooker = MysqlOnlooker(self._connection, database.name, flavour, database.server.pid)

    def statements(self) -> Sequence[StatementRan]:
        """Return the migration's statements as the server kept them; empty, with a remark, where it kept none."""
        try:
            ((is_kept,),) = rows(self._connection, _ACTORS, (self._migration,))
            if not is_kept:
                self._remark("performance_schema.setup_actors keeps no statements of the migration's account")
                return []
            since = max(0, (self._began_ns - self._ahead_ns) * 1000)
            found = server_record.kept(
                self._connection,
                self._database,
                since,
                ahead_ns=self._ahead_ns,
                session_of=self._locks.session_of,
            )
            blocks = server_record.blocks(self._connection, since)
            doubt_ns = self._doubt_ns + clock.LATE_NS
            ran = [replace(one, doubt_ns=doubt_ns) for one in server_record.in_transactions(found, blocks)]
            ((is_full, kept, oldest),) = rows(self._connection, _KEPT)
            after = files(self._connection, self._database, self._flavour)
        except pymysql.err.MySQLError as error:
            self._remark(f"the server's record of statements could not be read: {words(error)}")
            return []
        if is_full and (oldest is None or int(oldest) > since):
            self._remark(f"the server keeps {kept} statements, and the migration had more: the first are missing")
        if not stages.are_kept(self._connection):
            return ran
        algorithms = stages.algorithms(ran, self._locks.threads, self._stages())
        return list(server_record.with_effects(ran, algorithms, self._files, after))

    def finish(self, statements: Sequence[StatementRan], /) -> None:
        """Write what the migration closed tables to and waited for, dated by looks and statements, and disconnect."""
        edges = stages.edges(self._stages(), self._locks.threads)
        taken = locks_taken(self._locks.closures.stretches, statements, edges)
        taken += locks_unseen(taken, statements, edges, self._files.keys())
        taken += locks_of_open_tables(taken, statements, self._locks.closures.hands)
        for says in self._gaps(statements):
            self._journal.write(Remarked(at_ns=time.monotonic_ns(), source="locks", says=says, weakens=True))
        for event in (*taken, *self._locks.waits_of_the_migration(edges)):
            self._journal.write(event)
        if self._connection.open:
            self._connection.close()

    def _gaps(self, statements: Sequence[StatementRan]) -> Iterator[str]:
        """Yield why locks may not have been seen: too few looks where no stages tell of them, or no room for them."""
        begin = min((one.at_ns for one in statements), default=self._began_ns)
        end = max((one.ended_ns for one in statements), default=time.monotonic_ns())
        widest = self._locks.widest_ns(begin, end)
        try:
            if widest and not stages.are_kept(self._connection):
                yield (
                    f"locks were not looked at for {human_duration(widest)} while the migration ran, and the server "
                    "keeps no stages of its statements: those that were over by then were not seen"
                )
            lost = _figure(rows(self._connection, _LOST))
        except pymysql.err.MySQLError as error:
            yield f"whether all locks were seen could not be asked: {words(error)}"
            return
        if _grown(self._lost, lost):
            yield (
                "the server had no room to note all metadata locks (Performance_schema_metadata_lock_lost grew): raise "
                "performance_schema_max_metadata_locks"
            )

    def _stages(self) -> list[stages.Stage]:
        """Return what the server kept of the statements' stages; nothing where it could not be read."""
        try:
            return stages.since(self._connection, self._began_ns, self._ahead_ns)
        except pymysql.err.MySQLError:
            return []

    def _remark(self, says: str) -> None:
        self._journal.write(Remarked(at_ns=time.monotonic_ns(), source="statements", says=says, weakens=True))


def files(connection: Connection, database: str, flavour: Flavour) -> server_record.Files:
    """Return the tables' numbers in InnoDB and how many columns each has."""
    found = rows(connection, _FILES.format(innodb=flavour.innodb), (f"{database}/%",))
    return {str(name).partition("/")[2]: (int(number), int(columns)) for name, number, columns in found}


def _figure(found: Sequence[Row]) -> int | None:
    return int(found[0][-1]) if found else None


def _grown(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before


class MysqlOnlooker:
    """Looks between two statements at what the last one did: logs written (traffic's too), and tables made anew.

    Locks are not looked at: DDL has released them by then. Costs about 2 ms.
    """

    def __init__(self, connection: Connection, database: str, flavour: Flavour, process: int | None = None) -> None:
        self._connection = connection
        self._process, self._queued = process, Queued()
        self._threads: dict[int, int | None] = {}  # of the server's process, by session
        self._database, self._flavour = database, flavour
        self._files: server_record.Files = {}
        self._written: int | None = None
        self._binlog: int | None = None
        self._stages = stages.Following(connection)

    def between(self, session: int, statement: int, _ask: Ask | None, /) -> Effects:
        """Return what a statement did; a table's number in InnoDB changes where it was rebuilt."""
        try:
            if session not in self._threads:
                self._threads[session] = _figure(rows(self._connection, _THREAD, (session,)))
            thread = self._threads[session]
            queued = None if thread is None else self._queued.grew(self._process, thread)
            now = files(self._connection, self._database, self._flavour)
            told = rows(self._connection, self._flavour.redo)
            logged = rows(self._connection, self._flavour.binlog)
            passed = self._stages.names(session)
        except pymysql.err.MySQLError:
            return Effects()
        before, self._files = self._files, now
        written, self._written = self._written, _figure(told)
        binlog, self._binlog = self._binlog, _figure(logged)
        if statement == 0:
            return Effects()
        anew = {name for name in before if now.get(name, before[name])[0] != before[name][0]}
        grew = any(now[name][1] != before[name][1] for name in before.keys() & now.keys() - anew)
        return Effects(
            wal_bytes=_grown(written, self._written),
            binlog_bytes=_grown(binlog, self._binlog),
            rewrites=tuple(sorted(anew)),
            algorithm=stages.algorithm(passed, grew=grew),
            queued_ns=queued,
        )
