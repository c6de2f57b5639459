"""What a statement writes, by its text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rehearse.model import Survey
from rehearse.workload.ledger import Write, ledger
from rehearse.workload.shapes import touches

P0, P1, P2 = ("param", 0), ("param", 1), ("param", 2)


def only(sql: str, shop: Survey) -> Write:
    (write,) = ledger(sql, shop).writes
    return write


@pytest.mark.parametrize(
    "sql",
    [
        "update orders set total = $1 where id = $2",
        "update orders set total = $1::int where ($2 = id)",
        "update orders o set total = $1 where o.id = $2 and o.note is not null",
        "UPDATE public.Orders SET Total = $1 WHERE ID = $2 RETURNING *",
        'update "orders" set "total" = $1 where "id" = $2',
        "update only orders set total = $1 where id = $2",
        "with x as (select 1) update orders set total = $1 where id = $2",
    ],
)
def test_an_update_by_key_knows_its_row_and_value(sql: str, shop: Survey) -> None:
    write = only(sql, shop)
    assert (write.table, write.kind, write.key) == ("orders", "update", (("id", P1),))
    assert write.values == (("total", P0),)
    assert ledger(sql, shop).sql == sql


@pytest.mark.parametrize(
    ("value", "delta"),
    [("n + $1", (P0, 1)), ("$1 + n", (P0, 1)), ("n - $1", (P0, -1)), ("(n + 2)", (("text", "2"), 1))],
)
def test_an_update_by_an_amount_is_a_delta(value: str, delta: object, shop: Survey) -> None:
    write = only(f"update orders set n = {value} where id = $2", shop)
    assert [tuple(one[1:]) for one in write.deltas] == [delta]


@pytest.mark.parametrize("value", ["n * 2", "$1 - n", "now()", "upper(note)", "default", "(select 1)", "total + 1"])
def test_any_other_expression_is_unclear(value: str, shop: Survey) -> None:
    write = only(f"update orders set n = {value} where id = $2", shop)
    assert (write.unclear, write.values, write.deltas) == (("n",), (), ())


@pytest.mark.parametrize(
    ("text", "value"), [("null", None), ("-5", "-5"), ("'x'", "x"), ("true", "true"), ("1.50", "1.50")]
)
def test_a_literal_is_its_text(text: str, value: str | None, shop: Survey) -> None:
    assert only(f"update orders set n = {text} where id = $1", shop).values == (("n", ("text", value)),)


def test_a_composite_key_must_be_named_whole(shop: Survey) -> None:
    assert only("update items set qty = $3 where line = $2 and order_id = $1", shop).key == (
        ("order_id", P0),
        ("line", P1),
    )
    assert only("update items set qty = $1 where order_id = $2", shop).key == ()


def test_rows_not_named_by_key_are_told_by_returning(shop: Survey) -> None:
    found = ledger("delete from items where order_id = $1 -- all", shop)
    assert (found.tells, found.writes[0].returned) == (2, True)
    assert found.sql.endswith('\nRETURNING items."order_id", items."line"')


def test_a_returning_of_ones_own_is_kept_and_the_key_put_last(shop: Survey) -> None:
    found = ledger("insert into orders (total) values ($1) returning total", shop)
    assert found.sql.endswith('returning total\n, orders."id"')


def test_an_insert_without_its_key_has_it_told_and_leaves_defaults_unclear(shop: Survey) -> None:
    write = only("insert into orders (customer_id,total) values ($1,$2)", shop)
    assert write.returned and write.values == (("customer_id", P0), ("total", P1))
    assert write.unclear == ("note", "n")


def test_an_insert_with_its_key_is_sent_as_it_is(shop: Survey) -> None:
    found = ledger("insert into orders (id, total) values ($1, $2)", shop)
    assert (found.tells, found.writes[0].key) == (0, (("id", P0),))


def test_an_insert_without_columns_takes_those_of_the_table(shop: Survey) -> None:
    assert only("insert into customers values ($1, $2)", shop).values == (("id", P0), ("name", P1))


def test_rows_of_a_values_list_are_told_in_order(shop: Survey) -> None:
    writes = ledger("insert into orders (total) values ($1),($2)", shop).writes
    assert [(one.row, one.values) for one in writes] == [(0, (("total", P0),)), (1, (("total", P1),))]


def test_an_upsert_knows_its_row_and_not_its_values(shop: Survey) -> None:
    write = only("insert into orders (id, n) values ($1, $2) on conflict (id) do update set n = orders.n + 1", shop)
    assert (write.key, write.values) == ((("id", P0),), ())
    assert "n" in write.unclear


def test_an_insert_that_gives_way_is_an_insert_if_it_touched_a_row(shop: Survey) -> None:
    assert only("insert into orders (id, n) values ($1, $2) on conflict do nothing", shop).values == (
        ("id", P0),
        ("n", P1),
    )


def test_rows_of_a_query_are_told_and_their_values_unclear(shop: Survey) -> None:
    write = only("insert into orders (total) select total from orders where id = $1", shop)
    assert (write.returned, write.values, len(write.unclear)) == (True, (), 4)


def test_what_a_trigger_or_generation_changes_is_unclear(shop: Survey) -> None:
    assert only("update touched set v = $1 where id = $2", shop).unclear == ("at",)
    assert "at" in only("insert into touched (id, at, v) values ($1, $2, $3)", shop).unclear


@pytest.mark.parametrize(
    "sql",
    [
        "insert into log (at, what) values ($1, $2)",
        "update orders set id = $1 where id = $2",
        "with gone as (delete from items where order_id = $1 returning *) select count(*) from gone",
        "update open_orders set n = $1 where id = $2",
        "merge into orders using customers c on c.id = customer_id when matched then update set n = 1",
    ],
)
def test_what_no_key_can_tell_is_a_write_without_a_key(sql: str, shop: Survey) -> None:
    write = only(sql, shop)
    assert (write.key, write.returned) == ((), False)


def test_a_delete_that_cascades_writes_the_children_too(shop: Survey) -> None:
    writes = ledger("delete from orders where id = $1", shop).writes
    assert [(one.table, bool(one.key)) for one in writes] == [("orders", True), ("items", False)]


@pytest.mark.parametrize(
    "sql", ["select * from orders where id = $1 for update", "select 1", "lock table orders", "not sql"]
)
def test_what_writes_no_rows_has_an_empty_ledger(sql: str, shop: Survey) -> None:
    assert (ledger(sql, shop).writes, ledger(sql, shop).tells) == ((), None)


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        ("select * from orders where id = $1", {"orders": ("reads",)}),
        ("select * from open_orders", {"orders": ("reads",)}),
        (
            "with o as (select * from orders) select * from o join items on true",
            {"orders": ("reads",), "items": ("reads",)},
        ),
        ("insert into orders (customer_id) values ($1)", {"orders": ("writes",), "customers": ("reads",)}),
        ("delete from customers where id = $1", {"customers": ("writes",), "orders": ("reads",)}),
        ("delete from orders where id = $1", {"orders": ("writes",), "items": ("reads", "writes")}),
        ("insert into log select now(), note from orders", {"log": ("writes",), "orders": ("reads",)}),
        ("truncate orders", None),
    ],
)
def test_a_call_touches_what_it_names_and_what_references_lead_to(sql: str, kinds: object, shop: Survey) -> None:
    assert touches([sql], shop) == kinds


@pytest.mark.parametrize("sql", ["select place($1)", "call app.Place($1, null)", 'select * from "place"($1) as t (id)'])
def test_what_a_function_writes_is_known_and_its_rows_are_not(sql: str, shop: Survey) -> None:
    known = replace(shop, functions={"place": ("orders", "log")})
    found = [(one.table, one.kind, one.key) for one in ledger(sql, known).writes]
    assert found == [("log", "update", ()), ("orders", "update", ())]
    assert ledger(sql, shop).writes == ()


def test_what_cannot_be_parsed_may_write_each_table_that_it_names(shop: Survey) -> None:
    writes = ledger("copy orders from stdin", shop).writes
    assert [(one.table, one.kind) for one in writes] == [("orders", "update")]
