"""Locks of known making: what a writer and a reader felt, and what the watch says of it.

The truth of the times is the clients' own: a table was closed to a kind of call while the longest of them waited. What
is said may lie outside of that by 10 ms, and by as long as a thread that slept for 1 ms was woken late. Each situation
may be tried three times: where this machine keeps a client or a server from running, nobody's times are true.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread

import pymysql
import pytest

from rehearse.engines.mysql.client import execute, opened, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.events import E, LockTaken, LockWaited, SessionSeen, StatementRan
from rehearse.protocols import Role
from rehearse.rehearsal.watching import watching
from tests.conftest import KeepingJournal

pytestmark = pytest.mark.slow

NEAR_NS, SLEPT_NS = 10_000_000, 1_000_000
ROWS = 60_000
READ, WRITE = "SELECT note FROM orders WHERE id = 5", "UPDATE orders SET n = n + 1 WHERE id = 7"
COPY = "ALTER TABLE orders MODIFY n bigint, ALGORITHM=COPY"
INDEX = "ALTER TABLE orders ADD INDEX by_note (note), ALGORITHM=INPLACE, LOCK=NONE"
INSTANT = "ALTER TABLE orders ADD COLUMN more int"


def fill(shop: MysqlDatabase) -> None:
    with shop.connect(Role.MIGRATION) as connection:
        execute(connection, "CREATE TABLE orders (id int PRIMARY KEY, note varchar(40), n int)")
        execute(connection, "CREATE TABLE digits (d int)")
        execute(connection, "INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)")
        crossed = "digits a, digits b, digits c, digits d, digits e"
        number = "a.d * 10000 + b.d * 1000 + c.d * 100 + d.d * 10 + e.d"
        execute(connection, f"INSERT INTO orders SELECT {number}, 'note', 1 FROM {crossed} WHERE {number} < {ROWS}")


@dataclass
class Client:
    """A session of the application that sends one call after the other, and the times of each."""

    database: MysqlDatabase
    sql: str
    session: int = 0
    calls: list[tuple[int, int]] = field(default_factory=list)
    stopped: Flag = field(default_factory=Flag)

    def run(self) -> None:
        with self.database.connect(Role.APPLICATION) as connection:
            self.session = connection.thread_id()
            while not self.stopped.wait(0.0005):
                sent = time.monotonic_ns()
                execute(connection, self.sql)
                self.calls.append((sent, time.monotonic_ns()))

    def longest(self, within: tuple[int, int] = (0, 1 << 63)) -> tuple[int, int]:
        """Return the longest call of those that were under way in a stretch, or of all."""
        own = [one for one in self.calls if one[0] < within[1] + NEAR_NS and one[1] > within[0] - NEAR_NS]
        return max(own, key=lambda one: one[1] - one[0])

    def felt(self, stretch: tuple[int, int], near_ns: int) -> bool:
        """Say whether a stretch is where the longest call waited, which the one before it did not."""
        sent, answered = self.longest(stretch)
        before = max(one[1] for one in self.calls if one[1] <= sent)
        begin, end = stretch
        return before - near_ns <= begin <= sent + near_ns and abs(end - answered) <= near_ns


@dataclass
class Seen:
    """What the watch wrote, and when the statement was sent and answered."""

    journal: KeepingJournal
    reader: Client
    writer: Client
    session: int = 0
    sent_ns: int = 0
    answered_ns: int = 0
    holder: int = 0
    let_go_ns: int = 0
    near_ns: int = NEAR_NS
    ended: Flag = field(default_factory=Flag)

    def nap(self) -> None:
        """Sleep again and again, and note how late this machine wakes who sleeps."""
        while not self.ended.is_set():
            began = time.monotonic_ns()
            time.sleep(SLEPT_NS / 1e9)
            self.near_ns = max(self.near_ns, NEAR_NS + time.monotonic_ns() - began - SLEPT_NS)

    def near(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        return all(abs(a - b) <= self.near_ns for a, b in zip(one, other, strict=True))

    def of(self, kind: type[E]) -> list[E]:
        return [one for one in self.journal.events if isinstance(one, kind)]

    def closed(self, kind: str) -> list[tuple[int, int]]:
        """Return when the migration's locks closed the table, from request to release; stretches that touch are one."""
        found: list[tuple[int, int]] = []
        for lock in self.of(LockTaken):
            if kind in lock.stops:
                assert lock.released_ns is not None
                begin = found.pop()[0] if found and lock.at_ns - found[-1][1] < self.near_ns else lock.at_ns
                found.append((begin, lock.released_ns))
        return found


def seen(database: MysqlDatabase, sql: str, *, behind: str | None = None) -> Seen:
    """Run a statement as the migration beside a reader and a writer, behind a transaction of the application or not."""
    journal = KeepingJournal()
    watch = database.watch(journal)
    found = Seen(journal, Client(database, READ), Client(database, WRITE))
    with watching(watch.probes, journal):
        threads = [Thread(target=one) for one in (found.reader.run, found.writer.run, found.nap)]
        for one in threads:
            one.start()
        until(lambda: len(found.reader.calls) > 20 and len(found.writer.calls) > 20)
        with database.connect(Role.MIGRATION) as connection, holding(database, behind, found):
            found.session = connection.thread_id()
            rows(connection, "SELECT 1")
            found.sent_ns = time.monotonic_ns()
            execute(connection, sql)
            found.answered_ns = time.monotonic_ns()
            count = len(found.writer.calls)
            until(lambda: len(found.writer.calls) > count + 20)
            rows(connection, "SELECT 1")  # the server keeps a statement when the next one comes
        for flag in (found.reader.stopped, found.writer.stopped, found.ended):
            flag.set()
        for one in threads:
            one.join()
    statements = watch.statements()
    watch.finish(statements)
    for one in statements:
        journal.write(one)
    return found


@contextmanager
def holding(database: MysqlDatabase, sql: str | None, found: Seen) -> Iterator[None]:
    """Keep a transaction open until reader and writer both wait in the queue behind it for a while."""
    if sql is None:
        yield
        return
    holder = opened(database.server.at(Role.APPLICATION, database.name))
    execute(holder, "BEGIN")
    execute(holder, sql)
    found.holder = holder.thread_id()

    def let_go() -> None:
        with database.connect() as onlooker:
            until(lambda: waiting(onlooker) == 3)
        until(lambda: min(since(found.reader), since(found.writer)) > 150_000_000)
        found.let_go_ns = time.monotonic_ns()
        execute(holder, "COMMIT")

    thread = Thread(target=let_go)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        holder.close()


def waiting(onlooker: pymysql.connections.Connection) -> int:
    found = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'"
    return int(rows(onlooker, found)[0][0])


def since(client: Client) -> int:
    return time.monotonic_ns() - client.calls[-1][1]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def a_copy_closes_the_table_to_writes_for_as_long_as_a_writer_waits(orders: MysqlDatabase) -> None:
    found = seen(orders, COPY)
    (closed,) = found.closed("writes")
    assert found.writer.felt(closed, found.near_ns)
    (ran,) = (one for one in found.of(StatementRan) if one.sql == COPY)
    assert (ran.algorithm, ran.rewrites, ran.session) == ("COPY", ("orders",), found.session)
    assert {one.statement for one in found.of(LockTaken)} == {ran.n}
    waits = [one for one in found.of(LockWaited) if one.session == found.writer.session]
    assert max(waits, key=lambda one: one.ended_ns - one.at_ns).blocked_by == (found.session,), "a reader is in no way"


def an_index_that_is_built_in_place_closes_the_table_at_its_end_only(orders: MysqlDatabase) -> None:
    found = seen(orders, INDEX)
    took = found.answered_ns - found.sent_ns
    for kind, client in (("reads", found.reader), ("writes", found.writer)):
        stretches = found.closed(kind)
        assert stretches, "an index that is built in place needs its table for itself at its end"
        for stretch in stretches:
            assert client.felt(stretch, found.near_ns)
            assert stretch[1] - stretch[0] < took / 2
    (ran,) = (one for one in found.of(StatementRan) if one.sql == INDEX)
    assert (ran.algorithm, ran.rewrites) == ("INPLACE", ())


def an_instant_change_waits_for_a_writer_and_all_wait_for_the_change(orders: MysqlDatabase) -> None:
    held = "UPDATE orders SET n = 0 WHERE id = 1"
    found = seen(orders, INSTANT, behind=held)
    (ran,) = (one for one in found.of(StatementRan) if one.sql == INSTANT)
    assert (ran.algorithm, ran.rewrites) == ("INSTANT", ())
    (lock,) = found.of(LockTaken)
    assert (lock.statement, lock.session, lock.stops) == (ran.n, found.session, ("reads", "writes"))
    assert lock.granted_ns is not None and lock.released_ns is not None
    assert found.near((lock.at_ns, lock.granted_ns), (found.sent_ns, found.let_go_ns))
    assert abs(lock.released_ns - found.answered_ns) <= found.near_ns
    waits = {one.session: one for one in sorted(found.of(LockWaited), key=lambda one: one.ended_ns - one.at_ns)}
    assert waits[found.session].blocked_by == (found.holder,)
    assert found.near((waits[found.session].at_ns, waits[found.session].ended_ns), (found.sent_ns, found.let_go_ns))
    (holder,) = (one for one in found.of(SessionSeen) if one.session == found.holder)
    assert (holder.role, holder.state) == ("application", "idle in transaction")
    assert (holder.query or "").startswith(held.split(maxsplit=1)[0]) and "= ?" in (holder.query or "")
    for client in (found.reader, found.writer):
        wait = waits[client.session]
        assert (wait.role, wait.blocked_by, wait.blocked_by_migration) == ("application", (found.session,), True)
        assert abs(wait.at_ns - client.longest()[0]) <= found.near_ns
        assert abs(wait.ended_ns - client.longest()[1]) <= max(found.near_ns, wait.doubt_ns)


def a_copy_behind_a_transaction_lets_readers_pass_until_it_swaps_the_tables(orders: MysqlDatabase) -> None:
    found = seen(orders, COPY, behind=READ)
    (reads,) = found.closed("reads")
    (writes,) = found.closed("writes")
    assert found.reader.felt(reads, found.near_ns)
    assert found.writer.felt(writes, found.near_ns)
    assert reads[0] - writes[0] > NEAR_NS


SITUATIONS = (
    a_copy_closes_the_table_to_writes_for_as_long_as_a_writer_waits,
    an_index_that_is_built_in_place_closes_the_table_at_its_end_only,
    an_instant_change_waits_for_a_writer_and_all_wait_for_the_change,
    a_copy_behind_a_transaction_lets_readers_pass_until_it_swaps_the_tables,
)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.__name__)
def test_locks_of_known_making_are_told_as_clients_felt_them(
    server: MysqlServer, situation: Callable[[MysqlDatabase], None]
) -> None:
    for left in (2, 1, 0):
        database = server.create(f"truth_{left}")
        fill(database)
        try:
            situation(database)
            return
        except AssertionError:
            if not left:
                raise
        finally:
            database.drop()
