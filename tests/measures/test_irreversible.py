"""Which statement took what did not come back, from recordings by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from rehearse.checks.fidelity import data_restored, schema_restored
from rehearse.events import PhaseRan, StatementRan
from rehearse.judging import answer
from rehearse.measures.irreversible import irreversible, taken, taker
from rehearse.model import ColumnDifference, Comparison, PropertyDifference, Recording, Snapshot, TableComparison
from rehearse.testing.recordings import DOWN, lock, phase, recorded, scenario, snapshot, statement

FORWARD, BACK = (10.0, 20.0), (30.0, 40.0)


def ran(texts: Iterable[str], begin: float, *, file: str = "up.sql") -> list[StatementRan]:
    return [
        statement(n, sql, begin + n / 100, begin + n / 100 + 0.005, file=f"{file}:{n}")
        for n, sql in enumerate(texts, start=1)
    ]


def orders(**more: Any) -> TableComparison:
    plain = {"table": "orders", "rows_before": 100, "rows_after": 100, "rows_missing": 0, "rows_unexpected": 0}
    return TableComparison(**plain | more)  # type: ignore[arg-type]


def compared(after: str, *tables: TableComparison, schema: tuple[PropertyDifference, ...] = ()) -> Comparison:
    return Comparison(before="start", after=after, took_ns=0, schema=schema, physical=(), tables=tables)


def rehearsed(
    up: Iterable[str],
    *comparisons: Comparison,
    down: Iterable[str] = ("select 1",),
    back: str | Literal[False] = DOWN,
    errors: Mapping[str, str] | None = None,
) -> Recording:
    broken = errors or {}
    events: list[Any] = [phase("forward", *FORWARD, acted=FORWARD, error=broken.get("forward")), *ran(up, FORWARD[0])]
    if back:
        events.append(phase("back", *BACK, acted=BACK, error=broken.get("back")))
        events += ran(down, BACK[0], file="down.sql")
    start: Snapshot = snapshot("start", 0, {"orders": 100, "items": 7})
    return recorded(events, of=scenario(back=back), snapshots={"start": start}, comparisons=comparisons)


LOST = ColumnDifference(column="note", values_changed=60, values_lost=60, values_filled=0)
GONE = orders(columns_gone=("note",), values_gone={"note": 60})


def said(recording: Recording) -> list[tuple[str, str]]:
    return [(taken(one), taker(one)) for one in irreversible(recording) or ()]


def test_the_statement_that_dropped_the_column_is_told_with_its_values() -> None:
    made = rehearsed(
        ["begin", "alter table orders drop note"], compared("forward", GONE), compared("back", orders(columns=(LOST,)))
    )
    assert said(made) == [("60 values of orders.note", "statement 2 of forward (DROP COLUMN at up.sql:2)")]
    finding = answer(data_restored, made).findings[0]
    assert finding.says.endswith("60 of them lost; taken by statement 2 of forward (DROP COLUMN at up.sql:2)")


def test_what_the_way_forward_left_as_it_was_is_taken_by_the_way_back() -> None:
    made = rehearsed(
        ["update orders set note = note"],
        compared("forward", orders()),
        compared("back", orders(columns=(LOST,))),
        down=["alter table orders drop note", "alter table orders add note text"],
    )
    assert said(made) == [("60 values of orders.note", "statement 1 of back (DROP COLUMN at down.sql:1)")]


def test_what_a_do_block_does_is_said_to_be_unknown_and_not_guessed() -> None:
    made = rehearsed(
        ["do $$ begin execute 'alter table orders drop note'; end $$", "update items set status = 'x'"],
        compared("forward", GONE),
        compared("back", orders(columns=(LOST,))),
    )
    ((what, by),) = said(made)
    assert what == "60 values of orders.note"
    assert by == "a statement that cannot be told: statement 1 is a DO block, whose text does not tell what it touches"


def test_the_locks_of_a_do_block_are_named_beside_it() -> None:
    made = rehearsed(["do $$ begin perform tidy(); end $$"], compared("forward", GONE), compared("back", GONE))
    held = lock("orders", 10.01, 10.01, 10.02, by=1)
    events = [*made.history.of(PhaseRan), *made.history.of(StatementRan), held]
    ((_, by),) = said(replace(made, history=recorded(events).history))
    assert "statement 1 is a DO block that took AccessExclusiveLock of orders, whose text does not tell" in by


def updated(rows: int | None, *more: str) -> str:
    """Return who took 60 values, where one UPDATE touched so many rows and other statements ran besides."""
    changed = orders(columns=(replace(LOST, values_lost=0),))
    made = rehearsed(["update orders set note = ''", *more], compared("forward", changed), compared("back", changed))
    steps = [replace(one, rows=rows) if one.n == 1 else one for one in made.history.of(StatementRan)]
    ((_, by),) = said(replace(made, history=recorded([*made.history.of(PhaseRan), *steps]).history))
    return by


def test_the_rows_that_an_update_touched_speak_for_it_or_against_it() -> None:
    block = "do $$ begin end $$"
    assert updated(60) == updated(None) == updated(80, block) == "statement 1 of forward (UPDATE at up.sql:1)"
    assert updated(5) == "a statement that cannot be told: statement 1 of forward touched 5 rows only"
    assert updated(0).startswith("a statement that cannot be told: no statement of forward names it")
    assert updated(0, block).startswith("a statement that cannot be told: statement 2 is a DO block")
    assert updated(None, block).startswith(
        "a statement that cannot be told: statement 1 of forward may have, but statement 2"
    )


def test_two_statements_that_both_may_have_taken_it_are_both_named() -> None:
    changed = orders(columns=(replace(LOST, values_lost=0),))
    made = rehearsed(
        [
            "update orders set note = lower(note)",
            "update orders set note = trim(note)",
            "update orders set status = 'x'",
        ],
        compared("forward", changed),
        compared("back", changed),
    )
    assert said(made)[0][1] == "a statement that cannot be told: statements 1 and 2 of forward may have"


def test_batches_of_one_text_are_one_statement_many_times() -> None:
    changed = orders(columns=(replace(LOST, values_lost=0),))
    made = rehearsed(
        ["update orders set note = upper(note)"] * 900, compared("forward", changed), compared("back", changed)
    )
    assert said(made)[0][1] == "statement 1 of forward (UPDATE at up.sql:1; and 899 more of this text)"


def test_values_that_were_null_and_stay_filled_took_nothing() -> None:
    filled = orders(columns=(ColumnDifference(column="note", values_changed=40, values_lost=0, values_filled=40),))
    made = rehearsed(["update orders set note = ''"], compared("forward", filled), compared("back", filled))
    assert irreversible(made) == ()


def test_an_index_and_a_default_are_taken_each_by_its_statement() -> None:
    lost = (
        PropertyDifference(
            object="table orders index by_status", property="exists", before="btree (status)", after=None
        ),
        PropertyDifference(object="table orders column status", property="default", before="'new'", after=None),
        PropertyDifference(object="table orders column extra", property="exists", before=None, after="text"),
    )
    made = rehearsed(
        ["alter table orders alter status drop default", "drop index concurrently by_status", "drop index by_note"],
        compared("forward", orders(), schema=lost),
        compared("back", orders(), schema=lost),
    )
    assert said(made) == [
        ("table orders index by_status", "statement 2 of forward (DROP INDEX at up.sql:2)"),
        ("default of table orders column status", "statement 1 of forward (ALTER COLUMN DROP DEFAULT at up.sql:1)"),
    ]
    assert "taken by statement 2 of forward" in answer(schema_restored, made).findings[0].says


def test_without_a_way_back_it_is_told_what_is_gone_for_good() -> None:
    items = TableComparison(table="items", rows_before=7, rows_after=None, rows_missing=None, rows_unexpected=None)
    made = rehearsed(
        ["alter table orders drop note", "drop table items", "delete from orders where status = 'old'"],
        compared("forward", replace(GONE, rows_missing=5), items),
        back=False,
    )
    assert said(made) == [
        ("5 rows of orders", "statement 3 of forward (DELETE at up.sql:3)"),
        ("60 values of orders.note", "statement 1 of forward (DROP COLUMN at up.sql:1)"),
        ("7 rows of items", "statement 2 of forward (DROP TABLE at up.sql:2)"),
    ]


def test_what_is_there_by_another_name_is_not_gone_for_good() -> None:
    items = TableComparison(table="items", rows_before=7, rows_after=None, rows_missing=None, rows_unexpected=None)
    made = rehearsed(
        ["alter table orders rename note to remark", "alter table items rename to parts"],
        compared("forward", GONE, items),
        back=False,
    )
    assert irreversible(made) == ()


def test_values_that_nobody_counted_are_not_measured_and_not_none() -> None:
    made = rehearsed(["alter table orders drop note"], compared("forward", orders(columns_gone=("note",))), back=False)
    (one,) = irreversible(made) or ()
    assert (one.values_lost, taken(one)) == (None, "values (not counted) of orders.note")


def test_where_a_way_failed_or_nothing_was_compared_nothing_is_told() -> None:
    both = (compared("forward", GONE), compared("back", GONE))
    up = ["alter table orders drop note"]
    assert irreversible(rehearsed(up, *both, errors={"back": "refused"})) is None
    assert irreversible(rehearsed(up, *both, errors={"forward": "refused"})) is None
    assert irreversible(rehearsed(up)) is None
