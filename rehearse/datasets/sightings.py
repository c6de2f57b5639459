"""Whether values of the source are seen again in the copy, and how many different ones there are, in bounded memory.

Every value has a 64-bit hash; those below a bar are held, and the bar is halved when there are too many. Both sides of
a column share the bar, so what is held is the same random share of either, and what is in both is in both for sure
(two values with one hash are as likely as n²/2^64).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rehearse.datasets.hashes import Hashes, hashes
from rehearse.datasets.symbols import codes

_HELD = 1 << 20  # hashes of either side, so at most 16 MiB a column
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

    def add(self, before: pa.Array, after: pa.Array, *, far: bool = True) -> None:
        """Take a chunk of both, row for row, without nulls; `far`: values that moved far are looked at apart."""
        self.rows += len(before)
        self._hold(0, hashes(before))
        fresh = hashes(after)
        self._hold(1, fresh)
        if far:
            long = pc.greater_equal(pc.binary_length(after), _MOVED)
            if pc.any(long).as_py():
                kept = long.to_numpy(zero_copy_only=False)
                self._hold(2, fresh[kept][_moved(before.filter(long), after.filter(long)) >= _MOVED])

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


def _moved(before: pa.Array, after: pa.Array) -> NDArray[np.int64]:
    """Return how many signs of each value differ; none where the two are not of the same length."""
    first, second = codes(before), codes(after)
    if len(first.points) != len(second.points) or (first.bounds != second.bounds).any():
        return np.zeros(len(before), np.int64)
    differ = np.concatenate([[0], np.cumsum(first.points != second.points)])
    found: NDArray[np.int64] = differ[first.bounds[1:]] - differ[first.bounds[:-1]]
    return found
