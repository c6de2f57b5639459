"""When each call is due, which call it is, and the random words that its values are drawn from.

Arrivals are Poisson, as those of many users are, in blocks of 256 that last exactly 256 / rate seconds: within a block
they fall as a Poisson process does that is known to have 256 arrivals, and the rate is kept without drift. Everything
is a pure function of (seed, phase, number of the block); nothing depends on how fast the database answers, nor on how
many processes send: the i-th call is sent by process i modulo their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 256
PHASES = 16  # a recording has at most so many phases with traffic


@dataclass(frozen=True, slots=True)
class Block:
    """256 calls in the order of time: numbers, nanoseconds since the phase's start, kinds, and words (256, width)."""

    numbers: NDArray[np.int64]
    due_ns: NDArray[np.int64]
    kinds: NDArray[np.intp]
    words: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The calls of one phase. `shares` weigh the kinds of calls; `width` is how many words a call may need."""

    seed: int
    phase: int
    rate: float
    shares: Sequence[float]
    width: int

    def block(self, index: int) -> Block:
        """Return the calls with sequence numbers from 256 · index on."""
        entropy = (self.seed & (2**64 - 1), self.phase, index)
        bits = np.random.PCG64(np.random.SeedSequence(entropy))
        words = bits.random_raw(BLOCK * (2 + self.width)).reshape(BLOCK, 2 + self.width)
        lasts_ns = BLOCK / self.rate * 1e9
        due = np.sort(uniform(words[:, 0])) * lasts_ns + index * lasts_ns
        edges = np.cumsum(np.asarray(self.shares, dtype=float))
        kinds = np.searchsorted(edges, uniform(words[:, 1]) * edges[-1], side="right")
        sequence = np.arange(index * BLOCK, (index + 1) * BLOCK)
        return Block(
            numbers=sequence * PHASES + self.phase,
            due_ns=due.astype(np.int64),
            kinds=np.minimum(kinds, len(edges) - 1),
            words=words[:, 2:],
        )


def uniform(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return random words as numbers of [0, 1)."""
    return np.asarray((words >> np.uint64(11)) * 2.0**-53)


def place(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the blocks that hold the calls of these numbers, and their places in them."""
    return np.divmod(numbers // PHASES, BLOCK)
