"""Every seam, on one page.

What only some engines can do is a second, small Protocol that is asked with `isinstance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from rehearse.events import Event, Journal, Outcome, StatementRan
from rehearse.model import (
    Comparison,
    EngineChoice,
    Finding,
    Recording,
    Rule,
    Scenario,
    Snapshot,
    Verdict,
)

if TYPE_CHECKING:
    import pandas
    import pyarrow


class Role(StrEnum):
    """Who connects; servers tell them apart by their users."""

    OWNER = "owner"  # superuser or the nearest to it: makes databases, loads, compares
    MIGRATION = "migration"  # owns the schema; its statements are watched
    APPLICATION = "application"
    OBSERVER = "observer"


class TableData(Protocol):
    """Rows of one table, in chunks; each chunk is an Arrow record batch whose columns bear the table's names."""

    @property
    def table(self) -> str:
        """The table's name, with its schema where that is not the default one."""
        ...

    @property
    def rows(self) -> int:
        """How many rows there are."""
        ...

    def chunks(self) -> Iterable[pyarrow.RecordBatch]:
        """Yield the rows in order; the same bytes at every call."""
        ...


@runtime_checkable
class Sampled(Protocol):
    """Rows of a table of which a few can be had, from all over it, without making the others."""

    def sample(self, rows: int) -> pyarrow.RecordBatch:
        """Return about so many rows."""
        ...


@runtime_checkable
class Worn(Protocol):
    """Rows of a table that has been written to since it was last vacuumed."""

    table: str

    @property
    def rows(self) -> int:
        """How many live rows there are."""
        ...

    @property
    def dead(self) -> float:
        """How many dead rows lie beside them, as a share of them."""
        ...

    @property
    def size_bytes(self) -> int | None:
        """The size of live rows, dead rows and free space; None where it is not known."""
        ...

    @property
    def index_bytes(self) -> Mapping[str, int]:
        """The sizes of its indexes by name, where they are known."""
        ...

    @property
    def visible(self) -> float:
        """The share of its pages that are marked all-visible."""
        ...


@runtime_checkable
class CountsValues(Protocol):
    """Rows of a table of which it is known, without making them, how many different values some columns have."""

    def value_counts(self) -> Mapping[str, float]:
        """Return the number of different values by column, nulls left out."""
        ...


class Database(Protocol):
    """One database in a server."""

    name: str

    def url(self, role: Role) -> str:
        """Return a URL with the role's user and password; never logged."""
        ...

    def load(self, tables: Iterable[TableData], journal: Journal) -> None:
        """Fill tables, parents first, in the fastest sound order; constraints and indexes are there afterwards."""
        ...

    def snapshot(self, name: str) -> Snapshot:
        """Return schema, rows and checksums as they are in quiet; reads every row."""
        ...

    def grant(self) -> None:
        """Give the roles their rights on all that is there, and the migration's role the ownership."""
        ...

    def end_sessions(self, role: Role) -> None:
        """End what a role still runs in this database."""
        ...

    def drop(self) -> None:
        """Remove the database and end its sessions."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One thing that this machine has or lacks; `remedy` says how to get it."""

    subject: str
    found: bool
    says: str
    remedy: str | None = None


@runtime_checkable
class Diagnosable(Protocol):
    """An engine that can say what it finds on this machine, without starting anything."""

    def diagnose(self) -> Iterable[Diagnosis]:
        """Yield what is here and what is missing."""
        ...


class Server(Protocol):
    """One disposable server, or a user's server in which only our own databases are touched."""

    version: str

    def create(self, name: str) -> Database:
        """Make an empty database, with the roles' rights."""
        ...

    def loading(self) -> AbstractContextManager[None]:
        """Trade safety for speed while the block loads; all settings are back, and seen to be, when it is left."""
        ...

    def settings(self) -> Mapping[str, str]:
        """Return the settings in force that differ from the server's defaults."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What outlives a rehearsal: databases, by URLs without a password, until the process `process` is ended."""

    urls: tuple[str, ...]
    process: int


@runtime_checkable
class Keepable(Protocol):
    """A server that can outlive us."""

    def keep(self) -> Kept:
        """Leave all databases as they are when the server's block is left."""
        ...


class Engine(Protocol):
    """A kind of database; stateless."""

    name: str

    def start(self, choice: EngineChoice, journal: Journal, *, sessions: int = 0) -> AbstractContextManager[Server]:
        """Start a server with room for `sessions` of the application.

        Leaving removes every trace of it, on Ctrl-C, SIGTERM and SIGKILL too.
        """
        ...


@runtime_checkable
class Offers(Protocol):
    """An engine that knows, before it starts a server, by which ways one can be had here."""

    def ways(self) -> Mapping[str, Callable[[EngineChoice], object]]:
        """Return by each `via` but url, the nearest first, what raises Missing where there is no such server here."""
        ...


@runtime_checkable
class ChecksRoom(Protocol):
    """An engine that knows, before it starts a server, whether the data would fit."""

    def check_room(self, choice: EngineChoice, needed_bytes: int) -> None:
        """Raise TooBig where there is less room than needed."""
        ...


@runtime_checkable
class Forkable(Protocol):
    """A database that can be copied whole, quickly, while nobody is connected to it."""

    def fork(self, name: str) -> Database:
        """Return a new database with the same bytes."""
        ...


@runtime_checkable
class LoadsFiles(Protocol):
    """A database that runs the user's own SQL files and restores dumps."""

    def run_file(self, path: Path) -> None:
        """Run plain SQL, `COPY … FROM stdin` included; an error names file, line and the server's words."""
        ...

    def restore(self, path: Path) -> None:
        """Restore a dump (plain or custom); says what program is missing where one is."""
        ...


@runtime_checkable
class Comparable(Protocol):
    """A database whose content can be compared with that of an older state of itself."""

    def compare(
        self,
        older: Database,
        before: Snapshot,
        after: Snapshot,
        writes: pandas.DataFrame,
        *,
        origin: Snapshot | None = None,
        known: Comparison | None = None,
        limit: int = 20,
    ) -> Comparison:
        """Return what differs between `older` (in state `before`) and this one (in state `after`).

        `writes` are the `RowWritten` facts between the two, whole; differences that acknowledged writes explain are
        taken out, and every write is verified. At most `limit` examples a table. `origin` is the state that both
        grew from each by its own way forward: columns that it lacks tell no rows apart. Writes that `known`, an
        earlier comparison with `older`, found lost come last among the examples.
        """
        ...


@runtime_checkable
class Reckons(Protocol):
    """A database whose planner can be had to reckon with other rows than those that are there."""

    def check_statistics(self) -> None:
        """Raise a ScenarioMistake where the server takes no statistics."""
        ...

    def reckon_with(self, production: Iterable[TableData], journal: Journal) -> None:
        """Have the planner reckon with these tables; the database's own hold rows and are analyzed."""
        ...


class Probe(Protocol):
    """Looks at a server now and then. It has no clock and no thread of its own."""

    every_ns: int

    def look(self) -> Iterable[Event]:
        """Look once; return what is known for certain now. May change `every_ns` by what looking costs."""
        ...

    def close(self) -> Iterable[Event]:
        """Return what was still open, and leave no connection behind."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What one statement of the migration did to the database. None: not measured."""

    wal_bytes: int | None = None
    rewrites: tuple[str, ...] | None = None  # tables whose file was replaced
    algorithm: str | None = None  # how the server changed a table, where it has more than one way
    binlog_bytes: int | None = None
    queued_ns: int | None = None  # it wanted a core of this machine and had none


Ask = Callable[[str], Sequence[Sequence[str | None]]]
"""Runs a read-only query on the migration's own connection, inside its transaction, and returns its rows as text."""


class Onlooker(Protocol):
    """Looks at the migration's session between two of its statements, while its locks are still held."""

    def between(self, session: int, statement: int, ask: Ask | None, /) -> Effects:
        """Note what `session` holds after its statement `n`, and return what that statement did.

        Called once with 0 before the first statement, then after every statement, in a transaction or not. `ask` is
        None where the connection cannot answer (a failed transaction, a lost connection). Costs about 1 ms.
        """
        ...


@runtime_checkable
class Watched(Protocol):
    """A migration that sends its own statements, so that an onlooker can be called between them."""

    def watch(self, onlooker: Onlooker, /) -> None:
        """Take the onlooker for the next `forward` or `back`."""
        ...


class Watch(Protocol):
    """All that looks at one database in one phase."""

    probes: Sequence[Probe]
    onlooker: Onlooker

    def statements(self) -> Sequence[StatementRan]:
        """Return the migration's statements since the watch began as the server saw them, for tools that tell none."""
        ...

    def finish(self, statements: Sequence[StatementRan], /) -> None:
        """Close everything; write what the looks and the statements together say of the locks."""
        ...


@runtime_checkable
class Watchable(Protocol):
    """A database that can be watched while a migration runs on it."""

    def watch(self, journal: Journal) -> Watch:
        """Begin a watch; the caller runs its probes, each of which has a connection of its own as observer."""
        ...


class Call(Protocol):
    """A prepared kind of call as a session sees it: statements with $1 … $n, several make one transaction.

    `tells` says for each statement what its answer must hold: None nothing, n the number of rows that it touched and
    the last n columns of every row that it returned. `think_ns` is for how long the application computes after each
    statement but the last, in the middle of the transaction.
    """

    name: str
    statements: Sequence[str]
    tells: Sequence[int | None]
    writes: bool
    think_ns: int


class SessionAnswer(Protocol):
    """How a call ended on a session. `told` has an item for each statement that was reached; see `Call.tells`."""

    outcome: Outcome
    code: str | None
    message: str | None
    told: Sequence[tuple[int, Sequence[Sequence[str]]] | None]


class Session(Protocol):
    """One non-blocking connection of the application. A refusal is an outcome, never an exception.

    A session connects, prepares its calls, and comes back from a lost connection by itself: `ready` says that a call
    can be sent now, `restless` that it wants `advance` within a few milliseconds though its socket may be quiet.
    `trouble` is why the last attempt to connect failed, `attempts` how many failed in a row.
    """

    pid: int
    ready: bool
    restless: bool
    trouble: str | None
    attempts: int

    def fileno(self) -> int:
        """Return the socket to wait on; it changes with a new connection."""
        ...

    def send(self, call: int, values: Sequence[Sequence[bytes | None]], /) -> None:
        """Begin a call: values per statement, in text form."""
        ...

    def advance(self) -> SessionAnswer | None:
        """Go on after the socket became readable; None: not done yet."""
        ...

    def cancel(self) -> None:
        """Ask the server to stop what runs on this session."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Migration(Protocol):
    """One change. What it raises is recorded, not handled."""

    def prepare(self, url: str) -> None:
        """Bring an empty database to the schema that the change starts from (nothing to do where data brings it)."""
        ...

    def forward(self, url: str, journal: Journal) -> None:
        """Make the change as the migration's role."""
        ...

    def back(self, url: str, journal: Journal) -> None:
        """Undo it; raises `NoWayBack` where there is none."""
        ...


class NoWayBack(Exception):  # a fact about the migration, not an error of ours
    """There is no down-migration; the text says where it was looked for."""


class MigrationFailed(Exception):  # a fact about the migration, not an error of ours
    """The migration stopped; the text is the server's or the tool's, with the statement and its place."""


class Tool(Protocol):
    """A migration tool: one module in `rehearse.tools`."""

    name: str

    def open(self, scenario: Scenario) -> Migration:
        """Read the migration's files; a file that is missing or cannot be parsed is a `Mistake`."""
        ...


class Check(Protocol):
    """One question about a recording. Yields each place where the answer is no; raises NotMeasured."""

    @property
    def rule(self) -> Rule:
        """Return the check's words."""
        ...

    def asked(self, recording: Recording, /) -> bool:
        """Say whether the scenario asks it (a budget that is None is not asked)."""
        ...

    def __call__(self, recording: Recording, /) -> Iterable[Finding]:
        """Yield the findings."""
        ...


class Renderer(Protocol):
    """Writes a verdict for one kind of reader."""

    suffix: ClassVar[str]

    def __call__(self, recording: Recording, verdict: Verdict, /) -> str:
        """Return the whole text."""
        ...
