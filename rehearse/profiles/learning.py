"""How the columns of one row go together, learned from a sample of rows; values leave by their order and shares only.

Numbers and moments are joined by a Gaussian copula, with the row's place as one of the variables (so that the physical
order comes out); categories by the tree of pairs that share most information (Chow and Liu, 1968); moments that follow
each other by their delay; nulls by the category that explains them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rehearse.profiles.contingency import Codes, Floats, contingency, entropy, information
from rehearse.profiles.slicing import Newest, slices

PLACE = "#"
_FEWEST = 50  # rows from which anything is learned
_MOST_KINDS = 50  # values of a category
_PLAIN = 0.05  # a correlation as small as this is left out
_IN_ORDER = 0.95  # a correlation above which rows lie in the order in which they came
_TELLING = 0.04  # share of a category's information that another must have of it
_EXPLAINED = 0.1  # share of the information in which rows are null that a category must have
_ALWAYS = 0.998  # share of the rows in which one moment follows another
_DELAYS = 13
_SHARED = 0.02  # share of the rows with one moment, from which it is one statement's doing


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledColumn:
    """A column of a sample: `numbers` with NaN for null (moments in µs since 1970), or `codes` into `kinds`, -1 null.

    A bool's kinds are "false" and "true". A column may have both, or neither when it only tells which rows are null.
    """

    is_null: NDArray[np.bool_]
    numbers: Floats | None = None
    codes: Codes | None = None
    kinds: tuple[str, ...] = ()
    is_moment: bool = False
    is_key: bool = False  # points elsewhere, or names the row


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Quantiles of the time between two moments: in seconds, or as parts of the time that was left until the last."""

    seconds: tuple[float, ...] = ()
    parts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What was learned of one table.

    `correlations` are rows of the lower triangle over `columns`; `orders` are the kinds of a joined category in the
    order that its scores follow; `given` says for a category by which other it goes, with the shares of its kinds for
    each of that other's; `slices` the shares of its kinds along the table, up to each place; `nulls` by which category
    a column is null, and how often; `after` which moment follows which, and how much later; `copies` which column is
    equal to which. `order` is the correlation of the rows' places with the order in which their key was counted up;
    where that is not 1, `along` are the columns' correlations with the latter.
    """

    columns: tuple[str, ...] = ()
    correlations: tuple[tuple[float, ...], ...] = ()
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    given: Mapping[str, tuple[str, Mapping[str, Mapping[str, float]]]] = field(default_factory=dict)
    slices: Mapping[str, tuple[tuple[float, Mapping[str, float]], ...]] = field(default_factory=dict)
    nulls: Mapping[str, tuple[str, Mapping[str, float]]] = field(default_factory=dict)
    last_us: float | None = None  # the latest moment of the sample
    order: float = 1.0
    along: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, tuple[str, Delay]] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)


def learn(
    columns: Mapping[str, SampledColumn],
    places: Floats,
    *,
    least: float,
    counter: str | None = None,
    came: Floats | None = None,
    newest: Newest | None = None,
) -> Joined:
    """Return what a sample tells of how columns go together; `places` are 0 … 1, the rows' places in the table.

    `least` is the number of sampled rows that must share a pair of values for it to be told. `counter` is a column that
    was counted up as rows came: where updates have moved the rows about, it stands for their places. `came` are the
    rows' places, 0 … 1, in the order in which they came, where it is known; `newest` those that came last.
    """
    if len(places) < _FEWEST:
        return Joined()
    order, along, sliced_by = 1.0, {}, places if came is None else came
    counted = columns[counter].numbers if counter is not None else None
    if counted is not None:
        order = max(0.0, _pearson(_scores(counted), _scores(places)))
        if order < _IN_ORDER:
            places = _scores(counted)
            along = {
                name: _rounded(_pearson(_scores(one.numbers), places))
                for name, one in columns.items()
                if one.numbers is not None and name != counter
            }
        else:
            order = 1.0
    copies = dict(_copies(columns))
    after = dict(_after({name: one for name, one in columns.items() if name not in copies}))
    categories = {name: one for name, one in columns.items() if one.codes is not None and len(one.kinds) > 1}
    sliced = dict(slices(categories, sliced_by, least, newest))
    given = {name: one for name, one in _given(categories, least) if name not in sliced}
    follows = {name: {of} for name, (of, *_) in {**given, **after}.items()} | {
        name: {of} for name, of in copies.items()
    }
    nulls = dict(_nulls(columns, categories, follows))
    scores = {PLACE: _scores(places)}
    for name, one in columns.items():
        if (
            one.numbers is not None
            and not one.is_key
            and name not in after
            and name not in copies
            and name not in given
        ):
            scores[name] = _scores(one.numbers)
    orders = {}
    for name, one in categories.items():
        if name not in given and name not in scores and name not in sliced:
            orders[name] = _order(one, scores)
            scores[name] = _scores(_placed(one, orders[name]))
    names, correlations = _correlations(scores)
    return Joined(
        columns=names,
        correlations=correlations,
        orders={name: tuple(order) for name, order in orders.items() if name in names},
        given=given,
        slices=sliced,
        nulls=nulls,
        after=after,
        copies=copies,
        order=round(order, 3),
        along=along,
        last_us=_last(columns),
    )


def _rounded(correlation: float) -> float:
    if abs(correlation) < _PLAIN:
        return 0.0
    return round(correlation, 5 if abs(correlation) > 0.99 else 3)


def _scores(values: Floats) -> Floats:
    """Return normal scores of ranks, equal values at the middle of theirs; NaN stays."""
    from rehearse.profiles.normal import scores  # noqa: PLC0415 - a table of 16,000 numbers

    known = ~np.isnan(values)
    _, places, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2.0
    found = np.full(len(values), np.nan)
    if known.any():
        found[known] = scores(middle[places] / counts.sum())
    return found


def _correlations(scores: Mapping[str, Floats]) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...]]:
    names = list(scores)
    matrix = np.eye(len(names))
    for (at, one), (other_at, other) in itertools.combinations(enumerate(names), 2):
        matrix[at, other_at] = matrix[other_at, at] = _pearson(scores[one], scores[other])
    matrix[np.abs(matrix) < max(_PLAIN, 2.0 / np.sqrt(len(scores[PLACE])))] = 0.0
    kept = [at for at, row in enumerate(matrix) if at == 0 or np.abs(row).sum() > 1.0 + 1e-9]
    if len(kept) < 2:
        return (), ()
    rows = tuple(
        tuple(_rounded(float(matrix[at, other])) for other in kept[: place + 1]) for place, at in enumerate(kept)
    )
    return tuple(names[at] for at in kept), rows


def _pearson(first: Floats, second: Floats) -> float:
    known = ~(np.isnan(first) | np.isnan(second))
    if known.sum() < _FEWEST or not first[known].std() or not second[known].std():
        return 0.0
    return float(np.corrcoef(first[known], second[known])[0, 1])


def _order(column: SampledColumn, scores: Mapping[str, Floats]) -> list[str]:
    """Return a category's kinds by the mean of the scores that it goes with most closely."""
    assert column.codes is not None
    if set(column.kinds) == {"false", "true"}:
        return ["false", "true"]
    best, order = 0.0, list(column.kinds)
    for values in scores.values():
        known = ~np.isnan(values) & (column.codes >= 0)
        if known.sum() < _FEWEST:
            continue
        counts = np.bincount(column.codes[known], minlength=len(column.kinds))
        sums = np.bincount(column.codes[known], values[known], minlength=len(column.kinds))
        means = np.divide(sums, counts, out=np.zeros(len(counts)), where=counts > 0)
        explained = float((counts * means**2).sum() / counts.sum())
        if explained > best:
            best, order = explained, [column.kinds[at] for at in np.argsort(means, kind="stable")]
    return order


def _placed(column: SampledColumn, order: Sequence[str]) -> Floats:
    assert column.codes is not None
    places = np.array([order.index(kind) for kind in column.kinds] + [0], np.float64)
    return np.where(column.codes >= 0, places[column.codes], np.nan)


def _given(
    categories: Mapping[str, SampledColumn], least: float
) -> Iterator[tuple[str, tuple[str, Mapping[str, Mapping[str, float]]]]]:
    """Yield each category that goes by another: a forest of the pairs that share most information."""
    shared = []
    for (name, one), (other_name, other) in itertools.combinations(categories.items(), 2):
        assert one.codes is not None and other.codes is not None
        table = contingency(one.codes, other.codes, len(one.kinds), len(other.kinds))
        telling = information(table) / max(1e-9, min(entropy(table.sum(1)), entropy(table.sum(0))))
        if telling > _TELLING:
            shared.append((telling, name, other_name))
    group = {name: name for name in categories}
    edges: dict[str, list[str]] = {name: [] for name in categories}
    for _, one_name, other_name in sorted(shared, reverse=True):
        if _root(group, one_name) != _root(group, other_name):
            group[_root(group, one_name)] = _root(group, other_name)
            edges[one_name].append(other_name)
            edges[other_name].append(one_name)
    done: set[str] = set()
    # Trees grow from columns that are always there, so that what is null may go by them, too.
    for name in sorted(
        categories, key=lambda name: (categories[name].is_null.mean() > 0.01, -len(categories[name].kinds))
    ):
        yield from _branches(name, edges, categories, least, done)


def _root(group: Mapping[str, str], name: str) -> str:
    while group[name] != name:
        name = group[name]
    return name


def _branches(
    name: str, edges: Mapping[str, list[str]], categories: Mapping[str, SampledColumn], least: float, done: set[str]
) -> Iterator[tuple[str, tuple[str, Mapping[str, Mapping[str, float]]]]]:
    done.add(name)
    for other in edges[name]:
        if other not in done:
            yield other, (name, _shares(categories[name], categories[other], least))
            yield from _branches(other, edges, categories, least, done)


def _shares(of: SampledColumn, column: SampledColumn, least: float) -> dict[str, dict[str, float]]:
    """Return the shares of a category's kinds for each kind of another; pairs that too few rows share are left out."""
    assert of.codes is not None and column.codes is not None
    table = contingency(of.codes, column.codes, len(of.kinds), len(column.kinds))
    found = {}
    for kind, row in zip(of.kinds, table, strict=True):
        told = {name: count for name, count in zip(column.kinds, row.tolist(), strict=True) if count >= least}
        if told and sum(told.values()) > 0.9 * row.sum():
            found[kind] = {name: round(count / float(row.sum()), 4) for name, count in told.items()}
    return found


def _nulls(
    columns: Mapping[str, SampledColumn], categories: Mapping[str, SampledColumn], follows: dict[str, set[str]]
) -> Iterator[tuple[str, tuple[str, Mapping[str, float]]]]:
    """Yield the columns whose nulls a category, or another column's nulls, explains.

    `follows` says which columns are made from which others, and grows: none may come to wait for itself.
    """
    for name, column in columns.items():
        share = float(column.is_null.mean())
        if not 0.01 < share < 0.99:
            continue
        best, told = _EXPLAINED, None
        for other, kinds, codes in _explaining(name, columns, categories):
            if _reaches(other, name, follows):
                continue
            table = contingency(codes, column.is_null.astype(np.int64), len(kinds), 2)
            explained = information(table) / entropy(table.sum(0))
            if explained > best:
                shares = table[:, 1] / np.maximum(1.0, table.sum(1))
                best, told = explained, (other, dict(zip(kinds, shares.round(4).tolist(), strict=True)))
        if told is not None:
            follows.setdefault(name, set()).add(told[0])
            yield name, told


def _reaches(start: str, goal: str, follows: Mapping[str, set[str]]) -> bool:
    """Say whether a column is made from another, over any number of steps."""
    seen, left = set(), [start]
    while left:
        name = left.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            left += follows.get(name, ())
    return False


def _explaining(
    name: str, columns: Mapping[str, SampledColumn], categories: Mapping[str, SampledColumn]
) -> Iterator[tuple[str, tuple[str, ...], Codes]]:
    for other, one in categories.items():
        if other != name and one.codes is not None:
            yield other, ("null", *one.kinds), one.codes + 1
    for other, one in columns.items():
        if other not in categories and other < name and 0.01 < one.is_null.mean() < 0.99:
            yield other, ("null", "*"), 1 - one.is_null.astype(np.int64)


def _after(columns: Mapping[str, SampledColumn]) -> Iterator[tuple[str, tuple[str, Delay]]]:
    """Yield the moments that follow another of the row, the nearest one before, and how much later they are."""
    moments = {name: one.numbers for name, one in columns.items() if one.is_moment and one.numbers is not None}
    last, before_which = _last(columns) or 0.0, dict[str, set[str]]()
    for name, values in moments.items():
        found = [
            (float(np.median(delays)), one, delays)
            for one, delays in _delays(moments, name)
            if not _reaches(one, name, before_which)
        ]
        if found:
            _, before, _ = min(found, key=lambda one: one[0])
            before_which[name] = {before}
            own = _own(values)
            yield name, (before, _delay(moments[before], own, own - moments[before], last))


def _own(moments: Floats) -> Floats:
    """Return moments without the days that many rows share, as after one statement; all, if few are left.

    Such a day is told with its share, and explains no delay.
    """
    _, places, counts = np.unique(moments, return_inverse=True, return_counts=True)
    is_day = moments % 86_400e6 == 0
    is_shared = (counts >= max(_FEWEST, _SHARED * len(moments)))[places] & is_day
    left = (~np.isnan(moments) & ~is_shared).sum()
    return np.where(is_shared, np.nan, moments) if left >= _FEWEST else moments


def _last(columns: Mapping[str, SampledColumn]) -> float | None:
    moments = [one.numbers for one in columns.values() if one.is_moment and one.numbers is not None]
    return max((float(np.nanmax(one)) for one in moments if (~np.isnan(one)).any()), default=None)


def _delay(before: Floats, after: Floats, delays: Floats, last: float) -> Delay:
    """Return the delay in the form that brings the later moments nearer to those that there are."""
    delays = delays[~np.isnan(delays)]
    known = ~(np.isnan(before) | np.isnan(after))
    start, left = before[known], np.maximum(last - before[known], 1.0)
    parts = np.clip((after[known] - start) / left, 0.0, 1.0)
    order = np.random.default_rng(0).permutation(len(start))
    gaps = [_gap(after[known], made) for made in (start + delays[order], start + left * parts[order])]
    steps = np.linspace(0.0, 1.0, _DELAYS)
    if gaps[0] <= gaps[1]:
        quantiles = np.quantile(delays, steps) / 1e6
        return Delay(seconds=tuple(max(0.0, float(f"{one:.3g}")) for one in quantiles))
    return Delay(parts=tuple(round(float(one), 4) for one in np.quantile(parts, steps)))


def _gap(first: Floats, second: Floats) -> float:
    """Return the greatest difference of two distribution functions."""
    points = np.concatenate([first, second])
    sides = [np.searchsorted(np.sort(one), points, side="right") / len(one) for one in (first, second)]
    return float(np.abs(sides[0] - sides[1]).max())


def _delays(moments: Mapping[str, Floats], name: str) -> Iterator[tuple[str, Floats]]:
    """Yield the moments that a moment is never before, and how much later it is in the rows that have both."""
    for one, values in moments.items():
        delays = moments[name] - values
        delays = delays[~np.isnan(delays)]
        if one != name and len(delays) >= _FEWEST and (delays >= 0).mean() >= _ALWAYS and delays.mean() > 0:
            yield one, delays


def _copies(columns: Mapping[str, SampledColumn]) -> Iterator[tuple[str, str]]:
    numbers = {name: one.numbers for name, one in columns.items() if one.numbers is not None and not one.is_key}
    done: set[str] = set()
    for one, other in itertools.combinations(numbers, 2):
        both = ~(np.isnan(numbers[one]) | np.isnan(numbers[other]))
        same = (numbers[one][both] == numbers[other][both]).mean() if both.sum() >= _FEWEST else 0.0
        if same >= _ALWAYS and other not in done and len(np.unique(numbers[one][both])) > _MOST_KINDS:
            done.add(other)
            yield other, one
