"""Connections to the user's database, of each kind of server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any, cast

from rehearse import registry
from rehearse.backfill.seams import Dialect, Session

NAME = "rehearse backfill"  # as the server lists our sessions


def dialect(engine: str) -> Dialect:
    """Return how a kind of server is spoken to: "postgres", "mysql" or "mariadb"."""
    if engine == "postgres":
        from rehearse.backfill.postgres import DIALECT  # noqa: PLC0415

        return DIALECT
    from rehearse.backfill.mysql import DIALECT as OTHER  # noqa: PLC0415

    return OTHER


class Connections:
    """Opens sessions by a URL, and can cut short what all of them do."""

    def __init__(self, url: str, dialect: Dialect, limits: tuple[int, int]) -> None:
        self._url = url
        self._dialect = dialect
        self._limits = limits
        self._open: set[Any] = set()
        self._lock = threading.Lock()

    @contextmanager
    def open(self) -> Iterator[Session]:
        """Open a session whose statements wait for locks and run no longer than the limits."""
        module = import_module(f"rehearse.backfill._{self._dialect.name}_session")
        with cast("Callable[[str], AbstractContextManager[Any]]", module.opened)(self._url) as session:
            for name, value in self._dialect.settings(*self._limits).items():
                session.tell(self._dialect.setting(name, value))
            with self._lock:
                self._open.add(session)
            try:
                yield session
            finally:
                with self._lock:
                    self._open.discard(session)

    def cut(self) -> None:
        """Have the server stop what is under way, at once; what was under way is rolled back."""
        with self._lock:
            sessions = list(self._open)
        for one in sessions:
            one.cancel()


def engine_of(url: str) -> str:
    """Return the kind of server that a URL is of."""
    return registry.engine_of(url)
