"""How near the rows of a database come to what a profile states, shape by shape.

What is expected is derived from the profile's own words, not drawn by the generator, so that a fault of the generator
or of the way into the database is seen. Shapes that state nothing measurable are "not measured".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rehearse.datasets import arrow, quantiles, similarity
from rehearse.datasets import expected_children as children_of
from rehearse.datasets.alike import ColumnSimilarity, Similarity, TableSimilarity, least, mean, summary, without, worst
from rehearse.datasets.plan import Plan, Reference, TablePlan
from rehearse.profiles import Column, ForeignKey
from rehearse.profiles import shapes as sh
from rehearse.profiles.contents import Contents, FanOut, Part, Rows, Values

ROWS = "(rows)"  # stands among a table's columns for how many rows there are
_STEPS = 2_000  # points that stand for a continuous distribution: an error of 1/4000 at the most
_MICROSECONDS = 1e6
_COMPARED = ("integer", "numeric", "float", "bool", "date", "timestamp")
_SIMPLE = ("integer", "numeric", "float", "text", "enum", "bool")
_TEXT_SIGNS = 200  # signs of a text that a reader of databases returns

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """A column that the profile describes, and what was read of it."""

    plan: Plan
    table: TablePlan
    column: Column
    values: Values

    @property
    def present(self) -> NDArray[np.bool_]:
        return self.values.present


def parts(plan: Plan) -> dict[str, dict[str, tuple[Part, ...]]]:
    """Return what must be read {table: {column: parts}} to compare with the profile."""
    return {
        name: {
            column: _needed(shape, plan.tables[name].columns[column])
            for column, shape in plan.profile.tables[name].columns.items()
            if column in plan.tables[name].columns
        }
        for name in plan.tables
        if name in plan.profile.tables
    }


def _needed(shape: sh.Shape, column: Column) -> tuple[Part, ...]:
    match shape:
        case sh.Choice() | sh.Value() if column.type.kind in ("text", "enum"):
            return ("text",)
        case sh.Choice() | sh.Value() | sh.Bool() | sh.Number() | sh.Serial() | sh.Histogram() | sh.Time():
            return ("number", "code") if column.type.kind in _COMPARED else ("present",)
        case sh.Items():
            return ("length",)
        case sh.Text(unique=True) | sh.Pattern(unique=True):
            return ("code", "length") if isinstance(shape, sh.Text) and shape.lengths else ("code",)
        case sh.Text() | sh.Random():
            asked: list[Part] = ["code"] if shape.shares else []
            return (*asked, "length") if isinstance(shape, sh.Random) or shape.lengths else tuple(asked)
        case _:
            return ("present",)


def keys(plan: Plan) -> dict[str, tuple[ForeignKey, ...]]:
    """Return the references {table: keys} that the profile describes, those without a constraint among them."""
    return {
        name: tuple(
            dict.fromkeys(
                ForeignKey(columns=one.columns, parent=one.parent, parent_columns=one.parent_columns)
                for one in table.references.values()
            )
        )
        for name, table in plan.tables.items()
    }


def to_profile(plan: Plan, found: Contents) -> Similarity:
    """Compare what stands in a database with the profile that it was made from; `plan` knows the scale."""
    tables = tuple(
        _table(plan, plan.tables[name], found.tables[name], found) for name in plan.tables if name in found.tables
    )
    missing = tuple(f"{name} is not in the database" for name in plan.tables if name not in found.tables)
    return summary(tables, missing=missing, gaps=found.gaps)


def _table(plan: Plan, table: TablePlan, rows: Rows, found: Contents) -> TableSimilarity:
    described = plan.profile.tables[table.name].columns if table.name in plan.profile.tables else {}
    ratio = similarity.ratio(table.rows, rows.rows)
    columns = [ColumnSimilarity(column=ROWS, measure="rows", shape=ratio, score=ratio)]
    columns += [
        _column(plan, table, name, rows.columns[name], found)
        for name in described
        if name in table.columns and name in rows.columns
    ]
    return TableSimilarity(
        table=table.name,
        source_rows=table.rows,
        copy_rows=rows.rows,
        rows_ratio=ratio,
        score=mean([one.score for one in columns]),
        worst=worst(columns),
        columns=tuple(columns),
    )


def _column(plan: Plan, table: TablePlan, name: str, values: Values, found: Contents) -> ColumnSimilarity:
    shape = plan.profile.tables[table.name].columns[name]
    nulls = _nulls(table, name, shape, values)
    if isinstance(shape, sh.Parent):
        measure, score = _parents(table, name, plan, found)
    elif values.present.any() and type(shape) in _MEASURES:
        expected = _Expected(plan=plan, table=table, column=table.columns[name], values=values)
        measure, score = _MEASURES[type(shape)](shape, expected)
    else:
        measure, score = None, None
    distinct = _distinct(shape, values)
    return ColumnSimilarity(
        column=name,
        measure=measure if score is not None else None,
        shape=score,
        nulls=nulls,
        distinct=distinct,
        score=least([score, nulls, distinct]),
    )


def _nulls(table: TablePlan, name: str, shape: sh.Shape, values: Values) -> float | None:
    """Compare the share of nulls where the profile states one; what it takes from another column follows that one."""
    if not len(values.present):
        return None
    share = 1.0 - float(values.present.mean())
    if shape.null is None and (isinstance(shape, sh.After | sh.Copy | sh.Given | sh.Value) or not share):
        return None
    reference = table.references.get(name)
    if shape.null is None and reference is not None and reference.parent == table.name:
        return None  # the first row of a table that points at itself has nobody to point at
    return similarity.missing_value_similarity(shape.null or 0.0, share)


def _distinct(shape: sh.Shape, values: Values) -> float | None:
    if not (isinstance(shape, sh.Text | sh.Pattern) and shape.unique) or not values.present.any():
        return None
    known = values.codes[values.present]
    return len(np.unique(known)) / len(known)


Measured = tuple[str, float | None]


def _choice(shape: sh.Choice, expected: _Expected) -> Measured:
    weights = shape.of if isinstance(shape.of, Mapping) else {_word(one): 1.0 for one in shape.of}
    if shape.recent is None:
        return "TV of weights", _categories(weights, expected)
    rows = expected.table.rows
    recent = (rows - math.ceil(rows * (1.0 - shape.recent_rows))) / max(1, rows)
    both: dict[str, float] = {}
    for part, share in ((weights, 1.0 - recent), (shape.recent, recent)):
        total = sum(part.values())
        for value, weight in part.items():
            both[value] = both.get(value, 0.0) + share * weight / total
    return "TV of weights", _categories(both, expected)


def _value(shape: sh.Value, expected: _Expected) -> Measured:
    return "TV of weights", None if shape.value is None else _categories({_word(shape.value): 1.0}, expected)


def _bool(shape: sh.Bool, expected: _Expected) -> Measured:
    return "TV of weights", _categories({"true": shape.true, "false": 1.0 - shape.true}, expected)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _categories(weights: Mapping[str, float], expected: _Expected) -> float | None:
    """Compare weights with what stands in a column of a type whose values can be told from words."""
    kind, values, present = expected.column.type, expected.values, expected.present
    if kind.kind not in _SIMPLE:
        return None
    if kind.kind == "bool":
        wanted: dict[object, float] = _summed(weights, lambda word: word in ("true", "t", "1", "yes"))
        return similarity.tv_complement(wanted, _counted(values.codes[present] == 1))
    if values.numbers is not None:
        try:
            wanted = _summed(weights, float)
        except ValueError:
            return None
        return similarity.tv_complement(wanted, _counted(values.numbers[present]))
    if values.texts is None:
        return None
    most = min(_TEXT_SIGNS, kind.length or _TEXT_SIGNS)
    return similarity.tv_complement(_summed(weights, lambda word: word[:most]), _counted(values.texts[present]))


def _summed(weights: Mapping[str, float], key: Callable[[str], object]) -> dict[object, float]:
    found: dict[object, float] = {}
    for word, weight in weights.items():
        found[key(word)] = found.get(key(word), 0.0) + weight
    return found


def _counted(values: NDArray[Any]) -> dict[object, float]:
    kinds, counts = np.unique(values.astype(str) if values.dtype == object else values, return_counts=True)
    return dict(zip(kinds.tolist(), counts.tolist(), strict=True))


def _number(shape: sh.Number, expected: _Expected) -> Measured:
    whole = expected.column.type.kind == "integer"
    if shape.median is None:
        drawn = shape.low + _shares() * (shape.high - shape.low + whole)
    else:
        drawn = shape.median * np.exp(shape.sigma * _normal())
    if shape.step:
        drawn = np.round(drawn / shape.step) * shape.step
    drawn = np.clip(drawn, shape.low, shape.high)
    return "KS of values", _ks(np.floor(drawn) if whole else drawn, expected)


def _serial(shape: sh.Serial, expected: _Expected) -> Measured:
    rows = expected.table.rows
    places = np.arange(rows, dtype=np.float64) if rows <= _STEPS else np.floor(_shares() * rows)
    return "KS of values", _ks(places * shape.step + shape.start, expected)


def _histogram(shape: sh.Histogram, expected: _Expected) -> Measured:
    bounds = [_in_seconds(one) for one in shape.bounds]
    moments = not isinstance(shape.bounds[0], int | float)
    if moments == (expected.column.type.kind in ("integer", "numeric", "float")):
        return "KS of bounds", None
    at = np.linspace(0.0, 1.0, len(bounds)) if shape.at is None else np.array(shape.at, np.float64)
    rest = np.interp(_stepped(shape, expected), at, bounds)
    common = np.array([_common(word, moments=moments) for word in shape.common], np.float64)
    shares = np.array(list(shape.common.values()), np.float64)
    left = max(0.0, 1.0 - float(shares.sum()))
    weights = np.concatenate([shares, np.full(len(rest), left / len(rest))])
    return "KS of bounds", _ks(np.concatenate([common, rest]), expected, weights)


def _stepped(shape: sh.Histogram, expected: _Expected) -> Floats:
    """Return the places of the values between the bounds: where there are few, each in the middle of its step."""
    if shape.distinct is None:
        return _shares()
    kinds = max(1, round(shape.distinct * (expected.table.growth if shape.grows else 1.0)))
    return _shares() if kinds >= _STEPS else np.asarray((np.arange(kinds) + 0.5) / kinds, np.float64)


def _common(word: str, *, moments: bool) -> float:
    return _in_seconds(datetime.fromisoformat(word)) if moments else float(word)


def _in_seconds(value: float | sh.Moment) -> float:
    return float(value) if isinstance(value, int | float) else quantiles.micros(value) / _MICROSECONDS


def _time(shape: sh.Time, expected: _Expected) -> Measured:
    if expected.column.type.kind not in ("date", "timestamp"):
        return "KS of moments", None
    until = _in_seconds(shape.until or expected.plan.profile.now)
    since = until - expected.plan.profile.years * 365.25 * 86_400 if shape.since is None else _in_seconds(shape.since)
    places = _shares()
    if shape.growth != 1.0:
        places = np.log1p(places * (shape.growth - 1.0)) / math.log(shape.growth)
    return "KS of moments", _ks(since + places * (until - since), expected)


def _text(shape: sh.Text, expected: _Expected) -> Measured:
    """Compare lengths and the shares of the most frequent texts, where they were measured."""
    lengths = _lengths(quantiles.lengths(shape.lengths, _shares()), expected) if shape.lengths else None
    return "KS of lengths, TV of shares", least([lengths, _frequent(shape.shares, expected)])


def _frequent(shares: list[float], expected: _Expected) -> float | None:
    if not shares:
        return None
    counts = np.sort(np.unique(expected.values.codes[expected.present], return_counts=True)[1])[::-1]
    found = (counts / counts.sum())[: len(shares)].tolist()
    wanted = sorted(shares, reverse=True)
    rest = {"rest": 1.0 - sum(wanted)}, {"rest": 1.0 - sum(found)}
    return similarity.tv_complement(rest[0] | dict(enumerate(wanted)), rest[1] | dict(enumerate(found)))


def _items(shape: sh.Items, expected: _Expected) -> Measured:
    wanted = quantiles.lengths(shape.sizes, _shares()) if shape.sizes else _between(shape.least, shape.most)
    return "KS of lengths", _lengths(wanted, expected)


def _random(shape: sh.Random, expected: _Expected) -> Measured:
    if expected.column.type.kind != "bytes":
        return "TV of shares", _frequent(shape.shares, expected)
    return "KS of lengths", _lengths(_between(shape.least, max(shape.least, shape.most)), expected)


def _between(low: int, high: int) -> NDArray[np.int64]:
    return np.arange(low, high + 1, dtype=np.int64)


def _lengths(wanted: NDArray[np.int64], expected: _Expected) -> float | None:
    values = expected.values
    if values.lengths is None:
        return None
    top = expected.column.type.length or np.inf
    return similarity.ks_complement(np.minimum(wanted, top).astype(np.float64), values.lengths[values.present])


_MEASURES: Mapping[type, Callable[[Any, _Expected], Measured]] = {
    sh.Choice: _choice,
    sh.Value: _value,
    sh.Bool: _bool,
    sh.Number: _number,
    sh.Serial: _serial,
    sh.Histogram: _histogram,
    sh.Time: _time,
    sh.Text: _text,
    sh.Items: _items,
    sh.Random: _random,
}


def _shares() -> Floats:
    return (np.arange(_STEPS) + 0.5) / _STEPS


@cache
def _normal() -> Floats:
    """Return the standard normal's quantiles at `_shares`."""
    return np.array([NormalDist().inv_cdf(share) for share in _shares()])


def _ks(wanted: Floats, expected: _Expected, weights: Floats | None = None) -> float | None:
    """Compare what is wanted, rounded as the column's type does, with the numbers that are there."""
    values, kind = expected.values, expected.column.type
    if values.numbers is None:
        return None
    found = values.numbers[values.present]
    if kind.kind == "integer":
        wanted = np.round(wanted)
    elif kind.kind == "numeric":
        wanted, found = np.round(wanted, arrow.scale(kind)), np.round(found, arrow.scale(kind))
    elif kind.kind == "date":
        wanted = np.floor(wanted / 86_400.0) * 86_400.0
    return similarity.ks_complement(wanted, found, first_weights=weights)


def _parents(table: TablePlan, name: str, plan: Plan, found: Contents) -> Measured:
    reference = table.references.get(name)
    fan_out = next((one for one in found.fan_outs if reference and _same(one, table, reference)), None)
    if reference is None or fan_out is None or reference.parent == table.name or not sum(fan_out.groups.values()):
        return "children a parent", None
    children = table.rows * (1.0 - reference.null)
    groups = children_of.groups(
        reference, children, plan.tables[reference.parent].rows if reference.parent in plan.tables else 0
    )
    if groups is not None:
        return "KS of children a parent", _shape_of(groups, fan_out)
    stated = reference.shape.without
    return "parents without children", 1.0 - max(0.0, stated - (without(fan_out) or 0.0)) if stated else None


def _same(one: FanOut, table: TablePlan, reference: Reference) -> bool:
    return one.table == table.name and (one.key.columns, one.key.parent) == (reference.columns, reference.parent)


def _shape_of(groups: Mapping[int, float], found: FanOut) -> float | None:
    """Compare with KSComplement, as CardinalityShapeSimilarity does."""
    sides = [
        (np.array(list(one), np.float64), np.array(list(one.values()), np.float64)) for one in (groups, found.groups)
    ]
    (mine, weights), (theirs, counts) = sides
    return similarity.ks_complement(mine, theirs, first_weights=weights, second_weights=counts)
