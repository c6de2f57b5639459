"""A watch on a real server: queues behind a waiting migration, foreign tools, lost connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.locks import PostgresWatch
from rehearse.events import LockTaken, LockWaited, PhaseRan, Remarked, Sampled, StatementRan
from rehearse.measures.outage import outages
from rehearse.protocols import Role
from rehearse.rehearsal.watching import watching
from rehearse.testing.recordings import recorded
from tests.engines.truth import Kept

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(database: PostgresDatabase) -> PostgresDatabase:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute("CREATE TABLE orders (id bigint PRIMARY KEY, status text)")
        connection.execute("INSERT INTO orders SELECT n, 'new' FROM generate_series(1, 1000) n")
        connection.execute("CREATE TABLE events (at int NOT NULL, note text) PARTITION BY RANGE (at)")
        connection.execute("CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10)")
    database.grant()
    return database


@contextmanager
def watched(database: PostgresDatabase) -> Iterator[tuple[PostgresWatch, Kept]]:
    """Watch while the block runs; statements and locks are in the journal afterwards."""
    journal = Kept()
    watch = database.watch(journal)
    with watching(watch.probes, journal):
        yield watch, journal
    ran = watch.statements()
    watch.finish(ran)
    journal.events += ran


def migrate(database: PostgresDatabase, *statements: str) -> None:
    with psycopg.connect(database.url(Role.MIGRATION), autocommit=True) as connection:
        for sql in statements:
            connection.execute(sql)


def waits_until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def waiting(database: PostgresDatabase, count: int) -> Callable[[], bool]:
    def are_waiting() -> bool:
        with database.connect() as connection:
            row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
        return row is not None and row[0] >= count

    return are_waiting


def of(journal: Kept, kind: type) -> list:
    return [one for one in journal.events if isinstance(one, kind)]


def read_orders(database: PostgresDatabase) -> None:
    with database.connect(Role.APPLICATION) as connection:
        connection.execute("SELECT count(*) FROM orders").fetchone()


def test_whoever_queues_behind_a_migration_that_waits_for_a_reader_is_seen(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal):
        began = time.monotonic_ns()
        with shop.connect(Role.APPLICATION, autocommit=False) as reader:
            reader.execute("SELECT 1 FROM orders LIMIT 1")
            migration = threading.Thread(target=migrate, args=(shop, "ALTER TABLE orders ADD COLUMN note text"))
            migration.start()
            waits_until(waiting(shop, 1))
            queue = [threading.Thread(target=read_orders, args=(shop,)) for _ in range(3)]
            for one in queue:
                one.start()
            waits_until(waiting(shop, 4))
            time.sleep(0.1)  # so that the wait has a length
            released = time.monotonic_ns()
        for one in (migration, *queue):
            one.join()
        ended = time.monotonic_ns()

    waits = of(journal, LockWaited)
    behind = [one for one in waits if one.role == "application"]
    assert len(behind) == 3
    assert all(one.blocked_by_migration and one.table == "orders" for one in behind)
    (ahead,) = [one for one in waits if one.role == "migration"]
    assert len(ahead.blocked_by) == 1
    (lock,) = [one for one in of(journal, LockTaken) if one.mode == "AccessExclusiveLock"]
    assert lock.granted_ns == pytest.approx(released, abs=15e6)
    assert lock.granted_ns - lock.at_ns == pytest.approx(ahead.ended_ns - ahead.at_ns, abs=10e6)
    phase = PhaseRan(at_ns=began, name="forward", acted_ns=began, finished_ns=ended, ended_ns=ended)
    (reads, _) = outages(recorded([lock, phase]), "forward")
    assert reads.longest_ns == pytest.approx(released - ahead.at_ns, abs=20e6)


def test_foreign_statements_have_wal_rewrites_and_errors(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal), pytest.raises(psycopg.errors.UndefinedTable):
        migrate(
            shop,
            "ALTER TABLE orders ALTER COLUMN id TYPE numeric, ALTER COLUMN status SET DEFAULT 'x'",
            "SELECT pg_sleep(0.02)",
            "ALTER TABLE missing ADD COLUMN x int",
        )

    first, second, third = of(journal, StatementRan)
    assert first.sql.startswith("ALTER TABLE orders ALTER")
    assert first.wal_bytes > 10_000
    assert third.code == "42P01"
    assert second.ended_ns - second.at_ns == pytest.approx(20e6, abs=15e6)


def test_a_rewrite_in_a_transaction_is_told_of_the_longest_statement_on_the_table(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal):
        migrate(
            shop,
            "BEGIN",
            "ALTER TABLE orders ADD COLUMN note text",
            "ALTER TABLE orders ALTER COLUMN id TYPE numeric",
            "SELECT pg_sleep(0.03)",
            "COMMIT",
        )
        time.sleep(0.05)  # a look after the end

    assert [one.rewrites for one in of(journal, StatementRan)] == [(), (), ("orders",), (), ()]


def test_our_own_tool_is_told_of_rewrites_inside_its_transaction(shop: PostgresDatabase) -> None:
    watch = shop.watch(Kept())
    with psycopg.connect(shop.url(Role.MIGRATION), autocommit=True) as connection:

        def ask(sql: str) -> list[tuple[str | None, ...]]:
            return [tuple(map(str, row)) for row in connection.execute(sql)]

        effects = [watch.onlooker.between(connection.info.backend_pid, 0, ask)]
        for n, sql in enumerate(
            (
                "BEGIN",
                "ALTER TABLE orders ADD COLUMN note text",
                "ALTER TABLE orders ALTER COLUMN id TYPE numeric",
                "ROLLBACK",
                "ALTER TABLE orders ALTER COLUMN id TYPE numeric",
                "TRUNCATE events_1",
            ),
            1,
        ):
            connection.execute(sql)
            effects.append(watch.onlooker.between(connection.info.backend_pid, n, ask))
    for probe in watch.probes:
        list(probe.close())
    watch.finish([])

    assert [one.rewrites for one in effects] == [None, (), (), ("orders",), (), ("orders",), ("events_1",)]
    assert effects[3].wal_bytes > 10_000


def test_a_lock_on_a_partition_closes_its_table(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal):
        migrate(shop, "BEGIN", "LOCK TABLE events_1", "SELECT pg_sleep(0.03)", "COMMIT")

    (lock,) = of(journal, LockTaken)
    assert (lock.table, lock.index, lock.stops) == ("events", "events_1", ("reads", "writes"))


def test_a_renamed_table_has_the_name_that_the_application_knew(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal):
        migrate(shop, "BEGIN", "ALTER TABLE orders RENAME TO sales", "SELECT pg_sleep(0.03)", "COMMIT")
        time.sleep(0.05)
        migrate(shop, "BEGIN", "LOCK TABLE sales", "SELECT pg_sleep(0.03)", "COMMIT")

    assert [one.table for one in of(journal, LockTaken) if one.stops] == ["orders", "sales"]


def test_a_table_made_in_the_transaction_is_left_out(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal):
        migrate(shop, "BEGIN", "CREATE TABLE refunds (id int PRIMARY KEY)", "SELECT pg_sleep(0.03)", "COMMIT")

    assert of(journal, LockTaken) == []


def test_a_lock_timeout_leaves_an_outage_that_was_only_a_queue(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal), shop.connect(Role.APPLICATION, autocommit=False) as reader:
        reader.execute("SELECT 1 FROM orders LIMIT 1")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrate(shop, "SET lock_timeout = '100ms'", "ALTER TABLE orders ADD COLUMN note text")

    (lock,) = [one for one in of(journal, LockTaken) if one.mode == "AccessExclusiveLock"]
    assert lock.granted_ns is None
    assert lock.released_ns - lock.at_ns == pytest.approx(100e6, abs=15e6)
    (failed,) = [one for one in of(journal, StatementRan) if one.code]
    assert (failed.code, lock.statement) == ("55P03", failed.n)
    assert failed.ended_ns - failed.at_ns == pytest.approx(100e6, abs=15e6)


def test_a_lost_connection_is_a_gap_that_is_told_and_mended(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal):
        waits_until(lambda: bool(of(journal, Sampled)))
        with shop.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'rehearse_observer%'"
            )
        waits_until(lambda: any(one.weakens for one in of(journal, Remarked)))
        migrate(shop, "BEGIN", "LOCK TABLE orders", "SELECT pg_sleep(0.03)", "COMMIT")

    gaps = [one for one in of(journal, Remarked) if one.source == "locks" and one.weakens]
    assert len(gaps) == 1
    assert gaps[0].says.startswith("gap: locks were not looked at for")
    assert len(of(journal, LockTaken)) == 1


def test_an_observer_never_waits_for_the_migration(shop: PostgresDatabase) -> None:
    with watched(shop) as (_, journal):
        migrate(
            shop,
            "BEGIN",
            "LOCK TABLE orders, events IN ACCESS EXCLUSIVE MODE",
            "ALTER TABLE orders RENAME TO sales",
            "DROP TABLE events",
            "CREATE INDEX ON sales (status)",
            "SELECT pg_sleep(0.2)",
            "COMMIT",
        )

    looks = [one.value for one in of(journal, Sampled) if one.name == "look"]
    assert looks
    assert max(looks) < 50e6
    assert not [one for one in of(journal, Remarked) if one.weakens]


def test_without_a_log_the_statements_are_those_that_looks_saw(shop: PostgresDatabase) -> None:
    with watched(shop) as (watch, journal):
        watch._log = None
        migrate(shop, "BEGIN", "LOCK TABLE orders", "SELECT pg_sleep(0.05)", "COMMIT")

    ran = of(journal, StatementRan)
    (sleep,) = [one for one in ran if "pg_sleep" in one.sql]
    assert sleep.ended_ns - sleep.at_ns == pytest.approx(50e6, abs=15e6)
    (lock,) = of(journal, LockTaken)
    assert lock.released_ns - lock.granted_ns == pytest.approx(50e6, abs=20e6)
    assert any(one.source == "statements" for one in of(journal, Remarked))
