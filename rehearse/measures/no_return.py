"""From which write on the way back loses what the application was told is done, and what keeps it from running at all.

A write counts as lost by the way back if it is not there after back and was not missing after forward; and if it gave a
value to a column (or made a row of a table) that only the migrated schema has, and nothing carries that over.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rehearse import bookkeeping
from rehearse.events import CallEnded, Outcome, PhaseRan, RowsInTheWay, RowWritten, StatementRan
from rehearse.measures import carrying
from rehearse.measures._remembered import remembered
from rehearse.model import LostWrite, Recording, WrongWrite


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLost:
    """The first acknowledged write that the way back loses. `since_ns` counts from when the way forward began to act.

    `column` is None for a whole row; `is_dropped`: the way back takes its column or table away. `found` is what is
    there; None: NULL, no row, or not kept.
    """

    since_ns: int
    call: str
    table: str
    key: str | None
    column: str | None
    written: str | None
    found: str | None
    is_dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReturn:
    """How many acknowledged writes the way back loses, and the first; `untold` is what could not be followed."""

    writes_lost: int
    first: FirstLost | None
    untold: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """A way back that failed on rows; `first` is the first write of one of them since the way forward began to act."""

    statement: int
    code: str | None
    error: str
    in_the_way: tuple[RowsInTheWay, ...]
    first: FirstLost | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row that an acknowledged call wrote."""

    at_ns: int
    number: int
    call: str
    table: str
    kind: str
    key: str | None
    values: Mapping[str, str | None]


@remembered
def point_of_no_return(recording: Recording) -> NoReturn | None:
    """Return what the way back loses of acknowledged writes; None where no such write could be followed through it."""
    back, acted, written = recording.comparison("start", "back"), _acted(recording), _written(recording)
    if back is None or acted is None or not written or not _ran_to_its_end(recording, "back"):
        return None
    own = bookkeeping.tables(recording)
    tables = [one for one in back.tables if one.table not in own]
    if any(one.lost is None for one in tables):
        return None  # an old recording, which did not keep which writes are lost
    missing = list(_missing(recording, written))
    dropped, untold = _dropped(recording, written, {(row.table, row.number) for row, _ in missing})
    untold += [
        f"{one.writes_untold:,} writes to {one.table}: their rows are not known" for one in tables if one.writes_untold
    ]
    if not missing and not dropped and not any(one.writes_checked for one in tables):
        return None
    firsts = [*_first_missing(recording, missing, acted), *_first(dropped, acted, is_dropped=True)]
    return NoReturn(
        writes_lost=len(missing) + len({(row.table, row.key or row.number) for row in dropped}) + _nameless(recording),
        first=min(firsts, key=lambda one: one.since_ns, default=None),
        untold=tuple(untold),
    )


def why_not(recording: Recording) -> str:
    """Say in words why it was not measured."""
    if recording.comparison("start", "back") is None or not _ran_to_its_end(recording, "back"):
        return "the way back did not run to its end"
    if not _written(recording):
        return "the traffic wrote nothing whose rows are known"
    return "no acknowledged write could be followed through the way back"


def blocked(recording: Recording) -> Blocked | None:
    """Return what the way back failed on, where that was rows; None where it ran, or failed otherwise."""
    ran = _phase(recording, "back")
    if ran is None or not ran.error:
        return None
    statements = [one for one in recording.history.of(StatementRan) if ran.at_ns <= one.at_ns <= ran.ended_ns]
    failed = next((one for one in reversed(statements) if one.error and (one.code or "")[:2] in {"22", "23"}), None)
    if failed is None:
        return None
    found = tuple(one for one in recording.history.of(RowsInTheWay) if one.phase == "back")
    return Blocked(
        statement=failed.n,
        code=failed.code,
        error=failed.error or "",
        in_the_way=found,
        first=_first_in_the_way(recording, found),
    )


# --- the recording's parts


def _phase(recording: Recording, name: str) -> PhaseRan | None:
    return next((one for one in recording.history.of(PhaseRan) if one.name == name), None)


def _ran_to_its_end(recording: Recording, name: str) -> bool:
    ran = _phase(recording, name)
    return ran is not None and not ran.error


def _acted(recording: Recording) -> int | None:
    forward = _phase(recording, "forward")
    return None if forward is None else forward.acted_ns


@remembered
def _written(recording: Recording) -> list[_Row]:
    """Return the rows that acknowledged calls wrote up to the end of the way back."""
    ran, frame = _phase(recording, "back"), recording.history.frame(RowWritten)
    frame = frame[(frame["outcome"] == Outcome.OK.value) & (frame["at_ns"] <= (ran.ended_ns if ran else 0))]
    frame = frame.merge(recording.history.frame(CallEnded)[["number", "call"]], on="number", how="left")
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    return [
        _Row(
            at_ns=int(row["at_ns"]),
            number=int(row["number"]),
            call=str(row["call"]),
            table=row["table"],
            kind=row["kind"],
            key=_key(row["key"]),
            values=json.loads(row["values"]),
        )
        for row in rows
    ]


# --- writes that are not there


def _missing(recording: Recording, written: list[_Row]) -> Iterator[tuple[_Row, str]]:
    """Yield the writes, with their keys, that are lost after back and were not after forward, but for declared ones."""
    before = {(table, one.number, one.key) for table, one in _lost(recording, "forward")}
    declared = {(one.table, one.column) for one in recording.scenario.migration.effects}
    rows = {(row.table, row.number): row for row in written}
    for table, one in _lost(recording, "back"):
        is_meant = bool(one.filled) and all((table, column) in declared for column in one.filled)
        if not is_meant and (table, one.number, one.key) not in before and (table, one.number) in rows:
            yield rows[table, one.number], one.key


def _lost(recording: Recording, after: str) -> Iterator[tuple[str, LostWrite]]:
    comparison = recording.comparison("start", after)
    for table in comparison.tables if comparison else ():
        yield from ((table.table, one) for one in table.lost or ())


def _nameless(recording: Recording) -> int:
    """Return how many more writes back lost whose rows nobody told, so that only their number is known."""
    counts = {"forward": 0, "back": 0}
    for after in counts:
        comparison = recording.comparison("start", after)
        counts[after] = sum(one.lost_writes - len(one.lost or ()) for one in (comparison.tables if comparison else ()))
    return max(0, counts["back"] - counts["forward"])


def _first_missing(recording: Recording, missing: list[tuple[_Row, str]], acted: int) -> Iterator[FirstLost]:
    """Yield the first of them, with what is there instead where the comparison kept it."""
    if not missing:
        return
    row, key = min(missing, key=lambda pair: pair[0].at_ns)
    wrong = _wrong(recording, row.table, key, row.at_ns)
    yield FirstLost(
        since_ns=row.at_ns - acted,
        call=wrong.call if wrong else row.call,
        table=row.table,
        key=key,
        column=wrong.column if wrong else None,
        written=wrong.written if wrong else _shown(row),
        found=wrong.found if wrong else None,
    )


def _wrong(recording: Recording, table: str, key: str, at_ns: int) -> WrongWrite | None:
    comparison = recording.comparison("start", "back")
    kept = (one for state in (comparison.tables if comparison else ()) for one in state.wrong_writes)
    return next((one for one in kept if (one.kind, one.table, one.key, one.at_ns) == ("lost", table, key, at_ns)), None)


# --- writes to what only the migrated schema has


def _dropped(
    recording: Recording, written: list[_Row], but: Collection[tuple[str, int]]
) -> tuple[list[_Row], list[str]]:
    """Return the writes that gave values to what the way back takes away, and what cannot be told of it."""
    start, forward, back = (recording.snapshots.get(name) for name in ("start", "forward", "back"))
    found: list[_Row] = []
    untold: list[str] = []
    if start is None or forward is None or back is None:
        return found, untold
    for name, table in forward.tables.items():
        after, before = back.tables.get(name), start.tables.get(name)
        gone = set(table.columns) - set(after.columns if after else ())
        rows = [row for row in _giving(written, name, gone) if (name, row.number) not in but]
        is_renamed = before is not None and bool(set(before.columns) - set(table.columns))
        taken = {*gone, name.rpartition(".")[2]} if after is None else gone
        why = _carried(recording, name, taken, is_renamed=is_renamed) if rows else None
        if why:
            columns = sorted({column for row in rows for column in row.values})
            untold.append(f"{len(rows):,} writes to {name} ({', '.join(columns)}): {why}")
        else:
            found += rows
    return found, untold


def _giving(written: list[_Row], table: str, gone: Collection[str]) -> Iterator[_Row]:
    """Yield the rows to which calls gave values in these columns, with these alone; rows that went again left out."""
    mine = [row for row in written if row.table == table] if gone else []
    deleted = {row.key for row in mine if row.kind == "delete"}
    for row in mine:
        given = {name: value for name, value in row.values.items() if name in gone and value is not None}
        if given and (row.key is None or row.key not in deleted):
            yield replace(row, values=given)


def _carried(recording: Recording, table: str, gone: Collection[str], *, is_renamed: bool) -> str | None:
    """Say why values of these names of a table may live on elsewhere; None: nothing carries them over."""
    start, forward = recording.snapshots["start"], recording.snapshots["forward"]
    if is_renamed:
        return "the way forward took other columns away, of which these may be the new names"
    if any("trigger" in name.split() for name in forward.schema.keys() - start.schema.keys()):
        return "the way forward made triggers, which may keep them in other columns, too"
    ran = _phase(recording, "back")
    texts = [one.sql for one in recording.history.of(StatementRan) if ran and ran.at_ns <= one.at_ns <= ran.ended_ns]
    if not texts:
        return "the statements of the way back are not known"
    return carrying.carried(texts, gone, table)


def _first(rows: list[_Row], acted: int, *, is_dropped: bool) -> Iterator[FirstLost]:
    if not rows:
        return
    row = min(rows, key=lambda one: one.at_ns)
    column, written = next(iter(row.values.items())) if is_dropped else (None, _shown(row))
    yield FirstLost(
        since_ns=row.at_ns - acted,
        call=row.call,
        table=row.table,
        key=row.key,
        column=column,
        written=written,
        found=None,
        is_dropped=is_dropped,
    )


def _first_in_the_way(recording: Recording, found: tuple[RowsInTheWay, ...]) -> FirstLost | None:
    """Return the first write since the way forward began to act to one of the rows that are in the way."""
    acted, keys = _acted(recording), {(one.table, key) for one in found for key in one.keys}
    if acted is None:
        return None
    rows = [row for row in _written(recording) if row.at_ns >= acted and (row.table, row.key) in keys]
    return next(_first(rows, acted, is_dropped=False), None)


def _shown(row: _Row) -> str:
    return ", ".join(f"{name} = {'NULL' if value is None else value}" for name, value in row.values.items())


def _key(key: str | None) -> str | None:
    """Return a key as comparisons write it: the value alone, or "a = 1, b = 2"."""
    if not isinstance(key, str):
        return None
    named = json.loads(key)
    if len(named) == 1:
        return str(next(iter(named.values())))
    return ", ".join(f"{name} = {text}" for name, text in named.items())
