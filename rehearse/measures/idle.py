"""How long locks were held while the server had nothing to do: the migration's tool was thinking in its transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rehearse.events import LockTaken, PhaseRan, StatementRan
from rehearse.model import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleHold:
    """A lock that was held for `held_ns`, in `idle_ns` of which no statement of its session ran.

    The longest stretch without one, `longest_ns`, came after statement `after` (None: before the first that was seen).
    """

    table: str
    mode: str
    stops: tuple[str, ...]
    held_ns: int
    idle_ns: int
    longest_ns: int
    after: int | None
    doubt_ns: int


def idle_holds(recording: Recording, phase: PhaseRan) -> list[IdleHold]:
    """Return the locks of a phase that stop reads or writes, the one that idled longest first."""
    statements = [one for one in recording.history.of(StatementRan) if phase.at_ns <= one.at_ns <= phase.ended_ns]
    found = [
        hold
        for lock in recording.history.of(LockTaken)
        if lock.stops and lock.index is None and phase.at_ns <= lock.at_ns <= phase.ended_ns
        for hold in _hold(lock, [one for one in statements if one.session == lock.session])
    ]
    return sorted(found, key=lambda one: -one.idle_ns)


def _hold(lock: LockTaken, statements: Sequence[StatementRan]) -> Iterator[IdleHold]:
    if lock.granted_ns is None or lock.released_ns is None or not statements:
        return
    at, until, idle, longest, after = lock.granted_ns, lock.released_ns, 0, 0, None
    last: int | None = None
    for one in sorted(statements, key=lambda one: one.at_ns):
        if one.ended_ns <= at:
            last = one.n
            continue
        gap = min(one.at_ns, until) - at
        if gap > longest:
            longest, after = gap, last
        idle += max(0, gap)
        at, last = max(at, min(one.ended_ns, until)), one.n
        if at >= until:
            break
    if until - at > longest:
        longest, after = until - at, last
    yield IdleHold(
        table=lock.table,
        mode=lock.mode,
        stops=lock.stops,
        held_ns=until - lock.granted_ns,
        idle_ns=idle + max(0, until - at),
        longest_ns=longest,
        after=after,
        doubt_ns=lock.doubt_ns,
    )
