"""What is said of locks against what the server did: kernel probes to the microsecond, or a backend that is stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
import pytest

from rehearse.engines.postgres import binaries
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import LockTaken, LockWaited, StatementRan
from rehearse.protocols import Role
from tests.engines.oracle import NoOracle, Oracle, Truth, oracle
from tests.engines.test_lock_situations import SCHEMA, SITUATIONS
from tests.engines.test_watch import migrate, of, waiting, waits_until, watched
from tests.engines.truth import Kept

pytestmark = pytest.mark.slow

NEAR_MS = 2.0


@pytest.fixture
def shop(database: PostgresDatabase) -> PostgresDatabase:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(SCHEMA)
    database.grant()
    return database


@pytest.fixture
def probes() -> Iterator[Oracle]:
    """Kernel probes on the embedded server's program."""
    try:
        with oracle(binaries.embedded(None).program("postgres").resolve()) as asked:
            yield asked
    except NoOracle as reason:
        pytest.skip(str(reason))


@dataclass(frozen=True, slots=True)
class Error:
    """How far what is said of one lock lies outside of what was, in ms, and its own doubt."""

    lock: str
    granted: float
    released: float
    doubt: float


def errors(shop: PostgresDatabase, journal: Kept, truths: Sequence[Truth]) -> tuple[list[Error], list[str]]:
    """Return the errors of the migration's locks that stop calls, and those that were not seen at all."""
    names = relations(shop)
    taken = {(one.session, one.index or one.table, one.mode): one for one in of(journal, LockTaken)}
    found, missed = [], []
    sessions = {one.session for one in of(journal, StatementRan)}
    first: dict[tuple[int, str, str], Truth] = {}
    for one in truths:
        if one.session in sessions and one.relation in names:
            first.setdefault((one.session, names[one.relation], one.mode), one)
    for key, truth in first.items():
        lock = taken.get(key)
        if lock is None or lock.granted_ns is None or lock.released_ns is None or truth.release_began_ns is None:
            missed += [f"{key[1]} {key[2]}"] if key[2] in ("AccessExclusiveLock", "ShareRowExclusiveLock") else []
            continue
        ended = beyond(lock.released_ns, truth.release_began_ns, truth.release_ended_ns or truth.release_began_ns)
        grant = beyond(lock.granted_ns, truth.asked_ns, truth.granted_ns)
        found.append(Error(f"{key[1]} {key[2]}", grant, ended, lock.doubt_ns / 1e6))
    return found, missed


def relations(shop: PostgresDatabase) -> dict[int, str]:
    """Return the tables by their oid; those that a test dropped are no longer there."""
    with shop.connect() as connection:
        rows = connection.execute("SELECT oid, relname FROM pg_class WHERE relkind IN ('r', 'p', 'm') AND oid >= 16384")
        return dict(rows.fetchall())


def beyond(at_ns: int, low_ns: int, high_ns: int) -> float:
    return max(low_ns - at_ns, at_ns - high_ns, 0) / 1e6


@pytest.mark.parametrize("name", [name for name in SITUATIONS if "DROP TABLE" not in " ".join(SITUATIONS[name][0])])
def test_locks_are_granted_and_released_when_the_server_says(shop: PostgresDatabase, probes: Oracle, name: str) -> None:
    with watched(shop) as (_, journal):
        migrate(shop, *SITUATIONS[name][0])
    found, missed = errors(shop, journal, probes.truths())
    stopping = [one for one in found if one.lock.split()[1] in ("AccessExclusiveLock", "ShareRowExclusiveLock")]
    assert not missed
    for one in stopping or found:
        assert one.granted <= max(NEAR_MS, one.doubt), one
        assert one.released <= NEAR_MS or one.released <= one.doubt, one


def test_waits_of_the_application_are_those_of_the_server(shop: PostgresDatabase, probes: Oracle) -> None:
    def read() -> None:
        with shop.connect(Role.APPLICATION) as connection:
            connection.execute("SELECT count(*) FROM orders").fetchone()

    with watched(shop) as (_, journal):
        with psycopg.connect(shop.url(Role.MIGRATION)) as tool:
            tool.execute("LOCK TABLE orders")
            readers = [threading.Thread(target=read) for _ in range(6)]
            for one in readers:
                one.start()
            waits_until(waiting(shop, 6))
            time.sleep(0.1)
        for one in readers:
            one.join()
    truths = {
        one.session: one
        for one in probes.truths()
        if one.mode == "AccessShareLock" and one.granted_ns - one.asked_ns > 50_000_000
    }
    waits = {one.session: one for one in of(journal, LockWaited) if one.role == "application"}
    assert len(truths) == 6
    assert waits.keys() == truths.keys()
    for session, wait in waits.items():
        assert abs(wait.at_ns - truths[session].asked_ns) / 1e6 <= NEAR_MS
        assert beyond(wait.ended_ns, truths[session].granted_ns, truths[session].granted_ns) <= max(
            NEAR_MS, wait.doubt_ns / 1e6
        )


def test_a_backend_that_is_stopped_holds_its_lock_until_it_goes_on(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal), psycopg.connect(shop.url(Role.MIGRATION)) as tool:
        tool.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        granted = time.monotonic_ns()
        try:
            os.kill(tool.info.backend_pid, signal.SIGSTOP)
        except PermissionError:
            pytest.skip("another user's backend cannot be stopped")
        committing = threading.Thread(target=tool.commit)
        committing.start()
        time.sleep(0.25)
        went_on = time.monotonic_ns()
        os.kill(tool.info.backend_pid, signal.SIGCONT)
        committing.join()
        done = time.monotonic_ns()
    (lock,) = [one for one in of(journal, LockTaken) if one.mode == "ExclusiveLock"]
    assert lock.granted_ns is not None and lock.released_ns is not None
    assert lock.granted_ns <= granted + NEAR_MS * 1e6
    assert beyond(lock.released_ns, went_on, done) <= NEAR_MS
