"""The shape of report.json, every key described; the other renderers take their numbers from it.

None is written as null and means "not measured". Times in seconds count from the beginning of the first phase
(`Phase.started_s`) or of their own phase (all others).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field


def told(description: str) -> Any:
    """Describe a key in the schema."""
    return Field(description=description)


Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the application can bear; null: not asked."""

    blocked_ms: Annotated[float | None, told("longest stretch in which one table may be closed to reads or to writes")]
    duration_s: Annotated[float | None, told("longest time of the migration, each way")]
    slowdown: Annotated[float | None, told("p99 while migrating over p99 of the baseline")]
    lost_writes: Annotated[int | None, told("acknowledged writes that may be missing")]
    errors: Annotated[int | None, told("calls that may fail beyond the baseline's share")]
    missed: Annotated[int | None, told("calls that may find no free session in time")]
    fidelity: Annotated[float | None, told("share of schema and data that back must restore, 0 to 1")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioAsked:
    """What was rehearsed."""

    name: Annotated[str, told("the scenario's name")]
    file: Annotated[str | None, told("the scenario's file")]
    why: Annotated[str, told("why it is rehearsed, in the scenario's words")]
    engine: Annotated[str, told("the kind of database")]
    engine_version: Annotated[str, told("the version that ran")]
    via: Annotated[str, told("how the server was had: embedded, binary, docker or url")]
    tool: Annotated[str, told("the migration tool")]
    profile: Annotated[str | None, told("the profile that the rows were generated from")]
    scale: Annotated[float, told("share of the profile's row counts")]
    seed: Annotated[int, told("the seed of rows and traffic")]
    sessions: Annotated[int, told("sessions of the application")]
    rate_per_s: Annotated[float, told("calls asked for a second")]
    budget: Annotated[Allowed, told("what the application can bear")]
    rerun: Annotated[str, told("the command line that rehearses this again")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where it ran."""

    cpu: Annotated[str, told("the processor's name")]
    cores: Annotated[int, told("cores that could be used")]
    memory_bytes: Annotated[int, told("memory of the machine")]
    system: Annotated[str, told("the operating system")]
    python: Annotated[str, told("the version of Python")]
    rehearse: Annotated[str, told("the version of rehearse")]
    load_average: Annotated[float | None, told("runnable processes in the minute before the start")]
    settings: Annotated[Mapping[str, str], told("settings of the server that differ from its defaults")]
    notes: Annotated[list[str], told("remarks on how the run was set up")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTable:
    """A table before the first phase."""

    rows: Annotated[int, told("rows")]
    bytes: Annotated[int, told("size with indexes and TOAST")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The data that the migration met."""

    tables: Annotated[Mapping[str, LoadedTable], told("by the table's name")]
    generate_s: Annotated[float | None, told("time to make the rows")]
    load_s: Annotated[float | None, told("time to load them")]
    similarity: Annotated[float | None, told("how near the rows come to their profile, 0 to 1")]
    least_similar: Annotated[str | None, told("the table.column that comes least near")]
    least_similarity: Annotated[float | None, told("how near that one comes, 0 to 1")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of the rehearsal outside the phases."""

    name: Annotated[str, told("what was done")]
    duration_s: Annotated[float, told("how long it took")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock that the migration asked for."""

    table: Annotated[str, told("the table")]
    index: Annotated[str | None, told("the index or other part of the table that is locked; null: the table itself")]
    mode: Annotated[str, told("the engine's own name of the mode")]
    stops: Annotated[list[str], told("what others cannot do meanwhile: reads, writes, both or neither")]
    asked_s: Annotated[float, told("when it was asked for")]
    waited_ms: Annotated[float | None, told("from asked for to granted; null: not seen, or never granted")]
    held_ms: Annotated[float | None, told("from granted to released; null: not seen, or never granted")]
    doubt_ms: Annotated[float, told("width of the interval in which the true hold lies")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A part of a long command, as the server reported it while it ran."""

    command: Annotated[str, told("the command")]
    part: Annotated[str, told("what it was at, in the server's words")]
    table: Annotated[str | None, told("the table")]
    started_s: Annotated[float, told("when it was first seen at it")]
    duration_s: Annotated[float, told("for how long")]
    doubt_ms: Annotated[float, told("width of the error of its times")]
    done: Annotated[int | None, told("how much was done when it was last seen")]
    total: Annotated[int | None, told("of how much")]
    unit: Annotated[str | None, told("blocks, rows, bytes or sessions")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement of the migration."""

    n: Annotated[int, told("its number in the phase, from 1")]
    sql: Annotated[str, told("its text")]
    file: Annotated[str | None, told("where it stands, as file:line")]
    started_s: Annotated[float, told("when it began")]
    duration_s: Annotated[float, told("how long it ran")]
    doubt_ms: Annotated[float, told("width of the error of its times")]
    rows: Annotated[int | None, told("rows it touched, as the server says")]
    wal_bytes: Annotated[int | None, told("write-ahead log written meanwhile")]
    rewrites: Annotated[list[str] | None, told("tables whose file was replaced")]
    transaction: Annotated[int | None, told("a number that statements of one transaction share")]
    error: Annotated[str | None, told("the server's error; null: it ran to its end")]
    code: Annotated[str | None, told("the error's SQLSTATE or number")]
    locks: Annotated[list[Lock], told("the locks it asked for")]
    progress: Annotated[list[Progress], told("the parts of its work, where the server reports on it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """How long a table was closed to one kind of call, the queue behind a waiting lock included."""

    table: Annotated[str, told("the table")]
    stops: Annotated[Literal["reads", "writes"], told("what was stopped")]
    longest_ms: Annotated[float, told("the longest stretch")]
    total_ms: Annotated[float, told("all stretches together")]
    doubt_ms: Annotated[float, told("width of the error of the longest stretch")]
    calls_blocked: Annotated[int | None, told("calls of the application that waited for it")]
    felt_ms: Annotated[float | None, told("the slowest of these calls, from when it was due; null: none, or not known")]
    windows_s: Annotated[list[Pair], told("the stretches, each [begin, end]; at most 200, the longest")]
    statement: Annotated[int | None, told("the statement that asked for the longest of the locks")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Waits of one role for one table's locks, taken together."""

    role: Annotated[str, told("who waited: application, migration or other")]
    table: Annotated[str | None, told("the table; null: a row's transaction or another lock that is no table's")]
    behind_migration: Annotated[bool, told("whether the migration stood in the way")]
    count: Annotated[int, told("how many waits were seen")]
    longest_ms: Annotated[float, told("the longest")]
    total_ms: Annotated[float, told("all together")]
    doubt_ms: Annotated[float, told("the largest error of one wait")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """A wait of the migration itself."""

    statement: Annotated[int | None, told("the statement that waited; null: not known")]
    what: Annotated[str, told("the table, or what else was locked, in words")]
    means: Annotated[str | None, told("what the mode asked for stops; null: the lock is not a table's")]
    mode: Annotated[str, told("the engine's own name of the mode that was asked for")]
    at_s: Annotated[float, told("when it began to wait")]
    waited_ms: Annotated[float, told("for how long")]
    doubt_ms: Annotated[float, told("width of the error of the wait")]
    whom: Annotated[list[str], told("who stood in the way, and what they were at, in words")]
    queued: Annotated[int, told("waits of the application behind the migration meanwhile")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the server and this machine did in a stretch, the application's work included."""

    seconds: Annotated[float, told("the stretch: the migration's act, or the whole baseline")]
    wal_bytes: Annotated[float | None, told("write-ahead log written")]
    wal_peak_bytes_per_s: Annotated[float | None, told("the same in its busiest second")]
    replica_lag_s: Annotated[
        Mapping[str, float] | None,
        told("how far a replica would be behind at most, by the bytes of WAL that it replays a second"),
    ]
    checkpoints: Annotated[int | None, told("checkpoints begun")]
    checkpoints_asked: Annotated[int | None, told("of them, those that were asked for, mostly since WAL ran full")]
    disk_extra_bytes: Annotated[float | None, told("what database and temporary files grew by at most, WAL aside")]
    temp_bytes: Annotated[float | None, told("written to temporary files by queries that ended")]
    dead_rows: Annotated[float | None, told("dead rows more than at the beginning, as the server's statistics say")]
    cache_hit_share: Annotated[float | None, told("share of the pages asked for that were in shared memory")]
    server_cores: Annotated[float | None, told("CPU seconds of the server a second")]
    client_cores: Annotated[float | None, told("the same of the driver, the tool and the observers' own side")]
    client_queued: Annotated[float | None, told("seconds a second in which one of them wanted a core and had none")]
    machine_share: Annotated[float | None, told("share of all cores that was taken, by whomever")]
    read_bytes: Annotated[float | None, told("read from storage by the server")]
    written_bytes: Annotated[float | None, told("written to storage by the server")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The time that calls lost together against the median of the same calls in the baseline, by its reason."""

    locks_ms: Annotated[float, told("waiting for locks, whoever held them")]
    migration_ms: Annotated[float, told("of that, for the migration or behind it")]
    pool_ms: Annotated[float, told("waiting for a session that was free")]
    retries_ms: Annotated[float, told("being sent again after an error, and the pauses before that")]
    driver_ms: Annotated[float, told("the driver was late: the test machine's fault")]
    load_ms: Annotated[float, told("the rest: CPU, storage, caches, plans")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Latency from when a call was due to its answer; null: no call was answered."""

    p50: Annotated[float | None, told("half of the calls were quicker")]
    p95: Annotated[float | None, told("95 % of the calls were quicker")]
    p99: Annotated[float | None, told("99 % of the calls were quicker")]
    p999: Annotated[float | None, told("99.9 % of the calls were quicker")]
    max: Annotated[float | None, told("the slowest call")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """Latency over the baseline's of the same run."""

    p50: Annotated[float | None, told("ratio of the medians")]
    p99: Annotated[float | None, told("ratio of the 99th percentiles")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallError:
    """Calls that failed in the same way."""

    code: Annotated[str | None, told("SQLSTATE or the engine's number; null: the connection was lost")]
    kind: Annotated[str | None, told("what that is, in words; null: not one that has a name here")]
    count: Annotated[int, told("how many")]
    acting: Annotated[int | None, told("of them, those that ended while the migration acted; null in the baseline")]
    example: Annotated[str | None, told("one of the messages")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTraffic:
    """One kind of call, or one stretch of a phase."""

    name: Annotated[str, told("its name in the workload, or of the stretch")]
    due: Annotated[int, told("calls that were due")]
    ok: Annotated[int, told("answered")]
    failed: Annotated[int, told("refused")]
    missed: Annotated[int, told("never sent, since no session was free in time")]
    unknown: Annotated[int, told("the connection was lost under way")]
    latency_ms: Annotated[Percentiles, told("latency from when it was due")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The phase in equal windows; lists of the same length, null where a window has no answered call."""

    window_ms: Annotated[float, told("length of a window")]
    at_s: Annotated[list[float], told("when each window begins")]
    p50_ms: Annotated[list[float | None], told("median latency of the calls due in it")]
    p99_ms: Annotated[list[float | None], told("99th percentile of the calls due in it")]
    ok: Annotated[list[int], told("calls due in it that were answered")]
    failed: Annotated[list[int], told("calls due in it that failed, or whose outcome is unknown")]
    missed: Annotated[list[int], told("calls due in it that were never sent")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the application felt in a phase."""

    due: Annotated[int, told("calls that were due")]
    ok: Annotated[int, told("answered")]
    failed: Annotated[int, told("refused")]
    missed: Annotated[int, told("never sent, since no session was free in time")]
    unknown: Annotated[int, told("the connection was lost under way")]
    latency_ms: Annotated[Percentiles, told("latency from when a call was due, failed and missed calls included")]
    slowdown: Annotated[Slowdown, told("against the baseline of this run; null in the baseline")]
    on_time_share: Annotated[float | None, told("share of calls sent within 5 ms of when they were due")]
    retried: Annotated[int | None, told("calls that were sent more than once; what is recorded is their last try")]
    recovery_ms: Annotated[
        float | None, told("from the end of the longest outage until calls were as fast as before; null: no outage")
    ]
    lost: Annotated[Lost | None, told("where the time went; null: there was no baseline")]
    errors: Annotated[list[CallError], told("by code, most frequent first")]
    calls: Annotated[list[CallTraffic], told("by kind of call")]
    stretches: Annotated[list[CallTraffic], told("before, during and after the migration's act; empty in the baseline")]
    series: Annotated[Series | None, told("over time")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of traffic; in all but the baseline the migration acted in it."""

    name: Annotated[str, told("baseline, forward, back or again")]
    started_s: Annotated[float, told("when it began, from the beginning of the first phase")]
    duration_s: Annotated[float, told("how long the migration took; in the baseline, how long it lasted")]
    traffic_s: Annotated[float, told("how long traffic ran, before and after the migration included")]
    acted_s: Annotated[Pair | None, told("when the migration began and ended; null in the baseline")]
    error: Annotated[str | None, told("the migration's error; null: it ran to its end")]
    statements: Annotated[list[Statement], told("in the order in which they ran; at most 1,000")]
    statements_left_out: Annotated[int, told("statements beyond those listed")]
    other_locks: Annotated[list[Lock], told("locks that no statement could be found for")]
    outages: Annotated[list[Outage] | None, told("by table and kind, the longest first; null: locks were not seen")]
    waits: Annotated[list[Waits], told("waits for locks, by role and table")]
    obstacles: Annotated[list[Obstacle], told("what the migration itself waited for, the longest first; at most 100")]
    other_progress: Annotated[list[Progress], told("long commands of others, vacuums that ran by themselves too")]
    load: Annotated[Load | None, told("what the server and this machine did; null: not sampled")]
    traffic: Annotated[Traffic | None, told("what the application felt; null: there was no traffic")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleCell:
    """A cell that differs."""

    key: Annotated[str, told("the row's key")]
    before: Annotated[str | None, told("the value before; null: NULL or no row")]
    after: Annotated[str | None, told("the value after; null: NULL or no row")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedColumn:
    """A column whose values differ, the traffic's own writes taken out."""

    column: Annotated[str, told("the column")]
    values_changed: Annotated[int, told("values that differ")]
    values_lost: Annotated[int, told("of them, values that are NULL or absent now")]
    examples: Annotated[list[ExampleCell], told("some of them")]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongWriteSeen:
    """A write whose trace is not as its outcome says."""

    kind: Annotated[str, told("lost: acknowledged and not there; phantom: refused and there")]
    key: Annotated[str, told("the row's key")]
    column: Annotated[str | None, told("the column; null: the row itself")]
    written: Annotated[str | None, told("the value that was written")]
    found: Annotated[str | None, told("the value that is there")]
    call: Annotated[str, told("the call that wrote it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableIntegrity:
    """A table before and after the way forward."""

    table: Annotated[str, told("the table")]
    rows_before: Annotated[int | None, told("rows at the start")]
    rows_after: Annotated[int | None, told("rows after the way forward")]
    rows_missing: Annotated[int | None, told("rows gone that no call deleted")]
    rows_unexpected: Annotated[int | None, told("rows there that no call made")]
    examples_missing: Annotated[
        list[str], told("keys of some rows gone; of a table without a key rows, in parentheses")
    ]
    examples_unexpected: Annotated[list[str], told("the same of rows that no call made")]
    columns: Annotated[list[ChangedColumn], told("columns whose values differ")]
    columns_gone: Annotated[list[str], told("columns that are no longer there")]
    columns_new: Annotated[list[str], told("columns that were not there")]
    writes_checked: Annotated[int, told("the traffic's writes that were verified")]
    lost_writes: Annotated[int, told("acknowledged writes that are not there")]
    phantom_writes: Annotated[int, told("refused writes that are there")]
    wrong_writes: Annotated[list[WrongWriteSeen], told("some of both")]
    not_measured: Annotated[list[str], told("what could not be compared, in words")]
    is_bookkeeping: Annotated[bool, told("whether it is the migration tool's own, whose rows are no finding")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBrokenSeen:
    """A row that does not follow a rule."""

    key: Annotated[str, told("the row's key; of a table without one the row, in parentheses")]
    found: Annotated[str | None, told("the value that is there")]
    ruled: Annotated[str | None, told("the value that the rule gives")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSeen:
    """A rule that a new column was seen to follow after the way forward, and that no effect declares."""

    table: Annotated[str, told("the table")]
    column: Annotated[str, told("the column")]
    rule: Annotated[str, told("SQL of the value")]
    of_before: Annotated[bool, told("whether the rule's columns are those of the start, not the row's as they are now")]
    code: Annotated[str, told("the check that would hold the data to the rule once it is declared")]
    warns: Annotated[bool, told("whether some rows break it; a rule that is only inferred never fails a run")]
    says: Annotated[str, told("what was found, in words")]
    sampled: Annotated[int, told("rows that it was inferred from")]
    rows: Annotated[int | None, told("rows that were asked; null: only the sample")]
    broken: Annotated[int | None, told("rows that do not follow it; null: not all were asked")]
    by_calls: Annotated[int | None, told("of these, rows that calls wrote; null: not known")]
    examples: Annotated[list[RuleBrokenSeen], told("some of them")]
    others: Annotated[list[str], told("rules as simple of which the same can be said")]
    effect: Annotated[str | None, told("what declares it, to paste into the scenario; null: nothing to declare")]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantSeen:
    """What the schema promises of its rows, where it is broken, in doubt, or could not be verified."""

    state: Annotated[str, told("after which way: forward, back or again")]
    kind: Annotated[str, told("foreign key, check, not null, unique, sequence, index or heap")]
    name: Annotated[str, told("of the constraint, column, sequence, index or table")]
    table: Annotated[str, told("the table")]
    rows: Annotated[int | None, told("rows that break it; of a sequence, values that it is behind; 1: damaged")]
    rows_before: Annotated[int | None, told("the same at the start; null: it was not there, or nothing is broken now")]
    example: Annotated[str | None, told("one of them by its key, or amcheck's words")]
    flaw: Annotated[str | None, told("NOT VALID, NOT ENFORCED or INVALID, as the server itself says")]
    is_new: Annotated[bool, told("whether the start had no such promise, or the server had no doubt of it")]
    error: Annotated[str | None, told("why it could not be verified")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How much of what the schema promises was verified from the rows in one state."""

    state: Annotated[str, told("after which way: forward, back or again")]
    verified: Annotated[int, told("constraints, indexes and sequences for which rows were read")]
    unchanged: Annotated[int, told("those that hold as at the start, since neither rows nor schema changed")]
    not_measured: Annotated[int, told("those that could not be verified")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Whether every write survived, and nothing else changed; null figures: not compared."""

    lost_writes: Annotated[int | None, told("acknowledged writes that are not there after any phase")]
    phantom_writes: Annotated[int | None, told("refused writes that are there after any phase")]
    tables: Annotated[list[TableIntegrity], told("by table, after the way forward")]
    rules: Annotated[list[RuleSeen], told("rules that new columns follow, inferred; those that rows break first")]
    verified: Annotated[list[Verified], told("how much of the schema's promises was verified from the rows, by state")]
    invariants: Annotated[list[InvariantSeen], told("those that are broken, in doubt or not verified; at most 500")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A property of the schema that differs."""

    object: Annotated[str, told("the object, in words")]
    property: Annotated[str, told("which of its properties")]
    before: Annotated[str | None, told("before; null: not there")]
    after: Annotated[str | None, told("after; null: not there")]
    severity: Annotated[str, told("breaks, behaviour, performance or cosmetic")]
    mend: Annotated[str | None, told("SQL that brings it back to what it was before; null: not certain")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLoss:
    """What a table or a column did not get back."""

    table: Annotated[str, told("the table")]
    column: Annotated[str | None, told("the column; null: whole rows")]
    values_lost: Annotated[int | None, told("values that are NULL or absent now")]
    values_changed: Annotated[int | None, told("values that differ, the lost ones included")]
    rows_lost: Annotated[int | None, told("rows that are gone")]
    rows_left_over: Annotated[int | None, told("rows that should not be there")]
    examples: Annotated[list[ExampleCell], told("some of the cells")]


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourSeen:
    """A call that does not behave as at the start, the rows that the traffic wrote taken out."""

    state: Annotated[str, told("back, or forward (for information)")]
    call: Annotated[str, told("the call")]
    what: Annotated[Literal["plan", "result", "error"], told("what is another; plans are not counted")]
    before: Annotated[str | None, told("at the start")]
    after: Annotated[str | None, told("in this state")]
    example: Annotated[str | None, told("values for which it is so; null for a plan")]
    cause: Annotated[str | None, told("why, where it is known")]
    is_meant: Annotated[bool, told("whether a declared effect changes what the call reads, so that it is not counted")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLatency:
    """A call's latency in the baseline and after the way back; where both have 100 calls at least."""

    call: Annotated[str, told("the call")]
    calls_before: Annotated[int, told("calls in the baseline")]
    calls_after: Annotated[int, told("calls after back had acted and before again did")]
    p50_before_ms: Annotated[float, told("median in the baseline")]
    p50_after_ms: Annotated[float, told("median after back")]
    p99_before_ms: Annotated[float, told("99th percentile in the baseline")]
    p99_after_ms: Annotated[float, told("99th percentile after back")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReturn:
    """From which acknowledged write on the way back loses some; null keys: it loses none."""

    says: Annotated[str, told("the answer in one sentence")]
    writes_lost: Annotated[int, told("acknowledged writes that the way back loses, and the way forward had not")]
    at_ms: Annotated[float | None, told("when the first was sent, since forward began to act; below 0: before that")]
    call: Annotated[str | None, told("the call that made it")]
    table: Annotated[str | None, told("its table")]
    key: Annotated[str | None, told("the key of its row")]
    column: Annotated[str | None, told("the column; null: the row itself")]
    written: Annotated[str | None, told("what was written")]
    found: Annotated[str | None, told("what is there after back; null: NULL, no row or no column")]
    not_told: Annotated[list[str], told("writes that could not be followed, and why")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsInTheWay:
    """What a statement of the way back asks of rows, and those that do not fit."""

    table: Annotated[str, told("the table")]
    rule: Annotated[str, told("what is asked, in words")]
    rows: Annotated[int | None, told("rows that do not fit; null: it could not be counted")]
    rows_before: Annotated[int | None, told("the same at the start")]
    keys: Annotated[list[str], told("the keys of some of them")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """A way back that failed on rows."""

    says: Annotated[str, told("the same in one sentence")]
    statement: Annotated[int, told("the statement that failed")]
    code: Annotated[str | None, told("its SQLSTATE or number")]
    error: Annotated[str, told("the server's words")]
    in_the_way: Annotated[list[RowsInTheWay], told("what it asks of rows; empty: that cannot be told from its text")]
    at_ms: Annotated[float | None, told("when the first write since forward began to act made one of these rows so")]
    call: Annotated[str | None, told("the call that made that write")]


@dataclass(frozen=True, slots=True, kw_only=True)
class IrreversibleLoss:
    """Something that did not come back, or is gone where there is no way back, and the statement that took it."""

    phase: Annotated[str | None, told("the way whose statement took it: forward or back; null: not told")]
    statement: Annotated[int | None, told("its number in that phase; null: the texts do not tell, see reason")]
    file: Annotated[str | None, told("where it stands, as file:line")]
    sql: Annotated[str | None, told("its text, cut to 400 characters")]
    does: Annotated[str | None, told("what of it took this, for example DROP COLUMN")]
    reason: Annotated[str | None, told("why the statement is not told, or how it is known")]
    what: Annotated[str, told("what is lost, in words")]
    by: Annotated[str, told("which statement took it, in words")]
    table: Annotated[str | None, told("the table whose rows or values are lost; null: it is the schema's")]
    column: Annotated[str | None, told("the column; null: whole rows")]
    values_lost: Annotated[int | None, told("values that are NULL or absent now; null: not measured, or no values")]
    values_changed: Annotated[int | None, told("values that differ, the lost ones included")]
    rows_lost: Annotated[int | None, told("rows that are gone")]
    object: Annotated[str | None, told("the object of the schema, in words; null: rows or values are lost")]
    property: Annotated[str | None, told("which of its properties; exists: the object itself")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Whether back leads back, and again goes again; null figures: not rehearsed or not compared."""

    fidelity: Annotated[float | None, told("the least of the four below, 0 to 1; 1 only where nothing differs")]
    schema_fidelity: Annotated[float | None, told("share of the schema's properties that came back")]
    data_fidelity: Annotated[float | None, told("share of rows and values that came back, of the worst table")]
    behaviour_fidelity: Annotated[float | None, told("share of the calls that answer as at the start, plans aside")]
    again_fidelity: Annotated[float | None, told("share of the schema that the second way forward made like the first")]
    schema: Annotated[list[Difference] | None, told("properties that did not come back")]
    data: Annotated[list[DataLoss] | None, told("rows and values that did not come back")]
    physical: Annotated[list[Difference] | None, told("what only disk and planner see: column order, dead columns")]
    again: Annotated[list[Difference] | None, told("differences between the first and the second way forward")]
    again_data: Annotated[list[DataLoss] | None, told("the same in rows and values")]
    behaviour: Annotated[list[BehaviourSeen] | None, told("calls that behave otherwise; null: not compared")]
    lost_statistics: Annotated[list[str], told("columns that had statistics for the planner and have none after back")]
    latency: Annotated[list[CallLatency], told("before and after back, of calls that are many; no verdict of its own")]
    point_of_no_return: Annotated[NoReturn | None, told("from which write on back loses some; null: not measured")]
    blocked: Annotated[Blocked | None, told("why back failed on rows; null: it did not")]
    irreversible: Annotated[
        list[IrreversibleLoss] | None,
        told("what did not come back (with back = false: what is gone), by statement; null: not measured"),
    ]
    accepted: Annotated[list[str], told("what stays after the way back and is not counted, since it was declared")]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingSeen:
    """A place where a check's answer is no."""

    code: Annotated[str, told("the check's code")]
    rule: Annotated[str, told("the check's name")]
    phase: Annotated[str | None, told("the phase")]
    where: Annotated[str, told("the table, call or object")]
    says: Annotated[str, told("what was found, with figures")]
    harm: Annotated[str, told("what it would do in production")]
    remedy: Annotated[str, told("what to do about it")]
    measured: Annotated[float | None, told("the figure, in the unit of the text")]
    allowed: Annotated[float | None, told("what the budget allows")]
    statement: Annotated[int | None, told("the statement that it is about, where there is one")]
    file: Annotated[str | None, told("where that statement stands, as file:line")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSeen:
    """A check and its answer."""

    code: Annotated[str, told("its code; `rehearse explain CODE` says more")]
    name: Annotated[str, told("its name")]
    asks: Annotated[str, told("its question")]
    status: Annotated[Literal["passed", "unknown", "failed"], told("its answer")]
    findings: Annotated[int, told("how many places it found")]
    reason: Annotated[str | None, told("why it could not tell, wholly or in part")]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictSeen:
    """All answers; the worst wins."""

    status: Annotated[Literal["passed", "unknown", "failed"], told("the worst answer")]
    says: Annotated[str, told("the verdict in one sentence")]
    checks: Annotated[list[CheckSeen], told("every check that was asked")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemarkSeen:
    """Something a reader must know."""

    source: Annotated[str, told("who says it")]
    says: Annotated[str, told("in words")]
    weakens: Annotated[bool, told("true: what was measured cannot be fully believed")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasuredSeen:
    """Something that was not measured; it is neither 0 nor passed."""

    what: Annotated[str, told("the figure or the check")]
    reason: Annotated[str, told("why")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatibilityCell:
    """A call on one state of the schema."""

    state: Annotated[str, told("start, forward or back: which migration the schema has behind it")]
    outcome: Annotated[Literal["ok", "error", "other columns"], told("whether it works, and returns what it should")]
    live: Annotated[bool, told("whether its version of the application is sent while the schema is so")]
    code: Annotated[str | None, told("the error's code")]
    message: Annotated[str | None, told("the error's words")]
    columns: Annotated[str | None, told("the columns that were returned, with their types")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatibilitySeen:
    """A kind of call on the states of the schema."""

    call: Annotated[str, told("the call")]
    version: Annotated[str | None, told("the version of the application that sends it; null: both")]
    cells: Annotated[list[CompatibilityCell], told("in the order in which they were tried")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A rehearsal's report."""

    format: Annotated[Literal[1], told("the number of this shape")]
    scenario: Annotated[ScenarioAsked, told("what was rehearsed")]
    environment: Annotated[Machine, told("where it ran")]
    data: Annotated[Loaded, told("the data that the migration met")]
    stages: Annotated[list[Stage], told("what else took time")]
    phases: Annotated[list[Phase], told("in order: baseline, forward, back, again")]
    integrity: Annotated[Integrity, told("whether every write survived")]
    rollback: Annotated[Rollback, told("whether back leads back")]
    compatibility: Annotated[list[CompatibilitySeen], told("each call, tried in quiet on each state of the schema")]
    findings: Annotated[list[FindingSeen], told("every place where an answer is no, the gravest first")]
    verdict: Annotated[VerdictSeen, told("all answers")]
    remarks: Annotated[list[RemarkSeen], told("what a reader must know besides")]
    not_measured: Annotated[list[NotMeasuredSeen], told("what is not known, and why")]
