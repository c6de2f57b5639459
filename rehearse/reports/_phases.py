"""The phases of a report: statements and their locks, outages, waits, traffic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from rehearse.events import LockTaken, LockWaited, PhaseRan, Progressed, Remarked, StatementRan
from rehearse.measures.latency import CallLatencies, Latencies, latencies, slowdown
from rehearse.measures.outage import Outage as MeasuredOutage
from rehearse.measures.outage import outages
from rehearse.measures.recovery import recovery_ns
from rehearse.model import Recording
from rehearse.reports import _load, _words
from rehearse.reports._shape_phases import (
    CallError,
    CallTraffic,
    Lock,
    Outage,
    Percentiles,
    Phase,
    Series,
    Slowdown,
    Statement,
    Traffic,
    Waits,
)
from rehearse.units import NS_PER_MS, NS_PER_S

STATEMENTS = 1_000  # a batched backfill runs many thousands; the longest are what a reader looks for
WINDOWS = 200
POINTS = 600


def phases(recording: Recording) -> list[Phase]:
    """Return the phases in order."""
    ran = recording.history.of(PhaseRan)
    return [_phase(recording, one, ran[0].at_ns) for one in ran]


def within(phase: PhaseRan, at_ns: int) -> bool:
    """Say whether a moment lies in a phase."""
    return phase.at_ns <= at_ns <= phase.ended_ns


def _phase(recording: Recording, phase: PhaseRan, zero_ns: int) -> Phase:
    statements = [one for one in recording.history.of(StatementRan) if within(phase, one.at_ns)]
    locks = [one for one in recording.history.of(LockTaken) if within(phase, one.at_ns)]
    reported = [one for one in recording.history.of(Progressed) if within(phase, one.at_ns)]
    others = [one for one in reported if not any(_load.belongs(one, each) for each in statements)]
    shown = _shown(statements)
    numbers = {one.n for one in statements}
    acted = None if phase.acted_ns is None else (phase.acted_ns, phase.finished_ns or phase.ended_ns)
    begin, end = acted or (phase.at_ns, phase.ended_ns)
    return Phase(
        name=phase.name,
        started_s=(phase.at_ns - zero_ns) / NS_PER_S,
        duration_s=(end - begin) / NS_PER_S,
        traffic_s=(phase.ended_ns - phase.at_ns) / NS_PER_S,
        acted_s=None if acted is None else (_since(phase, acted[0]), _since(phase, acted[1])),
        error=phase.error,
        statements=[_statement(one, phase, locks, reported) for one in shown],
        statements_left_out=len(statements) - len(shown),
        other_locks=[_lock(one, phase) for one in locks if one.statement not in numbers],
        outages=_outages(recording, phase, locks),
        waits=_waits([one for one in recording.history.of(LockWaited) if within(phase, one.at_ns)]),
        obstacles=_load.stood_in_the_way(recording, phase),
        lock_attempts=_load.attempts(recording, phase),
        other_progress=_load.progress(phase, others),
        load=_load.load(recording, phase),
        traffic=_traffic(recording, phase),
    )


def _shown(statements: Sequence[StatementRan]) -> list[StatementRan]:
    """Return all statements in order, or the longest and the failed ones where there are too many."""
    if len(statements) <= STATEMENTS:
        return list(statements)
    weight = sorted(statements, key=lambda one: (one.error is None, one.at_ns - one.ended_ns))
    return sorted(weight[:STATEMENTS], key=lambda one: (one.at_ns, one.n))


def _since(phase: PhaseRan, at_ns: int) -> float:
    return (at_ns - phase.at_ns) / NS_PER_S


def _statement(
    one: StatementRan, phase: PhaseRan, locks: Sequence[LockTaken], reported: Sequence[Progressed]
) -> Statement:
    return Statement(
        n=one.n,
        sql=one.sql,
        file=one.file,
        started_s=_since(phase, one.at_ns),
        duration_s=(one.ended_ns - one.at_ns) / NS_PER_S,
        doubt_ms=one.doubt_ns / NS_PER_MS,
        rows=one.rows,
        wal_bytes=one.wal_bytes,
        rewrites=None if one.rewrites is None else list(one.rewrites),
        algorithm=one.algorithm,
        binlog_bytes=one.binlog_bytes,
        commits=one.commits,
        transaction=one.transaction,
        error=one.error,
        code=one.code,
        attempt=one.attempt,
        retried=one.retried,
        locks=[_lock(lock, phase) for lock in locks if lock.statement == one.n],
        progress=_load.progress(phase, [each for each in reported if _load.belongs(each, one)]),
    )


def _lock(lock: LockTaken, phase: PhaseRan) -> Lock:
    return Lock(
        table=lock.table,
        index=lock.index,
        mode=lock.mode,
        stops=list(lock.stops),
        asked_s=_since(phase, lock.at_ns),
        waited_ms=_ms_between(lock.at_ns, lock.granted_ns),
        held_ms=_ms_between(lock.granted_ns, lock.released_ns),
        doubt_ms=lock.doubt_ns / NS_PER_MS,
    )


def _ms_between(begin_ns: int | None, end_ns: int | None) -> float | None:
    return None if begin_ns is None or end_ns is None else (end_ns - begin_ns) / NS_PER_MS


def _ms(ns: float | None) -> float | None:
    return None if ns is None else ns / NS_PER_MS


# --- outages and waits


def _outages(recording: Recording, phase: PhaseRan, locks: Sequence[LockTaken]) -> list[Outage] | None:
    """Return the outages; None where there are none and the observer of locks cannot be believed."""
    measured = sorted(outages(recording, phase.name), key=lambda one: -one.longest_ns)
    if not measured and _blind(recording):
        return None
    return [
        Outage(
            table=one.table,
            stops="reads" if one.stops == "reads" else "writes",
            longest_ms=one.longest_ns / NS_PER_MS,
            total_ms=one.total_ns / NS_PER_MS,
            doubt_ms=one.doubt_ns / NS_PER_MS,
            calls_blocked=one.calls_blocked,
            felt_ms=_ms(one.felt_ns),
            windows_s=_windows(one, phase),
            statement=culprit(one.table, one.stops, locks, phase),
        )
        for one in measured
    ]


def _blind(recording: Recording) -> bool:
    """Say whether locks went unseen: the observer says so, or statements ran and no lock at all was seen."""
    remarks = recording.history.of(Remarked)
    weak = any(one.source == "locks" and one.weakens for one in remarks)
    return weak or (bool(recording.history.of(StatementRan)) and not recording.history.of(LockTaken))


def _windows(one: MeasuredOutage, phase: PhaseRan) -> list[tuple[float, float]]:
    longest = sorted(one.windows, key=lambda window: window[0] - window[1])[:WINDOWS]
    return [(_since(phase, begin), _since(phase, end)) for begin, end in sorted(longest)]


def culprit(table: str, stops: str, locks: Sequence[LockTaken], phase: PhaseRan) -> int | None:
    """Return the number of the statement that asked for the longest of the locks that make an outage."""
    closing = [one for one in locks if one.table == table and stops in one.stops]
    longest = max(closing, key=lambda one: (one.released_ns or phase.ended_ns) - one.at_ns, default=None)
    return None if longest is None else longest.statement


def _waits(waits: Sequence[LockWaited]) -> list[Waits]:
    together: dict[tuple[str, str | None, bool], list[LockWaited]] = defaultdict(list)
    for one in waits:
        together[one.role, one.table, one.blocked_by_migration].append(one)
    folded = [_folded(*key, some) for key, some in together.items()]
    return sorted(folded, key=lambda one: -one.total_ms)


def _folded(role: str, table: str | None, behind: bool, waits: Sequence[LockWaited]) -> Waits:  # noqa: FBT001
    lengths = [(one.ended_ns - one.at_ns) / NS_PER_MS for one in waits]
    return Waits(
        role=role,
        table=table,
        behind_migration=behind,
        count=len(waits),
        longest_ms=max(lengths),
        total_ms=sum(lengths),
        doubt_ms=max(one.doubt_ns for one in waits) / NS_PER_MS,
    )


# --- traffic


def _traffic(recording: Recording, phase: PhaseRan) -> Traffic | None:
    felt = latencies(recording, phase.name)
    if felt is None or not felt.due:
        return None
    before = None if phase.acted_ns is None else latencies(recording, "baseline")
    times = slowdown(felt, before) if before else None
    return Traffic(
        due=felt.due,
        ok=felt.ok,
        failed=felt.failed,
        missed=felt.missed,
        unknown=felt.unknown,
        latency_ms=_percentiles(felt),
        slowdown=Slowdown(p50=times.p50 if times else None, p99=times.p99 if times else None),
        on_time_share=felt.on_time_share,
        retried=felt.retried,
        recovery_ms=_ms(recovery_ns(recording, phase.name)) if before else None,
        lost=_load.lost(recording, phase),
        errors=[
            CallError(
                code=one.code, kind=_words.error(one.code), count=one.count, acting=one.acting, example=one.example
            )
            for one in felt.errors
        ],
        calls=[_call(one) for one in felt.calls],
        stretches=[_call(one) for one in (felt.before, felt.during, felt.after) if one is not None],
        series=_series(felt, phase),
    )


def _percentiles(felt: Latencies | CallLatencies) -> Percentiles:
    return Percentiles(
        p50=_ms(felt.p50_ns), p95=_ms(felt.p95_ns), p99=_ms(felt.p99_ns), p999=_ms(felt.p999_ns), max=_ms(felt.max_ns)
    )


def _call(one: CallLatencies) -> CallTraffic:
    return CallTraffic(
        name=one.call,
        due=one.due,
        ok=one.ok,
        failed=one.failed,
        missed=one.missed,
        unknown=one.unknown,
        latency_ms=_percentiles(one),
    )


def _series(felt: Latencies, phase: PhaseRan) -> Series | None:
    """Return the windows, so many taken together that at most POINTS are left; the worst percentile of them counts."""
    windows = felt.windows
    if not windows:
        return None
    together = -(-len(windows) // POINTS)
    parts = [windows[n : n + together] for n in range(0, len(windows), together)]
    return Series(
        window_ms=felt.window_ns * together / NS_PER_MS,
        at_s=[round(_since(phase, part[0].at_ns), 3) for part in parts],
        p50_ms=[_worst_ms(one.p50_ns for one in part) for part in parts],
        p99_ms=[_worst_ms(one.p99_ns for one in part) for part in parts],
        ok=[sum(one.ok for one in part) for part in parts],
        failed=[sum(one.failed + one.unknown for one in part) for part in parts],
        missed=[sum(one.missed for one in part) for part in parts],
    )


def _worst_ms(values: Iterable[float | None]) -> float | None:
    worst = max((one for one in values if one is not None), default=None)
    return None if worst is None else round(worst / NS_PER_MS, 3)
