"""A fresh database on each kind of server, spoken to as a backfill does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from rehearse.backfill.connections import Connections
from rehearse.backfill.seams import Rows
from rehearse.protocols import Role
from tests.engines.conftest import mariadb, mysql

__all__ = ["mariadb", "mysql"]

_numbers = itertools.count(1)


@dataclass(slots=True)
class Place:
    """A database, and a session of our own in it."""

    kind: str
    url: str = field(repr=False)

    @property
    def is_postgres(self) -> bool:
        return self.kind == "server"

    def tell(self, *statements: str) -> None:
        with Connections(self.url, 10_000, 60_000).open() as session:
            for one in statements:
                session.tell(one)

    def ask(self, query: str) -> Rows:
        with Connections(self.url, 10_000, 60_000).open() as session:
            return session.ask(query)

    def number(self, query: str) -> int:
        return int(self.ask(query)[0][0] or 0)

    def numbers(self, table: str, rows: int) -> str:
        """Return what makes a table of whole numbers, from 1."""
        if self.is_postgres:
            return f"INSERT INTO {table} (id) SELECT g FROM generate_series(1, {rows}) g"
        return (
            f"INSERT INTO {table} (id) WITH RECURSIVE d AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM d WHERE n < 99) "
            f"SELECT 1 + a.n + 100 * b.n + 10000 * c.n FROM d a, d b, d c WHERE a.n + 100 * b.n + 10000 * c.n < {rows}"
        )


@pytest.fixture(params=["server", "mariadb", "mysql"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A database on PostgreSQL, on MariaDB, then on MySQL."""
    made = request.getfixturevalue(request.param).create(f"backfill{next(_numbers)}")
    yield Place(request.param, made.url(Role.OWNER))
    made.drop()
