"""Sessions beside the traffic that stay long in a transaction: reports, exports, consoles that somebody forgot.

Each has a thread: it begins, runs its statements, stays idle in its transaction, commits, and waits for its next turn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event as Flag
from threading import Thread

import psycopg

from rehearse.events import CompanyKept, Journal
from rehearse.model import CompanyChoice
from rehearse.units import NS_PER_S


@contextmanager
def company(
    url: str, choices: Sequence[CompanyChoice], settings: Mapping[str, str], journal: Journal
) -> Iterator[None]:
    """Keep company until the block is left; what still runs then is cancelled."""
    members = [_Member(url, one, settings, journal) for one in choices for _ in range(one.sessions)]
    try:
        for one in members:
            one.start()
        yield
    finally:
        for one in members:
            one.stop()


class _Member:
    """One session, its connection, and the thread that uses it."""

    def __init__(self, url: str, choice: CompanyChoice, settings: Mapping[str, str], journal: Journal) -> None:
        self._choice, self._journal = choice, journal
        self._stopped = Flag()
        self._statements = [choice.sql] if isinstance(choice.sql, str) else choice.sql
        self._connection = psycopg.connect(url, autocommit=True, application_name=f"rehearse company: {choice.name}")
        for name, value in settings.items():
            self._connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        self._thread = Thread(target=self._stay, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(0.05)
        if self._thread.is_alive():
            self._connection.cancel_safe(timeout=5)
        self._thread.join(5)
        self._connection.close()

    def _stay(self) -> None:
        begun = time.monotonic()
        if self._stopped.wait(self._choice.first / NS_PER_S):
            return
        while not self._stopped.is_set():
            self._once()
            begun += self._choice.every / NS_PER_S
            self._stopped.wait(max(0.0, begun - time.monotonic()))

    def _once(self) -> None:
        at = time.monotonic_ns()
        error: psycopg.Error | None = None
        try:
            with self._connection.transaction():
                if self._choice.isolation:
                    self._connection.execute(f"SET TRANSACTION ISOLATION LEVEL {self._choice.isolation}".encode())
                for statement in self._statements:
                    self._connection.execute(statement.encode())
                self._stopped.wait(self._choice.hold / NS_PER_S)
        except psycopg.Error as refused:
            error = refused
        if error is not None and self._stopped.is_set():
            error = None  # it was cancelled with the phase
        self._journal.write(
            CompanyKept(
                at_ns=at,
                name=self._choice.name,
                ended_ns=time.monotonic_ns(),
                session=self._connection.info.backend_pid,
                code=error.sqlstate if error else None,
                message=str(error).splitlines()[0] if error else None,
            )
        )
        if self._connection.closed:
            self._stopped.set()
