from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from rehearse import datasets
from rehearse.datasets import GeneratedTable
from rehearse.errors import ScenarioMistake
from tests.datasets import shop


def opened(**options: object) -> dict[str, GeneratedTable]:
    return {one.table: one for one in datasets.open_tables(shop.profile(), shop.STRUCTURE, **options)}  # type: ignore[arg-type]


def whole(table: GeneratedTable) -> pa.Table:
    return pa.Table.from_batches(list(table.chunks()))


def checksum(table: GeneratedTable) -> str:
    digest = hashlib.sha256()
    for chunk in table.chunks():
        digest.update(chunk.serialize())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return {name: whole(table) for name, table in opened(seed=7).items()}


def test_tables_come_parents_first() -> None:
    assert list(opened()) == ["customers", "orders", "favourites"]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, second, other = (opened(seed=seed)["orders"] for seed in (1, 1, 2))
    assert checksum(first) == checksum(second) != checksum(other)


def test_a_chunk_needs_no_other() -> None:
    table = opened()["orders"]
    assert table.chunk(2).equals(list(table.chunks())[2])


def test_every_row_has_a_parent_that_exists(tables: dict[str, pa.Table]) -> None:
    known = set(tables["customers"]["id"].to_pylist())
    assert set(tables["orders"]["customer_id"].to_pylist()) <= known
    assert set(tables["favourites"]["order_id"].to_pylist()) <= set(tables["orders"]["id"].to_pylist())


def test_a_row_that_points_at_its_own_table_points_back(tables: dict[str, pa.Table]) -> None:
    pointing = tables["customers"].filter(pc.is_valid(tables["customers"]["referrer_id"]))
    assert pointing.num_rows > 4000
    assert pc.all(pc.less(pointing["referrer_id"], pointing["id"])).as_py()


def test_unique_columns_and_pairs_hold_no_value_twice(tables: dict[str, pa.Table]) -> None:
    assert pc.count_distinct(tables["customers"]["email"]).as_py() == 5000
    pairs = tables["favourites"].group_by(["customer_id", "order_id"]).aggregate([])
    assert pairs.num_rows == 20_000


def test_no_text_is_longer_than_its_column(tables: dict[str, pa.Table]) -> None:
    assert pc.max(pc.utf8_length(tables["customers"]["email"])).as_py() <= 30


def test_the_share_of_nulls_is_that_of_the_profile(tables: dict[str, pa.Table]) -> None:
    orders = tables["orders"]
    assert orders["note"].null_count / orders.num_rows == pytest.approx(0.7, abs=0.01)
    assert orders["created_at"].null_count == 0


def test_some_customers_have_many_orders_and_some_none(tables: dict[str, pa.Table]) -> None:
    counts = np.bincount(tables["orders"]["customer_id"].to_numpy() - 1, minlength=5000)
    assert (counts == 0).mean() > 0.28
    assert counts.max() > 20 * counts.mean()


def test_nobody_orders_before_having_an_account(tables: dict[str, pa.Table]) -> None:
    made = dict(zip(*(tables["customers"][name].to_pylist() for name in ("id", "created_at")), strict=True))
    pairs = zip(*(tables["orders"][name].to_pylist() for name in ("customer_id", "created_at")), strict=True)
    assert sum(made[customer] > at for customer, at in pairs) < 0.001 * tables["orders"].num_rows


def test_what_comes_after_is_later(tables: dict[str, pa.Table]) -> None:
    shipped = tables["orders"].filter(pc.is_valid(tables["orders"]["shipped_at"]))
    assert pc.all(pc.greater_equal(shipped["shipped_at"], shipped["created_at"])).as_py()


def test_the_rate_grows_as_the_profile_says(tables: dict[str, pa.Table]) -> None:
    moments = tables["orders"]["created_at"].cast(pa.int64()).to_numpy()
    assert (np.diff(moments) >= 0).all()
    edges = np.linspace(moments[0], moments[-1], 21)
    counts, _ = np.histogram(moments, edges)
    assert counts[-1] / counts[0] == pytest.approx(3.0, rel=0.15)


@pytest.mark.parametrize("scale", [0, 1e-9])
def test_a_tiny_scale_works(scale: float) -> None:
    assert all(whole_rows(table) == table.rows <= 1 for table in opened(scale=scale).values())


def whole_rows(table: GeneratedTable) -> int:
    return sum(len(chunk) for chunk in table.chunks())


def test_rows_of_single_tables_can_be_given() -> None:
    assert opened(scale=0.01, rows={"orders": "2k"})["orders"].rows == 2000


def test_a_table_without_parents_to_point_at_is_told() -> None:
    with pytest.raises(ScenarioMistake, match=r"orders\.columns\.customer_id: points at customers, which gets no rows"):
        opened(rows={"customers": 0})


def test_unknown_tables_and_columns_are_named_with_a_near_miss() -> None:
    columns = {"emial": {"kind": "text", "of": "email"}}
    wrong = shop.profile(tables={"custmers": {"rows": 1}, "customers": {"rows": 1, "columns": columns}})
    with pytest.raises(ScenarioMistake) as caught:
        datasets.open_tables(wrong, shop.STRUCTURE)
    assert "tables.custmers: the schema has no such table; did you mean 'customers'?" in str(caught.value)
    assert "tables.customers.columns.emial: the table has no such column; did you mean 'email'?" in str(caught.value)


def test_null_in_a_column_that_forbids_it_is_told() -> None:
    wrong = shop.profile(tables={"customers": {"rows": 1, "columns": {"email": {"kind": "text", "null": 0.5}}}})
    with pytest.raises(ScenarioMistake, match="NOT NULL"):
        datasets.open_tables(wrong, shop.STRUCTURE)


def test_the_size_is_estimated_in_proportion_to_the_scale() -> None:
    one, ten = (datasets.estimated_bytes(shop.profile(), scale) for scale in (1, 10))
    assert 5_000_000 < one < 50_000_000
    assert ten == pytest.approx(10 * one, rel=0.01)


def test_a_shape_that_gives_no_values_of_the_column_s_type_is_told_before_anything_is_made() -> None:
    columns = {"created_at": {"kind": "text", "of": "email"}}
    wrong = shop.profile(tables={"customers": {"rows": 1, "columns": columns}})
    with pytest.raises(ScenarioMistake, match=r"customers\.columns\.created_at: kind = 'text' gives no values"):
        datasets.open_tables(wrong, shop.STRUCTURE)
