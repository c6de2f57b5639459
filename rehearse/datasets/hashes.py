"""64-bit hashes of many texts at once: a sum of their 8-byte words, each times a random odd number of its place."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rehearse.datasets.randomness import finalized

Hashes: TypeAlias = NDArray[np.uint64]
_WORD = 8
_KEPT = np.array([0, *((1 << 8 * count) - 1 for count in range(1, _WORD + 1))], np.uint64)  # of a word's first bytes


def hashes(texts: pa.Array, seed: int = 20_130_501) -> Hashes:
    """Return a hash of each text, of which there must be no null; equal texts have equal ones."""
    bounds = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, 4 * texts.offset).astype(np.int64)
    lengths = np.diff(bounds)
    total = lengths.astype(np.uint64)
    content = texts.buffers()[2]
    if content is not None and len(texts):
        signs = np.concatenate([np.frombuffer(content, np.uint8)[: bounds[-1]], np.zeros(_WORD, np.uint8)])
        words = np.ndarray((len(signs) - _WORD + 1,), "<u8", signs, strides=(1,))  # one begins at every byte
        _add_words(total, words, bounds[:-1], lengths, seed)
    return finalized(total)


def _add_words(total: Hashes, words: Hashes, starts: NDArray[np.int64], lengths: NDArray[np.int64], seed: int) -> None:
    rows = None
    for place in range(-(-int(lengths.max()) // _WORD)):
        if place:
            longer = np.flatnonzero(lengths > _WORD)  # ever fewer
            rows = longer if rows is None else rows[longer]
            starts, lengths = starts[longer] + _WORD, lengths[longer] - _WORD
        added = words[starts]
        added &= _KEPT.take(lengths, mode="clip")
        added *= _weights(seed, place >> 8)[place & 255]
        if rows is None:
            total += added
        else:
            total[rows] += added


@lru_cache(maxsize=1024)
def _weights(seed: int, page: int) -> Hashes:
    drawn = np.random.default_rng([seed, page]).integers(1, 2**63, 256, dtype=np.uint64)
    return drawn << np.uint64(1) | np.uint64(1)
