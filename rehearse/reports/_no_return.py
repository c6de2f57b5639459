"""The point of no return of a report, in figures and in words."""

from __future__ import annotations

from rehearse.events import RowsInTheWay as Counted
from rehearse.measures import no_return
from rehearse.measures.no_return import FirstLost
from rehearse.model import Recording
from rehearse.reports import _words
from rehearse.reports._shape_fidelity import Blocked, NoReturn, RowsInTheWay
from rehearse.units import NS_PER_MS, counted

_KEYS = 20


def point_of_no_return(recording: Recording) -> NoReturn | None:
    """Return from which write on the way back loses some; None: not measured."""
    found = no_return.point_of_no_return(recording)
    if found is None:
        return None
    first = found.first
    return NoReturn(
        says=_says(found),
        writes_lost=found.writes_lost,
        at_ms=None if first is None else first.since_ns / NS_PER_MS,
        call=first.call if first else None,
        table=first.table if first else None,
        key=first.key if first else None,
        column=first.column if first else None,
        written=first.written if first else None,
        found=first.found if first else None,
        not_told=list(found.untold),
    )


def _says(found: no_return.NoReturn) -> str:
    if not found.writes_lost:
        kept = "back keeps every acknowledged write"
        return f"none seen: {kept} that could be followed" if found.untold else f"none: {kept}"
    lost = (
        f"{counted(found.writes_lost, 'acknowledged write')} {'is' if found.writes_lost == 1 else 'are'} lost by back"
    )
    if found.first is None:
        return f"{lost}; from when on is not known, since their rows are not"
    return f"{_when(found.first)}: {lost} from then on; the first is {_what(found.first)}"


def _when(first: FirstLost) -> str:
    ms = first.since_ns / NS_PER_MS
    return f"{_words.ms(ms)} after forward began" if ms >= 0 else f"{_words.ms(-ms)} before forward began"


def _what(first: FirstLost) -> str:
    place = f"{first.table}{f'.{first.column}' if first.column else ''}" + (f", key {first.key}" if first.key else "")
    if first.is_dropped:
        return f"call {first.call!r} to {place}: {_cell(first.written)}, which back takes away"
    there = "no such row" if first.column is None and first.found is None else _cell(first.found)
    return f"call {first.call!r} to {place}: {_cell(first.written)} was written, {there} is there"


def _cell(text: str | None) -> str:
    return "NULL" if text is None else repr(text)


def blocked(recording: Recording) -> Blocked | None:
    """Return why the way back failed on rows; None: it did not."""
    found = no_return.blocked(recording)
    if found is None:
        return None
    return Blocked(
        says=_in_the_way(found),
        statement=found.statement,
        code=found.code,
        error=found.error,
        in_the_way=[
            RowsInTheWay(
                table=one.table, rule=one.rule, rows=one.rows, rows_before=one.rows_before, keys=list(one.keys[:_KEYS])
            )
            for one in found.in_the_way
        ],
        at_ms=None if found.first is None else found.first.since_ns / NS_PER_MS,
        call=found.first.call if found.first else None,
    )


def _in_the_way(found: no_return.Blocked) -> str:
    parts = [_rows(one) for one in found.in_the_way if one.rows] or ["how many rows are in the way cannot be told"]
    first = f"; the first was written {_when(found.first)} by call {found.first.call!r}" if found.first else ""
    return f"back is blocked by rows: statement {found.statement} fails ({found.error}): {'; '.join(parts)}{first}"


def _rows(one: Counted) -> str:
    verb = "does" if one.rows == 1 else "do"
    before = "" if one.rows_before is None else f" ({one.rows_before:,} at the start)"
    key = f", for example key {one.keys[0]}" if one.keys else ""
    return f"{counted(one.rows or 0, 'row')} of {one.table} {verb} not fit {one.rule}{before}{key}"
