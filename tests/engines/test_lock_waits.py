"""Waits from looks by hand."""

from __future__ import annotations

from rehearse.engines.postgres.lock_waits import Waits, leads_to
from rehearse.engines.postgres.looks import Lock, Look
from rehearse.events import LockWaited

MIGRATION, READER, FIRST, SECOND = 7, 8, 11, 12
MS = 1_000_000


def waiting(session: int, asked: float | None, *blocked_by: int, mode: str = "AccessShareLock") -> Lock:
    return Lock(
        session, f"{session}/1", 20_000, mode, False, None if asked is None else round(asked * MS), blocked_by, ""
    )


def look(at: float, *locks: Lock) -> Look:
    return Look(round((at - 0.2) * MS), round(at * MS), locks, (), 200_000, 0)


def follow(*looks: Look) -> list[LockWaited]:
    waits = Waits({MIGRATION: "migration", READER: "other"}.get, {20_000: "orders"}.get)  # type: ignore[arg-type]
    found = [wait for one in looks for wait in waits.see(one, [MIGRATION])]
    return found + list(waits.close(looks[-1].until_ns))


def test_a_wait_begins_exactly_and_ends_between_two_looks() -> None:
    (wait,) = follow(
        look(5), look(10, waiting(FIRST, 7.5, MIGRATION)), look(20, waiting(FIRST, 7.5, MIGRATION)), look(25)
    )

    assert wait.at_ns == 7.5 * MS
    assert wait.ended_ns == (19.8 + 25) / 2 * MS
    assert wait.doubt_ns == round(5.2 * MS)
    assert (wait.table, wait.mode, wait.blocked_by) == ("orders", "AccessShareLock", (MIGRATION,))


def test_whoever_queues_behind_the_waiting_migration_is_blocked_by_it() -> None:
    queue = (
        waiting(MIGRATION, 6, READER, mode="AccessExclusiveLock"),
        waiting(FIRST, 7, MIGRATION),
        waiting(SECOND, 8, FIRST, mode="RowExclusiveLock"),
    )

    waits = {wait.session: wait for wait in follow(look(5), look(10, *queue), look(15))}

    assert waits[SECOND].blocked_by_migration
    assert waits[FIRST].blocked_by_migration
    assert not waits[MIGRATION].blocked_by_migration


def test_a_wait_without_its_time_began_between_two_looks() -> None:
    (wait,) = follow(look(5), look(10, waiting(FIRST, None, READER)), look(15))

    assert wait.at_ns == (4.8 + 10) / 2 * MS


def test_a_wait_that_goes_on_at_the_end_is_told() -> None:
    (wait,) = follow(look(5), look(10, waiting(FIRST, 7, READER)))

    assert not wait.blocked_by_migration


def test_a_deadlock_does_not_send_the_search_in_circles() -> None:
    assert not leads_to(1, {1: (2,), 2: (1,)}, [3])
