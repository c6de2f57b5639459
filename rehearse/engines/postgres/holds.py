"""From looks at pg_locks and the times of statements to `LockTaken`: pure.

A lock is granted after the last look that did not see it and before the first that did, and while the statement that
asks for it runs; it is released when its transaction ends. What both say together is mostly exact to 1 ms.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rehearse.engines.postgres.looks import Lock, Look
from rehearse.engines.postgres.modes import may_ask, stops
from rehearse.engines.postgres.relations import Relation
from rehearse.events import LockTaken, StatementRan
from rehearse.model.names import split
from rehearse.units import NS_PER_MS

Key = tuple[int, str, int, str]  # session, transaction, relation, mode
_TOLERANCE_NS = 2 * NS_PER_MS
# These release locks before they end: they are made of several transactions.
_IN_PARTS = re.compile(r"\bconcurrently\b|^\s*(vacuum|call|do|cluster|reindex)\b|;\s*\S", re.IGNORECASE)
_BACK_TO = re.compile(r"\s*rollback\s+((work|transaction)\s+)?to\b", re.IGNORECASE)
_CONTROL = re.compile(r"\s*(begin|start|commit|end|rollback|abort|savepoint|release|set)\b", re.IGNORECASE)


@dataclass(slots=True)
class Hold:
    """What was seen of one lock. Each time is a bound: None where no look gives one."""

    session: int
    transaction: str
    relation: int
    mode: str
    absent_ns: int | None  # not granted then
    asked_ns: int | None = None  # when it began to wait, exactly; None: not seen to wait
    held_ns: int | None = None  # granted by then; None: never seen granted
    still_ns: int | None = None  # still granted then
    gone_ns: int | None = None  # released, or given up, by then
    where: Relation | None = None  # None: no other session could see the relation

    @property
    def key(self) -> Key:
        """Tells the lock from every other, but for one that was released and taken again in one transaction."""
        return self.session, self.transaction, self.relation, self.mode


class Sightings:
    """Follows the locks of the migration's sessions through the looks of one observer."""

    def __init__(self) -> None:
        self.ended: list[Hold] = []
        self._open: dict[Key, Hold] = {}
        self._last_ns: int | None = None

    @property
    def holds(self) -> list[Hold]:
        """All that was seen, what is still held included."""
        return self.ended + list(self._open.values())

    def see(self, look: Look, sessions: Iterable[int]) -> tuple[list[Hold], list[Hold]]:
        """Take a look at these sessions; return the locks seen for the first time, and those seen no longer."""
        of = set(sessions)
        locks = {self._key(lock): lock for lock in look.locks if _is_of_table(lock) and lock.session in of}
        gone = [self._open.pop(key) for key in [key for key in self._open if key not in locks]]
        for hold in gone:
            hold.gone_ns = look.until_ns
        self.ended += gone
        new = [self._began(key) for key in locks if key not in self._open]
        for key, lock in locks.items():
            _note(self._open[key], lock, look)
        self._last_ns = look.from_ns
        return new, gone

    def _key(self, lock: Lock) -> Key:
        """Return what tells the lock from others; while a transaction ends, it holds locks and has no number."""
        key = (lock.session, lock.transaction, lock.relation, lock.mode)
        if not lock.transaction.endswith("/0"):
            return key
        same = (one for one in self._open if (one[0], *one[2:]) == (lock.session, lock.relation, lock.mode))
        return next(same, key)

    def _began(self, key: Key) -> Hold:
        self._open[key] = Hold(*key, self._last_ns)
        return self._open[key]


def _is_of_table(lock: Lock) -> bool:
    """Say whether a relation itself is locked, not a row of it, or its end while an UPDATE makes it longer."""
    return bool(lock.relation) and lock.on.partition(" ")[0] == "relation"


def _note(hold: Hold, lock: Lock, look: Look) -> None:
    if not lock.granted:
        hold.absent_ns = look.from_ns
        hold.asked_ns = hold.asked_ns or lock.asked_ns
        return
    hold.held_ns = hold.held_ns or look.until_ns
    hold.still_ns = look.from_ns


def joined(holds: Sequence[Hold], others: Iterable[Hold]) -> list[Hold]:
    """Return what two observers saw, each bound the tighter of the two."""
    by_key: dict[Key, list[Hold]] = defaultdict(list)
    for hold in holds:
        by_key[hold.key].append(hold)
    alone = []
    for other in others:
        same = by_key.get(other.key, [])
        if len(same) == 1:
            same[0] = _tighter(same[0], other)
        elif not same:
            alone.append(other)
    return [hold for same in by_key.values() for hold in same] + alone


def _tighter(one: Hold, other: Hold) -> Hold:
    return replace(
        one,
        absent_ns=_latest(one.absent_ns, other.absent_ns),
        asked_ns=one.asked_ns or other.asked_ns,
        held_ns=_earliest(one.held_ns, other.held_ns),
        still_ns=_latest(one.still_ns, other.still_ns),
        gone_ns=_earliest(one.gone_ns, other.gone_ns),
        where=one.where or other.where,
    )


def locks_taken(holds: Iterable[Hold], statements: Iterable[StatementRan]) -> list[LockTaken]:
    """Return the locks of tables, with the statements that asked for them.

    Left out are locks on what no other session could see (a table made in the same transaction, the transient copy of
    a rewrite) and those locks on indexes and other parts that stop nothing.
    """
    of_session: dict[int, list[StatementRan]] = defaultdict(list)
    for statement in sorted(statements, key=lambda one: (one.at_ns, one.n)):
        of_session[statement.session].append(statement)
    taken = [
        _taken(hold, hold.where, of_session[hold.session])
        for hold in holds
        if hold.where is not None and (hold.where.part is None or stops(hold.mode))
    ]
    return sorted(taken, key=lambda lock: lock.at_ns)


def _taken(hold: Hold, where: Relation, statements: Sequence[StatementRan]) -> LockTaken:
    asking = _asking(hold, where, statements)
    granted, grant_width = _granted(hold, asking)
    released, release_width = _released(hold, _releasing(hold, asking, statements))
    at = hold.asked_ns if hold.asked_ns is not None else granted
    if at is None:  # seen to wait in one look alone, before the wait had its time
        at = hold.absent_ns or hold.gone_ns or 0
    return LockTaken(
        at_ns=at if granted is None else min(at, granted),
        table=where.table,
        mode=hold.mode,
        stops=stops(hold.mode),
        session=hold.session,
        statement=None if asking is None else asking.n,
        granted_ns=granted,
        released_ns=released if released is None or granted is None else max(released, granted),
        doubt_ns=grant_width + release_width + (0 if asking is None else asking.doubt_ns),
        index=where.part,
    )


def _asking(hold: Hold, where: Relation, statements: Sequence[StatementRan]) -> StatementRan | None:
    """Return the statement that asked for the lock.

    Of those that ran when it was asked for: those in whose transaction it was released; of them those that name the
    table, and then the first that may ask for its mode.
    """
    until = hold.held_ns if hold.held_ns is not None else hold.gone_ns
    since = hold.asked_ns if hold.asked_ns is not None else hold.absent_ns
    ran = [
        one
        for one in statements
        if (until is None or one.at_ns <= until) and (since is None or one.ended_ns + one.doubt_ns >= since)
    ]
    fitting = [one for one in ran if _fits(hold, _ending(one, statements))] or ran
    named = [one for one in fitting if _names(one.sql, where)]
    named = [one for one in named if may_ask(one.sql, hold.mode)] or named
    return next(iter(named or [one for one in fitting if not _CONTROL.match(one.sql)] or fitting), None)


def _fits(hold: Hold, ending: StatementRan | None) -> bool:
    return ending is not None and _agrees(ending.ended_ns, hold.still_ns, hold.gone_ns, ending.doubt_ns + _TOLERANCE_NS)


def _names(sql: str, where: Relation) -> bool:
    names = {split(where.table)[1], split(where.part or where.table)[1]}
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, re.IGNORECASE) for name in names)


def _ending(asking: StatementRan | None, statements: Sequence[StatementRan]) -> StatementRan | None:
    """Return the statement at whose end the transaction of `asking` ends: it fails, or is the transaction's last."""
    if asking is None or asking.transaction is None:
        return asking
    rest = [one for one in statements if one.transaction == asking.transaction and one.n >= asking.n]
    return next((one for one in rest if one.code is not None or one.error is not None), rest[-1] if rest else asking)


def _releasing(hold: Hold, asking: StatementRan | None, statements: Sequence[StatementRan]) -> StatementRan | None:
    """Return the statement at whose end the lock is released: the transaction's last, or one back to a savepoint."""
    ending = _ending(asking, statements)
    if _fits(hold, ending):
        return ending
    return next((one for one in statements if _BACK_TO.match(one.sql) and _fits(hold, one)), ending)


def _granted(hold: Hold, asking: StatementRan | None) -> tuple[int | None, int]:
    """Return when the lock was granted, and how wide the doubt is.

    One that was seen to wait and then was gone, while its statement succeeded, was granted between two looks. Where no
    look saw the statement run without the lock, it was granted early: that is the first thing that statements do.
    """
    succeeded = asking is not None and asking.code is None and asking.error is None
    high = hold.held_ns if hold.held_ns is not None else hold.gone_ns if succeeded else None
    if high is None:
        return None, 0
    low = _latest(hold.absent_ns, None if asking is None else asking.at_ns)
    high = high if asking is None else min(high, asking.ended_ns)
    if low is None:
        return high, 0
    width = max(0, high - low)
    seen_without = asking is None or low != asking.at_ns
    return low + (width // 2 if seen_without else min(width // 2, NS_PER_MS)), width


def _released(hold: Hold, ending: StatementRan | None) -> tuple[int | None, int]:
    """Return when the lock was released, or given up, and how wide the doubt is."""
    still, gone = hold.still_ns, hold.gone_ns
    if ending is not None and _fits(hold, ending):
        low = ending.ended_ns if _of_one_transaction(ending) else ending.at_ns
        low = max(low, still) if still is not None else low
        return ending.ended_ns, max(0, ending.ended_ns - low)
    if gone is None:
        return None, 0
    if still is None:
        return gone, 0
    return (still + gone) // 2, max(0, gone - still)


def _of_one_transaction(statement: StatementRan) -> bool:
    return _IN_PARTS.search(statement.sql) is None


def _agrees(at_ns: int, still: int | None, gone: int | None, tolerance: int) -> bool:
    return (still is None or still <= at_ns + tolerance) and (gone is None or at_ns - tolerance <= gone)


def _latest(*times: int | None) -> int | None:
    return max((time for time in times if time is not None), default=None)


def _earliest(*times: int | None) -> int | None:
    return min((time for time in times if time is not None), default=None)
