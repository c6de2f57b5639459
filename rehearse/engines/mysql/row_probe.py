"""Looks at InnoDB's row locks: who waits for whose rows."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from rehearse.engines.mysql.client import Address, Connection, opened, rows
from rehearse.engines.mysql.flavour import Flavour
from rehearse.events import Event, LockWaited


@dataclass(slots=True)
class _Wait:
    user: str | None
    table: str
    mode: str
    kind: str
    before_ns: int
    first_ns: int
    last_ns: int
    blocked_by: set[int] = field(default_factory=set)
    by_migration: bool = False


class RowProbe:
    """Follows row waits from look to look; each is known to about the interval of looks."""

    def __init__(self, where: Address, migration: str, application: str, *, flavour: Flavour) -> None:
        self.every_ns = flavour.row_waits_every_ns
        self._waits = flavour.row_waits
        self._where = where
        self._roles = {migration: "migration", application: "application"}
        self._migration = migration
        self._connection: Connection | None = None
        self._open: dict[int, _Wait] = {}
        self._last_ns: int | None = None

    def look(self) -> Iterable[Event]:
        """Look once; return the waits that are over."""
        if self._connection is None:
            self._connection = opened(self._where)
        now = time.monotonic_ns()
        found = rows(self._connection, self._waits)
        waiting = {int(row[0]) for row in found}
        over = [self._told(one, self._open.pop(one), now) for one in list(self._open) if one not in waiting]
        for session, blocker, table, mode, kind, user, other in found:
            before = now if self._last_ns is None else self._last_ns
            wait = self._open.setdefault(
                int(session), _Wait(user, _bare(str(table)), str(mode), str(kind), before, now, now)
            )
            wait.last_ns = now
            wait.blocked_by.add(int(blocker))
            wait.by_migration |= other == self._migration
        self._last_ns = now
        return over

    def close(self) -> Iterable[Event]:
        """Return the waits that still went on, and disconnect."""
        at = time.monotonic_ns()
        events = [self._told(session, wait, at) for session, wait in self._open.items()]
        self._open.clear()
        if self._connection is not None and self._connection.open:
            self._connection.close()
        self._connection = None
        return events

    def _told(self, session: int, wait: _Wait, until_ns: int) -> LockWaited:
        at = (wait.before_ns + wait.first_ns) // 2
        return LockWaited(
            at_ns=at,
            ended_ns=max(at, (wait.last_ns + until_ns) // 2),
            session=session,
            role=self._roles.get(wait.user or "", "other"),
            table=wait.table if wait.kind == "TABLE" else None,
            mode=wait.mode,
            blocked_by=tuple(sorted(wait.blocked_by)),
            blocked_by_migration=wait.by_migration,
            doubt_ns=wait.first_ns - wait.before_ns + until_ns - wait.last_ns,
            on="" if wait.kind == "TABLE" else f"row of {wait.table}",
        )


def _bare(table: str) -> str:
    """Return the table's name of "`database`.`table`"."""
    return table.rpartition(".")[2].strip("`").replace("``", "`")
