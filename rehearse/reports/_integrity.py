"""Integrity and rollback of a report, from the comparisons of the snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rehearse import bookkeeping
from rehearse.events import InvariantTried
from rehearse.measures import fidelity, invariants
from rehearse.measures.behaviour import lost_statistics
from rehearse.measures.fidelity import RowsLost
from rehearse.measures.irreversible import Irreversible, irreversible, taken, taker
from rehearse.measures.leftovers import leftovers
from rehearse.model import ColumnDifference, Comparison, PropertyDifference, Recording, TableComparison, WrongWrite
from rehearse.reports import _behaviour, _no_return, _words
from rehearse.reports._rules import rules
from rehearse.reports._shape_fidelity import (
    ChangedColumn,
    DataLoss,
    Difference,
    ExampleCell,
    Failure,
    Integrity,
    InvariantSeen,
    IrreversibleLoss,
    Rollback,
    TableIntegrity,
    Verified,
    WrongWriteSeen,
)
from rehearse.units import counted

_INVARIANTS = 500
_SQL = 400  # characters: the whole text stands with the phase's statements


def integrity(recording: Recording) -> Integrity:
    """Return whether the writes of every phase survived, and what else differs after the way forward."""
    measured, own = fidelity.integrity(recording), bookkeeping.tables(recording)
    tried = invariants.tried(recording)
    return Integrity(
        lost_writes=measured.lost_writes,
        phantom_writes=measured.phantom_writes,
        tables=[_table(one, is_bookkeeping=one.table in own) for one in measured.tables],
        rules=rules(recording),
        verified=[_verified(state, [one for one in tried if one.state == state]) for state in _states(tried)],
        invariants=[_invariant(one) for one in tried if one.rows != 0 or one.flaw][:_INVARIANTS],
    )


def _states(tried: Iterable[InvariantTried]) -> list[str]:
    return list(dict.fromkeys(one.state for one in tried))


def _verified(state: str, tried: Sequence[InvariantTried]) -> Verified:
    unchanged, failed = (
        sum(one.is_unchanged for one in tried),
        sum(invariants.why_unasked(one) is not None for one in tried),
    )
    return Verified(state=state, verified=len(tried) - unchanged - failed, unchanged=unchanged, not_measured=failed)


def _invariant(one: InvariantTried) -> InvariantSeen:
    return InvariantSeen(
        state=one.state,
        kind=one.kind,
        name=one.name,
        table=one.table,
        rows=one.rows,
        rows_before=one.rows_before,
        example=one.example,
        flaw=one.flaw,
        is_new=one.is_new,
        error=invariants.why_unasked(one),
        rows_new=one.rows_new,
    )


def _table(one: TableComparison, *, is_bookkeeping: bool) -> TableIntegrity:
    return TableIntegrity(
        table=one.table,
        rows_before=one.rows_before,
        rows_after=one.rows_after,
        rows_missing=one.rows_missing,
        rows_unexpected=one.rows_unexpected,
        examples_missing=list(one.examples_missing),
        examples_unexpected=list(one.examples_unexpected),
        columns=[_column(column) for column in one.columns],
        columns_gone=list(one.columns_gone),
        columns_new=list(one.columns_new),
        writes_checked=one.writes_checked,
        lost_writes=one.lost_writes,
        phantom_writes=one.phantom_writes,
        wrong_writes=[_wrong(write) for write in one.wrong_writes],
        not_measured=list(one.unmeasured),
        is_bookkeeping=is_bookkeeping,
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


def failure(recording: Recording) -> Failure | None:
    """Return what a failed way forward left; None where it did not fail, or left nothing that was seen."""
    found = leftovers(recording)
    if found is None:
        return None
    return Failure(
        statements=found.ran,
        schema=_differences(found.schema) or [],
        rows=list(found.rows),
        retried=found.retry is not None,
        retry_error=None if found.retry is None else found.retry.error,
    )


def rollback(recording: Recording) -> Rollback:
    """Return what the way back did not restore, and what the second way forward made otherwise."""
    measured = fidelity.rollback(recording)
    back, again = fidelity.went_back(recording), fidelity.went_again(recording)
    return Rollback(
        fidelity=measured.fidelity,
        schema_fidelity=measured.schema_fidelity,
        data_fidelity=measured.data_fidelity,
        behaviour_fidelity=measured.behaviour_fidelity,
        again_fidelity=measured.again_fidelity,
        schema=_differences(measured.schema),
        data=_losses(measured.data, back),
        physical=_differences(measured.physical),
        again=_differences(measured.again),
        again_data=_losses(measured.again_data, again),
        behaviour=_behaviour.differences(recording),
        unanswered=_behaviour.unanswered(recording),
        lost_statistics=list(lost_statistics(recording)),
        latency=_behaviour.latencies(recording),
        point_of_no_return=_no_return.point_of_no_return(recording),
        blocked=_no_return.blocked(recording),
        irreversible=_irreversible(irreversible(recording)),
        accepted=[
            f"{counted(count, 'value')} of {name} that {'was' if count == 1 else 'were'} NULL at the start: declared"
            for name, count in sorted(fidelity.filled(recording).items())
        ],
    )


def _irreversible(losses: Iterable[Irreversible] | None) -> list[IrreversibleLoss] | None:
    if losses is None:
        return None
    return [
        IrreversibleLoss(
            phase=one.phase,
            statement=one.statement.n if one.statement else None,
            file=one.statement.file if one.statement else None,
            sql=_words.short(one.statement.sql, _SQL) if one.statement else None,
            does=one.does,
            reason=one.reason,
            what=taken(one),
            by=taker(one),
            table=one.table,
            column=one.column,
            values_lost=one.values_lost,
            values_changed=one.values_changed,
            rows_lost=one.rows_lost,
            object=one.object,
            property=one.property,
        )
        for one in losses
    ]


def _differences(differences: Iterable[PropertyDifference] | None) -> list[Difference] | None:
    if differences is None:
        return None
    return [
        Difference(
            object=one.object,
            property=one.property,
            before=one.before,
            after=one.after,
            severity=one.severity,
            mend=one.mend,
        )
        for one in differences
    ]


def _losses(losses: Iterable[RowsLost] | None, comparison: Comparison | None) -> list[DataLoss] | None:
    if losses is None:
        return None
    return [
        DataLoss(
            table=one.table,
            column=one.column,
            values_lost=one.values_lost,
            values_changed=one.values_changed,
            rows_lost=one.rows_lost,
            rows_left_over=one.rows_left_over,
            examples=_examples_of(one, comparison),
        )
        for one in losses
    ]


def _examples_of(one: RowsLost, comparison: Comparison | None) -> list[ExampleCell]:
    tables = [table for table in comparison.tables if table.table == one.table] if comparison else []
    columns = (column for table in tables for column in table.columns if column.column == one.column)
    return [cell for column in columns for cell in _examples(column)]
