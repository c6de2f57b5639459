"""A MariaDB server that is started once, and databases in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from rehearse import registry
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import Missing
from rehearse.model import EngineChoice
from tests.conftest import KeepingJournal

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MysqlServer]:
    """The server that is installed here, started once."""
    try:
        with registry.engine("mariadb").start(EngineChoice(name="mariadb", via="binary"), KeepingJournal()) as started:
            assert isinstance(started, MysqlServer)
            yield started
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def shop(mariadb: MysqlServer) -> Iterator[MysqlDatabase]:
    """A fresh database on it."""
    made = mariadb.create(f"test_{next(_numbers)}")
    yield made
    made.drop()
