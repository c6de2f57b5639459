"""Where strategies end: what differs in meaning, what is told only, what they leave for their own use, and chance."""

from __future__ import annotations

from dataclasses import replace

from rehearse.measures import alike, end_states
from rehearse.measures.end_states import Own
from rehearse.model import (
    ColumnDifference,
    Comparison,
    Example,
    MigrationChoice,
    PropertyDifference,
    StrategyChoice,
    TableComparison,
)
from rehearse.testing import examples
from rehearse.testing.recordings import phase, recorded, scenario, snapshot

NOTHING = Own()


def found(*schema: PropertyDifference, physical: object = (), tables: object = ()) -> Comparison:
    return Comparison(before="forward", after="forward", took_ns=1, schema=schema, physical=physical, tables=tables)  # type: ignore[arg-type]


def differs(name: str, prop: str = "exists", severity: str = "behaviour", **sides: str | None) -> PropertyDifference:
    return PropertyDifference(
        object=name, property=prop, before=sides.get("before"), after=sides.get("after"), severity=severity
    )


def table(name: str = "orders", **parts: object) -> TableComparison:
    same = TableComparison(table=name, rows_before=9, rows_after=9, rows_missing=0, rows_unexpected=0)
    return replace(same, **parts)


def test_a_missing_index_is_another_end() -> None:
    state = end_states.beside(found(differs("table orders index x", before="btree (x)")), NOTHING)
    assert state.is_elsewhere and not state.values_differ
    assert state.differs == ("table orders index x is missing",)


def test_names_comments_and_the_order_on_disk_are_told_and_no_difference() -> None:
    state = end_states.beside(
        found(
            differs("table orders index a", "name", "cosmetic", before="a", after="b"),
            physical=(differs("table orders", "column order", before="a, b", after="b, a"),),
        ),
        NOTHING,
    )
    assert not state.is_elsewhere
    assert state.cosmetic == (
        "table orders index a: name is b, and not a",
        "table orders: column order is b, a, and not a, b",
    )


def test_where_a_counter_stands_is_no_difference_but_one_that_lags_is() -> None:
    stands = differs("table orders column id sequence", "value", before="100", after="90")
    lags = differs("table orders column id sequence", "behind", "breaks", after="the column already has 100")
    assert end_states.beside(found(stands), NOTHING).differs == ()
    assert len(end_states.beside(found(stands, lags), NOTHING).differs) == 1


def test_tables_for_its_own_use_are_leftovers_with_all_that_is_in_them() -> None:
    of_both = scenario()
    named = replace(of_both, strategies=[StrategyChoice(name="a", leftovers=["never_asked"])])
    own = Own.of((of_both, []), (named, []))
    state = end_states.beside(
        found(
            differs("table never_asked", after="yes"),
            differs("table rehearse_backfill_orders", after="yes"),
            differs("table parked", after="yes"),
            tables=(table("never_asked", rows_unexpected=5),),
        ),
        own,
    )
    assert state.leftovers == ("never_asked", "rehearse_backfill_orders")
    assert state.differs == ("table parked is there besides (is it for its own use? say so in leftovers)",)


def test_the_tools_own_table_is_a_leftover() -> None:
    of_alembic = replace(scenario(), migration=MigrationChoice(tool="alembic"))
    state = snapshot("forward", 1, {"orders": 5})
    version = replace(state.tables["orders"], table="alembic_version", columns={"version_num": "1"})
    own = Own.of((of_alembic, [replace(state, tables={"alembic_version": version})]))
    assert own.has("alembic_version") and not own.has("orders")


def test_rows_and_values_are_another_end() -> None:
    column = ColumnDifference(
        column="note", values_changed=1, values_lost=0, examples=(Example(key="7", before=None, after="x"),)
    )
    state = end_states.beside(found(tables=(table(rows_missing=2, columns=(column,)),)), NOTHING)
    assert state.values_differ and state.is_elsewhere
    assert state.differs == ("orders: 2 rows fewer", "orders.note: 1 value otherwise, for example 'x' and not NULL")


def drawn(changed: int, *, lost: int = 0, filled: int = 0) -> Comparison:
    column = ColumnDifference(column="token", values_changed=changed, values_lost=lost, values_filled=filled)
    return found(tables=(table(columns=(column,)),))


def test_values_that_differ_between_two_runs_of_one_strategy_are_chances_doing_and_not_compared() -> None:
    state = end_states.beside(drawn(9), NOTHING, chance=drawn(9))
    assert not state.is_elsewhere
    assert state.not_compared == ("orders.token is another in each run, of the same strategy too",)


def test_a_column_that_stays_empty_is_another_end_though_its_values_are_drawn() -> None:
    state = end_states.beside(drawn(9, lost=9), NOTHING, chance=drawn(9))
    assert state.differs == ("orders.token: 9 values NULL on one side alone",)
    assert not end_states.beside(drawn(9, filled=4), NOTHING, chance=drawn(9, filled=3)).is_elsewhere


def test_far_more_values_otherwise_than_by_chance_are_another_end() -> None:
    state = end_states.beside(drawn(5000), NOTHING, chance=drawn(3))
    assert state.differs == ("orders.token: 5,000 values otherwise; between two runs of the same it is 3",)
    assert not end_states.beside(drawn(9), NOTHING, chance=drawn(3)).is_elsewhere


def test_what_nobody_looked_at_is_not_the_same() -> None:
    parts = {"rows_missing": None, "rows_unexpected": None, "rows_after": 8, "unmeasured": ("no key",)}
    state = end_states.beside(found(tables=(table(**parts),)), NOTHING)
    assert state.differs == ("orders: 8 rows, not 9",)
    assert state.not_compared == ("orders: no key",)


def test_an_end_under_traffic_that_is_otherwise_than_in_quiet_is_told_by_its_way() -> None:
    forward = snapshot("forward", 5, {"orders": 5})
    ran = [phase("forward", 1, 5, acted=(2, 4)), phase("again", 6, 9, acted=(7, 8), error="refused")]
    recording = recorded(ran, snapshots={"forward": forward, "again": replace(forward, name="again")})
    lacks = found(differs("table orders index x", before="btree (x)"))
    assert list(end_states.otherwise(recording, lambda _: lacks)) == ["forward: table orders index x is missing"]
    assert list(end_states.otherwise(recording, lambda _: found())) == []
    drawn = found(differs("table orders column id sequence", "behind", "breaks", after="the column already has 100"))
    assert list(end_states.otherwise(recording, lambda _: drawn)) == [], "the traffic may have done that"


def test_recordings_of_other_data_are_told_by_what_differs() -> None:
    one = examples.clean()
    assert list(alike.other_data([one, one])) == []
    other = replace(one, scenario=replace(one.scenario, name="other", seed=7))
    assert list(alike.other_data([one, other])) == ["seed is 7 in other and 812 in orders-status-not-null"]
    start = one.snapshots["start"]
    orders = replace(start.tables["orders"], checksum="1")
    changed = replace(start, tables={**start.tables, "orders": orders})
    worn = replace(one, snapshots={**one.snapshots, "start": changed})
    assert list(alike.other_data([one, worn])) == [
        "orders has other values in orders-status-not-null than in orders-status-not-null"
    ]


def test_another_machine_is_told() -> None:
    one = examples.clean()
    there = replace(one.environment, cores=64, settings={"shared_buffers": "8GB"})
    said = list(alike.other_circumstances([one, replace(one, environment=there)]))
    assert any("cores is 2" in each and "64" in each for each in said)
    assert any("other settings: shared_buffers, wal_level" in each for each in said)
    assert list(alike.other_circumstances([one, one])) == []


def test_another_traffic_and_another_budget_are_told() -> None:
    one = scenario()
    other = replace(one, workload=replace(one.workload, rate=400.0), budget=replace(one.budget, blocked=1))
    assert list(alike.other_words([one, other])) == [
        "the traffic is not the same: workload.rate",
        "each is judged by its own budget, and they differ",
    ]
    assert list(alike.other_words([one, one])) == []
