"""Looks at the migration's session between its statements: modes are complete there, however fast a statement was."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable

from rehearse.engines._machine import Queued, own_number
from rehearse.engines.postgres.clock import ServerClock
from rehearse.engines.postgres.holds import Hold, Sightings
from rehearse.engines.postgres.looks import Look, look_at_one
from rehearse.engines.postgres.modes import EXCLUSIVE, stops
from rehearse.engines.postgres.relations import Relations
from rehearse.engines.postgres.wire import ConnectionLost, Refused, Wire
from rehearse.protocols import Ask, Effects

_DATABASE = "SELECT oid FROM pg_database WHERE datname = current_database()"
# Inside the migration's transaction, for it alone sees the new files; by index, 0.1 ms and no lock on the tables.
_FILES_OF = "SELECT oid, relfilenode FROM pg_class WHERE oid IN ({}) AND relkind IN ('r', 'm')"
_FILES = """
SELECT oid, relfilenode FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384 AND relfilenode <> 0 LIMIT 5001
"""
_MOST_FILES = 5000


class PostgresOnlooker:
    """See `protocols.Onlooker`; connects when it is first called.

    A call costs about 0.5 ms, and one question more where the session holds ACCESS EXCLUSIVE: a file may be new then.
    """

    def __init__(self, url: str, postmaster: int | None = None) -> None:
        self._url = url
        self._postmaster, self._queued = postmaster, Queued()
        self._processes: dict[int, int | None] = {}  # of this machine, by session
        self._wire: Wire | None = None
        self._clock = ServerClock()
        self._database = "0"
        self._relations = Relations()
        self._sightings: dict[int, Sightings] = defaultdict(Sightings)
        self._files: dict[str, str] = {}
        self._in_transaction: dict[str, str] = {}
        self._wal: int | None = None
        self.kept_ns = 0  # for how long calls made the sessions' transactions longer while they held locks

    @property
    def holds(self) -> list[Hold]:
        """What was seen of the sessions' locks."""
        return [hold for sightings in self._sightings.values() for hold in sightings.holds]

    def between(self, session: int, statement: int, ask: Ask | None, /) -> Effects:
        """Note what a session holds after its statement `n`; return the WAL that was written and the tables rewritten.

        The WAL is all that the server wrote since the last call, so it holds what traffic wrote too.
        """
        began = time.monotonic_ns()
        if session not in self._processes:
            self._processes[session] = own_number(self._postmaster, session)
        queued = self._queued.grew(self._processes[session])
        try:
            wire = self._connected()
            seen = look_at_one(wire, self._clock, session, self._database)
            self._relations.learn(wire, {lock.relation for lock in seen.locks})
            before, self._wal = self._wal, seen.wal
            changed = self._note(wire, session, seen, ask)
        except (ConnectionLost, Refused):
            self.close()
            return Effects()
        if seen.locks:
            self.kept_ns += time.monotonic_ns() - began
        if statement == 0 or before is None:
            return Effects()
        return Effects(wal_bytes=seen.wal - before, rewrites=changed, queued_ns=queued)

    def close(self) -> None:
        """Disconnect."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _connected(self) -> Wire:
        if self._wire is None:
            wire = Wire(self._url, "rehearse observer: between statements")
            self._database = wire.rows(_DATABASE)[0][0] or "0"
            self._files = _files(wire)
            self._relations.learn(wire, map(int, self._files))
            self._wal = None
            self._wire = wire
        return self._wire

    def _note(self, wire: Wire, session: int, seen: Look, ask: Ask | None) -> tuple[str, ...] | None:
        new, gone = self._sightings[session].see(seen, [session])
        for hold in new:
            hold.where = self._relations.get(hold.relation)
        if any(lock.mode == EXCLUSIVE for lock in seen.locks):
            return None if ask is None else self._replaced_inside(seen, ask)
        if not seen.locks:
            changed = self._replaced(wire, _files(wire))
            self._relations.renew(wire, {hold.relation for hold in gone if stops(hold.mode)})
            return changed
        return ()

    def _replaced_inside(self, seen: Look, ask: Ask) -> tuple[str, ...]:
        """Return the tables whose file was replaced since the last call, as the open transaction sees them."""
        oids = sorted({str(lock.relation) for lock in seen.locks if lock.mode == EXCLUSIVE})
        now = {str(oid): str(file) for oid, file in ask(_FILES_OF.format(", ".join(oids)))}
        earlier = self._files | self._in_transaction
        self._in_transaction |= now
        return self._names(oid for oid, file in now.items() if earlier.get(oid, file) != file)

    def _replaced(self, wire: Wire, now: dict[str, str]) -> tuple[str, ...]:
        """Return the tables whose file was replaced by a transaction that has ended, but for those told inside it."""
        told, before = self._in_transaction, self._files
        self._files, self._in_transaction = now, {}
        changed = [oid for oid, file in now.items() if file not in (before.get(oid, file), told.get(oid))]
        self._relations.learn(wire, map(int, changed))
        return self._names(changed)

    def _names(self, oids: Iterable[str]) -> tuple[str, ...]:
        found = (self._relations.get(int(oid)) for oid in oids)
        return tuple(sorted({relation.part or relation.table for relation in found if relation is not None}))


def _files(wire: Wire) -> dict[str, str]:
    rows = wire.rows(_FILES)
    return {} if len(rows) > _MOST_FILES else {oid or "": file or "" for oid, file in rows}
