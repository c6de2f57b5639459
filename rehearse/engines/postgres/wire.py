"""A small, cheap connection for observers: prepared queries over libpq's raw results, text in and text out.

psycopg's objects would double the cost of a look (14 % of a core at 10 ms instead of 7.5 %).
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import conninfo, pq

from rehearse.errors import RehearseError

Row = list[str | None]

# An observer waits for no one's locks, and its times are to be read by datetime.fromisoformat.
_OPTIONS = " ".join(
    f"-c {setting}"
    for setting in (
        "lock_timeout=100ms",
        "statement_timeout=5s",
        "timezone=UTC",
        "datestyle=ISO",
        "jit=off",
        "plan_cache_mode=force_generic_plan",  # planning would cost as much as looking
    )
)


class ConnectionLost(RehearseError):
    """The observer's connection does not answer; the text is the server's or libpq's."""


class Refused(RehearseError):
    """The server refused an observer's query; the text is the server's."""


class Wire:
    """One connection; `rows` prepares a query once and asks it again and again."""

    def __init__(self, url: str, application_name: str) -> None:
        given = str(conninfo.conninfo_to_dict(url).get("options") or "")
        options = f"{given} {_OPTIONS}".strip()
        text = conninfo.make_conninfo(url, application_name=application_name, options=options, connect_timeout=5)
        self._connection = pq.PGconn.connect(text.encode())
        if self._connection.status != pq.ConnStatus.OK:
            raise ConnectionLost(_text(self._connection.error_message))
        self._names: dict[str, bytes] = {}

    @property
    def pid(self) -> int:
        """The backend's process id."""
        return self._connection.backend_pid

    def rows(self, sql: str, values: Sequence[str] = ()) -> list[Row]:
        """Return the rows of a query; raises ConnectionLost or Refused."""
        bound = [value.encode() for value in values]
        result = self._connection.exec_prepared(self._prepared(sql), bound)
        self._check(result)
        return [
            [
                None if (cell := result.get_value(row, column)) is None else cell.decode()
                for column in range(result.nfields)
            ]
            for row in range(result.ntuples)
        ]

    def close(self) -> None:
        """Close the connection."""
        self._connection.finish()

    def _prepared(self, sql: str) -> bytes:
        if sql not in self._names:
            name = f"look_{len(self._names)}".encode()
            self._check(self._connection.prepare(name, sql.encode()))
            self._names[sql] = name
        return self._names[sql]

    def _check(self, result: pq.abc.PGresult) -> None:
        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            return
        said = _text(result.error_message) or _text(self._connection.error_message)
        if self._connection.status != pq.ConnStatus.OK:
            raise ConnectionLost(said)
        raise Refused(said)


def _text(message: bytes) -> str:
    return message.decode(errors="replace").strip()
