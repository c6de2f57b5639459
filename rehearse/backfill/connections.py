"""Connections to the user's database, of each kind of server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rehearse import registry
from rehearse.backfill.seams import Dialect, Session
from rehearse.errors import Missing


class Opened(Session, Protocol):
    """A connection of our own."""

    def cancel(self) -> None:
        """Have the server stop the statement under way; from any thread."""
        ...

    def behind_ms(self) -> float | None:
        """Return how far the server is behind the one that it is a replica of; None: it is none, or does not say."""
        ...


def dialect(engine: str, session: Session) -> Dialect:
    """Return how a server is spoken to; engine is "postgres" or one of the MySQL family."""
    if engine == "postgres":
        from rehearse.backfill import postgres  # noqa: PLC0415

        return postgres.DIALECT
    from rehearse.backfill import mysql  # noqa: PLC0415

    return mysql.dialect(session)


def opened(url: str) -> AbstractContextManager[Opened]:
    """Connect, with the server's own settings."""
    if registry.engine_of(url) == "postgres":
        from rehearse.backfill import _postgres_session  # noqa: PLC0415

        return _postgres_session.opened(url)
    try:
        from rehearse.backfill import _mysql_session  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise Missing(
            f"MariaDB and MySQL need the package {missing.name!r}: pip install 'rehearse-migrations[mysql]'"
        ) from None
    return _mysql_session.opened(url)


class Connections:
    """Opens sessions by a URL, and can cut short what all of them do.

    Their statements wait for locks no longer than `lock_ms`, and run no longer than `statement_ms`.
    """

    def __init__(self, url: str, lock_ms: int, statement_ms: int) -> None:
        self._url = url
        self._limits = lock_ms, statement_ms
        self._open: set[Opened] = set()
        self._lock = threading.Lock()

    @contextmanager
    def open(self) -> Iterator[Session]:
        """Open a session."""
        with opened(self._url) as session:
            spoken = self.dialect(session)
            for name, value in spoken.settings(*self._limits).items():
                session.tell(spoken.setting(name, value))
            with self._lock:
                self._open.add(session)
            try:
                yield session
            finally:
                with self._lock:
                    self._open.discard(session)

    def dialect(self, session: Session) -> Dialect:
        """Return how the server is spoken to."""
        return dialect(registry.engine_of(self._url), session)

    def cut(self) -> None:
        """Have the server stop what is under way, at once; what was under way is rolled back."""
        with self._lock:
            sessions = list(self._open)
        for one in sessions:
            one.cancel()
