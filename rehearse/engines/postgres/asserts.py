"""Asks a scenario's assertions: queries for rows that must not be there, read-only and with a time limit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import psycopg
from pglast import parse_sql, split
from pglast.ast import SelectStmt
from pglast.parser import ParseError
from psycopg import sql

from rehearse.errors import ScenarioMistake
from rehearse.events import AssertionTried, Event, Remarked
from rehearse.model import AssertChoice

_MOST = 1_000  # rows that are counted
_TIMEOUT = "10min"
_BRIEFLY = "2s"  # while a migration acts, for a lock or an answer
_EXAMPLE = 300

# How many rows a query returns, and the first in words: "id = 9, price = -5.00".
_COUNTED = """
SELECT count(*), min(line)
FROM (SELECT (SELECT string_agg(key || ' = ' || coalesce(value, 'NULL'), ', ' ORDER BY place)
              FROM json_each_text(row_to_json(a)) WITH ORDINALITY AS cell (key, value, place)) AS line
      FROM ({}
) a LIMIT {}) b
"""


def tried(url: str, asserts: Sequence[AssertChoice], state: str, settings: Mapping[str, str]) -> list[AssertionTried]:
    """Return how many rows each assertion that is asked in this state finds, and the first of them as text."""
    for one in asserts:
        _read(one)
    wanted = [one for one in asserts if state in one.states]
    if not wanted:
        return []
    with psycopg.connect(url, autocommit=True, connect_timeout=30) as connection:
        _prepare(connection, settings, _TIMEOUT)
        found = [_tried(connection, one, state, is_during=False) for one in wanted]
    for answer in found:
        if state == "start" and answer.error is not None:
            raise ScenarioMistake(
                f"integrity.assert {answer.name!r}: the server says: {answer.error}; where it asks about what the "
                "migration makes, leave 'start' and 'back' out of its states"
            )
    return found


class AssertProbe:
    """Asks one assertion again and again while a phase goes on; a look that waits too long for a lock is left out."""

    def __init__(self, url: str, one: AssertChoice, phase: str, settings: Mapping[str, str]) -> None:
        self.every_ns = one.every or 0
        self._url, self._one, self._phase, self._settings = url, one, phase, settings
        self._connection: psycopg.Connection | None = None
        self._answered = False
        self._refused: str | None = None  # by the last look that had no answer

    def look(self) -> Iterable[Event]:
        """Ask once; return the answer where there is one."""
        return list(self._asked())

    def close(self) -> Iterable[Event]:
        """Disconnect; say so where no look had an answer."""
        if self._connection is not None:
            self._connection.close()
        if self._refused is None or self._answered:
            return ()
        says = f"{self._one.name!r} could not be asked while {self._phase} went on: {self._refused}"
        return [Remarked(at_ns=time.monotonic_ns(), source="assertions", says=says, weakens=True)]

    def _asked(self) -> Iterator[Event]:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
                _prepare(self._connection, self._settings, _BRIEFLY)
        except psycopg.OperationalError as error:
            self._refused = str(error).strip()
            return
        found = _tried(self._connection, self._one, self._phase, is_during=True)
        if found.error is not None:
            self._refused = found.error
            return
        self._answered = True
        yield found


def _read(one: AssertChoice) -> None:
    """Raise a ScenarioMistake for what is not one query."""
    try:
        statements = parse_sql(one.sql)
    except ParseError as error:
        raise ScenarioMistake(f"integrity.assert {one.name!r}: {error.args[0]}") from None
    if len(statements) != 1 or not isinstance(statements[0].stmt, SelectStmt):
        raise ScenarioMistake(f"integrity.assert {one.name!r}: it must be one query, which returns the wrong rows")


def _prepare(connection: psycopg.Connection, settings: Mapping[str, str], timeout: str) -> None:
    for name, value in {
        **settings,
        "default_transaction_read_only": "on",
        "statement_timeout": timeout,
        "lock_timeout": _BRIEFLY,
    }.items():
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])


def _tried(connection: psycopg.Connection, one: AssertChoice, state: str, *, is_during: bool) -> AssertionTried:
    began, rows, example, error = time.monotonic_ns(), None, None, None
    query = sql.SQL(_COUNTED).format(sql.SQL(split(one.sql)[0]), sql.Literal(_MOST))
    try:
        with connection.transaction():
            found = connection.execute(query).fetchone()
        assert found is not None
        rows, example = int(found[0]), None if found[1] is None else str(found[1])[:_EXAMPLE]
    except psycopg.Error as refused:
        error = refused.diag.message_primary or str(refused).strip() or type(refused).__name__
    return AssertionTried(
        at_ns=began,
        ended_ns=time.monotonic_ns(),
        state=state,
        name=one.name,
        during=is_during,
        rows=rows,
        example=example,
        error=error,
    )
