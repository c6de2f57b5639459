"""Random numbers that are a pure function of (seed, table, column, row), so that any chunk can be made by anyone.

The hash is the finalizer of SplitMix64 (Steele, Lea, Flood 2014) over a counter; permutations compose multiplications
by odd numbers and xor-shifts, which are bijections on k bits, and walk until they are back in range.
"""

from __future__ import annotations

import math
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53
_TURNS = 3  # of a permutation


def key(seed: int, *names: object) -> int:
    """Return a 64-bit key for a stream of random numbers."""
    text = "\0".join(map(str, (seed, *names))).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def words(stream: int, rows: Ints) -> Words:
    """Return 64 random bits for each row."""
    return finalized(rows.astype(np.uint64) * _GOLDEN + np.uint64(stream))


def finalized(mixed: Words) -> Words:
    """Stir words in place, so that each bit of one depends on all of it (SplitMix64's finalizer), and return them."""
    mixed ^= mixed >> np.uint64(30)
    mixed *= _MIX_1
    mixed ^= mixed >> np.uint64(27)
    mixed *= _MIX_2
    mixed ^= mixed >> np.uint64(31)
    return mixed


def uniform(stream: int, rows: Ints) -> Floats:
    """Return a number in [0, 1) for each row."""
    drawn: Floats = (words(stream, rows) >> np.uint64(11)).astype(np.float64) * _TO_UNIT
    return drawn


def below(stream: int, rows: Ints, count: int) -> Ints:
    """Return a whole number in [0, count) for each row."""
    return (uniform(stream, rows) * count).astype(np.int64)


def normal(stream: int, rows: Ints) -> Floats:
    """Return a standard normal number for each row (Box and Muller)."""
    first, second = 1.0 - uniform(stream, rows), uniform(stream ^ 0x5DEECE66D, rows)
    drawn: Floats = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    return drawn


def zipf(stream: int, rows: Ints, exponent: float, count: int) -> Ints:
    """Return a rank in [0, count) for each row, with a density that falls as (rank + 1) ** -exponent."""
    drawn, top = uniform(stream, rows), count + 1.0
    if exponent == 0:
        ranks = drawn * count
    elif abs(exponent - 1.0) < 1e-9:
        ranks = np.exp(drawn * math.log(top)) - 1.0
    else:
        power = 1.0 - exponent
        ranks = (1.0 + drawn * (top**power - 1.0)) ** (1.0 / power) - 1.0
    return np.clip(ranks.astype(np.int64), 0, count - 1)


def permuted(stream: int, numbers: Ints, count: int) -> Ints:
    """Return where each number of [0, count) goes in one permutation of them; others count as their rest by it."""
    if count < 2:
        return np.zeros_like(numbers)
    numbers = numbers % count  # from outside a walk may never come back in
    bits = (count - 1).bit_length()
    moved = _stirred(stream, numbers.astype(np.uint64), bits)
    while (outside := np.flatnonzero(moved >= np.uint64(count))).size:
        moved[outside] = _stirred(stream, moved[outside], bits)
    return moved.astype(np.int64)


def unpermuted(stream: int, numbers: Ints, count: int) -> Ints:
    """Return which number of [0, count) `permuted` sends to each of these."""
    if count < 2:
        return np.zeros_like(numbers)
    bits = (count - 1).bit_length()
    moved = _unstirred(stream, numbers.astype(np.uint64), bits)
    while (outside := np.flatnonzero(moved >= np.uint64(count))).size:
        moved[outside] = _unstirred(stream, moved[outside], bits)
    return moved.astype(np.int64)


def _unstirred(stream: int, numbers: Words, bits: int) -> Words:
    mask, half = np.uint64((1 << bits) - 1), max(1, bits // 2)
    for turn in reversed(range(_TURNS)):
        undone = numbers
        for _ in range(bits // half):  # x ^ (x >> h) is undone from the top, h bits at a time
            undone = numbers ^ (undone >> np.uint64(half))
        odd, plus = key(stream, "odd", turn) | 1, np.uint64(key(stream, "plus", turn))
        numbers = ((undone - plus) * np.uint64(pow(odd, -1, 1 << 64))) & mask
    return numbers


def _stirred(stream: int, numbers: Words, bits: int) -> Words:
    mask, half = np.uint64((1 << bits) - 1), np.uint64(max(1, bits // 2))
    for turn in range(_TURNS):
        odd = np.uint64(key(stream, "odd", turn) | 1)
        plus = np.uint64(key(stream, "plus", turn))
        numbers = (numbers * odd + plus) & mask
        numbers = numbers ^ (numbers >> half)
    return numbers
