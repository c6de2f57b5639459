"""Asks a scenario's assertions: queries for rows that must not be there, read-only and with a time limit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pymysql

from rehearse.engines.mysql.client import Connection, address, execute, opened, rows, words
from rehearse.engines.mysql.session import literal
from rehearse.errors import ScenarioMistake
from rehearse.events import AssertionTried, Event, Remarked
from rehearse.model import AssertChoice

_MOST = 1_000  # rows that are counted
_LIMIT_S = 600
_BRIEFLY_S = 2  # while a migration acts, for a lock or an answer
_EXAMPLE = 300
_LIMITS = """
    SET SESSION lock_wait_timeout = {wait_s}
    /*M! , max_statement_time = {limit_s}, tx_read_only = ON */
    /*!80000 , max_execution_time = {limit_ms}, transaction_read_only = ON */
"""


def tried(url: str, asserts: Sequence[AssertChoice], state: str, settings: Mapping[str, str]) -> list[AssertionTried]:
    """Return how many rows each assertion that is asked in this state finds, and the first of them as text."""
    wanted = [one for one in asserts if state in one.states]
    if not wanted:
        return []
    connection = _connected(url, settings, _LIMIT_S)
    try:
        found = [_tried(connection, one, state, is_during=False) for one in wanted]
    finally:
        connection.close()
    for answer in found:
        if state == "start" and answer.error is not None:
            raise ScenarioMistake(
                f"integrity.assert {answer.name!r}: the server says: {answer.error}; it must be one query, which "
                "returns the wrong rows; where it asks about what the migration makes, leave 'start' and 'back' out "
                "of its states"
            )
    return found


class AssertProbe:
    """Asks one assertion again and again while a phase goes on; a look that waits too long for a lock is left out."""

    def __init__(self, url: str, one: AssertChoice, phase: str, settings: Mapping[str, str]) -> None:
        self.every_ns = one.every or 0
        self._url, self._one, self._phase, self._settings = url, one, phase, settings
        self._connection: Connection | None = None
        self._answered = False
        self._refused: str | None = None  # by the last look that had no answer

    def look(self) -> Iterable[Event]:
        """Ask once; return the answer where there is one."""
        return list(self._asked())

    def close(self) -> Iterable[Event]:
        """Disconnect; say so where no look had an answer."""
        if self._connection is not None and self._connection.open:
            self._connection.close()
        if self._refused is None or self._answered:
            return ()
        says = f"{self._one.name!r} could not be asked while {self._phase} went on: {self._refused}"
        return [Remarked(at_ns=time.monotonic_ns(), source="assertions", says=says, weakens=True)]

    def _asked(self) -> Iterator[Event]:
        try:
            if self._connection is None or not self._connection.open:
                self._connection = _connected(self._url, self._settings, _BRIEFLY_S)
        except pymysql.err.MySQLError as error:
            self._refused = words(error)
            return
        found = _tried(self._connection, self._one, self._phase, is_during=True)
        if found.error is not None:
            self._refused = found.error
            return
        self._answered = True
        yield found


def _connected(url: str, settings: Mapping[str, str], limit_s: int) -> Connection:
    connection = opened(address(url), init_command="SET SESSION time_zone = '+00:00'", read_timeout=limit_s + 30)
    for name, value in settings.items():
        execute(connection, f"SET SESSION {name} = {literal(value)}")
    execute(connection, _LIMITS.format(wait_s=_BRIEFLY_S, limit_s=limit_s, limit_ms=limit_s * 1000))
    return connection


def _tried(connection: Connection, one: AssertChoice, state: str, *, is_during: bool) -> AssertionTried:
    """Ask once. As a subquery only one query fits in, whatever the text says."""
    began, count, example, error = time.monotonic_ns(), None, None, None
    asked = f"({one.sql.strip().rstrip(';')}\n) a"
    try:
        ((count,),) = rows(connection, f"SELECT COUNT(*) FROM (SELECT 1 FROM {asked} LIMIT {_MOST}) b")
        for row in rows(connection, f"SELECT * FROM {asked} LIMIT 1") if count else ():
            example = f"({', '.join('NULL' if cell is None else str(cell) for cell in row)})"[:_EXAMPLE]
    except pymysql.err.MySQLError as refused:
        error = words(refused)
    return AssertionTried(
        at_ns=began,
        ended_ns=time.monotonic_ns(),
        state=state,
        name=one.name,
        during=is_during,
        rows=None if count is None or error else int(count),
        example=example,
        error=error,
    )
