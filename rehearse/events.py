"""Every kind of fact that a rehearsal writes down, and the two ends of the journal.

A fact has `at_ns`, its beginning by `time.monotonic_ns()` of this machine (server clocks are converted by the writer).
Which phase a fact belongs to follows from its time. Facts are engine-neutral: a lock says what it stops, and carries
the engine's own mode as a label. What may be unknown is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    import pandas


class Outcome(StrEnum):
    """How a call ended. An OK write must be there afterwards, a FAILED one must not, an UNKNOWN one may."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the connection was lost while the call was under way
    MISSED = "missed"  # no session was free in time, so it was never sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact and when it began."""

    dense: ClassVar[bool] = False  # dense kinds are kept as columns and read as frames
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRan(Event):
    """A phase: traffic from `at_ns` to `ended_ns`; the migration acted from `acted_ns` to `finished_ns`.

    Both are None in the baseline.
    """

    name: str
    acted_ns: int | None
    finished_ns: int | None
    ended_ns: int
    error: str | None = None  # the migration's own error, in the server's words


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRan(Event):
    """A part of a rehearsal outside the phases, for example "start server", "generate", "load", "snapshot start"."""

    name: str
    ended_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLoaded(Event):
    """A table as it stands before the first phase. `size_bytes` counts indexes and TOAST."""

    table: str
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCompared(Event):
    """How near the loaded rows come to what their profile states, 0 to 1; `overall` is the mean of what was measured.

    `tables` has each table's mean; `worst` ("table.column") comes least near, with `worst_score`. None: not measured.
    """

    profile: str
    overall: float | None
    worst: str | None
    worst_score: float | None
    measured: int  # columns of which the profile states something that can be measured
    unmeasured: int
    tables: dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRan(Event):
    """A statement of the migration; `n` counts from 1 in a phase. BEGIN and COMMIT are statements too.

    `transaction` is a number that statements of one transaction share. `doubt_ns` is the width of the times' error.
    `attempt` counts from 1 where it is told to be tried again while a lock is not free (`-- rehearse:retry`), and
    `block` is where that begins; one that failed so, and after which all was rolled back and tried again, is `retried`.
    """

    ended_ns: int
    n: int
    sql: str
    session: int  # the backend's process id
    transaction: int | None = None
    error: str | None = None
    code: str | None = None  # SQLSTATE or the engine's number
    rows: int | None = None
    wal_bytes: int | None = None
    rewrites: tuple[str, ...] | None = None  # tables whose file was replaced
    algorithm: str | None = None  # how the server changed a table, in its word: "COPY", "INPLACE", "INSTANT" …
    binlog_bytes: int | None = None
    queued_ns: int | None = None  # for so long the server wanted a core of the machine for it, and had none
    commits: bool = False  # it ended the transaction that was open before it, though it does not say so
    doubt_ns: int = 0
    file: str | None = None  # where the statement stands: "up.sql:12"
    attempt: int | None = None
    block: str | None = None
    retried: bool = False
    ignored: tuple[str, ...] = ()  # codes of hazards that a comment says to pass over, or "ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTaken(Event):
    """A lock of the migration: asked for at `at_ns`, granted and released later. None: not seen, or never granted.

    `doubt_ns` is the width of the interval in which the true hold lies (from polls and statement ends).
    """

    table: str
    mode: str
    stops: tuple[str, ...]  # of "reads", "writes"
    session: int
    statement: int | None  # `StatementRan.n` that asked for it
    granted_ns: int | None
    released_ns: int | None
    doubt_ns: int
    index: str | None = None  # the lock is on this index or other part of the table


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWaited(Event):
    """Someone waited for a lock from `at_ns` to `ended_ns`."""

    ended_ns: int
    session: int
    role: str  # "application" | "migration" | "other"
    table: str | None  # None: the wait was not for a table (a row's transaction, an advisory lock)
    mode: str
    blocked_by: tuple[int, ...]
    blocked_by_migration: bool
    doubt_ns: int
    on: str = ""  # what was locked, where it is no table: "transaction", "row", "advisory lock", "old snapshot" …


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSeen(Event):
    """A session that the migration waited for, as the server told of it then.

    `kind` is the server's word for the process ("client backend", "autovacuum worker"), `state` what it was at, and
    `query` its last statement. `since_ns` is when its transaction began; None where it is in none.
    """

    session: int
    role: str  # "application" | "migration" | "other"
    kind: str
    state: str | None = None
    since_ns: int | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed(Event):
    """A command was seen in a part of its work from `at_ns` to `ended_ns`, with `done` of `total` units at the last.

    The commands are long ones that the server reports on, also those of others (a vacuum that runs by itself).
    """

    ended_ns: int
    session: int
    command: str  # "CREATE INDEX CONCURRENTLY", "VACUUM FULL" …
    part: str  # as the server calls it: "building index: scanning table"
    table: str | None
    done: int | None = None
    total: int | None = None
    unit: str | None = None  # "blocks", "rows", "bytes", "sessions", "percent"; None: the server's own
    doubt_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Event):
    """One call of the application. `at_ns` is when it was *due*; latency counts from there.

    `sent_ns` is None for a MISSED call; `done_ns` is then when it was given up. `picked_ns` is when the driver turned
    to it: until then the driver was late, from then to `sent_ns` no session was free.
    """

    dense: ClassVar[bool] = True
    call: str
    session: int  # the backend's process id, 0 for a missed call
    sent_ns: int | None
    done_ns: int
    outcome: Outcome
    code: str | None = None
    message: str | None = None
    number: int = 0  # unique in a recording; `RowWritten.number` points here
    picked_ns: int | None = None
    tries: int = 1  # how often it was sent; times and outcome are those of the last try, `at_ns` is when it was due


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTried(Event):
    """A kind of call was tried in quiet, and rolled back, on a `state` of the schema: "start", "forward" or "back".

    `code` is that of its error; `columns` are those that it returned, as "id integer, note text".
    """

    state: str
    call: str
    code: str | None = None
    message: str | None = None
    columns: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBehaved(Event):
    """How a kind of call behaves in a `state`, "forward" or "back", beside the start.

    Plans are in words; None: it has none. `by_statistics`: they differ, and are alike once both states are analyzed.
    `asked` is with how many sets of values it was asked, 0 for a call that writes; `rows` is how many rows came at the
    start. `differs` is "result" or "error" where an answer is another, the first with its `values`; None: no answer is.
    `reason` says why answers could not be compared.
    """

    state: str
    call: str
    plan_before: str | None
    plan_after: str | None
    by_statistics: bool
    asked: int
    rows: int
    differs: Literal["result", "error"] | None
    values: str | None = None
    before: str | None = None
    after: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionTried(Event):
    """An assertion was asked in a `state`, in quiet or (`during`) while that phase went on.

    `rows` is how many rows were found that must not be there, 1,000 at most; None where the query failed (`error`).
    """

    ended_ns: int
    state: str
    name: str
    during: bool
    rows: int | None
    example: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBroken:
    """A row that does not follow a rule: what is there, and what the rule gives. `key` is a whole row without a key."""

    key: str
    found: str | None
    ruled: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInferred(Event):
    """After the way forward a new column was seen to follow a rule that nobody had declared.

    `rule` is SQL of the row's other columns as they are now, with `of_before` as they were at the start. `rows` and
    `broken` are of all rows, with `of_before` of those that no call wrote; None: only `sampled` rows could be asked.
    `by_calls` is how many of the broken rows calls wrote, None where that is not known. `others` are rules as simple of
    which the same can be said.
    """

    table: str
    column: str
    rule: str
    of_before: bool
    sampled: int
    rows: int | None
    broken: int | None
    by_calls: int | None = None
    examples: tuple[RuleBroken, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantTried(Event):
    """What the schema promises of the data was verified in a `state` by reading the rows, in quiet.

    `kind`: "foreign key", "check", "domain check", "not null", "unique", "exclusion", "sequence", "index" or "heap".
    `rows` is how many rows break it (of a sequence: how many values it is behind; of an index or heap: 1 where it is
    damaged), `rows_before` the same at the start, `rows_new` how many of them did not break it then, told by their
    keys. `rows` is None where that could not be asked (`error`), `rows_before` where the promise is a new one, where
    nothing is broken now or where the start could not be asked (`error_before`), `rows_new` where the rows cannot be
    told. `flaw` is what the server itself says: "NOT VALID", "NOT ENFORCED" or "INVALID".
    """

    ended_ns: int
    state: str
    kind: str
    name: str
    table: str
    rows: int | None
    rows_before: int | None = None
    example: str | None = None
    flaw: str | None = None
    is_new: bool = False  # the start had no such promise, or the server had no doubt of it
    is_unchanged: bool = False  # neither the rows nor the promise changed since the start: nothing was read
    error: str | None = None
    rows_new: int | None = None
    error_before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsInTheWay(Event):
    """What statement `n` of a phase asks of the rows of a table, and how many do not fit: it failed on them.

    `rule` says it in words. `rows_before` is how many of the start's rows would not fit, `keys` are those of 1,000 rows
    at most. None: it could not be counted.
    """

    phase: str
    n: int
    table: str
    rule: str
    rows: int | None
    rows_before: int | None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryTried(Event):
    """The way forward was run once more, in quiet, on what a failed one had left; `error` is None where it went."""

    ended_ns: int
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyKept(Event):
    """A session beside the traffic was in a transaction from `at_ns` to `ended_ns`; `code` is that of its error."""

    name: str
    ended_ns: int
    session: int
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWritten(Event):
    """A row that a call wrote or tried to write; `at_ns` is when the call was sent, `done_ns` when it was answered.

    `key` and `values` are JSON objects {column: text or null}. A column whose new value cannot be told from the call
    alone (an expression, a default) is named in `unclear`; a delta such as `n = n + 2` stands in `deltas`.
    """

    dense: ClassVar[bool] = True
    done_ns: int
    number: int
    outcome: Outcome
    table: str
    kind: str  # "insert" | "update" | "delete"
    key: str | None  # None: an insert that failed, or a write whose rows are not told by key
    values: str
    unclear: str = "[]"
    deltas: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled(Event):
    """A figure seen at a moment, for example "server cpu" (s), "wal" (bytes), "look" (ns that a look took)."""

    dense: ClassVar[bool] = True
    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarked(Event):
    """Something a reader of the report must know, in words: a gap of an observer, a setting that was not obeyed."""

    source: str  # who says it: "locks", "driver", "server", "tool" …
    says: str
    weakens: bool = False  # True: what was measured cannot be fully believed


E = TypeVar("E", bound=Event)

KINDS: tuple[type[Event], ...] = (
    PhaseRan,
    StageRan,
    TableLoaded,
    DataCompared,
    StatementRan,
    LockTaken,
    LockWaited,
    SessionSeen,
    Progressed,
    CallEnded,
    CallTried,
    CallBehaved,
    AssertionTried,
    RuleInferred,
    InvariantTried,
    RowsInTheWay,
    RetryTried,
    CompanyKept,
    RowWritten,
    Sampled,
    Remarked,
)


class Journal(Protocol):
    """The end that writes. It cannot read, so that nothing under way can depend on what was seen."""

    def write(self, event: Event, /) -> None:
        """Append a fact; cheap, thread-safe."""
        ...

    def write_frame(self, kind: type[Event], frame: pandas.DataFrame, /) -> None:
        """Append many facts of a dense kind at once; the columns are the kind's fields."""
        ...


class History(Protocol):
    """The end that reads, complete before anyone holds it."""

    def of(self, kind: type[E], /) -> Sequence[E]:
        """Return the facts of a kind in the order of `at_ns`."""
        ...

    def frame(self, kind: type[Event], /) -> pandas.DataFrame:
        """Return the facts of a dense kind as columns, in the order of `at_ns`."""
        ...
