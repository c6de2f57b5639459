"""How often the linter is right, by migrations that were labelled without it: `python -m tests.bench.lint`.

Precision is the share of its hazards that are labelled, recall the share of the labels that it finds; notes do not
count.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearse import hazards
from rehearse.tools._split import splitter

LABELLED = Path(__file__).parents[1] / "hazards" / "labelled.toml"


@dataclass(frozen=True)
class Case:
    """A migration, and the codes of its hazards: those of the label, and those that were found."""

    number: int
    engine: str
    sql: str
    expected: frozenset[str]
    found: frozenset[str]


def cases() -> Iterator[Case]:
    """Yield each labelled migration with what the linter says of it."""
    for number, one in enumerate(tomllib.loads(LABELLED.read_text(encoding="utf-8"))["case"], 1):
        engine, _, version = one["engine"].partition(":")
        found = frozenset(each.rule.code for each in found_in(one, engine, version) if each.severity != "note")
        yield Case(number, engine, one["sql"].strip(), frozenset(one["expects"]), found)


def found_in(one: dict[str, Any], engine: str, version: str) -> list[hazards.Hazard]:
    """Return the hazards of a labelled migration."""
    split = splitter(engine)
    known = hazards.beginning(engine, version, schema=[each.sql for each in split(one.get("schema", ""), "schema", 1)])
    statements = tuple(
        hazards.said(each.sql, known, place=each.place, repeats=each.repeat is not None)
        for each in split(one["sql"], "up.sql", 1)
    )
    return list(hazards.hazards(hazards.Script(statements, one.get("transaction", "file")), known))


@dataclass(frozen=True)
class Score:
    """How many migrations, hazards that are labelled and found, found only, and labelled only."""

    cases: int
    right: int
    invented: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.invented)

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed)


def scores(all_cases: list[Case]) -> dict[str, Score]:
    """Return the score of each engine and of all."""
    counts: dict[str, Counter[str]] = {}
    for one in all_cases:
        for engine in (one.engine, "all"):
            counted = counts.setdefault(engine, Counter())
            counted["cases"] += 1
            counted["right"] += len(one.expected & one.found)
            counted["invented"] += len(one.found - one.expected)
            counted["missed"] += len(one.expected - one.found)
    return {engine: Score(one["cases"], one["right"], one["invented"], one["missed"]) for engine, one in counts.items()}


def main() -> None:
    """Print the scores, and each migration that is judged otherwise than labelled."""
    found = list(cases())
    for one in found:
        if one.expected != one.found:
            print(f"{one.number} {one.engine}: expected {sorted(one.expected)}, found {sorted(one.found)}: {one.sql}")
    print(f"{'engine':10} {'migrations':>10} {'hazards':>8} {'precision':>10} {'recall':>7}")
    for engine, score in scores(found).items():
        hazards_ = score.right + score.missed
        print(f"{engine:10} {score.cases:10} {hazards_:8} {score.precision:10.3f} {score.recall:7.3f}")


if __name__ == "__main__":
    main()
