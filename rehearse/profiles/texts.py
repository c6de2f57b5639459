"""The shapes of texts: lengths, patterns, JSON objects; told from values, of which nothing else is kept."""

from __future__ import annotations

import json
import math
import re
import string
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from rehearse.profiles.defaults import vocabulary_of
from rehearse.profiles.figures import distinct_of, magnitude, word
from rehearse.profiles.personal import by_content, is_ordinary
from rehearse.profiles.privacy import FLOOR, Gate, rounded
from rehearse.profiles.shapes import (
    Bool,
    Choice,
    Histogram,
    Items,
    Json,
    Number,
    Pattern,
    Random,
    Shape,
    Text,
    Word,
    signs,
)

Weighted = Sequence[tuple[str, float]]
"""Values with their weights."""

_QUANTILES = 12
_FEWEST = 20  # values from which a pattern may be told
_FEWEST_TIMES = 3  # that a key or a value was seen, before its share is believed
_LONGEST_PATTERN = 40
_ABBREVIATED = 4  # letters of what need be no word to be told
_MOST_PATTERNS = 12
_COVERED = 0.97  # share of the texts that the patterns must be those of
_MOST_MATCHED = 2000  # texts that are looked at for patterns and letters
_MOST_SHARES = 20
_LETTERED = 64  # signs of a text that are looked at for their class
_SIGNS = str.maketrans(
    dict.fromkeys(string.digits, "#")
    | dict.fromkeys(string.ascii_uppercase, "?")
    | dict.fromkeys(string.ascii_lowercase, "*")
    | {sign: f"\\{sign}" for sign in "#?*\\"}
)
# Shares of digits, small letters, capitals, spaces and other signs in our own vocabularies.
USUAL_LETTERS: dict[str, tuple[float, ...]] = {
    "word": (0.0, 0.85, 0.0, 0.15, 0.0),
    "sentence": (0.0, 0.82, 0.02, 0.14, 0.02),
    "paragraph": (0.0, 0.82, 0.02, 0.14, 0.02),
    "full name": (0.0, 0.77, 0.15, 0.08, 0.0),
    "street": (0.2, 0.57, 0.1, 0.13, 0.0),
    "email": (0.0, 0.92, 0.0, 0.0, 0.08),
    "user name": (0.0, 0.93, 0.0, 0.0, 0.07),
    "phone": (1.0, 0.0, 0.0, 0.0, 0.0),
    "postcode": (1.0, 0.0, 0.0, 0.0, 0.0),
    "url": (0.0, 0.84, 0.0, 0.0, 0.16),
}
_DEEPEST = 3
_MOST_NUMBERS = 20
_OFTEN = 0.01  # share of a number from which it stands for itself
_REPEATED = 0.9  # different values a row, above which each row has its own
_RARE = 0.001  # share of JSON values that are no objects, below which they are passed over
_MOST_SETS = 16
_WORD = re.compile(r"[^\W\d_]+")
_READ = 1000  # signs of a text that are looked at for words
_WORDS_EACH = 2
HEAD = 4  # characters that a text begins with
_MOST_HEADS = 12
_LEAST_HEAD, _HEADED = 0.01, 0.05  # shares of the texts: to be told, and for one of them to be worth it
_PARTED = 0.05  # share of blanks and other signs, below which texts have no words
_MOST_WORDS = 50_000
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The texts of one column that were seen, and what is known of all of them.

    `spread` is how many there are ({"distinct": …, "grows": …}), nothing where every row has its own; `common` are the
    most frequent ones with their shares of the rows that have a text; `rising` says that they grow with the rows.
    """

    values: Weighted
    common: Weighted
    spread: Mapping[str, Any]
    mean: float | None
    rows: float = 0.0  # that have a text
    floor: int = FLOOR  # rows that must share a sign of a pattern for it to be told
    is_unique: bool = False
    is_rising: bool = False


def shape(seen: Seen, word: Word, *, is_personal: bool) -> Shape:
    """Return the shape of texts of which no value is told: patterns where they have some, else lengths and letters."""
    order: Literal["rows", "random"] = "rows" if seen.is_rising else "random"
    if seen.values and all(_UUID.fullmatch(value) and len(value) == 32 for value, _ in seen.values):
        return Random(**seen.spread)
    total = sum(weight for _, weight in seen.values) or 1.0
    empty = dict(seen.common).get("", sum(weight for value, weight in seen.values if not value) / total)
    full = [(value, weight) for value, weight in seen.values if value]
    told = [(value, share / max(1e-9, 1.0 - empty)) for value, share in seen.common if value][:_MOST_SHARES]
    known = {value for value, _ in told}
    if empty and seen.spread:
        seen = replace(seen, spread={**seen.spread, "distinct": max(1, seen.spread["distinct"] - 1)})
    all_told = sum(share for _, share in told) if told and seen.spread and seen.spread["distinct"] <= len(told) else 1.0
    frequent = [round(min(1.0, share / all_told), 5) for _, share in told] if seen.spread else []
    found = patterns(full, is_personal=is_personal, rows=seen.rows * (1.0 - empty), floor=seen.floor)
    if found:
        pattern = next(iter(found)) if len(found) == 1 else found
        return Pattern(
            pattern=pattern,
            unique=seen.is_unique,
            order=order,
            empty=round(empty, 4) if not seen.is_unique else 0.0,
            shares=frequent,
            **seen.spread,
        )
    letters = _letters(full)
    words = _words(full, seen.rows) if sum(letters[3:]) >= _PARTED and word != "email" else None
    return Text(
        of=word,
        unique=seen.is_unique,
        empty=round(empty, 4) if not seen.is_unique else 0.0,
        lengths=lengths([one for one in full if one[0] not in known] or full, seen.mean),
        letters=letters if words or not _is_usual(letters, word) else [],
        words=words,
        heads=_heads(full) if not frequent else [],
        shares=frequent,
        widths=[len(value) for value, _ in told] if seen.spread else [],
        **seen.spread,
    )


def quantiles(lengths: Sequence[float], weights: Sequence[float], steps: int = _QUANTILES) -> list[int]:
    """Return quantiles of lengths at equal steps, each of them a length that was seen; one where all are alike."""
    values, shares = np.array(lengths, np.float64), np.array(weights, np.float64)
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(shares[order]) / shares.sum()
    places = np.searchsorted(upto, np.linspace(0.0, 1.0, steps + 1) - 1e-9)
    found: list[int] = values[order][np.minimum(places, len(values) - 1)].round().astype(int).tolist()
    return found[:1] if found[0] == found[-1] else found


def lengths(seen: Weighted, mean: float | None) -> list[int]:
    """Return quantiles of the lengths in characters; `mean` stretches them where long ones are hidden."""
    if not seen:
        around = mean if mean is not None else 10.0
        return quantiles([max(1.0, around * share) for share in (0.4, 0.7, 1.0, 1.3, 1.6)], [1.0] * 5)
    sizes, weights = [float(len(value)) for value, _ in seen], [weight for _, weight in seen]
    found = sum(size * weight for size, weight in zip(sizes, weights, strict=True)) / sum(weights)
    stretch = mean / found if mean is not None and found and mean > 1.5 * found else 1.0
    return quantiles([size * stretch for size in sizes], weights)


def patterns(
    values: Weighted, *, is_personal: bool = False, rows: float = math.inf, floor: int = FLOOR
) -> dict[str, float]:
    """Return the few patterns, with their shares, that nearly all of the texts have; none where they would say nothing.

    A letter or digit that all texts of a pattern share at a place stands in it, where they are those of so many of the
    `rows` as the `floor` asks for; but not where they are personal, or may spell a name.
    """
    groups: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
    for value, weight in _some(values):
        groups[_template(value) if len(value) <= _LONGEST_PATTERN else ""].append((value, weight))
    shares = {one: sum(weight for _, weight in group) for one, group in groups.items()}
    total, kept = sum(shares.values()), sorted(shares, key=lambda one: -shares[one])[:_MOST_PATTERNS]
    covered = sum(shares[one] for one in kept)
    if len(values) < _FEWEST or covered < _COVERED * total or not any(_says_something(one) for one in kept):
        return {}
    matched = [value for one in kept for value, _ in groups[one]]
    if any(len(value) > _LONGEST_PATTERN or not value.isascii() for value in matched):
        return {}
    found: defaultdict[str, float] = defaultdict(float)
    for one in kept:
        is_told = not is_personal and shares[one] / total * rows >= floor
        told = _with_constants(one, [value for value, _ in groups[one]]) if is_told else one
        found[told] += round(shares[one] / covered, 4)
    return dict(found)


def _some(values: Weighted) -> Weighted:
    """Return so many of the values as are looked at, from all over; the first ones may be the oldest."""
    step = -(-len(values) // _MOST_MATCHED)
    return values[:: max(1, step)]


def _says_something(template: str) -> bool:
    return "#" in signs(template) or (len(template) > 1 and set(template) == {"?"})


def _template(value: str) -> str:
    return value.translate(_SIGNS)


def _with_constants(template: str, values: Sequence[str]) -> str:
    """Return a pattern with the letters and digits that all of its texts share; a sign of its own cannot be one."""
    if len(values) < _FEWEST:
        return template
    places = zip(signs(template), zip(*values, strict=True), strict=True)
    told = "".join(column[0] if sign in "#?*" and len(set(column)) == 1 else sign for sign, column in places)
    words = _WORD.findall(told)
    is_plain = all(is_ordinary(word) if len(word) > _ABBREVIATED else not by_content([word.title()]) for word in words)
    return told if is_plain else template


def _letters(values: Weighted) -> list[float]:
    """Return the shares of the classes of signs."""
    counts, total = np.zeros(5), 0.0
    for value, weight in _some(values):
        for sign in value[:_LETTERED]:
            counts[_class_of(sign)] += weight
        total += weight * min(len(value), _LETTERED)
    if not total:
        return []
    return [round(float(one), 3) for one in counts / total]


def _is_usual(letters: Sequence[float], word: Word) -> bool:
    """Say whether a vocabulary has about the same shares of signs."""
    usual = np.array(USUAL_LETTERS.get(word, USUAL_LETTERS["word"]))
    return not letters or bool(0.5 * np.abs(np.array(letters) - usual).sum() < 0.1)


def _heads(values: Weighted) -> list[tuple[float, float]]:
    """Return where the texts that begin alike stand in order, and their shares; nothing where few of them do."""
    found: defaultdict[str, float] = defaultdict(float)
    for value, weight in _some(values):
        found[value[:HEAD]] += weight
    total, upto, told = sum(found.values()), 0.0, []
    most = sorted(found.values(), reverse=True)[:_MOST_HEADS][-1] / total if total else 1.0
    for head in sorted(found):
        share = found[head] / total
        if share >= max(_LEAST_HEAD, most):
            told.append((round(upto, 4), round(share, 4)))
        upto += share
    return told if told and max(share for _, share in told) >= _HEADED else []


def _words(values: Weighted, rows: float) -> int | None:
    """Return of how many different words the texts are made, as their sample tells; None if they have but one each."""
    some = _some(values)
    counts = Counter(word for value, _ in some for word in _WORD.findall(value[:_READ].lower()))
    if not some or counts.total() < _WORDS_EACH * len(some):
        return None
    return max(1, min(_MOST_WORDS, round(distinct_of(list(counts.values()), counts.total() / len(some) * rows))))


def _class_of(sign: str) -> int:
    if sign.isdigit():
        return 0
    if sign.isalpha():
        return 2 if sign.isupper() else 1
    return 3 if sign == " " else 4


def json_shape(seen: Weighted, rows: float, gate: Gate, where: tuple[str, str]) -> Json | None:
    """Return the shape of JSON objects: their keys, how often each is there, and what its values are like.

    Values that are no objects have a shape of their own. None where none was seen that says something. `where` are the
    names of table and column.
    """
    values = [(_parsed(text), weight) for text, weight in seen]
    objects = [(value, weight) for value, weight in values if isinstance(value, dict)]
    others = [(value, weight) for value, weight in values if value is not None and not isinstance(value, dict)]
    found = _object(objects, rows, gate, where, depth=0) if objects else Json()
    if not others:
        return found if objects else None
    share = sum(weight for _, weight in others) / (sum(weight for _, weight in [*objects, *others]) or 1.0)
    other = _value(others, rows * share, gate, where, depth=1)
    return replace(found, other=other, others=round(share, 4)) if share >= _RARE else found


def literals(of: Shape) -> int:
    """Return how many literal values the parts of a shape hold."""
    match of:
        case Choice():
            return len(of.of)
        case Json():
            return sum(map(literals, of.keys.values())) + (literals(of.other) if of.other else 0)
        case Items():
            return literals(of.of)
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
    return Json(keys=shapes, sets=_sets(objects, kept))


def _sets(objects: Sequence[tuple[Mapping[str, Any], float]], kept: Sequence[str]) -> dict[str, float]:
    """Return which of the keys come together, with weights; nothing where they are few or always the same."""
    counts: defaultdict[str, float] = defaultdict(float)
    for one, weight in objects:
        counts[",".join(key for key in kept if key in one)] += weight
    total = sum(counts.values())
    told = {keys: round(weight / total, 4) for keys, weight in counts.items() if weight > 0.002 * total}
    return told if 1 < len(told) <= _MOST_SETS and len(kept) > 1 else {}


def _with_null(of: Shape, null: float) -> Shape:
    return replace(of, null=round(null, 4)) if null > 1e-4 else of


def _value(
    values: Sequence[tuple[Any, float]], rows: float, gate: Gate, where: tuple[str, str], *, depth: int
) -> Shape:
    """Return the shape of the values of one key, by what most of them are."""
    kind = Counter(type(value) for value, _ in values).most_common(1)[0][0]
    alike = [(value, weight) for value, weight in values if type(value) is kind]
    if kind is bool:
        return Bool(true=round(sum(w for value, w in alike if value) / sum(w for _, w in alike), 3))
    if kind in (int, float):
        numbers = [float(value) for value, _ in alike]
        if gate.personal(*where, [str(value) for value, _ in alike]):
            return magnitude(numbers)
        return _numbers(numbers, whole=kind is int, rows=rows, gate=gate)
    if kind is dict and depth <= _DEEPEST:
        return _object(alike, rows, gate, where, depth=depth)
    if kind is list:
        sizes = quantiles([float(len(value)) for value, _ in alike], [weight for _, weight in alike])
        inner = [(item, weight) for value, weight in alike for item in value]
        there = [(item, weight) for item, weight in inner if item is not None]
        of = _value(there, rows, gate, where, depth=depth + 1) if there and depth <= _DEEPEST else Text()
        return Items(of=_with_null(of, 1.0 - len(there) / max(1, len(inner))), sizes=sizes)
    return _texts([(str(value), weight) for value, weight in alike], rows, gate, where)


def _numbers(values: Sequence[float], *, whole: bool, rows: float, gate: Gate) -> Shape:
    often = [(value, count / len(values)) for value, count in Counter(values).most_common(_MOST_NUMBERS)]
    common = gate.numbers([one for one in often if one[1] >= _OFTEN], rows)
    told = {value for value, _ in common}
    rest = [value for value in values if value not in told] or list(values)
    bounds = rounded(gate.thinned(np.quantile(rest, np.linspace(0, 1, 9)).tolist(), rows * len(rest) / len(values)))
    if bounds[0] == bounds[-1] and not common:
        return Number(low=bounds[0], high=bounds[0] + 1.0, step=1.0 if whole else None)
    return Histogram(
        bounds=[float(round(one)) for one in bounds] if whole else bounds,
        common={word(value, moments=False): round(share, 4) for value, share in common},
    )


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
    kinds = round(distinct_of(list(often.values()), rows, skewed=True))
    seen = Seen(
        values=[(value, weight / total) for value, weight in values],
        common=[one for one in shares if often[one[0]] >= _FEWEST_TIMES] if kinds < _REPEATED * rows else (),
        spread={"distinct": kinds} if kinds < _REPEATED * rows else {},
        mean=None,
        rows=rows,
    )
    return shape(seen, vocabulary_of(where[1]), is_personal=True)
