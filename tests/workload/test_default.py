"""The workload derived from a schema."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rehearse.model import Survey
from rehearse.workload import default


def test_every_table_with_key_and_rows_is_read_and_updated(shop: Survey) -> None:
    calls = {one.name: one for one in default.calls(shop)}
    assert {name.removeprefix("read ") for name in calls if name.startswith("read")} == {
        *("customers", "orders", "items", "touched")
    }
    assert sum(one.share for name, one in calls.items() if name.startswith("read")) == pytest.approx(0.8)
    assert calls["read items"].sql == (
        'SELECT "order_id", "line", "qty" FROM "public"."items" WHERE "order_id" = :key1 AND "line" = :key2'
    )


def test_a_table_a_hundred_times_larger_gets_ten_times_the_calls(shop: Survey) -> None:
    calls = {one.name: one.share for one in default.calls(shop)}
    assert calls["read orders"] / calls["read customers"] == pytest.approx(10)


def test_the_note_names_what_is_left_out(shop: Survey) -> None:
    assert default.note(shop).endswith("without traffic (no key, no rows, or a migration tool's own): empty, log")


def test_a_database_without_rows_is_pinged_and_the_note_says_so(shop: Survey) -> None:
    bare = Survey(tables={name: replace(one, rows=0) for name, one in shop.tables.items()})
    assert [one.sql for one in default.calls(bare)] == ["SELECT 1"]
    assert "SELECT 1" in default.note(bare)
