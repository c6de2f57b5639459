"""The shape of report.json: phases, their statements, locks, load and traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from rehearse.reports._told import Pair, told


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
    unit: Annotated[str | None, told("blocks, rows, bytes, sessions or percent; null: the server's own units of work")]


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
    algorithm: Annotated[
        str | None, told("how the server changed the table: COPY, INPLACE, INSTANT or metadata only; null: not known")
    ]
    binlog_bytes: Annotated[int | None, told("binary log written meanwhile; null: not measured, or it is off")]
    commits: Annotated[bool, told("it committed the transaction that was open before it, without saying so")]
    transaction: Annotated[int | None, told("a number that statements of one transaction share")]
    error: Annotated[str | None, told("the server's error; null: it ran to its end")]
    code: Annotated[str | None, told("the error's SQLSTATE or number")]
    attempt: Annotated[
        int | None, told("of those under rehearse:retry, from 1; null: it is not told to be tried again")
    ]
    retried: Annotated[bool, told("its lock was not free in time: all was rolled back, and tried again")]
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
class LockAttempts:
    """A part of the migration that is told to be tried again while its locks are not free (rehearse:retry)."""

    block: Annotated[str, told("where it begins, as file:line")]
    sql: Annotated[str, told("its first statement")]
    table: Annotated[str | None, told("the table that it waited for longest; null: it waited for none")]
    attempts: Annotated[int, told("how often it was tried")]
    got: Annotated[bool, told("whether the last attempt went through")]
    took_s: Annotated[float, told("from the first attempt to the end of the last, pauses included")]
    waited_ms: Annotated[list[float], told("what each attempt waited for locks; at most 100, the first")]
    queued: Annotated[int, told("waits of the application behind its attempts")]
    queued_s: Annotated[float, told("these waits together")]


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
    lock_attempts: Annotated[list[LockAttempts], told("what was told to be tried again while its locks are not free")]
    other_progress: Annotated[list[Progress], told("long commands of others, vacuums that ran by themselves too")]
    load: Annotated[Load | None, told("what the server and this machine did; null: not sampled")]
    traffic: Annotated[Traffic | None, told("what the application felt; null: there was no traffic")]
