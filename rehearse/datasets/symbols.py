"""Texts as rows of symbols and back: a letter becomes another of its kind and case, a digit a digit, the rest stays.

ASCII texts are taken byte by byte, others by code point; an alphabet is ASCII's letters, ASCII's digits, or the
letters of one kind and case in a block of 128 code points. So the length in characters is kept too.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rehearse.datasets.permutation import WIDTH, Permutation, derived

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
_LAST = 0x32000  # code points from here on are no letters that anybody writes names in
_BLOCK = 16_384
_MATRIX = 1 << 22  # symbols at once, of texts however long
_LARGEST = 32_000  # of an alphabet: sums of two symbols fit 16 bits


@dataclass(frozen=True, slots=True)
class Alphabets:
    """For each code point: its place in its alphabet, that one's size (1: it stays), and where that one begins."""

    place: NDArray[np.uint16]
    size: NDArray[np.uint16]
    start: NDArray[np.int32]
    letters: NDArray[np.uint32]  # all alphabets, one after the other


@dataclass(frozen=True, slots=True)
class Codes:
    """Texts taken apart: the code points of all of them, and where each text begins and the last ends."""

    points: NDArray[Any]
    bounds: Ints

    @property
    def ends(self) -> Ints:
        """Where each text ends."""
        return self.bounds[1:]

    @property
    def begins(self) -> Bools:
        """Which code points begin a text."""
        found = np.zeros(len(self.points), bool)
        found[self.bounds[:-1][np.diff(self.bounds) > 0]] = True
        return found

    def behind(self, places: Ints) -> Bools:
        """Return which code points stand at or after a place, one for each text."""
        turns = np.stack([self.bounds[:-1], np.clip(places, self.bounds[:-1], self.ends)], axis=1).ravel()
        return np.repeat(np.tile([False, True], len(places)), np.diff(turns, append=len(self.points)))

    def last(self, sign: str) -> Ints:
        """Return where a sign stands last in each text, -1 where it does not."""
        found = np.flatnonzero(self.points == ord(sign))
        if not len(found):
            return np.full(len(self.bounds) - 1, -1)
        if len(found) == len(self.ends) and (found >= self.bounds[:-1]).all() and (found < self.ends).all():
            return found  # it stands once in each
        before = np.searchsorted(found, self.ends) - 1
        place = found[np.maximum(before, 0)]
        return np.where((before >= 0) & (place >= self.bounds[:-1]), place, -1)


def codes(texts: pa.Array) -> Codes:
    """Take texts apart; there must be no null among them."""
    bounds = _offsets(texts)
    content = _content(texts)
    if not len(content) or content.max() < 128:
        return Codes(content, bounds)
    points = np.frombuffer(content.tobytes().decode().encode("utf-32-le"), np.uint32)
    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    return Codes(points, np.concatenate([[0], np.cumsum(lengths)]))


def byte_counts(texts: pa.Array, signs: Bools) -> NDArray[np.int32]:
    """Return how many bytes of each text are among the 256 that `signs` tells of."""
    steps = np.cumsum(signs.take(_content(texts)), dtype=np.int32)
    return np.diff(np.concatenate([np.zeros(1, np.int32), steps])[_offsets(texts)])


def texts(found: Codes) -> pa.Array:
    """Put texts together again."""
    if found.points.dtype == np.uint8:
        return _strings(found.bounds, found.points)
    points = found.points
    sizes = 1 + (points > 0x7F).astype(np.int64) + (points > 0x7FF) + (points > 0xFFFF)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    content = points.astype("<u4").tobytes().decode("utf-32-le").encode()
    return _strings(ends[found.bounds], np.frombuffer(content, np.uint8))


def scrambled(
    key: bytes, values: pa.Array, *, fixed: Bools | None = None, alphabets: Alphabets | None = None
) -> pa.Array:
    """Return texts with every letter and digit moved, those at `fixed` code points excepted; no nulls."""
    found = codes(values)
    return texts(Codes(moved(key, found, fixed=fixed, alphabets=alphabets), found.bounds))


def moved(key: bytes, found: Codes, *, fixed: Bools | None = None, alphabets: Alphabets | None = None) -> NDArray[Any]:
    """Return the code points after the permutation.

    Texts that hold other than ASCII are permuted with wider symbols, so the two kinds never meet.
    """
    known, texts_at_once = alphabets or usual(), range(0, len(found.bounds) - 1, _BLOCK)
    parts = [_moved(key, *_part(found, first, fixed), known) for first in texts_at_once]
    return np.concatenate(parts) if parts else found.points


def _part(found: Codes, first: int, fixed: Bools | None) -> tuple[Codes, Bools | None]:
    """Return some texts of all, so that what is computed for them stays in the core's cache."""
    bounds = found.bounds[first : first + _BLOCK + 1]
    inside = slice(int(bounds[0]), int(bounds[-1]))
    return Codes(found.points[inside], bounds - bounds[0]), None if fixed is None else fixed[inside]


def _moved(key: bytes, found: Codes, fixed: Bools | None, known: Alphabets) -> NDArray[Any]:
    points = found.points if found.points.dtype == np.uint8 else np.minimum(found.points, _LAST - 1)
    moves = (known.size > 1).take(points) if points.dtype != np.uint8 else (known.size[:256] > 1).take(points)
    if fixed is not None:
        moves &= ~fixed
    ours = points[moves]
    steps = np.concatenate([np.zeros(1, np.int32), np.cumsum(moves, dtype=np.int32)])
    counts = steps[found.bounds[1:]] - steps[found.bounds[:-1]]
    kind = points.dtype if points.dtype == np.uint8 else np.dtype(np.uint16)
    rows = _Rows(known.place.take(ours).astype(kind), known.size.take(ours).astype(kind), counts)
    fresh = rows.permuted(Permutation(derived(key, "symbols")), _wide_rows(found))
    moved_points = found.points.copy()
    moved_points[moves] = known.letters.take(known.start.take(ours) + fresh)
    return moved_points


@dataclass(frozen=True, slots=True)
class _Rows:
    """Symbols and their radices, those of one text after those of another, and how many each text has."""

    symbols: NDArray[Any]
    radices: NDArray[Any]
    counts: NDArray[np.int32]

    def permuted(self, permutation: Permutation, wide: NDArray[np.int64]) -> NDArray[Any]:
        """Return the symbols moved; texts of a like number of symbols go together, the `wide` ones (1) in 16 bits."""
        widths = np.maximum(WIDTH, 2 ** np.ceil(np.log2(np.maximum(self.counts, 1))).astype(np.int64))
        sorts = widths * 2 + wide
        if not len(sorts) or (sorts[0] == sorts).all():
            return self._moved(permutation, int(sorts[0]) if len(sorts) else 2 * WIDTH)
        fresh = np.empty_like(self.symbols)
        for sort in np.unique(sorts).tolist():
            chosen = sorts == sort
            here = np.repeat(chosen, self.counts)
            part = _Rows(self.symbols[here], self.radices[here], self.counts[chosen])
            fresh[here] = part._moved(permutation, sort)
        return fresh

    def _moved(self, permutation: Permutation, sort: int) -> NDArray[Any]:
        width, kind = sort >> 1, np.uint16 if sort & 1 else np.uint8
        bounds = np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64)])
        symbols, radices = (_windows(one.astype(kind, copy=False), width) for one in (self.symbols, self.radices))
        parts = []
        for first in range(0, len(self.counts), rows := max(1, _MATRIX // width)):
            inside = np.arange(width) < self.counts[first : first + rows, None]
            starts = bounds[first : first + rows + 1][: len(inside)]
            shape = len(inside), width
            ours = symbols[starts].view(kind).reshape(shape) * inside
            theirs = np.where(inside, radices[starts].view(kind).reshape(shape), kind(1))
            parts.append(permutation(ours, theirs)[inside])
        return np.concatenate(parts) if parts else self.symbols


def _windows(symbols: NDArray[Any], width: int) -> NDArray[Any]:
    """Return so many symbols from each place on, as one item that numpy copies at once; noughts follow the last."""
    padded = np.concatenate([symbols, np.zeros(width, symbols.dtype)])
    size = symbols.dtype.itemsize
    return np.ndarray((len(symbols) + 1,), f"V{width * size}", padded, strides=(size,))


def _wide_rows(found: Codes) -> NDArray[np.int64]:
    """Return 1 for each text that is not ASCII."""
    if found.points.dtype == np.uint8:
        return np.zeros(len(found.bounds) - 1, np.int64)
    steps = np.concatenate([[0], np.cumsum(found.points > 0x7F)])
    return (steps[found.bounds[1:]] > steps[found.bounds[:-1]]).astype(np.int64)


@cache
def usual() -> Alphabets:
    """Return the alphabets of all scripts; made once, in about 0.1 s."""
    groups: dict[object, list[int]] = {}
    for point in range(128, _LAST):
        kind = unicodedata.category(chr(point))
        if kind[0] in "L" or kind == "Nd":
            block = (
                0x4E00 if 0x4E00 <= point <= 0x9FFF else point >> 7 if point < 0x3400 or point > 0xD7FF else point >> 13
            )
            groups.setdefault((kind, block), []).append(point)
    ordinary = [[*range(48, 58)], [*range(65, 91)], [*range(97, 123)]]
    return _alphabets([*ordinary, *(one[:_LARGEST] for one in groups.values())])


@cache
def hexadecimal(*, upper: bool) -> Alphabets:
    """Return the one alphabet of hexadecimal digits."""
    return _alphabets([[ord(sign) for sign in ("0123456789ABCDEF" if upper else "0123456789abcdef")]])


@cache
def some(*groups: range) -> Alphabets:
    """Return the alphabets of these code points."""
    return _alphabets([list(one) for one in groups])


def with_capitals(lower: pa.Array, like: pa.Array) -> pa.Array:
    """Return ASCII texts in lower case with capitals where others of the same lengths have them."""
    found, capitals = codes(lower), codes(like).points
    upper = (capitals >= 65) & (capitals <= 90)
    return texts(Codes(found.points - np.where(upper, 32, 0).astype(np.uint8), found.bounds))


def _alphabets(groups: list[list[int]]) -> Alphabets:
    place, size = np.zeros(_LAST, np.uint16), np.ones(_LAST, np.uint16)
    start, letters = np.zeros(_LAST, np.int32), np.concatenate([np.array(one, np.uint32) for one in groups])
    begins = 0
    for one in groups:
        place[one], size[one], start[one] = np.arange(len(one)), len(one), begins
        begins += len(one)
    return Alphabets(place, size, start, letters)


def _offsets(texts: pa.Array) -> Ints:
    found = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, 4 * texts.offset).astype(np.int64)
    return found - found[0] if len(found) else np.zeros(1, np.int64)


def _content(texts: pa.Array) -> NDArray[np.uint8]:
    if not len(texts) or texts.buffers()[2] is None:
        return np.zeros(0, np.uint8)
    bounds = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, 4 * texts.offset)
    return np.frombuffer(texts.buffers()[2], np.uint8, int(bounds[-1] - bounds[0]), int(bounds[0]))


def _strings(bounds: Ints, content: NDArray[np.uint8]) -> pa.Array:
    return pa.StringArray.from_buffers(
        len(bounds) - 1, pa.py_buffer(bounds.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(content))
    )
