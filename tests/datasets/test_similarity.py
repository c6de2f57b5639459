"""How near two columns are: distributions whose answer is known by hand, and what holds for all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse import datasets
from rehearse.datasets import alike, closeness, expected_children, similarity, to_profile
from rehearse.datasets.plan import Plan
from rehearse.profiles import ForeignKey
from rehearse.profiles.contents import Contents, FanOut, Rows, Values
from rehearse.reading import profile as profiles
from tests.datasets.shop import STRUCTURE

KEY = ForeignKey(columns=("customer_id",), parent="customers", parent_columns=("id",))


def floats(*values: float) -> Any:
    return np.array(values, np.float64)


def codes(*values: int) -> Any:
    return np.array(values, np.int64)


def numbers(values: Sequence[float | None], kind: Any = "numeric") -> Values:
    filled = np.array([np.nan if one is None else one for one in values], np.float64)
    return Values(kind=kind, present=~np.isnan(filled), codes=(filled + 0.0).view(np.int64), numbers=filled)


def words(values: Sequence[str | None], kind: Any = "text") -> Values:
    known = [one or "" for one in values]
    signs = "".join(known)
    digits = sum(sign.isdigit() for sign in signs)
    return Values(
        kind=kind,
        present=np.array([one is not None for one in values]),
        codes=np.array([int.from_bytes(one.encode()[:7].ljust(7), "big") for one in known], np.int64),
        lengths=np.array([len(one) for one in known], np.float64),
        letters=np.array([digits, len(signs) - digits, 0, 0, 0], np.int64),
        texts=np.array(known, dtype=object),
    )


def rows(table: str = "orders", *, key: tuple[str, ...] = (), whole: bool = True, **columns: Values) -> Rows:
    count = len(next(iter(columns.values())).present)
    return Rows(table=table, rows=count, columns=columns, whole=whole, primary_key=key)


def contents(*tables: Rows, fan_outs: Sequence[FanOut] = ()) -> Contents:
    return Contents(tables={one.table: one for one in tables}, fan_outs=tuple(fan_outs))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"a": 1, "b": 1}, {"a": 50, "b": 50}, 1.0),
        ({"a": 1}, {"b": 1}, 0.0),
        ({"a": 3, "b": 1}, {"a": 1, "b": 1}, 0.75),  # ½ (|¾ - ½| + |¼ - ½|) = ¼
        ({"a": 1, "b": 1}, {"a": 1, "c": 1}, 0.5),
        ({}, {"a": 1}, None),
    ],
)
def test_categories_are_compared_by_total_variation(first: Any, second: Any, expected: float | None) -> None:
    assert similarity.tv_complement(first, second) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (floats(1, 2, 3, 4), floats(4, 3, 2, 1), 1.0),
        (floats(1, 2), floats(3, 4), 0.0),
        (floats(1, 2, 3, 4), floats(3, 4, 5, 6), 0.5),  # at 2: ½ of the one, none of the other
        (floats(0, 0, 0, 1), floats(0, 1), 0.75),
        (floats(), floats(1), None),
    ],
)
def test_numbers_are_compared_by_kolmogorov_and_smirnov(first: Any, second: Any, expected: float | None) -> None:
    assert similarity.ks_complement(first, second) == (None if expected is None else pytest.approx(expected))


def test_values_may_weigh_more_than_one() -> None:
    assert similarity.ks_complement(floats(0, 1), floats(0, 0, 0, 1), first_weights=floats(3, 1)) == pytest.approx(1.0)


def test_shares_of_nulls_differ_by_their_difference() -> None:
    assert similarity.missing_value_similarity(0.25, 0.75) == 0.5
    assert similarity.missing_value_similarity(0, 1) == 0


def test_correlations_that_are_opposite_have_nothing_in_common() -> None:
    rising = similarity.correlation(floats(1, 2, 3), floats(10, 20, 30))
    falling = similarity.correlation(floats(1, 2, 3), floats(30, 20, 10))
    assert (rising, falling) == (pytest.approx(1.0), pytest.approx(-1.0))
    assert similarity.correlation_similarity(rising, falling) == pytest.approx(0.0)
    assert similarity.correlation_similarity(1.0, 0.5) == pytest.approx(0.75)
    assert similarity.correlation(floats(1, 1, 1), floats(1, 2, 3)) is None
    assert similarity.correlation_similarity(None, 0.5) is None


def test_ranks_put_ties_at_their_mean_and_leave_what_is_missing() -> None:
    assert similarity.ranks(floats(30, 10, 10, np.nan, 20)).tolist()[:3] == [4.0, 1.5, 1.5]
    assert np.isnan(similarity.ranks(floats(30, np.nan))[1])


def test_pairs_of_categories_are_compared_cell_by_cell() -> None:
    tied = codes(0, 0, 1, 1), codes(0, 0, 1, 1)
    crossed = codes(0, 0, 1, 1), codes(0, 1, 0, 1)
    assert similarity.contingency_similarity(tied, tied) == 1.0
    assert similarity.contingency_similarity(tied, crossed) == pytest.approx(0.5)
    assert similarity.mutual_information(*tied) == pytest.approx(1.0)
    assert similarity.mutual_information(*crossed) == pytest.approx(0.0)
    assert similarity.mutual_information(codes(1, 1), codes(0, 1)) is None


def test_parents_without_children_count_in_the_fan_out() -> None:
    assert similarity.cardinality_shape_similarity({0: 5, 2: 5}, {0: 50, 2: 50}) == 1.0
    assert similarity.cardinality_shape_similarity({0: 5, 2: 5}, {1: 10}) == pytest.approx(0.5)
    assert similarity.mean_children({0: 5, 2: 5}) == 1.0
    assert similarity.mean_children({}) is None


def test_distinct_values_are_counted_in_equally_many_rows() -> None:
    many = np.arange(1000) % 10
    assert similarity.distinct_ratio(many, many[:100]) == pytest.approx(1.0, abs=1e-3)
    assert similarity.distinct_ratio(np.arange(1000), np.arange(100)) == pytest.approx(1.0)
    assert similarity.distinct_ratio(np.arange(1000), np.arange(1000) % 500) == pytest.approx(0.5)
    # 1000 of 10,000 rows point at 200 of 2000 parents: as the scale says, though rarefaction expects more of them.
    children = np.arange(10_000) % 2000
    assert similarity.distinct_ratio(children, children[:1000] % 200) < 0.5  # type: ignore[operator]
    assert similarity.distinct_ratio(children, children[:1000] % 200, scale=0.1) == pytest.approx(1.0)


@pytest.mark.parametrize("drawn", [1, 2, 3, 5, 7])
def test_rarefaction_is_the_mean_over_all_ways_to_draw(drawn: int) -> None:
    counts = [4, 2, 1]
    values = [kind for kind, count in enumerate(counts) for _ in range(count)]
    ways = [len(set(way)) for way in combinations(values, drawn)]
    assert similarity.distinct_in(np.array(counts), drawn) == pytest.approx(sum(ways) / len(ways))


ints = st.lists(st.integers(-5, 5), min_size=1, max_size=40)
MEASURES: dict[str, Callable[[Any, Any], float | None]] = {
    "TV": similarity.tv_complement_of,
    "KS": lambda one, other: similarity.ks_complement(one.astype(float), other.astype(float)),
    "pairs": lambda one, other: similarity.contingency_similarity((one, one % 3), (other, other % 3)),
    "distinct": similarity.distinct_ratio,
    "fan-out": lambda one, other: similarity.cardinality_shape_similarity(groups(one), groups(other)),
}


def groups(values: Any) -> dict[int, int]:
    kinds, counts = np.unique(abs(values), return_counts=True)
    return dict(zip(kinds.tolist(), counts.tolist(), strict=True))


@pytest.mark.parametrize("name", MEASURES)
@given(first=ints, second=ints)
def test_a_measure_is_symmetric_between_0_and_1_and_1_for_itself(
    name: str, first: list[int], second: list[int]
) -> None:
    one, other, measure = np.array(first, np.int64), np.array(second, np.int64), MEASURES[name]
    found = measure(one, other)
    assert found is not None
    assert 0.0 <= found <= 1.0
    assert found == pytest.approx(measure(other, one))
    assert measure(one, one[::-1]) == pytest.approx(1.0)
    assert found >= 1.0 - 1e-9 or first != second


def source() -> Contents:
    rng = np.random.default_rng(1)
    amounts = np.exp(rng.normal(size=2000))
    table = rows(
        key=("id",),
        id=numbers(np.arange(2000), "integer"),
        customer_id=numbers(rng.integers(0, 500, 2000), "integer"),
        amount=numbers(amounts),
        tax=numbers(amounts * 0.2),
        status=words(rng.choice(["new", "paid", "sent"], 2000)),
        note=words([None if one < 0.3 else f"words {one:.12f}"[: 8 + int(9 * one)] for one in rng.uniform(size=2000)]),
    )
    return contents(
        table, fan_outs=[FanOut(table="orders", key=KEY, groups={0: 50, 4: 400, 8: 50}, orphans=0, unset=0)]
    )


def changed(before: Contents, **columns: Values) -> Contents:
    table = before.tables["orders"]
    new = Rows(table="orders", rows=table.rows, columns={**table.columns, **columns}, whole=True, primary_key=("id",))
    return contents(new, fan_outs=before.fan_outs)


def test_a_database_is_like_itself() -> None:
    found = alike.compare(source(), source())
    assert (found.overall, found.shapes, found.pairs, found.fan_outs_score) == (1.0, 1.0, 1.0, 1.0)
    assert all(one.score == 1.0 for one in found.tables[0].columns)
    assert found.tables[0].new_rows == 0.0
    assert found.missing == ()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("amount", numbers(np.exp(np.random.default_rng(2).normal(1.5, 1, 2000)))),
        ("status", words(["new"] * 1000 + ["cancelled"] * 1000)),
        ("note", words([None] * 1990 + ["words 12"] * 10)),
    ],
)
def test_the_column_that_was_changed_is_named_as_the_worst(column: str, values: Values) -> None:
    found = alike.compare(source(), changed(source(), **{column: values}))
    assert found.worst == f"orders.{column}"
    assert found.worst_score is not None
    assert found.worst_score < 0.8
    assert found.tables[0].score == pytest.approx(found.overall)


def test_a_pair_that_lost_its_connection_is_found_though_each_column_is_the_same() -> None:
    before = source()
    shuffled = np.random.default_rng(3).permutation(before.tables["orders"].columns["tax"].numbers)  # type: ignore[arg-type]
    found = alike.compare(before, changed(before, tax=numbers(shuffled)))
    assert found.overall == 1.0
    pair = next(one for one in found.tables[0].pairs if one.columns == ("amount", "tax"))
    assert pair.source == pytest.approx(1.0)
    assert pair.score == pytest.approx(0.5, abs=0.05)


def test_order_on_disk_is_told_apart_from_the_values() -> None:
    before = source()
    ordered = np.sort(before.tables["orders"].columns["amount"].numbers)  # type: ignore[arg-type]
    found = alike.compare(before, changed(before, amount=numbers(ordered)))
    amount = next(one for one in found.tables[0].columns if one.column == "amount")
    assert amount.score == 1.0
    assert amount.order == pytest.approx(0.5, abs=0.05)


def test_keys_are_compared_by_their_children_and_not_by_their_values() -> None:
    before = source()
    half = np.arange(1000)
    small = rows(
        key=("id",),
        id=numbers(half, "integer"),
        customer_id=numbers(half % 250 + 10_000, "integer"),
    )
    fan_out = FanOut(table="orders", key=KEY, groups={0: 25, 4: 200, 8: 25}, orphans=0, unset=0)
    found = alike.compare(before, contents(small, fan_outs=[fan_out]), scale=0.5)
    scores = {one.column: one.score for one in found.tables[0].columns}
    assert scores == {"id": 1.0, "customer_id": 1.0}
    assert found.tables[0].rows_ratio == 1.0
    assert "orders.amount is in the source only" in found.missing


def test_orphans_and_parents_without_children_are_told() -> None:
    broken = FanOut(table="orders", key=KEY, groups={0: 250, 4: 250}, orphans=1000, unset=0)
    found = alike.fan_out(source().fan_outs[0], broken)
    assert found.copy_orphans == 0.5
    assert (found.source_without, found.copy_without) == (0.1, 0.5)
    assert found.score == pytest.approx(0.6)


def test_a_table_without_rows_is_not_measured_and_never_0() -> None:
    empty = rows(amount=numbers([]))
    found = alike.compare(contents(rows(amount=numbers([1.0, 2.0]))), contents(empty))
    assert found.overall is None
    assert found.tables[0].score is None
    assert found.tables[0].closest is None
    assert found.tables[0].rows_ratio == 0.0


def test_the_report_is_plain_json() -> None:
    found = alike.compare(source(), changed(source(), note=words([None] * 2000)))
    plain = json.loads(json.dumps(alike.as_json(found), allow_nan=False))
    note = next(one for one in plain["tables"][0]["columns"] if one["column"] == "note")
    assert note["shape"] is None
    assert plain["overall"] == pytest.approx(found.overall)


def test_a_copied_row_is_at_no_distance_and_is_not_new() -> None:
    secret = rows(a=numbers(np.arange(0, 100, 10)), b=words(["x", "y"] * 5))
    kept = closeness.distance_to_closest(secret, secret)
    assert kept is not None
    assert (kept.least, kept.median) == (0.0, 0.0)
    assert kept.source_median is not None
    assert kept.source_median > 0.1
    assert closeness.new_row_share(secret, secret) == 0.0
    other = rows(a=numbers([5.0, 200.0]), b=words(["x", "z"]))
    far = closeness.distance_to_closest(secret, other)
    assert far is not None
    # 5 lies 5/90 from 0 (x); 200 is as far from all as the range can say (1), and z is nobody's.
    assert far.least == pytest.approx(5 / 90 / 2)
    assert far.median == pytest.approx((5 / 90 / 2 + 1.0) / 2)
    assert closeness.new_row_share(secret, other) == 1.0
    assert closeness.new_row_share(rows(a=numbers([1.0]), whole=False), rows(a=numbers([1.0]))) is None


def test_nulls_are_near_nulls_only() -> None:
    secret = rows(a=numbers([None, 10.0]))
    found = closeness.distance_to_closest(secret, rows(a=numbers([None])))
    assert found is not None
    assert found.least == 0.0
    assert closeness.distance_to_closest(rows(a=numbers([10.0])), rows(a=numbers([None]))).least == 1.0  # type: ignore[union-attr]


def test_an_even_draw_of_parents_is_a_poisson_distribution() -> None:
    plan = planned({"kind": "parent"}, children=3000)
    found = expected_children.groups(plan.tables["orders"].references["customer_id"], 3000, 1000)
    assert found is not None
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-6)
    assert found[0] == pytest.approx(np.exp(-3), abs=1e-3)
    assert found[3] == pytest.approx(np.exp(-3) * 27 / 6, abs=2e-3)


@pytest.mark.parametrize(
    ("shape", "mean"),
    [
        ({"kind": "parent", "skew": 0.8, "without": 0.2}, 3.0),
        ({"kind": "parent", "skew": 1.0}, 100.0),
        ({"kind": "parent", "order": "sorted", "spread": 0.5}, 3.0),
        ({"kind": "parent", "groups": [(0, 100), (2, 800), (14, 100)]}, 3.0),
    ],
)
def test_expected_children_have_the_mean_of_the_tables(shape: dict[str, Any], mean: float) -> None:
    plan = planned(shape, children=round(1000 * mean))
    found = expected_children.groups(plan.tables["orders"].references["customer_id"], 1000 * mean, 1000)
    assert found is not None
    total = sum(found.values())
    assert sum(number * parents for number, parents in found.items()) / total == pytest.approx(mean, rel=0.03)


def planned(shape: dict[str, Any], *, children: int = 3000, **columns: Any) -> Plan:
    described = {
        "name": "tried",
        "tables": {
            "customers": {"rows": 1000},
            "orders": {"rows": children, "columns": {"customer_id": shape, **columns}},
        },
    }
    return datasets.open_tables(profiles.parse(described), STRUCTURE)[0].plan


STATED = {
    "status": {"kind": "choice", "of": {"new": 3, "done": 1}},
    "note": {"kind": "text", "null": 0.5, "lengths": [1, 11]},
    "created_at": {"kind": "histogram", "bounds": ["2025-01-01", "2025-01-02", "2025-01-04"]},
    "shipped_at": {"kind": "after", "of": "created_at"},
}


def loaded(plan: Plan, **changes: Values) -> Contents:
    """Return what a perfect generator would load for `STATED`, by hand."""
    count, day = 3000, 86_400.0
    begin = np.datetime64("2025-01-01", "s").astype(np.float64)
    places = (np.arange(count) + 0.5) / count
    moments = begin + np.where(places < 0.5, places * 2, 1 + (places - 0.5) * 4) * day
    notes = [None if place % 2 else "a" * round(1 + 10 * places[place]) for place in range(count)]
    orders = rows(
        status=words(["new", "new", "done", "new"] * 750, "enum"),
        note=words(notes),
        created_at=numbers(moments, "timestamp"),
        shipped_at=numbers(moments, "timestamp"),
        customer_id=numbers(np.arange(count) % 1000, "integer"),
    )
    whole = Rows(table="orders", rows=count, columns={**orders.columns, **changes}, whole=True)
    fan_out = FanOut(table="orders", key=KEY, groups={3: 1000}, orphans=0, unset=0)
    return contents(whole, rows("customers", id=numbers(np.arange(1000), "integer")), fan_outs=[fan_out])


def test_what_a_profile_states_is_found_in_rows_that_keep_to_it() -> None:
    plan = planned({"kind": "parent", "groups": [(3, 1000)]}, **STATED)
    found = to_profile.to_profile(plan, loaded(plan))
    orders = next(one for one in found.tables if one.table == "orders")
    scores = {one.column: one.score for one in orders.columns}
    assert scores.pop("shipped_at") is None, "a moment after another states nothing that can be measured alone"
    assert scores.keys() == {to_profile.ROWS, "status", "note", "created_at", "customer_id"}
    assert all(score is not None and score > 0.99 for score in scores.values()), scores


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("status", words(["new", "done"] * 1500, "enum")),
        ("note", words(["a" * 6] * 3000)),
        ("created_at", numbers(np.linspace(1.73e9, 1.74e9, 3000), "timestamp")),
    ],
)
def test_what_does_not_keep_to_its_profile_is_named(column: str, values: Values) -> None:
    plan = planned({"kind": "parent", "groups": [(3, 1000)]}, **STATED)
    found = to_profile.to_profile(plan, loaded(plan, **{column: values}))
    assert found.worst == f"orders.{column}"
    assert found.worst_score is not None
    assert found.worst_score <= 0.76


def test_a_fan_out_and_a_number_of_rows_that_are_wrong_are_named() -> None:
    plan = planned({"kind": "parent", "groups": [(0, 500), (6, 500)]}, children=6000, **STATED)
    found = to_profile.to_profile(plan, loaded(plan))
    orders = next(one for one in found.tables if one.table == "orders")
    scores = {one.column: one.score for one in orders.columns}
    assert scores[to_profile.ROWS] == 0.5
    assert scores["customer_id"] is None, "groups for another number of children a parent are not compared"
    plan = planned({"kind": "parent", "groups": [(0, 500), (6, 500)]}, **STATED)
    scores = {one.column: one.score for one in to_profile.to_profile(plan, loaded(plan)).tables[1].columns}
    assert scores["customer_id"] == pytest.approx(0.5)


def stepped(places: Any) -> Any:
    """Return 7 for the one half, and for the other what lies between the bounds."""
    return np.where(places < 0.5, 7, np.round(np.interp(2 * places - 1, [0, 0.8, 1], [0, 10, 1000])))


def lognormal(places: Any) -> Any:
    return np.exp(0.5 * np.array([NormalDist().inv_cdf(one) for one in places]))


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ({"kind": "number", "low": 0, "high": 99}, lambda place: np.floor(place * 100)),
        ({"kind": "number", "median": 100, "sigma": 0.5, "high": 1e9}, lambda place: np.floor(100 * lognormal(place))),
        ({"kind": "serial", "start": 10, "step": 5}, lambda place: 10 + 5 * np.floor(place * 3000)),
        ({"kind": "histogram", "bounds": [0, 10, 1000], "at": [0, 0.8, 1], "common": {"7": 0.5}}, stepped),
    ],
)  # fmt: skip
def test_numbers_that_keep_to_their_shape_are_near_it(shape: dict[str, Any], values: Callable[[Any], Any]) -> None:
    plan = planned({"kind": "parent"}, id=shape)
    places = (np.arange(3000) + 0.5) / 3000
    for found, near in ((values(places), True), (values(places) + 2000, False)):
        table = rows(id=numbers(found, "integer"))
        one = to_profile.to_profile(plan, contents(table)).tables[0].columns[1]
        assert one.score is not None
        assert (one.score > 0.98) is near, one
