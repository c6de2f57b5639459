"""A small shop as the traffic knows it."""

from __future__ import annotations

import pytest

from rehearse.model import ForeignKey, Survey, TableFacts


def table(name: str, columns: str, key: str, *, rows: int = 100, unclear: str = "") -> TableFacts:
    return TableFacts(
        table=name,
        schema="public",
        name=name,
        rows=rows,
        size_bytes=8192,
        columns=tuple(columns.split()),
        key=tuple(key.split()),
        unclear=tuple(unclear.split()),
        plain=tuple(one for one in columns.split() if one not in key.split()),
    )


@pytest.fixture
def shop() -> Survey:
    tables = [
        table("customers", "id name", "id", rows=10),
        table("orders", "id customer_id total note n", "id", rows=1000),
        table("items", "order_id line qty", "order_id line", rows=5000),
        table("touched", "id at v", "id", unclear="at"),
        table("log", "at what", ""),
        table("empty", "id", "id", rows=0),
    ]
    return Survey(
        tables={one.table: one for one in tables},
        references=(
            ForeignKey(table="orders", references="customers", cascades=False),
            ForeignKey(table="items", references="orders", cascades=True),
        ),
        views={"open_orders": ("orders",)},
    )
