"""What was tried again while its locks were not free: how often, for how long, and who queued behind each attempt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rehearse.events import LockWaited, PhaseRan, StatementRan
from rehearse.measures._remembered import remembered
from rehearse.measures.waits import waits
from rehearse.model import Recording
from rehearse.model.ending import ends_transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt: from its first statement to its last; `waited_ns` for locks, and what queued behind it meanwhile.

    `queued_ns` is the sum of the calls' waits; a call that was never answered counts to the wait's end.
    """

    at_ns: int
    ended_ns: int
    got: bool
    waited_ns: int
    queued: int
    queued_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockAttempts:
    """A block that may be tried again. `table` is the one that it waited for longest; None: it waited for none."""

    block: str
    sql: str
    table: str | None
    attempts: tuple[Attempt, ...]

    @property
    def got(self) -> bool:
        """Whether the last attempt went through."""
        return self.attempts[-1].got

    @property
    def took_ns(self) -> int:
        """From the first attempt's beginning to the last one's end, the pauses included."""
        return self.attempts[-1].ended_ns - self.attempts[0].at_ns


@remembered
def lock_attempts(recording: Recording, phase: str) -> list[LockAttempts]:
    """Return the blocks of a phase that may be tried again, in the order in which they ran."""
    ran = next((one for one in recording.history.of(PhaseRan) if one.name == phase), None)
    if ran is None:
        return []
    blocks: dict[str, list[StatementRan]] = defaultdict(list)
    for one in recording.history.of(StatementRan):
        if one.block is not None and ran.at_ns <= one.at_ns <= ran.ended_ns:
            blocks[one.block].append(one)
    found = waits(recording, phase)
    return [_block(name, statements, found) for name, statements in blocks.items()]


def _block(name: str, statements: Sequence[StatementRan], found: Sequence[LockWaited]) -> LockAttempts:
    by_attempt: dict[int, list[StatementRan]] = defaultdict(list)
    for one in statements:
        by_attempt[one.attempt or 1].append(one)
    telling = (one.sql for one in statements if not ends_transaction(one.sql) and one.sql.upper() != "BEGIN")
    return LockAttempts(
        block=name,
        sql=next(telling, statements[0].sql),
        table=_table(statements, found),
        attempts=tuple(_attempt(some, found) for _, some in sorted(by_attempt.items())),
    )


def _attempt(statements: Sequence[StatementRan], found: Sequence[LockWaited]) -> Attempt:
    begin, end = statements[0].at_ns, statements[-1].ended_ns
    mine = [one for one in found if one.role == "migration" and _overlap(one, begin, end)]
    behind = [
        one for one in found if one.role == "application" and one.blocked_by_migration and _overlap(one, begin, end)
    ]
    return Attempt(
        at_ns=begin,
        ended_ns=end,
        got=not any(one.error for one in statements),
        waited_ns=sum(_overlap(one, begin, end) for one in mine),
        queued=len(behind),
        queued_ns=sum(one.ended_ns - one.at_ns for one in behind),
    )


def _table(statements: Sequence[StatementRan], found: Sequence[LockWaited]) -> str | None:
    waited: dict[str, int] = defaultdict(int)
    for wait in found:
        if wait.role == "migration" and wait.table is not None:
            waited[wait.table] += sum(_overlap(wait, one.at_ns, one.ended_ns) for one in statements)
    table = max(waited, key=lambda name: waited[name], default=None)
    return table if table is not None and waited[table] else None


def _overlap(wait: LockWaited, begin: int, end: int) -> int:
    """Return for how long a wait lasted between two moments, in ns."""
    return max(0, min(wait.ended_ns, end) - max(wait.at_ns, begin))
