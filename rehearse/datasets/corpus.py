"""Texts of any length: windows of a long text in one vocabulary, cut by the thousand in numpy.

A text of length n is n characters of the corpus from a place of its own; where it must differ from all others its
number stands at the end in base 36. ASCII throughout, so that characters are bytes.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rehearse.datasets import quantiles, randomness, vocabulary
from rehearse.datasets.randomness import Ints
from rehearse.profiles.shapes import Text

Letters = NDArray[np.uint8]

_CORPUS_ROWS = 65_536
_BASE = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyz", np.uint8)
_JOINED_BY = {"paragraph": " ", "sentence": " ", "word": " ", "email": "", "user name": "", "phone": "", "url": ""}
_SHORTEST_EMAIL = 12  # below, what looks like an email's length has no room for a domain
_MIXED_SIGNS = 1 << 20
_CLASSES = (b"0123456789", b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b" ", b"-_./:,")


def texts(shape: Text, stream: int, rows: Ints, *, numbers: Ints | None = None, count: int = 0) -> pa.Array:
    """Return a text for each row, of a length from the shape's quantiles; `numbers` of [0, count) make each unique.

    The first rows are the most frequent texts, whose lengths the shape has. A unique text is at least as long as its
    number.
    """
    wanted = quantiles.lengths(shape.lengths, randomness.uniform(randomness.key(stream, "length"), rows))
    if shape.widths:
        frequent = rows < len(shape.widths)
        wanted = np.where(frequent, np.array(shape.widths)[np.minimum(rows, len(shape.widths) - 1)], wanted)
    tail = None
    if shape.of == "email" and min([*shape.lengths, *shape.widths]) > _SHORTEST_EMAIL:
        tail = vocabulary.pool("domain").draw(randomness.key(stream, "domain"), rows)
        wanted = np.maximum(1, wanted - 1 - pc.binary_length(tail).to_numpy())
    digits = 0 if numbers is None else max(1, math.ceil(math.log(max(2, count), 36) - 1e-9))
    wanted = np.maximum(wanted, digits)
    source = _corpus(shape.of) if not shape.letters else _mixed(tuple(shape.letters))
    starts = (randomness.words(randomness.key(stream, "place"), rows) % np.uint64(len(source))).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(wanted)])
    content = source[(np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], wanted)) % len(source)]
    if numbers is not None:
        _number(content, offsets, numbers, digits)
    _trim(content, offsets)
    cut = pa.StringArray.from_buffers(len(rows), pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(content))
    return cut if tail is None else vocabulary.join(cut, "@", tail)


def _number(content: Letters, offsets: Ints, numbers: Ints, digits: int) -> None:
    left = numbers
    for place in range(1, digits + 1):
        left, digit = np.divmod(left, 36)
        content[offsets[1:] - place] = _BASE[digit]


def _trim(content: Letters, offsets: Ints) -> None:
    """Put a letter where a text would begin or end with a blank, which some types forget."""
    ends = offsets[1:][offsets[1:] > offsets[:-1]] - 1
    starts = offsets[:-1][offsets[1:] > offsets[:-1]]
    for places in (starts, ends):
        blank = places[content[places] == ord(" ")]
        content[blank] = ord("x")


@cache
def _corpus(word: str) -> Letters:
    """Return about a megabyte of text in a vocabulary; made once a process, in milliseconds."""
    rows = np.arange(_CORPUS_ROWS, dtype=np.int64)
    source = "full name" if word == "email" else word
    drawn = vocabulary.draw(source, randomness.key(0, "corpus", word), rows)
    text = _JOINED_BY.get(word, " ").join(drawn.to_pylist())
    if word in ("email", "user name"):
        text = "".join(sign for sign in text.lower() if sign.isalpha() or sign == ".")
    if word in ("phone", "postcode"):
        text = "".join(sign for sign in text if sign.isdigit())
    return np.frombuffer(text.encode("ascii", "replace"), np.uint8)


@cache
def _mixed(letters: tuple[float, ...]) -> Letters:
    """Return as much text of signs of five classes, drawn by their shares; made once a process."""
    rows = np.arange(_MIXED_SIGNS, dtype=np.int64)
    limits = np.cumsum(letters) / sum(letters)
    drawn = randomness.uniform(randomness.key(0, "class"), rows)
    kinds = np.minimum(np.searchsorted(limits, drawn, side="right"), len(letters) - 1)
    content = np.zeros(_MIXED_SIGNS, np.uint8)
    for number, signs in enumerate(_CLASSES[: len(letters)]):
        at = np.flatnonzero(kinds == number)
        content[at] = np.frombuffer(signs, np.uint8)[randomness.below(randomness.key(0, "sign"), at, len(signs))]
    return content
