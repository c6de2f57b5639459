"""One connection of the application, non-blocking: it prepares, sends, and comes back when lost.

A call of one statement is one round trip in autocommit; several are START TRANSACTION, each of them, and COMMIT, one
round trip each, as an application would send them. After any error the transaction is rolled back: a lock time-out
(1205) undoes a statement only, and a deadlock (1213) all of it. A prepared statement whose table has changed is
prepared again by the server itself.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import pymysql

from rehearse.delimited import placeholders
from rehearse.engines.mysql import client
from rehearse.engines.mysql.client import Address, address, execute
from rehearse.engines.mysql.wire import NOT_INTRODUCED, ConnectionLost, Reply, Wire
from rehearse.errors import Missing
from rehearse.events import Outcome

if TYPE_CHECKING:
    from rehearse.protocols import Call

Told = tuple[int, list[list[str]]] | None
Error = tuple[str, str]

LOST = "2013"  # as the client libraries number it
_GONE = "1243"  # the prepared statement is not known
_ENDED = frozenset({"1053", "1927", "3169"})  # said by a server that stops or kills: what a COMMIT did is not told
_BACKOFF_S, _BACKOFF_MOST_S, _CONNECT_MOST_S = 0.05, 1.0, 10.0
_BEGIN, _COMMIT, _ROLLBACK = -1, -2, -3
_WORDS = {_BEGIN: "START TRANSACTION", _COMMIT: "COMMIT", _ROLLBACK: "ROLLBACK"}


class Answer:
    """How a call ended; see `protocols.SessionAnswer`."""

    __slots__ = ("code", "message", "outcome", "told")

    def __init__(self, outcome: Outcome, error: Error | None, told: list[Told]) -> None:
        self.outcome = outcome
        self.code: str | None = error[0] if error else None
        self.message: str | None = error[1] if error else None
        self.told = told


class _Statement:
    """A statement on one session. `number` is None while it is not prepared there."""

    __slots__ = ("number", "order", "sql", "tells")

    def __init__(self, sql: str, tells: int | None) -> None:
        self.sql, self.order = placeholders(sql)
        self.tells = tells
        self.number: int | None = None


class MysqlSession:
    """A connection that is made, prepared and kept by `advance` alone; nothing here ever waits."""

    def __init__(self, where: Address, calls: Sequence[Call], settings: Mapping[str, str]) -> None:
        self.pid = 0
        self.ready = False
        self.restless = True
        self.trouble: str | None = None
        self.attempts = 0
        self._where = where
        self._settings = [_setting(*one) for one in settings.items()]
        self._calls = [[_Statement(*one) for one in zip(c.statements, c.tells, strict=True)] for c in calls]
        self._writes = [call.writes for call in calls]
        self._think_s = [call.think_ns / 1e9 for call in calls]
        self._routes = [(0,) if len(c) == 1 else (_BEGIN, *range(len(c)), _COMMIT) for c in self._calls]
        self._thinks_until = 0.0  # the application computes, in the middle of a transaction
        self._wire: Wire | None = None
        self._connecting = False
        self._not_introduced: str | None = None
        self._retry_at = 0.0
        self._upkeep: deque[str | _Statement] = deque()
        self._running: str | _Statement | None = None
        self._call: int | None = None
        self._values: Sequence[Sequence[bytes | None]] = ()
        self._step = 0
        self._failed: Error | None = None
        self._told: list[Told] = []

    def fileno(self) -> int:
        """Return the socket."""
        return self._wire.fileno() if self._wire is not None else -1

    # --- a call

    def send(self, call: int, values: Sequence[Sequence[bytes | None]], /) -> None:
        """Begin a call."""
        self.ready = False
        self._call, self._values, self._step = call, values, 0
        self._failed, self._told = None, []
        self._send_step()

    def advance(self) -> Answer | None:
        """Go on as far as the server has answered; return how the call under way ended, once it has."""
        if self._wire is None:
            self._dial()
            return None
        if self._thinks_until:
            self._go_on()
            return None
        try:
            reply = self._wire.advance()
        except ConnectionLost as lost:
            return self._lost((LOST, str(lost)))
        if self._call is not None:
            self.restless = self._wire.unsent
        if reply is None:
            if self._connecting and time.monotonic() > self._retry_at:
                self._refuse("no answer to the connection in time")
            return None
        if self._call is None:
            self._kept(reply)
            return None
        return self._stepped(reply)

    def _send_step(self) -> None:
        """Send what is next on the call's route; a statement that is not prepared is prepared first."""
        assert self._wire is not None
        assert self._call is not None
        step = self._routes[self._call][self._step]
        if step < 0 or self._failed:
            self._begin(_WORDS[_ROLLBACK if self._failed else step])
            return
        statement = self._calls[self._call][step]
        if statement.number is None:
            self._begin(statement)
            return
        given = self._values[step]
        values = [given[place] for place in statement.order]
        with suppress(ConnectionLost):  # `advance` sees it too
            self._wire.execute(statement.number, values, statement.tells or 0)
        self.restless = self._wire.unsent
        self._running = None

    def _begin(self, what: str | _Statement) -> None:
        assert self._wire is not None
        self._running = what
        with suppress(ConnectionLost):
            if isinstance(what, str):
                self._wire.query(what)
            else:
                self._wire.prepare(what.sql)
        self.restless = self._wire.unsent

    def _stepped(self, reply: Reply) -> Answer | None:
        """Take the answer to one round trip of a call; begin the next, or return how the call ended."""
        assert self._call is not None
        if self._failed:  # and this was the answer to ROLLBACK
            return self._ended(Outcome.FAILED, self._failed)
        route = self._routes[self._call]
        step = route[self._step]
        if reply.code is not None:
            return self._refused(step, (reply.code, reply.message or ""))
        if step >= 0:
            statement = self._calls[self._call][step]
            if isinstance(self._running, _Statement):
                statement.number = reply.number
                self._send_step()
                return None
            self._told.append(None if statement.tells is None else (reply.touched, reply.rows))
        self._step += 1
        if self._step == len(route):
            return self._ended(Outcome.OK, None)
        if self._think_s[self._call] and 0 < self._step < len(route) - 1 and step >= 0:
            self._thinks_until = time.monotonic() + self._think_s[self._call]
            self.restless = True
        else:
            self._send_step()
        return None

    def _go_on(self) -> None:
        """Send the next statement of a transaction once the application has thought about the answer to the last."""
        if time.monotonic() >= self._thinks_until:
            self._thinks_until = 0.0
            self.restless = False
            self._send_step()

    def _refused(self, step: int, error: Error) -> Answer | None:
        assert self._call is not None
        if step >= 0:
            self._told.append(None)
            if error[0] == _GONE:
                self._calls[self._call][step].number = None
        if step == _COMMIT and error[0] in _ENDED and self._writes[self._call]:
            return self._ended(Outcome.UNKNOWN, error)
        if len(self._routes[self._call]) == 1 or step == _COMMIT:
            return self._ended(Outcome.FAILED, error)
        self._failed = error
        self._send_step()
        return None

    def _ended(self, outcome: Outcome, error: Error | None) -> Answer:
        self._call = None
        self.ready = True
        return Answer(outcome, error, self._told)

    def _lost(self, error: Error) -> Answer | None:
        """Say what the loss of the connection means for the call under way, and begin to connect again."""
        call, step, failed = self._call, self._step, self._failed
        self._call = None
        if call is None:
            self._refuse(error[1])
            return None
        is_preparing = isinstance(self._running, _Statement)
        self._disconnect(error[1])
        route = self._routes[call]
        if route[step] >= 0:
            self._told.append(None)
        is_deciding = self._writes[call] and step == len(route) - 1 and not failed and not is_preparing
        return Answer(Outcome.UNKNOWN if is_deciding else Outcome.FAILED, failed or error, self._told)

    # --- connecting and keeping

    def _dial(self) -> None:
        if time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + _CONNECT_MOST_S
        try:
            self._wire = Wire(self._where)
        except ConnectionLost as error:
            self._refuse(str(error))
            return
        self._connecting = True

    def _refuse(self, why: str) -> None:
        self.attempts += 1
        self._disconnect(why, wait_s=min(_BACKOFF_MOST_S, _BACKOFF_S * 2 ** min(self.attempts, 8)))

    def _disconnect(self, why: str, *, wait_s: float = 0.0) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None
        self._connecting = self.ready = False
        self.trouble, self.restless = why, True
        self._running = self._failed = None
        self._thinks_until = 0.0
        self._upkeep.clear()
        self._retry_at = time.monotonic() + wait_s

    def _kept(self, reply: Reply) -> None:
        """Take the answer to the login or to a step of upkeep.

        A statement that cannot be prepared now is tried at each of its calls.
        """
        assert self._wire is not None
        if self._connecting:
            if reply.code == NOT_INTRODUCED:
                self._refuse(self._not_introduced or str(reply.message))
                Thread(target=self._introduce, daemon=True).start()
                return
            if reply.code is not None:
                self._refuse(f"{reply.code}: {reply.message}")
                return
            self._connecting = False
            self.pid = self._wire.pid
            self._upkeep.extend(self._settings)
            for statement in (one for statements in self._calls for one in statements):
                statement.number = None
                self._upkeep.append(statement)
        elif isinstance(self._running, _Statement):
            self._running.number = reply.number if reply.code is None else None
        elif reply.code is not None:
            self._refuse(f"{self._running}: {reply.code}: {reply.message}")
            return
        self._running = None
        if self._upkeep:
            self._begin(self._upkeep.popleft())
            self.restless = True
        else:
            self.ready, self.restless, self.attempts, self.trouble = True, False, 0, None

    def _introduce(self) -> None:
        """Log in once by PyMySQL, which uses TLS: from then on the server knows the password."""
        try:
            with client.connect(self._where, connect_timeout=5):
                self._not_introduced = None
        except pymysql.err.MySQLError as error:
            self._not_introduced = client.words(error)
        except Missing as missing:
            self._not_introduced = str(missing)

    def cancel(self) -> None:
        """Ask the server to stop the statement under way, from a connection of its own and without waiting for it."""
        if self._wire is not None and self._call is not None:
            Thread(target=_kill, args=(self._where, self.pid), daemon=True).start()

    def close(self) -> None:
        """Close the connection; what runs on it is left to the server."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def connect(url: str, calls: Sequence[Call], settings: Mapping[str, str]) -> MysqlSession:
    """Return a session that connects at its first `advance`."""
    return MysqlSession(address(url), calls, settings)


def _kill(where: Address, session: int) -> None:
    with suppress(pymysql.err.MySQLError), client.connect(where, connect_timeout=5) as connection:
        execute(connection, f"KILL QUERY {session}")


def _setting(name: str, value: str) -> str:
    return f"SET SESSION {name} = {literal(value)}"


def literal(value: str) -> str:
    """Return a setting's value as SQL: a number as it is, everything else as text."""
    is_number = value.lstrip("-").replace(".", "", 1).isdigit()
    return value if is_number else "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
