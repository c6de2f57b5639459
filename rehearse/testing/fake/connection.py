"""Connections to a fake's databases: a URL names file and role, and the connection keeps to the role's rights."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from urllib.parse import quote, unquote, urlsplit
from weakref import WeakSet

from rehearse.protocols import Role

_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_ALWAYS = frozenset({sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT, sqlite3.SQLITE_PRAGMA})
_MAY = {Role.OBSERVER: _READS | _ALWAYS, Role.APPLICATION: _READS | _WRITES | _ALWAYS}


class FakeConnection(sqlite3.Connection):
    """A connection of a role, in autocommit. It is `interrupted` until whoever uses it takes note."""

    role: Role
    path: Path
    patience_s: float = 5.0
    waits: bool = False  # for another's transaction to end
    interrupted: bool = False

    def interrupt(self) -> None:
        """End what runs on it, or waits."""
        self.interrupted = True
        with suppress(sqlite3.ProgrammingError):  # it is closed
            super().interrupt()

    def begin_writing(self) -> None:
        """Begin a transaction that writes, after the wait for another's; sqlite3.OperationalError ends that wait."""
        deadline = time.monotonic() + self.patience_s
        try:
            while True:
                try:
                    self.execute("begin immediate")
                    return
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline or self.interrupted:
                        raise
                self.waits = True
                time.sleep(0.002)
        finally:
            self.waits = False


_open: WeakSet[FakeConnection] = WeakSet()
_opening = Lock()


def url(path: Path, role: Role) -> str:
    """Return a URL of a database for a role."""
    return f"fake://{role}@localhost/{quote(str(path), safe='')}"


def connect(url: str, *, patience_s: float = 5.0) -> FakeConnection:
    """Connect to a database that is there; what the role may not do is refused, and a wait is over in `patience_s`."""
    parts = urlsplit(url)
    role, path = Role(parts.username or ""), Path(unquote(parts.path[1:]))
    made = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=patience_s,
        check_same_thread=False,
        factory=FakeConnection,
    )
    made.execute("pragma foreign_keys = on")
    made.create_function("sessions_waiting", 0, lambda: sum(one.waits for one in _of(path)))
    made.role, made.path, made.patience_s = role, path, patience_s
    if role in _MAY:
        may = _MAY[role]
        made.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in may else sqlite3.SQLITE_DENY)
    with _opening:
        _open.add(made)
    return made


def interrupt(path: Path, role: Role) -> None:
    """End what a role runs in a database: its statements are undone, and its connections say so."""
    for one in _of(path):
        if one.role == role:
            one.interrupt()


def _of(path: Path) -> list[FakeConnection]:
    with _opening:
        return [one for one in _open if one.path == path]
