"""Rollback fidelity: how much of what was there at the start is there again after the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from rehearse import bookkeeping
from rehearse.events import PhaseRan
from rehearse.measures.behaviour import behaviour
from rehearse.model import (
    ColumnDifference,
    Comparison,
    Effect,
    PropertyDifference,
    Recording,
    Snapshot,
    TableComparison,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsLost:
    """What one table, or one of its columns, lost on the way back. None: the figure is not about this place."""

    table: str
    column: str | None
    values_lost: int | None
    values_changed: int | None
    rows_lost: int | None
    rows_left_over: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Each fidelity is 1.0 only where nothing differs, and None where it was not measured.

    `fidelity` is the least of schema, data, behaviour and again, never their mean: a lost column is not made good by an
    index. Behaviour counts what calls answer; how they are planned, and physical differences, are listed only. Where
    calls were asked, no answer could be compared and nothing else differs, it is None.
    None in a list's place: not compared. A second way forward that failed has no lists and the fidelity 0.0: it made
    nothing like the first.
    """

    fidelity: float | None
    schema_fidelity: float | None
    data_fidelity: float | None
    behaviour_fidelity: float | None
    again_fidelity: float | None
    schema: tuple[PropertyDifference, ...] | None
    physical: tuple[PropertyDifference, ...] | None
    data: tuple[RowsLost, ...] | None
    again: tuple[PropertyDifference, ...] | None
    again_data: tuple[RowsLost, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Whether the traffic's writes survived, by the worst comparison with the start; and the tables after forward."""

    lost_writes: int | None
    phantom_writes: int | None
    writes_checked: int | None
    tables: tuple[TableComparison, ...]


def integrity(recording: Recording) -> Integrity:
    """Return what became of the writes; a comparison with the start sees all of them up to its end."""
    compared = since_start(recording)
    forward = next((one for one in compared if one.after == "forward"), None)
    return Integrity(
        lost_writes=_largest(compared, "lost_writes"),
        phantom_writes=_largest(compared, "phantom_writes"),
        writes_checked=_largest(compared, "writes_checked"),
        tables=forward.tables if forward else (),
    )


def since_start(recording: Recording) -> list[Comparison]:
    """Return the comparisons with the start, without lost writes that a declared effect explains.

    These set a declared column to NULL, as many rows had it before, and the migration filled it: no value is lost.
    """
    effects = recording.scenario.migration.effects
    return [
        replace(one, tables=tuple(_without_nulls(table, effects) for table in one.tables))
        for one in recording.comparisons
        if one.before == "start"
    ]


def _without_nulls(table: TableComparison, effects: Iterable[Effect]) -> TableComparison:
    declared = {one.column for one in effects if one.table == table.table}
    excused = sum(one.writes for one in table.nulls_filled if declared.issuperset(one.columns))
    if not excused:
        return table
    return replace(
        table,
        lost_writes=table.lost_writes - excused,
        nulls_filled=tuple(one for one in table.nulls_filled if not declared.issuperset(one.columns)),
        wrong_writes=tuple(
            one
            for one in table.wrong_writes
            if not (one.kind == "lost" and one.column in declared and one.written is None and one.found is not None)
        ),
    )


def rollback(recording: Recording) -> Rollback:
    """Return the losses of the way back and their one number."""
    back, again = went_back(recording), went_again(recording)
    schema = None if back is None else _schema(back, recording.snapshots["start"])
    data = None if back is None else _data(back, recording.snapshots["start"])
    once_more = None if again is None else _again(again, recording.snapshots.get("forward"))
    once_more = 0.0 if again_failed(recording) else once_more
    behaves = behaviour(recording)
    answers = behaves.fidelity if behaves else None
    parts = [part for part in (schema, data, answers, once_more) if part is not None]
    is_measured = schema is not None and data is not None
    is_unanswered = behaves is not None and answers is None and min(parts, default=1.0) == 1.0
    return Rollback(
        fidelity=min(parts) if is_measured and not is_unanswered else None,
        schema_fidelity=schema,
        data_fidelity=data,
        behaviour_fidelity=answers,
        again_fidelity=once_more,
        schema=back.schema if back else None,
        physical=back.physical if back else None,
        data=losses(back.tables) if back else None,
        again=again.schema if again else None,
        again_data=losses(again.tables) if again else None,
    )


def went_back(recording: Recording) -> Comparison | None:
    """Return how the state after the way back differs from the start, what is expected taken out; None: not compared.

    Expected are the migration tool's own tables, and values that were NULL and stay filled where the effect says
    `back = false`.
    """
    found = recording.comparison("start", "back")
    if found is None:
        return None
    return _without_expected(recording, found, _one_way(recording))


def went_forward(recording: Recording, found: Comparison) -> Comparison:
    """Return how the state after the way forward differs from the start, the tool's own tables taken out."""
    return bookkeeping.without(found, bookkeeping.tables(recording))


def _one_way(recording: Recording) -> list[Effect]:
    """Return the effects that the way back need not undo."""
    return [one for one in recording.scenario.migration.effects if not one.back]


def went_again(recording: Recording) -> Comparison | None:
    """Return how the second way forward differs from the first, what is expected taken out.

    Expected are, besides, the rows and values of tables and columns that were not there at the start: what the way
    forward makes anew may differ by right, since now() and random() are evaluated again. None: not compared, or it
    failed and what it should have made is not there.
    """
    found = recording.comparison("forward", "again")
    if found is None or again_failed(recording):
        return None
    found = _without_expected(recording, found, recording.scenario.migration.effects)
    start = recording.snapshots.get("start")
    return found if start is None else replace(found, tables=tuple(_there_before(found.tables, start)))


def again_failed(recording: Recording) -> bool:
    """Say whether the second way forward was tried and did not come to its end."""
    return any(one.name == "again" and one.error for one in recording.history.of(PhaseRan))


def _there_before(tables: Iterable[TableComparison], start: Snapshot) -> Iterator[TableComparison]:
    """Yield the comparisons of tables that were there at the start, each with the columns that were."""
    for table in tables:
        before = start.tables.get(table.table)
        if before is not None:
            yield replace(table, columns=tuple(one for one in table.columns if one.column in before.columns))


def _without_expected(recording: Recording, found: Comparison, effects: Iterable[Effect]) -> Comparison:
    found = bookkeeping.without(found, bookkeeping.tables(recording))
    return replace(found, tables=tuple(_without_filled(one, effects) for one in found.tables))


def filled(recording: Recording) -> Mapping[str, int]:
    """Return how many values of each such table.column were NULL at the start and are filled after the way back."""
    found = recording.comparison("start", "back")
    effects = _one_way(recording)
    columns = ((table.table, one) for table in (found.tables if found else ()) for one in table.columns)
    return {
        f"{table}.{one.column}": one.values_filled
        for table, one in columns
        if one.values_filled and _is_declared(table, one, effects)
    }


def _is_declared(table: str, column: ColumnDifference, effects: Iterable[Effect]) -> bool:
    return any((one.table, one.column) == (table, column.column) for one in effects)


def _without_filled(table: TableComparison, effects: Iterable[Effect]) -> TableComparison:
    """Return a comparison without the values of declared columns that were NULL: no value of these is lost."""
    return replace(
        table,
        columns=tuple(
            _others(one) if one.values_filled and _is_declared(table.table, one, effects) else one
            for one in table.columns
        ),
    )


def _others(column: ColumnDifference) -> ColumnDifference:
    return replace(
        column,
        values_changed=column.values_changed - (column.values_filled or 0),
        values_filled=0,
        examples=tuple(one for one in column.examples if one.before is not None),
    )


def losses(tables: Iterable[TableComparison]) -> tuple[RowsLost, ...]:
    """Return every table and column that lost something, or holds something that was not there."""
    return tuple(loss for table in tables for loss in (*_rows(table), *_values(table)))


def _rows(table: TableComparison) -> Iterator[RowsLost]:
    lost, left = _rows_lost(table), _rows_left_over(table)
    if lost or left:
        yield RowsLost(
            table=table.table, column=None, values_lost=None, values_changed=None, rows_lost=lost, rows_left_over=left
        )


def _values(table: TableComparison) -> Iterator[RowsLost]:
    for one in table.columns:
        if one.values_changed:
            yield RowsLost(
                table=table.table,
                column=one.column,
                values_lost=one.values_lost,
                values_changed=one.values_changed,
                rows_lost=None,
                rows_left_over=None,
            )
    for name in table.columns_gone:
        gone = table.values_gone.get(name)
        if table.rows_after is not None and table.rows_before and gone != 0:
            yield RowsLost(
                table=table.table,
                column=name,
                values_lost=gone,
                values_changed=gone,
                rows_lost=None,
                rows_left_over=None,
            )


def _rows_lost(table: TableComparison) -> int | None:
    """Return rows that are gone; all of them where the table itself is, none where it was not there."""
    if table.rows_before is None:
        return 0
    return table.rows_before if table.rows_after is None else table.rows_missing


def _rows_left_over(table: TableComparison) -> int | None:
    """Return rows too many: all of them where the table itself is left over, none where it is gone."""
    if table.rows_before is None:
        return table.rows_after
    return 0 if table.rows_after is None else table.rows_unexpected


def _largest(comparisons: Iterable[Comparison], field: str) -> int | None:
    return max((sum(getattr(table, field) for table in one.tables) for one in comparisons), default=None)


def _schema(comparison: Comparison, before: Snapshot) -> float:
    """Return the share of the earlier schema's properties that are as they were; each leftover counts as one too."""
    compared = sum(max(len(properties), 1) for properties in before.schema.values())
    return _share(len(comparison.schema), compared)


def _data(comparison: Comparison, before: Snapshot) -> float | None:
    """Return the share of the worst table's values that are as they were.

    None where a table could not be compared and no other lost anything: its loss would not have been seen.
    """
    shares = [_table(one, before) for one in comparison.tables]
    least = min((share for share in shares if share is not None), default=1.0)
    return None if least == 1.0 and None in shares else least


def _table(table: TableComparison, before: Snapshot) -> float | None:
    if table.rows_before is None:
        return 1.0  # a table left over is the schema's difference; no value was lost
    lost, left = _rows_lost(table), _rows_left_over(table)
    if lost is None or left is None or (table.columns_unmeasured and not (lost or left or table.columns)):
        return None
    state = before.tables.get(table.table)
    width = max(len(state.columns) if state else 0, len(table.columns) + len(table.columns_gone), 1)
    gone = sum(table.values_gone.get(one, table.rows_before) for one in table.columns_gone)
    changed = sum(one.values_changed for one in table.columns) + gone
    cells = 0 if table.rows_after is None else changed
    return _share((lost + left) * width + cells, table.rows_before * width)


def _again(comparison: Comparison, before: Snapshot | None) -> float | None:
    """Return the share of the schema that the second way forward made like the first.

    Values are left to the checks: what the migration computes anew, such as now(), may differ by right.
    """
    return None if before is None else _schema(comparison, before)


def _share(bad: int, of: int) -> float:
    """Return 1.0 for no loss, less for any, 0.0 at the least; rounding never makes a loss vanish."""
    return 1.0 if bad == 0 else max(0.0, min(1.0 - bad / max(of, bad), 1.0 - 1e-9))
