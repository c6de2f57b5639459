"""What the observers see of tables that are closed, of waits, and of the migration's statements."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Thread

import pymysql
import pytest
from pymysql.constants import CLIENT

from rehearse import registry
from rehearse.engines.mysql.client import execute, rows
from rehearse.engines.mysql.closures import Closures, Edge, Seen, locks_of_open_tables, locks_taken, locks_unseen
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.engine import MysqlEngine
from rehearse.engines.mysql.lock_probe import LockProbe
from rehearse.engines.mysql.locks import MysqlWatch
from rehearse.engines.mysql.row_probe import RowProbe
from rehearse.engines.mysql.samples import SampleProbe
from rehearse.errors import Missing
from rehearse.events import Event, LockTaken, LockWaited, Remarked, StatementRan
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from tests.conftest import KeepingJournal
from tests.engines.mysql.comparing import numbers

pytestmark = pytest.mark.slow


@pytest.fixture
def orders(shop: MysqlDatabase) -> MysqlDatabase:
    with shop.connect(Role.MIGRATION) as connection:
        execute(connection, "CREATE TABLE orders (id int PRIMARY KEY, note varchar(40))")
        execute(connection, f"INSERT INTO orders SELECT seq, 'n' FROM {numbers(1000)}")
    return shop


def locks(journal: KeepingJournal) -> list[LockTaken]:
    return [one for one in journal.events if isinstance(one, LockTaken)]


@contextmanager
def watched(database: MysqlDatabase, journal: KeepingJournal) -> Iterator[MysqlWatch]:
    watch = database.watch(journal)
    assert isinstance(watch, MysqlWatch)
    assert isinstance(watch.probes[0], LockProbe) and isinstance(watch.probes[1], RowProbe)
    try:
        yield watch
    finally:
        for probe in watch.probes:
            for event in probe.close():
                journal.write(event)
        watch.finish([])


def looked(watch: MysqlWatch, is_so: Callable[[list[Event]], object], probe: int = 0) -> list[Event]:
    """Look until it is so, which is what the events of all looks say."""
    found: list[Event] = []
    deadline = time.monotonic() + 20
    while True:
        found += watch.probes[probe].look()
        if is_so(found):
            return found
        assert time.monotonic() < deadline
        time.sleep(watch.probes[probe].every_ns / 1e9)


@pytest.mark.parametrize(
    ("statement", "mode", "stops"),
    [
        ("LOCK TABLES orders WRITE", "EXCLUSIVE", ("reads", "writes")),
        ("LOCK TABLES orders READ", "SHARED_NO_WRITE", ("writes",)),
    ],
)
def test_a_table_that_the_migration_closes_is_seen_with_its_bounds(
    orders: MysqlDatabase, statement: str, mode: str, stops: tuple[str, ...]
) -> None:
    journal = KeepingJournal()
    with watched(orders, journal) as watch, orders.connect(Role.MIGRATION) as migration:
        list(watch.probes[0].look())
        before = time.monotonic_ns()
        execute(migration, statement)
        held = time.monotonic_ns()
        list(watch.probes[0].look())
        list(watch.probes[0].look())
        freed = time.monotonic_ns()
        execute(migration, "UNLOCK TABLES")
        list(watch.probes[0].look())
    (lock,) = locks(journal)
    assert (lock.table, lock.mode, lock.stops, lock.session) == ("orders", mode, stops, migration.thread_id())
    assert lock.released_ns is not None
    half = lock.doubt_ns  # the true bounds lie within the doubt
    assert before - half <= lock.at_ns <= held + half
    assert freed - half <= lock.released_ns


def test_a_hand_on_a_table_that_closes_nothing_is_no_lock(orders: MysqlDatabase) -> None:
    journal = KeepingJournal()
    with watched(orders, journal) as watch, orders.connect(Role.MIGRATION) as migration:
        execute(migration, "BEGIN")
        execute(migration, "UPDATE orders SET note = 'x' WHERE id = 1")
        list(watch.probes[0].look())
        execute(migration, "ROLLBACK")
        list(watch.probes[0].look())
    assert locks(journal) == []


def test_of_two_sessions_of_the_migration_the_one_that_closes_a_table_is_told(orders: MysqlDatabase) -> None:
    journal = KeepingJournal()
    with ExitStack() as stack, watched(orders, journal) as watch:
        sessions = [stack.enter_context(orders.connect(Role.MIGRATION)) for _ in range(7)]
        closing = sessions.pop(3)
        for one in sessions:
            execute(one, "BEGIN")
            rows(one, "SELECT * FROM orders WHERE id = 1")
        execute(closing, "LOCK TABLES orders READ")
        list(watch.probes[0].look())
    (lock,) = locks(journal)
    assert lock.stops == ("writes",)
    if orders.server.flavour.stops is not None:  # else nobody knows whose of the locks it is that refuses a try
        assert lock.session == closing.thread_id()


def test_looks_that_came_rarely_weaken_where_no_stages_are_kept(orders: MysqlDatabase) -> None:
    kept = "UPDATE performance_schema.setup_consumers SET enabled = %s WHERE name = 'events_stages_history_long'"
    found = {}
    with orders.server.connect() as owner:
        for enabled in ("YES", "NO"):
            journal = KeepingJournal()
            execute(owner, kept, (enabled,))
            try:
                with watched(orders, journal) as watch, orders.connect(Role.MIGRATION) as migration:
                    list(watch.probes[0].look())
                    rows(migration, "SELECT sleep(0.15)")
                    list(watch.probes[0].look())
            finally:
                execute(owner, kept, ("YES",))
            remarks = [one for one in journal.events if isinstance(one, Remarked) and one.weakens]
            found[enabled] = [(one.source, "not looked at" in one.says) for one in remarks]
    assert found == {"YES": [], "NO": [("locks", True)]}


def test_a_full_record_is_no_gap_before_it_has_lost_a_statement_of_the_phase(orders: MysqlDatabase) -> None:
    said = []
    for fills_meanwhile in (False, True):
        _fill_the_record(orders)
        journal = KeepingJournal()
        with watched(orders, journal) as watch, orders.connect(Role.MIGRATION) as migration:
            execute(migration, "UPDATE orders SET note = 'x' WHERE id = 1")
            if fills_meanwhile:
                _fill_the_record(orders)
            updates = [one for one in watch.statements() if one.sql.startswith("UPDATE")]
        said.append((len(updates), [one.says for one in journal.events if isinstance(one, Remarked) and one.weakens]))
    missing = "the server keeps 20000 statements, and the migration had more: the first are missing"
    assert said == [(1, []), (0, [missing])]


def _fill_the_record(database: MysqlDatabase) -> None:
    """Have the server keep 20,000 more statements of the migration, which is all that it has room for."""
    with database.connect(Role.MIGRATION, client_flag=CLIENT.MULTI_STATEMENTS) as connection:
        for _ in range(20):
            with connection.cursor() as cursor:
                cursor.execute(";".join(["DO 1"] * 1000))
                while cursor.nextset():
                    pass


def test_the_queue_behind_a_waiting_alter_closes_the_table_and_is_told_with_its_holder(orders: MysqlDatabase) -> None:
    journal = KeepingJournal()
    with watched(orders, journal) as watch, orders.connect(Role.APPLICATION) as reader:
        execute(reader, "BEGIN")
        rows(reader, "SELECT * FROM orders WHERE id = 1")
        altering = Thread(target=_alter, args=(orders,))
        altering.start()
        looked(watch, lambda _: watch.probes[0].closures.stretches)  # type: ignore[attr-defined]
        calling = Thread(target=_read, args=(orders,))
        calling.start()
        looked(watch, lambda _: len(watch.probes[0]._waits) == 2)  # type: ignore[attr-defined]
        execute(reader, "COMMIT")
        altering.join()
        calling.join()
        found = looked(watch, lambda events: any(isinstance(one, LockWaited) for one in events))
        holder = reader.thread_id()
    waits = {one.role: one for one in [*found, *journal.events] if isinstance(one, LockWaited)}
    assert (waits["migration"].table, waits["migration"].mode) == ("orders", "EXCLUSIVE")
    assert waits["migration"].blocked_by == (holder,)
    assert waits["application"].blocked_by_migration
    assert [(one.table, one.stops) for one in locks(journal)] == [("orders", ("reads", "writes"))]


def _alter(database: MysqlDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        execute(connection, "ALTER TABLE orders ADD COLUMN z int")


def _read(database: MysqlDatabase) -> None:
    with database.connect(Role.APPLICATION) as connection:
        execute(connection, "BEGIN")
        rows(connection, "SELECT * FROM orders WHERE id = 2")
        execute(connection, "COMMIT")


def test_a_wait_for_a_row_that_the_migration_holds_is_told(orders: MysqlDatabase) -> None:
    journal = KeepingJournal()
    with watched(orders, journal) as watch, orders.connect(Role.MIGRATION) as migration:
        execute(migration, "BEGIN")
        execute(migration, "UPDATE orders SET note = 'm' WHERE id = 5")
        calling = Thread(target=_update, args=(orders,))
        calling.start()
        looked(watch, lambda _: watch.probes[1]._open, probe=1)  # type: ignore[attr-defined]
        execute(migration, "COMMIT")
        calling.join()
        found = looked(watch, bool, probe=1)
    (wait,) = (one for one in found if isinstance(one, LockWaited))
    assert (wait.role, wait.on, wait.blocked_by_migration) == ("application", "row of orders", True)


def _update(database: MysqlDatabase) -> None:
    with database.connect(Role.APPLICATION) as connection:
        execute(connection, "UPDATE orders SET note = 'a' WHERE id = 5")


def test_statements_of_a_tool_that_tells_none_are_the_servers_own(orders: MysqlDatabase) -> None:
    journal = KeepingJournal()
    with watched(orders, journal) as watch:
        with orders.connect(Role.APPLICATION) as other:
            rows(other, "SELECT 'not the migration'")
        with orders.connect(Role.MIGRATION) as migration:
            began = time.monotonic_ns()
            execute(migration, "ALTER TABLE orders ADD COLUMN a int")
            rows(migration, "SELECT 1")  # before it the server has noted the end of what came first
            ended = time.monotonic_ns()
            with pytest.raises(pymysql.err.MySQLError, match="1051"):
                execute(migration, "DROP TABLE nowhere")
        found = {one.sql: one for one in watch.statements()}
    altered = found["ALTER TABLE orders ADD COLUMN a int"]
    assert began - altered.doubt_ns <= altered.at_ns <= altered.ended_ns <= ended + altered.doubt_ns
    assert found["DROP TABLE nowhere"].code == "1051"
    assert not any("not the migration" in sql for sql in found)
    assert not [one for one in journal.events if isinstance(one, Remarked)]


def test_a_statement_tells_what_it_wrote_anew(orders: MysqlDatabase) -> None:
    journal = KeepingJournal()
    with watched(orders, journal) as watch, orders.connect(Role.MIGRATION) as migration:
        watch.onlooker.between(1, 0, None)
        execute(migration, "ALTER TABLE orders ADD COLUMN a int, ALGORITHM=INSTANT")
        assert watch.onlooker.between(1, 1, None).rewrites == ()
        execute(migration, "ALTER TABLE orders ADD COLUMN b int, ALGORITHM=COPY")
        effects = watch.onlooker.between(1, 2, None)
    assert effects.rewrites == ("orders",)
    assert effects.wal_bytes is not None and effects.wal_bytes > 0


def test_statements_date_a_closed_stretch_exactly() -> None:
    closures = Closures()
    closures.see(100, 101, {})
    for at in (110, 120):
        closures.see(at, at + 1, {"t": Seen(9, ("writes",), False)})
    closures.see(130, 131, {})
    ran = StatementRan(at_ns=104, ended_ns=127, n=3, sql="alter table t", session=9)
    (lock,) = locks_taken(closures.stretches, [ran])
    assert (lock.at_ns, lock.released_ns, lock.doubt_ns, lock.statement) == (104, 127, 0, 3)
    (lock,) = locks_taken(closures.stretches, [])
    assert (lock.at_ns, lock.released_ns, lock.doubt_ns, lock.statement) == (105, 125, 22, None)


def test_a_look_between_asking_and_waiting_is_no_grant() -> None:
    closures = Closures()
    closures.see(100, 101, {})
    closures.see(110, 111, {"t": Seen(9, ("reads", "writes"), False)})
    for at in (120, 200):
        closures.see(at, at + 1, {"t": Seen(9, ("reads", "writes"), True)})
    closures.see(210, 211, {"t": Seen(9, ("reads", "writes"), False)})
    closures.see(220, 221, {})
    ran = StatementRan(at_ns=105, ended_ns=218, n=1, sql="alter table t add a int", session=9)
    (lock,) = locks_taken(closures.stretches, [ran])
    assert (lock.at_ns, lock.granted_ns, lock.released_ns) == (105, 205, 218)
    (lock,) = locks_taken(closures.stretches, [ran], [Edge(9, ("reads", "writes"), 106, 203)])
    assert (lock.at_ns, lock.granted_ns) == (106, 203)


def test_a_table_that_may_have_been_open_between_two_late_looks_is_told_with_that_doubt() -> None:
    closures = Closures()
    closures.see(100, 101, {})
    for at in (110, 180):
        closures.see(at, at + 1, {"t": Seen(9, ("reads", "writes"), False)})
    closures.see(190, 191, {})
    ran = StatementRan(at_ns=105, ended_ns=186, n=1, sql="alter table t add index (a)", session=9)
    (lock,) = locks_taken(closures.stretches, [ran], [Edge(9, ("reads", "writes"), 178, lasts=True)])
    assert (lock.at_ns, lock.released_ns, lock.doubt_ns) == (105, 186, 70)
    (lock,) = locks_taken(closures.stretches, [ran])
    assert lock.doubt_ns == 0


def test_an_exclusive_lock_that_no_look_saw_is_told_by_its_stage() -> None:
    ran = StatementRan(at_ns=100, ended_ns=140, n=2, sql="/* a */ ALTER TABLE `shop`.`t` ADD a int", session=9)
    edges = [Edge(9, ("reads", "writes"), 136, lasts=True), Edge(9, ("reads", "writes"), 138, lasts=True)]
    (lock,) = locks_unseen([], [ran], edges, {"t"})
    assert (lock.table, lock.stops, lock.statement) == ("t", ("reads", "writes"), 2)
    assert (lock.at_ns, lock.released_ns) == (136, 140)
    assert list(locks_unseen([lock], [ran], edges, {"t"})) == []
    assert list(locks_unseen([], [ran], edges, {"another"})) == []


def test_a_change_that_looks_found_to_close_nothing_has_a_lock_that_stops_nothing() -> None:
    closures = Closures()
    for at in (110, 120):
        closures.touch(at, {("t", 9): "SHARED_UPGRADABLE", ("u", 8): "SHARED_READ"})
    closures.touch(130, {})
    build = StatementRan(at_ns=104, ended_ns=127, n=3, sql="alter table t add index (a)", session=9)
    (lock,) = locks_of_open_tables([], [build], closures.hands)
    assert (lock.table, lock.mode, lock.stops, lock.statement) == ("t", "SHARED_UPGRADABLE", (), 3)
    assert (lock.at_ns, lock.released_ns, lock.doubt_ns) == (110, 120, 13)
    assert list(locks_of_open_tables([lock], [build], closures.hands)) == [], "it has one"
    after = replace(build, at_ns=121)
    assert list(locks_of_open_tables([], [after], closures.hands)) == [], "no look was there"
    query = replace(build, sql="update t set a = 1")
    assert list(locks_of_open_tables([], [query], closures.hands)) == []


def test_a_copy_takes_room_on_disk_and_the_sort_of_an_index_takes_temporary_files(orders: MysqlDatabase) -> None:
    server = orders.server
    probe = SampleProbe(server.pid, server.folder, orders.name)
    before = {one.name: one.value for one in probe.look()}
    with orders.connect(Role.MIGRATION) as connection:
        execute(connection, "CREATE TABLE more AS SELECT o.*, repeat('x', 2000) AS text FROM orders o")
    after = {one.name: one.value for one in probe.close()}
    assert after["size"] - before["size"] > 1_000_000
    assert "temp files" in after


NO_ROOM = {"performance_schema_max_metadata_locks": "2"}


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def production(request: pytest.FixtureRequest) -> Iterator[MysqlDatabase]:
    """A database on a server with a binary log, and little room for an index's writes and for what is seen of locks."""
    small = {"innodb_online_alter_log_max_size": 65_536, "innodb_sort_buffer_size": 65_536}
    choice = EngineChoice(name=request.param, via="binary", settings={"log_bin": "production-bin", **small})
    try:
        engine = registry.engine(request.param)
        assert isinstance(engine, MysqlEngine)
        programs = engine.flavour.programs
        programs = replace(programs, needed={**programs.needed, **NO_ROOM})
        with MysqlEngine(replace(engine.flavour, programs=programs)).start(choice, KeepingJournal()) as server:
            made = server.create("shop")
            assert isinstance(made, MysqlDatabase)
            yield made
    except Missing as missing:
        pytest.skip(str(missing).partition(";")[0])


def test_a_binary_log_that_production_has_is_kept_and_measured(production: MysqlDatabase) -> None:
    with watched(production, KeepingJournal()) as watch, production.connect(Role.MIGRATION) as migration:
        execute(migration, "CREATE TABLE t (note text)")
        watch.onlooker.between(migration.thread_id(), 0, None)
        execute(migration, f"INSERT INTO t VALUES ('{'x' * 20_000}')")
        assert (watch.onlooker.between(migration.thread_id(), 1, None).binlog_bytes or 0) > 20_000


def test_locks_that_the_server_had_no_room_to_note_weaken(production: MysqlDatabase) -> None:
    journal = KeepingJournal()
    with watched(production, journal), production.connect(Role.MIGRATION) as migration:
        execute(migration, "CREATE TABLE one (id int)")
        execute(migration, "CREATE TABLE other (id int)")
        execute(migration, "LOCK TABLES one WRITE, other WRITE")
    (remark,) = (one for one in journal.events if isinstance(one, Remarked) and one.weakens)
    assert remark.source == "locks" and "Performance_schema_metadata_lock_lost" in remark.says


def test_an_index_that_the_traffic_outruns_is_told_with_its_code(production: MysqlDatabase) -> None:
    with production.connect(Role.MIGRATION) as connection:
        execute(connection, "CREATE TABLE wide (id int AUTO_INCREMENT PRIMARY KEY, note varchar(400))")
        execute(connection, "INSERT INTO wide (note) VALUES (repeat('x', 200))")
        for _ in range(16):
            execute(connection, "INSERT INTO wide (note) SELECT note FROM wide")
    with watched(production, KeepingJournal()) as watch, production.connect(Role.APPLICATION) as writer:
        building = Thread(target=_build, args=(production,))
        building.start()
        while building.is_alive():
            execute(writer, OUTRUN, (time.monotonic() % 9,))
        building.join()
        ran = {one.sql: one for one in watch.statements()}
    assert (ran[BUILD].code, ran[BUILD].algorithm, ran[BUILD].rewrites) == ("1799", "INPLACE", ())


BUILD = "ALTER TABLE wide ADD INDEX by_note (note)"
OUTRUN = "UPDATE wide SET note = concat(left(note, 199), %s) WHERE id < 2000"


def _build(database: MysqlDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        with pytest.raises(pymysql.err.MySQLError, match="1799"):
            execute(connection, BUILD)
        rows(connection, "SELECT 1")
