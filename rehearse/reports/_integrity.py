"""Integrity and rollback of a report, from the comparisons of the snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rehearse.measures.fidelity import rollback as measured_rollback
from rehearse.model import ColumnDifference, Comparison, PropertyDifference, Recording, TableComparison, WrongWrite
from rehearse.reports._shape import (
    ChangedColumn,
    DataLoss,
    Difference,
    ExampleCell,
    Integrity,
    Rollback,
    TableIntegrity,
    WrongWriteSeen,
)


def integrity(recording: Recording) -> Integrity:
    """Return whether the writes of every phase survived, and what else differs after the way forward."""
    compared = [one for one in recording.comparisons if one.before == "start"]
    forward = recording.comparison("start", "forward")
    return Integrity(
        lost_writes=_worst(compared, "lost_writes"),
        phantom_writes=_worst(compared, "phantom_writes"),
        tables=[_table(one) for one in forward.tables] if forward else [],
    )


def _worst(comparisons: Iterable[Comparison], field: str) -> int | None:
    """Return the largest sum over tables of any comparison: each of them sees the writes since the start."""
    sums = [sum(getattr(table, field) for table in one.tables) for one in comparisons]
    return max(sums, default=None)


def _table(one: TableComparison) -> TableIntegrity:
    return TableIntegrity(
        table=one.table,
        rows_before=one.rows_before,
        rows_after=one.rows_after,
        rows_missing=one.rows_missing,
        rows_unexpected=one.rows_unexpected,
        columns=[_column(column) for column in one.columns],
        columns_gone=list(one.columns_gone),
        columns_new=list(one.columns_new),
        writes_checked=one.writes_checked,
        lost_writes=one.lost_writes,
        phantom_writes=one.phantom_writes,
        wrong_writes=[_wrong(write) for write in one.wrong_writes],
        not_measured=list(one.unmeasured),
    )


def _column(one: ColumnDifference) -> ChangedColumn:
    return ChangedColumn(
        column=one.column,
        values_changed=one.values_changed,
        values_lost=one.values_lost,
        examples=_examples(one),
    )


def _examples(one: ColumnDifference) -> list[ExampleCell]:
    return [ExampleCell(key=cell.key, before=cell.before, after=cell.after) for cell in one.examples]


def _wrong(one: WrongWrite) -> WrongWriteSeen:
    return WrongWriteSeen(
        kind=one.kind, key=one.key, column=one.column, written=one.written, found=one.found, call=one.call
    )


def rollback(recording: Recording) -> Rollback:
    """Return what the way back did not restore, and what the second way forward made otherwise."""
    back = recording.comparison("start", "back")
    again = recording.comparison("forward", "again")
    measured = measured_rollback(recording)
    return Rollback(
        fidelity=measured.fidelity,
        schema_fidelity=measured.schema_fidelity,
        data_fidelity=measured.data_fidelity,
        schema=None if back is None else _differences(back.schema),
        data=None if back is None else list(_losses(back)),
        physical=None if back is None else _differences(back.physical),
        again=None if again is None else _differences([*again.schema, *again.physical]),
        again_data=None if again is None else list(_losses(again)),
    )


def _differences(differences: Iterable[PropertyDifference]) -> list[Difference]:
    return [
        Difference(
            object=one.object,
            property=one.property,
            before=one.before,
            after=one.after,
            severity=one.severity,
        )
        for one in differences
    ]


def _losses(comparison: Comparison) -> Iterator[DataLoss]:
    for table in comparison.tables:
        if table.rows_missing or table.rows_unexpected:
            yield _lost_rows(table)
        for column in table.columns:
            if column.values_changed:
                yield _lost_values(table, column)


def _lost_rows(table: TableComparison) -> DataLoss:
    return DataLoss(
        table=table.table,
        column=None,
        values_lost=None,
        values_changed=None,
        rows_lost=table.rows_missing,
        rows_left_over=table.rows_unexpected,
        examples=[],
    )


def _lost_values(table: TableComparison, column: ColumnDifference) -> DataLoss:
    return DataLoss(
        table=table.table,
        column=column.column,
        values_lost=column.values_lost,
        values_changed=column.values_changed,
        rows_lost=None,
        rows_left_over=None,
        examples=_examples(column),
    )
