"""The shapes of texts: lengths, patterns, JSON objects; told from values, of which nothing else is kept."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rehearse.profiles.defaults import vocabulary_of
from rehearse.profiles.privacy import Gate, rounded
from rehearse.profiles.shapes import Bool, Choice, Histogram, Items, Json, Number, Shape, Text

Weighted = Sequence[tuple[str, float]]
"""Values with their weights."""

_QUANTILES = 12
_FEWEST = 20  # values from which a pattern may be told
_FEWEST_TIMES = 3  # that a key or a value was seen, before its share is believed
_LONGEST_PATTERN = 40
_DEEPEST = 3
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")


def quantiles(lengths: Sequence[float], weights: Sequence[float], steps: int = _QUANTILES) -> list[int]:
    """Return quantiles of lengths at equal steps; one number where all are alike."""
    values, shares = np.array(lengths, np.float64), np.array(weights, np.float64)
    order = np.argsort(values, kind="stable")
    at = (np.cumsum(shares[order]) - shares[order] / 2.0) / shares.sum()
    found: list[int] = np.interp(np.linspace(0.0, 1.0, steps + 1), at, values[order]).round().astype(int).tolist()
    return found[:1] if found[0] == found[-1] else found


def lengths(seen: Weighted, mean: float | None) -> list[int]:
    """Return quantiles of the lengths in characters; `mean` stretches them where long ones are hidden."""
    if not seen:
        around = mean if mean is not None else 10.0
        return quantiles([max(0.0, around * share) for share in (0.4, 0.7, 1.0, 1.3, 1.6)], [1.0] * 5)
    sizes, weights = [float(len(value)) for value, _ in seen], [weight for _, weight in seen]
    found = sum(size * weight for size, weight in zip(sizes, weights, strict=True)) / sum(weights)
    stretch = mean / found if mean is not None and found and mean > 1.5 * found else 1.0
    return quantiles([size * stretch for size in sizes], weights)


def pattern(values: Sequence[str]) -> str | None:
    """Return the pattern that all values have, as Pattern writes it; None where they differ or it would say nothing."""
    if len(values) < _FEWEST or len({len(value) for value in values}) > 1 or not 1 < len(values[0]) <= _LONGEST_PATTERN:
        return None
    signs = [_sign({value[at] for value in values}) for at in range(len(values[0]))]
    if any(sign is None for sign in signs) or not any(sign in "#?*" for sign in signs if sign):
        return None
    whole = "".join(sign or "" for sign in signs)
    return None if whole.strip("*") == "" or whole.strip("?") == "" else whole


def _sign(found: set[str]) -> str | None:
    if all(one.isascii() and one.isdigit() for one in found):
        return "#"
    if len(found) == 1:
        only = next(iter(found))
        return None if only in "#?*" else only
    if all(one.isascii() and one.isupper() for one in found):
        return "?"
    return "*" if all(one.isascii() and one.islower() for one in found) else None


def are_uuids(values: Sequence[str]) -> bool:
    """Say whether the texts are UUIDs or 128 bits in hexadecimal."""
    return bool(values) and all(_UUID.fullmatch(value) for value in values)


def json_shape(seen: Weighted, rows: float, gate: Gate, where: tuple[str, str]) -> Json | None:
    """Return the shape of JSON objects: their keys, how often each is there, and what its values are like.

    None where the values seen are not objects. `where` are the names of table and column.
    """
    objects = [(value, weight) for text, weight in seen if isinstance(value := _parsed(text), dict)]
    if not objects:
        return None
    return _object(objects, rows, gate, where, depth=0)


def literals(shape: Shape) -> int:
    """Return how many literal values the parts of a shape hold."""
    match shape:
        case Choice():
            return len(shape.of)
        case Json():
            return sum(map(literals, shape.keys.values()))
        case Items():
            return literals(shape.of)
        case _:
            return 0


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _object(
    objects: Sequence[tuple[Mapping[str, Any], float]], rows: float, gate: Gate, where: tuple[str, str], *, depth: int
) -> Json:
    total = sum(weight for _, weight in objects)
    counts: defaultdict[str, float] = defaultdict(float)
    for one, weight in objects:
        for key in one:
            counts[key] += weight / total
    often = Counter(key for one, _ in objects for key in one)
    kept = gate.keys([one for one in counts.items() if often[one[0]] >= _FEWEST_TIMES], rows)
    shapes: dict[str, Shape] = {}
    for key in kept:
        values = [(one[key], weight) for one, weight in objects if key in one]
        inner = _value(values, rows * counts[key], gate, (where[0], key), depth=depth + 1)
        shapes[key] = _with_null(inner, 1.0 - counts[key])
    return Json(keys=shapes)


def _with_null(shape: Shape, null: float) -> Shape:
    return replace(shape, null=round(null, 4)) if null > 1e-4 else shape


def _value(
    values: Sequence[tuple[Any, float]], rows: float, gate: Gate, where: tuple[str, str], *, depth: int
) -> Shape:
    """Return the shape of the values of one key, by what most of them are."""
    kind = Counter(type(value) for value, _ in values).most_common(1)[0][0]
    alike = [(value, weight) for value, weight in values if type(value) is kind]
    if kind is bool:
        return Bool(true=round(sum(w for value, w in alike if value) / sum(w for _, w in alike), 3))
    if kind in (int, float):
        return _numbers([float(value) for value, _ in alike], whole=kind is int, rows=rows, gate=gate)
    if kind is dict and depth <= _DEEPEST:
        return _object(alike, rows, gate, where, depth=depth)
    if kind is list:
        sizes = quantiles([float(len(value)) for value, _ in alike], [weight for _, weight in alike])
        inner = [(item, weight) for value, weight in alike for item in value]
        of = _value(inner, rows, gate, where, depth=depth + 1) if inner and depth <= _DEEPEST else Text()
        return Items(of=of, sizes=sizes)
    return _texts([(str(value), weight) for value, weight in alike], rows, gate, where)


def _numbers(values: Sequence[float], *, whole: bool, rows: float, gate: Gate) -> Shape:
    found = gate.thinned(np.quantile(values, np.linspace(0, 1, 9)).tolist(), rows)
    bounds = rounded(found)
    if bounds[0] == bounds[-1]:
        return Number(low=bounds[0], high=bounds[0] + 1.0, step=1.0 if whole else None)
    return Histogram(bounds=[float(round(one)) for one in bounds] if whole else bounds)


def _texts(values: Weighted, rows: float, gate: Gate, where: tuple[str, str]) -> Shape:
    counts: defaultdict[str, float] = defaultdict(float)
    for value, weight in values:
        counts[value] += weight
    total = sum(counts.values())
    shares = sorted(((value, count / total) for value, count in counts.items()), key=lambda one: -one[1])
    often = Counter(value for value, _ in values)
    if gate.personal(*where, list(counts)) is None and min(often.values()) >= _FEWEST_TIMES:
        kept = gate.codes(shares, rows, len(counts))
        if kept and sum(share for _, share in kept) > 0.8:
            return Choice(of={value: round(share, 4) for value, share in kept})
    return Text(of=vocabulary_of(where[1]), lengths=lengths(values, None))
