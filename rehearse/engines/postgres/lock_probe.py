"""Looks at the server's locks: all that the migration holds, and all for which anybody waits."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from rehearse.engines.postgres.clock import ServerClock, server_ns
from rehearse.engines.postgres.cost import Cost
from rehearse.engines.postgres.holds import Hold, Sightings
from rehearse.engines.postgres.lock_waits import Key, Waits
from rehearse.engines.postgres.looks import USER_OIDS, Look, look
from rehearse.engines.postgres.modes import EXCLUSIVE, stops
from rehearse.engines.postgres.query_texts import told
from rehearse.engines.postgres.relations import Relations
from rehearse.engines.postgres.sightings import SeenStatements
from rehearse.engines.postgres.wire import ConnectionLost, Refused, Wire
from rehearse.events import Event, Remarked, Sampled, SessionSeen
from rehearse.units import NS_PER_MS, NS_PER_S, human_duration

EVERY_NS = 5 * NS_PER_MS
_RARELY_NS = 1 * NS_PER_S
_LATE_NS = 50 * NS_PER_MS
_WAL_NS = 20 * NS_PER_MS
_RETRY_NS = 250 * NS_PER_MS
_ROLES = "SELECT oid, rolname FROM pg_roles WHERE rolname = ANY (string_to_array($1, ','))"
_FACTS = """
SELECT oid, current_setting('server_version_num'), (SELECT max(oid) FROM pg_class)
  FROM pg_database
 WHERE datname = current_database()
"""
_ROLE_OF = "SELECT usesysid FROM pg_stat_get_activity($1::int4)"
_SESSION = """
SELECT usesysid, backend_type, state, xact_start::text, CASE WHEN datid = $2::oid THEN query END
  FROM pg_stat_get_activity($1::int4)
"""
_FILES = """
SELECT oid, relfilenode FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384 AND relfilenode <> 0
"""
_MOST_FILES = 5000


@dataclass(frozen=True, slots=True)
class Watched:
    """Whom an observer tells apart: a URL to connect with, and the users of the migration and of the application."""

    url: str
    migration: str
    application: str
    postmaster: int | None = None  # the server's first process, where it is on this machine


class LockProbe:
    """Looks at pg_locks, every 5 ms while a look is cheap and more rarely where it is not.

    A look takes about 0.2 ms of the server's CPU, more where there are many locks; see `cost.allowed`. What was seen of
    the migration's locks is in `holds`: it becomes facts only together with the statements' times.
    """

    def __init__(self, watched: Watched, *, every_ns: int = EVERY_NS) -> None:
        self.every_ns = every_ns
        self.clock = ServerClock()
        self.statements = SeenStatements()
        self.rewritten: dict[str, list[int]] = {}  # table -> when its file was seen to have been replaced
        self._least_ns = every_ns
        self._watched = watched
        self._wire: Wire | None = None
        self._ids: dict[str, str] = {}
        self._version = 0
        self._database = "0"
        self._newest = 0  # the youngest relation when the watch began
        self._roles: dict[int, str] = {}
        self._relations = Relations()
        self._sightings = Sightings()
        self._waits = Waits(self._role_of, self._table_of)
        self._made: set[int] = set()  # younger relations that were seen
        self._blockers: set[tuple[Key, int]] = set()  # of the migration's waits, told already
        self._files: dict[int, str] = {}
        self._wal_told_ns = 0
        self._times, self._wal = array("q"), array("q")
        self._gap = _Gaps()
        self._cost = Cost(None, None)

    @property
    def holds(self) -> list[Hold]:
        """What was seen of the migration's locks."""
        return self._sightings.holds

    @property
    def files_known(self) -> bool:
        """Say whether `rewritten` is complete: it is not where there are more than 5,000 tables."""
        return bool(self._files)

    def look(self) -> Iterable[Event]:
        """Look once; return the waits that are over, a figure of what looking costs, and gaps that were closed."""
        began = time.monotonic_ns()
        try:
            wire = self._connected()
            seen = look(wire, self.clock, self._ids[self._watched.migration], self._database, self._version)
            self._learn(wire, seen)
            events = [*self._gap.looked(began, self.every_ns), *self._note(wire, seen)]
        except (ConnectionLost, Refused) as error:
            return self._missed(error, began)
        self.every_ns = min(
            _RARELY_NS, max(self._least_ns, self._cost.interval_ns(seen.took_ns, connected=bool(seen.sessions)))
        )
        return [*events, *self._cost.samples(began)]

    def close(self) -> Iterable[Event]:
        """Look a last time, return the waits that still went on and what was missed, and disconnect."""
        events = list(self.look())
        events += self._waits.close(time.monotonic_ns())
        events += self._gap.told()
        if self.clock.set_ns:
            says = (
                f"the server's clock was set by up to {human_duration(self.clock.set_ns)} meanwhile: times that it "
                "told before are wrong by that"
            )
            events.append(Remarked(at_ns=time.monotonic_ns(), source="clock", says=says, weakens=True))
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        return events

    def connect(self) -> None:
        """Connect ahead of the first look, so that it comes in time; a look tries again where this fails."""
        with suppress(ConnectionLost, Refused):
            self._connected()

    def wal_at(self, at_ns: int) -> float | None:
        """Return how many bytes of WAL the server had written at a moment, between two looks in proportion."""
        import numpy  # noqa: PLC0415  only at the end of a phase

        if not self._times or not self._times[0] <= at_ns <= self._times[-1]:
            return None
        return float(numpy.interp(at_ns, numpy.asarray(self._times), numpy.asarray(self._wal)))

    def _connected(self) -> Wire:
        if self._wire is None:
            wire = Wire(self._watched.url, "rehearse observer: locks")
            names = f"{self._watched.migration},{self._watched.application}"
            self._ids = {name or "": oid or "" for oid, name in wire.rows(_ROLES, [names])}
            if self._watched.migration not in self._ids:
                raise Refused(f"no role is called {self._watched.migration}")
            ((database, version, newest),) = wire.rows(_FACTS)
            self._database, self._version, self._newest = database or "0", int(version or 0), int(newest or 0)
            self._files = _files(wire)
            for _ in range(3):  # a new backend's first looks are slow: it reads catalogs
                look(wire, self.clock, self._ids[self._watched.migration], self._database, self._version)
            self._cost = Cost(wire.pid, self._watched.postmaster)
            self._wire = wire
        return self._wire

    def _learn(self, wire: Wire, seen: Look) -> None:
        """Ask for names and roles that are needed to understand a look; mostly none are."""
        self._relations.learn(wire, {lock.relation for lock in seen.locks if lock.relation >= USER_OIDS})
        for session in {lock.session for lock in seen.locks if not lock.granted} - self._roles.keys():
            rows = wire.rows(_ROLE_OF, [str(session)])
            self._roles[session] = (rows[0][0] if rows else None) or ""

    def _note(self, wire: Wire, seen: Look) -> Iterator[Event]:
        migration = {one.session for one in seen.sessions}
        yield from self._waits.see(seen, migration)
        yield from self._told_blockers(wire, seen)
        if seen.sessions and seen.from_ns - self._wal_told_ns >= _WAL_NS:  # so that short acts are measured, too
            self._wal_told_ns = seen.from_ns
            yield Sampled(at_ns=seen.from_ns, name="wal", value=float(seen.wal))
        self._roles = {session: role for session, role in self._roles.items() if self._waits.waits(session)}
        new, gone = self._sightings.see(seen, migration)
        for hold in new:
            where = self._relations.get(hold.relation)
            hold.where = None if where is not None and where.part and self._is_being_made(hold) else where
        self._made |= {hold.relation for hold in new if hold.relation > self._newest}
        self.statements.see(seen)
        self._times.append(seen.from_ns)
        self._wal.append(seen.wal)
        self._relations.renew(wire, {hold.relation for hold in gone if stops(hold.mode)})
        if any(hold.mode == EXCLUSIVE for hold in gone):
            self._compare_files(wire, gone, seen.until_ns)

    def _is_being_made(self, hold: Hold) -> bool:
        """Say whether a lock is that of an index's making, which nobody else can want.

        CREATE INDEX CONCURRENTLY commits then, so that the index may be there when its name is asked for.
        """
        return hold.mode == EXCLUSIVE and hold.relation > self._newest and hold.relation not in self._made

    def _told_blockers(self, wire: Wire, seen: Look) -> Iterator[SessionSeen]:
        """Yield who they are that the migration has begun to wait for."""
        now = self._waits.blockers("migration")
        new, self._blockers = now - self._blockers, now
        sessions = {session for _, session in new}
        if 0 in sessions:
            yield SessionSeen(at_ns=seen.from_ns, session=0, role="other", kind="prepared transaction")
        for session in sorted(sessions - {0}):
            for role, kind, state, since, query in wire.rows(_SESSION, [str(session), self._database]):
                yield SessionSeen(
                    at_ns=seen.from_ns,
                    session=session,
                    role=self._named(role or ""),
                    kind=kind or "",
                    state=state,
                    since_ns=None if since is None else self.clock.monotonic_ns(server_ns(since)),
                    query=told(query),
                )

    def _compare_files(self, wire: Wire, gone: list[Hold], at_ns: int) -> None:
        newer = _files(wire)
        for hold in gone:
            before, after = self._files.get(hold.relation), newer.get(hold.relation)
            if hold.where and before and after and before != after:
                self.rewritten.setdefault(hold.where.table, []).append(at_ns)
        self._files = newer

    def _missed(self, error: Exception, began: int) -> list[Event]:
        self._gap.missed(str(error), began)
        if isinstance(error, ConnectionLost):
            if self._wire is not None:
                self._wire.close()
            self._wire = None
            self.every_ns = _RETRY_NS
        return []

    def _role_of(self, session: int) -> str:
        return self._named(self._roles.get(session, ""))

    def _named(self, role: str) -> str:
        names = {oid: name for name, oid in self._ids.items()}
        name = names.get(role)
        return {self._watched.migration: "migration", self._watched.application: "application"}.get(name or "", "other")

    def _table_of(self, relation: int) -> str | None:
        where = self._relations.get(relation)
        return None if where is None else where.table


class _Gaps:
    """Stretches in which the observer did not look: late looks in one remark, a lost connection in one each."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._error: tuple[str, int] | None = None
        self._late: list[int] = []
        self._first_late_ns = 0

    def looked(self, at_ns: int, every_ns: int) -> Iterator[Event]:
        """Take a look that came through; yield the gap that it closes."""
        last, self._last_ns = self._last_ns, at_ns
        if self._error is not None:
            yield self._lost(at_ns)
            self._error = None
        elif last is not None and at_ns - last - every_ns > _LATE_NS:
            self._first_late_ns = self._first_late_ns or last
            self._late.append(at_ns - last)

    def missed(self, error: str, at_ns: int) -> None:
        """Take a look that failed."""
        if self._error is None:
            self._error = (error, self._last_ns or at_ns)

    def told(self) -> Iterator[Event]:
        """Yield what was not told yet, at the end."""
        if self._error is not None:
            yield self._lost(time.monotonic_ns())
        if self._late:
            says = (
                f"{len(self._late)} looks at the locks came more than {human_duration(_LATE_NS)} late, the longest gap "
                f"{human_duration(max(self._late))}: short locks may not have been seen"
            )
            yield Remarked(at_ns=self._first_late_ns, source="locks", says=says)

    def _lost(self, until_ns: int) -> Remarked:
        assert self._error is not None
        error, since_ns = self._error
        says = f"gap: locks were not looked at for {human_duration(until_ns - since_ns)}: {error}"
        return Remarked(at_ns=since_ns, source="locks", says=says, weakens=True)


def _files(wire: Wire) -> dict[int, str]:
    """Return which file each table is in; nothing where there are more than 5,000 tables, since that costs 10 ms."""
    rows = wire.rows(_FILES + f"LIMIT {_MOST_FILES + 1}")
    return {} if len(rows) > _MOST_FILES else {int(oid or 0): file or "" for oid, file in rows}
