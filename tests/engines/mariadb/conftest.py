"""Databases on MariaDB."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer

_numbers = itertools.count(1)


@pytest.fixture
def shop(mariadb: MysqlServer) -> Iterator[MysqlDatabase]:
    """A fresh database on it."""
    made = mariadb.create(f"only_{next(_numbers)}")
    yield made
    made.drop()
