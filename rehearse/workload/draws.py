"""Draws the values of calls, in columns: each a pure function of a random word and the call's number.

A draw is plain data (it travels to the sending processes as JSON): {"draw": kind, "word": which word of the call, …}.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rehearse.workload.arrivals import Block, uniform

Words = NDArray[np.uint64]
Values = list[bytes | None]
Drawn = Callable[[Words, NDArray[np.int64], NDArray[np.int64]], Values]  # words, numbers, wall clock of due in µs

_EXACT = 1_000_000  # ranks of which each has its own weight
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Pool:
    """Rows that exist, column by column, in a random order, so that the hot ones lie anywhere in the table."""

    def __init__(self, columns: Sequence[Sequence[str | None]], *, skew: float, seed: int) -> None:
        self.rows = len(columns[0])
        self._order = np.random.Generator(np.random.PCG64(seed & (2**64 - 1))).permutation(self.rows)
        self._columns = [_compact(column) for column in columns]
        self._skew = skew

    def pick(self, words: Words, column: int) -> Values:
        """Return a column's values in the rows that the words choose; rank r is chosen as 1 / r^skew."""
        ranks = np.searchsorted(_zipf(self.rows, self._skew), uniform(words), side="right")
        rows = self._order[np.minimum(ranks, self.rows - 1)]
        values = self._columns[column]
        if isinstance(values, np.ndarray):
            return [b"%d" % value for value in values[rows].tolist()]
        return [values[row] for row in rows.tolist()]


def _compact(column: Sequence[str | None]) -> NDArray[np.int64] | Values:
    """Keep whole numbers as 8 bytes each, all else as it is."""
    try:
        numbers = [int(value) for value in column if value is not None]
        if len(numbers) == len(column) and [str(number) for number in numbers] == list(column):
            return np.array(numbers, dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    return [None if value is None else value.encode() for value in column]


@cache
def _zipf(rows: int, skew: float) -> NDArray[np.float64]:
    weights = np.cumsum(np.arange(1, rows + 1, dtype=float) ** -skew)
    return np.asarray(weights / weights[-1])


class Calls:
    """Turns blocks of a schedule into values for statements; the same in every process."""

    def __init__(self, calls: Sequence[Mapping[str, Any]], pools: Sequence[Mapping[str, Any]], seed: int) -> None:
        drawn = [Pool(pool["columns"], skew=pool["skew"], seed=seed + at) for at, pool in enumerate(pools)]
        self._draws = [[(one["word"], draw(one, drawn)) for one in call["draws"]] for call in calls]
        self._places = [call["places"] for call in calls]

    def values(
        self, block: Block, rows: NDArray[np.intp], wall_us: int, kinds: NDArray[Any] | None = None
    ) -> list[list[list[bytes | None]]]:
        """Return for each of these rows of a block its values, a list for each statement.

        `wall_us` is the wall clock at the phase's start; `kinds` are the rows' kinds where they are not the block's.
        """
        found: list[list[list[bytes | None]]] = [[] for _ in range(len(rows))]
        kinds = block.kinds[rows] if kinds is None else kinds
        for kind in np.unique(kinds):
            here = np.flatnonzero(kinds == kind)
            own = rows[here]
            numbers, due = block.numbers[own], wall_us + block.due_ns[own] // 1000
            columns = [drawn(block.words[own, word], numbers, due) for word, drawn in self._draws[kind]]
            places = self._places[kind]
            for at, row in enumerate(here.tolist()):
                found[row] = [[columns[place][at] for place in statement] for statement in places]
        return found


def draw(one: Mapping[str, Any], pools: Sequence[Pool]) -> Drawn:
    """Return the function that draws values of one kind."""
    return _KINDS[one["draw"]](one, pools)


def _pool(one: Mapping[str, Any], pools: Sequence[Pool]) -> Drawn:
    pool, column = pools[one["pool"]], one["column"]
    return lambda words, _numbers, _due: pool.pick(words, column)


def _constant(one: Mapping[str, Any], _pools: Sequence[Pool]) -> Drawn:
    value = None if one["text"] is None else one["text"].encode()
    return lambda words, _numbers, _due: [value] * len(words)


def _integer(one: Mapping[str, Any], _pools: Sequence[Pool]) -> Drawn:
    low, span, skew = one["min"], one["max"] - one["min"] + 1, one.get("skew", 0.0)
    if skew:
        return lambda words, _numbers, _due: [b"%d" % (low + rank) for rank in _ranks(words, span, skew).tolist()]
    return lambda words, _numbers, _due: [b"%d" % (low + word % span) for word in words.tolist()]


def _ranks(words: Words, count: int, skew: float) -> NDArray[np.int64]:
    """Return ranks from 0 to count - 1, drawn as 1 / (rank + 1)^skew; of more than a million by the continuous law."""
    share = uniform(words)
    if count <= _EXACT:
        return np.minimum(np.searchsorted(_zipf(count, skew), share, side="right"), count - 1)
    if skew == 1.0:
        place = (count + 1.0) ** share
    else:
        most = (count + 1.0) ** (1.0 - skew)
        place = (1.0 + (most - 1.0) * share) ** (1.0 / (1.0 - skew))
    return np.minimum(place.astype(np.int64) - 1, count - 1)


def _decimal(one: Mapping[str, Any], _pools: Sequence[Pool]) -> Drawn:
    unit = 10 ** one["decimals"]
    low, high = round(one["min"] * unit), round(one["max"] * unit)
    text = f"%.{one['decimals']}f"
    return lambda words, _numbers, _due: [
        (text % ((low + word % (high - low + 1)) / unit)).encode() for word in words.tolist()
    ]


def _time(one: Mapping[str, Any], _pools: Sequence[Pool]) -> Drawn:
    low, high, form = one["min"], one["max"], one["form"]
    return lambda words, _numbers, _due: [
        _moment(low + round(share * (high - low)), form) for share in uniform(words).tolist()
    ]


def _now(_one: Mapping[str, Any], _pools: Sequence[Pool]) -> Drawn:
    return lambda _words, _numbers, due: [_moment(at, "instant") for at in due.tolist()]


def _moment(us: int, form: str) -> bytes:
    at = _EPOCH + timedelta(microseconds=us)
    if form == "date":
        return at.date().isoformat().encode()
    return (at if form == "instant" else at.replace(tzinfo=None)).isoformat(sep=" ").encode()


def _choices(one: Mapping[str, Any], _pools: Sequence[Pool]) -> Drawn:
    texts = [None if text is None else text.encode() for text in one["choices"]]
    edges = np.cumsum(np.asarray(one.get("weights") or [1.0] * len(texts), dtype=float))
    return lambda words, _numbers, _due: [
        texts[min(place, len(texts) - 1)]
        for place in np.searchsorted(edges, uniform(words) * edges[-1], side="right").tolist()
    ]


def _text(one: Mapping[str, Any], _pools: Sequence[Pool]) -> Drawn:
    length = one["length"]
    whole = " ".join(one["choices"])
    ring = whole * (2 + length // max(1, len(whole)))
    return lambda words, _numbers, _due: [
        ring[start : start + length].encode() for start in (words % np.uint64(len(whole))).tolist()
    ]


def _uuid(_one: Mapping[str, Any], _pools: Sequence[Pool]) -> Drawn:
    return lambda words, _numbers, _due: [
        str(uuid.UUID(int=high << 64 | low, version=4)).encode()
        for high, low in zip(words.tolist(), mixed(words).tolist(), strict=True)
    ]


def _serial(one: Mapping[str, Any], _pools: Sequence[Pool]) -> Drawn:
    start, form = one["start"], one["format"]
    if form is None:
        return lambda _words, numbers, _due: [b"%d" % number for number in (numbers + start).tolist()]
    return lambda _words, numbers, _due: [form.format(number).encode() for number in (numbers + start).tolist()]


def mixed(words: Words) -> Words:
    """Return a second word for each word (the finalizer of splitmix64)."""
    with np.errstate(over="ignore"):
        state = words + _MIX[0]
        state = (state ^ (state >> np.uint64(30))) * _MIX[1]
        state = (state ^ (state >> np.uint64(27))) * _MIX[2]
        return np.asarray(state ^ (state >> np.uint64(31)))


_KINDS: Mapping[str, Callable[[Mapping[str, Any], Sequence[Pool]], Drawn]] = {
    "pool": _pool,
    "constant": _constant,
    "integer": _integer,
    "decimal": _decimal,
    "time": _time,
    "now": _now,
    "choices": _choices,
    "text": _text,
    "uuid": _uuid,
    "serial": _serial,
}
