"""A database that the user names by a URL: opened, with errors that hold no password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pymysql

from rehearse.engines.mysql.client import Connection, address, opened, words
from rehearse.errors import Missing, ScenarioMistake


@dataclass(frozen=True, slots=True)
class Given:
    """The user's database; `where` says for an error how it was named."""

    url: str = field(repr=False)
    where: str

    @contextmanager
    def connect(self, **options: Any) -> Iterator[Connection]:
        """Connect, in autocommit."""
        at = address(self.url, self.where)
        if at.database is None:
            raise ScenarioMistake(f"{self.where} names no database; write mysql://user@host:3306/database")
        try:
            connection = opened(at, **{"connect_timeout": 10} | options)
        except pymysql.err.OperationalError as error:
            raise Missing(f"{self.where}: no connection: {words(error)}") from None
        with connection:
            yield connection
