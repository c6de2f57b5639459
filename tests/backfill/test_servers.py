"""Backfills on servers: killed, refused, overtaken, and right at the end."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rehearse.backfill import Backfill, Ceiling, Result, Standing, connections, look, run
from rehearse.backfill.seams import Session
from rehearse.errors import Mistake, ServerFailed
from rehearse.units import NS_PER_MS
from tests.backfill.conftest import Place

pytestmark = pytest.mark.slow

FILL = "UPDATE t SET v = id * 2, times = times + 1 WHERE v IS NULL"
AGAIN = "UPDATE t SET times = times + 1"
WRONG = "SELECT count(*) FROM t WHERE times <> 1 OR v IS NULL OR v <> id * 2"
STATES = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'rehearse_backfill'"


def filled(place: Place, rows: int) -> None:
    place.tell(
        "CREATE TABLE t (id bigint PRIMARY KEY, v bigint, times int NOT NULL DEFAULT 0)", place.numbers("t", rows)
    )


def until(is_so: Callable[[], object], what: str) -> None:
    ends = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < ends, f"waited for {what}"
        time.sleep(0.002)


@contextmanager
def beside(place: Place, task: Backfill) -> Iterator[tuple[threading.Event, Standing, list[Result]]]:
    """Run a backfill in a thread; it is stopped at the end if it has not ended."""
    stop, standing, results = threading.Event(), Standing(), list[Result]()
    thread = threading.Thread(target=lambda: results.append(run(place.url, task, stop=stop, standing=standing)))
    thread.start()
    try:
        yield stop, standing, results
    finally:
        stop.set()
        thread.join()


def test_every_row_is_done_once_and_nothing_is_left_behind(place: Place) -> None:
    filled(place, 5_000)
    result = run(place.url, Backfill(statement=FILL, batch=300))
    assert (result.rows, result.keys, result.left, result.swept) == (5_000, 5_000, 0, 0)
    assert result.batches > 2
    assert place.number(WRONG) == place.number(STATES) == 0


def test_killed_at_random_moments_it_goes_on_and_no_row_is_done_twice(place: Place) -> None:
    filled(place, 6_000)
    draws = random.Random(20)
    command = [sys.executable, "-m", "rehearse", "backfill", place.url, "--sql", AGAIN, "--once", "--yes", "-q"]
    command += ["--batch", "20", "--batch-time", "off"]
    reached = 0
    with connections(place.url, Backfill(statement=AGAIN)).open() as session:
        for _ in range(2):
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                reached = draws.randint(reached + 1, reached + 1_500)
                until(lambda: rows_done(session) >= reached, "batches")  # noqa: B023  it is called at once
                process.kill()
            reached = rows_done(session)
    result = run(place.url, Backfill(statement=AGAIN, once=True, batch=500, verify="times <> 1"))
    assert reached == result.before < 6_000
    assert result.rows + result.before == 6_000
    assert result.is_right
    assert place.number("SELECT count(*) FROM t WHERE times = 1") == 6_000
    again = run(place.url, Backfill(statement=AGAIN, once=True))  # its state was kept, and says that all is done
    assert (again.rows, again.before) == (0, 6_000)


def rows_done(session: Session) -> int:
    """Return the rows that the table of states tells of; the server may still be ending a batch of one killed."""
    if session.ask(STATES)[0][0] == "0":
        return 0
    return int(session.ask("SELECT coalesce(sum(rows_done), 0) FROM rehearse_backfill")[0][0] or 0)


ODD = {
    "server": [
        'CREATE TABLE "T ""t" ("K\'1" text COLLATE "C", "k %s" uuid, "n" numeric(9, 2), v int, times int DEFAULT 0, '
        'PRIMARY KEY ("K\'1", "k %s", "n"))',
        "INSERT INTO \"T \"\"t\" SELECT (ARRAY['ä', 'Z', 'zz', 'A''b', 'a\\c', ''])[1 + g %% 6], "
        "md5(g::text)::uuid, g / 8.0, NULL, 0 FROM generate_series(1, 3000) g".replace("%%", "%"),
        'UPDATE "T ""t" AS "x" SET v = 1, times = times + 1 WHERE v IS NULL',
        'SELECT count(*) FROM "T ""t" WHERE times = 1 AND v = 1',
    ],
    "mysql": [
        "CREATE TABLE n (id int PRIMARY KEY)",
        "CREATE TABLE `T ``t` (`K'1` varchar(20) CHARACTER SET latin1 COLLATE latin1_german1_ci, `k %s` varbinary(20), "
        "`n` decimal(9, 2), `d` datetime(3), v int, times int DEFAULT 0, PRIMARY KEY (`K'1`, `k %s`, `n`, `d`))",
        "INSERT INTO `T ``t` SELECT elt(1 + id MOD 6, 'ä', 'Z', 'zz', 'A''b', 'a\\\\c', ''), "
        "unhex(left(sha2(id MOD 40, 256), 32)), "
        "id / 8, '2024-02-29 12:00:00' + INTERVAL id SECOND, NULL, 0 FROM n",
        "UPDATE `T ``t` AS `x` SET v = 1, times = times + 1 WHERE v IS NULL",
        "SELECT count(*) FROM `T ``t` WHERE times = 1 AND v = 1",
    ],
}


def test_keys_of_several_columns_and_odd_collations_and_names(place: Place) -> None:
    *made, statement, right = ODD["server" if place.is_postgres else "mysql"]
    if place.is_postgres:
        place.tell(*made)
    else:
        place.tell(made[0], place.numbers("n", 3_000), *made[1:])
    result = run(place.url, Backfill(statement=statement, batch=70, batch_time_ns=None))
    assert (result.rows, result.keys, result.batches, result.left) == (3_000, 3_000, 43, 0)
    assert place.number(right) == 3_000


def test_several_workers_share_the_keys(place: Place) -> None:
    filled(place, 6_000)
    result = run(place.url, Backfill(statement=FILL, batch=200, workers=3))
    assert (result.rows, result.keys, result.left) == (6_000, 6_000, 0)
    assert place.number(WRONG) == 0


def test_rows_that_come_meanwhile_anywhere_are_done(place: Place) -> None:
    place.tell("CREATE TABLE t (id bigint PRIMARY KEY, v bigint, times int NOT NULL DEFAULT 0)")
    place.tell(
        place.numbers("t", 3_000),
        "UPDATE t SET id = id * 10 ORDER BY id DESC" if not place.is_postgres else "UPDATE t SET id = -id",
        *(["UPDATE t SET id = -id * 10"] if place.is_postgres else []),
    )
    task = Backfill(statement=FILL, batch=50, batch_time_ns=None)
    with beside(place, task) as (_, standing, results), connections(place.url, task).open() as session:
        for number in range(1, 10_000):
            if standing.stage != "backfill" or results:
                break
            session.tell(
                f"INSERT INTO t (id) VALUES ({number % 3_000 * 10 + 1 + number // 3_000}), ({30_000 + number})"
            )
        until(lambda: results, "the end")
    assert results[0].is_right
    assert results[0].swept > 0  # below the key that it had come to
    assert place.number(WRONG) == 0


def test_rows_that_keep_coming_at_the_end_do_not_keep_it_from_being_right_and_are_told(place: Place) -> None:
    filled(place, 3_000)
    task = Backfill(statement=FILL, batch=100, batch_time_ns=None, pause_ns=5 * NS_PER_MS, verify="v IS NULL")
    with beside(place, task) as (_, _, results), connections(place.url, task).open() as session:
        for number in range(3_001, 60_000):
            if results:
                break
            session.tell(f"INSERT INTO t (id) VALUES ({number})")
            time.sleep(0.001)  # slower than the batches
        until(lambda: results, "the end")
    assert results[0].is_right
    assert results[0].coming > 0
    assert place.number("SELECT count(*) FROM t WHERE id <= 3000 AND times = 1 AND v = id * 2") == 3_000


def test_a_lock_that_is_held_is_waited_for_a_moment_and_tried_again_in_smaller_batches(place: Place) -> None:
    filled(place, 1_000)
    task = Backfill(statement=FILL, batch=400, lock_timeout_ns=50 * NS_PER_MS)
    with connections(place.url, task).open() as session:
        session.tell("BEGIN")
        session.tell(
            "UPDATE t SET times = times WHERE id = 300"
            if place.is_postgres
            else "UPDATE t SET v = 600, times = 1 WHERE id = 300"
        )
        with beside(place, task) as (_, standing, results):
            until(lambda: standing.refused, "a refusal")
            assert standing.pace_keys < 400  # halved; a batch that went through since may have let it grow again
            session.tell("COMMIT")
            until(lambda: results, "the end")
    assert results[0].refused >= 1
    assert results[0].is_right
    assert place.number(WRONG) == 0


def test_what_is_refused_again_and_again_is_an_error_and_can_be_gone_on_with(place: Place) -> None:
    filled(place, 1_000)
    task = Backfill(statement=FILL, batch=100, batch_time_ns=None, lock_timeout_ns=10 * NS_PER_MS, attempts=1)
    with connections(place.url, task).open() as session:
        session.tell("BEGIN")
        session.tell("UPDATE t SET v = 1300, times = 1 WHERE id = 650")
        with pytest.raises(ServerFailed, match="a batch was refused 1 times in a row"):
            run(place.url, task)
        session.tell("COMMIT")
    assert place.number("SELECT keys_done FROM rehearse_backfill") == 600
    assert run(place.url, task).before == 600
    assert place.number(WRONG) == 0


def test_a_connection_that_is_lost_ends_it_and_nothing_is_lost(place: Place) -> None:
    filled(place, 1_000)
    task = Backfill(statement=AGAIN, once=True, batch=50, batch_time_ns=None, pause_ns=50 * NS_PER_MS)
    raised: list[Exception] = []
    standing = Standing()

    def go() -> None:
        try:
            run(place.url, task, standing=standing)
        except ServerFailed as failed:
            raised.append(failed)

    thread = threading.Thread(target=go)
    thread.start()
    until(lambda: standing.batches > 2, "batches")
    with connections(place.url, task).open() as session:
        if place.is_postgres:
            session.tell(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database() AND application_name = 'rehearse backfill'"
            )
        else:
            found = session.ask(
                "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
            )
            for (number,) in found:
                session.tell(f"KILL {number}")
    thread.join(20)
    assert "goes on from there" in str(raised[0])
    result = run(place.url, Backfill(statement=AGAIN, once=True, verify="times <> 1"))
    assert result.before == standing.rows
    assert result.is_right


def test_a_deadlock_is_tried_again(place: Place) -> None:
    filled(place, 1_000)
    if place.is_postgres:
        place.tell(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 300', current_database()); END $$"
        )
    task = Backfill(statement=FILL, batch=1_000, lock_timeout_ns=20_000 * NS_PER_MS)
    with connections(place.url, task).open() as session:
        if place.is_postgres:
            session.tell("SET deadlock_timeout = '20s'")
        else:
            for number in range(1, 4):  # the one that changed fewer rows is rolled back, and that must be the backfill
                session.tell(f"CREATE TABLE weight{number} AS SELECT * FROM t")
        session.tell("BEGIN")
        for number in range(1, 0 if place.is_postgres else 4):
            session.tell(f"UPDATE weight{number} SET v = 1")
        session.tell("UPDATE t SET v = 1800, times = 1 WHERE id = 900")
        with beside(place, task) as (_, standing, results), connections(place.url, task).open() as onlooker:
            until(lambda: waits(onlooker, place), "the backfill to wait")
            session.tell("UPDATE t SET v = 20, times = 1 WHERE id = 10")
            session.tell("COMMIT")
            until(lambda: results, "the end")
    assert standing.refused >= 1
    assert "eadlock" in str(standing.last_refusal)
    assert place.number(WRONG) == 0


def waits(session: Session, place: Place) -> bool:
    if place.is_postgres:
        return session.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")[0][0] != "0"
    return session.ask("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")[0][1] != "0"


def test_two_runners_are_kept_apart(place: Place) -> None:
    filled(place, 1_000)
    task = Backfill(statement=FILL, batch=100, batch_time_ns=None, pause_ns=30_000 * NS_PER_MS)
    with beside(place, task) as (stop, _, results):
        until(lambda: place.number(STATES), "its state")
        with pytest.raises(Mistake, match="another runner is at work on this backfill"):
            run(place.url, Backfill(statement=FILL))
        stop.set()
        until(lambda: results, "the end")
    assert results[0].is_stopped
    assert results[0].left is None


def test_a_runner_whose_state_another_moved_on_keeps_nothing_of_its_batch(place: Place) -> None:
    filled(place, 1_000)
    task = Backfill(statement=AGAIN, once=True, batch=100, batch_time_ns=None, pause_ns=200 * NS_PER_MS)
    raised: list[Exception] = []
    stop, standing = threading.Event(), Standing()

    def go() -> None:
        try:
            run(place.url, task, stop=stop, standing=standing)
        except Mistake as mistake:
            raised.append(mistake)

    thread = threading.Thread(target=go)
    thread.start()
    until(lambda: standing.batches, "a batch")
    place.tell("UPDATE rehearse_backfill SET batches_done = batches_done + 7")
    thread.join()
    assert "another one is at work" in str(raised[0])
    assert place.number("SELECT count(*) FROM t WHERE times > 0") == standing.rows


def test_rows_that_are_not_right_at_the_end_are_said(place: Place) -> None:
    filled(place, 500)
    halves = run(place.url, Backfill(statement="UPDATE t SET v = nullif(id, 77) WHERE v IS NULL"))
    assert (halves.left, halves.examples, halves.is_right) == (1, (("77",),), False)
    assert place.number(STATES) == 1  # it can be gone on with
    other = run(place.url, Backfill(statement="UPDATE t SET v = 0 WHERE v IS NULL", verify="v <> id"))
    assert (other.rows, other.left) == (1, 1)


def test_a_statement_that_tells_nothing_of_what_is_done_is_refused_before_or_at_its_first_batch(place: Place) -> None:
    filled(place, 500)
    with pytest.raises(Mistake, match="no WHERE that tells rows that are done"):
        run(place.url, Backfill(statement=AGAIN))
    with pytest.raises(Mistake, match="still holds for all 100 rows of the first batch"):
        run(place.url, Backfill(statement=AGAIN + " WHERE v IS NULL", batch=100))
    assert place.number("SELECT count(*) FROM t WHERE times > 0") == place.number(STATES) == 0


def test_an_insert_goes_by_the_keys_of_the_table_it_reads(place: Place) -> None:
    filled(place, 1_000)
    place.tell("CREATE TABLE u (id bigint PRIMARY KEY, v bigint)", "INSERT INTO u VALUES (10, -1)")
    words = ("INSERT INTO", " ON CONFLICT DO NOTHING") if place.is_postgres else ("INSERT IGNORE INTO", "")
    statement = f"{words[0]} u (id, v) SELECT id, id + 1 FROM t WHERE id % 2 = 0{words[1]}"
    result = run(place.url, Backfill(statement=statement, batch=90, workers=2))
    assert (result.rows, result.left) == (499, 0)
    assert place.number("SELECT sum(v) FROM u") == sum(range(3, 1_002, 2)) - 11 - 1
    with pytest.raises(Mistake, match="does not say what to do with rows that are there"):
        run(place.url, Backfill(statement="INSERT INTO u (id, v) SELECT id, v FROM t"))


def test_an_insert_that_overwrites_is_run_once_more_and_needs_a_condition_to_be_verified(place: Place) -> None:
    filled(place, 300)
    place.tell("CREATE TABLE u (id bigint PRIMARY KEY, v bigint)")
    tail = "ON CONFLICT (id) DO UPDATE SET v = 7" if place.is_postgres else "ON DUPLICATE KEY UPDATE v = 7"
    task = {"statement": f"INSERT INTO u (id, v) SELECT id, id FROM t WHERE id > 0 {tail}", "batch": 100}
    assert run(place.url, Backfill(**task)).left is None  # type: ignore[arg-type]
    assert place.number("SELECT count(*) FROM u WHERE v = 7") == 300
    verify = "NOT EXISTS (SELECT 1 FROM u WHERE u.id = t.id)"
    assert run(place.url, Backfill(**task, verify=verify)).left == 0  # type: ignore[arg-type]


def test_it_waits_while_a_probe_is_above_its_ceiling(place: Place) -> None:
    filled(place, 500)
    place.tell("CREATE TABLE busy (id int)", "INSERT INTO busy VALUES (9)")
    task = Backfill(statement=FILL, ceilings=(Ceiling(query="SELECT max(id) FROM busy", most=5),))
    with beside(place, task) as (_, standing, results):
        until(lambda: standing.watch and standing.watch.reason, "a reason")
        assert standing.watch is not None
        assert standing.watch.reason == "the probe answers 9, above 5"
        assert standing.batches == 0
        place.tell("UPDATE busy SET id = 1")
        until(lambda: results, "the end")
    assert results[0].is_right


def test_a_replica_that_does_not_replicate_is_waited_for(place: Place) -> None:
    filled(place, 500)
    task = Backfill(statement=FILL, max_lag_ns=NS_PER_MS, replicas=(place.url,))
    with beside(place, task) as (stop, standing, results):
        until(lambda: standing.watch and standing.watch.reason, "a reason")
        assert standing.watch is not None
        assert "does not say how far it is behind" in str(standing.watch.reason)
        stop.set()
        until(lambda: results, "the end")
    assert results[0].rows == 0
    with pytest.raises(Mistake, match="by --max-lag"):
        run(place.url, Backfill(statement=FILL, replicas=(place.url,)))


def test_a_primary_is_asked_for_its_replicas_where_it_knows_them(place: Place) -> None:
    filled(place, 500)
    task = Backfill(statement=FILL, max_lag_ns=NS_PER_MS)
    if place.is_postgres:
        assert run(place.url, task).is_right
    else:
        with pytest.raises(Mistake, match="name them by --replica URL"):
            run(place.url, task)


def test_a_probe_that_cannot_be_asked_is_said_before_anything_is_done(place: Place) -> None:
    filled(place, 500)
    with pytest.raises(ServerFailed, match="nowhere"):
        run(place.url, Backfill(statement=FILL, ceilings=(Ceiling(query="SELECT max(id) FROM nowhere", most=5),)))
    assert place.number("SELECT count(*) FROM t WHERE times > 0") == place.number(STATES) == 0


def test_what_will_be_done_is_shown_and_nothing_is_written(place: Place) -> None:
    filled(place, 500)
    found = look(place.url, Backfill(statement=FILL, batch=100))
    assert found.statement is not None
    assert "<= 100" in found.statement
    assert found.explained
    assert place.number("SELECT count(*) FROM t WHERE times > 0") == place.number(STATES) == 0


@pytest.mark.parametrize(
    ("statement", "options", "complaint"),
    [
        ("UPDATE nowhere SET a = 1 WHERE a IS NULL", {}, "there is no table"),
        ("UPDATE bare SET v = 1 WHERE v IS NULL", {}, "no primary key"),
        (FILL, {"key": ("v",)}, r"no unique key, whole and not null, on \(v\)"),
        ("UPDATE t SET id = id + 1 WHERE v IS NULL", {}, "sets id, by which the batches go"),
        ("UPDATE t SET v = (SELECT max(v) FROM bare) WHERE v IS NULL", {"workers": 2}, "reads a second table"),
    ],
)
def test_what_cannot_be_done_is_said(place: Place, statement: str, options: dict[str, object], complaint: str) -> None:
    filled(place, 10)
    place.tell("CREATE TABLE bare (v int)")
    with pytest.raises(Mistake, match=complaint):
        run(place.url, Backfill(statement=statement, **options))  # type: ignore[arg-type]
