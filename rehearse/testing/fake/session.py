"""A session of the application on a fake: a thread runs the calls, and a socket says when one is answered."""

from __future__ import annotations

import re
import socket
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread

from rehearse.events import Outcome
from rehearse.protocols import Call
from rehearse.testing.fake import connection as fake

Told = tuple[int, Sequence[Sequence[str]]] | None
_PLACE = re.compile(r"\$(\d+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended; see `protocols.SessionAnswer`."""

    outcome: Outcome
    code: str | None
    message: str | None
    told: Sequence[Told]


class FakeSession:
    """A connection that is always ready but while it runs a call; see `protocols.Session`."""

    def __init__(self, url: str, calls: Sequence[Call], settings: Mapping[str, str]) -> None:
        self.pid = id(self)
        self.ready = True
        self.restless = False
        self.trouble: str | None = None
        self.attempts = 0
        self._calls = calls
        self._connection = fake.connect(url, patience_s=float(settings.get("patience_s", 5)))
        self._connection.execute("pragma busy_timeout = 0")  # it is the session that waits
        self._asked: SimpleQueue[tuple[Call, Sequence[Sequence[bytes | None]]] | None] = SimpleQueue()
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._bell, self._rings = socket.socketpair()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return the socket to wait on."""
        return self._bell.fileno()

    def send(self, call: int, values: Sequence[Sequence[bytes | None]], /) -> None:
        """Begin a call."""
        self.ready = False
        self._asked.put((self._calls[call], values))

    def advance(self) -> Answer | None:
        """Return how the call under way ended, once it has."""
        if self._answers.empty():
            return None
        self._bell.recv(1)
        self.ready = True
        return self._answers.get()

    def cancel(self) -> None:
        """Interrupt what runs on this session."""
        self._connection.interrupt()

    def close(self) -> None:
        """Close the connection, after what runs on it was interrupted."""
        self._asked.put(None)
        while self._thread.is_alive():
            self._connection.interrupt()
            self._thread.join(0.01)
        self._connection.close()
        self._bell.close()
        self._rings.close()

    def _serve(self) -> None:
        while asked := self._asked.get():
            self._answers.put(self._answer(*asked))
            self._rings.send(b".")

    def _answer(self, call: Call, values: Sequence[Sequence[bytes | None]]) -> Answer:
        """Run a call in a transaction of its own; any refusal undoes all of it."""
        told: list[Told] = []
        try:
            self._connection.interrupted = False
            if call.writes:
                self._connection.begin_writing()
            else:
                self._connection.execute("begin")
            for n, statement in enumerate(call.statements):
                if n and call.think_ns:
                    time.sleep(call.think_ns / 1e9)
                told.append(self._told(statement, values[n], call.tells[n]))
            self._connection.execute("commit")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._connection.execute("rollback")
            told += [None] * (len(told) < len(call.statements))
            return Answer(Outcome.FAILED, str(getattr(error, "sqlite_errorcode", 1)), str(error), told)
        return Answer(Outcome.OK, None, None, told)

    def _told(self, statement: str, values: Sequence[bytes | None], tells: int | None) -> Told:
        texts = [None if one is None else one.decode() for one in values]
        cursor = self._connection.execute(_PLACE.sub(r"?\1", statement), texts)
        rows = cursor.fetchall()
        if tells is None:
            return None
        touched = len(rows) if cursor.description else cursor.rowcount
        return touched, [list(map(str, row[len(row) - tells :])) for row in rows if tells]


def connect(url: str, calls: Sequence[Call], settings: Mapping[str, str]) -> FakeSession:
    """Return a session."""
    return FakeSession(url, calls, settings)
