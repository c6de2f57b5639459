"""The server's clock against time.monotonic_ns() of this machine."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KEPT = 512
_SET_NS = 5_000_000  # brackets so far apart are not those of one clock, however it is slewed


def server_ns(text: str) -> int:
    """Return a timestamptz of the server, written in ISO form with its offset, as nanoseconds since 1970."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND * 1_000


class ServerClock:
    """Turns the server's times into monotonic ones, by what brackets of recent questions have in common.

    The server told a time between the sending of a question and the answer to it, so that the offset lies in
    [sent − told, answered − told]; the narrowest bracket of the last 512 holds. Its width is the doubt, 0.1 ms on a
    quiet machine. Old brackets leave, so that a clock that is slewed is followed. Where a bracket has nothing in common
    with the best, the clock was set: `set_ns` says by how much at most, and what was known before is forgotten.
    """

    def __init__(self) -> None:
        self._brackets: deque[tuple[int, int]] = deque(maxlen=_KEPT)  # width, offset in the middle
        self._best: tuple[int, int] | None = None
        self.set_ns = 0

    def observe(self, sent_ns: int, told_ns: int, answered_ns: int) -> None:
        """Take one bracket."""
        one = (answered_ns - sent_ns, (sent_ns + answered_ns) // 2 - told_ns)
        apart = 0 if self._best is None else abs(one[1] - self._best[1]) - (one[0] + self._best[0]) // 2
        if self._best is not None and apart > _SET_NS:
            self.set_ns = max(self.set_ns, abs(one[1] - self._best[1]))
            self._brackets.clear()
            self._best = None
        leaves = self._brackets[0] if len(self._brackets) == _KEPT else None
        self._brackets.append(one)
        if self._best is None or leaves == self._best:
            self._best = min(self._brackets)
        else:
            self._best = min(self._best, one)

    def monotonic_ns(self, told_ns: int) -> int:
        """Return a time of the server by this machine's monotonic clock; needs one bracket."""
        if self._best is None:
            raise ValueError("the server's clock was not seen yet")
        return told_ns + self._best[1]

    @property
    def doubt_ns(self) -> int | None:
        """The width of the offset's error, None before the first bracket."""
        return None if self._best is None else self._best[0]
