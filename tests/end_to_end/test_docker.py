"""A whole rehearsal in a container: the verdict that the wheel's server gives, and nothing left of it."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from rehearse.engines import _docker

from . import small
from .test_faults import gone, started

pytestmark = pytest.mark.slow

# What is told to no statement of ours: a command's statements are known from the server's log.
COMMAND = "import psycopg, os; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True).execute('{sql}')"

HELD = "alter table items add extra int; select pg_sleep(0.2)"  # long enough for the looks at locks


def in_docker(folder: Path, forward: str, back: str, **words: Any) -> Path:
    path = small.scenario(folder, forward, back, **words)
    path.write_text(path.read_text() + '[engine]\nvia = "docker"\nmemory = "1GB"\ntmpfs = "512MB"\n')
    return path


def report(path: Path) -> dict[str, Any]:
    return dict(json.loads((path.parent / "out" / "report.json").read_text()))


def test_a_lossy_way_back_is_found(docker_image: str, tmp_path: Path, room: Path) -> None:
    path = in_docker(tmp_path, "alter table items drop note;", "alter table items add note text;")
    done = small.run(path)
    assert done.returncode == 1, done.stdout + done.stderr
    found = report(path)
    assert found["scenario"]["via"] == "docker"
    assert "F002" in {one["code"] for one in found["findings"]}
    lost = {(one["table"], one["column"]): one["values_lost"] for one in found["rollback"]["data"]}
    assert lost["items", "note"] == 666
    assert not list(room.iterdir())
    assert not _docker.containers_below(room)
    room.rmdir()


def test_a_harmless_change_by_a_command_passes_and_its_statements_are_read_from_the_log(
    docker_image: str, tmp_path: Path
) -> None:
    forward, back = (
        f'{sys.executable} -c "{COMMAND.format(sql=sql)}"' for sql in (HELD, "alter table items drop extra")
    )
    path = in_docker(tmp_path, "", "")
    text = path.read_text().replace('forward = "up.sql"', f'tool = "command"\nforward = """{forward}"""')
    path.write_text(text.replace('back = "down.sql"', f'back = """{back}"""'))
    done = small.run(path)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert small.passed(path), done.stdout
    phases = {one["name"]: one for one in report(path)["phases"]}
    (ran,) = phases["forward"]["statements"]
    assert ran["sql"] == HELD
    assert {(one["table"], one["mode"]) for one in ran["locks"]} == {("items", "AccessExclusiveLock")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_no_container(docker_image: str, tmp_path: Path, room: Path, number: signal.Signals) -> None:
    path = in_docker(tmp_path, "alter table items add a int;\nselect pg_sleep(30);", "alter table items drop a;")
    with started(path, "forward") as process:
        assert _docker.containers_below(room)
        process.send_signal(number)
        _, complaint = process.communicate(timeout=30)
    assert "Traceback" not in complaint
    assert gone(room)
    assert not _docker.containers_below(room)
    room.rmdir()


def test_without_an_engine_or_an_image_the_user_is_told_in_a_line(
    docker_image: str, tmp_path: Path, monkeypatch
) -> None:
    path = in_docker(tmp_path, "alter table items add a int;", "alter table items drop a;")
    monkeypatch.setenv("REHEARSE_IMAGE_POSTGRES", "nowhere.invalid/postgres:18")
    nowhere = small.run(path)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    nothing = small.run(path)
    for done, word in ((nowhere, "REHEARSE_IMAGE_POSTGRES = 'nowhere.invalid/postgres:18'"), (nothing, "engine.via")):
        assert done.returncode == 2
        assert word in done.stderr
        assert "Traceback" not in done.stderr
