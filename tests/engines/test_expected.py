"""What a row should hold after its writes, from writes by hand."""

from __future__ import annotations

from typing import Any

from rehearse.engines._expected import Judged, Write, judge
from rehearse.events import Outcome


def w(kind: str = "update", values: dict[str, str | None] | None = None, **more: Any) -> Write:
    sent, done = more.pop("at", (0, 10))
    outcome = Outcome(more.pop("outcome", "ok"))
    return Write(sent_ns=sent, done_ns=done, number=sent, outcome=outcome, kind=kind, values=values or {}, **more)


def seen(writes: list[Write], older: dict[str, str | None] | None, newer: dict[str, str | None] | None) -> Judged:
    return judge(writes, older, newer, columns=["v", "u"], readings={})


def wrong(found: Judged) -> list[tuple[str, str | None]]:
    return [(one.kind, one.column) for one in found.wrong]


ROW: dict[str, str | None] = {"v": "1", "u": "a"}


def test_an_acknowledged_value_must_be_there() -> None:
    assert seen([w(values={"v": "2"})], ROW, ROW | {"v": "2"}) == Judged()
    assert wrong(seen([w(values={"v": "2"})], ROW, ROW)) == [("lost", "v")]


def test_an_unknown_write_may_be_there_or_not_but_nothing_else_may() -> None:
    writes = [w(values={"v": "2"}, outcome="unknown")]
    assert seen(writes, ROW, ROW) == seen(writes, ROW, ROW | {"v": "2"}) == Judged()
    assert seen(writes, ROW, ROW | {"v": "3"}).changed == ("v",)


def test_a_refused_value_is_a_phantom_unless_it_was_there_before_or_another_wrote_it() -> None:
    refused = w(values={"v": "2"}, outcome="failed")
    assert wrong(seen([refused], ROW, ROW | {"v": "2"})) == [("phantom", "v")]
    assert seen([refused], ROW | {"v": "2"}, ROW | {"v": "2"}) == Judged()
    assert seen([refused, w(values={"v": "2"})], ROW, ROW | {"v": "2"}) == Judged()


def test_of_two_writes_in_order_the_last_counts_and_of_two_at_once_either() -> None:
    in_order = [w(values={"v": "2"}, at=(0, 10)), w(values={"v": "3"}, at=(20, 30))]
    assert wrong(seen(in_order, ROW, ROW | {"v": "2"})) == [("lost", "v")]
    at_once = [w(values={"v": "2"}, at=(0, 25)), w(values={"v": "3"}, at=(20, 30))]
    assert seen(at_once, ROW, ROW | {"v": "2"}) == seen(at_once, ROW, ROW | {"v": "3"}) == Judged()


def test_a_null_that_was_written_is_not_an_empty_text() -> None:
    assert seen([w(values={"v": None})], ROW, ROW | {"v": None}) == Judged()
    assert wrong(seen([w(values={"v": None})], ROW, ROW | {"v": ""})) == [("lost", "v")]


def test_increments_add_up_whatever_their_order() -> None:
    writes = [w(deltas={"v": "2"}, at=(0, 50)), w(deltas={"v": "-5"}, at=(10, 30))]
    assert seen(writes, ROW, ROW | {"v": "-2"}) == Judged()
    assert wrong(seen(writes, ROW, ROW | {"v": "3"})) == [("lost", "v")]


def test_an_unknown_increment_may_have_happened() -> None:
    writes = [w(deltas={"v": "2"}), w(deltas={"v": "10"}, outcome="unknown")]
    assert seen(writes, ROW, ROW | {"v": "3"}) == seen(writes, ROW, ROW | {"v": "13"}) == Judged()
    assert wrong(seen(writes, ROW, ROW | {"v": "11"})) == [("lost", "v")]


def test_increments_count_from_the_last_value_set_and_a_race_with_it_is_not_judged() -> None:
    after = [w(values={"v": "100"}, at=(0, 10)), w(deltas={"v": "2"}, at=(20, 30))]
    assert seen(after, ROW, ROW | {"v": "102"}) == Judged()
    assert wrong(seen(after, ROW, ROW | {"v": "3"})) == [("lost", "v")]
    race = [w(values={"v": "100"}, at=(0, 10)), w(deltas={"v": "2"}, at=(5, 30))]
    assert seen(race, ROW, ROW | {"v": "7"}) == Judged()


def test_a_column_whose_value_cannot_be_told_is_not_judged() -> None:
    assert seen([w(unclear=frozenset({"v"}))], ROW, ROW | {"v": "9"}) == Judged()
    assert seen([w(unclear=frozenset({"v"}))], ROW, ROW | {"u": "9"}).changed == ("u",)


def test_rows_are_there_as_the_last_insertion_or_deletion_says() -> None:
    insert, delete = w("insert", {"v": "1", "u": "a"}, at=(0, 10)), w("delete", at=(20, 30))
    assert seen([insert], None, ROW) == seen([insert, delete], None, None) == Judged()
    assert wrong(seen([insert], None, None)) == [("lost", None)]
    assert wrong(seen([insert, delete], None, ROW)) == [("lost", None)]
    assert wrong(seen([w("insert", {"v": "1"}, outcome="failed")], None, ROW)) == [("phantom", None)]


def test_a_row_that_vanished_takes_its_acknowledged_update_with_it() -> None:
    found = seen([w(values={"v": "2"})], ROW, None)
    assert found.is_missing
    assert wrong(found) == [("lost", None)]


def test_an_insertion_leaves_other_columns_to_defaults() -> None:
    assert seen([w("insert", {"v": "1"})], None, {"v": "1", "u": "default"}) == Judged()
