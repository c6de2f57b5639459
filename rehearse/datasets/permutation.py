"""A keyed permutation of rows of symbols, each of its own radix, which moves every row that can be moved.

A Feistel network over the even and the odd places, as NIST's FF1 has it, adds to each symbol a pseudo-random number
modulo the symbol's radix; what is added depends on the other half, so each round can be undone and the whole is a
bijection, whatever the radices are. The random function is SipHash-1-3 (Aumasson, Bernstein 2012: a keyed function
made for short inputs) since additions, rotations and xors run in numpy over thousands of rows at once, 15 times as fast
as a call of HMAC or BLAKE2b a row and round; its keys are drawn from the user's by keyed BLAKE2b.

Rounds are run, the row is counted on by one as a number of its radices, and the rounds are undone: a conjugate of one
cycle through all rows is one as well. So no row is left as it was unless all its radices are 1, nor is it where the
permutation is walked until it is back in some part of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[Any]  # uint8 or uint16, one row a value
Words = NDArray[np.uint64]
WIDTH = 16  # columns come in multiples of it, so that half a row is whole 64-bit words
_ROUNDS = 4  # and as many undone: eight in all, as in FF3-1
_BLOCK = 16_384  # rows at once: few enough for the core's own cache, so many that numpy's calls cost little
_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def derived(key: bytes, *names: object, size: int = 16) -> bytes:
    """Return a key for one purpose, by keyed BLAKE2b (a pseudo-random function, like HMAC, in one call)."""
    text = "\0".join(map(str, names)).encode()
    return blake2b(text, key=blake2b(key, digest_size=64).digest(), digest_size=size).digest()


@dataclass(frozen=True, slots=True)
class Permutation:
    """A bijection of rows of symbols; a symbol of radix r is below r and stays so."""

    key: bytes

    def __call__(self, symbols: Symbols, radices: Symbols) -> Symbols:
        """Return the rows moved; both arrays are alike in shape and type, with a multiple of WIDTH columns."""
        moved = np.empty_like(symbols)
        for start in range(0, len(symbols), _BLOCK):
            rows = slice(start, start + _BLOCK)
            halves = [np.ascontiguousarray(symbols[rows, side::2]) for side in (0, 1)]
            bounds = [np.ascontiguousarray(radices[rows, side::2]) for side in (0, 1)]
            self._move(halves, bounds)
            moved[rows, 0::2], moved[rows, 1::2] = halves
        return moved

    def _move(self, halves: list[Symbols], bounds: list[Symbols]) -> None:
        marks = [bound * bound.dtype.type(5) for bound in bounds]
        for turn in range(_ROUNDS):
            self._add(turn, halves, bounds, marks)
        _add_one(halves, bounds)
        for turn in reversed(range(_ROUNDS)):
            self._add(turn, halves, bounds, marks, undo=True)

    def _add(
        self, turn: int, halves: list[Symbols], bounds: list[Symbols], marks: list[Symbols], *, undo: bool = False
    ) -> None:
        side = turn % 2
        given, bound = halves[1 - side] + marks[1 - side], bounds[side]
        state = _state(self.key, turn, given.dtype.itemsize, given.shape[1])
        numbers = _below(_hashes(state, given.view(np.uint64)).view(given.dtype), bound)
        halves[side] = (_difference if undo else _sum)(halves[side], numbers, bound)


def _add_one(halves: list[Symbols], bounds: list[Symbols]) -> None:
    """Count each row on by one, as an odometer of its radices does."""
    carry = np.ones(len(halves[0]), halves[0].dtype)
    for place in range(halves[0].shape[1]):
        for half, bound in zip(halves, bounds, strict=True):
            half[:, place] += carry
            carry = (half[:, place] >= bound[:, place]).astype(half.dtype)
            half[:, place] *= 1 - carry
            if not carry.any():
                return


def _sum(first: Symbols, second: Symbols, bound: Symbols) -> Symbols:
    """Return sums modulo the bounds, which are at most half of what the type holds."""
    total = first + second
    total -= bound * (total >= bound)
    return total


def _difference(first: Symbols, second: Symbols, bound: Symbols) -> Symbols:
    """Return differences modulo the bounds."""
    total = first - second  # modulo what the type holds, as is the sum below
    total += bound * (first < second)
    return total


def _below(random: Symbols, bound: Symbols) -> Symbols:
    """Return random numbers below the bounds: the upper half of a product of twice the width."""
    if random.dtype == np.uint8:
        return (random.astype(np.uint16) * bound >> 8).astype(np.uint8)
    return (random.astype(np.uint32) * bound >> 16).astype(np.uint16)


@lru_cache(maxsize=256)
def _state(key: bytes, turn: int, size: int, width: int) -> tuple[int, int, int, int]:
    """Return SipHash's state before any input."""
    first, second = np.frombuffer(derived(key, "round", turn, size, width), "<u8").tolist()
    return _START[0] ^ first, _START[1] ^ second, _START[2] ^ first, _START[3] ^ second


def _hashes(state: tuple[int, int, int, int], words: Words) -> Words:
    """Return as many words of output as there are of input, for each row."""
    vectors = [np.full(len(words), part, np.uint64) for part in state]
    spare = np.empty(len(words), np.uint64)
    found = np.empty_like(words)
    for place in range(words.shape[1]):
        word = np.ascontiguousarray(words[:, place])
        vectors[3] ^= word
        _stir(vectors, spare, 1)
        vectors[0] ^= word
    for place in range(words.shape[1]):
        vectors[2] ^= np.uint64(0xEE + place)
        _stir(vectors, spare, 3)
        found[:, place] = vectors[0] ^ vectors[1] ^ vectors[2] ^ vectors[3]
    return found


def _stir(vectors: list[Words], spare: Words, times: int) -> None:
    first, second, third, fourth = vectors
    for _ in range(times):
        first += second
        third += fourth
        _rotate(second, 13, spare)
        _rotate(fourth, 16, spare)
        second ^= first
        fourth ^= third
        _rotate(first, 32, spare)
        third += second
        first += fourth
        _rotate(second, 17, spare)
        _rotate(fourth, 21, spare)
        second ^= third
        fourth ^= first
        _rotate(third, 32, spare)


def _rotate(words: Words, bits: int, spare: Words) -> None:
    np.right_shift(words, np.uint64(64 - bits), out=spare)
    np.left_shift(words, np.uint64(bits), out=words)
    np.bitwise_or(words, spare, out=words)
