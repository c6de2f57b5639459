"""What the migration itself waited for: which lock, who held it and what they were at, and who queued up meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rehearse.events import CallEnded, CompanyKept, LockTaken, LockWaited, SessionSeen, StatementRan
from rehearse.measures._remembered import remembered
from rehearse.measures.waits import waits
from rehearse.model import Recording
from rehearse.units import human_duration

_SHORT = 100
MOST = 100
_KINDS = {
    "transaction": "a row that another transaction had changed",
    "row": "a row that others waited for, too",
    "page": "a page of an index",
    "old snapshot": "older transactions, which may still see what was",
    "table's end": "the table's end, where another session added pages",
    "catalog object": "a catalog object",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """A wait of the migration: `what` it waited for and `whom` (in words); `queued` calls waited behind it meanwhile.

    `statement` is the one that waited; None where it is not known.
    """

    statement: int | None
    what: str
    of_table: bool  # the lock is on a table itself
    mode: str
    at_ns: int
    waited_ns: int
    doubt_ns: int
    whom: tuple[str, ...]
    queued: int


@remembered
def obstacles(recording: Recording, phase: str) -> list[Obstacle]:
    """Return what the migration waited for in a phase, the longest hundred waits, the longest first."""
    found = waits(recording, phase)
    behind = [one for one in found if one.role == "application" and one.blocked_by_migration]
    mine = sorted((one for one in found if one.role == "migration"), key=lambda one: one.at_ns - one.ended_ns)
    return [_obstacle(recording, one, behind) for one in mine[:MOST]]


def thing(wait: LockWaited) -> str:
    """Return in words what a wait is for: a table, a row of it, or something else."""
    if not wait.on:
        return wait.table or "a lock that is no table's"
    words = _KINDS.get(wait.on, wait.on)
    return f"{words} ({wait.table})" if wait.table else words


def whom(recording: Recording, lock: LockTaken) -> tuple[str, ...]:
    """Return, in words, for whom a lock of the migration waited until it was granted or given up."""
    until = lock.granted_ns or lock.released_ns or lock.at_ns
    found = (
        one
        for one in recording.history.of(LockWaited)
        if one.session == lock.session and one.ended_ns > lock.at_ns and one.at_ns < until
    )
    return tuple(dict.fromkeys(word for one in found for word in _whom(recording, one)))


def _obstacle(recording: Recording, wait: LockWaited, behind: Sequence[LockWaited]) -> Obstacle:
    return Obstacle(
        statement=_statement(recording, wait),
        what=thing(wait),
        of_table=not wait.on and wait.table is not None,
        mode=wait.mode,
        at_ns=wait.at_ns,
        waited_ns=wait.ended_ns - wait.at_ns,
        doubt_ns=wait.doubt_ns,
        whom=_whom(recording, wait),
        queued=sum(one.at_ns < wait.ended_ns and one.ended_ns > wait.at_ns for one in behind),
    )


def _statement(recording: Recording, wait: LockWaited) -> int | None:
    """Return the statement that the session ran in the middle of the wait."""
    middle = (wait.at_ns + wait.ended_ns) // 2
    ran = (
        one.n
        for one in recording.history.of(StatementRan)
        if one.session == wait.session and one.at_ns - one.doubt_ns <= middle <= one.ended_ns + one.doubt_ns
    )
    return next(ran, None)


def _whom(recording: Recording, wait: LockWaited) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for session in wait.blocked_by for word in _words(recording, wait, session)))


def _words(recording: Recording, wait: LockWaited, session: int) -> Iterator[str]:
    """Yield what a session was that stood in the way."""
    company = [
        one.name
        for one in recording.history.of(CompanyKept)
        if one.session == session and one.at_ns < wait.ended_ns and one.ended_ns > wait.at_ns
    ]
    if company:
        yield repr(company[0])
        return
    seen = [
        one
        for one in recording.history.of(SessionSeen)
        if one.session == session and wait.at_ns - wait.doubt_ns <= one.at_ns <= wait.ended_ns + wait.doubt_ns
    ]
    if not seen:
        yield f"session {session}"
        return
    if seen[0].role == "application":
        yield _of_the_application(recording, wait, seen[0])
    elif seen[0].role == "migration":
        yield f"another session of the migration ({session}){_last(seen[0])}"
    elif seen[0].kind == "autovacuum worker":
        yield seen[0].query or "autovacuum"
    elif seen[0].kind == "prepared transaction":
        yield "a prepared transaction"
    else:
        yield f"session {session} of another user, {_at(wait, seen[0])}{_last(seen[0])}"


def _of_the_application(recording: Recording, wait: LockWaited, seen: SessionSeen) -> str:
    calls = recording.history.frame(CallEnded)
    moment = max(wait.at_ns, seen.at_ns - 1)
    mine = calls[(calls["session"] == seen.session) & (calls["sent_ns"] <= moment) & (calls["done_ns"] > moment)]
    names = sorted(set(map(str, mine["call"])))
    return f"calls of the application ({', '.join(names)})" if names else "a session of the application"


def _at(wait: LockWaited, seen: SessionSeen) -> str:
    if seen.since_ns is None:
        return seen.state or "state unknown"
    age = human_duration(wait.ended_ns - seen.since_ns)
    return f"{seen.state or 'in a transaction'}, whose transaction was {age} old"


def _last(seen: SessionSeen) -> str:
    if not seen.query:
        return ""
    words = " ".join(seen.query.split())
    return f", last statement: {words if len(words) <= _SHORT else words[: _SHORT - 1] + '…'}"
