"""Texts of any length: windows of a long text in one vocabulary, cut by the thousand in numpy.

A text of length n is n characters of the corpus from a place of its own; where it must differ from all others its
number stands at the end in base 36. ASCII throughout, so that characters are bytes.
"""

from __future__ import annotations

import itertools
import math
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rehearse.datasets import quantiles, randomness, vocabulary
from rehearse.datasets.randomness import Floats, Ints
from rehearse.profiles.shapes import Text
from rehearse.profiles.texts import HEAD, USUAL_LETTERS

Letters = NDArray[np.uint8]

_CORPUS_ROWS = 65_536
_BASE = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyz", np.uint8)
_JOINED_BY = {"paragraph": " ", "sentence": " ", "word": " ", "email": "", "user name": "", "phone": "", "url": ""}
_SHORTEST_NAME = 3  # letters before the @
_FROM_WORDS = 12  # characters from which a text begins with a word; shorter ones would be too often alike
_BEFORE_AT = 1.7  # times as long as an address's first half is the whole
_PARTED = 0.05  # share of blanks and other signs, below which a text has no words
_HEADS_FROM = 4096  # words by which it is told which first characters stand where
_ZIPF = 0.8  # of the words of a text
_VOCABULARY_ROWS = 4096
_MIXED_SIGNS = 1 << 20
_BETWEEN = ("-", "-", ".", ",", "/", "_", ":", " ")  # the blank last
_CLASSES = (b"0123456789", b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b" ", b"-_./:,")


@dataclass(frozen=True, slots=True)
class _Source:
    """A long text: its signs, and where its words begin."""

    signs: Letters
    words: Ints


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
    if shape.of == "email":
        tail = _domains(stream, rows, wanted)
        wanted = np.maximum(1, wanted - 1 - pc.binary_length(tail).to_numpy())
    if numbers is not None:
        wanted = np.maximum(wanted, _digits(count, 36))
    letters = shape.letters
    if (
        letters and shape.of == "email"
    ):  # what is before the @: no signs, and the digits of the whole, if no number comes
        letters = [min(0.9, _BEFORE_AT * letters[0]), *letters[1:3]] if numbers is None else []
    if shape.words or letters:
        usual = USUAL_LETTERS.get(shape.of, USUAL_LETTERS["word"])
        source = _mixed(shape.of, tuple(letters or usual), shape.words)
    else:
        source = _corpus(shape.of)
    places = randomness.words(randomness.key(stream, "place"), rows)
    starts = (places % np.uint64(len(source.signs))).astype(np.int64)
    if len(source.words):
        at_words = source.words[(places % np.uint64(len(source.words))).astype(np.int64)]
        starts = np.where(wanted >= _FROM_WORDS, at_words, starts)
    offsets = np.concatenate([[0], np.cumsum(wanted)])
    at = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], wanted)
    content = source.signs[at % len(source.signs)]
    if shape.heads:
        heads = _heads(source, shape.heads)
        _begin(content, offsets, shape, heads, randomness.uniform(randomness.key(stream, "head"), rows))
    if numbers is not None:
        is_long = wanted > 2 * _digits(count, 10)  # in base 10 where there is room: it has fewer runs of three signs
        for base, some in ((10, np.flatnonzero(is_long)), (36, np.flatnonzero(~is_long))):
            _number(content, offsets[1:][some], numbers[some], base, _digits(count, base))
    _trim(content, offsets)
    cut = pa.StringArray.from_buffers(len(rows), pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(content))
    return cut if tail is None else vocabulary.join(cut, "@", tail)


def _domains(stream: int, rows: Ints, wanted: Ints) -> pa.Array:
    """Return the domain of each address; a short one where the whole is to be short."""
    drawn = vocabulary.pool("domain").draw(randomness.key(stream, "domain"), rows)
    has_room = wanted >= pc.binary_length(drawn).to_numpy() + 1 + _SHORTEST_NAME
    return pc.if_else(pa.array(has_room), drawn, pa.scalar("a.io"))


def _heads(source: _Source, heads: Sequence[tuple[float, float]]) -> list[bytes]:
    """Return first characters that stand where each head does among the texts of a source."""
    starts = source.words[:_HEADS_FROM] if len(source.words) else np.arange(_HEADS_FROM)
    known = sorted(bytes(source.signs[at : at + HEAD]) for at in starts[starts < len(source.signs) - HEAD].tolist())
    others, taken, found = max(1e-9, 1.0 - sum(share for _, share in heads)), 0.0, list[bytes]()
    for before, share in heads:
        at = round((before - taken) / others * (len(known) - 1))
        found.append(known[min(max(at, 0), len(known) - 1)].ljust(HEAD, b"x"))
        taken += share
    return found


def _begin(content: Letters, offsets: Ints, shape: Text, heads: Sequence[bytes], drawn: Floats) -> None:
    """Let texts begin alike that do; those too short for it and for a sign after it stay."""
    which = np.searchsorted(np.cumsum([share for _, share in shape.heads]), drawn, side="right")
    begun = np.flatnonzero((which < len(heads)) & (np.diff(offsets) > HEAD))
    signs = np.frombuffer(b"".join(heads), np.uint8)
    for place in range(HEAD):
        content[offsets[:-1][begun] + place] = signs[which[begun] * HEAD + place]


def _digits(count: int, base: int) -> int:
    return max(1, math.ceil(math.log(max(2, count), base) - 1e-9))


def _number(content: Letters, ends: Ints, numbers: Ints, base: int, digits: int) -> None:
    left = numbers
    for place in range(1, digits + 1):
        left, digit = np.divmod(left, base)
        content[ends - place] = _BASE[digit]


def _trim(content: Letters, offsets: Ints) -> None:
    """Put a letter where a text would begin or end with a blank, which some types forget."""
    ends = offsets[1:][offsets[1:] > offsets[:-1]] - 1
    starts = offsets[:-1][offsets[1:] > offsets[:-1]]
    for places in (starts, ends):
        blank = places[content[places] == ord(" ")]
        content[blank] = ord("x")


@cache
def _corpus(word: str) -> _Source:
    """Return about a megabyte of text in a vocabulary; made once a process, in milliseconds."""
    rows = np.arange(_CORPUS_ROWS, dtype=np.int64)
    source = "full name" if word == "email" else word
    drawn = vocabulary.draw(source, randomness.key(0, "corpus", word), rows)
    text = _JOINED_BY.get(word, " ").join(drawn.to_pylist())
    if word in ("email", "user name"):
        text = "".join(sign for sign in text.lower() if sign.isalpha() or sign == ".")
    if word in ("phone", "postcode"):
        text = "".join(sign for sign in text if sign.isdigit())
    signs = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    return _Source(signs, np.flatnonzero(signs == ord(" ")) + 1)


@cache
def _mixed(word: str, letters: tuple[float, ...], words: int | None = None) -> _Source:
    """Return as much text in which five classes of signs have their shares; made once a process, in milliseconds.

    Where signs stand between them these are words of a vocabulary and numbers; otherwise any signs, as in a token.
    """
    shares = np.array([*letters, *([0.0] * (len(_CLASSES) - len(letters)))])
    shares /= max(1e-9, shares.sum())
    has_words = shares[3:].sum() >= _PARTED or word == "email"
    return _worded(word, shares, words) if has_words and shares[1:3].sum() else _scattered(shares)


def _scattered(shares: Floats) -> _Source:
    rows = np.arange(_MIXED_SIGNS, dtype=np.int64)
    drawn = randomness.uniform(randomness.key(0, "class"), rows)
    kinds = np.minimum(np.searchsorted(np.cumsum(shares), drawn, side="right"), len(shares) - 1)
    content = np.zeros(_MIXED_SIGNS, np.uint8)
    for number, signs in enumerate(_CLASSES):
        at = np.flatnonzero(kinds == number)
        content[at] = np.frombuffer(signs, np.uint8)[randomness.below(randomness.key(0, "sign"), at, len(signs))]
    return _Source(content, np.zeros(0, np.int64))


def _worded(word: str, shares: Floats, words: int | None) -> _Source:
    """Return words and numbers, with as many signs between them as there are; `words` of them differ."""
    digits, small, capitals, blanks, others = shares.tolist()
    lower = _words(word) if words is None else _vocabulary(word, words)
    numbers = [str(10**at + one)[-at - 1 :] for at in range(4) for one in range(0, 9 * 10**at, max(1, 10 ** (at - 1)))]
    mean = statistics.mean(map(len, lower))
    per_word, per_number = (small + capitals) / mean, digits / statistics.mean(map(len, numbers))
    high = capitals / (small + capitals)
    whole = max(0.0, (high - 1.0 / mean) / (1.0 - 1.0 / mean)) if mean > 1.0 else high
    first = min(1.0, high * mean) * (1.0 - whole)
    forms = [[text.lower() for text in lower], [text.capitalize() for text in lower], [text.upper() for text in lower]]
    tokens = [*itertools.chain(*forms), *numbers, *_BETWEEN, ""]
    count = round(_MIXED_SIGNS * (per_word + per_number))
    rows = np.arange(count, dtype=np.int64)
    form = np.searchsorted([1.0 - first - whole, 1.0 - whole], randomness.uniform(randomness.key(0, "form"), rows))
    key = randomness.key(0, "word")
    skew = 0.0 if words is None else _ZIPF
    picked = form * len(lower) + randomness.zipf(key, rows, skew, len(lower))
    is_number = randomness.uniform(randomness.key(0, "number"), rows) < per_number / (per_word + per_number)
    at = randomness.below(randomness.key(0, "which"), rows, len(numbers))
    picked = np.where(is_number, 3 * len(lower) + at, picked)
    return _strung(tokens, picked, (blanks + others) / (per_word + per_number), blanks / max(1e-9, blanks + others))


def _strung(tokens: Sequence[str], picked: Ints, gap: float, blank: float) -> _Source:
    """Return tokens with so many signs between two of them on average, a share of which are blanks."""
    rows, width, none = np.arange(len(picked), dtype=np.int64), math.ceil(gap), len(tokens) - 1
    pieces = np.full((len(picked), 1 + width), none, np.int64)
    pieces[:, 0] = picked
    for place in range(width):
        key = randomness.key(0, "between", place)
        sign = none - len(_BETWEEN) + randomness.below(key, rows, len(_BETWEEN) - 1)
        is_blank = randomness.uniform(randomness.key(key, "blank"), rows) < blank
        is_there = randomness.uniform(randomness.key(key, "there"), rows) < min(1.0, gap - place)
        pieces[:, 1 + place] = np.where(is_there, np.where(is_blank, none - 1, sign), none)
    sizes = np.array(list(map(len, tokens)))
    begins = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    signs = np.frombuffer("".join(tokens).encode("ascii", "replace"), np.uint8)
    lengths = sizes[pieces].ravel()
    ends = np.cumsum(lengths)
    at = np.arange(ends[-1]) + np.repeat(begins[pieces].ravel() - (ends - lengths), lengths)
    return _Source(signs[at], (ends - lengths).reshape(pieces.shape)[:, 0])


@cache
def _vocabulary(word: str, count: int) -> tuple[str, ...]:
    """Return so many different words, the more frequent ones first; where there are too few, halves of two make one."""
    known = [text for text, _ in Counter(_words(word)).most_common()]
    found = dict.fromkeys(known[:count])
    for step in range(1, len(known)):
        for at, one in enumerate(known):
            if len(found) >= count:
                return tuple(found)
            other = known[(at + step) % len(known)]
            found[one[: -(-len(one) // 2)] + other[len(other) // 2 :]] = None
    return tuple(found)


@cache
def _words(word: str) -> tuple[str, ...]:
    """Return the words of a vocabulary, each as often as it stands there."""
    rows = np.arange(_VOCABULARY_ROWS, dtype=np.int64)
    source = {"email": "full name", "user name": "full name", "phone": "word", "postcode": "word"}.get(word, word)
    drawn = " ".join(vocabulary.draw(source, randomness.key(0, "corpus", word), rows).to_pylist())
    return tuple(re.findall(r"[a-z]+", drawn.lower()))
