"""An engine as the suite meets it: how it is chosen and connected to, and its own words for what all engines have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from rehearse import registry
from rehearse.events import Event
from rehearse.model import EngineChoice
from rehearse.protocols import Database, Role, Server

LIMIT_S = 30.0
_MADE = "create table made (id int primary key, word varchar(20))"
_FILLED = "insert into made values (1, 'one'), (2, 'two')"
COUNTED = "select count(*) from made"


class Connection(Protocol):
    """A connection by any driver that keeps to Python's DB-API, in autocommit."""

    def cursor(self) -> Any:
        """Return a cursor."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """A type to be loaded: its SQL, values, and their texts as `shown`, an SQL expression of {}, must give them."""

    type: str
    values: pa.Array
    texts: Sequence[str]
    shown: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The engine's numbers for what befalls a call; `deadlock` is None where there are none."""

    duplicate: str
    deadlock: str | None
    timeout: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """An engine's own words.

    `sleeps` is a statement that takes more than a minute, `session` a query of its own session's number, `waiting` one
    of how many sessions wait for a lock now. `impatient` are settings of a session by which it waits for a lock for a
    second at most. `changes` are the changes of a schema that `snapshots.CHANGES` lacks, or has in other words; None
    says that the engine cannot make one.
    """

    sleeps: str
    session: str
    waiting: str
    impatient: Mapping[str, str]
    codes: Codes
    columns: Mapping[str, Column]
    changes: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An engine as it is chosen, how it is connected to, and its words.

    `left` returns what of runs whose temporary files are in a folder is still there, beside files and processes; `pid`
    the process to kill so that a server dies, None where that is on another machine.
    """

    choice: EngineChoice
    connect: Callable[[str], Connection]
    words: Words
    left: Callable[[Path], Sequence[str]] = lambda _: ()
    pid: Callable[[Any], int | None] = lambda _: None

    def ask(self, url: str, *statements: str) -> Sequence[Sequence[Any]]:
        """Run statements, each committed, and return the rows of the last; a refusal is any exception."""
        with closing(self.connect(url)) as connection:
            return [run(connection, one) for one in statements][-1]

    def refuses(self, url: str, statement: str) -> bool:
        """Say whether a statement is refused."""
        try:
            self.ask(url, statement)
        except Exception:  # each driver has its own
            return True
        return False

    @contextmanager
    def open(self, database: Database, role: Role) -> Iterator[Connection]:
        """Connect as a role; what it had begun and not committed is undone at the end."""
        with closing(self.connect(database.url(role))) as connection:
            yield connection
            with suppress(Exception):  # it was lost, as a test may want
                run(connection, "rollback")


@dataclass(slots=True)
class Kept:
    """A journal that keeps its events."""

    events: list[Event] = field(default_factory=list)

    def write(self, event: Event, /) -> None:
        """Keep an event."""
        self.events.append(event)

    def write_frame(self, kind: type[Event], frame: object, /) -> None:
        """Take many, which nobody reads here."""


@contextmanager
def started(subject: Subject) -> Iterator[Server]:
    """Start a server of the subject."""
    with registry.engine(subject.choice.name).start(subject.choice, Kept()) as server:
        yield server


@contextmanager
def fresh(server: Server, name: str) -> Iterator[Database]:
    """Make an empty database, which is dropped at the end."""
    database = server.create(name)
    try:
        yield database
    finally:
        database.drop()


def run(connection: Connection, statement: str) -> Sequence[Sequence[Any]]:
    """Run a statement and return its rows, none where it has none."""
    cursor = connection.cursor()
    cursor.execute(statement)
    return cursor.fetchall() if cursor.description else ()


def make(subject: Subject, database: Database) -> None:
    """Make a table `made` of two rows."""
    subject.ask(database.url(Role.MIGRATION), _MADE, _FILLED)
    database.grant()


def rows(subject: Subject, database: Database, role: Role) -> int:
    """Return how many rows a role sees in `made`."""
    return int(subject.ask(database.url(role), COUNTED)[0][0])


def await_that(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so, with a limit."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, f"within {LIMIT_S:.0f} s it was not seen that {what}"
        time.sleep(0.005)
