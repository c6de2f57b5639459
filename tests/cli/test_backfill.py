"""`rehearse backfill` as people and scripts call it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from rehearse.cli import group
from rehearse.cli._backfill_view import words
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.errors import Mistake
from rehearse.protocols import Role

STATEMENT = ["--table", "t", "--set", "v = id", "--where", "v IS NULL"]


@pytest.fixture
def url(database: PostgresDatabase) -> str:
    url = database.url(Role.OWNER)
    with psycopg.connect(url) as connection:
        connection.execute("create table t (id int primary key, v int)")
        connection.execute("insert into t select g, null from generate_series(1, 2000) g")
        connection.execute("analyze t")
    return url


def called(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rehearse", "backfill", *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--table", "t"], "say what to do"),
        (["--sql", "UPDATE t SET v = 1", "--table", "t"], "--sql is the whole statement"),
        ([*STATEMENT, "--probe", "SELECT 1"], "each --probe needs its --probe-max"),
        ([*STATEMENT, "--latency", "SELECT 1"], "--latency and --latency-max go together"),
        ([*STATEMENT, "--batch-time", "100"], "--batch-time: '100' is not a duration"),
    ],
)
def test_options_that_do_not_fit_are_said(options: list[str], complaint: str) -> None:
    found = CliRunner().invoke(group, ["backfill", "postgresql://nowhere/x", *options])
    assert found.exit_code == 2
    assert complaint in found.output


def test_sizes_out_of_bounds_are_said() -> None:
    found = CliRunner().invoke(group, ["backfill", "postgresql://nowhere/x", *STATEMENT, "--batch", "1"])
    assert isinstance(found.exception, Mistake)
    assert "between 10 and 100,000" in str(found.exception)


@pytest.mark.slow
def test_it_says_what_it_will_do_and_writes_only_with_a_yes(url: str) -> None:
    refused = called(url, *STATEMENT)
    assert refused.returncode == 2
    assert "say --yes where nobody can be asked" in refused.stderr
    shown = called(url, *STATEMENT, "--dry-run")
    assert shown.returncode == 0
    assert 'UPDATE t SET v = id\nWHERE "t"."id" <= 1000 AND (v IS NULL' in shown.stdout
    assert "the planner's guess is that 2,000 are left" in shown.stdout
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(v), to_regclass('rehearse_backfill') from t").fetchone() == (0, None)
    done = called(url, *STATEMENT, "--yes", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert (result["rows"], result["left"], result["is_right"], result["key"]) == (2_000, 0, True, ["id"])
    assert done.stderr.splitlines() == ["warning  the password in the URL stands in this machine's list of processes"]


@pytest.mark.slow
def test_rows_that_are_left_are_the_exit_code(url: str) -> None:
    found = called(url, "--table", "t", "--set", "v = nullif(id, 5)", "--where", "v IS NULL", "--yes")
    assert found.returncode == 1
    assert "NOT RIGHT: 1 row left, such as those with key 5" in found.stdout


@pytest.mark.slow
def test_mistakes_are_one_line_and_no_secret_is_told(url: str) -> None:
    found = called(url, "--table", "t", "--set", "v = 1", "--where", "vv IS NULL", "--yes")
    assert found.returncode == 2
    assert "the server would refuse a batch: column" in found.stderr
    assert "Traceback" not in found.stderr
    nowhere = called("postgresql://me:s3cret@127.0.0.1:1/x", *STATEMENT, "--yes")
    assert nowhere.returncode == 2
    assert "s3cret" not in nowhere.stdout + nowhere.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_it_after_a_batch_and_the_same_command_goes_on(url: str, number: signal.Signals) -> None:
    words = [sys.executable, "-m", "rehearse", "backfill", url, *STATEMENT, "--yes", "--batch", "100"]
    words += ["--batch-time", "off"]
    with (
        subprocess.Popen([*words, "--pause", "1min"], stdout=subprocess.PIPE, text=True) as process,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        _until(connection, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rehearse backfill'")
        _until(connection, "SELECT count(*) FROM pg_class WHERE relname = 'rehearse_backfill'")
        process.send_signal(number)
        assert process.wait(20) == 130
        assert process.stdout is not None
        assert "stopped; the same command goes on from here" in process.stdout.read()
    assert called(*words[4:]).returncode == 0


def _until(connection: psycopg.Connection[tuple[int]], query: str) -> None:
    ends = time.monotonic() + 20
    while not connection.execute(query).fetchone()[0]:  # type: ignore[arg-type, index]
        assert time.monotonic() < ends, query
        time.sleep(0.005)


@pytest.mark.slow
def test_two_signals_end_it_at_once_and_the_batch_is_rolled_back(url: str, tmp_path: Path) -> None:
    slow = ["--table", "t", "--set", "v = id + length(pg_sleep(60)::text)", "--where", "v IS NULL", "--yes"]
    with (
        (tmp_path / "err").open("w+") as stderr,
        subprocess.Popen([sys.executable, "-m", "rehearse", "backfill", url, *slow], stderr=stderr) as process,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        _until(connection, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        process.send_signal(signal.SIGINT)
        ends = time.monotonic() + 20
        while "ends after the batch under way" not in Path(stderr.name).read_text(encoding="utf-8"):
            assert time.monotonic() < ends
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert connection.execute("SELECT count(v) FROM t").fetchone() == (0,)
        _until(connection, "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")


def test_the_line_of_progress_says_what_it_waits_for() -> None:
    from rehearse.backfill import Standing  # noqa: PLC0415

    standing = Standing()
    standing.keys = standing.stage_keys = standing.rows = 1_500
    standing.pace_keys, standing.took_ns, standing.refused, standing.last_refusal = 700, 99_000_000, 2, "deadlock"
    standing.ease = 0.25
    assert words(standing) == (
        "backfill: 1,500 keys, 1,500 rows, batches of 700 in 99 ms, eased to 25% for the latency, "
        "2 tried again (deadlock)"
    )
