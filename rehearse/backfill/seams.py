"""What a backfill needs of a server: a session to run statements in, and a dialect to write them in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from rehearse.backfill.statement import Reading
from rehearse.errors import ServerFailed

Key = tuple[str, ...]
"""The values of a key as the server writes them, one a column."""

Rows = Sequence[Sequence[str | None]]


class Refused(ServerFailed):
    """A statement that the server refused, in its words; `code` is its own for it."""

    def __init__(self, says: str, code: str | None) -> None:
        super().__init__(says)
        self.code = code


class Session(Protocol):
    """One connection, in autocommit."""

    def ask(self, query: str, /) -> Rows:
        """Return a query's rows, each value as text. Raises Refused."""
        ...

    def tell(self, statement: str, /) -> int:
        """Run a statement of ours, such as a SET, and return the rows that it touched. Raises Refused."""
        ...

    def run(self, statement: str, /) -> int:
        """Run a statement of a batch, or what opens or ends its transaction; return the rows it touched."""
        ...

    def together(self, statements: Sequence[str], query: str | None = None, /) -> tuple[Sequence[int], Rows]:
        """Run statements as `run` does and ask a query, in one round trip where that can be; Refused by the first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyColumn:
    """A column of the key; `type` is written as the server does, `charset` and `collation` where values need theirs."""

    name: str
    type: str
    is_whole: bool  # a whole number
    charset: str | None = None
    collation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A table whose keys make the batches. `rows` is the server's estimate, None where it has none."""

    schema: str
    name: str
    key: tuple[KeyColumn, ...]
    index: str  # of the key
    rows: int | None
    triggers: tuple[str, ...] = ()  # of the table that is written to, that fire for each row


class Dialect(Protocol):
    """How one kind of server is spoken to. All texts hold their values, quoted."""

    name: str
    no_such_table: str  # the server's code for it

    def read(self, statement: str, /) -> Reading:
        """Return the statement taken apart; a Mistake says why it cannot be run in batches."""
        ...

    def target(self, session: Session, reading: Reading, wanted: Sequence[str], /) -> Target:
        """Return the table, and its key: the wanted columns, or the primary key."""
        ...

    def named(self, *names: str) -> str:
        """Return a name as SQL needs it."""
        ...

    def quoted(self, text: str, /) -> str:
        """Return a text as a literal."""
        ...

    def selected(self, target: Target, alias: str, /) -> str:
        """Return what selects a key as text."""
        ...

    def bounds(self, target: Target, alias: str | None, after: Key | None, upto: Key | None, /) -> str:
        """Return the condition for keys beyond one, up to and with another."""
        ...

    def is_worth_a_retry(self, code: str | None, /) -> bool:
        """Say by the server's code whether it may go well another time: a lock, a deadlock, its length."""
        ...

    def settings(self, lock_ms: int, statement_ms: int, /) -> Mapping[str, str]:
        """Return a session's settings: how long it may wait for locks and run, and that keys mean the same as text."""
        ...

    def current(self, settings: Iterable[str], /) -> str:
        """Return a query for what settings are now."""
        ...

    def setting(self, name: str, value: str, /) -> str:
        """Return what sets one for the session."""
        ...

    def begin(self) -> Sequence[str]:
        """Return what opens a transaction in which a row that was changed meanwhile is taken as it is."""
        ...

    def lock(self, name: str, /) -> str:
        """Return a query that takes a lock which this session alone can have; it answers 1 where it has it."""
        ...

    def unlock(self, name: str, /) -> str:
        """Return a query that gives it up."""
        ...

    def explained(self, session: Session, statement: str, /) -> Sequence[str]:
        """Return the server's plan for a statement, in its words; nothing is run."""
        ...

    def estimated(self, session: Session, query: str, /) -> int | None:
        """Return the rows that the server expects of a query; None where it does not say. Nothing is run."""
        ...

    def strays(self, session: Session, target: Target, statement: str, /) -> str | None:
        """Return how the plan for a batch reads the table where that is not by its key; None: it is by its key."""
        ...

    def state_table(self, name: str, /) -> str:
        """Return what makes the table of states."""
        ...

    def positions(self) -> str | None:
        """Return a query for positions in the log; None: this server does not know those of its replicas.

        It answers where the log is, where its slowest replica is (NULL: it has none), and of how many it may not tell.
        """
        ...


def one_by_one(session: Session, statements: Sequence[str], query: str | None = None, /) -> tuple[Sequence[int], Rows]:
    """Do what `Session.together` does, each in a round trip of its own."""
    touched = [session.run(one) for one in statements]
    return touched, () if query is None else session.ask(query)


@dataclass(slots=True)
class Opened:
    """A transaction with its first statements: the rows that each touched, what the query then answered.

    `last` are statements that are sent with its COMMIT.
    """

    touched: Sequence[int]
    rows: Rows
    last: Sequence[str] = ()


@contextmanager
def transaction(
    session: Session, dialect: Dialect, first: Sequence[str] = (), query: str | None = None
) -> Iterator[Opened]:
    """Open a transaction with its first statements, and commit it; what raises rolls it back. Raises Refused."""
    try:
        begin = dialect.begin()
        touched, rows = session.together([*begin, *first], query)
        opened = Opened(touched[len(begin) :], rows)
        yield opened
        session.together([*opened.last, "COMMIT"])
    except BaseException:
        with suppress(Refused):
            session.run("ROLLBACK")
        raise
