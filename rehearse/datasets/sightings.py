"""Whether values of the source are seen again in the copy, and how many different ones there are, in bounded memory.

Every value has a 64-bit hash; those below a bar are held, and the bar is halved when there are too many. Both sides of
a column share the bar, so what is held is the same random share of either, and what is in both is in both for sure
(two values with one hash are as likely as n²/2^64).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rehearse.datasets.symbols import Ints, codes

Hashes = NDArray[np.uint64]
_HELD = 1 << 20  # hashes of either side, so at most 16 MiB a column
_LONGEST = 1 << 12  # characters that are looked at
_WEIGHTS = np.random.default_rng(20_130_501).integers(1, 2**63, _LONGEST, dtype=np.uint64) | np.uint64(1)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_MOVED = 16  # signs that must differ for a second sighting to be more than chance


class Sightings:
    """What is known of one column of the source and of the copy."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.rows = 0
        self.unmoved = 0
        self._bar = 2**64 - 1
        self._held: list[list[Hashes]] = [[], [], []]  # the source's, the copy's, and those of it that moved far
        self._counts = [0, 0, 0]

    def add(self, before: pa.Array, after: pa.Array) -> None:
        """Take a chunk of both, row for row, without nulls."""
        first, second = codes(before), codes(after)
        self.rows += len(before)
        self._hold(0, _hashes(first.points, first.bounds))
        fresh = _hashes(second.points, second.bounds)
        self._hold(1, fresh)
        if len(first.points) == len(second.points) and (first.bounds == second.bounds).all():
            differ = np.concatenate([[0], np.cumsum(first.points != second.points)])
            moved = differ[first.bounds[1:]] - differ[first.bounds[:-1]]
            self._hold(2, fresh[moved >= _MOVED])

    def different(self, side: int) -> int:
        """Return how many different values there are, estimated where not all are held (to about 0.2 %)."""
        return round(len(self._all(side)) * 2**64 / (self._bar + 1))

    def seen_again(self) -> int:
        """Return how many different values of the copy are values of the source, somebody else's for the most part."""
        return round(len(np.intersect1d(self._all(0), self._all(1), assume_unique=True)) * 2**64 / (self._bar + 1))

    def seen_again_far(self) -> int:
        """Return how many of those there are among values of which so much was moved that it cannot be chance."""
        return len(np.intersect1d(self._all(0), self._all(2), assume_unique=True))

    @property
    def share(self) -> float:
        """The share of different values that was looked at."""
        return (self._bar + 1) / 2**64

    def _hold(self, side: int, hashes: Hashes) -> None:
        kept = hashes[hashes <= np.uint64(self._bar)]
        self._held[side].append(kept)
        self._counts[side] += len(kept)
        if self._counts[side] > 2 * _HELD:
            self._count_again()

    def _count_again(self) -> None:
        while True:
            for side in range(3):
                unique = self._all(side)
                unique = unique[unique <= np.uint64(self._bar)]
                self._held[side], self._counts[side] = [unique], len(unique)
            if max(self._counts) <= _HELD:
                return
            self._bar //= 2

    def _all(self, side: int) -> Hashes:
        held = [one[one <= np.uint64(self._bar)] for one in self._held[side]]
        return np.unique(np.concatenate(held)) if held else np.zeros(0, np.uint64)


def _hashes(points: NDArray[np.uint8] | NDArray[np.uint32], bounds: Ints) -> Hashes:
    """Return a hash of each text: a sum of its signs, each times a random number of its place, stirred."""
    lengths = np.diff(bounds)
    inside = np.arange(len(points)) - np.repeat(bounds[:-1], lengths)
    weights = _WEIGHTS[inside % _LONGEST] if len(points) and lengths.max() > _LONGEST else _WEIGHTS[inside]
    steps = np.concatenate([np.zeros(1, np.uint64), np.cumsum((points.astype(np.uint64) + np.uint64(1)) * weights)])
    mixed: Hashes = steps[bounds[1:]] - steps[bounds[:-1]] + lengths.astype(np.uint64)
    mixed ^= mixed >> np.uint64(30)
    mixed *= _MIX_1
    mixed ^= mixed >> np.uint64(27)
    mixed *= _MIX_2
    mixed ^= mixed >> np.uint64(31)
    return mixed
