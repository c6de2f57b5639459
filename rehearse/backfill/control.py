"""How many keys the next batch spans, and how long to rest before it: pure, from what the last ones took."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rehearse.backfill.task import LEAST_KEYS

_GAIN = 0.5  # of the error's logarithm that one batch corrects
_MOST_UP, _MOST_DOWN = 1.5, 0.25
_NEAR = 0.1  # no correction within this of the target
_AFTER_REFUSAL = 0.5
_REST_UP, _REST_DOWN = 2.0, 0.8
_FIRST_REST_NS = 10_000_000
_LONGEST_REST_NS = 5_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The size of the next batch in keys, and the rest before it.

    A proportional control in logarithms: where a batch takes c·keys^e, the error's logarithm shrinks by 1 - e/2 a
    batch. So it converges for any e below 4 and does not swing for e up to 2; a fixed cost beside only slows it.
    """

    keys: int
    target_ns: int | None
    least: int = LEAST_KEYS
    most: int = 100_000
    pause_ns: int = 0
    rest_ns: int = 0  # beyond the pause, while the latency that is watched is above its budget

    def after(self, keys: int, took_ns: int) -> Pace:
        """Return the pace after a batch of so many keys that took so long.

        A short batch, the last one of a range, tells of larger ones only that they take no less.
        """
        if self.target_ns is None or keys < 1:
            return self
        error = self.target_ns / max(1, took_ns)
        if abs(error - 1) <= _NEAR or (keys < self.keys and error > 1):
            return self
        factor = min(_MOST_UP, max(_MOST_DOWN, error**_GAIN))
        return self._sized(keys * factor if keys >= self.keys else min(self.keys, keys * factor))

    def after_refusal(self) -> Pace:
        """Return the pace after a lock that was not to be had, a deadlock, or a batch cut for its length."""
        return self._sized(self.keys * _AFTER_REFUSAL)

    def after_latency(self, share: float | None) -> Pace:
        """Return the pace at a latency of so many times its budget; None: it is not known yet."""
        if share is None:
            return self
        if share > 1:
            rest = max(_FIRST_REST_NS, round(self.rest_ns * _REST_UP))
            return replace(self._sized(self.keys * _AFTER_REFUSAL), rest_ns=min(_LONGEST_REST_NS, rest))
        rest = round(self.rest_ns * _REST_DOWN)
        return replace(self, rest_ns=rest if rest >= _FIRST_REST_NS // 10 else 0)

    def _sized(self, keys: float) -> Pace:
        return replace(self, keys=min(self.most, max(self.least, round(keys))))
