"""What an observer's looks cost the server, and how often it may look for that."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from rehearse.events import Sampled
from rehearse.units import NS_PER_MS

_LOOKS = 32
_AS_CPU = 0.6  # of the time that a quick look takes, this much is the server's CPU
_SAMPLE_NS = 250 * NS_PER_MS


class Cost:
    """Follows the CPU of one backend on this machine (`pid`), or else the time that its answers take.

    Answers are slow when the machine is full, so of the last 32 the lower quarter counts.
    """

    def __init__(self, pid: int | None) -> None:
        self._file = None if pid is None else Path(f"/proc/{pid}/schedstat")  # CPU in ns; Linux
        self._took: deque[int] = deque(maxlen=_LOOKS)
        self._looks = 0
        self._cpu_ns = self._cpu()
        self._cost_ns = 0.0
        self._sum = self._count = 0
        self._sampled_ns = 0

    def interval_ns(self, took_ns: int, share: float) -> int:
        """Take the time of one look; return how far apart looks are to be that may cost this share of a core.

        0 while it is not known what they cost, for the first 32.
        """
        self._took.append(took_ns)
        self._sum += took_ns
        self._count += 1
        self._looks += 1
        if self._looks == _LOOKS:
            self._cost_ns = self._look_ns()
            self._looks = 0
        return round(self._cost_ns / share)

    def samples(self, now_ns: int) -> Iterator[Sampled]:
        """Yield "look", the mean time of a look since the last sample, four times a second."""
        if now_ns - self._sampled_ns >= _SAMPLE_NS and self._count:
            yield Sampled(at_ns=now_ns, name="look", value=self._sum / self._count)
            self._sampled_ns, self._sum, self._count = now_ns, 0, 0

    def _look_ns(self) -> float:
        before, self._cpu_ns = self._cpu_ns, self._cpu()
        if before is not None and self._cpu_ns is not None:
            return (self._cpu_ns - before) / _LOOKS
        return sorted(self._took)[_LOOKS // 4] * _AS_CPU

    def _cpu(self) -> int | None:
        try:
            return None if self._file is None else int(self._file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
