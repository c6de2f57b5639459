"""Faults and bad input: each is said clearly, and nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from tests.end_to_end import small

pytestmark = pytest.mark.slow


def report(path: Path) -> dict[str, Any]:
    return json.loads((path.parent / "out" / "report.json").read_text(encoding="utf-8"))


def codes(path: Path) -> set[str]:
    return {finding["code"] for finding in report(path)["findings"]}


def test_a_third_statement_that_fails_is_named_with_its_place(tmp_path: Path) -> None:
    path = small.scenario(
        tmp_path, "alter table items add a int;\nalter table items add b int;\nalter table nowhere add c int;\n", ""
    )
    done = small.run(path)
    assert done.returncode == 1, done.stderr
    assert "D002" in codes(path)
    says = next(one["says"] for one in report(path)["findings"] if one["code"] == "D002")
    assert "up.sql:3" in says
    assert 'relation "nowhere" does not exist' in says
    forward = next(one for one in report(path)["phases"] if one["name"] == "forward")
    assert forward["error"]
    assert [one["name"] for one in report(path)["phases"]] == ["baseline", "forward"]
    assert not report(path)["integrity"]["lost_writes"]


def test_a_missing_way_back_is_a_finding(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, "alter table items add a int;", None)
    done = small.run(path)
    assert done.returncode == 1, done.stderr
    assert "D003" in codes(path)
    assert report(path)["rollback"]["fidelity"] is None


def test_no_way_back_can_be_accepted(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, "alter table items add a int;", None, migration="back = false")
    done = small.run(path)
    assert small.passed(path), done.stdout + done.stderr
    assert report(path)["rollback"]["fidelity"] is None


def test_a_deadlock_with_the_traffic_is_found(tmp_path: Path) -> None:
    calls = """
[[workload.calls]]
name = "item then part"
sql = ["update items set price = price + 1 where id = 1", "select pg_sleep(0.05)",
       "update parts set amount = amount + 1 where id = 1"]
"""
    forward = "lock table parts in access exclusive mode;\nselect pg_sleep(0.3);\nalter table items add a int;\n"
    path = small.scenario(tmp_path, forward, "alter table items drop a;", calls=calls)
    done = small.run(path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "L003" in codes(path)


def test_a_schema_file_that_does_not_load_names_its_line(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, "select 1;", "", base="create table a (id int);\n\ncreate tabel b (id int);\n")
    done = small.run(path)
    assert done.returncode in (2, 3)
    assert "base.sql:3" in done.stderr
    assert "syntax error" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_profile_that_names_a_missing_table_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "schema.sql").write_text("create table orders (id int primary key);", encoding="utf-8")
    (tmp_path / "p.toml").write_text('name = "p"\n[tables.ordres]\nrows = 10\n', encoding="utf-8")
    path = tmp_path / "a.toml"
    path.write_text(
        'name = "a"\n[data]\nprofile = "p.toml"\n[migration]\nschema = "schema.sql"\nforward = "select 1;"\n',
        encoding="utf-8",
    )
    done = small.run(path)
    assert done.returncode == 2, done.stderr
    assert "p.toml" in done.stderr
    assert "ordres" in done.stderr
    assert "orders" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_big_a_scale_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "schema.sql").write_text("create table orders (id bigint primary key, note text);", encoding="utf-8")
    (tmp_path / "p.toml").write_text('name = "p"\n[tables.orders]\nrows = 1000000000\n', encoding="utf-8")
    path = tmp_path / "a.toml"
    path.write_text(
        'name = "a"\n[data]\nprofile = "p.toml"\n[migration]\nschema = "schema.sql"\nforward = "select 1;"\n',
        encoding="utf-8",
    )
    done = small.run(path, "--scale", "10000")
    assert done.returncode == 4, done.stderr
    assert "--scale" in done.stderr


PHASES = ("make the schema", "load", "baseline", "forward", "back", "again")


def started(path: Path, until: str, **options: Any) -> subprocess.Popen[str]:
    """Start a rehearsal and return when its line of the stage before `until` was printed."""
    command = [sys.executable, "-m", "rehearse", "run", str(path), "--out", str(path.parent / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **options)
    before = {"baseline": "keep start", "forward": "baseline", "back": "keep forward"}[until]
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip().startswith(before):
            return process
    raise AssertionError(f"the rehearsal ended before {until}")


def traces(folder: Path) -> list[str]:
    """Return processes and folders of rehearsals whose temporary files are in `folder`."""
    found = [str(one) for one in folder.iterdir()]
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(folder) in words:
            found.append(words)
    return found


def gone(folder: Path, limit_s: float = 20) -> bool:
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if not traces(folder):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("phase", ["baseline", "forward", "back"])
def test_a_signal_in_any_phase_leaves_nothing_behind(
    tmp_path: Path, room: Path, phase: str, number: signal.Signals
) -> None:
    sleep = "alter table items add a int;\nselect pg_sleep(30);"
    path = small.scenario(
        tmp_path,
        sleep if phase == "forward" else "alter table items add a int;",
        "select pg_sleep(30);" if phase == "back" else "alter table items drop a;",
        more="workers = 1" if phase != "baseline" else "workers = 2",
    )
    with started(path, phase) as process:
        process.send_signal(number)
        _, complaint = process.communicate(timeout=30)
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert "Traceback" not in complaint
    assert gone(room), traces(room)
    room.rmdir()


def test_two_rehearsals_at_once_do_not_meet(tmp_path: Path) -> None:
    paths = [
        small.scenario(tmp_path / name, "alter table items add a int;", "alter table items drop a;") for name in "ab"
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "rehearse", "run", str(path), "--out", str(path.parent / "out")],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for path in paths
    ]
    for process in processes:
        said, complained = process.communicate(timeout=120)
        assert process.returncode in (0, 3), said + complained  # 3: two at once may be too much to be on time
    for path in paths:
        assert [one["name"] for one in report(path)["phases"]] == ["baseline", "forward", "back", "again"]


def test_a_tool_that_is_killed_leaves_no_statement_running(tmp_path: Path) -> None:
    slow = "import psycopg, os; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True).execute("
    slow += "'lock table items; select pg_sleep(60)')"
    base = small.scenario(tmp_path, "", None)
    text = base.read_text(encoding="utf-8").replace(
        'forward = "up.sql"', f'tool = "command"\nforward = """{sys.executable} -c \\"{slow}\\""""'
    )
    base.write_text(text.replace("[workload]", 'timeout = "1s"\nback = false\n[workload]'), encoding="utf-8")
    done = small.run(base)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "D002" in codes(base)
    forward = next(one for one in report(base)["phases"] if one["name"] == "forward")
    longest = max(one["longest_ms"] for one in forward["outages"])
    assert 200 < longest < 4000


def test_what_is_kept_can_be_looked_at_until_its_process_is_ended(tmp_path: Path, room: Path) -> None:
    path = small.scenario(tmp_path, "alter table items add a int;", "alter table items drop a;")
    command = [sys.executable, "-m", "rehearse", "run", str(path), "--keep", "-q", "--out", str(tmp_path / "out")]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    urls = re.findall(r"kept  '(\S+)'", said.stderr)
    assert [urlsplit(url).path for url in urls] == ["/rehearsal", "/start", "/forward"], said.stderr
    for url, is_changed in zip(urls, (True, False, True), strict=True):
        with psycopg.connect(url) as connection:
            columns = connection.execute("select * from items limit 0").description or ()
        assert ("a" in {one.name for one in columns}) is is_changed
    os.kill(int(re.findall(r"kill (\d+)", said.stderr)[0]), signal.SIGTERM)
    assert gone(room), traces(room)
    room.rmdir()
