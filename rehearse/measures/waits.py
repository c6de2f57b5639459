"""Who waited for locks, for whom, and how long the queues were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy
import pandas

from rehearse.events import CallEnded, E, LockTaken, LockWaited, PhaseRan, StatementRan
from rehearse.model import Recording
from rehearse.units import NS_PER_MS

DEADLOCK = "40P01"

# For readers of a report: what a mode means to the others. PostgreSQL's names; MySQL's are its own.
MEANINGS = {
    "AccessShareLock": "stops nobody but ACCESS EXCLUSIVE",
    "RowShareLock": "stops nobody but EXCLUSIVE and ACCESS EXCLUSIVE",
    "RowExclusiveLock": "writes beside other writers; stops schema changes that need a quiet table",
    "ShareUpdateExclusiveLock": "lets reads and writes go on; stops other schema changes and VACUUM",
    "ShareLock": "lets reads go on; stops writes",
    "ShareRowExclusiveLock": "lets reads go on; stops writes and other schema changes",
    "ExclusiveLock": "lets plain reads go on; stops writes and SELECT … FOR UPDATE",
    "AccessExclusiveLock": "stops everybody, plain reads too",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHeld:
    """A lock of one statement. None: it was never granted, or its release was not seen."""

    table: str
    index: str | None
    mode: str
    stops: tuple[str, ...]
    waited_ns: int | None
    held_ns: int | None
    doubt_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Those who waited for the migration at a table (None: for a row or something else); the longest queue and when."""

    table: str | None
    waits: int
    longest: int
    longest_at_ns: int
    longest_wait_ns: int
    total_wait_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """What the migration waited for: sessions of a role that held a table."""

    table: str | None
    mode: str
    sessions: tuple[int, ...]
    waited_ns: int
    doubt_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlocks:
    """How often the server ended a call or a statement of the migration to break a deadlock."""

    calls: int
    statements: tuple[int, ...]  # by `StatementRan.n`


def locks_held(recording: Recording, phase: str) -> dict[int | None, list[LockHeld]]:
    """Return the locks of each statement of a phase, by `StatementRan.n`, in the order in which they were asked for."""
    found: dict[int | None, list[LockHeld]] = defaultdict(list)
    for lock in _within(recording, phase, recording.history.of(LockTaken)):
        found[lock.statement].append(
            LockHeld(
                table=lock.table,
                index=lock.index,
                mode=lock.mode,
                stops=lock.stops,
                waited_ns=None if lock.granted_ns is None else lock.granted_ns - lock.at_ns,
                held_ns=None if None in (lock.granted_ns, lock.released_ns) else _held(lock),
                doubt_ns=lock.doubt_ns,
            )
        )
    return dict(found)


def waits(recording: Recording, phase: str) -> list[LockWaited]:
    """Return the waits of a phase, their ends exact where a call of the session was answered just then."""
    return refined(_within(recording, phase, recording.history.of(LockWaited)), recording.history.frame(CallEnded))


def refined(found: Iterable[LockWaited], calls: pandas.DataFrame) -> list[LockWaited]:
    """Return the waits with the driver's time of the answer for an end, where it lies within the looks' doubt.

    A wait ends a moment before its call does, if the call is one statement; looks know the end only to their interval.
    """
    sent = calls[calls["sent_ns"].notna()].sort_values("done_ns")
    answers = {session: frame["done_ns"].to_numpy(numpy.int64) for session, frame in sent.groupby("session")}
    return [_refined(wait, answers.get(wait.session)) for wait in found]


def _refined(wait: LockWaited, answers: numpy.ndarray | None) -> LockWaited:
    if wait.role != "application" or answers is None:
        return wait
    half = wait.doubt_ns // 2 + 1
    place = int(numpy.searchsorted(answers, max(wait.at_ns, wait.ended_ns - half)))
    if place == len(answers) or answers[place] > wait.ended_ns + half:
        return wait
    return replace(wait, ended_ns=int(answers[place]), doubt_ns=min(wait.doubt_ns, NS_PER_MS))


def queues(recording: Recording, phase: str) -> list[Queue]:
    """Return, by table, the queue of those who waited for the migration or behind it; the longest wait first."""
    by_table: dict[str | None, list[LockWaited]] = defaultdict(list)
    for wait in waits(recording, phase):
        if wait.blocked_by_migration and wait.role != "migration":
            by_table[wait.table].append(wait)
    found = [_queue(table, waited) for table, waited in by_table.items()]
    return sorted(found, key=lambda one: -one.longest_wait_ns)


def blockers(recording: Recording, phase: str) -> list[Blocker]:
    """Return what the migration itself waited for, the longest wait first."""
    found = [
        Blocker(
            table=wait.table,
            mode=wait.mode,
            sessions=wait.blocked_by,
            waited_ns=wait.ended_ns - wait.at_ns,
            doubt_ns=wait.doubt_ns,
        )
        for wait in waits(recording, phase)
        if wait.role == "migration"
    ]
    return sorted(found, key=lambda one: -one.waited_ns)


def deadlocks(recording: Recording, phase: str) -> Deadlocks:
    """Return who was the victim of a deadlock in a phase."""
    ran = _phase(recording, phase)
    if ran is None:
        return Deadlocks(calls=0, statements=())
    calls = recording.history.frame(CallEnded)
    inside = (calls["at_ns"] >= ran.at_ns) & (calls["at_ns"] <= ran.ended_ns)
    statements = _within(recording, phase, recording.history.of(StatementRan))
    return Deadlocks(
        calls=int((inside & (calls["code"] == DEADLOCK)).sum()),
        statements=tuple(one.n for one in statements if one.code == DEADLOCK),
    )


def _queue(table: str | None, waited: Sequence[LockWaited]) -> Queue:
    steps = sorted([(one.at_ns, 1) for one in waited] + [(one.ended_ns, -1) for one in waited])
    longest = length = at = 0
    for time, step in steps:
        length += step
        if length > longest:
            longest, at = length, time
    times = [one.ended_ns - one.at_ns for one in waited]
    return Queue(
        table=table,
        waits=len(waited),
        longest=longest,
        longest_at_ns=at,
        longest_wait_ns=max(times),
        total_wait_ns=sum(times),
    )


def _held(lock: LockTaken) -> int:
    assert lock.granted_ns is not None and lock.released_ns is not None
    return lock.released_ns - lock.granted_ns


def _phase(recording: Recording, name: str) -> PhaseRan | None:
    return next((one for one in recording.history.of(PhaseRan) if one.name == name), None)


def _within(recording: Recording, phase: str, events: Sequence[E]) -> list[E]:
    ran = _phase(recording, phase)
    return [] if ran is None else [one for one in events if ran.at_ns <= one.at_ns <= ran.ended_ns]
