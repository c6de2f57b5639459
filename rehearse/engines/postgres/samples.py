"""Figures of the server four times a second: CPU, WAL, temporary files, and the database's size now and then."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import psutil

from rehearse.engines.postgres.cost import children, cpu_ns
from rehearse.engines.postgres.wire import ConnectionLost, Refused, Wire
from rehearse.events import Event, Remarked, Sampled
from rehearse.units import NS_PER_MS, NS_PER_S

EVERY_NS = 250 * NS_PER_MS
_SIZE_EVERY_NS = 5 * NS_PER_S  # it asks the file system about each file
_FIGURES = """
SELECT pg_current_wal_insert_lsn() - '0/0', pg_stat_get_db_temp_bytes(oid)
  FROM pg_database
 WHERE datname = current_database()
"""
_SIZE = "SELECT pg_database_size(current_database())"


class SampleProbe:
    """Samples "server cpu" (s, from the postmaster's start), "wal" and "temp" (bytes, from its start), "size" (bytes).

    "server cpu" needs the server to be on this machine; without its process id it is not sampled.
    """

    def __init__(self, url: str, pid: int | None) -> None:
        self.every_ns = EVERY_NS
        self._url = url
        self._postmaster = _process(pid)
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
        """Sample a last time and disconnect."""
        events = list(self.look())
        self._disconnect()
        return events

    def _figures(self, now: int) -> Iterator[tuple[str, float]]:
        if self._postmaster is not None:
            yield from (("server cpu", seconds) for seconds in server_cpu(self._postmaster))
        if self._wire is None:
            self._wire = Wire(self._url, "rehearse observer: samples")
        ((wal, temp),) = self._wire.rows(_FIGURES)
        yield "wal", float(wal or 0)
        yield "temp", float(temp or 0)
        if now - self._size_ns >= _SIZE_EVERY_NS:
            self._size_ns = now
            yield "size", float(self._wire.rows(_SIZE)[0][0] or 0)

    def _disconnect(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None


def server_cpu(postmaster: psutil.Process) -> Iterator[float]:
    """Yield the CPU seconds of a server's processes, those that ended included; nothing where it is gone.

    Of processes that ended in ticks of 10 ms; of those that live, from Linux's scheduler, to the ns. Elsewhere all are
    in ticks: good over a second and more.
    """
    try:
        times = postmaster.cpu_times()
        pids = children(postmaster.pid)  # for psutil reads every process of the machine, and each for 50 µs
        living = sum(map(cpu_ns, pids)) / 1e9 if pids else sum(map(_seconds, postmaster.children()))
    except psutil.Error:
        return
    yield times.user + times.system + times.children_user + times.children_system + living


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def _process(pid: int | None) -> psutil.Process | None:
    try:
        return None if pid is None else psutil.Process(pid)
    except psutil.Error:
        return None
