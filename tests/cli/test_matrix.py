"""Several scenarios on several engines: options, folders, rows that are not run, and the exit code of them all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rehearse.cli import matrix
from rehearse.cli.matrix import Asked, _published, placed, run_all, worst
from rehearse.cli.run import Done, Options, rehearsed
from rehearse.model import EngineChoice, Scenario
from rehearse.reports.matrix import not_run
from tests.cli.test_cli import rehearse

ONE = 'name = "one"\nwhy = "a"\n[migration]\nforward = "select 1"\n'
DIALECTS = 'name = "other"\n[migration.postgres]\nforward = "select 1"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two scenarios on a machine whose named folders hold no server."""
    (tmp_path / "one.toml").write_text(ONE, encoding="utf-8")
    (tmp_path / "other.toml").write_text(DIALECTS, encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for variable in ("REHEARSE_PG_BIN", "REHEARSE_MARIADB_BIN"):
        monkeypatch.setenv(variable, str(tmp_path / "empty"))
    return tmp_path


@pytest.mark.parametrize(
    ("codes", "worst_of_them"),
    [([0, 0], 0), ([0, 3], 3), ([3, 4], 4), ([4, 2, 3], 2), ([2, 1, 4], 1), ([0], 0), ([], 0)],
)
def test_what_failed_weighs_more_than_what_could_not_be_run(codes: list[int], worst_of_them: int) -> None:
    assert worst(codes) == worst_of_them


def test_each_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    def asked(name: str, engine: str, version: str | None = None) -> Asked:
        return Asked(scenario=Scenario(name=name, engine=EngineChoice(name=engine, version=version)), engine=None)

    runs = [asked("a", "postgres", "15"), asked("a", "mariadb"), asked("b", "postgres", "15"), asked("a", "mariadb")]
    found = [one.out for one in placed(runs, tmp_path)]
    assert found == [tmp_path / part for part in ("a/postgres-15", "a/mariadb", "b/postgres-15", "a/mariadb-2")]
    assert [one.out for one in placed(runs, None)] == [None] * 4


def test_what_cannot_be_run_here_is_a_row_and_does_not_stop_the_others(folder: Path) -> None:
    asked = ("--engine", "postgres:15", "--engine", "mariadb:10.11", "--via", "binary", "--out", "out")
    done = rehearse("run", "one.toml", "other.toml", *asked, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert "4 runs: 4 not run" in done.stdout
    assert done.stdout.count("not run: ") == 4
    assert done.stdout.splitlines()[-1] == "out/matrix.html"
    rows = json.loads((folder / "out" / "matrix.json").read_text(encoding="utf-8"))["runs"]
    assert [(one["scenario"], one["engine"], one["version"]) for one in rows] == [
        (name, *engine) for name in ("one", "other") for engine in (("postgres", "15"), ("mariadb", "10.11"))
    ]
    assert all(
        (one["status"], one["exit"], one["folder"], one["reads_ms"]) == ("not run", 2, None, None) for one in rows
    )
    assert "REHEARSE_PG_BIN" in rows[0]["says"] and "REHEARSE_MARIADB_BIN" in rows[1]["says"]
    assert "the scenario's migration is written for postgres; for mariadb write [migration.mariadb]" in rows[3]["says"]


def test_a_run_that_breaks_rehearse_is_a_row_and_does_not_stop_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken_on_postgres(scenario: Scenario, *, engine: str, **words: Any) -> Done:
        if engine == "postgres":
            raise ValueError("no such thing\nat mysql://me:hidden@h/d")
        return rehearsed(scenario, engine=engine, **words)

    monkeypatch.setattr(matrix, "rehearsed", broken_on_postgres)
    asked = [(folder / "one.toml", engine) for engine in ("postgres", "mariadb", "postgres")]
    options = Options(scale=None, seed=None, via="binary", budgets=())
    assert run_all(asked, options, folder / "out", loudness=1, as_json=False, keep=False) == 2
    rows = json.loads((folder / "out" / "matrix.json").read_text(encoding="utf-8"))["runs"]
    assert [(one["engine"], one["status"], one["exit"]) for one in rows] == [
        ("postgres", "not run", 3),
        ("mariadb", "not run", 2),
        ("postgres", "not run", 3),
    ]
    assert rows[0]["says"] == "rehearse broke: ValueError: no such thing at mysql://me:***@h/d"
    told = capsys.readouterr().err
    assert told.count("Traceback") == told.count("this is a fault of rehearse") == 2
    assert "hidden" not in told


def test_json_is_one_list_of_all_runs(folder: Path) -> None:
    asked = ("--engine=postgres", "--engine=mariadb", "--via=binary", "--json")
    done = rehearse("run", "one.toml", *asked, cwd=folder)
    rows = json.loads(done.stdout)
    assert [(one["engine"], one["status"], one["report"]) for one in rows] == [
        ("postgres", "not run", None),
        ("mariadb", "not run", None),
    ]
    assert not (folder / "reports").exists(), "nothing ran, so nothing is left"


def test_the_same_engine_twice_is_one_run_and_its_mistake_is_the_commands(folder: Path) -> None:
    done = rehearse("run", "one.toml", "one.toml", "--engine=mariadb", "--engine=mariadb", "--via=binary", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("rehearse: REHEARSE_MARIADB_BIN: ")


def test_a_mistake_in_a_file_or_an_option_stops_all_before_any_run(folder: Path) -> None:
    wrong = (
        (("one.toml", "--engine", "postgers"), "no engine is called 'postgers'; did you mean 'postgres'?"),
        (("one.toml", "nowhere.toml"), "nowhere.toml: there is no such file"),
        (("one.toml", "other.toml", "--budget", "blokced=1s"), "did you mean 'blocked'?"),
    )
    for args, says in wrong:
        done = rehearse("run", *args, "--engine=postgres", "--engine=mariadb", "--via=binary", cwd=folder)
        assert done.returncode == 2
        assert says in done.stderr
        assert "not run" not in done.stderr + done.stdout


def test_a_password_is_in_no_row(folder: Path) -> None:
    asked = ("--engine=mariadb", "--engine=postgres", "--via=postgresql://me:hidden@127.0.0.1:1/x", "--out=out")
    done = rehearse("run", "one.toml", *asked, cwd=folder)
    assert done.returncode in (2, 3)
    told = done.stdout + done.stderr + "".join(one.read_text("utf-8") for one in (folder / "out").glob("matrix.*"))
    assert "2 runs: 2 not run" in told
    assert "hidden" not in told


def test_an_interrupted_matrix_says_what_was_not_run(tmp_path: Path) -> None:
    asked = [Asked(scenario=Scenario(name=name), engine=None) for name in ("a", "b")]
    with (
        pytest.raises(KeyboardInterrupt),
        _published(asked, tmp_path, loudness=0, as_json=False) as told,
    ):
        told.rows.append(not_run(asked[0].scenario, "nothing is here", code=2))
        raise KeyboardInterrupt
    rows = json.loads((tmp_path / "matrix.json").read_text(encoding="utf-8"))["runs"]
    assert [(one["scenario"], one["says"], one["exit"]) for one in rows] == [
        ("a", "nothing is here", 2),
        ("b", "interrupted", 130),
    ]
