"""Texts and random bits, drawn: from vocabularies, by patterns, of measured lengths."""

from __future__ import annotations

import math
from dataclasses import replace
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rehearse.datasets import amounts, arrow, corpus, keys, randomness, vocabulary
from rehearse.datasets.randomness import Ints, Words
from rehearse.profiles import Type
from rehearse.profiles import shapes as sh

if TYPE_CHECKING:
    from rehearse.datasets.frame import Frame

_SIGNS = {"#": pa.array(list("0123456789")), "?": pa.array(list(ascii_uppercase)), "*": pa.array(list(ascii_lowercase))}


def text(shape: sh.Text, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return texts of one vocabulary."""
    if shape.empty:
        return _with_empty(shape, kind, frame, stream)
    numbered = _numbered(shape, frame, stream)
    frame, unique = (numbered, True) if numbered else (frame, shape.unique)
    if shape.lengths:
        numbers = randomness.permuted(stream, frame.rows, frame.table.rows) if unique else None
        return arrow.cast(corpus.texts(shape, stream, frame.rows, numbers=numbers, count=frame.table.rows), kind)
    number = None
    if unique:
        number = pc.cast(pa.array(randomness.permuted(stream, frame.rows, frame.table.rows) + 1), pa.string())
    text = vocabulary.draw(shape.of, stream, frame.rows, number=number)
    if kind.length is None or (number is None and kind.kind != "text"):
        return arrow.cast(text, kind)
    return _cut(text, number, kind.length)


def _cut(text: pa.Array, number: pa.Array | None, length: int) -> pa.Array:
    """Return texts of at most `length` characters; one that is too long keeps its number, which makes it unique."""
    short = pc.utf8_slice_codeunits(text, 0, length)
    if number is None:
        return short
    long = pc.greater(pc.utf8_length(text), length)
    if not pc.any(long).as_py():
        return text
    room = max(0, length - int(pc.max(pc.utf8_length(number)).as_py()) - 1)
    kept = vocabulary.join(pc.utf8_slice_codeunits(text, 0, room), "~", number)
    return pc.if_else(long, pc.utf8_slice_codeunits(kept if room else number, 0, length), text)


def pattern(shape: sh.Pattern, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return texts of one pattern, or of several."""
    if shape.empty:
        return _with_empty(shape, kind, frame, stream)
    must_differ = shape.unique or shape.within is not None
    numbered = _numbered(shape, frame, stream)
    if numbered:
        frame, shape = numbered, replace(shape, unique=True)
    weights = {shape.pattern: 1.0} if isinstance(shape.pattern, str) else shape.pattern
    count = frame.table.rows
    is_counted = shape.unique or shape.order == "rows"
    numbers = frame.rows if shape.order == "rows" else randomness.permuted(stream, frame.rows, count)
    drawn = (numbers + 0.5) / max(1, count) if is_counted else randomness.uniform(stream, frame.rows)
    limits = np.cumsum(list(weights.values()))
    limits = np.concatenate([[0.0], limits / limits[-1]])
    which = np.searchsorted(limits, drawn, side="right").clip(1, len(weights)) - 1
    parts, order = [], []
    for place, pattern in enumerate(weights):
        at = np.flatnonzero(which == place)
        low, high = (math.ceil(limits[place + one] * count - 0.5) for one in (0, 1))
        spread = randomness.words(randomness.key(stream, "code"), frame.rows[at])
        parts.append(_matching(pattern, numbers[at] - low, max(1, high - low), spread, shape, must_differ))
        order.append(at)
    mixed = pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(order), kind="stable")))
    return arrow.cast(mixed, kind)


def _matching(  # noqa: PLR0917 - the parts of one text
    pattern: str,
    numbers: Ints,
    count: int,
    spread: Words,
    shape: sh.Pattern,
    must_differ: bool,  # noqa: FBT001
) -> pa.Array:
    """Return texts of one pattern: the numbers, of [0, count), spread over all that it has; or any, where none counts.

    Where they must differ and the pattern has too few, they get more digits at the end.
    """
    places = sh.signs(pattern)
    total = math.prod(len(_SIGNS.get(sign, ".")) for sign in places)
    if must_differ and total < count:
        return _matching(_wider(pattern, count // total), numbers, count, spread, shape, must_differ)
    total = min(total, 1 << 62)
    if shape.unique or shape.order == "rows":
        left = (numbers * max(1, total // count)) % total
    else:
        left = (spread % np.uint64(total)).astype(np.int64)
    parts: list[Any] = []
    for sign in reversed(places):
        if letters := _SIGNS.get(sign):
            left, digit = np.divmod(left, len(letters))
            parts.append(letters.take(pa.array(digit)))
        else:
            parts.append(sign[-1])
    return _filled(vocabulary.join(*reversed(parts)) if parts else pa.scalar(""), len(numbers))


def _wider(pattern: str, more: int) -> str:
    """Return a pattern that has more texts: its last letter or digit is free, or where all are, it is longer."""
    places = sh.signs(pattern)
    for at in range(len(places) - 1, -1, -1):
        sign = places[at]
        if sign.isascii() and sign.isalnum():
            places[at] = "#" if sign.isdigit() else "?" if sign.isupper() else "*"
            return "".join(places)
    return pattern + "#" * len(str(more))


def _with_empty(shape: sh.Text | sh.Pattern, kind: Type, frame: Frame, stream: int) -> pa.Array:
    null = 1.0 - (1.0 - (shape.null or 0.0)) * (
        1.0 - shape.empty
    )  # so that distinct texts are reckoned on what is left
    full = frame.draw(replace(shape, empty=0.0, null=null), kind, stream)
    empty = randomness.uniform(randomness.key(stream, "empty"), frame.rows) < shape.empty
    return pc.if_else(pa.array(empty), pa.scalar("", full.type), full)


def _filled(text: Any, count: int) -> pa.Array:
    return pa.array([text.as_py()] * count, pa.string()) if isinstance(text, pa.Scalar) else text


def random(shape: sh.Random, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return random bits."""
    frame = _numbered(shape, frame, stream) or frame
    first = randomness.words(stream, frame.rows)
    if kind.kind == "inet":
        return arrow.inet(first)
    if kind.kind in ("uuid", "text", "json"):
        second = randomness.permuted(stream, frame.rows, max(2, frame.table.rows)).astype(np.uint64)
        mixed = first ^ (second * np.uint64(0x9E3779B97F4A7C15))
        return arrow.uuid(first, mixed, kind)
    return _random_bytes(shape, frame, stream)


def _random_bytes(shape: sh.Random, frame: Frame, stream: int) -> pa.Array:
    sizes = shape.least + randomness.below(stream, frame.rows, max(0, shape.most - shape.least) + 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    rows, places = np.repeat(frame.rows, (sizes + 7) // 8), (sizes + 7) // 8
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(places) - places, places)
    whole = randomness.words(randomness.key(stream, "bytes"), rows * 16_384 + turn).view(np.uint8)
    kept = np.arange(8 * len(rows)) - np.repeat(8 * (np.cumsum(places) - places), 8 * places) < np.repeat(
        sizes, 8 * places
    )
    content = whole[kept]
    return pa.BinaryArray.from_buffers(pa.binary(), len(sizes), [None, pa.py_buffer(offsets), pa.py_buffer(content)])


def _numbered(shape: sh.Text | sh.Pattern | sh.Random, frame: Frame, stream: int) -> Frame | None:
    """Return a frame whose rows are the numbers of the values that these rows have; None: each row has its own."""
    if shape.distinct is None or getattr(shape, "unique", False):
        return None
    left = max(0.0, 1.0 - sum(shape.shares)) * (1.0 - (shape.null or 0.0)) * (1.0 - getattr(shape, "empty", 0.0))
    others = max(1, shape.distinct - len(shape.shares))
    kinds = amounts.kinds_of(others, frame, left, grows=shape.grows)
    count = len(shape.shares) + (kinds or frame.table.rows)
    if shape.within is not None:
        group = frame.parents(frame.table.references[shape.within])[0]
        numbers = keys.ranked(stream, group, frame.positions(shape.within), count)
        return frame.of(numbers, count=count)
    drawn = randomness.uniform(randomness.key(stream, "value"), frame.rows)
    limits = np.cumsum(shape.shares)
    frequent = len(limits)
    numbers = np.searchsorted(limits, drawn, side="right")
    rest = numbers >= frequent
    known = float(limits[-1]) if frequent else 0.0
    more = max(1, count - frequent)
    drawn_anew = (drawn[rest] - known) / max(1e-12, 1.0 - known) * more
    numbers[rest] = frequent + (frame.rows[rest] if kinds is None else drawn_anew.astype(np.int64))
    return frame.of(numbers.astype(np.int64), count=frequent + more)
