from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse.datasets import closure, subset
from rehearse.datasets.closure import NOTHING, Numbers, Rows
from rehearse.datasets.subset import Asked, First
from rehearse.errors import ScenarioMistake
from rehearse.profiles import Column, ForeignKey, Structure, TableStructure, Type

BIG = Type(kind="integer", declared="bigint")


def table(name: str, *parents: str) -> TableStructure:
    """Return a table with a key `id` and a reference to each parent; the nth column for it is called r0, r1 …"""
    columns = [Column(name="id", type=BIG, nullable=False)]
    columns += [Column(name=f"r{n}", type=BIG, nullable=True) for n, _ in enumerate(parents)]
    return TableStructure(
        name=name,
        columns={one.name: one for one in columns},
        primary_key=("id",),
        keys=(("id",),),
        foreign_keys=tuple(
            ForeignKey(columns=(f"r{n}",), parent=parent, parent_columns=("id",)) for n, parent in enumerate(parents)
        ),
    )


def structure(**parents: str) -> Structure:
    return Structure({name: table(name, *ones.split()) for name, ones in parents.items()})


SHOP = structure(
    countries="", customers="countries", products="", orders="customers", items="orders products",
    pictures="products", log="", settings="",
)  # fmt: skip
ROWS = {
    "countries": 200, "customers": 50_000, "products": 20_000, "orders": 200_000, "items": 600_000, "pictures": 40_000,
    "log": 900_000, "settings": 12,
}  # fmt: skip


def planned(asked: Asked, known: Structure = SHOP, rows: Mapping[str, int] = ROWS) -> subset.Plan:
    return subset.plan(known, asked, rows, lambda name, limit: rows[name] <= limit)


def followed(plan: subset.Plan) -> set[tuple[str, str]]:
    return {(edge.parent, edge.child) for edge in plan.followed}


def test_a_share_for_all_starts_with_the_roots_and_takes_lookups_whole() -> None:
    plan = planned(Asked(share=0.05))
    shares = {name: first.share for name, first in plan.firsts.items()}
    assert shares == {"countries": 1, "customers": 0.05, "products": 0.05, "log": 0.05, "settings": 1}


def test_with_a_share_for_all_a_table_follows_the_root_with_most_rows_below_it() -> None:
    plan = planned(Asked(share=0.05))
    assert followed(plan) == {("customers", "orders"), ("orders", "items"), ("products", "pictures")}


def test_from_named_rows_all_children_are_followed() -> None:
    plan = planned(Asked(where={"products": ("true",)}, shares={"log": 0}))
    assert followed(plan) >= {("products", "items"), ("products", "pictures"), ("customers", "orders")}
    assert {name: first.share for name, first in plan.firsts.items()} == {"products": 1, "log": 0, "settings": 1}


@pytest.mark.parametrize("children, expected", [((), set()), (("orders",), {("customers", "orders")})])
def test_only_children_that_were_asked_for_are_followed(
    children: tuple[str, ...], expected: set[tuple[str, str]]
) -> None:
    for asked in (Asked(share=0.1, children=frozenset(children)),
                  Asked(shares={"customers": 0.1, "log": 0}, children=frozenset(children))):  # fmt: skip
        assert followed(planned(asked)) == expected


def test_a_large_table_that_nothing_leads_to_wants_a_share() -> None:
    with pytest.raises(ScenarioMistake, match=r"^log: no foreign key leads there from customers.*--share log=5%"):
        planned(Asked(where={"customers": ("true",)}))


@pytest.mark.parametrize(
    "asked, complaint",
    [
        (Asked(where={"custommers": ("true",)}), r"--where custommers: .*did you mean 'customers'"),
        (Asked(shares={"order": 0.1}), r"--share order: .*did you mean 'orders'"),
        (Asked(share=0.1, children=frozenset(["itemz"])), r"--children itemz: .*did you mean 'items'"),
    ],
)
def test_an_unknown_table_is_told_with_a_near_miss(asked: Asked, complaint: str) -> None:
    with pytest.raises(ScenarioMistake, match=complaint):
        planned(asked)


def test_tables_that_point_at_each_other_are_one_group_after_their_parents() -> None:
    known = structure(zones="", teams="people", people="teams zones", badges="people", tree="tree")
    plan = planned(Asked(share=0.1), known, dict.fromkeys(known.tables, 50_000) | {"people": 60_000})
    groups = list(plan.groups)
    assert sorted(groups) == [("badges",), ("people", "teams"), ("tree",), ("zones",)]
    assert groups.index(("zones",)) < groups.index(("people", "teams")) < groups.index(("badges",))
    assert {name for name in known.tables if plan.in_cycle(name)} == {"people", "teams", "tree"}


def test_of_a_root_that_is_a_cycle_the_largest_table_starts_and_the_cycle_is_not_followed_down() -> None:
    known = structure(teams="people", people="teams people", badges="people")
    plan = planned(Asked(share=0.1), known, {"teams": 5000, "people": 60_000, "badges": 60_000})
    assert set(plan.firsts) == {"people"}
    assert followed(plan) == {("people", "badges")}


class Memory:
    """Rows in memory: of each table the places (100 times the table's number, and the row's) and what leads on."""

    def __init__(self, plan: subset.Plan, known: Structure, rows: Mapping[str, list[list[int | None]]]) -> None:
        self.asked: list[str] = []
        self._rows: dict[str, Rows] = {}
        for number, name in enumerate(sorted(known.tables)):
            lines = [[100 * number + at for at in range(len(rows[name]))]]
            order = list(known.tables[name].columns)
            for (column,), _ in plan.columns[name]:
                values = [row[order.index(column)] for row in rows[name]]
                lines.append([NOTHING if value is None else value for value in values])
            self._rows[name] = np.array(lines, np.int64).reshape(len(lines), len(rows[name]))

    def first(self, table: str, first: First) -> Rows:
        """Return the rows whose places end in the share's percents, as a share of ten rows would have it."""
        return self._rows[table][:, self._rows[table][0] % 10 < round(10 * first.share)]

    def holding(self, table: str, wanted: Mapping[int, Numbers]) -> Rows:
        self.asked.append(table)
        return np.concatenate(list(closure.blocks_holding([self._rows[table]], wanted)), axis=1)

    def all(self, table: str) -> Rows:
        self.asked.append(table)
        return self._rows[table]


def slow_closure(
    known: Structure, rows: Mapping[str, list[list[int | None]]], firsts: Mapping[str, float], children: frozenset[str]
) -> dict[str, list[int]]:
    """Return the rows, by going from row to row."""
    down = {
        (name, at) for name, share in firsts.items() for at in range(len(rows[name])) if at % 10 < round(10 * share)
    }
    edges = [
        ((name, at), (parent.parent, to))
        for name, one in known.tables.items()
        for n, parent in enumerate(one.foreign_keys)
        for at, row in enumerate(rows[name])
        for to, other in enumerate(rows[parent.parent])
        if row[1 + n] is not None and row[1 + n] == other[0]
    ]
    while more := {child for child, parent in edges if parent in down and child[0] in children} - down:
        down |= more
    while more := {parent for child, parent in edges if child in down} - down:
        down |= more
    return {name: sorted(at for one, at in down if one == name) for name in known.tables}


@st.composite
def databases(draw: st.DrawFn) -> tuple[Structure, dict[str, list[list[int | None]]]]:
    names = ["a", "b", "c", "d", "e"][: draw(st.integers(1, 5))]
    parents = {name: draw(st.lists(st.sampled_from(names), max_size=3)) for name in names}
    rows: dict[str, list[list[int | None]]] = {}
    sizes = {name: draw(st.integers(0, 12)) for name in names}
    for name in names:
        rows[name] = [
            [
                at - 3 if at or draw(st.booleans()) else None,  # a key that is unique may be null
                *(draw(st.none() | st.integers(-3, sizes[one] - 4)) if sizes[one] else None for one in parents[name]),
            ]
            for at in range(sizes[name])
        ]
    return Structure({name: table(name, *parents[name]) for name in names}), rows


@pytest.mark.parametrize("estimate", [0, closure.HELD_ROWS + 1])
@given(made=databases(), shares=st.lists(st.sampled_from([0.0, 0.1, 0.3, 1.0]), min_size=5, max_size=5), data=st.data())
def test_the_closure_is_what_a_walk_from_row_to_row_finds(
    estimate: int, made: tuple[Structure, dict[str, list[list[int | None]]]], shares: list[float], data: st.DataObject
) -> None:
    known, rows = made
    firsts = dict(zip(known.tables, shares, strict=False))
    children = frozenset(data.draw(st.sets(st.sampled_from(sorted(known.tables)))))
    plan = subset.plan(known, Asked(shares=firsts, children=children), {}, lambda _, __: True)
    found = closure.chosen(plan, Memory(plan, known, rows), dict.fromkeys(known.tables, estimate))
    assert {name: (one % 100).tolist() for name, one in found.items()} == slow_closure(known, rows, firsts, children)


def test_a_long_chain_is_read_once() -> None:
    known = structure(chain="chain")
    plan = planned(Asked(shares={"chain": 0.1}), known, {"chain": 100})
    rows: list[list[int | None]] = [[at, at - 1 if at else None] for at in range(100)]
    memory = Memory(plan, known, {"chain": rows})
    assert len(closure.chosen(plan, memory, {"chain": 100})["chain"]) == 100
    assert memory.asked == ["chain"]


@given(st.lists(st.integers(-(2**63) + 1, 2**63 - 1)), st.lists(st.integers(-50, 50)))
def test_members_are_told_far_apart_and_close_together(far: list[int], close: list[int]) -> None:
    for numbers in (far, close, [*far, *close]):
        members = closure.Members(np.array(sorted(set(numbers)), np.int64))
        asked = [*far, *close, 0, 51, -(2**63), 2**63 - 1]
        assert members.has(np.array(asked, np.int64)).tolist() == [one in set(numbers) for one in asked]
