"""How a backfill stands: counted by its workers, read by whoever shows it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rehearse.backfill.batches import Batch
    from rehearse.backfill.control import Pace
    from rehearse.backfill.plan import Plan, Range
    from rehearse.backfill.running import Result
    from rehearse.backfill.seams import Key
    from rehearse.backfill.sweep import Look
    from rehearse.backfill.watch import Watch

_WINDOWS = 30  # of a second each, from which the time that is left is reckoned


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Seconds that are left, and between which they lie with the rates of the last windows (90 of 100)."""

    seconds: float
    least: float
    most: float


class Standing:
    """Counts; safe to be read from another thread at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marks: deque[tuple[float, int]] = deque(maxlen=_WINDOWS + 1)  # of time, and keys by then
        self.estimate: int | None = None
        self.stage = "backfill"
        self.before = self.keys_before = 0
        self.rows = self.keys = self.batches = self.refused = self.swept = self.left = self.coming = 0
        self.stage_keys = 0
        self.pace_keys: int | None = None
        self.took_ns: int | None = None
        self.ease = 1.0  # share of its time that it works, for the sake of the latency that is watched
        self.last_refusal: str | None = None
        self.watch: Watch | None = None

    def begin(self, plan: Plan, found: Sequence[Range]) -> None:
        """Take what is known at the beginning."""
        self.estimate = plan.target.rows
        self.before = sum(one.rows for one in found)
        self.keys_before = self.stage_keys = sum(one.keys for one in found)

    def note(self, batch: Batch, pace: Pace) -> None:
        """Count a batch."""
        with self._lock:
            self.pace_keys, self.ease = pace.keys, pace.ease
            if batch.refused is not None:
                self.refused += 1
                self.last_refusal = batch.refused
                return
            self.rows += batch.rows
            self.keys += batch.keys
            self.stage_keys += batch.keys
            self.batches += batch.keys > 0
            self.took_ns = batch.took_ns or self.took_ns
            self._mark()

    def sweep(self) -> None:
        """Begin to look at all keys."""
        with self._lock:
            self.stage, self.stage_keys, self.took_ns = "verify", 0, None
            self._marks.clear()

    def look(self, seen: Look, pace: Pace) -> None:
        """Count what was looked at."""
        with self._lock:
            self.pace_keys, self.ease = pace.keys, pace.ease
            if seen.refused is not None:
                self.refused += 1
                self.last_refusal = seen.refused
                return
            self.stage_keys += seen.keys
            self.swept += seen.done
            self._mark()

    def _mark(self) -> None:
        now = time.monotonic()
        if not self._marks or now - self._marks[-1][0] >= 1:
            self._marks.append((now, self.stage_keys))

    def rate(self) -> float | None:
        """Return the keys a second of the last windows; None where there are too few."""
        rates = self._rates()
        return None if rates is None else float(np.median(rates))

    def _rates(self) -> NDArray[np.float64] | None:
        with self._lock:
            marks = list(self._marks)
        if len(marks) < 4:
            return None
        at, done = np.array(marks).T
        found: NDArray[np.float64] = np.diff(done) / np.diff(at)
        return found

    def time_left(self) -> Left | None:
        """Return how long the stage under way will still take; None where it cannot be said yet."""
        rates, keys = self._rates(), self.stage_keys
        if self.estimate is None or rates is None:
            return None
        ahead = self.estimate - keys
        low, middle, high = np.percentile(rates, [5, 50, 95])
        return None if low <= 0 or ahead <= 0 else Left(seconds=ahead / middle, least=ahead / high, most=ahead / low)

    def result(self, *, seconds: float, left: int | None, examples: tuple[Key, ...], is_stopped: bool) -> Result:
        """Return what it came to."""
        from rehearse.backfill.running import Result  # noqa: PLC0415

        return Result(
            rows=self.rows + self.swept,
            keys=self.keys,
            batches=self.batches,
            refused=self.refused,
            seconds=seconds,
            before=self.before,
            swept=self.swept,
            left=left,
            coming=self.coming,
            examples=examples,
            is_stopped=is_stopped,
        )
