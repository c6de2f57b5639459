"""Whether values of the source are seen again in the copy, and how many different ones there are, in bounded memory.

Every value has a 64-bit hash; those below a bar are held, and the bar is halved when there are too many. Both sides of
a column share the bar, so what is held is the same random share of either, and what is in both is in both for sure
(two values with one hash are as likely as n²/2^64).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rehearse.datasets.hashes import Hashes, hashes
from rehearse.datasets.symbols import codes

_HELD = 1 << 16  # hashes of either side, so at most 3 MiB a column
_MOVED = 16  # signs that must differ for a second sighting to be more than chance


class Sightings:
    """What is known of one column of the source and of the copy."""

    def __init__(self, *, of_all: bool = False) -> None:
        """Begin with nothing seen; `of_all` holds every hash: 24 bytes, or less, for each different value."""
        self._bar = 2**64 - 1
        self._most = _HELD
        self._of_all = of_all
        self._held: list[list[Hashes]] = [[], [], []]  # the source's, the copy's, and those of it that moved far
        self._counts = [0, 0, 0]

    def add(self, before: pa.Array, after: pa.Array, *, far: bool = True) -> None:
        """Take a chunk of both, row for row, without nulls; `far`: values that moved far are looked at apart."""
        if not len(before):
            return
        old = hashes(before)
        self._hold(0, old[self._below(old)])
        fresh = hashes(after)
        places = np.flatnonzero(self._below(fresh))
        fresh = fresh[places]
        if far and len(places):
            self._hold(2, fresh[_moved(_taken(before, places), _taken(after, places)) >= _MOVED])
        self._hold(1, fresh)
        self._count_again()

    def different(self, side: int) -> int:
        """Return how many different values there are, estimated where not all are held (to about 1 %)."""
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

    def _below(self, hashes: Hashes) -> NDArray[np.bool_]:
        return hashes <= np.uint64(self._bar)

    def _hold(self, side: int, hashes: Hashes) -> None:
        self._held[side].append(hashes)
        self._counts[side] += len(hashes)

    def _count_again(self) -> None:
        """Drop what is held twice, when it may be much; and what is above the bar, lowered as far as it must be."""
        if max(self._counts) <= 2 * self._most:
            return
        self._drop()
        if self._of_all:
            self._most = max(self._most, *self._counts)
        while max(self._counts) > self._most:
            self._bar //= 2
            self._drop()

    def _drop(self) -> None:
        for side in range(3):
            unique = self._all(side)
            self._held[side], self._counts[side] = [unique], len(unique)

    def _all(self, side: int) -> Hashes:
        held = [one[self._below(one)] for one in self._held[side]]
        ordered = np.sort(np.concatenate(held)) if held else np.zeros(0, np.uint64)
        is_first = np.ones(len(ordered), bool)
        is_first[1:] = ordered[1:] != ordered[:-1]  # faster than np.unique, which hashes
        return ordered[is_first]


def _taken(texts: pa.Array, places: NDArray[np.int64]) -> pa.Array:
    return texts if len(places) == len(texts) else texts.take(pa.array(places))


def _moved(before: pa.Array, after: pa.Array) -> NDArray[np.int64]:
    """Return how many signs of each value differ; none where the two are not of the same length."""
    first, second = codes(before), codes(after)
    if len(first.points) != len(second.points) or (first.bounds != second.bounds).any():
        return np.zeros(len(before), np.int64)
    differ = np.concatenate([[0], np.cumsum(first.points != second.points)])
    found: NDArray[np.int64] = differ[first.bounds[1:]] - differ[first.bounds[:-1]]
    return found
