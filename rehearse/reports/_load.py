"""What a phase took of the server and of the machine, where calls lost their time, and what stood in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from rehearse.events import PhaseRan, Progressed, StatementRan
from rehearse.measures import load as measured
from rehearse.measures.lock_attempts import lock_attempts
from rehearse.measures.losses import losses
from rehearse.measures.obstacles import obstacles
from rehearse.model import Recording
from rehearse.reports import _words
from rehearse.reports._shape_phases import Load, LockAttempts, Lost, Obstacle, Progress
from rehearse.units import NS_PER_MS, NS_PER_S

_SHOWN = 100


def load(recording: Recording, phase: PhaseRan) -> Load | None:
    """Return the figures of a phase."""
    found = measured.load(recording, phase)
    if found is None:
        return None
    same = {one.name: getattr(found, one.name) for one in fields(Load) if hasattr(found, one.name)}
    return Load(
        **same,
        wal_peak_bytes_per_s=found.wal_peak,
        disk_extra_bytes=found.disk_extra,
        replica_lag_s=None if found.lag_s is None else {str(rate): lag for rate, lag in found.lag_s.items()},
    )


def lost(recording: Recording, phase: PhaseRan) -> Lost | None:
    """Return where the time of a phase's calls went."""
    found = losses(recording, phase)
    if found is None:
        return None
    return Lost(
        locks_ms=found.locks_ns / NS_PER_MS,
        migration_ms=found.migration_ns / NS_PER_MS,
        pool_ms=found.pool_ns / NS_PER_MS,
        retries_ms=found.retries_ns / NS_PER_MS,
        driver_ms=found.driver_ns / NS_PER_MS,
        load_ms=found.load_ns / NS_PER_MS,
    )


def attempts(recording: Recording, phase: PhaseRan) -> list[LockAttempts]:
    """Return what was told to be tried again in a phase."""
    return [
        LockAttempts(
            block=one.block,
            sql=one.sql,
            table=one.table,
            attempts=len(one.attempts),
            got=one.got,
            took_s=one.took_ns / NS_PER_S,
            waited_ms=[each.waited_ns / NS_PER_MS for each in one.attempts[:_SHOWN]],
            queued=sum(each.queued for each in one.attempts),
            queued_s=sum(each.queued_ns for each in one.attempts) / NS_PER_S,
        )
        for one in lock_attempts(recording, phase.name)
    ]


def stood_in_the_way(recording: Recording, phase: PhaseRan) -> list[Obstacle]:
    """Return what the migration waited for in a phase."""
    return [
        Obstacle(
            statement=one.statement,
            what=one.what,
            means=_words.meaning(one.mode) or None if one.of_table else None,
            mode=one.mode,
            at_s=(one.at_ns - phase.at_ns) / NS_PER_S,
            waited_ms=one.waited_ns / NS_PER_MS,
            doubt_ms=one.doubt_ns / NS_PER_MS,
            whom=list(one.whom),
            queued=one.queued,
        )
        for one in obstacles(recording, phase.name)
    ]


def progress(phase: PhaseRan, reported: Sequence[Progressed]) -> list[Progress]:
    """Return reported parts in the order in which they began."""
    return [
        Progress(
            command=one.command,
            part=one.part,
            table=one.table,
            started_s=(one.at_ns - phase.at_ns) / NS_PER_S,
            duration_s=(one.ended_ns - one.at_ns) / NS_PER_S,
            doubt_ms=one.doubt_ns / NS_PER_MS,
            done=one.done,
            total=one.total,
            unit=one.unit,
        )
        for one in sorted(reported, key=lambda one: one.at_ns)
    ]


def belongs(one: Progressed, statement: StatementRan) -> bool:
    """Say whether a statement did what was reported."""
    middle = (one.at_ns + one.ended_ns) // 2
    return one.session == statement.session and statement.at_ns <= middle <= statement.ended_ns + statement.doubt_ns
