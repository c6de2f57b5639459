"""The words of a scenario's keys: amounts that are read from text, texts, and what is told of a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from rehearse import units

Nanoseconds = Annotated[
    int,
    BeforeValidator(units.duration_ns),
    PlainSerializer(lambda ns: f"{ns}ns", when_used="json-unless-none"),
    WithJsonSchema({"type": "string", "description": "a duration such as '250ms', '2s', '10min'"}),
]

Size = Annotated[
    int,
    BeforeValidator(units.size_bytes),
    PlainSerializer(lambda size: f"{size}B", when_used="json-unless-none"),
    WithJsonSchema({"type": "string", "description": "a size such as '512MB', '2GB'"}),
]


@dataclass(frozen=True, slots=True)
class OfCapacity:
    """A rate as a share of the calls that the database answers at most, which is measured before the baseline."""

    share: float

    def __str__(self) -> str:
        """Return it as a scenario has it."""
        return f"{100.0 * self.share:g}% of capacity"


def _rate(text: Any) -> float | OfCapacity:
    share = units.share_of(text, "capacity")
    return units.rate_per_s(text) if share is None else OfCapacity(share)


PerSecond = Annotated[
    Any,
    BeforeValidator(_rate),
    WithJsonSchema({"type": ["string", "number"], "description": "a rate such as '400/s', or '60% of capacity'"}),
]
Texts = str | list[str]


def told(description: str) -> Any:
    """Describe a key in the JSON Schema."""
    return Field(description=description)


Setting = str | int | float | bool
