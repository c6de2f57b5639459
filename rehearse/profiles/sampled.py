"""What a sample of a table's rows tells: of each column, and of how columns go together. In no engine's own words.

A sample is an Arrow table whose columns bear the table's names: whole numbers, floats, days; moments as seconds since
1970; a bool as "t" or "f"; everything else as text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rehearse.profiles.figures import distinct_of
from rehearse.profiles.learning import Joined, SampledColumn, learn
from rehearse.profiles.personal import by_name
from rehearse.profiles.slicing import Newest
from rehearse.profiles.statistics import ColumnStatistics, TableStatistics
from rehearse.profiles.structure import Column, Table

_FEW = 12  # so few different whole numbers are categories too
_MOST_KINDS = 50
_MOST_SEEN = 10_000
_LEAST = 5  # sampled rows that must share a pair of values, whatever the floor
_STEPS = 100  # of a histogram
_MOST_COMMON = 100
_ABOVE = 1.25  # times the mean number of rows, from which a value is common, as with PostgreSQL's ANALYZE
_GROWS = 0.1  # share of the rows, above which different values grow with them
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES: Mapping[str, pa.DataType] = {
    "integer": pa.int64(),
    "numeric": pa.float64(),
    "float": pa.float64(),
    "date": pa.float64(),
    "timestamp": pa.float64(),
}


def arrow_type(column: Column) -> pa.DataType:
    """Return the type that a column has in a sample."""
    return _TYPES.get(column.type.kind, pa.string())


def statistics(column: Column, values: pa.ChunkedArray, places: NDArray[np.float64], rows: float) -> ColumnStatistics:
    """Return a column's statistics as they can be told from a sample of a table that has so many rows.

    For servers that keep none, or none of this column. `places` are the rows' places in the table, 0 … 1.
    """
    kept, total = pc.drop_null(values), max(1, len(values))
    null = 1.0 - len(kept) / total
    counted = pc.value_counts(kept)
    kinds, counts = counted.field("values"), counted.field("counts").to_numpy()
    distinct = distinct_of(counts.tolist(), rows * (1.0 - null))
    common = _common(counts, is_whole=rows <= total)
    others = pc.filter(kept, pc.invert(pc.is_in(kept, value_set=kinds.take(pa.array(common)))))
    return ColumnStatistics(
        null=null,
        distinct=-distinct / rows if rows and distinct > _GROWS * rows else distinct,
        width_bytes=_width(column, kept),
        correlation=_correlation(values, places),
        common=tuple((as_text(column, kinds[int(at)].as_py()), float(counts[at]) / total) for at in common),
        bounds=tuple(as_text(column, one) for one in _bounds(others)),
    )


def _common(counts: NDArray[np.int64], *, is_whole: bool) -> NDArray[np.int64]:
    """Return the places of common values, the most common first: all of a short list, else those above the mean.

    None where every value is there once.
    """
    order = np.argsort(-counts, kind="stable")[:_MOST_COMMON]
    if not len(counts) or counts.max() < 2:
        return order[:0]
    is_listed = len(counts) <= _MOST_COMMON and (is_whole or counts.min() > 1)
    return order if is_listed else order[counts[order] >= max(2.0, _ABOVE * counts.mean())]


def _bounds(values: pa.ChunkedArray) -> list[object]:
    """Return the values at equal steps, in their order; none where they are all the same."""
    ordered = values.take(pc.array_sort_indices(values.combine_chunks()))
    if pc.count_distinct(ordered).as_py() < 2:
        return []
    steps = np.linspace(0, len(ordered) - 1, min(len(ordered), _STEPS + 1)).astype(np.int64)
    found: list[object] = ordered.take(pa.array(steps)).to_pylist()
    return found


def _width(column: Column, kept: pa.ChunkedArray) -> float:
    if pa.types.is_string(kept.type) and len(kept):
        return float(pc.mean(pc.binary_length(kept)).as_py()) + 1.0  # with its length before it
    return column.type.bits / 8


def _correlation(values: pa.ChunkedArray, places: NDArray[np.float64]) -> float | None:
    """Return the correlation of the values' ranks with the rows' places, as servers reckon it; None of too few.

    Rows of one value have their ranks in the order of their places.
    """
    known = pc.is_valid(values).to_numpy()
    kept = values.combine_chunks().filter(pa.array(known))
    ranks = pc.rank(kept, tiebreaker="first").to_numpy().astype(np.float64)
    if len(ranks) < 2:
        return None
    return float(np.corrcoef(ranks, places[known])[0, 1])


def as_text(column: Column, value: object) -> str:
    """Return a value of a sample as servers write it."""
    if column.type.kind in ("date", "timestamp"):
        assert isinstance(value, float)
        at = _EPOCH + timedelta(seconds=value)
        return at.strftime("%Y-%m-%d") if column.type.kind == "date" else at.strftime("%Y-%m-%d %H:%M:%S.%f")
    return str(value)


def seen(table: Table, found: TableStatistics, taken: pa.Table) -> TableStatistics:
    """Return a table's statistics with texts of the sample in place of those that the server's own sample shows."""
    columns = {name: _column(table.columns[name], one, taken[name]) for name, one in found.columns.items()}
    return replace(found, columns=columns)


def _column(column: Column, found: ColumnStatistics, values: pa.ChunkedArray) -> ColumnStatistics:
    if column.type.kind not in ("text", "json"):
        return found
    kept = pc.drop_null(values)
    kept = kept.take(pa.array(np.linspace(0, len(kept) - 1, min(len(kept), _MOST_SEEN)).astype(np.int64)))
    each = (1.0 - found.null) / max(1, len(kept))
    return replace(found, seen=tuple((value, each) for value in kept.to_pylist()))


def learned(
    table: Table,
    found: TableStatistics,
    taken: pa.Table,
    places: NDArray[np.float64],
    newest: pa.Table | None,
    *,
    floor: int,
    told: Collection[str],
) -> Joined:
    """Return how the columns of a sample go together; `places` are its rows' places in the table, 0 … 1.

    `newest` are the rows that came last; `told` the columns whose values may be told.
    """
    columns = _columns(table, found, taken, told)
    least = max(_LEAST, floor * taken.num_rows / max(1.0, found.rows))
    by = counter(table, found)
    if by is None:
        return learn(columns, places, least=least)
    fresh = None
    if newest is not None and newest.num_rows:
        fresh = Newest(
            columns=_columns(table, found, newest, told),
            places=1.0 - (np.arange(newest.num_rows) + 0.5) / found.rows,
            least=floor,
        )
    came = _came(taken[by].to_numpy(), found.columns[by].bounds)
    return learn(columns, places, least=least, counter=by, came=came, newest=fresh)


def counter(table: Table, found: TableStatistics) -> str | None:
    """Return the key that was counted up as rows came, as far as its type tells."""
    name = table.primary_key[0] if table.primary_key and len(table.primary_key) == 1 else None
    return name if name in found.columns and name is not None and table.columns[name].type.kind == "integer" else None


def _came(keys: NDArray[np.int64], bounds: Sequence[str]) -> NDArray[np.float64]:
    """Return the rows' places in the order of a key, 0 … 1, by the server's histogram of it, else by their ranks."""
    if len(bounds) < 2:
        return np.argsort(np.argsort(keys, kind="stable"), kind="stable") / max(1, len(keys))
    edges = np.array([float(one) for one in bounds])
    return np.interp(keys, edges, np.linspace(0.0, 1.0, len(edges)))


def _columns(table: Table, found: TableStatistics, taken: pa.Table, told: Collection[str]) -> dict[str, SampledColumn]:
    pointing = {column for key in table.foreign_keys for column in key.columns}
    few = {name for name in pointing & set(found.columns) if 0 < found.columns[name].distinct <= _MOST_KINDS}
    keys = (pointing - few) | {key[0] for key in table.keys if len(key) == 1}
    return {
        name: _untold(
            _sampled(table.columns[name], taken[name].combine_chunks(), is_key=name in keys, is_list=name in few),
            is_told=name in told,
        )
        for name in found.columns
        if not table.columns[name].computed
    }


def _untold(column: SampledColumn, *, is_told: bool) -> SampledColumn:
    return column if is_told else replace(column, codes=None, kinds=())


def _sampled(column: Column, values: pa.Array, *, is_key: bool, is_list: bool) -> SampledColumn:
    is_null = pc.is_null(values).to_numpy(zero_copy_only=False)
    kind = column.type.kind
    if is_list:  # the keys of a short list are its words, and no amounts
        listed, words = _codes(pc.cast(values, pa.string()))
        return SampledColumn(is_null=is_null, codes=listed, kinds=words)
    if kind in ("integer", "numeric", "float", "date", "timestamp"):
        numbers = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
        moments = kind in ("date", "timestamp") and by_name(column.name) != "birth date"  # which says nothing of others
        few = kind == "integer" and not is_key and pc.count_distinct(values).as_py() <= _FEW
        codes, kinds = _codes(pc.cast(values, pa.string())) if few else (None, ())
        scale = 1e6 if kind in ("date", "timestamp") else 1.0
        return SampledColumn(
            is_null=is_null, numbers=numbers * scale, codes=codes, kinds=kinds, is_moment=moments, is_key=is_key
        )
    if kind == "bool":
        values = pc.if_else(pc.equal(values, "t"), "true", "false")
    if kind in ("bool", "enum", "text") and not is_key and pc.count_distinct(values).as_py() <= _MOST_KINDS:
        codes, kinds = _codes(values)
        return SampledColumn(is_null=is_null, codes=codes, kinds=kinds)
    return SampledColumn(is_null=is_null, is_key=is_key)


def _codes(values: pa.Array) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    coded = pc.dictionary_encode(values)
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, tuple(coded.dictionary.to_pylist())
