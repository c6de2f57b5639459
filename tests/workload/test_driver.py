"""The driver against a real server: what it sends, what it records, and what it bears."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas
import psycopg
import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.errors import ScenarioMistake, ServerFailed
from rehearse.events import CallEnded, RowWritten
from rehearse.model import CallChoice, WorkloadChoice
from rehearse.protocols import Role
from rehearse.recording.journal import Facts, ListingJournal
from rehearse.workload.driver import Driver
from rehearse.workload.mix import Mix, check, open_mix

pytestmark = pytest.mark.slow

SCHEMA = """
CREATE TABLE accounts (id bigint PRIMARY KEY, owner text NOT NULL, balance numeric(12, 2) NOT NULL, n int NOT NULL);
INSERT INTO accounts SELECT g, 'owner ' || g, 100, 0 FROM generate_series(1, 1000) g;
CREATE TABLE entries (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, account bigint NOT NULL REFERENCES accounts,
                      amount numeric(12, 2) NOT NULL);
INSERT INTO entries (account, amount) SELECT 1 + g % 1000, g FROM generate_series(1, 5000) g;
ANALYZE;
"""
READ = CallChoice(name="read", sql="select * from accounts where id = :id", values={"id": "accounts.id"})
ADD = CallChoice(name="add", sql="update accounts set n = n + 1 where id = :id", values={"id": "accounts.id"})
BOOK = CallChoice(
    name="book",
    sql="insert into entries (account, amount) values (:a, :x)",
    values={"a": "accounts.id", "x": {"min": 0.01, "max": 99.99}},
)
MOVE = CallChoice(
    name="move",
    sql=[
        "update accounts set balance = balance - :x where id = :from",
        "update accounts set balance = balance + :x where id = :to",
    ],
    values={"x": {"min": 1, "max": 5}, "from": "accounts.id", "to": "accounts.id"},
)


@pytest.fixture
def bank(database: PostgresDatabase) -> PostgresDatabase:
    with psycopg.connect(database.url(Role.OWNER), autocommit=True) as connection:
        connection.execute(SCHEMA)
    database.grant()
    return database


@contextmanager
def running(
    bank: PostgresDatabase, choice: WorkloadChoice, *, seed: int = 1
) -> Iterator[tuple[Driver, ListingJournal]]:
    journal = ListingJournal()
    with Driver(open_mix(choice, bank), bank, choice, seed, journal) as driver:
        driver.begin("baseline")
        yield driver, journal


def workload(*calls: CallChoice, **changes: Any) -> WorkloadChoice:
    return WorkloadChoice(**{"sessions": 4, "rate": 300.0, "calls": list(calls), **changes})


def until(true: Callable[[], bool], *, seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "it did not come true in time"
        time.sleep(0.02)


def owner(bank: PostgresDatabase) -> psycopg.Connection:
    return psycopg.connect(bank.url(Role.OWNER), autocommit=True)


def value(bank: PostgresDatabase, sql: str) -> Any:
    with owner(bank) as connection:
        row = connection.execute(sql).fetchone()  # type: ignore[call-overload]
        assert row is not None
        return row[0]


def calls_of(facts: Facts) -> pandas.DataFrame:
    return facts.frame(CallEnded)


def test_every_call_is_answered_and_every_row_written_is_on_record(bank: PostgresDatabase) -> None:
    with running(bank, workload(READ, ADD, BOOK, MOVE)) as (driver, journal):
        until(lambda: driver.counts().ok > 400)
        driver.end()
    facts = journal.close()
    calls, rows = calls_of(facts), facts.frame(RowWritten)
    assert set(calls["outcome"]) == {"ok"}
    assert (calls["done_ns"] >= calls["sent_ns"]).all()
    assert (calls["sent_ns"] >= calls["picked_ns"]).all()
    assert (calls["picked_ns"] >= calls["at_ns"]).all()
    assert calls["number"].is_unique
    counts = calls["call"].value_counts()
    assert value(bank, "select sum(n) from accounts") == counts["add"]
    assert value(bank, "select count(*) - 5000 from entries") == counts["book"]
    assert value(bank, "select sum(balance) from accounts") == 100_000
    booked = rows[rows["kind"] == "insert"]
    assert len(booked) == counts["book"]
    assert len(rows[rows["kind"] == "update"]) == counts["add"] + 2 * counts["move"]
    told = pandas.DataFrame([{**eval(k), **eval(v)} for k, v in zip(booked["key"], booked["values"], strict=True)])
    with owner(bank) as connection:
        there = {str(i): (str(a), str(x)) for i, a, x in connection.execute("select * from entries where id > 5000")}
    assert {row["id"]: (row["account"], row["amount"]) for _, row in told.iterrows()} == there


def test_nobody_is_connected_outside_a_phase(bank: PostgresDatabase) -> None:
    with running(bank, workload(READ)) as (driver, _):
        until(lambda: driver.counts().ok > 10)
        driver.end()
        users = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        until(lambda: value(bank, users) == 0)
        driver.begin("forward")
        assert value(bank, users) == 4
        driver.end()


def test_the_number_of_workers_changes_neither_calls_nor_values(bank: PostgresDatabase) -> None:
    def sent(workers: int) -> list[tuple[int, str, int, str | None]]:
        with running(bank, workload(READ, ADD, BOOK, workers=workers), seed=9) as (driver, journal):
            until(lambda: driver.counts().ok > 150)
            driver.end()
        facts = journal.close()
        rows = facts.frame(RowWritten)
        written = dict(zip(rows["number"], rows["values"], strict=True))
        calls = calls_of(facts).sort_values("number").head(150)
        begin = calls["at_ns"].min()
        columns = (calls["number"], calls["call"], (calls["at_ns"] - begin) // 1000)
        return [(number, call, due, written.get(number)) for number, call, due in zip(*columns, strict=True)]

    assert sent(1) == sent(3)


def test_latency_behind_a_lock_counts_from_when_calls_were_due(bank: PostgresDatabase) -> None:
    with running(bank, workload(READ, rate=100.0)) as (driver, journal):
        until(lambda: driver.counts().ok > 20)
        with owner(bank) as connection, connection.transaction():
            connection.execute("lock table accounts in access exclusive mode")
            began = time.monotonic_ns()
            until(lambda: time.monotonic_ns() - began > 600_000_000)
        until(lambda: driver.counts().in_flight == 0)
        driver.end()
    calls = calls_of(journal.close())
    waits = (calls["done_ns"] - calls["at_ns"]) / 1e6
    behind = (waits > 50).sum()
    assert behind > 40  # a client that waits for its answers would have sent 4
    assert waits.max() == pytest.approx(600, abs=150)
    assert ((calls["picked_ns"] - calls["at_ns"]) / 1e6).quantile(0.95) < 20  # the driver itself was not late


def test_calls_that_find_no_session_in_time_are_missed_and_not_forgotten(bank: PostgresDatabase) -> None:
    with running(bank, workload(READ, rate=100.0, patience=300_000_000)) as (driver, journal):
        with owner(bank) as connection, connection.transaction():
            connection.execute("lock table accounts in access exclusive mode")
            until(lambda: driver.counts().missed > 20)
        driver.end()
    calls = calls_of(journal.close())
    missed = calls[calls["outcome"] == "missed"]
    assert missed["sent_ns"].isna().all()
    assert (missed["session"] == 0).all()
    assert ((missed["done_ns"] - missed["at_ns"]) >= 300_000_000).all()


def test_a_call_that_outlasts_the_phase_is_cancelled_with_its_real_outcome(bank: PostgresDatabase) -> None:
    with owner(bank) as connection, running(bank, workload(ADD, sessions=2, rate=50.0)) as (driver, journal):
        connection.autocommit = False
        connection.execute("lock table accounts in exclusive mode")
        until(lambda: driver.counts().in_flight > 2)
        driver.end()
        connection.rollback()
    facts = journal.close()
    calls = calls_of(facts)
    assert set(calls[calls["code"] == "57014"]["outcome"]) == {"failed"}
    assert (calls["outcome"] == "missed").any()
    assert value(bank, "select sum(n) from accounts") == (calls["outcome"] == "ok").sum()


def test_a_stale_plan_fails_once_a_session_and_is_prepared_again(bank: PostgresDatabase) -> None:
    with running(bank, workload(READ)) as (driver, journal):
        until(lambda: driver.counts().ok > 100)
        with owner(bank) as connection:
            connection.execute("alter table accounts alter n type bigint")
        until(lambda: driver.counts().failed >= 4)
        ok = driver.counts().ok
        until(lambda: driver.counts().ok > ok + 200)
        driver.end()
    calls = calls_of(journal.close())
    failed = calls[calls["outcome"] == "failed"]
    assert set(failed["message"]) == {"cached plan must not change result type"}
    assert len(failed) == 4


def test_calls_of_a_column_that_is_gone_fail_with_the_servers_code_and_others_go_on(bank: PostgresDatabase) -> None:
    with running(bank, workload(READ, ADD)) as (driver, journal):
        until(lambda: driver.counts().ok > 50)
        with owner(bank) as connection:
            connection.execute("alter table accounts rename n to m")
            until(lambda: driver.counts().failed > 30)
            connection.execute("alter table accounts rename m to n")
        failed = driver.counts().failed
        until(lambda: driver.counts().ok > 400)
        driver.end()
        assert driver.counts().failed <= failed + 10
    facts = journal.close()
    calls = calls_of(facts)
    assert set(calls[calls["call"] == "add"]["code"].dropna()) == {"42703"}
    failed_adds = ((calls["call"] == "add") & (calls["outcome"] == "failed")).sum()
    assert value(bank, "select sum(n) from accounts") == ((calls["call"] == "add") & (calls["outcome"] == "ok")).sum()
    assert (facts.frame(RowWritten)["outcome"] == "failed").sum() == failed_adds


def test_a_failure_in_a_transaction_takes_it_back_whole(bank: PostgresDatabase) -> None:
    bad = CallChoice(
        name="bad",
        sql="update accounts set n = n + 1 where id = :id; select 1 / 0 / :one",
        values={"id": "accounts.id", "one": 1},
    )
    with running(bank, workload(bad)) as (driver, journal):
        until(lambda: driver.counts().failed > 50)
        driver.end()
    calls = calls_of(journal.close())
    assert set(calls["code"]) == {"22012"}
    assert value(bank, "select sum(n) from accounts") == 0


def test_lost_connections_are_made_again_and_no_write_is_called_what_it_was_not(bank: PostgresDatabase) -> None:
    with running(bank, workload(READ, ADD, MOVE, rate=500.0)) as (driver, journal):
        for at in range(1, 6):
            until(lambda at=at: driver.counts().ok > 100 * at)  # type: ignore[misc]
            with owner(bank) as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )
        ok = driver.counts().ok
        until(lambda: driver.counts().ok > ok + 200)
        driver.end()
    calls = calls_of(journal.close())
    assert calls["session"].nunique() > 8
    adds = calls[calls["call"] == "add"]["outcome"].value_counts()
    total = value(bank, "select sum(n) from accounts")
    assert adds["ok"] <= total <= adds["ok"] + adds.get("unknown", 0)
    assert value(bank, "select sum(balance) from accounts") == 100_000


def test_sessions_that_cannot_connect_are_said_in_the_servers_words(bank: PostgresDatabase) -> None:
    choice = workload(READ, sessions=4)
    with owner(bank) as connection:
        connection.execute(f'alter database "{bank.name}" connection limit 2')  # type: ignore[call-overload]
    with (
        Driver(open_mix(choice, bank), bank, choice, 1, ListingJournal()) as driver,
        pytest.raises(ServerFailed, match="too many connections for database"),
    ):
        driver.begin("baseline")


def test_a_call_that_the_server_refuses_to_prepare_is_a_mistake_with_its_place(bank: PostgresDatabase) -> None:
    wrong = CallChoice(name="w", sql="select ownr from accounts where id = :id", values={"id": "accounts.id"})
    with pytest.raises(ScenarioMistake, match=r'workload\.calls\[1\]\.sql .*column "ownr" does not exist'):
        open_mix(workload(READ, wrong), bank)


def test_without_calls_a_workload_is_derived_and_said_to_be(bank: PostgresDatabase) -> None:
    choice = WorkloadChoice(sessions=4, rate=300.0)
    mix: Mix = open_mix(choice, bank)
    assert {one.name for one in mix.shapes} == {"read accounts", "update accounts", "read entries", "update entries"}
    assert sum(one.share for one in mix.shapes if one.name.startswith("read")) == pytest.approx(0.8)
    assert "derived from the schema" in mix.notes[0]
    with running(bank, choice) as (driver, journal):
        until(lambda: driver.counts().ok > 200)
        driver.end()
    assert set(calls_of(journal.close())["outcome"]) == {"ok"}


def test_session_settings_are_those_of_the_application(bank: PostgresDatabase) -> None:
    call = CallChoice(name="s", sql="select 1 / (current_setting('lock_timeout') = '123ms')::int")
    with running(bank, workload(call, settings={"lock_timeout": "123ms"})) as (driver, journal):
        until(lambda: driver.counts().ok > 20)
        driver.end()
    assert set(calls_of(journal.close())["outcome"]) == {"ok"}


def test_a_killed_parent_leaves_no_sending_process(bank: PostgresDatabase) -> None:
    script = (
        "import sys, time; from types import SimpleNamespace as N; from rehearse.model import *;"
        "from rehearse.workload.driver import Driver; from rehearse.workload.mix import open_mix;"
        "db = N(url=lambda role: sys.stdin.readline().strip() if not urls else urls[0], name='x'); urls = [];"
        "urls.append(db.url(None)); w = WorkloadChoice(sessions=2, workers=2);"
        "d = Driver(open_mix(w, db), db, w, 1, None); d.__enter__(); d.begin('baseline');"
        "print(*[one.process.pid for one in d._workers], flush=True); time.sleep(60)"
    )
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert parent.stdin and parent.stdout
    with parent:
        parent.stdin.write(bank.url(Role.OWNER).encode() + b"\n")
        parent.stdin.flush()
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.send_signal(signal.SIGKILL)
    until(lambda: not any(_alive(pid) for pid in pids))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


FICKLE = """
CREATE SEQUENCE turns;
CREATE FUNCTION fickle() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('turns') % 3 <> 0 THEN
        RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN 1;
END $$;
GRANT USAGE ON SEQUENCE turns TO PUBLIC;
"""


def test_a_call_is_sent_again_as_often_as_the_application_would(bank: PostgresDatabase) -> None:
    with owner(bank) as connection:
        connection.execute(FICKLE)
    stubborn = CallChoice(name="stubborn", sql="select fickle()", retries=20)
    with running(bank, workload(stubborn, rate=50.0, sessions=1)) as (driver, journal):
        until(lambda: driver.counts().ok > 30)
        driver.end()
    calls = calls_of(journal.close())
    answered = calls[calls["outcome"] == "ok"]
    assert set(calls["outcome"]) == {"ok"}, calls[calls["outcome"] != "ok"].to_dict("records")
    assert answered["tries"].sum() == value(bank, "select last_value from turns")
    assert answered["tries"].mean() == pytest.approx(3.0, abs=0.5)
    waited = answered[answered["tries"] >= 3]
    assert ((waited["done_ns"] - waited["at_ns"]) >= 30_000_000).all()  # 10 ms and 20 ms


def test_a_call_without_retries_fails_at_once(bank: PostgresDatabase) -> None:
    with owner(bank) as connection:
        connection.execute(FICKLE)
    with running(bank, workload(CallChoice(name="once", sql="select fickle()"), rate=50.0)) as (driver, journal):
        until(lambda: driver.counts().failed > 20)
        driver.end()
    calls = calls_of(journal.close())
    assert set(calls["tries"]) == {1}
    assert set(calls[calls["outcome"] == "failed"]["code"]) == {"40001"}


def test_an_application_that_thinks_within_its_transaction_keeps_its_rows_locked_meanwhile(
    bank: PostgresDatabase,
) -> None:
    thinking = replace(MOVE, think=40_000_000)
    with running(bank, workload(thinking, rate=20.0)) as (driver, journal):
        until(lambda: driver.counts().ok > 30)
        driver.end()
    calls = calls_of(journal.close())
    took = (calls["done_ns"] - calls["sent_ns"]) / 1e6
    assert set(calls["outcome"]) == {"ok"}
    assert took.min() >= 40, "one place between two statements"
    assert took.median() < 60
    assert value(bank, "select sum(balance) from accounts") == 100_000


def test_a_call_of_one_statement_has_nothing_to_think_about() -> None:
    with pytest.raises(ScenarioMistake, match=r"workload.calls\[0\].think: 'read' has one statement"):
        check(workload(replace(READ, think=1)))
