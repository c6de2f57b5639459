"""Company's connection to MySQL and MariaDB; see `engines._company`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress

import pymysql

from rehearse.engines import _company
from rehearse.engines.mysql.client import address, code, connect, execute, opened, words
from rehearse.engines.mysql.session import literal
from rehearse.events import Journal
from rehearse.model import CompanyChoice


def company(
    url: str, choices: Sequence[CompanyChoice], settings: Mapping[str, str], journal: Journal
) -> AbstractContextManager[None]:
    """Keep company until the block is left; what still runs then is cancelled."""
    return _company.company(choices, lambda name: _Line(url, name, settings), journal)


class _Line:
    """A connection by PyMySQL; its name is the program's among the connection's attributes."""

    def __init__(self, url: str, name: str, settings: Mapping[str, str]) -> None:
        self._where = address(url)
        self._connection = opened(self._where, init_command=None, program_name=f"rehearse company: {name}")
        for setting, value in settings.items():
            execute(self._connection, f"SET SESSION {setting} = {literal(value)}")
        self.session = int(self._connection.thread_id())

    @property
    def is_lost(self) -> bool:
        """Say whether the connection is gone."""
        return not self._connection.open

    def stay(
        self, statements: Sequence[str], isolation: str | None, idle: Callable[[], object], /
    ) -> _company.Refusal | None:
        """Run statements in a transaction, call `idle` within it, and commit; return why it failed, or None."""
        try:
            if isolation:
                execute(self._connection, f"SET TRANSACTION ISOLATION LEVEL {isolation}")
            execute(self._connection, "START TRANSACTION")
            for statement in statements:
                execute(self._connection, statement)
            idle()
            execute(self._connection, "COMMIT")
        except pymysql.err.MySQLError as error:
            with suppress(pymysql.err.MySQLError):
                self._connection.rollback()
            return code(error), words(error)
        return None

    def cancel(self) -> None:
        """Have the server stop the statement under way, from a connection of its own."""
        with suppress(pymysql.err.MySQLError), connect(self._where, connect_timeout=5) as other:
            execute(other, f"KILL QUERY {self.session}")

    def close(self) -> None:
        """Close the connection; the server rolls back what is open in it."""
        if self._connection.open:
            self._connection.close()
