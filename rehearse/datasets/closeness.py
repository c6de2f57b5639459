"""How near the rows of a copy come to rows of the source: what an anonymized copy must not hide in plain sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rehearse.profiles.contents import Rows, Values

_COPIED = 400  # rows of the copy that look for their closest
_SOURCED = 2_000  # rows of the source among which they look
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closest:
    """Distances, 0 to 1, of a copy's rows to the closest of the source's: Gower's, over samples of both.

    `source_median` is that of the source's rows to the closest other of their own: a copy that keeps nobody's secret
    stays at or above it.
    """

    least: float
    median: float
    source_median: float | None
    rows: int


def distance_to_closest(
    source: Rows, copy: Rows, *, without: frozenset[str] = frozenset(), rows: int = _COPIED, among: int = _SOURCED
) -> Closest | None:
    """Return how far a copy's rows are from the closest of the source's (DCR).

    Gower's distance (1971) is the mean over the columns: |a − b| / range of the source for numbers, 0 or 1 for others;
    two nulls are alike, and a null is at 1 from anything. Takes rows × among × columns steps.
    """
    names = [name for name in source.columns if name in copy.columns and name not in without]
    if not names:
        return None
    mine, theirs = _picked(source, names, among), _picked(copy, names, rows)
    if not len(mine[0].present) or not len(theirs[0].present):
        return None
    found = _distances(mine, theirs).min(axis=1)
    return Closest(
        least=float(found.min()), median=float(np.median(found)), source_median=_own_median(mine, rows), rows=len(found)
    )


def _own_median(source: Sequence[Values], rows: int) -> float | None:
    there = len(source[0].present)
    if there < 2:
        return None
    places = _places(there, min(rows, there))
    apart = _distances(source, [_at(one, places) for one in source])
    apart[np.arange(len(places)), places] = np.inf  # nobody is their own neighbour
    return float(np.median(apart.min(axis=1)))


def new_row_share(source: Rows, copy: Rows, *, without: frozenset[str] = frozenset()) -> float | None:
    """Return the share of the copy's rows that do not occur in the source: SDMetrics' NewRowSynthesis.

    Only exact matches count as occurring. Columns in `without` are not looked at. None where the source was not
    read whole.
    """
    names = [name for name in source.columns if name in copy.columns and name not in without]
    if not names or not source.whole or not copy.rows:
        return None
    known, asked = _row_codes(source, names), _row_codes(copy, names)
    return float(1.0 - np.isin(asked, known).mean()) if len(asked) else None


def _row_codes(rows: Rows, names: Sequence[str]) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row: the columns' codes stirred in one after another, as SplitMix64 does."""
    mixed = np.zeros(len(rows.columns[names[0]].present), np.uint64)
    for place, name in enumerate(names, start=1):
        values = rows.columns[name]
        mixed ^= np.where(values.present, values.codes, np.int64(-place)).view(np.uint64) + np.uint64(place)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        mixed ^= mixed >> np.uint64(31)
    return mixed


def _picked(rows: Rows, names: Sequence[str], count: int) -> list[Values]:
    """Return the columns of at most `count` rows, at equal steps."""
    there = len(rows.columns[names[0]].present)
    places = _places(there, min(count, there))
    return [_at(rows.columns[name], places) for name in names]


def _places(there: int, count: int) -> NDArray[np.int64]:
    return np.arange(count, dtype=np.int64) * there // max(1, count)


def _at(values: Values, places: NDArray[np.int64]) -> Values:
    return Values(
        kind=values.kind,
        present=values.present[places],
        codes=values.codes[places],
        numbers=None if values.numbers is None else values.numbers[places],
    )


def _distances(source: Sequence[Values], copy: Sequence[Values]) -> NDArray[np.float64]:
    """Return Gower's distance of each of the copy's rows (down) to each of the source's (across)."""
    total = np.zeros((len(copy[0].present), len(source[0].present)))
    for mine, theirs in zip(source, copy, strict=True):
        total += _apart(mine, theirs)
    return total / len(source)


def _apart(mine: Values, theirs: Values) -> NDArray[np.float64]:
    nulls = ~mine.present[None, :] & ~theirs.present[:, None]
    both = mine.present[None, :] & theirs.present[:, None]
    if mine.numbers is None or theirs.numbers is None or mine.kind == "bool":
        apart = (theirs.codes[:, None] != mine.codes[None, :]).astype(np.float64)
    else:
        known = mine.numbers[mine.present & np.isfinite(mine.numbers)]
        width = float(np.ptp(known)) if known.size else 0.0
        with np.errstate(invalid="ignore"):
            gaps = np.abs(theirs.numbers[:, None] - mine.numbers[None, :])
        apart = np.minimum(gaps / width, 1.0) if width > 0 else (gaps > 0).astype(np.float64)
        apart = np.nan_to_num(apart, nan=1.0)
    return np.where(both, apart, np.where(nulls, 0.0, 1.0))
