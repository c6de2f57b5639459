"""Rows as numbers, a column (number, hash) each, of both sides: which are on one only, which differ; by numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are on one side only, or differ, by number; sorted. A doubled row of the newer side is unexpected."""

    missing: Numbers
    unexpected: Numbers
    changed: Numbers


def difference(older: Numbers, newer: Numbers) -> Rows:
    """Return which rows differ between two streams of (number, hash)."""
    old, new = _sorted(older), _sorted(newer)
    is_double = np.zeros(new.shape[1], dtype=bool)
    is_double[1:] = new[0, 1:] == new[0, :-1]
    doubled, new = new[0, is_double], new[:, ~is_double] if is_double.any() else new
    places = np.searchsorted(new[0], old[0])
    places[places == new.shape[1]] = 0
    is_there = new[0, places] == old[0] if new.shape[1] else np.zeros(old.shape[1], dtype=bool)
    is_known = np.zeros(new.shape[1], dtype=bool)
    is_known[places[is_there]] = True
    is_changed = is_there.copy()
    is_changed[is_there] = new[1, places[is_there]] != old[1, is_there]
    unexpected = np.sort(np.concatenate([new[0, ~is_known], doubled]))
    return Rows(missing=old[0, ~is_there], unexpected=unexpected, changed=old[0, is_changed])


def multiset(older: Numbers, newer: Numbers) -> tuple[Numbers, Numbers]:
    """Return the rows that are only in the older and only in the newer of two streams; a number as often as its row."""
    old, new = (np.unique(stream[0], return_counts=True) for stream in (older, newer))
    return _beyond(*old, *new), _beyond(*new, *old)


def _beyond(values: Numbers, counts: Numbers, others: Numbers, other_counts: Numbers) -> Numbers:
    """Return the values, each as often as it is there more than among the others; both are sorted and distinct."""
    places = np.minimum(np.searchsorted(others, values), max(len(others) - 1, 0))
    known = np.where(others[places] == values, other_counts[places], 0) if len(others) else np.zeros_like(counts)
    return np.repeat(values, np.maximum(counts - known, 0))


def _sorted(stream: Numbers) -> Numbers:
    numbers = stream[0]
    if len(numbers) < 2 or bool((numbers[1:] > numbers[:-1]).all()):
        return stream
    return stream[:, np.argsort(numbers, kind="stable")]
