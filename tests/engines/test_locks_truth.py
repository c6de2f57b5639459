"""Holds and outages against the truth: the server's own clock in the transaction that holds the lock."""

from __future__ import annotations

import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from tests.engines import truth

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", truth.WAYS)
def test_a_known_hold_is_found_each_time_and_measured_within_5_ms(database: PostgresDatabase, way: str) -> None:
    truth.prepare(database)

    found = truth.measured(database, way, [50] * 10 + [200] * 3 + [1000])

    print(way, *(f"{one.held_error_ms:+.1f}/{one.beyond_ms:.1f}" for one in found if one.held_error_ms is not None))
    assert all(one.held_error_ms is not None for one in found)
    assert max(abs(one.held_error_ms or 0) for one in found) < 5
    assert max(abs(one.outage_error_ms or 0) for one in found) < 10
