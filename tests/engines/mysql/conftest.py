"""Databases on MariaDB, then on MySQL: what both promise is tried on both."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer

_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> MysqlServer:
    """A server of each."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, MysqlServer)
    return found


@pytest.fixture
def shop(server: MysqlServer) -> Iterator[MysqlDatabase]:
    """A fresh database on it."""
    made = server.create(f"test_{next(_numbers)}")
    yield made
    made.drop()
