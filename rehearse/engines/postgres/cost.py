"""What an observer's looks cost the server, and how often it may look for that."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

import psutil

from rehearse.engines._machine import children, cpu_ns, own_number
from rehearse.events import Sampled
from rehearse.units import NS_PER_MS

_LOOKS = 32
_AS_CPU = 0.6  # of the time that a quick look takes, this much is the server's CPU
_SAMPLE_NS = 250 * NS_PER_MS
_FREE = 0.15  # with so much of the machine idle, looking takes nothing from anybody


def allowed(*, connected: bool, idle: float | None, server: float | None) -> float:
    """Return the share of one core that looking may take.

    5 % on a machine that is not full. On a full one 0.8 % of what the server itself takes (`server`, in cores): with
    what looking costs the others, who wait for the same latches and caches, watching then stays below 3 %. Never so
    little that looks are of no use, and a little more where the migration is connected, for then there is something to
    see. None is not known.
    """
    if idle is not None and idle >= _FREE:
        return 0.07 if connected else 0.05
    return max(0.008 * (server or 0.0), 0.025 if connected else 0.01)


class Cost:
    """Follows the CPU of one backend, and of its server, on this machine; elsewhere the time that answers take.

    Answers are slow when the machine is full, so of the last 32 the lower quarter counts.
    """

    def __init__(self, backend: int | None, postmaster: int | None) -> None:
        self._backend = own_number(postmaster, backend)
        self._postmaster = postmaster
        self._took: deque[int] = deque(maxlen=_LOOKS)
        self._looks = 0
        self._measured = self._now()
        self._look_ns = 0.0
        self._idle: float | None = None
        self._server: float | None = None
        self._sum = self._count = 0
        self._sampled_ns = 0

    def interval_ns(self, took_ns: int, *, connected: bool) -> int:
        """Take the time of one look; return how far apart looks are to be, 0 while it is not known what they cost."""
        self._took.append(took_ns)
        self._sum += took_ns
        self._count += 1
        self._looks += 1
        if self._looks == _LOOKS:
            self._measure()
        return round(self._look_ns / allowed(connected=connected, idle=self._idle, server=self._server))

    def samples(self, now_ns: int) -> Iterator[Sampled]:
        """Yield "look", the mean time of a look since the last sample, four times a second."""
        if now_ns - self._sampled_ns >= _SAMPLE_NS and self._count:
            yield Sampled(at_ns=now_ns, name="look", value=self._sum / self._count)
            self._sampled_ns, self._sum, self._count = now_ns, 0, 0

    def _measure(self) -> None:
        before, self._measured, self._looks = self._measured, self._now(), 0
        wall, own, server = (after - earlier for after, earlier in zip(self._measured, before, strict=True))
        self._look_ns = own / _LOOKS if own > 0 else sorted(self._took)[_LOOKS // 4] * _AS_CPU
        self._server = server / wall if server > 0 and wall > 0 else None
        self._idle = psutil.cpu_times_percent(None).idle / 100 if self._postmaster is not None else None

    def _now(self) -> tuple[int, int, int]:
        """Return the time, this backend's CPU and the server's, in ns; 0 for what cannot be read."""
        return time.monotonic_ns(), cpu_ns(self._backend), sum(map(cpu_ns, children(self._postmaster)))
