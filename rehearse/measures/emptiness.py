"""Which of the tables that a migration touches held no row: how long their locks last there tells nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rehearse import bookkeeping
from rehearse.events import LockTaken, PhaseRan, StatementRan, TableLoaded
from rehearse.model import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """Tables that were there at the start and that the migration closed or rewrote, or else locked at all."""

    empty: tuple[str, ...]
    filled: tuple[str, ...]
    tables: int  # how many there were at the start, the tool's own left out
    rows: int  # in all of them


def touched(recording: Recording) -> Touched:
    """Return the touched tables, those left out that `data.tables` says to be empty in production too."""
    rows = _rows(recording)
    meant = {name for name, count in recording.scenario.data.tables.items() if str(count) == "0"}
    names = sorted(_touched(recording) & rows.keys() - meant)
    return Touched(
        empty=tuple(name for name in names if not rows[name]),
        filled=tuple(name for name in names if rows[name]),
        tables=len(rows.keys() - meant),
        rows=sum(rows.values()),
    )


def _rows(recording: Recording) -> Mapping[str, int]:
    own = bookkeeping.tables(recording)
    return {one.table: one.rows for one in recording.history.of(TableLoaded) if one.table not in own}


def _touched(recording: Recording) -> set[str]:
    acting = [one for one in recording.history.of(PhaseRan) if one.acted_ns is not None]

    def within(at_ns: int) -> bool:
        return any(one.at_ns <= at_ns <= one.ended_ns for one in acting)

    locks = [one for one in recording.history.of(LockTaken) if within(one.at_ns)]
    statements = [one for one in recording.history.of(StatementRan) if within(one.at_ns)]
    closed = {one.table for one in locks if one.stops} | {table for one in statements for table in one.rewrites or ()}
    return closed or {one.table for one in locks}
