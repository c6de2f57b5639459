"""How near the contents of one database are to those of another: column by column, in pairs, and along foreign keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rehearse.datasets import closeness, similarity
from rehearse.profiles.contents import Contents, FanOut, Rows, Values

_CATEGORIES = 100  # a column with more distinct values is no category
_REPEATED = 5.0  # … nor one whose values occur less often than this on average
_CODES = 20.0  # … and numbers are codes only where each occurs as often as this
_PAIRED = 20  # categories of a column in a pair: the noise of a table of counts grows with its cells
_PAIRS = 45  # of each kind, a table: those of ten columns
_PAIRED_ROWS = 20_000
_SHARED = 0.5  # of the values of a category: with no more in common they were named anew
_NULL = np.int64(-(2**63))  # the code of a null in a pair
_DECILES = np.linspace(0.1, 0.9, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSimilarity:
    """How near a column is, 0 to 1: `score` is the least of its parts; None where nothing could be measured.

    `shape` is that of the values, by `measure`; `nulls` compares their shares, `distinct` the numbers of different
    values in equally many rows. `order` compares how the values go with the rows' places on disk; it is not in `score`.
    """

    column: str
    measure: str | None = None
    shape: float | None = None
    nulls: float | None = None
    distinct: float | None = None
    order: float | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSimilarity:
    """How near two columns' connection is; `source` and `copy` are its strength on either side.

    By Spearman's and Pearson's coefficients (`score` is the lesser similarity, the strengths are Spearman's) or by
    "contingency" (the strengths are normalised mutual information).
    """

    columns: tuple[str, str]
    measure: str
    source: float | None
    copy: float | None
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSimilarity:
    """How near a table is: `score` is the mean of its columns', `rows_ratio` that of the rows to those expected."""

    table: str
    source_rows: int
    copy_rows: int
    rows_ratio: float | None
    score: float | None
    worst: str | None
    columns: tuple[ColumnSimilarity, ...]
    pairs: tuple[PairSimilarity, ...] = ()
    closest: closeness.Closest | None = None
    new_rows: float | None = None  # SDMetrics' NewRowSynthesis: rows that the source has not, beside their primary key


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOutSimilarity:
    """How near the numbers of children a parent are, parents with none included; orphans are shares of the children."""

    table: str
    columns: tuple[str, ...]
    parent: str
    score: float | None
    source_mean: float | None
    copy_mean: float | None
    source_without: float | None
    copy_without: float | None
    source_orphans: float | None
    copy_orphans: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """How near a database is to another, or to a profile: `overall` is the mean of all columns that were measured.

    `shapes`, `pairs` and `fan_outs_score` are means too (SDMetrics' Column Shapes, Column Pair Trends, Cardinality).
    `worst` is "table.column". `missing` is what one side lacks, `gaps` what could not be measured, and why.
    """

    overall: float | None
    worst: str | None
    worst_score: float | None
    shapes: float | None
    pairs: float | None
    fan_outs_score: float | None
    tables: tuple[TableSimilarity, ...]
    fan_outs: tuple[FanOutSimilarity, ...] = ()
    missing: tuple[str, ...] = ()
    gaps: Mapping[str, str] | None = None


def as_json(found: Any) -> dict[str, Any]:
    """Return a report as plain values for JSON; what was not measured is null."""
    plain: dict[str, Any] = asdict(found)
    return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """A column of both sides. `is_key`: its values name rows and say nothing themselves.

    `is_named_anew`: a category whose values are names alone, as keys are, or texts of which the sides have few or none
    in common, as where they must not be told: then the most frequent of one side is held against the most frequent of
    the other, and so on. `children` is the similarity of the fan-out, where the key is a foreign one.
    """

    name: str
    source: Values
    copy: Values
    is_category: bool
    is_key: bool
    children: float | None
    is_named_anew: bool = False


def compare(source: Contents, copy: Contents, *, scale: float = 1.0) -> Similarity:
    """Compare a copy with its source, of which it holds a share of `scale`.

    A table with as many rows as its source's is taken for one that keeps them at every scale. The values of keys are
    not compared: of a foreign key the number of children a parent is.
    """
    fan_outs = tuple(_fan_outs(source, copy))
    shared = [name for name in source.tables if name in copy.tables]
    tables = tuple(
        _table(source.tables[name], copy.tables[name], [one for one in fan_outs if one.table == name], scale)
        for name in shared
    )
    gaps = {
        f"{side}: {what}": why for side, one in (("source", source), ("copy", copy)) for what, why in one.gaps.items()
    }
    return summary(tables, fan_outs, missing=tuple(sorted(_missing(source, copy))), gaps=gaps)


def summary(
    tables: Sequence[TableSimilarity],
    fan_outs: Sequence[FanOutSimilarity] = (),
    *,
    missing: tuple[str, ...] = (),
    gaps: Mapping[str, str] | None = None,
) -> Similarity:
    """Return the whole of what was found in the tables."""
    columns = [(f"{table.table}.{one.column}", one) for table in tables for one in table.columns]
    scored = [(one.score, name) for name, one in columns if one.score is not None]
    least = min(scored, default=(None, None))
    return Similarity(
        overall=mean([score for score, _ in scored]),
        worst=least[1],
        worst_score=least[0],
        shapes=mean([one.shape for _, one in columns]),
        pairs=mean([pair.score for table in tables for pair in table.pairs]),
        fan_outs_score=mean([one.score for one in fan_outs]),
        tables=tuple(tables),
        fan_outs=tuple(fan_outs),
        missing=missing,
        gaps=dict(gaps or {}),
    )


def mean(numbers: Sequence[float | None]) -> float | None:
    """Return the mean of the numbers that are there."""
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None


def least(numbers: Sequence[float | None]) -> float | None:
    """Return the least of the numbers that are there."""
    return min((number for number in numbers if number is not None), default=None)


def worst(columns: Sequence[ColumnSimilarity]) -> str | None:
    """Return the name of the column that is least near, the first of equals."""
    known = [(one.score, place) for place, one in enumerate(columns) if one.score is not None]
    return columns[min(known)[1]].column if known else None


def scale_of(source: Rows, copy: Rows, scale: float) -> float:
    """Return the share of its source's rows that a table of the copy should have."""
    return 1.0 if source.rows == copy.rows else scale


def _table(source: Rows, copy: Rows, fan_outs: Sequence[FanOutSimilarity], scale: float) -> TableSimilarity:
    scale = scale_of(source, copy, scale)
    whole = source.whole and copy.whole
    surrogate = frozenset(source.primary_key if len(source.primary_key) == 1 else ())
    both = tuple(_columns(source, copy, {name: one.score for one in fan_outs for name in one.columns}, surrogate))
    orders = _orders(both)
    columns = tuple(_column(one, orders.get(one.name), scale if whole else None) for one in both)
    return TableSimilarity(
        table=source.table,
        source_rows=source.rows,
        copy_rows=copy.rows,
        rows_ratio=similarity.ratio(source.rows * scale, copy.rows),
        score=mean([one.score for one in columns]),
        worst=worst(columns),
        columns=columns,
        pairs=tuple(_pairs(both)),
        closest=closeness.distance_to_closest(source, copy, without=surrogate),
        new_rows=closeness.new_row_share(source, copy, without=surrogate),
    )


def _columns(
    source: Rows, copy: Rows, children: Mapping[str, float | None], surrogate: frozenset[str]
) -> Iterator[_Column]:
    for name, mine in source.columns.items():
        theirs = copy.columns.get(name)
        if theirs is not None:
            few = is_category(mine) or is_category(theirs)
            key = name in children or name in surrogate
            named_anew = few and (key or (mine.kind == "text" and _is_disjoint(mine, theirs)))
            yield _Column(
                name=name,
                source=_by_rank(mine) if named_anew else mine,
                copy=_by_rank(theirs) if named_anew else theirs,
                is_category=few,
                is_named_anew=named_anew,
                is_key=key and not few,
                children=children.get(name),
            )


def _column(both: _Column, order: float | None, scale: float | None) -> ColumnSimilarity:
    source, copy = both.source, both.copy
    if not len(source.present) or not len(copy.present):
        return ColumnSimilarity(column=both.name)
    measure, shape = _shape(both)
    mine, theirs = source.codes[source.present], copy.codes[copy.present]
    nulls = similarity.missing_value_similarity(1.0 - source.present.mean(), 1.0 - copy.present.mean())
    # Of a foreign key the distinct values are those of the fan-out.
    distinct = None if both.children is not None else similarity.distinct_ratio(mine, theirs, scale=scale)
    return ColumnSimilarity(
        column=both.name,
        measure=measure,
        shape=shape,
        nulls=nulls,
        distinct=distinct,
        order=order,
        score=least([shape, nulls, distinct]),
    )


def _shape(both: _Column) -> tuple[str | None, float | None]:
    source, copy = both.source, both.copy
    if both.is_key:
        return ("KS of children a parent" if both.children is not None else None), both.children
    if not source.present.any() or not copy.present.any():
        return None, None
    if both.is_category:
        measure = "TV by rank of frequency" if both.is_named_anew else "TV"
        return measure, similarity.tv_complement_of(source.codes[source.present], copy.codes[copy.present])
    if source.numbers is not None and copy.numbers is not None:
        return "KS", similarity.ks_complement(source.numbers[source.present], copy.numbers[copy.present])
    if source.lengths is None or copy.lengths is None:
        return None, None
    lengths, letters = _lengths(source, copy), _letters(source, copy)
    return "KS of lengths" + (", TV of letters" if letters is not None else ""), least([lengths, letters])


def _is_disjoint(source: Values, copy: Values) -> bool:
    """Say whether most of the source's values are not in the copy."""
    mine, theirs = np.unique(source.codes[source.present]), np.unique(copy.codes[copy.present])
    return bool(len(mine) and len(theirs)) and float(np.isin(mine, theirs).mean()) <= _SHARED


def _by_rank(values: Values) -> Values:
    """Return a column whose codes are 0, 1, 2 … from the most frequent value on."""
    kinds, places, counts = np.unique(values.codes, return_inverse=True, return_counts=True)
    ranks = np.empty(len(kinds), np.int64)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(kinds))
    return replace(values, codes=ranks[places])


def is_category(values: Values) -> bool:
    """Say whether a column's values are few and repeated, as those of an enum always are."""
    if values.kind in ("bool", "enum"):
        return True
    if values.kind in ("float", "interval", "date", "time", "timestamp"):
        return False
    known = values.codes[values.present]
    kinds = len(np.unique(known))
    repeated = _CODES if values.numbers is not None else _REPEATED
    return 0 < kinds <= _CATEGORIES and len(known) / kinds >= repeated


def _lengths(source: Values, copy: Values) -> float | None:
    assert source.lengths is not None
    assert copy.lengths is not None
    return similarity.ks_complement(source.lengths[source.present], copy.lengths[copy.present])


def _letters(source: Values, copy: Values) -> float | None:
    if source.letters is None or copy.letters is None:
        return None
    return similarity.tv_complement(dict(enumerate(source.letters.tolist())), dict(enumerate(copy.letters.tolist())))


def _orders(both: Sequence[_Column]) -> dict[str, float | None]:
    """Return for each column of numbers how near its correlation (Spearman's) with the rows' places on disk is."""
    found = {}
    for one in map(_thinned, both):
        if one.source.numbers is not None and one.copy.numbers is not None:
            sides = [_order(one.source.numbers), _order(one.copy.numbers)]
            found[one.name] = similarity.correlation_similarity(*sides)
    return found


def _order(numbers: NDArray[np.float64]) -> float | None:
    return similarity.correlation(similarity.ranks(numbers), np.arange(len(numbers), dtype=np.float64))


def _pairs(both: Sequence[_Column]) -> Iterator[PairSimilarity]:
    thinned = tuple(map(_thinned, both))
    yield from islice(_correlations([one for one in thinned if _numeric(one)]), _PAIRS)
    yield from islice(_contingencies(thinned), _PAIRS)


def _thinned(one: _Column) -> _Column:
    """Return a column of at most so many rows, at equal steps, as pairs are measured on."""
    return replace(one, source=_every(one.source), copy=_every(one.copy))


def _every(values: Values) -> Values:
    step = max(1, -(-len(values.present) // _PAIRED_ROWS))
    return Values(
        kind=values.kind,
        present=values.present[::step],
        codes=values.codes[::step],
        numbers=None if values.numbers is None else values.numbers[::step],
    )


def _numeric(one: _Column) -> bool:
    return one.source.numbers is not None and one.copy.numbers is not None and not one.is_category


def _correlations(both: Sequence[_Column]) -> Iterator[PairSimilarity]:
    ranked = {one.name: [similarity.ranks(_numbers(side)) for side in (one.source, one.copy)] for one in both}
    for first, second in combinations(both, 2):
        spearman = [
            similarity.correlation(*sides) for sides in zip(ranked[first.name], ranked[second.name], strict=True)
        ]
        pearson = [
            similarity.correlation(_numbers(first.source), _numbers(second.source)),
            similarity.correlation(_numbers(first.copy), _numbers(second.copy)),
        ]
        score = least([similarity.correlation_similarity(*sides) for sides in (spearman, pearson)])
        if score is not None:
            yield PairSimilarity(
                columns=(first.name, second.name),
                measure="Spearman, Pearson",
                source=spearman[0],
                copy=spearman[1],
                score=score,
            )


def _numbers(values: Values) -> NDArray[np.float64]:
    assert values.numbers is not None
    return values.numbers


def _contingencies(both: Sequence[_Column]) -> Iterator[PairSimilarity]:
    """Compare pairs of columns of which one at least has few categories; the other may be numbers in deciles."""
    few = {
        one.name for one in both if one.is_category and _kinds(one.source) <= _PAIRED and _kinds(one.copy) <= _PAIRED
    }
    binned = {one.name: _binned(one) for one in both if one.name in few or (_numeric(one) and not one.is_key)}
    for first, second in combinations(binned, 2):
        if not {first, second} & few:
            continue
        mine, theirs = zip(binned[first], binned[second], strict=True)
        score = similarity.contingency_similarity(mine, theirs)
        if score is not None:
            strengths = [similarity.mutual_information(*sides) for sides in (mine, theirs)]
            yield PairSimilarity(
                columns=(first, second), measure="contingency", source=strengths[0], copy=strengths[1], score=score
            )


def _kinds(values: Values) -> int:
    return len(np.unique(values.codes[values.present]))


def _binned(one: _Column) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both sides' codes, null being one too; numbers fall into the deciles of the source."""
    sides = one.source, one.copy
    if one.is_category:
        codes = [side.codes for side in sides]
    else:
        known = _numbers(one.source)[one.source.present]
        edges = np.quantile(known, _DECILES) if known.size else np.zeros(0)
        codes = [np.searchsorted(edges, _numbers(side), side="right").astype(np.int64) for side in sides]
    filled = [np.where(side.present, code, _NULL) for side, code in zip(sides, codes, strict=True)]
    return filled[0], filled[1]


def _fan_outs(source: Contents, copy: Contents) -> Iterator[FanOutSimilarity]:
    theirs = {(one.table, one.key): one for one in copy.fan_outs}
    for one in source.fan_outs:
        other = theirs.get((one.table, one.key))
        if other is not None:
            yield fan_out(one, other)


def fan_out(source: FanOut, copy: FanOut) -> FanOutSimilarity:
    """Compare the numbers of children along a foreign key."""
    return FanOutSimilarity(
        table=source.table,
        columns=source.key.columns,
        parent=source.key.parent,
        score=similarity.cardinality_shape_similarity(source.groups, copy.groups),
        source_mean=similarity.mean_children(source.groups),
        copy_mean=similarity.mean_children(copy.groups),
        source_without=without(source),
        copy_without=without(copy),
        source_orphans=orphans(source),
        copy_orphans=orphans(copy),
    )


def without(one: FanOut) -> float | None:
    """Return the share of the parents that have no child."""
    parents = sum(one.groups.values())
    return one.groups.get(0, 0) / parents if parents else None


def orphans(one: FanOut) -> float | None:
    """Return the share of the children that point at no parent, of those that point at anything."""
    pointing = one.orphans + sum(children * parents for children, parents in one.groups.items())
    return one.orphans / pointing if pointing else None


def _missing(source: Contents, copy: Contents) -> Iterator[str]:
    for name in source.tables.keys() ^ copy.tables.keys():
        yield f"{name} is in the {'source' if name in source.tables else 'copy'} only"
    for name in source.tables.keys() & copy.tables.keys():
        mine, theirs = source.tables[name].columns, copy.tables[name].columns
        for one in mine.keys() ^ theirs.keys():
            yield f"{name}.{one} is in the {'source' if one in mine else 'copy'} only"
