"""Any shell command is a migration; its environment names the database, its words hide the password."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.errors import ScenarioMistake
from rehearse.events import Remarked
from rehearse.model import MigrationChoice, Scenario
from rehearse.protocols import MigrationFailed, NoWayBack, Role
from rehearse.tools import _process
from rehearse.tools.command import TOOL, CommandMigration
from tests.conftest import KeepingJournal

URL = "postgresql://me:s%40cret@127.0.0.1:5999/my%20db?application_name=rehearse-migration&sslmode=disable"


def opened(folder: Path, **choice: Any) -> CommandMigration:
    choice = {"tool": "command", "forward": "true"} | choice
    return TOOL.open(Scenario(name="x", file=folder / "x.toml", migration=MigrationChoice(**choice)))


def said(journal: KeepingJournal) -> str:
    return "\n".join(one.says for one in journal.events if isinstance(one, Remarked))


def test_the_environment_names_the_database(tmp_path: Path, journal: KeepingJournal) -> None:
    asks = 'echo "$PGHOST $PGPORT $PGUSER $PGDATABASE $PGAPPNAME $PGOPTIONS"; test "$PGPASSWORD" = "s@cret" && pwd'
    opened(tmp_path, forward=asks, settings={"search_path": "a, b"}).forward(URL, journal)
    assert said(journal).splitlines() == [
        "127.0.0.1 5999 me my db rehearse-migration -c search_path=a,\\ b",
        str(tmp_path.resolve()),
    ]


def test_the_password_is_in_nothing_that_is_written_down(tmp_path: Path, journal: KeepingJournal) -> None:
    opened(tmp_path, forward="echo $DATABASE_URL $PGPASSWORD").forward(URL, journal)
    assert said(journal).startswith("postgresql://me:***@127.0.0.1:5999/my%20db?")
    assert said(journal).endswith(" ***")
    with pytest.raises(MigrationFailed) as failure:
        opened(tmp_path, forward="echo s@cret s%40cret >&2; false").forward(URL, journal)
    assert "cret" not in str(failure.value).partition("\n")[2]


def test_own_variables_may_be_made_of_ours(tmp_path: Path, journal: KeepingJournal) -> None:
    options = {"cwd": "sub", "env": {"DB": "${PGUSER}@$PGHOST", "RAILS_ENV": "test"}}
    (tmp_path / "sub").mkdir()
    opened(tmp_path, forward="echo $DB $RAILS_ENV; basename $PWD", options=options).forward(URL, journal)
    assert said(journal) == "me@127.0.0.1 test\nsub"


def test_several_commands_run_in_order_until_one_fails(tmp_path: Path, journal: KeepingJournal) -> None:
    with pytest.raises(MigrationFailed, match=r"^migration.forward \(exit 7\): exit code 7"):
        opened(tmp_path, forward=["echo one", "exit 7", "echo three"]).forward(URL, journal)
    assert said(journal) == "one"


def test_a_failure_ends_with_what_the_tool_said_last(tmp_path: Path, journal: KeepingJournal) -> None:
    with pytest.raises(MigrationFailed) as failure:
        opened(tmp_path, forward="seq 100 >&2; exit 1").forward(URL, journal)
    assert str(failure.value).splitlines()[1:] == [str(number) for number in range(86, 101)]


def test_a_program_that_is_not_there_is_told(tmp_path: Path, journal: KeepingJournal) -> None:
    with pytest.raises(MigrationFailed, match=r"exit code 127, a program that is not there\n.*no-such-tool.*not found"):
        opened(tmp_path, forward="no-such-tool up").forward(URL, journal)


@pytest.mark.slow
def test_a_command_that_outlives_the_time_out_is_killed_with_its_children(
    tmp_path: Path, journal: KeepingJournal
) -> None:
    began = time.monotonic()
    text = "trap '' TERM; sleep 300 & echo $! > child; echo waiting >&2; wait; sleep 300"
    with pytest.raises(MigrationFailed, match=r"cancelled after 300 ms \(migration.timeout\)\nwaiting"):
        opened(tmp_path, forward=text, timeout=300_000_000).forward(URL, journal)
    assert time.monotonic() - began < 20
    assert not _lives(int((tmp_path / "child").read_text()))


def test_what_a_command_leaves_behind_is_ended(tmp_path: Path, journal: KeepingJournal) -> None:
    opened(tmp_path, forward="sleep 300 & echo $! > child").forward(URL, journal)
    assert not _lives(int((tmp_path / "child").read_text()))


def test_an_interrupt_ends_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _process.run("echo $$ > self; exec sleep 300", cwd=tmp_path, environment=os.environ, url=URL)
    known = tmp_path / "self"  # it may have been ended before it had written its number, or the file
    number = known.read_text().strip() if known.exists() else ""
    assert not number or not _lives(int(number))


def test_a_program_ended_by_a_signal_is_told(tmp_path: Path, journal: KeepingJournal) -> None:
    with pytest.raises(MigrationFailed, match=f"ended by signal {signal.SIGSEGV.value}"):
        opened(tmp_path, forward="kill -SEGV $$").forward(URL, journal)


def test_without_a_command_back_there_is_no_way_back(tmp_path: Path, journal: KeepingJournal) -> None:
    with pytest.raises(NoWayBack, match=r"migration\.back names no command"):
        opened(tmp_path).back(URL, journal)


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"forward": None}, "migration.forward: write the command"),
        ({"options": {"cdw": "x"}}, r"options.cdw: unknown; did you mean 'cwd'\?"),
        ({"options": {"cwd": "gone"}}, "options.cwd: there is no folder"),
        ({"options": {"env": "A=b"}}, "options.env: write a table"),
        ({"schema": "gone.sql"}, "migration.schema: there is no file"),
    ],
)
def test_what_is_written_wrong_is_a_mistake(tmp_path: Path, choice: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioMistake, match=says):
        opened(tmp_path, **choice)


@pytest.mark.slow
def test_schema_prepare_forward_and_back_reach_the_database(
    tmp_path: Path, database: PostgresDatabase, journal: KeepingJournal
) -> None:
    database.grant()
    (tmp_path / "schema.sql").write_text("create table t (a int);")
    code = "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True).execute('{}')"
    python = f'{shlex.quote(sys.executable)} -c "{code}"'
    migration = opened(
        tmp_path,
        schema="schema.sql",
        prepare=python.format("insert into t values (1)"),
        forward=python.format("alter table t add b int default 2"),
        back=python.format("alter table t drop b"),
    )
    migration.prepare(database.url(Role.MIGRATION))
    migration.forward(database.url(Role.MIGRATION), journal)
    with database.connect() as connection:
        assert connection.execute("select * from t").fetchall() == [(1, 2)]
    migration.back(database.url(Role.MIGRATION), journal)
    with database.connect() as connection:
        assert connection.execute("select * from t").fetchall() == [(1,)]


def _lives(pid: int) -> bool:
    """Say whether a process is there and no zombie, when it has had 5 s to go."""
    deadline = time.monotonic() + 5
    while _is_running(pid):
        if time.monotonic() > deadline:
            return True
        os.sched_yield()
    return False


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")
