"""Rollback fidelity from comparisons by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rehearse.measures.fidelity import integrity, losses, rollback
from rehearse.model import ColumnDifference, Comparison, PropertyDifference, Snapshot, TableComparison, TableState
from rehearse.testing.recordings import phase, recorded

STATE = TableState(table="t", rows=100, size_bytes=1, key=("id",), checksum="1", columns={"id": "1", "v": "2"})
LOST_DEFAULT = PropertyDifference(object="table t column v", property="default", before="1", after=None)


def snapshot(name: str) -> Snapshot:
    schema = {"table t": {"owner": "o"}, "table t column v": {"type": "int", "default": "1", "comment": "c"}}
    return Snapshot(name=name, at_ns=0, took_ns=0, schema=schema, physical={}, tables={"t": STATE})


def compared(
    before: str, after: str, *tables: TableComparison, schema: tuple[PropertyDifference, ...] = ()
) -> Comparison:
    return Comparison(before=before, after=after, took_ns=0, schema=schema, physical=schema, tables=tables)


def t(**more: Any) -> TableComparison:
    plain: dict[str, Any] = {
        "table": "t",
        "rows_before": 100,
        "rows_after": 100,
        "rows_missing": 0,
        "rows_unexpected": 0,
    }
    return TableComparison(**plain | more)


def recording(*comparisons: Comparison) -> Any:
    made = recorded([])
    return replace(
        made, snapshots={n: snapshot(n) for n in ("start", "forward", "back", "again")}, comparisons=comparisons
    )


def test_all_restored_is_exactly_one() -> None:
    found = rollback(recording(compared("start", "back", t()), compared("forward", "again", t())))
    assert (found.fidelity, found.schema_fidelity, found.data_fidelity, found.again_fidelity) == (1.0, 1.0, 1.0, 1.0)


def test_what_was_not_compared_is_none_and_never_a_number() -> None:
    found = rollback(recording())
    assert (found.fidelity, found.schema, found.data, found.again) == (None, None, None, None)
    unmeasured = rollback(recording(compared("start", "back", t(rows_missing=None))))
    assert (unmeasured.fidelity, unmeasured.data_fidelity, unmeasured.schema_fidelity) == (None, None, 1.0)


def test_a_loss_is_told_even_where_another_table_was_not_measured() -> None:
    other = t(table="u", rows_missing=None)
    assert rollback(recording(compared("start", "back", other, t(rows_missing=50)))).data_fidelity == 0.5
    assert rollback(recording(compared("start", "back", other, t()))).data_fidelity is None


def test_the_number_is_the_least_part_and_not_the_mean() -> None:
    lost = ColumnDifference(column="v", values_changed=100, values_lost=100)
    found = rollback(recording(compared("start", "back", t(columns=(lost,)))))
    assert (found.schema_fidelity, found.data_fidelity, found.fidelity) == (1.0, 0.5, 0.5)


def test_any_difference_keeps_it_below_one() -> None:
    found = rollback(recording(compared("start", "back", t(), schema=(LOST_DEFAULT,))))
    assert found.schema_fidelity == 0.75
    assert found.fidelity == 0.75


def test_a_table_that_did_not_come_back_lost_all_rows() -> None:
    gone = t(rows_after=None, rows_missing=None, rows_unexpected=None)
    found = rollback(recording(compared("start", "back", gone)))
    assert found.data_fidelity == 0.0
    assert [one.rows_lost for one in losses([gone])] == [100]


def test_a_column_that_did_not_come_back_lost_its_values() -> None:
    found = rollback(recording(compared("start", "back", t(columns_gone=("v",), values_gone={"v": 60}))))
    assert found.data_fidelity == 0.7
    assert found.data is not None
    assert [(one.column, one.values_lost) for one in found.data] == [("v", 60)]


def test_values_that_were_not_counted_with_their_column_are_not_measured_and_no_faithful_way_back() -> None:
    found = rollback(recording(compared("start", "back", t(columns_gone=("v",)))))
    assert found.data_fidelity == 0.5
    assert found.data is not None
    assert [(one.column, one.values_lost) for one in found.data] == [("v", None)]


def test_a_column_that_was_empty_takes_no_value_with_it() -> None:
    found = rollback(recording(compared("start", "back", t(columns_gone=("v",), values_gone={"v": 0}))))
    assert (found.data_fidelity, found.data) == (1.0, ())


def test_a_second_way_forward_that_failed_is_not_compared_and_makes_nothing_like_the_first() -> None:
    made = recording(compared("start", "back", t()), compared("forward", "again", t(rows_missing=3)))
    failed = replace(made, history=recorded([phase("again", 1, 2, acted=(1, 2), error="it exists")]).history)
    found = rollback(failed)
    assert (found.fidelity, found.again_fidelity, found.again, found.again_data) == (0.0, 0.0, None, None)


def test_what_the_way_forward_makes_anew_may_be_other_the_second_time() -> None:
    made_now = ColumnDifference(column="made_at", values_changed=100, values_lost=0)
    new = t(table="u", rows_missing=1, rows_unexpected=1)
    found = rollback(
        recording(compared("start", "back", t()), compared("forward", "again", t(columns=(made_now,)), new))
    )
    assert found.again_data == ()
    kept = ColumnDifference(column="v", values_changed=2, values_lost=0)
    found = rollback(recording(compared("start", "back", t()), compared("forward", "again", t(columns=(kept,)))))
    assert found.again_data is not None
    assert [(one.column, one.values_changed) for one in found.again_data] == [("v", 2)]


def test_another_second_way_forward_counts() -> None:
    found = rollback(
        recording(compared("start", "back", t()), compared("forward", "again", t(), schema=(LOST_DEFAULT,)))
    )
    assert found.fidelity == found.again_fidelity == 0.75


def test_the_worst_comparison_with_the_start_tells_the_lost_writes() -> None:
    found = integrity(
        recording(compared("start", "forward", t(lost_writes=2)), compared("start", "back", t(lost_writes=3)))
    )
    assert (found.lost_writes, found.phantom_writes) == (3, 0)
    assert integrity(recording()).lost_writes is None


@pytest.mark.parametrize("rows", [1, 10**12])
def test_one_loss_among_very_many_is_not_rounded_away(rows: int) -> None:
    lost = t(rows_before=rows, rows_after=rows - 1, rows_missing=1)
    found = rollback(recording(compared("start", "back", lost)))
    assert found.data_fidelity is not None
    assert found.data_fidelity < 1.0
