"""Figures of the server four times a second: CPU and storage, WAL, checkpoints, caches, temporary files, sizes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from rehearse.engines._machine import Machine
from rehearse.engines.postgres.wire import ConnectionLost, Refused, Wire
from rehearse.events import Event, Remarked, Sampled
from rehearse.units import NS_PER_MS, NS_PER_S

EVERY_NS = 250 * NS_PER_MS
_SIZE_EVERY_NS = 5 * NS_PER_S
_SHARE = 50  # the sizes may take so little of the time: a server asks the file system about each file
_NAMES = ("wal", "temp", "cache hit", "cache asked", "checkpoints timed", "checkpoints asked")
_FIGURES = """
SELECT pg_current_wal_insert_lsn() - '0/0', pg_stat_get_db_temp_bytes(oid),
       pg_stat_get_db_blocks_hit(oid), pg_stat_get_db_blocks_fetched(oid), {checkpoints}
  FROM pg_database
 WHERE datname = current_database()
"""
_CHECKPOINTS = "pg_stat_get_checkpointer_num_timed(), pg_stat_get_checkpointer_num_requested()"
_CHECKPOINTS_TO_16 = "pg_stat_get_bgwriter_timed_checkpoints(), pg_stat_get_bgwriter_requested_checkpoints()"
# Temporary files lie outside of the database's folder, and are gone when their query ends.
_SIZES = """
SELECT pg_database_size(current_database()), (SELECT coalesce(sum(size), 0) FROM pg_ls_tmpdir()),
       (SELECT sum(pg_stat_get_dead_tuples(oid)) FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384)
"""
_SIZE_NAMES = ("size", "temp files", "dead rows")


class SampleProbe:
    """Samples what this machine tells (see `Machine.figures`) and what the server does, from its start where it counts.

    "wal" and "temp" (bytes written to temporary files), "cache hit" of "cache asked" (pages), "checkpoints timed" and
    "checkpoints asked" (those that WAL or somebody asked for); now and then "size" (bytes of the database), "temp
    files" (bytes that are there now) and "dead rows", as the server's statistics have them.
    """

    def __init__(self, url: str, pid: int | None, major: int) -> None:
        self.every_ns = EVERY_NS
        self._url = url
        self._figures_sql = _FIGURES.format(checkpoints=_CHECKPOINTS if major >= 17 else _CHECKPOINTS_TO_16)
        self._machine = Machine(pid)
        self._wire: Wire | None = None
        self._size_ns = 0
        self._missed: str | None = None

    def look(self) -> Iterable[Event]:
        """Sample once."""
        now = time.monotonic_ns()
        try:
            return [Sampled(at_ns=now, name=name, value=value) for name, value in self._figures(now)]
        except (ConnectionLost, Refused) as error:
            if isinstance(error, ConnectionLost):
                self._disconnect()
            first, self._missed = self._missed is None, str(error)
            said = f"gap: the server's figures could not be sampled: {error}"
            return [Remarked(at_ns=now, source="samples", says=said)] if first else []

    def close(self) -> Iterable[Event]:
        """Sample a last time, sizes too, and disconnect."""
        self._size_ns = 0
        events = list(self.look())
        self._disconnect()
        return events

    def _figures(self, now: int) -> Iterator[tuple[str, float]]:
        yield from self._machine.figures()
        if self._wire is None:
            self._wire = Wire(self._url, "rehearse observer: samples")
        yield from _named(_NAMES, self._wire.rows(self._figures_sql)[0])
        if now >= self._size_ns:
            yield from _named(_SIZE_NAMES, self._wire.rows(_SIZES)[0])
            took = time.monotonic_ns() - now
            self._size_ns = now + min(_SIZE_EVERY_NS, _SHARE * took)

    def _disconnect(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None


def _named(names: Iterable[str], row: Iterable[str | None]) -> Iterator[tuple[str, float]]:
    for name, value in zip(names, row, strict=True):
        if value is not None:
            yield name, float(value)
