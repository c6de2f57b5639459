"""Company's connection to PostgreSQL; see `engines._company`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import psycopg

from rehearse.engines import _company
from rehearse.events import Journal
from rehearse.model import CompanyChoice


def company(
    url: str, choices: Sequence[CompanyChoice], settings: Mapping[str, str], journal: Journal
) -> AbstractContextManager[None]:
    """Keep company until the block is left; what still runs then is cancelled."""
    return _company.company(choices, lambda name: _Line(url, name, settings), journal)


class _Line:
    """A connection by psycopg; the server shows it by its name."""

    def __init__(self, url: str, name: str, settings: Mapping[str, str]) -> None:
        self._connection = psycopg.connect(url, autocommit=True, application_name=f"rehearse company: {name}")
        for setting, value in settings.items():
            self._connection.execute("SELECT set_config(%s, %s, false)", [setting, value])
        self.session = self._connection.info.backend_pid

    @property
    def is_lost(self) -> bool:
        """Say whether the connection is gone."""
        return self._connection.closed

    def stay(
        self, statements: Sequence[str], isolation: str | None, idle: Callable[[], object], /
    ) -> _company.Refusal | None:
        """Run statements in a transaction, call `idle` within it, and commit; return why it failed, or None."""
        try:
            with self._connection.transaction():
                if isolation:
                    self._connection.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}".encode())
                for statement in statements:
                    self._connection.execute(statement.encode())
                idle()
        except psycopg.Error as error:
            return error.sqlstate, str(error).splitlines()[0]
        return None

    def cancel(self) -> None:
        """Ask the server to stop the statement under way."""
        self._connection.cancel_safe(timeout=5)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
