"""A statement as it is written, taken apart as far as a range of keys can be put into its WHERE.

The text stays the user's own: by the tokens the range is put in, and by the syntax tree it is checked that nothing else
became of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rehearse.errors import Mistake

RANGE = "rehearse_range"  # stands where the range will; a column of this name is nobody's


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A statement in which RANGE stands for the range of keys.

    `table` is the table whose keys make the batches, quoted as SQL needs it, and `alias` what the statement calls it.
    `matching` counts the rows that the statement would touch in a range: None where it has no condition, or is an
    INSERT. `source` is the FROM of that count.
    """

    kind: Literal["update", "insert"]
    template: str
    table: tuple[str, ...]
    alias: str
    source: str
    condition: str | None
    sets: tuple[str, ...] = ()
    target: tuple[str, ...] = ()  # of an INSERT
    reads_others: bool = False  # other tables, or its own once more
    skips_existing: bool = False  # an INSERT that leaves alone what is there
    overwrites: bool = False  # an INSERT that updates what is there, whether it is right or not

    def within(self, bounds: str) -> str:
        """Return the statement for a range of keys."""
        return self.template.replace(RANGE, bounds)


@dataclass(frozen=True, slots=True)
class Token:
    """A token of SQL with its place; `word` is in capitals, empty for a quoted name or a string."""

    word: str
    start: int
    stop: int


def parts(text: str, tokens: list[Token], *, ends: tuple[str, ...] = ()) -> tuple[str, str | None, str]:
    """Return what stands before a statement's own WHERE, the condition in it, and what comes after it.

    `ends` are words that end the condition. Words in brackets are not the statement's own.
    """
    depth, where, after = 0, None, len(text)
    for token in tokens:
        depth += (text[token.start] == "(") - (text[token.start] == ")")
        if depth:
            continue
        if token.word == "WHERE" and where is None:
            where = token
        elif token.word in ends:
            after = token.start
            break
    if where is None:
        return text[:after], None, text[after:]
    return text[: where.start], text[where.stop : after], text[after:]


def with_range(head: str, condition: str | None, tail: str) -> str:
    """Return the statement with RANGE in its WHERE; a line's end keeps a comment of the user's from eating ours."""
    own = f"WHERE {RANGE}" if condition is None else f"WHERE {RANGE} AND ({condition.strip()}\n)"
    return f"{head.rstrip()}\n{own}" + (f"\n{tail}" if tail.strip() else "")


def refuse(what: str, way_out: str) -> Mistake:
    """Return the mistake of a statement that cannot be run in batches."""
    return Mistake(f"the statement {what}, and so cannot be run in batches by key; {way_out}")
