"""A watch tells who waited for whom, and for how long: held against what the clients saw by their own clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import SkipTest

from rehearse.events import LockWaited
from rehearse.protocols import Database, Role, Server, Watchable
from rehearse.rehearsal.watching import watching
from rehearse.testing.engine_suite.subject import Connection, Kept, Subject, await_that, fresh, run

_HELD_NS = 400_000_000  # so that a wait has a length that its doubt is small beside


@dataclass(frozen=True, slots=True)
class Truth:
    """A wait by the clients' own clock: asked for, known to wait, let go by its holder, answered. In ns."""

    asked: int
    waits: int
    released: int
    answered: int

    def is_told_by(self, wait: LockWaited) -> bool:
        """Say whether a wait begins and ends where it must have, within the doubt that it states of itself."""
        doubt = wait.doubt_ns
        return (
            self.asked - doubt <= wait.at_ns <= self.waits + doubt
            and self.released - doubt <= wait.ended_ns <= self.answered + doubt
            and doubt < _HELD_NS
        )


def a_queue_behind_a_waiting_change_is_told(subject: Subject, server: Server) -> None:
    """See a reader hold a table, a change wait for the reader, and a query wait for the change."""
    with (
        _watched(subject, server) as (database, journal),
        _beside() as beside,
        subject.open(database, Role.APPLICATION) as reader,
    ):
        holder = _number(subject, reader)
        run(reader, "begin")
        run(reader, "select n from held where id = 1")
        change = beside(subject, database, Role.MIGRATION, "alter table held add column more int", 1)
        query = beside(subject, database, Role.APPLICATION, "select n from held where id = 2", 2)
        _last(_HELD_NS)
        released = time.monotonic_ns()
        run(reader, "rollback")
        changed, queried = change(released), query(released)
    waits = [one for one in journal.events if isinstance(one, LockWaited) and one.table == "held"]
    (of_change,) = (one for one in waits if one.role == "migration")
    (of_query,) = (one for one in waits if one.role == "application")
    assert holder in of_change.blocked_by
    assert not of_change.blocked_by_migration
    assert of_query.blocked_by_migration
    assert changed.is_told_by(of_change), f"{of_change} is not {changed}"
    assert queried.is_told_by(of_query), f"{of_query} is not {queried}"


def a_wait_for_a_row_of_the_change_is_told(subject: Subject, server: Server) -> None:
    """See a change hold a row, and a call wait for it."""
    with (
        _watched(subject, server) as (database, journal),
        _beside() as beside,
        subject.open(database, Role.MIGRATION) as holder,
    ):
        number = _number(subject, holder)
        run(holder, "begin")
        run(holder, "update held set n = 1 where id = 1")
        call = beside(subject, database, Role.APPLICATION, "update held set n = 2 where id = 1", 1)
        _last(_HELD_NS)
        released = time.monotonic_ns()
        run(holder, "rollback")
        called = call(released)
    (wait,) = (one for one in journal.events if isinstance(one, LockWaited))
    assert (wait.role, wait.blocked_by, wait.blocked_by_migration) == ("application", (number,), True)
    assert called.is_told_by(wait), f"{wait} is not {called}"


def a_table_that_nobody_closes_is_told_of_nobody(subject: Subject, server: Server) -> None:
    """See that readers and writers who do not hinder each other wait for nobody."""
    with (
        _watched(subject, server) as (database, journal),
        subject.open(database, Role.APPLICATION) as one,
        subject.open(database, Role.MIGRATION) as other,
    ):
        run(one, "begin")
        run(other, "begin")
        run(one, "update held set n = 1 where id = 1")
        run(other, "update held set n = 1 where id = 2")
        _last(_HELD_NS // 4)
    assert not [one for one in journal.events if isinstance(one, LockWaited)]


PROMISES = (
    a_queue_behind_a_waiting_change_is_told,
    a_wait_for_a_row_of_the_change_is_told,
    a_table_that_nobody_closes_is_told_of_nobody,
)

Beside = Callable[[Subject, Database, Role, str, int], Callable[[int], Truth]]
"""Runs a statement beside us, returns once so many sessions wait, and then what tells of its wait when it is over."""


@contextmanager
def _watched(subject: Subject, server: Server) -> Iterator[tuple[Database, Kept]]:
    """Watch a database with a table `held` while the block runs; the journal is whole afterwards."""
    with fresh(server, "locks") as database:
        if not isinstance(database, Watchable):
            raise SkipTest("a database of this engine cannot be watched")
        subject.ask(
            database.url(Role.MIGRATION),
            "create table held (id int primary key, n int)",
            "insert into held values (1, 0), (2, 0), (3, 0)",
        )
        database.grant()
        journal = Kept()
        watch = database.watch(journal)
        with watching(watch.probes, journal):
            yield database, journal
        watch.finish(watch.statements())


@contextmanager
def _beside() -> Iterator[Beside]:
    with ThreadPoolExecutor(2) as threads:

        def beside(
            subject: Subject, database: Database, role: Role, statement: str, count: int
        ) -> Callable[[int], Truth]:
            asked: Future[tuple[int, int]] = threads.submit(_timed, subject, database.url(role), statement)
            owner = database.url(Role.OWNER)
            await_that(lambda: int(subject.ask(owner, subject.words.waiting)[0][0]) == count, f"{statement} waits")
            waits = time.monotonic_ns()
            return lambda released: _truth(asked, waits, released)

        yield beside


def _truth(asked: Future[tuple[int, int]], waits: int, released: int) -> Truth:
    began, ended = asked.result()
    return Truth(began, waits, released, ended)


def _timed(subject: Subject, url: str, statement: str) -> tuple[int, int]:
    began = time.monotonic_ns()
    subject.ask(url, statement)
    return began, time.monotonic_ns()


def _number(subject: Subject, connection: Connection) -> int:
    return int(run(connection, subject.words.session)[0][0])


def _last(wanted_ns: int) -> None:
    """Let a wait last: what is measured is its length."""
    time.sleep(wanted_ns / 1e9)
