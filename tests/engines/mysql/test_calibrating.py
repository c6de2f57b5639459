"""How quick a server is, measured without a write."""

from __future__ import annotations

import pytest

from rehearse.engines.mysql import calibrating
from rehearse.engines.mysql.database import MysqlDatabase


@pytest.mark.slow
def test_a_server_is_calibrated_without_a_write(shop: MysqlDatabase) -> None:
    empty = calibrating.measured(shop)
    assert {one.name for one in empty.speeds} == {"cpu", "sort"}
    assert "no table of 4 MB or more" in empty.unmeasured[1]
    calibrating.fill(shop)
    found = calibrating.measured(shop)
    assert {one.name for one in found.speeds} == {"cpu", "sort", "read"}
    assert all(one.per_s > 1000 for one in found.speeds)
    assert not any(word in " ".join(found.statements).upper() for word in ("INSERT", "UPDATE", "CREATE"))
    assert any("READ ONLY" in one for one in found.statements)
