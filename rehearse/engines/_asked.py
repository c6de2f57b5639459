"""What a comparison of two databases is asked for, and what is chosen by it; every engine's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model import TableComparison

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is compared: schema, data or both; of the tables whose names fit a pattern, or of all."""

    schema: bool = True
    data: bool = True
    tables: Sequence[str] = ()
    examples: int = 3
    jobs: int = max(1, min(4, (os.cpu_count() or 1) // 2))  # connections to each database


def chosen(mine: Iterable[str], theirs: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Return the tables of either database whose names fit a pattern, or all."""
    known = sorted({*mine, *theirs})
    for one in patterns:
        if not any(fnmatchcase(name, one) for name in known):
            raise ScenarioMistake(f"--tables {one}: neither database has such a table{near_miss(one, known)}")
    return [name for name in known if not patterns or any(fnmatchcase(name, one) for one in patterns)]


def of_tables(objects: dict[str, dict[str, str]], tables: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the objects that are these tables or parts of them."""
    whole = {f"table {name}" for name in tables}
    return {
        name: one
        for name, one in objects.items()
        if name in whole or name.startswith(tuple(f"{one} " for one in whole))
    }


def without_values(found: TableComparison) -> TableComparison:
    """Return a comparison that shows no value."""
    columns = tuple(replace(one, examples=()) for one in found.columns)
    return replace(found, columns=columns, examples_missing=(), examples_unexpected=())
