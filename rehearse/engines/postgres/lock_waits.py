"""Follows everybody's waits for locks from look to look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from rehearse.engines.postgres.looks import Lock, Look
from rehearse.events import LockWaited

Key = tuple[int, str, int, str, str]
# What is locked where it is no table, in words.
_THINGS = {
    "transactionid": "transaction",  # of which a row is waited for
    "tuple": "row",
    "virtualxid": "old snapshot",  # CREATE INDEX CONCURRENTLY and its like wait until nobody sees what was
    "spectoken": "row",
    "extend": "table's end",
    "object": "catalog object",
    "advisory": "advisory lock",
}


@dataclass(slots=True)
class _Wait:
    """A wait that goes on."""

    lock: Lock
    role: str
    table: str | None
    asked_ns: int | None
    absent_ns: int | None  # a look that did not see it yet
    first_ns: int  # the first look that saw it
    last_ns: int  # the last look that saw it
    blocked_by: set[int] = field(default_factory=set)
    by_migration: bool = False


class Waits:
    """Waits as one observer saw them; `role` and `table` name a session's role and a relation's table."""

    def __init__(self, role: Callable[[int], str], table: Callable[[int], str | None]) -> None:
        self._role = role
        self._table = table
        self._open: dict[Key, _Wait] = {}
        self._last_ns: int | None = None

    def see(self, look: Look, migration: Collection[int]) -> Iterator[LockWaited]:
        """Take a look, in which these sessions are the migration's; yield the waits that are over."""
        waiting = {_key(lock): lock for lock in look.locks if not lock.granted}
        blockers = {lock.session: lock.blocked_by for lock in waiting.values()}
        for key in [key for key in self._open if key not in waiting]:
            yield _waited(self._open.pop(key), look.until_ns)
        for key, lock in waiting.items():
            wait = self._open.get(key) or self._began(key, lock, look)
            wait.asked_ns = wait.asked_ns or lock.asked_ns
            wait.last_ns = look.from_ns
            wait.blocked_by |= set(lock.blocked_by)
            wait.by_migration |= leads_to(lock.session, blockers, migration)
        self._last_ns = look.from_ns

    def blockers(self, role: str) -> set[tuple[Key, int]]:
        """Return, with the wait that it is about, whom a role is waiting for, and those that these wait for in turn."""
        blockers = {wait.lock.session: wait.blocked_by for wait in self._open.values()}
        found: set[tuple[Key, int]] = set()
        ahead = [(key, one) for key, wait in self._open.items() if wait.role == role for one in wait.blocked_by]
        while ahead:
            key, one = ahead.pop()
            if (key, one) not in found:
                found.add((key, one))
                ahead += [(key, other) for other in blockers.get(one, ())]
        return found

    def waits(self, session: int) -> bool:
        """Say whether a session was waiting at the last look."""
        return any(wait.lock.session == session for wait in self._open.values())

    def close(self, at_ns: int) -> Iterator[LockWaited]:
        """Yield the waits that still went on."""
        for wait in self._open.values():
            yield _waited(wait, at_ns)
        self._open.clear()

    def _began(self, key: Key, lock: Lock, look: Look) -> _Wait:
        table = self._table(lock.relation) if lock.relation else None
        wait = _Wait(lock, self._role(lock.session), table, None, self._last_ns, look.until_ns, look.from_ns)
        self._open[key] = wait
        return wait


def leads_to(session: int, blockers: Mapping[int, tuple[int, ...]], targets: Collection[int]) -> bool:
    """Say whether who blocks `session`, and who blocks those in turn, includes one of the targets."""
    seen: set[int] = set()
    ahead = list(blockers.get(session, ()))
    while ahead:
        one = ahead.pop()
        if one in targets:
            return True
        if one not in seen:
            seen.add(one)
            ahead += blockers.get(one, ())
    return False


def _key(lock: Lock) -> Key:
    return lock.session, lock.transaction, lock.relation, lock.mode, lock.on


def _waited(wait: _Wait, until_ns: int) -> LockWaited:
    """Return the wait: its beginning is exact by `waitstart`, its end lies between two looks."""
    began = wait.asked_ns
    doubt = until_ns - wait.last_ns
    if began is None:
        low = wait.first_ns if wait.absent_ns is None else wait.absent_ns
        began = (low + wait.first_ns) // 2
        doubt += wait.first_ns - low
    return LockWaited(
        at_ns=began,
        ended_ns=max(began, (wait.last_ns + until_ns) // 2),
        session=wait.lock.session,
        role=wait.role,
        table=wait.table,
        mode=wait.lock.mode,
        blocked_by=tuple(sorted(wait.blocked_by)),
        blocked_by_migration=wait.by_migration,
        doubt_ns=max(0, doubt),
        on=_thing(wait.lock),
    )


def _thing(lock: Lock) -> str:
    kind, _, number = lock.on.partition(" ")
    if kind == "relation":
        return ""
    word = _THINGS.get(kind, kind)
    return f"{word} {number}" if kind == "advisory" and number else word
