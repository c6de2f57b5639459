"""From which write on the way back loses some, on recordings made by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from rehearse.events import Event, Outcome, RowsInTheWay
from rehearse.measures.no_return import blocked, point_of_no_return, why_not
from rehearse.model import Effect, LostWrite, Recording, Snapshot, TableComparison, WrongWrite
from rehearse.testing import recordings as hand

TABLES = {"orders": 1_000}


def recording(
    *events: Event,
    forward: Iterable[LostWrite] = (),
    back: Iterable[LostWrite] = (),
    wrong: tuple[WrongWrite, ...] = (),
    more: int = 0,
    extra: Iterable[str] = (),
    untold: int = 0,
    error: str | None = None,
) -> Recording:
    """A rehearsal whose way forward acted from second 11 and whose way back ended in second 19.

    `extra` are columns of orders that only the migrated schema has.
    """
    snapshots = {
        name: hand.snapshot(name, second, TABLES) for name, second in (("start", 3), ("forward", 14.5), ("back", 20))
    }
    snapshots["forward"] = _wider(snapshots["forward"], extra)
    pairs = {"forward": tuple(forward), "back": tuple(back)}
    comparisons = [
        replace(hand.same("start", after, TABLES), tables=(_table(some, after == "back", wrong, more, untold),))
        for after, some in pairs.items()
    ]
    return hand.recorded(
        [
            hand.phase("baseline", 4, 9),
            hand.phase("forward", 10, 14, acted=(11, 13)),
            hand.phase("back", 15, 19, acted=(16, 17), error=error),
            hand.statement(1, "alter table orders drop column note2", 16, 17),
            *events,
        ],
        frames=[hand.traffic(4, 20)],
        snapshots=snapshots,
        comparisons=comparisons,
    )


def _table(
    lost: tuple[LostWrite, ...], is_back: bool, wrong: tuple[WrongWrite, ...], more: int, untold: int
) -> TableComparison:
    more, untold = (more, untold) if is_back else (0, 0)
    return replace(
        hand.unchanged("orders", 1_000),
        lost=lost,
        lost_writes=len(lost) + more,
        wrong_writes=wrong if is_back else (),
        writes_untold=untold,
    )


def _wider(snapshot: Snapshot, extra: Iterable[str]) -> Snapshot:
    table = snapshot.tables["orders"]
    return replace(snapshot, tables={"orders": replace(table, columns={**table.columns, **dict.fromkeys(extra, "1")})})


def wrote(number: int, second: float, key: str, **values: str | None) -> Event:
    return hand.written(number, second, second + 0.01, kind="update", key={"id": key}, values=values)


def test_the_first_write_that_back_loses_and_forward_had_not_is_named() -> None:
    wrong = WrongWrite(
        kind="lost", table="orders", key="8", column="note", written="b", found="a", call="write", at_ns=hand.at(12)
    )
    found = point_of_no_return(
        recording(
            wrote(1, 11.5, "7", note="x"),
            wrote(2, 12, "8", note="b"),
            wrote(3, 12.5, "9", note="c"),
            forward=[LostWrite(number=1, key="7")],
            back=[LostWrite(number=n, key=str(6 + n)) for n in (1, 2, 3)],
            wrong=(wrong,),
        )
    )
    assert found is not None
    assert found.first is not None
    assert (found.writes_lost, found.first.since_ns, found.first.key) == (2, hand.ns(1), "8")
    assert (found.first.call, found.first.column, found.first.written, found.first.found) == ("write", "note", "b", "a")


def test_a_write_before_forward_that_back_loses_counts_from_before() -> None:
    found = point_of_no_return(recording(wrote(1, 8, "7", note="x"), back=[LostWrite(number=1, key="7")]))
    assert found is not None
    assert found.first is not None
    assert (found.first.since_ns, found.first.written) == (-hand.ns(3), "note = x")


def test_back_that_loses_nothing_has_no_such_point_and_without_writes_it_is_not_measured() -> None:
    found = point_of_no_return(recording(wrote(1, 12, "7", note="x")))
    assert found is not None
    assert (found.writes_lost, found.first, found.untold) == (0, None, ())
    assert point_of_no_return(recording()) is None
    assert "wrote nothing" in why_not(recording())
    assert point_of_no_return(recording(wrote(1, 12, "7", note="x"), error="boom")) is None


def test_writes_without_rows_are_counted_and_said_not_to_be_known() -> None:
    found = point_of_no_return(recording(wrote(1, 12, "7", note="x"), more=4, untold=2))
    assert found is not None
    assert (found.writes_lost, found.first) == (4, None)
    assert found.untold == ("2 writes to orders: their rows are not known",)


def test_nulls_that_a_declared_effect_fills_are_not_lost() -> None:
    lost = LostWrite(number=1, key="7", filled=("status",))
    made = recording(wrote(1, 12, "7", status=None), back=[lost])
    migration = replace(made.scenario.migration, effects=[Effect(table="orders", column="status")])
    found = point_of_no_return(replace(made, scenario=replace(made.scenario, migration=migration)))
    assert found is not None
    assert found.writes_lost == 0


def test_values_of_a_column_that_back_takes_away_are_lost_but_not_those_of_rows_that_went() -> None:
    writes = [wrote(1, 12, "7", note2="x"), wrote(2, 13, "7", note2="y"), wrote(3, 12.5, "8", note2="z")]
    gone = hand.written(4, 13, 13.1, kind="delete", key={"id": "8"})
    refused = hand.written(5, 11.2, 11.3, kind="update", key={"id": "9"}, values={"note2": "r"}, outcome=Outcome.FAILED)
    found = point_of_no_return(recording(*writes, gone, refused, extra=["note2"]))
    assert found is not None
    assert found.first is not None
    assert (found.writes_lost, found.first.since_ns, found.first.written) == (1, hand.ns(1), "x")
    assert found.first.is_dropped


def test_values_that_back_reads_may_live_on() -> None:
    reads = hand.statement(2, "update orders set note = note2", 15.5, 15.6)
    found = point_of_no_return(recording(wrote(1, 12, "7", note2="x"), reads, extra=["note2"]))
    assert found is not None
    assert found.writes_lost == 0
    assert "may keep them elsewhere" in found.untold[0]


CARRIES = [
    ("do $$ begin update orders set note = note2; alter table orders drop column note2; end $$", "a DO block"),
    ("update orders set note = note2 -- before we drop it", "reads them"),
    ("update orders set note = note2 /* drop */; alter table orders drop column note2", "reads them"),
    ("select carry_over_and_clean()", "a query that calls a function"),
    ("call drop_it()", "a CALL"),
    ('update orders set note = "note2"', "reads them"),
    ("alter table orders rename column note2 to dropped", "reads them"),
    ("alter table orders drop column note2, alter column note type text using note2", "reads them"),
    ("insert into kept select * from orders; drop table x", "reads them"),
    ("create table dropped as select * from orders", "reads them"),
    ("update orders o set note = to_jsonb(o) ->> 'note2'", "reads them"),
    ("update orders set note = 'drop", "cannot be read"),
]


@pytest.mark.parametrize(("sql", "says"), CARRIES)
def test_only_a_plain_drop_says_nothing_of_values_whatever_words_stand_in_a_text(sql: str, says: str) -> None:
    back = hand.statement(2, sql, 15.5, 15.6)
    found = point_of_no_return(recording(wrote(1, 12, "7", note2="x"), back, extra=["note2"]))
    assert found is not None
    assert (found.writes_lost, found.first) == (0, None)
    assert says in found.untold[0]


@pytest.mark.parametrize(
    "sql",
    [
        "alter table orders drop column if exists note2 cascade, drop constraint note2_check",
        "alter table only orders alter column note2 drop not null",
        "comment on column orders.note2 is 'to go'",
        "drop index note2; update orders set note = 'note2 is no more'",
        "select pg_advisory_lock(7), count(*) from orders",
        "update orders set note = '' -- note2 is no more",
    ],
)
def test_what_carries_no_value_leaves_the_writes_lost(sql: str) -> None:
    back = hand.statement(2, sql, 15.5, 15.6)
    found = point_of_no_return(recording(wrote(1, 12, "7", note2="x"), back, extra=["note2"]))
    assert found is not None
    assert (found.writes_lost, found.untold) == (1, ())


def test_rows_in_the_way_say_who_wrote_the_first() -> None:
    counted = RowsInTheWay(
        at_ns=hand.at(19.5),
        phase="back",
        n=2,
        table="orders",
        rule="NOT NULL of note",
        rows=3,
        rows_before=0,
        keys=("7",),
    )
    failed = hand.statement(2, "alter table orders alter note set not null", 16, 17, error="nulls", code="23502")
    found = blocked(
        recording(wrote(1, 12, "7", note=None), wrote(2, 8, "7", note=None), counted, failed, error="nulls")
    )
    assert found is not None
    assert found.first is not None
    assert (found.statement, found.first.since_ns, found.in_the_way) == (2, hand.ns(1), (counted,))
    assert blocked(recording(failed)) is None
    other = replace(failed, code="42703")
    assert blocked(recording(other, error="no column")) is None
