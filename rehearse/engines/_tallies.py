"""What a comparison finds while it goes through a table's rows, as counts and a few examples."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rehearse.engines._numbered import Numbers
from rehearse.model import Example

NOTHING: Numbers = np.empty(0, dtype=np.int64)
SOME = 2_000  # rows that one side lacks whose numbers are kept


@dataclass(slots=True)
class Tally:
    """What is found, column by column, while a table is compared."""

    changed: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Example]] = field(default_factory=dict)

    def add(self, column: str, *, changed: int, lost: int, filled: int) -> None:
        """Count differing values of a column: in all, of them those that are NULL now, and those that were NULL."""
        self.changed[column] = self.changed.get(column, 0) + changed
        self.lost[column] = self.lost.get(column, 0) + lost
        self.filled[column] = self.filled.get(column, 0) + filled

    def show(self, column: str, example: Example, limit: int) -> None:
        """Keep an example while there is room."""
        kept = self.examples.setdefault(column, [])
        if len(kept) < limit:
            kept.append(example)


@dataclass(slots=True)
class Strangers:
    """Rows that no call named and that one side lacks: how many, and the numbers of some."""

    gone: int = 0
    come: int = 0
    some_gone: Numbers = field(default_factory=lambda: NOTHING)
    some_come: Numbers = field(default_factory=lambda: NOTHING)

    def add(self, gone: Numbers, come: Numbers) -> None:
        """Count rows, and keep some of their numbers."""
        self.gone, self.come = self.gone + len(gone), self.come + len(come)
        self.some_gone, self.some_come = _some(self.some_gone, gone), _some(self.some_come, come)


def _some(known: Numbers, more: Numbers) -> Numbers:
    return np.unique(np.concatenate([known, more[:SOME]]))[:SOME]
