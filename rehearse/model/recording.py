"""What was seen: Snapshot and Comparison in quiet, and the Recording that all judging needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rehearse.events import History
from rehearse.model.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """A table in a snapshot. Checksums are exact sums of keyed row (column) hashes as decimal text, or None."""

    table: str  # with its schema unless that is "public"
    rows: int
    size_bytes: int
    key: tuple[str, ...]  # columns of the primary key (or of a unique, not-null index); empty: none
    checksum: str | None
    columns: Mapping[str, str | None]

    def is_like(self, other: TableState) -> bool:
        """Say whether the checksums prove that both hold the same rows, in the same columns."""
        mine, theirs = ((one.rows, one.key, one.checksum, one.columns) for one in (self, other))
        return self.checksum is not None and mine == theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A database in quiet: {object: {property: value}} in normal form, and the state of its tables.

    `schema` holds what has a meaning for the application or its owner; `physical` what only the disk and the planner
    see (column order, dropped slots, index validity, statistics present, sizes). Objects are named in words, for
    example "table orders column status". `severity` names, per property, "breaks", "behaviour", "performance" or
    "cosmetic".
    """

    name: str  # "start", "forward", "back", "again"
    at_ns: int
    took_ns: int
    schema: Mapping[str, Mapping[str, str]]
    physical: Mapping[str, Mapping[str, str]]
    tables: Mapping[str, TableState]


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyDifference:
    """A property that differs between two snapshots. None: the object or the property is not there.

    `mend` is the SQL that brings it back to what it was before, where that is certain.
    """

    object: str
    property: str
    before: str | None
    after: str | None
    severity: str = "behaviour"
    mend: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A cell that differs; texts are the engine's, None is NULL or an absent row."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDifference:
    """How many values of a column differ, traffic's own writes taken out.

    `values_lost` are those that had a value and are NULL or absent now, `values_filled` those that were NULL and have a
    value now. None: an old recording, which did not count them.
    """

    column: str
    values_changed: int
    values_lost: int
    values_filled: int | None = None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongWrite:
    """A write of the traffic whose trace is not as its outcome says.

    `kind`: "lost" (acknowledged and not there), "phantom" (refused, and there all the same).
    """

    kind: str
    table: str
    key: str
    column: str | None  # None: the row itself
    written: str | None  # the value acknowledged (or refused)
    found: str | None
    call: str
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NullsFilled:
    """Lost writes, all of whose wrong cells are NULLs that were written and hold a value now, by those columns."""

    columns: tuple[str, ...]
    writes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LostWrite:
    """A write of call `number` to the row of this key that is lost.

    `filled` are the columns of the row that it set to NULL and that hold a value now, if nothing else of it is wrong.
    """

    number: int
    key: str
    filled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableComparison:
    """One table before and after. What the traffic's acknowledged writes explain is taken out of every figure.

    `rows_missing` and `rows_unexpected` are rows gone or come that no acknowledged write explains, and the examples of
    both are keys, of a table without one whole rows. `values_gone` counts the values that each of `columns_gone` had
    (of rows that no call deleted); empty: not counted. `unmeasured` says in words what could not be compared (a table
    without a key, a write whose value cannot be told); empty: all was.
    """

    table: str
    rows_before: int | None
    rows_after: int | None
    rows_missing: int | None
    rows_unexpected: int | None
    examples_missing: tuple[str, ...] = ()
    examples_unexpected: tuple[str, ...] = ()
    columns: tuple[ColumnDifference, ...] = ()
    columns_gone: tuple[str, ...] = ()
    values_gone: Mapping[str, int] = field(default_factory=dict)
    columns_new: tuple[str, ...] = ()
    columns_unmeasured: tuple[str, ...] = ()  # they differ, and it cannot be told by whose hands
    writes_checked: int = 0
    writes_untold: int = 0  # acknowledged updates and the like whose rows nobody told, so that none was verified
    wrong_writes: tuple[WrongWrite, ...] = ()  # up to a limit
    lost_writes: int = 0  # all of them
    lost: tuple[LostWrite, ...] | None = (
        None  # those whose rows are told; None: an old recording, which did not keep them
    )
    nulls_filled: tuple[NullsFilled, ...] = ()  # those of them that a backfill of NULLs explains
    phantom_writes: int = 0
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two moments of one database, table by table: ("start", "forward"), ("start", "back"), ("forward", "again")."""

    before: str
    after: str
    took_ns: int
    schema: tuple[PropertyDifference, ...]
    physical: tuple[PropertyDifference, ...]
    tables: tuple[TableComparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a rehearsal ran. `settings` are the server's settings that differ from its defaults.

    `began` is the time of day in UTC, as ISO 8601. `commit` is that of the scenario's folder, with a "+" where files
    had been changed since. None: an old recording, or (of a commit) no git there.
    """

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    rehearse: str
    engine: str
    engine_version: str
    load_average: float | None
    settings: Mapping[str, str]
    notes: tuple[str, ...] = ()  # for example "a default workload was derived from the schema"
    began: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A reference from `table` to `references`. `cascades`: deleting there writes here."""

    table: str
    references: str
    cascades: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What the traffic must know of a table; rows and sizes are the server's estimates.

    `unclear` are columns that the server itself may change in an update (generated ones; with a trigger, all).
    `plain` are columns that an update may set to any value the column already holds without breaking a constraint,
    the best first. `numbered` is the key's only column where the server gives its number and tells that number in its
    answer to an insert. `only_key`: no unique index but the key's, so that a new row can be at odds with no other row.
    """

    table: str  # with its schema unless that is "public"
    schema: str
    name: str
    rows: int
    size_bytes: int
    columns: tuple[str, ...]
    key: tuple[str, ...]  # of the primary key, or of a unique, not-null index; empty: none
    unclear: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    numbered: str | None = None
    only_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Tables, references and views ({view: tables below it}) of a database, as the traffic must know them.

    `functions` are those of users that may write, with the tables: {function: tables}.
    """

    tables: Mapping[str, TableFacts]
    references: tuple[ForeignKey, ...] = ()
    views: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    functions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    quote: str = '"'  # what encloses a name in SQL
    returning: tuple[str, ...] = ("insert", "update", "delete")  # statements that can tell their rows by RETURNING
    folds: bool = True  # a name without quotes is the same in lower case; else a column's name has no case


@dataclass(frozen=True, slots=True, kw_only=True)
class CallShape:
    """What a kind of call touches: {table: kinds} with kinds of "reads" and "writes"; None: could not be told."""

    name: str
    sql: tuple[str, ...]
    share: float
    touches: Mapping[str, tuple[str, ...]] | None
    version: str | None = None  # of the application: "old", "new", or None: both


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """All that judging needs; saved as a folder and judged again without a server."""

    scenario: Scenario
    environment: Environment
    history: History
    snapshots: Mapping[str, Snapshot]
    comparisons: Sequence[Comparison]
    calls: Sequence[CallShape]

    def comparison(self, before: str, after: str) -> Comparison | None:
        """Return the comparison of two snapshots, or None where it was not made."""
        found = (one for one in self.comparisons if (one.before, one.after) == (before, after))
        return next(found, None)
