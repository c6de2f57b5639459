"""What a reviewer of a profile should look at: every literal value that it holds, and whether any looks personal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rehearse.profiles.personal import by_content, by_name
from rehearse.profiles.profile import Profile
from rehearse.profiles.shapes import (
    After,
    Choice,
    Given,
    Histogram,
    Items,
    Json,
    Pattern,
    Range,
    Shape,
    Value,
    signs,
)


@dataclass(frozen=True, slots=True)
class Look:
    """Literals of one column (or one key of its JSON). `kind` is "personal" where they should not be told."""

    where: str
    kind: Literal["personal", "values"]
    says: str
    values: tuple[str, ...]


def review(profile: Profile) -> list[Look]:
    """Return the literals of a profile, those that look personal first."""
    found = [
        look
        for name, table in profile.tables.items()
        for column, shape in table.columns.items()
        for look in _looks(f"{name}.{column}", column, shape)
    ]
    return sorted(found, key=lambda look: (look.kind != "personal", look.where))


def _looks(where: str, name: str, shape: Shape) -> Iterator[Look]:
    values = tuple(_literals(shape))
    if values:
        kind = by_name(name) or by_content(values)
        says = f"looks like {kind}" if kind else f"{len(values)} values"
        yield Look(where, "personal" if kind else "values", says, values)
    for key, inner in _inner(shape):
        yield from _looks(f"{where}.{key}" if key else where, key or name, inner)


def _literals(shape: Shape) -> Iterator[str]:
    match shape:
        case Choice():
            yield from map(str, shape.of)
            yield from shape.recent or ()
        case Histogram() | After():
            yield from shape.common
        case Value() if shape.value is not None:
            yield str(shape.value)
        case Pattern():
            for pattern in [shape.pattern] if isinstance(shape.pattern, str) else shape.pattern:
                yield from "".join(sign if sign.isalnum() else " " for sign in signs(pattern)).split()
        case Given():
            yield from shape.cases


def _inner(shape: Shape) -> Iterator[tuple[str, Shape]]:
    match shape:
        case Json():
            yield from shape.keys.items()
            yield from [("", shape.other)] if shape.other else []
        case Items():
            yield "", shape.of
        case Range():
            yield "", shape.low
        case Given():
            yield from (("", one) for one in _cases(shape.cases, shape.otherwise))


def _cases(cases: Mapping[str, Shape], otherwise: Shape) -> Iterator[Shape]:
    yield from cases.values()
    yield otherwise
