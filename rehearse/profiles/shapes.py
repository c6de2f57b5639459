"""The shapes a column's values can have. The fields bear the names of the TOML keys.

Every shape has `null`, the share of rows without a value; None leaves it to the column (0 where it may not be null).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from rehearse import units

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[
    float,
    BeforeValidator(lambda text: units.duration_ns(text) / units.NS_PER_S),
    WithJsonSchema({"type": "string", "description": "a duration such as '30s', '3h' or '45d'"}),
]
Moment = datetime | date
Correlation = Annotated[float, Field(ge=-1, le=1)]
Lengths = list[Annotated[int, Field(ge=0, le=1_000_000)]]
Groups = list[tuple[Annotated[float, Field(ge=0)], Annotated[int, Field(ge=0)]]]
Weights = dict[str, Annotated[float, Field(ge=0)]]
Word = Literal[
    "city",
    "company",
    "country",
    "email",
    "first name",
    "full name",
    "last name",
    "paragraph",
    "phone",
    "postcode",
    "product",
    "sentence",
    "state",
    "street",
    "url",
    "user name",
    "word",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serial:
    """1, 2, 3 … in the order of the rows, or each once in no order."""

    kind: Literal["serial"] = "serial"
    start: int = 1
    step: int = 1
    order: Literal["rows", "random"] = "rows"
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A row of the table that the foreign key points at.

    `skew` is the Zipf exponent of the children a parent has; `without` the share of parents that never have any.
    `order`: "random" draws any parent; "history" one no younger than the child (by place in the two tables);
    "sorted" keeps the children of a parent together, as lines of an order are, with `spread` as the variation of their
    number around its mean (0: all alike, 1: from none to twice as many). `to` ("customers.id") names the parent where
    the schema has no foreign key.

    `groups` takes their place where the fan-out was counted: pairs of (children a parent, parents with so many), which
    are met exactly, with the parents spread at random; `slices` are the groups up to a share of the parents, in their
    own order, from one to the next, where those that came early have other numbers than the late ones. `correlation`
    is that of the parent's place with the row's.
    Where there is no foreign key a share of `orphans` may point at rows that are not there.
    """

    kind: Literal["parent"] = "parent"
    to: str | None = None
    skew: Annotated[float, Field(ge=0, lt=3)] = 0.0
    without: Share = 0.0
    order: Literal["random", "history", "sorted"] = "random"
    spread: Share = 0.75
    groups: Groups = field(default_factory=list)
    slices: list[tuple[Share, Groups]] = field(default_factory=list)
    correlation: Correlation = 0.0
    orphans: Share = 0.0
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """1, 2, 3 … among the children of one parent; `within` is a foreign key column with order = "sorted"."""

    within: str
    kind: Literal["position"] = "position"
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of few values, by weight. The last `recent_rows` of the table are drawn by the weights in `recent`.

    `correlation` is that of the value's place in `of` with the row's place in the table. `slices` are the weights up to
    a share of the rows, from one to the next, where they change along the table. `each` takes every value once, and
    `within` names a reference among whose children none comes twice.
    """

    of: Weights | list[str | int | float | bool]
    kind: Literal["choice"] = "choice"
    recent: Weights | None = None
    recent_rows: Share = 0.02
    slices: list[tuple[Share, Weights]] = field(default_factory=list)
    correlation: Correlation = 0.0
    each: bool = False
    within: str | None = None
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number between `low` and `high`; with `median` drawn around it, log-normally with `sigma`."""

    kind: Literal["number"] = "number"
    low: float = 0.0
    high: float = 1000.0
    median: float | None = None
    sigma: Annotated[float, Field(gt=0)] = 0.8
    step: float | None = None  # values are multiples of it
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Numbers or moments: the values in `common`, each with its share of the rows, and between `bounds` all others.

    `at` are the cumulative shares of those others at each bound (0 … 1); without it the buckets are of equal weight.
    There are about `distinct` others at scale 1, and more with more rows if it `grows`. `correlation` is that of the
    value with the row's place in the table, both as normal scores (a Gaussian copula).
    """

    bounds: Annotated[list[float] | list[Moment], Field(min_length=2)]
    kind: Literal["histogram"] = "histogram"
    at: list[Share] | None = None
    common: dict[str, Share] = field(default_factory=dict)
    distinct: Annotated[int, Field(ge=1)] | None = None
    grows: bool = True
    correlation: Correlation = 0.0
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """Moments from `since` to `until`.

    In `order` "rows" they grow with the row's place (give or take `jitter`), and the rate at the end is `growth` times
    the rate at the start; in order "random" they lie anywhere.
    """

    kind: Literal["time"] = "time"
    since: Moment | None = None
    until: Moment | None = None
    growth: Annotated[float, Field(ge=0.01, le=1000)] = 1.0
    jitter: Seconds = 0.0
    order: Literal["rows", "random"] = "rows"
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """A moment after another: of this row ("created_at") or of its parent ("order_id.created_at").

    The delay is `at_least` and an exponential around `typical` (its median) more; a `same` share has none at all.
    Where it was measured `delays` takes their place: quantiles in seconds, the shortest first, at equal steps; or
    `parts`, quantiles of the delay as a share of the time that was left `until` then (else the profile's `now`).
    No moment is later than the profile's `now`, unless `open` is true. `common` are moments that many rows share, as
    those do that one statement changed, with their shares; a row that began later keeps its own.
    """

    of: str
    kind: Literal["after"] = "after"
    typical: Seconds = 3600.0
    at_least: Seconds = 0.0
    same: Share = 0.0
    delays: list[Annotated[float, Field(ge=0)]] = field(default_factory=list)
    parts: list[Share] = field(default_factory=list)
    until: Moment | None = None
    open: bool = False
    common: dict[str, Share] = field(default_factory=dict)
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """The value of another column: of this row or of its parent ("order_id.currency")."""

    of: str
    kind: Literal["copy"] = "copy"
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words of one vocabulary; `unique` puts a number of its own into each.

    An `empty` share of the texts has no character; of the others `lengths` are quantiles of the length in characters,
    from the shortest to the longest at equal steps. There are about `distinct` different texts at scale 1 (more with
    more rows if it `grows`); `shares` are those of the most frequent ones, whatever they say, and `widths` their
    lengths. `letters` are the shares of digits, small letters, capitals, spaces and other signs, where the vocabulary's
    own would not do; `words` is how many different words they are made of. `heads` are texts that begin with the same
    four characters, whatever these are: the share that comes before them in order, and their own. `within` names a
    reference among whose children no two texts are alike.
    """

    of: Word = "word"
    kind: Literal["text"] = "text"
    unique: bool = False
    empty: Share = 0.0
    lengths: Lengths = field(default_factory=list)
    letters: Annotated[list[Share], Field(max_length=5)] = field(default_factory=list)
    words: Annotated[int, Field(ge=1)] | None = None
    heads: list[tuple[Share, Share]] = field(default_factory=list)
    distinct: Annotated[int, Field(ge=1)] | None = None
    grows: bool = True
    shares: list[Share] = field(default_factory=list)
    widths: Lengths = field(default_factory=list)
    within: str | None = None
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A text in which # stands for a digit, ? for a capital letter and * for a small one; or several, with weights.

    A backslash before one of these, or before another, makes it stand for itself.

    `unique` counts through all that there are; in `order` "rows" they grow with the row's place. `empty`, `distinct`,
    `grows` and `shares` as for a text.
    """

    pattern: Annotated[str, Field(min_length=1)] | Weights
    kind: Literal["pattern"] = "pattern"
    unique: bool = False
    order: Literal["rows", "random"] = "random"
    empty: Share = 0.0
    distinct: Annotated[int, Field(ge=1)] | None = None
    grows: bool = True
    shares: list[Share] = field(default_factory=list)
    within: str | None = None
    null: Share | None = None


def signs(pattern: str) -> list[str]:
    r"""Return the signs of a pattern, one a place: "#", "?" or "*", another sign, or such a one escaped ("\#")."""
    return re.findall(r"\\.|.", pattern, re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bool:
    """True in this share of the rows."""

    kind: Literal["bool"] = "bool"
    true: Share = 0.5
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Json:
    """An object with these keys; a key whose shape has `null` is left out in that share of the rows.

    `sets` takes its place where it is known which keys come together: their names with commas between, and weights.
    A share of `others` are no objects, but texts, numbers, bools or arrays, of the shape `other`.
    """

    kind: Literal["json"] = "json"
    keys: Mapping[str, Shape] = field(default_factory=dict)
    sets: Weights = field(default_factory=dict)
    other: Shape | None = None
    others: Share = 0.0
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """An array of `least` to `most` values of one shape; `sizes` are quantiles of their number instead."""

    of: Shape
    kind: Literal["items"] = "items"
    least: Annotated[int, Field(ge=0)] = 0
    most: Annotated[int, Field(ge=0, le=1000)] = 3
    sizes: list[Annotated[int, Field(ge=0, le=1000)]] = field(default_factory=list)
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Random:
    """Random bits, for uuid, bytea (of `least` to `most` bytes) and inet; `distinct` and the rest as for a text."""

    kind: Literal["random"] = "random"
    least: Annotated[int, Field(ge=0)] = 8
    most: Annotated[int, Field(ge=0, le=100_000)] = 64
    distinct: Annotated[int, Field(ge=1)] | None = None
    grows: bool = True
    shares: list[Share] = field(default_factory=list)
    within: str | None = None
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """The same value in every row."""

    value: Any
    kind: Literal["value"] = "value"
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A range that starts at a value of the shape `low` and is about `length` long (days and seconds for moments)."""

    low: Shape
    kind: Literal["range"] = "range"
    length: Annotated[float, Field(gt=0)] = 10.0
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The shape that `cases` has for the value of another column of the row, or `otherwise`."""

    of: str
    cases: Mapping[str, Shape]
    otherwise: Shape
    kind: Literal["given"] = "given"
    null: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """What the server fills in when no value is given: the column's default."""

    kind: Literal["default"] = "default"
    null: Share | None = None


Shape = Annotated[
    Serial
    | Parent
    | Position
    | Choice
    | Number
    | Histogram
    | Time
    | After
    | Copy
    | Text
    | Pattern
    | Bool
    | Json
    | Items
    | Random
    | Value
    | Range
    | Given
    | Default,
    Field(discriminator="kind"),
]

SHAPES: Mapping[str, type] = {
    "serial": Serial,
    "parent": Parent,
    "position": Position,
    "choice": Choice,
    "number": Number,
    "histogram": Histogram,
    "time": Time,
    "after": After,
    "copy": Copy,
    "text": Text,
    "pattern": Pattern,
    "bool": Bool,
    "json": Json,
    "items": Items,
    "random": Random,
    "value": Value,
    "range": Range,
    "given": Given,
    "default": Default,
}
