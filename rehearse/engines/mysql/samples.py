"""Figures of this machine four times a second: what the server, our own processes and all others take of it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rehearse.engines._machine import Machine
from rehearse.events import Event, Sampled
from rehearse.units import NS_PER_MS

_EVERY_NS = 250 * NS_PER_MS


class SampleProbe:
    """Samples what the system tells of processes; see `Machine.figures`. Nothing is asked of the server."""

    def __init__(self, pid: int | None) -> None:
        self.every_ns = _EVERY_NS
        self._machine = Machine(pid)

    def look(self) -> Iterable[Event]:
        """Sample once."""
        now = time.monotonic_ns()
        return [Sampled(at_ns=now, name=name, value=value) for name, value in self._machine.figures()]

    def close(self) -> Iterable[Event]:
        """Sample a last time."""
        return self.look()
