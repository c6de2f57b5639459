"""Figures of the server four times a second: CPU and storage, WAL, checkpoints, caches, temporary files, sizes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rehearse.engines._machine import Machine
from rehearse.engines.postgres.wire import ConnectionLost, Refused, Wire
from rehearse.events import Event, Remarked, Sampled
from rehearse.units import NS_PER_MS

EVERY_NS = 250 * NS_PER_MS
_SHARE = 50  # a figure that takes long may take so little of the time: sizes ask the file system about each file
_MACHINE_SHARE = 50  # of our CPU for what the system tells of each process: a backend is a file or two
_MACHINE_MOST_NS = 1_000 * NS_PER_MS
_CHECKPOINTS = "pg_stat_get_checkpointer_num_timed(), pg_stat_get_checkpointer_num_requested()"
_CHECKPOINTS_TO_16 = "pg_stat_get_bgwriter_timed_checkpoints(), pg_stat_get_bgwriter_requested_checkpoints()"
_FIGURES = """
SELECT pg_current_wal_insert_lsn() - '0/0', pg_stat_get_db_temp_bytes(oid),
       pg_stat_get_db_blocks_hit(oid), pg_stat_get_db_blocks_fetched(oid), {checkpoints}
  FROM pg_database
 WHERE datname = current_database()
"""
_SIZES = """
SELECT pg_database_size(current_database()),
       (SELECT sum(pg_stat_get_dead_tuples(oid)) FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384)
"""
_TEMPORARY = "SELECT coalesce(sum(size), 0) FROM pg_ls_tmpdir()"


@dataclass(slots=True)
class _Question:
    """A query and the names of its figures; what the server refuses is not asked again."""

    names: tuple[str, ...]
    sql: str
    is_slow: bool = False  # grows with the number of tables or files
    due_ns: int = 0
    refused: str | None = None


class SampleProbe:
    """Samples what this machine tells (see `Machine.figures`) and what the server does, from its start where it counts.

    "wal" and "temp" (bytes written to temporary files), "cache hit" of "cache asked" (pages), "checkpoints timed" and
    "checkpoints asked" (those that WAL or somebody asked for); now and then "size" (bytes of the database), "temp
    files" (bytes that are there now) and "dead rows", as the server's statistics have them.
    """

    def __init__(self, url: str, pid: int | None, major: int, data: Path | None = None) -> None:
        self.every_ns = EVERY_NS
        self._url = url
        self._machine, self._machine_ns = Machine(pid), 0
        self._wire: Wire | None = None
        self._told: set[str] = set()
        checkpoints = _CHECKPOINTS if major >= 17 else _CHECKPOINTS_TO_16
        counted = ("wal", "temp", "cache hit", "cache asked", "checkpoints timed", "checkpoints asked")
        self._questions = [
            _Question(counted, _FIGURES.format(checkpoints=checkpoints)),
            _Question(("size", "dead rows"), _SIZES, is_slow=True),
        ]
        self._temporary = _readable(data)
        if self._temporary is None:
            self._questions.append(_Question(("temp files",), _TEMPORARY, is_slow=True))

    def look(self) -> Iterable[Event]:
        """Sample once. What cannot be had is said once, and the others are sampled all the same."""
        events: list[Event] = []
        try:
            for now, name, value in self._figures():
                events.append(Sampled(at_ns=now, name=name, value=value))
        except ConnectionLost as error:
            self._disconnect()
            events += self._gap(str(error))
        for one in self._questions:
            if one.refused is not None:
                events += self._gap(one.refused)
        return events

    def close(self) -> Iterable[Event]:
        """Sample a last time, all that there is, and disconnect."""
        self._machine_ns = 0
        for one in self._questions:
            one.due_ns = 0
        events = list(self.look())
        self._disconnect()
        return events

    def _gap(self, why: str) -> Iterator[Remarked]:
        if why not in self._told:
            self._told.add(why)
            said = f"gap: the server's figures could not be sampled: {why}"
            yield Remarked(at_ns=time.monotonic_ns(), source="samples", says=said)

    def _figures(self) -> Iterator[tuple[int, str, float]]:
        now = time.monotonic_ns()
        if now >= self._machine_ns:
            spent = time.thread_time_ns()
            yield from ((now, *one) for one in self._machine.figures())
            if self._temporary is not None:
                yield now, "temp files", _bytes_in(self._temporary)
            self._machine_ns = now + min(_MACHINE_MOST_NS, _MACHINE_SHARE * (time.thread_time_ns() - spent))
        if self._wire is None:
            self._wire = Wire(self._url, "rehearse observer: samples")
        for one in self._questions:
            yield from self._asked(self._wire, one)

    def _asked(self, wire: Wire, one: _Question) -> Iterator[tuple[int, str, float]]:
        now = time.monotonic_ns()
        if one.refused is not None or now < one.due_ns:
            return
        try:
            row = wire.rows(one.sql)[0]
        except Refused as error:
            one.refused = str(error)
            return
        yield from ((now, name, float(value)) for name, value in zip(one.names, row, strict=True) if value is not None)
        if one.is_slow:
            one.due_ns = now + _SHARE * (time.monotonic_ns() - now)

    def _disconnect(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None


def _readable(data: Path | None) -> Path | None:
    """Return the folder of a server's temporary files where we may look into it: it has folders of its own."""
    folder = None if data is None else data / "base"
    try:
        return folder / "pgsql_tmp" if folder is not None and os.access(folder, os.R_OK | os.X_OK) else None
    except OSError:
        return None


def _bytes_in(folder: Path) -> float:
    """Return the size of what is in a folder, which need not be there; files that go meanwhile count nothing."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size  # noqa: PTH116,PTH118  half the time of Path's
    return float(total)
