"""Lock situations of known making: which modes, by which statement, from when to when.

The truth of the times is the client's: a lock was granted between when its statement was sent and when it was answered,
and released between when its transaction's last statement was sent and when that was answered. What is said may lie
outside of that by 2 ms.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import Missing
from rehearse.events import LockTaken, LockWaited, Progressed, Remarked, SessionSeen, StatementRan
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from tests.conftest import KeepingJournal
from tests.engines.test_watch import migrate, of, waiting, waits_until, watched

pytestmark = pytest.mark.slow

SCHEMA = """
CREATE TABLE orders (id bigint PRIMARY KEY, status text, total int);
CREATE TABLE items (id bigint PRIMARY KEY, order_id bigint, n int);
CREATE TABLE notes (id bigint PRIMARY KEY, item_id bigint REFERENCES items);
CREATE INDEX items_n ON items (n);
INSERT INTO orders SELECT g, 'new', g FROM generate_series(1, 1000) g;
INSERT INTO items SELECT g, 1 + g % 1000, g FROM generate_series(1, 1000) g;
CREATE TABLE events (at int NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
CREATE TABLE events_2 (at int NOT NULL, note text, CHECK (at >= 10 AND at < 20));
CREATE MATERIALIZED VIEW totals AS SELECT status, sum(total) FROM orders GROUP BY status;
CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
ALTER TABLE items ADD CONSTRAINT items_order FOREIGN KEY (order_id) REFERENCES orders NOT VALID;
"""
HOLD_S = 0.12
SLEEP = f"SELECT pg_sleep({HOLD_S})"
NEAR_NS = 2_000_000
ACCESS_EXCLUSIVE, EXCLUSIVE, SHARE_ROW = "AccessExclusiveLock", "ExclusiveLock", "ShareRowExclusiveLock"
SHARE, SHARE_UPDATE, ROW_EXCLUSIVE = "ShareLock", "ShareUpdateExclusiveLock", "RowExclusiveLock"


TABLES = {"orders", "items", "notes", "events", "events_1", "events_2", "totals"}
DROPPED = {  # which the transaction itself no longer sees
    "drop with cascade": {("orders", ACCESS_EXCLUSIVE), ("totals", ACCESS_EXCLUSIVE)},
}
STOPPING = {ACCESS_EXCLUSIVE, EXCLUSIVE, SHARE_ROW, SHARE}
MINE = """
SELECT relation::regclass::text, mode
FROM pg_locks JOIN pg_class c ON c.oid = relation
WHERE pid = pg_backend_pid() AND granted AND relkind IN ('r', 'p', 'm') AND relnamespace = 'public'::regnamespace
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that must be found: the statement that asked for it (from 1), and for how long it is held."""

    table: str
    mode: str
    statement: int
    until: int = -1  # the place, from 0, of the statement that ends it


def within(*statements: str) -> tuple[str, ...]:
    """Return a transaction that does something and then sleeps."""
    return ("BEGIN", *statements, SLEEP, "ROLLBACK")


SITUATIONS: dict[str, tuple[tuple[str, ...], tuple[Held, ...]]] = {
    "a column": (within("ALTER TABLE orders ADD COLUMN note text"), (Held("orders", ACCESS_EXCLUSIVE, 2),)),
    "a default": (within("ALTER TABLE orders ALTER status SET DEFAULT 'x'"), (Held("orders", ACCESS_EXCLUSIVE, 2),)),
    "a rename": (within("ALTER TABLE orders RENAME COLUMN status TO state"), (Held("orders", ACCESS_EXCLUSIVE, 2),)),
    "a type": (within("ALTER TABLE items ALTER n TYPE bigint"), (Held("items", ACCESS_EXCLUSIVE, 2),)),
    "a check": (within("ALTER TABLE orders ADD CHECK (total > 0) NOT VALID"), (Held("orders", ACCESS_EXCLUSIVE, 2),)),
    "a foreign key closes both tables to writes": (
        within("ALTER TABLE notes ADD FOREIGN KEY (id) REFERENCES orders NOT VALID"),
        (Held("notes", SHARE_ROW, 2), Held("orders", SHARE_ROW, 2)),
    ),
    "a foreign key is validated": (
        within("ALTER TABLE items VALIDATE CONSTRAINT items_order"), (Held("items", SHARE_UPDATE, 2),)
    ),
    "an index": (within("CREATE INDEX ON orders (total)"), (Held("orders", SHARE, 2),)),
    "an index goes": (within("DROP INDEX items_n"), (Held("items", ACCESS_EXCLUSIVE, 2),)),
    "a trigger": (
        within("CREATE TRIGGER quiet BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION quiet()"),
        (Held("orders", SHARE_ROW, 2),),
    ),
    "a policy": (within("CREATE POLICY all_of_them ON orders"), (Held("orders", ACCESS_EXCLUSIVE, 2),)),
    "a comment": (within("COMMENT ON TABLE orders IS 'x'"), (Held("orders", SHARE_UPDATE, 2),)),
    "a statistics target": (
        within("ALTER TABLE orders ALTER status SET STATISTICS 500"), (Held("orders", SHARE_UPDATE, 2),)
    ),
    "truncate": (within("TRUNCATE notes"), (Held("notes", ACCESS_EXCLUSIVE, 2),)),
    "drop with cascade": (
        within("DROP TABLE orders CASCADE"),
        (Held("orders", ACCESS_EXCLUSIVE, 2), Held("items", ACCESS_EXCLUSIVE, 2)),
    ),
    "a partition goes": (
        within("ALTER TABLE events DETACH PARTITION events_1"), (Held("events", ACCESS_EXCLUSIVE, 2),)
    ),
    "a partition comes": (
        within("ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM (10) TO (20)"),
        (Held("events_2", ACCESS_EXCLUSIVE, 2), Held("events", SHARE_UPDATE, 2)),
    ),
    "a materialized view": (within("REFRESH MATERIALIZED VIEW totals"), (Held("totals", ACCESS_EXCLUSIVE, 2),)),
    "each statement its own": (
        within("ALTER TABLE orders ADD COLUMN note text", SLEEP, "LOCK TABLE items IN EXCLUSIVE MODE"),
        (Held("orders", ACCESS_EXCLUSIVE, 2), Held("items", EXCLUSIVE, 4)),
    ),
    "one lock after a weaker one": (
        within("LOCK TABLE orders IN SHARE MODE", SLEEP, "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"),
        (Held("orders", SHARE, 2), Held("orders", ACCESS_EXCLUSIVE, 4)),
    ),
    "in a DO block": (
        (f"DO $$ BEGIN LOCK TABLE orders IN SHARE MODE; PERFORM pg_sleep({HOLD_S}); END $$",),
        (Held("orders", SHARE, 1),),
    ),
    "in one message": (
        (f"BEGIN; LOCK TABLE orders IN EXCLUSIVE MODE; {SLEEP}; COMMIT",), (Held("orders", EXCLUSIVE, 1),)
    ),
    "taken back to a savepoint": (
        ("BEGIN", "SAVEPOINT s", "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", SLEEP, "ROLLBACK TO s", SLEEP, "COMMIT"),
        (Held("orders", ACCESS_EXCLUSIVE, 3, until=4),),
    ),
    "kept beyond a savepoint": (
        ("BEGIN", "SAVEPOINT s", "LOCK TABLE orders IN EXCLUSIVE MODE", SLEEP, "RELEASE s", SLEEP, "COMMIT"),
        (Held("orders", EXCLUSIVE, 3),),
    ),
    "an update holds its table weakly": (
        within("UPDATE orders SET total = total + 1 WHERE id < 10"), (Held("orders", ROW_EXCLUSIVE, 2),)
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=["embedded", "binary"])
def started(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """The embedded server, and one of those that are installed here."""
    try:
        with ENGINE.start(EngineChoice(via=request.param), KeepingJournal()) as server:
            yield server
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def shop(started: PostgresServer) -> Iterator[PostgresDatabase]:
    database = started.create("situation")
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(SCHEMA)
    database.grant()
    yield database
    database.drop()


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_lock_of_known_making_is_found_with_its_statement_and_its_time(shop: PostgresDatabase, name: str) -> None:
    statements, expected = SITUATIONS[name]
    with watched(shop) as (_, journal):
        times = timed(shop, *statements)
    ran = {one.n: one for one in of(journal, StatementRan)}
    assert [one.sql for one in ran.values()] == list(statements)
    found = {(one.table, one.mode): one for one in of(journal, LockTaken) if one.index is None}
    for held in expected:
        lock = found[held.table, held.mode]
        assert lock.statement == held.statement
        assert beyond(lock.granted_ns, times[held.statement - 1]) <= NEAR_NS
        assert beyond(lock.released_ns, times[held.until]) <= NEAR_NS
    if statements[-2:] == (SLEEP, "ROLLBACK"):
        closing = {(one.index or one.table, one.mode) for one in of(journal, LockTaken) if one.stops}
        there = truth(shop, statements[:-2])
        assert there <= closing
        assert {at for at in closing - there if at[0] in TABLES} <= DROPPED.get(name, set())


def timed(shop: PostgresDatabase, *statements: str) -> list[tuple[int, int]]:
    """Run statements as the migration; return when each was sent and answered."""
    times = []
    with psycopg.connect(shop.url(Role.MIGRATION), autocommit=True) as connection:
        for sql in statements:
            sent = time.monotonic_ns()
            connection.execute(sql.encode())
            times.append((sent, time.monotonic_ns()))
    return times


def beyond(at_ns: int | None, bounds: tuple[int, int]) -> int:
    """Return how far a moment lies outside of two others."""
    assert at_ns is not None
    return max(bounds[0] - at_ns, at_ns - bounds[1], 0)


def truth(shop: PostgresDatabase, statements: Sequence[str]) -> set[tuple[str, str]]:
    """Return what pg_locks shows the transaction itself of its locks that stop calls."""
    with psycopg.connect(shop.url(Role.MIGRATION), autocommit=True) as connection:
        for sql in statements:
            connection.execute(sql.encode())
        return {(table, mode) for table, mode in connection.execute(MINE) if mode in STOPPING}


@contextmanager
def other(shop: PostgresDatabase, *statements: str) -> Iterator[psycopg.Connection]:
    """A session of the application in the middle of a transaction."""
    with shop.connect(Role.APPLICATION, autocommit=False) as connection:
        for sql in statements:
            connection.execute(sql.encode())
        yield connection


def test_create_index_concurrently_waits_for_an_old_snapshot_and_closes_nothing(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal):
        with other(shop, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1 FROM items LIMIT 1"):
            builder = threading.Thread(target=migrate, args=(shop, "CREATE INDEX CONCURRENTLY made ON orders (total)"))
            builder.start()
            waits_until(waiting(shop, 1))
            time.sleep(HOLD_S)
        builder.join()
    locks = [one for one in of(journal, LockTaken) if (one.table, one.mode) == ("orders", SHARE_UPDATE)]
    assert all(one.stops == () for one in locks)
    assert max(one.released_ns - one.granted_ns for one in locks) >= (HOLD_S - 0.02) * 1e9
    assert not [one for one in of(journal, LockTaken) if one.stops and one.table == "orders"]


def test_two_tools_at_once_have_each_their_locks(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal):
        tools = [
            threading.Thread(target=migrate, args=(shop, *within(f"LOCK TABLE {table} IN EXCLUSIVE MODE")))
            for table in ("orders", "items")
        ]
        for one in tools:
            one.start()
        for one in tools:
            one.join()
    ran = {one.n: one for one in of(journal, StatementRan)}
    locks = {one.table: one for one in of(journal, LockTaken) if one.mode == EXCLUSIVE}
    assert set(locks) == {"orders", "items"}
    for table, lock in locks.items():
        assert table in ran[lock.statement].sql
        assert ran[lock.statement].session == lock.session


def test_a_statement_that_fails_gives_back_what_its_transaction_held(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal), pytest.raises(psycopg.errors.UndefinedColumn):
        migrate(shop, "BEGIN", "LOCK TABLE orders IN EXCLUSIVE MODE", SLEEP, "ALTER TABLE orders DROP COLUMN missing")
    (lock,) = [one for one in of(journal, LockTaken) if one.mode == EXCLUSIVE]
    assert (lock.released_ns - lock.granted_ns) / 1e9 == pytest.approx(HOLD_S, abs=0.06)


def test_a_lock_that_is_given_up_was_asked_for_all_the_same(shop: PostgresDatabase) -> None:
    refused = pytest.raises(psycopg.errors.LockNotAvailable)
    with watched(shop) as (_, journal), other(shop, "SELECT 1 FROM orders LIMIT 1"), refused:
        migrate(shop, "SET lock_timeout = '120ms'", "ALTER TABLE orders ADD COLUMN note text")
    (lock,) = [one for one in of(journal, LockTaken) if (one.table, one.mode) == ("orders", ACCESS_EXCLUSIVE)]
    assert lock.granted_ns is None
    assert (lock.released_ns - lock.at_ns) / 1e9 == pytest.approx(0.12, abs=0.06)
    assert lock.statement == 2


def test_detaching_concurrently_waits_for_readers_of_the_table_and_closes_nothing_meanwhile(
    shop: PostgresDatabase,
) -> None:
    with watched(shop) as (_, journal):
        with other(shop, "SELECT 1 FROM events LIMIT 1"):
            statement = "ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY"
            detaching = threading.Thread(target=migrate, args=(shop, statement))
            detaching.start()
            waits_until(waiting(shop, 1))
            time.sleep(HOLD_S)
            released = time.monotonic_ns()
        detaching.join()
    (waited,) = [one for one in of(journal, LockWaited) if one.role == "migration" and one.on == "transaction"] or [
        one for one in of(journal, LockWaited) if one.role == "migration" and one.on == "old snapshot"
    ]
    assert waited.ended_ns == pytest.approx(released, abs=20e6)
    before = [one for one in of(journal, LockTaken) if one.stops and one.granted_ns < released - NEAR_NS]
    assert {one.table for one in before} <= {"events_1"}


def test_an_advisory_lock_is_waited_for_by_its_number(shop: PostgresDatabase) -> None:
    key = 5_000_000_017
    with watched(shop) as (_, journal):
        with other(shop, f"SELECT pg_advisory_xact_lock({key})"):
            taking = threading.Thread(target=migrate, args=(shop, f"SELECT pg_advisory_lock({key})"))
            taking.start()
            waits_until(waiting(shop, 1))
            time.sleep(HOLD_S)
        taking.join()
    (waited,) = [one for one in of(journal, LockWaited) if one.role == "migration"]
    assert (waited.on, waited.table) == (f"advisory lock {key}", None)
    assert waited.ended_ns - waited.at_ns >= (HOLD_S - 0.02) * 1e9


def test_rows_that_a_call_has_changed_are_waited_for_and_it_is_told_what_the_session_is_at(
    shop: PostgresDatabase,
) -> None:
    with watched(shop) as (_, journal):
        with other(shop, "UPDATE orders SET total = 0 WHERE id = 7"):
            updating = threading.Thread(target=migrate, args=(shop, "UPDATE orders SET status = 'x'"))
            updating.start()
            waits_until(waiting(shop, 1))
            time.sleep(HOLD_S)
        updating.join()
    (waited,) = [one for one in of(journal, LockWaited) if one.role == "migration"]
    assert waited.on == "transaction"
    (seen,) = of(journal, SessionSeen)
    assert (seen.session, seen.role, seen.kind) == (waited.blocked_by[0], "application", "client backend")
    assert seen.state == "idle in transaction"
    assert seen.query == "UPDATE orders SET total = ? WHERE id = ?"
    assert seen.since_ns <= waited.at_ns


def test_a_vacuum_that_runs_by_itself_is_waited_for_and_then_cancelled(shop: PostgresDatabase) -> None:
    slowly = "autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_threshold = 10"
    with shop.connect() as connection:
        connection.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"ALTER TABLE items SET ({slowly})".encode())
        connection.execute("UPDATE items SET n = n + 1")
    with watched(shop) as (_, journal):
        waits_until(vacuumed(shop), 30)
        migrate(shop, "ALTER TABLE items ADD COLUMN note text")
    with shop.connect() as connection:
        connection.execute("ALTER SYSTEM RESET autovacuum_naptime")
        connection.execute("SELECT pg_reload_conf()")
    (waited,) = [one for one in of(journal, LockWaited) if one.role == "migration" and one.table == "items"]
    assert waited.ended_ns - waited.at_ns >= 0.9e9, "the server cancels it after deadlock_timeout, which is 1 s"
    (seen,) = [one for one in of(journal, SessionSeen) if one.session in waited.blocked_by]
    assert seen.kind == "autovacuum worker"
    assert "items" in (seen.query or "")
    assert [one.table for one in of(journal, Progressed) if one.command == "VACUUM"][-1] == "items"
    (said,) = [one.says for one in of(journal, Remarked) if one.source == "vacuum"]
    assert "items" in said


def vacuumed(shop: PostgresDatabase) -> Callable[[], bool]:
    def is_vacuumed() -> bool:
        with shop.connect() as connection:
            found = connection.execute("SELECT relid::regclass::text FROM pg_stat_progress_vacuum").fetchall()
        return ("items",) in found

    return is_vacuumed
