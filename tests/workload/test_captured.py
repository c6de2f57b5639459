"""Calls of the statements that production counted: where the values of their parameters come from."""

from __future__ import annotations

import pytest

from rehearse.model import Survey, TableFacts
from rehearse.workload.captured import Captured, captured

SURVEY = Survey(
    tables={
        name: TableFacts(
            table=name, schema="public", name=name, rows=rows, size_bytes=0, columns=tuple(columns.split()), key=("id",)
        )
        for name, rows, columns in (
            ("orders", 10, "id customer_id status placed_at total"),
            ("customers", 10, "id email created_at"),
            ("empty", 0, "id note"),
        )
    }
)


def found(*statements: str) -> Captured:
    return captured(
        [(one, 2.0) for one in statements], SURVEY, lambda table, _: "41" if table.table == "orders" else None
    )


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("select * from orders where id = $1", {"p1": "orders.id"}),
        ("select * from orders o join customers c on c.id = o.customer_id where c.email = $1 limit $2",
         {"p1": "customers.email", "p2": {"min": 1, "max": 50}}),
        ("select id from orders where customer_id in ($1, $2) and placed_at between $3 and $4::timestamptz",
         {"p1": "orders.customer_id", "p2": "orders.customer_id", "p3": "orders.placed_at", "p4": "orders.placed_at"}),
        ("select id from customers where lower(email) = lower($1)", {"p1": "customers.email"}),
        ("update orders set status = $1, total = total + $2 where id = $3",
         {"p1": "orders.status", "p2": {"min": 1, "max": 5}, "p3": "orders.id"}),
        ("insert into orders (id, status) values ($1, $2)", {"p1": {"serial": "orders.id"}, "p2": "orders.status"}),
        ("delete from orders where placed_at < $1", {"p1": "orders.placed_at"}),
    ],
)  # fmt: skip
def test_a_parameter_takes_values_of_the_column_that_it_is_compared_with(sql: str, values: object) -> None:
    (call,) = found(sql).calls
    assert call.values == values
    assert ":p1" in call.sql
    assert "$" not in call.sql


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select * from empty where id = $1", "no rows"),
        ("select $1", "compared with no column"),
        ("select * from nowhere where id = $1", "no column of a table that is known"),
        ("vacuum orders", "not read as"),
    ],
)
def test_a_statement_without_values_is_left_out_and_said_to_be(sql: str, why: str) -> None:
    got = found(sql, "select count(*) from orders")
    assert [call.name for call in got.calls] == ["read orders"]
    ((left, reason),) = got.left_out
    assert left == sql
    assert why in reason
    assert got.share_left_out == 0.5


def test_kinds_of_calls_have_names_of_their_own() -> None:
    names = [call.name for call in found(*["select 1 from orders where id = $1"] * 2, "delete from customers").calls]
    assert names == ["read orders", "read orders 2", "delete customers"]
