"""Which parent each row has: skewed, by history, or in groups, without keeping a list of them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from rehearse.datasets import randomness
from rehearse.datasets.plan import Reference
from rehearse.datasets.randomness import Bools, Ints
from rehearse.profiles.shapes import Parent

_PERIOD = 1024  # the numbers of children repeat after so many parents
_ORDERED = 0.5  # a correlation above which parents come in their own order
_FIXED = 16  # binary places of a group's start
_SKEWED_TRIES, _EVEN_TRIES = 6, 5


def parents(stream: int, reference: Reference, rows: Ints, count: int, parent_count: int, *, own: bool) -> Ints:
    """Return the place of each row's parent among its table's rows.

    `count` and `parent_count` are the two tables' rows; `own` says that both are one table: then every parent comes
    before its child, and -1 stands for none.
    """
    shape = reference.shape
    if own:
        return _earlier(stream, rows)
    if reference.distinct and abs(shape.correlation) > _ORDERED:
        return rows * parent_count // max(1, count)
    if reference.distinct:
        return randomness.permuted(stream, rows, parent_count)
    if shape.order == "sorted":
        return _sorted(stream, shape, rows, count, parent_count)[0]
    limits = np.full(len(rows), parent_count)
    if shape.order == "history":
        limits = np.maximum(1, np.ceil((rows + 1) * (parent_count / max(1, count))).astype(np.int64))
    return _skewed(stream, shape, rows, limits, parent_count)


def positions(stream: int, shape: Parent, rows: Ints, count: int, parent_count: int) -> Ints:
    """Return 0, 1, 2 … among the children of each row's parent, in a table with a "sorted" parent."""
    return rows - _sorted(stream, shape, rows, count, parent_count)[1]


def ranked(stream: int, group: Ints, places: Ints, parent_count: int) -> Ints:
    """Return parents that differ within a group while it has no more rows than there are parents."""
    return (randomness.below(stream, group, parent_count) + places) % parent_count


def _earlier(stream: int, rows: Ints) -> Ints:
    return np.where(rows > 0, (randomness.uniform(stream, rows) * rows).astype(np.int64), -1)


def _skewed(stream: int, shape: Parent, rows: Ints, limits: Ints, parent_count: int) -> Ints:
    """Draw ranks by Zipf's law until the parent is there and active; what is left after some tries is drawn evenly."""
    found, open_rows = np.zeros(len(rows), np.int64), np.arange(len(rows))
    for turn in range(_SKEWED_TRIES + _EVEN_TRIES):
        key = randomness.key(stream, "try", turn)
        if turn < _SKEWED_TRIES:
            rank = randomness.zipf(key, rows[open_rows], shape.skew, parent_count)
            drawn = randomness.permuted(stream, rank, parent_count) if shape.skew else rank
        else:
            drawn = (randomness.uniform(key, rows[open_rows]) * limits[open_rows]).astype(np.int64)
        allowed = (drawn < limits[open_rows]) & _active(stream, drawn, shape.without)
        found[open_rows] = np.where(drawn < limits[open_rows], drawn, 0)
        open_rows = open_rows[~allowed]
        if not open_rows.size:
            break
    return found


def _active(stream: int, parent_rows: Ints, without: float) -> Bools:
    if not without:
        return np.ones(len(parent_rows), np.bool_)
    active: Bools = randomness.uniform(randomness.key(stream, "without"), parent_rows) >= without
    return active


def _sorted(stream: int, shape: Parent, rows: Ints, count: int, parent_count: int) -> tuple[Ints, Ints]:
    """Return each row's parent and the first row of that parent."""
    starts, period = _starts(stream, shape.spread, count, parent_count)
    width = int(starts[-1])
    block, rest = np.divmod(rows << _FIXED, width)
    place = np.searchsorted(starts, rest, side="right") - 1
    parent = np.minimum(block * period + place, parent_count - 1)
    block, place = np.divmod(parent, period)
    first = -((-(block * width + starts[place])) >> _FIXED)
    return parent, first


@lru_cache(maxsize=64)
def _starts(stream: int, spread: float, count: int, parent_count: int) -> tuple[Ints, int]:
    """Return where the groups of one period start (with its end), in rows as fixed-point numbers."""
    period = min(_PERIOD, parent_count)
    deviations = 2.0 * randomness.uniform(stream, np.arange(period, dtype=np.int64)) - 1.0
    deviations[1::2] = -deviations[: period // 2 * 2 : 2]  # so that the groups never run far ahead of their mean
    sizes = 1.0 + spread * deviations
    ends = np.concatenate([[0.0], np.cumsum(sizes)])
    whole = -(-count * period << _FIXED) // parent_count if parent_count else 1
    return np.ceil(ends / ends[-1] * whole).astype(np.int64), period
