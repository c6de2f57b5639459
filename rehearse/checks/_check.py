"""The decorator that makes a check of a generator function and its rule's words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

import pandas

from rehearse.errors import NotMeasured
from rehearse.events import PhaseRan
from rehearse.model import ColumnDifference, Finding, Recording, Rule, TableComparison
from rehearse.units import counted

Asks = Callable[[Recording], Iterable[Finding]]


def always(_recording: Recording) -> bool:
    """Say yes: the check has no budget that could be left out."""
    return True


@dataclass(frozen=True, slots=True)
class FunctionCheck:
    """A rule, when it is asked, and the function that looks."""

    rule: Rule
    looks: Callable[[Recording, Rule], Iterable[Finding]]
    is_asked: Callable[[Recording], bool]

    def asked(self, recording: Recording, /) -> bool:
        """Say whether the scenario asks it."""
        return self.is_asked(recording)

    def __call__(self, recording: Recording, /) -> Iterator[Finding]:
        """Yield the findings; raises NotMeasured."""
        yield from self.looks(recording, self.rule)


def check(
    rule: Rule, *, asked: Callable[[Recording], bool] = always
) -> Callable[[Callable[[Recording, Rule], Iterable[Finding]]], FunctionCheck]:
    """Make a check of a generator function `looks(recording, rule)`."""
    return lambda looks: FunctionCheck(rule, looks, asked)


def phases(recording: Recording, *, acting: bool = True) -> list[PhaseRan]:
    """Return the phases that ran; with `acting`, those in which the migration acted."""
    return [one for one in recording.history.of(PhaseRan) if one.acted_ns is not None or not acting]


def phase(recording: Recording, name: str) -> PhaseRan | None:
    """Return the phase of this name, or None where it did not run."""
    return next((one for one in phases(recording, acting=False) if one.name == name), None)


def inside(calls: pandas.DataFrame, one: PhaseRan) -> pandas.DataFrame:
    """Return the calls that were due in a phase."""
    return calls[(calls["at_ns"] >= one.at_ns) & (calls["at_ns"] <= one.ended_ns)]


def is_beyond(failed: int, expected: float, allowed: int) -> bool:
    """Say whether more calls failed than are allowed beyond those that fail without the migration, give or take 3 σ."""
    return failed - expected > max(allowed, 3 * math.sqrt(expected))


def went_back(recording: Recording) -> PhaseRan:
    """Return the phase "back" if it ran to its end; else raise NotMeasured with the reason."""
    back = phase(recording, "back")
    if back is None:
        raise NotMeasured(no_way_back(recording))
    if back.error:
        raise NotMeasured("the way back failed (see D003), so nothing can be said of what it restores")
    return back


def no_way_back(recording: Recording) -> str:
    """Say in words why there was no phase "back"."""
    forward = phase(recording, "forward")
    if forward is not None and forward.error:
        return "the way forward failed (see D002), so the way back was not tried"
    return "no way back was rehearsed"


def cell(text: str | None) -> str:
    """Return a cell's text in quotes, or NULL."""
    return "NULL" if text is None else repr(text)


def rows(count: int, table: str) -> str:
    """Return "1 row of orders is" or "20 rows of orders are"."""
    return f"{counted(count, 'row')} of {table} {'is' if count == 1 else 'are'}"


def shown(column: ColumnDifference) -> str:
    """Return the first example of a column's differences, to stand behind a sentence; empty where there is none."""
    if not column.examples:
        return ""
    one = column.examples[0]
    return f"; for example key {one.key}: {cell(one.before)} became {cell(one.after)}"


def named(keys: Sequence[str]) -> str:
    """Return the first of the rows' keys (of a table without one, the row), to stand behind a sentence; or nothing."""
    if not keys:
        return ""
    return f"; for example {keys[0]}" if keys[0].startswith("(") else f"; for example key {keys[0]}"


def demand_compared(tables: Iterable[TableComparison], *, meant: Set[str] = frozenset()) -> None:
    """Raise NotMeasured where rows or values of a table differ and it is not known by whose hands.

    `meant` are tables, and columns as `table.column`, whose changes need no answer.
    """
    for table in tables:
        if table.rows_before is None or table.rows_after is None:
            continue
        names = {f"{table.table}.{column}" for column in table.columns_unmeasured}
        rows = table.rows_missing is None or table.rows_unexpected is None
        if (rows and table.table not in meant) or names - meant:
            raise NotMeasured(f"{table.table} could not be compared: {'; '.join(table.unmeasured)}")
