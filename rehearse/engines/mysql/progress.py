"""What the server reports of the migration's long statements while they run."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pymysql

from rehearse.engines._progress import Figures, Key, Parts
from rehearse.engines.mysql import ddl_words
from rehearse.engines.mysql.client import Address, Connection, opened, rows
from rehearse.engines.mysql.flavour import Flavour
from rehearse.events import Event
from rehearse.units import NS_PER_MS

_EVERY_NS = 100 * NS_PER_MS
_RARELY_NS = 250 * NS_PER_MS  # while nothing goes on


class ProgressProbe:
    """Looks ten times a second while something goes on, four times where nothing does: shorter parts may be missed."""

    def __init__(self, where: Address, migration: str, flavour: Flavour) -> None:
        self.every_ns = _RARELY_NS
        self._where, self._migration, self._flavour = where, migration, flavour
        self._connection: Connection | None = None
        self._parts: Parts[str | None] = Parts(lambda table: table, _RARELY_NS)

    def look(self) -> Iterable[Event]:
        """Look once; return the parts that are over. A look that fails is left to the next."""
        try:
            if self._connection is None or not self._connection.open:
                self._connection = opened(self._where)
            found = rows(self._connection, self._flavour.progress, (self._migration,))
        except pymysql.err.MySQLError:
            return []
        seen = {
            Key(int(session), ddl_words.command(sql), str(part), ddl_words.table(sql)): Figures(
                int(done), int(total), unit
            )
            for session, sql, part, done, total, unit in found
        }
        events = list(self._parts.note(seen, time.monotonic_ns()))
        self.every_ns = _EVERY_NS if self._parts else _RARELY_NS
        return events

    def close(self) -> Iterable[Event]:
        """Look a last time, return what was still going on, and disconnect."""
        events = [*self.look(), *self._parts.over(None, time.monotonic_ns())]
        if self._connection is not None and self._connection.open:
            self._connection.close()
        self._connection = None
        return events
