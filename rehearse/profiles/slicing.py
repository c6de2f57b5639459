"""Categories whose kinds change along the table, as a status does that waits for something to happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rehearse.profiles.contingency import Codes, Floats, contingency, entropy, information

if TYPE_CHECKING:
    from rehearse.profiles.learning import SampledColumn

Slices = tuple[tuple[float, Mapping[str, float]], ...]
_ALONG = 0.004  # share of a category's information that the row's place must have of it
_EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)  # finer where it is fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The rows that came last, all of them: a category's kinds there tell of what is still to happen.

    `places` are theirs in the table, 0 … 1; `least` of them must share a value for it to be told.
    """

    columns: Mapping[str, SampledColumn]
    places: Floats
    least: float


def slices(
    categories: Mapping[str, SampledColumn], places: Floats, least: float, newest: Newest | None
) -> Iterator[tuple[str, Slices]]:
    """Yield the shares of a category's kinds up to each place, where chance alone does not explain that they differ.

    The newest rows, where they are known, stand for the slices that they fill.
    """
    edges = _edges(newest)
    which = np.searchsorted(edges, places, side="right").clip(0, len(edges) - 1)
    for name, one in categories.items():
        assert one.codes is not None
        table = contingency(which, one.codes, len(edges), len(one.kinds))
        if not _changes(table):
            continue
        told = [_told(one.kinds, row, least) for row in table]
        if newest is not None and newest.columns[name].codes is not None:
            told = [known or row for known, row in zip(_newest(edges, name, newest), told, strict=True)]
        if all(told):
            yield name, tuple(zip(map(float, edges), told, strict=True))


def _edges(newest: Newest | None) -> Floats:
    """Return where slices end; the rows that came last begin one, where they are too few for those of the list."""
    start = 1.0 if newest is None else float(newest.places.min())
    more = [start] if _EDGES[-2] < start < 1.0 else []
    return np.array([*_EDGES[:-1], *more, 1.0])


def _changes(table: Floats) -> bool:
    """Say whether the rows of a table of counts differ by more than chance."""
    places, kinds = (table.sum(1) > 0).sum(), table.shape[1]
    # The standard deviation of what chance alone shows: 2n times the information follows a chi-square law.
    chance = np.sqrt(2.0 * max(1, places - 1) * (kinds - 1)) / (2.0 * max(1.0, table.sum()))
    return bool(information(table) > max(_ALONG * entropy(table.sum(0)), 4.0 * chance))


def _newest(edges: Floats, name: str, newest: Newest) -> Iterator[dict[str, float]]:
    """Yield for each slice the shares among the newest rows; nothing where these do not fill it."""
    column, begins = newest.columns[name], [0.0, *edges[:-1].tolist()]
    codes: Codes = column.codes if column.codes is not None else np.zeros(0, np.int64)
    for begin, end in zip(begins, edges.tolist(), strict=True):
        inside = codes[(newest.places >= begin) & ((newest.places < end) | (end == 1.0))]
        is_filled = begin >= newest.places.min() - 1e-9
        counts = np.bincount(inside[inside >= 0], minlength=len(column.kinds)).astype(np.float64)
        yield _told(column.kinds, counts, newest.least) if is_filled and counts.sum() else {}


def _told(kinds: Sequence[str], row: Floats, least: float) -> dict[str, float]:
    """Return the shares of those kinds that enough rows have."""
    total = max(1.0, float(row.sum()))
    return {kind: round(float(count / total), 4) for kind, count in zip(kinds, row, strict=True) if count >= least}
