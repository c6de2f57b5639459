"""Sequences, which MariaDB has."""

from __future__ import annotations

import pytest

from rehearse.engines.mysql.client import rows
from rehearse.engines.mysql.database import MysqlDatabase
from tests.engines.mysql.comparing import run

pytestmark = pytest.mark.slow

MADE = "create sequence numbers start with 3 increment by 2;"


@pytest.mark.parametrize("change", ["increment by 3", "cycle"])
def test_every_change_of_a_sequence_is_seen(shop: MysqlDatabase, change: str) -> None:
    run(shop, MADE)
    before = shop.snapshot("start")
    run(shop, f"alter sequence numbers {change}")
    assert before.schema["sequence numbers"] != shop.snapshot("back").schema["sequence numbers"]


def test_a_copys_sequence_goes_on_where_it_was(shop: MysqlDatabase) -> None:
    run(shop, MADE + "select nextval(numbers);")
    copy = shop.fork(f"{shop.name}_copy")
    try:
        assert shop.snapshot("start").schema == copy.snapshot("start").schema
        with copy.connect() as connection:
            ((value,),) = rows(connection, "SELECT nextval(numbers)")
        assert value > 3  # what the other holds in its cache is left out
    finally:
        copy.drop()
