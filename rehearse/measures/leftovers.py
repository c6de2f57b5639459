"""What a way forward that failed has left, and whether it can be run again on that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rehearse import bookkeeping
from rehearse.events import PhaseRan, RetryTried, StatementRan
from rehearse.measures._remembered import remembered
from rehearse.model import Comparison, PropertyDifference, Recording
from rehearse.units import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What stays of a failed way forward: properties of the schema, and rows and values in words.

    `ran` is how many of its statements went well; `retry` is the try to run it again in quiet, None: there was none.
    """

    ran: int
    schema: tuple[PropertyDifference, ...]
    rows: tuple[str, ...]
    retry: RetryTried | None


def is_left(comparison: Comparison) -> bool:
    """Say whether anything is not as it was before."""
    return bool(comparison.schema) or any(_rows(comparison))


@remembered
def leftovers(recording: Recording) -> Leftovers | None:
    """Return what a failed way forward left; None where it did not fail, left nothing, or was not compared."""
    ran = next((one for one in recording.history.of(PhaseRan) if one.name == "forward" and one.error), None)
    found = recording.comparison("start", "forward")
    if ran is None or found is None:
        return None
    found = bookkeeping.without(found, bookkeeping.tables(recording))
    if not is_left(found):
        return None
    well = [
        one
        for one in recording.history.of(StatementRan)
        if ran.at_ns <= one.at_ns <= ran.ended_ns and one.error is None
    ]
    tries = recording.history.of(RetryTried)
    return Leftovers(ran=len(well), schema=found.schema, rows=tuple(_rows(found)), retry=tries[-1] if tries else None)


def _rows(comparison: Comparison) -> Iterator[str]:
    """Yield in words which rows and values the migration changed, by itself."""
    for table in comparison.tables:
        if table.rows_unexpected:
            yield f"{counted(table.rows_unexpected, 'row')} more in {table.table}"
        if table.rows_missing:
            yield f"{counted(table.rows_missing, 'row')} fewer in {table.table}"
        for column in table.columns:
            if column.values_changed:
                yield f"{counted(column.values_changed, 'value')} of {table.table}.{column.column} changed"
