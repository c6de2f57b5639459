"""What rules are made of: expressions with their values in sampled rows, and guesses of what gives a column's; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property

Values = tuple[str | None, ...]
Figures = Sequence[Decimal | None]


@dataclass(frozen=True)
class Term:
    """An expression and its values in the sampled rows; `kind` is text, number, bool, json or a type's own name.

    `cost` is its number of operators; `is_whole`: of an integer type, whose division cuts.
    """

    sql: str
    kind: str
    values: Values
    cost: int = 0
    is_whole: bool = False

    @cached_property
    def normal(self) -> Values:
        """The values in one form each: 1.50 is 1.5."""
        return tuple(normal(self.kind, text) for text in self.values)

    @cached_property
    def figures(self) -> Figures:
        """The values as numbers; None for NULL and for what is none."""
        return [figure(text) for text in self.values]

    @property
    def as_text(self) -> str:
        """The expression as a text in SQL."""
        return self.sql if self.kind == "text" else f"CAST({self.sql} AS text)"


@dataclass(frozen=True, slots=True)
class Guess:
    """A rule that may be, and the values that it gives; `constants` are the bits that writing its constants takes."""

    sql: str
    cost: int
    values: Iterable[str | None]
    constants: float = 0.0


def normal(kind: str, text: str | None) -> str | None:
    """Return a value's text in the one form of its kind."""
    return text if kind != "number" or (number := figure(text)) is None else written(number)


def written(number: Decimal | None) -> str | None:
    """Return a number in the one form that `normal` gives it."""
    if number is None:
        return None
    return f"{number.normalize():f}" if number else "0"


def figure(text: str | None) -> Decimal | None:
    """Return a finite number, None for all else."""
    try:
        found = Decimal(text) if text is not None else None
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


def literal(kind: str, text: str) -> str:
    """Return a constant in SQL."""
    return text if kind in {"number", "bool"} else "'" + text.replace("'", "''") + "'"
