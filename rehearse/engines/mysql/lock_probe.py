"""Looks at metadata locks: which tables the migration has a hand on, to what they are closed, and who waits.

MariaDB's view (performance_schema.metadata_locks) does not tell a lock that was upgraded: an ALTER that copies keeps
SHARED_UPGRADABLE in it while it stops all writes, and while it swaps the tables (10.11). So there, whether a table is
closed is tried: a query and a locking query of no row, which are refused at once where they would have to wait.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pymysql

from rehearse.engines.mysql.client import Address, Connection, execute, named, opened, rows
from rehearse.engines.mysql.closures import READS, WRITES, Closures, Edge, Seen
from rehearse.engines.mysql.flavour import Flavour
from rehearse.engines.mysql.sightings import sightings
from rehearse.events import Event, LockWaited, Remarked, Sampled
from rehearse.units import NS_PER_MS, human_duration

_EVERY_NS = 5 * NS_PER_MS
_LATE_NS = 50 * NS_PER_MS
_WIDE_NS = 100 * NS_PER_MS  # between two looks, where nothing else tells of locks
_SHARE = 4  # a look takes a quarter of the time at most
_LOCKS = """
    SELECT m.object_name, m.lock_type, m.lock_status, t.processlist_id, t.processlist_user
    FROM performance_schema.metadata_locks m
    JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id
    WHERE m.object_type = 'TABLE' AND m.object_schema = %s AND t.processlist_id <> connection_id()
"""
_TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
"""
_ABLE = """
    SELECT @@performance_schema,
           (SELECT enabled FROM performance_schema.setup_instruments WHERE name = 'wait/lock/metadata/sql/mdl')
"""
_THREADS = "SELECT thread_id, processlist_id FROM performance_schema.threads WHERE processlist_user = %s"
_REFUSED = 1205
# Calls take these, which are compatible with each other. The server does not tell an upgrade of any other.
_WEAK = frozenset({"SHARED", "SHARED_HIGH_PRIO", "SHARED_READ", "SHARED_WRITE", "SHARED_WRITE_LOW_PRIO"})


@dataclass(slots=True)
class _Wait:
    """A wait for a table's metadata lock that goes on."""

    table: str
    mode: str
    user: str
    at_ns: int
    last_ns: int
    doubt_ns: int
    blocked_by: set[int] = field(default_factory=set)
    by_migration: bool = False


class LockProbe:
    """Looks every 5 ms, more rarely where a look costs more than a quarter of that; connects at its first look."""

    def __init__(self, where: Address, database: str, migration: str, application: str, *, flavour: Flavour) -> None:
        self.every_ns = _EVERY_NS
        self.closures = Closures()
        self._where, self._database, self._flavour = where, database, flavour
        self._roles = {migration: "migration", application: "application"}
        self._migration = migration
        self._connection: Connection | None = None
        self._tables: frozenset[str] = frozenset()
        self._waits: dict[tuple[int, str], _Wait] = {}
        self._last_ns: int | None = None
        self._looked_ns = time.monotonic_ns()
        self._wide: list[tuple[int, int]] = []  # from look to look, or to the first one
        self._late_ns: list[int] = []  # gaps between looks that were longer than they should
        self.threads: dict[
            int, int
        ] = {}  # the migration's sessions by the numbers that performance_schema has for them
        self._mine: list[LockWaited] = []  # the migration's waits, which its statements' stages date better

    def look(self) -> Iterable[Event]:
        """Look once; return the waits that are over, and what looking costs."""
        connection = self._connected()
        began = time.monotonic_ns()
        if self._last_ns is not None and began - self._last_ns - self.every_ns > _LATE_NS:
            self._late_ns.append(began - self._last_ns)
        self._last_ns = began
        if began - self._looked_ns > _WIDE_NS:
            self._wide.append((self._looked_ns, began))
        self._looked_ns = began
        found = rows(connection, _LOCKS, (self._database,))
        ours = {(table, session) for table, _, _, session, user in found if user == self._migration}
        self.threads.update(
            (int(thread), int(session)) for thread, session in rows(connection, _THREADS, (self._migration,))
        )
        each = {(table, session): self._seen(table, session, found) for table, session in ours if table in self._tables}
        until = time.monotonic_ns()
        self.closures.see(began, until, _strongest(each, found))
        # A table that was not there when the watch began is closed to nobody who was.
        open_to_all = {
            (table, session)
            for table, session in ours
            if not str(table).startswith("#sql") and ((table, session) not in each or not each[table, session].stops)
        }
        self.closures.touch(began, {key: _mode(*key, found) for key in open_to_all})
        events = list(self._follow(found, began, until))
        took = time.monotonic_ns() - began
        self.every_ns = max(_EVERY_NS, _SHARE * took)
        return [*events, Sampled(at_ns=began, name="look", value=float(took))]

    def session_of(self, thread: int) -> int:
        """Return a session's number by that of its thread; below 0 where it was not seen."""
        return self.threads.get(thread, -thread)

    def widest_ns(self, begin_ns: int, end_ns: int) -> int:
        """Return the longest time between two looks in a stretch; 0 where none was longer than 100 ms."""
        return max((end - begin for begin, end in self._wide if begin < end_ns and end > begin_ns), default=0)

    def waits_of_the_migration(self, waited: Sequence[Edge]) -> list[LockWaited]:
        """Return the migration's own waits, dated by what the server told of its statements."""
        return [_dated(one, waited) for one in self._mine]

    def close(self) -> Iterable[Event]:
        """Look a last time, return the waits that still went on, and disconnect."""
        events: list[Event] = []
        with suppress(pymysql.err.MySQLError):
            events += self.look() if self._connection is not None else []
        at = time.monotonic_ns()
        events += self._over(self._waits.keys(), at)
        if self._late_ns:
            says = (
                f"{len(self._late_ns)} looks at the locks came more than {human_duration(_LATE_NS)} late, the longest "
                f"gap {human_duration(max(self._late_ns))}: short locks may not have been seen"
            )
            events.append(Remarked(at_ns=at, source="locks", says=says))
        if self._connection is not None and self._connection.open:
            self._connection.close()
        self._connection = None
        return events

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = opened(self._where)
            execute(connection, "SET SESSION lock_wait_timeout = 0, innodb_lock_wait_timeout = 0")
            self._tables = frozenset(name for (name,) in rows(connection, _TABLES, (self._database,)))
            self._connection = connection
        return self._connection

    def _seen(self, table: str, session: int, found: Iterable[Any]) -> Seen:
        waits = any(status == "PENDING" and one == table and who == session for one, _, status, who, *_ in found)
        return Seen(session, self._closed_to(table, session, found), waits)

    def _closed_to(self, table: str, session: int, found: Iterable[Any]) -> tuple[str, ...]:
        """Return to what the migration closes a table: as its locks say it, or as it is tried."""
        if self._flavour.stops is None:
            closed = tuple(kind for kind in (READS, WRITES) if self._is_closed(table, kind))
            return (READS, WRITES) if READS in closed else closed
        modes = [mode for one, mode, _, who, *_ in found if one == table and who == session]
        return max((self._flavour.stops.get(mode, ()) for mode in modes), key=len, default=())

    def _is_closed(self, table: str, kind: str) -> bool:
        """Say whether a call of this kind would have to wait for the table now."""
        assert self._connection is not None
        try:
            rows(self._connection, f"SELECT 1 FROM {named(table)} LIMIT 0{' FOR UPDATE' if kind == WRITES else ''}")
        except pymysql.err.MySQLError as error:
            return bool(error.args) and error.args[0] == _REFUSED
        return False

    # --- waits

    def _follow(self, found: Sequence[Any], from_ns: int, until_ns: int) -> Iterator[Event]:
        pending = {
            (session, table): (mode, user) for table, mode, status, session, user in found if status == "PENDING"
        }
        yield from self._over(self._waits.keys() - pending.keys(), until_ns)
        since = self._since() if pending.keys() - self._waits.keys() else {}
        for (session, table), (mode, user) in pending.items():
            wait = self._waits.get((session, table))
            if wait is None:
                if session not in since:  # every request is pending for a moment before it is granted
                    continue
                wait = _Wait(table, mode, str(user), since[session], from_ns, 0)
                self._waits[session, table] = wait
            wait.last_ns = from_ns
            blocking = {
                (who, owner)
                for one, other, status, who, owner in found
                if one == table and who != session and _stands_in_the_way(other, status, mode)
            }
            new = {who for who, _ in blocking} - wait.blocked_by
            wait.blocked_by |= new
            if new and user == self._migration:
                yield from sightings(self._connected(), new, self._roles)
            wait.by_migration |= any(owner == self._migration for _, owner in blocking)

    def _over(self, keys: Iterable[tuple[int, str]], until_ns: int) -> Iterator[LockWaited]:
        """Yield waits that are over; the migration's are kept until its statements can date them."""
        for key in list(keys):
            told = self._told(key[0], self._waits.pop(key), until_ns)
            if told.role == "migration":
                self._mine.append(told)
            else:
                yield told

    def _since(self) -> dict[int, int]:
        """Return when the statements that wait began."""
        assert self._connection is not None
        before = time.monotonic_ns()
        found = rows(self._connection, self._flavour.since)
        now = (before + time.monotonic_ns()) // 2
        return {session: now - round(float(ms) * NS_PER_MS) for session, ms in found}

    def _told(self, session: int, wait: _Wait, until_ns: int) -> LockWaited:
        return LockWaited(
            at_ns=wait.at_ns,
            ended_ns=max(wait.at_ns, (wait.last_ns + until_ns) // 2),
            session=session,
            role=self._roles.get(wait.user, "other"),
            table=wait.table,
            mode=wait.mode,
            blocked_by=tuple(sorted(wait.blocked_by)),
            blocked_by_migration=wait.by_migration,
            doubt_ns=max(0, until_ns - wait.last_ns) + wait.doubt_ns,
        )


def _strongest(each: Mapping[tuple[str, int], Seen], found: Iterable[Any]) -> dict[str, Seen]:
    """Return, of each table, the session that closes it to the most; of equals one that has more than calls take."""
    strongest: dict[str, Seen] = {}
    for table, session in sorted(each, key=lambda one: _mode(one[0], one[1], found) in _WEAK):
        seen = each[table, session]
        if table not in strongest or len(seen.stops) > len(strongest[table].stops):
            strongest[table] = seen
    return strongest


def _mode(table: str, session: int, found: Iterable[Any]) -> str:
    """Return the mode of a session's lock on a table, one that calls do not take where it has such a one."""
    modes = [str(mode) for one, mode, _, who, *_ in found if one == table and who == session]
    return min(modes, key=lambda mode: (mode in _WEAK, mode))


def _stands_in_the_way(held: str, status: str, wanted: str) -> bool:
    """Say whether a lock that is held, or waited for with precedence, keeps another from being granted."""
    if wanted in _WEAK:
        return held not in _WEAK
    return status == "GRANTED"


def _dated(wait: LockWaited, waited: Sequence[Edge]) -> LockWaited:
    """Return a wait with the times of the one stage of its session that overlaps it."""
    own = [
        edge
        for edge in waited
        if edge.session == wait.session
        and edge.granted_ns is not None
        and edge.at_ns < wait.ended_ns
        and edge.granted_ns > wait.at_ns
    ]
    if len(own) != 1 or own[0].granted_ns is None:
        return wait
    return replace(wait, at_ns=own[0].at_ns, ended_ns=own[0].granted_ns, doubt_ns=min(wait.doubt_ns, NS_PER_MS))


def unable(connection: Connection) -> str | None:
    """Say why metadata locks cannot be seen on a server; None: they can."""
    with suppress(pymysql.err.MySQLError):
        ((is_on, instrument),) = rows(connection, _ABLE)
        if is_on and instrument == "YES":
            return None
    return (
        "metadata locks are not seen: the server runs without performance_schema, or without its instrument "
        "wait/lock/metadata/sql/mdl; start it with performance_schema = ON and "
        "performance_schema_instrument = 'wait/lock/metadata/sql/mdl=ON'"
    )
