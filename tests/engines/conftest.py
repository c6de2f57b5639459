"""Servers of MariaDB and MySQL that are started once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rehearse import registry
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import Missing
from rehearse.model import EngineChoice
from tests.conftest import KeepingJournal


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MysqlServer]:
    """The MariaDB that is installed here."""
    try:
        with _started("mariadb") as server:
            yield server
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def mysql() -> Iterator[MysqlServer]:
    """The MySQL that is here; Debian has none, so CI need not have it."""
    try:
        with _started("mysql") as server:
            yield server
    except Missing as missing:
        pytest.skip(str(missing))


@contextmanager
def _started(name: str) -> Iterator[MysqlServer]:
    with registry.engine(name).start(EngineChoice(name=name, via="binary"), KeepingJournal()) as started:
        assert isinstance(started, MysqlServer)
        yield started
