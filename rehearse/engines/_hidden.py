"""Who else writes when a call does: rules, and triggers whose functions write other rows than the one that fired them.

What a BEFORE trigger makes of that row itself is not asked for here: it can only change a row that the call names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rehearse.model.names import split

# A text with these may write what its words do not show.
_DARK = re.compile(r"\bexecute\b|\bperform\b|\bcall\b|\bdo\s+update\b|\bon\s+duplicate\s+key\b", re.IGNORECASE)

_INSERT = r"\binsert\s+(?:(?:low_priority|high_priority)\s+)?(?:ignore\s+)?(?:into\s+)?(?:[\w\"`]+\s*\.\s*)?[\"`]?"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger or rule of a table, its kind in its name; `source` is its function's text, or its action's."""

    table: str
    name: str
    source: str

    def mentions(self, table: str) -> bool:
        """Say whether the function's text has the table's own name as a word."""
        return bool(self._mentions(table))

    def only_adds(self, table: str) -> bool:
        """Say whether all that the text does to the table is INSERT."""
        return not _DARK.search(self.source) and all(self._mentions(table))

    def _mentions(self, table: str) -> list[str | None]:
        """Return, for each mention of the table, the INSERT INTO before it, or None."""
        own = re.escape(split(table)[1])
        found = re.finditer(rf"({_INSERT})?\b{own}\b", self.source, re.IGNORECASE)
        return [one[1] for one in found]


@dataclass(frozen=True, slots=True)
class Others:
    """Triggers in words that may have written a table on behalf of calls; `only_add`: none of its rows as they were."""

    triggers: tuple[str, ...] = ()
    only_add: bool = False


def reached(tables: Iterable[str], written: Iterable[str], known: Iterable[Trigger]) -> Mapping[str, Others]:
    """Return, by table, the triggers that may have written other rows of it on behalf of calls to `written` tables.

    What a trigger writes may fire others; a dynamic statement whose text does not name its table is not seen.
    """
    known, tables, fired = tuple(known), tuple(tables), set(written)
    found: dict[str, dict[Trigger, None]] = {}
    is_growing = True
    while is_growing:
        before = len(fired)
        for one in known:
            if one.table in fired:
                for table in tables:
                    if one.mentions(table):
                        found.setdefault(table, {})[one] = None
                        fired.add(table)
        is_growing = len(fired) > before
    return {table: _others(table, tuple(those)) for table, those in found.items()}


def _others(table: str, those: tuple[Trigger, ...]) -> Others:
    words = tuple(f"{one.name} of {one.table}" for one in those)
    return Others(words, only_add=all(one.only_adds(table) for one in those))
