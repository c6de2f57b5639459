"""Holds and outages against the truth: pg_sleep in the transaction that holds the lock."""

from __future__ import annotations

import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.protocols import Role
from tests.engines import truth

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(database: PostgresDatabase) -> PostgresDatabase:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute("CREATE TABLE orders (id bigint PRIMARY KEY, status text)")
        connection.execute("INSERT INTO orders SELECT n, 'new' FROM generate_series(1, 1000) n")
    database.grant()
    return database


@pytest.mark.parametrize("way", truth.WAYS)
def test_a_known_hold_is_found_each_time_and_measured_within_5_ms(shop: PostgresDatabase, way: str) -> None:
    found = truth.measured(shop, way, [50] * 10 + [200] * 4 + [1000])

    print(way, *(f"{one.held_error_ms:+.1f}" for one in found if one.held_error_ms is not None))
    assert all(one.held_error_ms is not None for one in found)
    held = sorted(abs(one.held_error_ms or 0) for one in found)
    closed = sorted(abs(one.outage_error_ms or 0) for one in found)
    # The transaction's own statements last a moment beside the sleep, and more than that where the machine is full.
    assert held[len(held) // 2] < 5
    assert closed[len(closed) // 2] < 10
    assert sum(one < 5 for one in held) >= 13
