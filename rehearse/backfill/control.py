"""How many keys the next batch spans, and how long to rest before it: pure, from what the last ones took."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

from rehearse.backfill.task import LEAST_KEYS

_GAIN = 0.5  # of the error's logarithm that one batch corrects
_MOST_UP, _MOST_DOWN = 1.5, 0.25
_COMMITS, _LEAST_COMMITS = 9, 4  # the last ones that are kept; a batch takes no less than four of their median
_NEAR = 0.1  # no correction within this of the target
_AFTER_REFUSAL = 0.5
_EASE_DOWN, _EASE_UP, _LEAST_EASE = 0.5, 0.1, 1 / 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The size of the next batch in keys, and the rest before it.

    A proportional control in logarithms: where a batch takes c·keys^e, the error's logarithm shrinks by 1 - e/2 a
    batch. So it converges for any e below 4 and does not swing for e up to 2; a fixed cost beside only slows it.

    No batch is made to take less than four times what its COMMIT does, which waits for a disk or a replica however
    small the batch is: smaller ones would be more, and hardly shorter.

    `ease` is the share of the target that a batch may take, and the share of all time that batches may: halved while
    the latency that is watched is above its budget, and given back by tenths when it is not.
    """

    keys: int
    target_ns: int | None
    least: int = LEAST_KEYS
    most: int = 100_000
    pause_ns: int = 0
    rest_ns: int = 0  # beyond the pause
    ease: float = 1.0
    window: int = 0  # of latencies, the last one that was heeded
    commits_ns: tuple[int, ...] = ()  # the last ones

    def after(self, keys: int, took_ns: int, commit_ns: int | None = None) -> Pace:
        """Return the pace after a batch of so many keys that took so long, and its COMMIT of it.

        A short batch, the last one of a range, tells of larger ones only that they take no less.
        """
        rested = replace(self, rest_ns=round(took_ns * (1 / self.ease - 1)))._committed(commit_ns)
        if self.target_ns is None or keys < 1:
            return rested
        error = max(self.target_ns * self.ease, rested._least_ns) / max(1, took_ns)
        if abs(error - 1) <= _NEAR or (keys < self.keys and error > 1):
            return rested
        factor = min(_MOST_UP, max(_MOST_DOWN, error**_GAIN))
        return rested._sized(keys * factor)

    def after_refusal(self) -> Pace:
        """Return the pace after a lock that was not to be had, a deadlock, or a batch cut for its length."""
        return self._sized(self.keys * _AFTER_REFUSAL)

    def after_latency(self, share: float, window: int) -> Pace:
        """Return the pace after a window of latencies that was so many times the budget; each is heeded once."""
        if window == self.window:
            return self
        ease = max(_LEAST_EASE, self.ease * _EASE_DOWN) if share > 1 else min(1.0, self.ease + _EASE_UP)
        return replace(self, ease=ease, window=window)

    def _committed(self, took_ns: int | None) -> Pace:
        return self if took_ns is None else replace(self, commits_ns=(*self.commits_ns, took_ns)[-_COMMITS:])

    @property
    def _least_ns(self) -> float:
        return _LEAST_COMMITS * median(self.commits_ns) if self.commits_ns else 0.0

    def _sized(self, keys: float) -> Pace:
        return replace(self, keys=min(self.most, max(self.least, round(keys))))
