"""When each call is due, which call it is, and the random words that its values are drawn from.

Arrivals are Poisson, as those of many users are, unless they are asked to be even, in blocks of 256 that last exactly
256 / rate seconds: within a block they fall as a Poisson process does that is known to have 256 arrivals, and the rate
is kept without drift. Everything is a pure function of (seed, phase, number of the block); nothing depends on how fast
the database answers, nor on how many processes send: the i-th call is sent by process i modulo their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

BLOCK = 256
_CURVE_STEPS = 10_000
_LOW = np.uint64(2**11 - 1)  # the bits of a word that `uniform` leaves
PHASES = 16  # a recording has at most so many phases with traffic


@dataclass(frozen=True, slots=True)
class Block:
    """256 calls in the order of time: numbers, nanoseconds since the phase's start, kinds, and words (256, width).

    `kinds` are those of the old version of the application, `new_kinds` of the new one; a call is the new one's where
    its share of the calls is more than its `luck`, a number of [0, 1).
    """

    numbers: NDArray[np.int64]
    due_ns: NDArray[np.int64]
    kinds: NDArray[np.intp]
    new_kinds: NDArray[np.intp]
    luck: NDArray[np.float64]
    words: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The calls of one phase. `shares` weigh the kinds of calls; `width` is how many words a call may need.

    `new_shares` weigh them in the new version of the application, where it has other calls than the old one. Calls are
    Poisson or, if `even`, equally far apart. `curve` are factors of the rate at seconds from the phase's start, with
    straight lines between; after the last it begins anew.
    """

    seed: int
    phase: int
    rate: float
    shares: Sequence[float]
    width: int
    new_shares: Sequence[float] | None = None
    even: bool = False
    curve: Sequence[tuple[float, float]] = ()

    def block(self, index: int) -> Block:
        """Return the calls with sequence numbers from 256 · index on."""
        entropy = (self.seed & (2**64 - 1), self.phase, index)
        bits = np.random.PCG64(np.random.SeedSequence(entropy))
        words = bits.random_raw(BLOCK * (2 + self.width)).reshape(BLOCK, 2 + self.width)
        lasts_ns = BLOCK / self.rate * 1e9
        places = (np.arange(BLOCK) + 0.5) / BLOCK if self.even else np.sort(uniform(words[:, 0]))
        due = _along(places * lasts_ns + index * lasts_ns, tuple((at, factor) for at, factor in self.curve))
        kinds = _kinds(words[:, 1], self.shares)
        sequence = np.arange(index * BLOCK, (index + 1) * BLOCK)
        return Block(
            numbers=sequence * PHASES + self.phase,
            due_ns=due.astype(np.int64),
            kinds=kinds,
            new_kinds=kinds if self.new_shares is None else _kinds(words[:, 1], self.new_shares),
            luck=(words[:, 1] & _LOW) / (_LOW + 1.0),
            words=words[:, 2:],
        )


def _along(even_ns: NDArray[np.float64], curve: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    """Return when calls of a steady rate come at a rate that follows a curve.

    A call comes when the integral of the curve has reached what was its time (an inhomogeneous Poisson process is a
    homogeneous one in that time).
    """
    if not curve:
        return even_ns
    times, reached = _integral(curve)
    turns, rest = np.divmod(even_ns / 1e9, reached[-1])
    return np.asarray((turns * times[-1] + np.interp(rest, reached, times)) * 1e9)


@cache
def _integral(curve: tuple[tuple[float, float], ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return seconds of one turn of a curve, and its integral from the turn's start to each."""
    at, factors = np.array(curve, np.float64).T
    times = np.union1d(np.linspace(0.0, at[-1], _CURVE_STEPS + 1), at)
    heights = np.interp(times, at, factors)
    steps = np.diff(times) * (heights[1:] + heights[:-1]) / 2.0
    return times, np.concatenate([[0.0], np.cumsum(steps)])


def _kinds(words: NDArray[np.uint64], shares: Sequence[float]) -> NDArray[np.intp]:
    edges = np.cumsum(np.asarray(shares, dtype=float))
    found: NDArray[np.intp] = np.searchsorted(edges, uniform(words) * edges[-1], side="right").clip(0, len(edges) - 1)
    return found


def uniform(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return random words as numbers of [0, 1)."""
    return np.asarray((words >> np.uint64(11)) * 2.0**-53)


def place(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the blocks that hold the calls of these numbers, and their places in them."""
    return np.divmod(numbers // PHASES, BLOCK)
