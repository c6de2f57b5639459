"""One connection of the application, non-blocking, straight on libpq: it prepares, sends, and comes back when lost.

A call of one statement is one round trip; several statements are BEGIN, each of them, and COMMIT, one round trip each,
as an application would send them. What a pool does by itself happens here too: a lost connection is made again, and a
statement whose plan no longer fits ("cached plan must not change result type") fails once and is prepared again.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from psycopg import OperationalError, pq

from rehearse.events import Outcome

if TYPE_CHECKING:
    from rehearse.protocols import Call

Told = tuple[int, list[list[str]]] | None

_OK = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
_STALE = ("0A000", "26000")  # the plan changed its result; the prepared statement is gone
_CRASHED = "57P02"  # sent by a backend that may have committed already
_BACKOFF_S = 0.05
_BACKOFF_MOST_S = 1.0
_CONNECT_MOST_S = 10.0
_BEGIN, _COMMIT, _ROLLBACK = -1, -2, -3
_WORDS = {_BEGIN: b"BEGIN", _COMMIT: b"COMMIT", _ROLLBACK: b"ROLLBACK"}


class Answer:
    """How a call ended; see `protocols.SessionAnswer`."""

    __slots__ = ("code", "message", "outcome", "told")

    def __init__(self, outcome: Outcome, code: str | None, message: str | None, told: list[Told]) -> None:
        self.outcome = outcome
        self.code = code
        self.message = message
        self.told = told


class _Statement:
    """A statement on one session. `name` is None while it is not prepared there."""

    __slots__ = ("name", "sql", "tells", "version")

    def __init__(self, sql: str, tells: int | None) -> None:
        self.sql = sql.encode()
        self.tells = tells
        self.name: bytes | None = None
        self.version = 0


class PostgresSession:
    """A connection that is made, prepared and kept by `advance` alone; nothing here ever waits."""

    def __init__(self, url: str, calls: Sequence[Call], settings: Mapping[str, str]) -> None:
        self.pid = 0
        self.ready = False
        self.restless = True
        self.trouble: str | None = None
        self.attempts = 0
        self._url = url.encode()
        self._settings = settings
        self._calls = [
            [_Statement(sql, tells) for sql, tells in zip(c.statements, c.tells, strict=True)] for c in calls
        ]
        self._writes = [call.writes for call in calls]
        self._think_s = [call.think_ns / 1e9 for call in calls]
        self._thinks_until = 0.0  # the application computes, in the middle of a transaction
        self._steps = [self._route(len(call)) for call in self._calls]
        self._pg: pq.abc.PGconn | None = None
        self._connecting = False
        self._dead = False
        self._retry_at = 0.0
        self._wants = pq.PollingStatus.WRITING
        self._upkeep: deque[tuple[bytes, _Statement | None]] = deque()
        self._running: tuple[bytes, _Statement | None] | None = None
        self._good: pq.abc.PGresult | None = None
        self._bad: tuple[str, str] | None = None
        self._call: int | None = None
        self._values: Sequence[Sequence[bytes | None]] = ()
        self._step = 0
        self._failed: tuple[str, str] | None = None
        self._told: list[Told] = []

    @staticmethod
    def _route(statements: int) -> tuple[int, ...]:
        return (0,) if statements == 1 else (_BEGIN, *range(statements), _COMMIT)

    def fileno(self) -> int:
        """Return the socket."""
        return self._pg.socket if self._pg is not None else -1

    # --- a call

    def send(self, call: int, values: Sequence[Sequence[bytes | None]], /) -> None:
        """Begin a call."""
        self.ready = False
        self._call = call
        self._values = values
        self._step = 0
        self._failed = None
        self._told = []
        self._send_step(self._steps[call][0])

    def advance(self) -> Answer | None:
        """Go on as far as the server has answered; return how the call under way ended, once it has."""
        if self._connecting or self._pg is None:
            self._connect()
            return None
        if self._thinks_until:
            self._go_on()
            return None
        if not self._read():
            return None
        good, bad = self._good, self._bad
        self._good = self._bad = None
        if self._dead:
            return self._lost(good, bad)
        if self._call is None:
            self._kept(bad)
            return None
        return self._stepped(good, bad)

    def _read(self) -> bool:
        """Take what has arrived; True once the server is ready for the next query, or the connection is lost."""
        pg = self._pg
        assert pg is not None
        try:
            pg.consume_input()
            if self.restless:
                self.restless = pg.flush() == 1 or self._call is None
            while not pg.is_busy():
                result = pg.get_result()
                if result is None:
                    self._dead = pg.status == pq.ConnStatus.BAD
                    return self._call is not None or self._running is not None or self._dead
                if result.status in _OK:
                    self._good = result
                else:
                    self._bad = _error(result)
        except OperationalError as lost:
            self._bad = self._bad or ("08006", str(lost).strip())
            self._dead = True
        return self._dead

    def _send_step(self, step: int) -> None:
        pg = self._pg
        assert pg is not None
        try:
            if step < 0:
                pg.send_query(_WORDS[step])
            else:
                self._execute(pg, step)
            if pg.flush():
                self.restless = True
        except OperationalError as lost:
            self._bad = ("08006", str(lost).strip())
            self.restless = True  # `advance` sees the lost connection

    def _execute(self, pg: pq.abc.PGconn, step: int) -> None:
        assert self._call is not None
        statement = self._calls[self._call][step]
        if statement.name is None:
            pg.send_query_params(statement.sql, self._values[step])
        else:
            pg.send_query_prepared(statement.name, self._values[step])

    def _stepped(self, good: pq.abc.PGresult | None, bad: tuple[str, str] | None) -> Answer | None:
        """Take the answer to one round trip of a call; begin the next, or return how the call ended."""
        assert self._call is not None
        route = self._steps[self._call]
        if self._failed:  # and this was the answer to ROLLBACK
            return self._ended(Outcome.FAILED, self._failed)
        step = route[self._step]
        if bad is None and step == _COMMIT and good is not None and good.command_status == b"ROLLBACK":
            bad = ("25P02", "COMMIT was answered with ROLLBACK")
        if bad is not None:
            return self._refused(step, bad)
        if step >= 0:
            self._learn(self._calls[self._call][step], good)
        self._step += 1
        if self._step == len(route):
            return self._ended(Outcome.OK, None)
        if self._think_s[self._call] and 0 < self._step < len(route) - 1 and step >= 0:
            self._thinks_until = time.monotonic() + self._think_s[self._call]
            self.restless = True
        else:
            self._send_step(route[self._step])
        return None

    def _go_on(self) -> None:
        """Send the next statement of a transaction once the application has thought about the answer to the last."""
        assert self._call is not None
        if time.monotonic() >= self._thinks_until:
            self._thinks_until = 0.0
            self.restless = False
            self._send_step(self._steps[self._call][self._step])

    def _refused(self, step: int, bad: tuple[str, str]) -> Answer | None:
        assert self._call is not None
        if step >= 0:
            self._told.append(None)
            self._forget_stale(self._calls[self._call][step], bad[0])
        if len(self._steps[self._call]) == 1 or step == _COMMIT:
            return self._ended(Outcome.FAILED, bad)
        self._failed = bad
        self._send_step(_ROLLBACK)
        return None

    def _forget_stale(self, statement: _Statement, code: str) -> None:
        if code in _STALE and statement.name is not None:
            if code != "26000":
                self._upkeep.append((b"DEALLOCATE " + statement.name, None))
            statement.name = None
            self._upkeep.append((b"", statement))

    def _learn(self, statement: _Statement, good: pq.abc.PGresult | None) -> None:
        if statement.name is None:  # it works again, so it can be prepared again
            self._upkeep.append((b"", statement))
        if statement.tells is None or good is None:
            self._told.append(None)
            return
        first = good.nfields - statement.tells
        columns = range(first, good.nfields) if statement.tells else ()
        rows = [
            [_text(good.get_value(row, column)) for column in columns] for row in range(good.ntuples if columns else 0)
        ]
        self._told.append((good.command_tuples or 0, rows))

    def _ended(self, outcome: Outcome, error: tuple[str, str] | None) -> Answer:
        self._call = None
        code, message = error or (None, None)
        answer = Answer(outcome, code, message, self._told)
        if self._upkeep:
            self._next_upkeep()
        else:
            self.ready = True
        return answer

    def _lost(self, good: pq.abc.PGresult | None, bad: tuple[str, str] | None) -> Answer | None:
        """Say what the loss of the connection means for the call under way, and begin to connect again."""
        bad = bad or ("08006", "the server closed the connection")
        call, step, began = self._call, self._step, self._failed
        self._call = None
        if call is None:
            self._refuse(bad[1])
            return None
        self._disconnect(bad[1])
        route = self._steps[call]
        if route[step] >= 0:
            self._told.append(None)
        deciding = self._writes[call] and step == len(route) - 1 and not began
        told = (
            bad[0] not in (_CRASHED, "08006") and good is None
        )  # the server itself said that it stopped the statement
        outcome = Outcome.UNKNOWN if deciding and not told else Outcome.FAILED
        return Answer(outcome, *(began or bad), self._told)

    # --- connecting and keeping

    def _disconnect(self, why: str, *, wait_s: float = 0.0) -> None:
        if self._pg is not None:
            self._pg.finish()
        self._pg = None
        self._connecting = self._dead = False
        self.trouble = why
        self.ready = False
        self.restless = True
        self._good = self._bad = self._running = self._failed = None
        self._upkeep.clear()
        self._retry_at = time.monotonic() + wait_s

    def _connect(self) -> None:
        now = time.monotonic()
        if self._pg is None:
            if now >= self._retry_at:
                self._dial(now)
            return
        if now > self._retry_at:
            self._refuse("no answer to the connection in time")
        elif _can(self._pg.socket, self._wants):
            self._poll()

    def _dial(self, now: float) -> None:
        self._pg = pq.PGconn.connect_start(self._url)
        self._connecting = True
        self._wants = pq.PollingStatus.WRITING
        self._retry_at = now + _CONNECT_MOST_S
        if self._pg.status == pq.ConnStatus.BAD:
            self._refuse(_message(self._pg))

    def _poll(self) -> None:
        assert self._pg is not None
        self._wants = pq.PollingStatus(self._pg.connect_poll())
        if self._wants == pq.PollingStatus.FAILED:
            self._refuse(_message(self._pg))
        elif self._wants == pq.PollingStatus.OK:
            self._connecting = False
            self._pg.nonblocking = 1
            self.pid = self._pg.backend_pid
            self._upkeep.extend((_setting(self._pg, *one), None) for one in self._settings.items())
            self._forget_names()
            self._next_upkeep()

    def _refuse(self, why: str) -> None:
        self.attempts += 1
        self._disconnect(why, wait_s=min(_BACKOFF_MOST_S, _BACKOFF_S * 2 ** min(self.attempts, 8)))

    def _forget_names(self) -> None:
        for statements in self._calls:
            for statement in statements:
                statement.name = None
                self._upkeep.append((b"", statement))

    def _next_upkeep(self) -> None:
        if not self._upkeep:
            self.ready, self.restless, self.attempts, self.trouble = True, False, 0, None
            return
        pg = self._pg
        assert pg is not None
        self._running = self._upkeep.popleft()
        query, statement = self._running
        try:
            if statement is None:
                pg.send_query(query)
            else:
                statement.version += 1
                pg.send_prepare(self._name(statement), statement.sql)
            pg.flush()
        except OperationalError as lost:
            self._disconnect(str(lost).strip())

    def _kept(self, bad: tuple[str, str] | None) -> None:
        """Take the answer to one step of upkeep. A statement that cannot be prepared is tried at each of its calls."""
        running, self._running = self._running, None
        if running is None:
            return
        if bad is None and running[1] is not None:
            running[1].name = self._name(running[1])
        self._next_upkeep()

    def _name(self, statement: _Statement) -> bytes:
        return b"r%x_%d" % (id(statement), statement.version)

    def cancel(self) -> None:
        """Ask the server to stop the statement under way."""
        if self._pg is not None and self._call is not None:
            try:
                self._pg.get_cancel().cancel()
            except OperationalError:
                return  # the connection is gone, and `advance` will say so

    def close(self) -> None:
        """Close the connection; what runs on it is left to the server."""
        if self._pg is not None:
            self._pg.finish()
            self._pg = None


def connect(url: str, calls: Sequence[Call], settings: Mapping[str, str]) -> PostgresSession:
    """Return a session that connects at its first `advance`."""
    return PostgresSession(url, calls, settings)


def _can(socket: int, wants: pq.PollingStatus) -> bool:
    """Say whether a socket is ready for what libpq wants of it (reading while connecting also when it failed)."""
    poll = select.poll()
    poll.register(socket, select.POLLOUT if wants == pq.PollingStatus.WRITING else select.POLLIN)
    return bool(poll.poll(0))


def _error(result: pq.abc.PGresult) -> tuple[str, str]:
    code = result.error_field(pq.DiagnosticField.SQLSTATE)
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    return (code.decode() if code else "08006"), message.decode("utf-8", "replace").strip()


def _message(pg: pq.abc.PGconn) -> str:
    return pg.error_message.decode("utf-8", "replace").strip()


def _setting(pg: pq.abc.PGconn, name: str, value: str) -> bytes:
    escape = pq.Escaping(pg)
    return b"SELECT set_config(%s, %s, false)" % (
        escape.escape_literal(name.encode()),
        escape.escape_literal(value.encode()),
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
