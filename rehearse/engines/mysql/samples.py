"""Figures of this machine four times a second: what the server, our own processes and all others take of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from rehearse.engines._machine import Machine
from rehearse.events import Event, Sampled
from rehearse.units import NS_PER_MS

_EVERY_NS = 250 * NS_PER_MS
_BLOCK = 512  # bytes that stat counts in
_DELETED = " (deleted)"


class SampleProbe:
    """Samples what the system tells of processes and files; see `Machine.figures`. Nothing is asked of the server.

    "size" is what the database's files take, the copy of an ALTER with them, and "temp files" what is in the server's
    folder for such files, those included that have no name any more (InnoDB's own sorts). Neither where the server's
    files are out of our reach.
    """

    def __init__(self, pid: int | None, data: Path | None, database: str) -> None:
        self.every_ns = _EVERY_NS
        self._machine = Machine(pid)
        self._pid = pid
        self._own = None if data is None else data / database
        self._temporary = None if data is None else (data.parent / "tmp", data / "#innodb_temp")

    def look(self) -> Iterable[Event]:
        """Sample once."""
        now = time.monotonic_ns()
        return [Sampled(at_ns=now, name=name, value=value) for name, value in self._figures()]

    def close(self) -> Iterable[Event]:
        """Sample a last time."""
        return self.look()

    def _figures(self) -> Iterator[tuple[str, float]]:
        yield from self._machine.figures()
        if self._own is None or self._temporary is None or not os.access(self._own, os.R_OK | os.X_OK):
            return
        yield "size", float(_taken(self._own))
        unnamed = _unnamed(self._pid, self._temporary[0])
        if unnamed is not None:
            yield "temp files", float(sum(map(_taken, self._temporary)) + unnamed)


def _taken(folder: Path) -> int:
    """Return what a folder's files take on disk; files that go meanwhile count nothing."""
    total = 0
    with suppress(OSError), os.scandir(folder) as files:
        for one in files:
            with suppress(OSError):
                total += one.stat(follow_symlinks=False).st_blocks * _BLOCK
    return total


def _unnamed(pid: int | None, folder: Path) -> int | None:
    """Return what open files of a folder take that have been deleted already; None where the system does not tell."""
    places = Path(f"/proc/{pid}/fd")
    try:
        opened = list(places.iterdir())
    except OSError:
        return None
    total = 0
    for one in opened:
        with suppress(OSError):
            name = os.readlink(one)  # noqa: PTH115  Path would take " (deleted)" for a part of the name
            if name.startswith(f"{folder}/") and name.endswith(_DELETED):
                total += one.stat().st_blocks * _BLOCK
    return total
