"""One scenario on PostgreSQL and on MariaDB: a run each, one table, and the same rows under both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rehearse
from rehearse import datasets, registry
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.errors import Missing
from rehearse.protocols import Database, Role, Server
from rehearse.reading import profile
from rehearse.reading.scenario import read
from tests.cli.test_cli import rehearse as command
from tests.conftest import KeepingJournal

pytestmark = pytest.mark.slow

TOPIC = Path(__file__).parents[2] / "scenarios" / "add_column_dialects"


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Server]:
    """The server that is installed here; without it there is no second engine."""
    choice = read(TOPIC / "bad.toml", engine="mariadb").engine
    try:
        with registry.engine("mariadb").start(choice, KeepingJournal()) as started:
            yield started
    except Missing as missing:
        pytest.skip(str(missing))


def test_a_scenario_fails_on_each_engine_for_what_each_does(tmp_path: Path, mariadb: Server) -> None:
    path = _quick(tmp_path)
    asked = ("--engine=postgres", "--engine=mariadb", "--engine=mariadb:99", "--scale=0.006", "--budget=blocked=20ms")
    done = command("run", str(path), *asked, "--out=out", "--json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["engine"], row["status"]) for row in rows] == [
        ("postgres", "failed"),
        ("mariadb", "failed"),
        ("mariadb", "not run"),
    ]
    assert {"L001", "L002"} <= set(rows[0]["failed"])
    assert "L002" in rows[1]["failed"] and rows[1]["version"] == mariadb.version
    for row in rows[:2]:
        assert row["writes_ms"] > 20
        assert row["fidelity"] == 1.0
        assert (row["report"]["scenario"]["engine"], row["report"]["scenario"]["via"]) == (row["engine"], row["via"])
        recorded, effective = rehearse.load(tmp_path / row["folder"]).scenario, read(path, engine=row["engine"])
        assert (recorded.migration, recorded.workload, recorded.engine) == (
            effective.migration,
            effective.workload,
            effective.engine,
        )
    _sees_the_same(tmp_path / "out", rows)


def _quick(folder: Path) -> Path:
    """Return a copy of the scenario with less traffic before and after the migration."""
    for part in (TOPIC, TOPIC.parent / "shop"):
        shutil.copytree(part, folder / part.name)
    path = folder / TOPIC.name / "bad.toml"
    text = path.read_text(encoding="utf-8")
    quick = text.replace('baseline = "3s"', 'baseline = "1s"\nlead = "200ms"').replace(
        'settle   = "1s"', 'settle = "200ms"'
    )
    assert quick.count("200ms") == 2
    path.write_text(quick, encoding="utf-8")
    return path


def _sees_the_same(out: Path, rows: list[dict[str, Any]]) -> None:
    """See that the files have the rows of standard output, and that each leads to a report that is there."""
    written = json.loads((out / "matrix.json").read_text(encoding="utf-8"))["runs"]
    page = (out / "matrix.html").read_text(encoding="utf-8")
    for row, one in zip(rows, written, strict=True):
        assert {**one, "folder": None} == {key: value for key, value in row.items() if key != "report"} | {
            "folder": None
        }
        if one["folder"] is not None:
            assert (out / one["folder"] / "report.html").exists()
            assert f'href="{one["folder"]}/report.html"' in page


def test_the_same_seed_makes_the_same_rows_for_both(database: PostgresDatabase, mariadb: Server) -> None:
    theirs = mariadb.create("same_rows")
    try:
        made = {engine: _rows(one, engine) for engine, one in (("postgres", database), ("mariadb", theirs))}
    finally:
        theirs.drop()
    assert set(made["postgres"]) == {"customers", "orders"}
    assert made["postgres"] == made["mariadb"]


def _rows(database: Database, engine: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that are generated for a database with the scenario's schema, by table."""
    scenario = read(TOPIC / "good.toml", engine=engine)
    registry.tool("sql").open(scenario).prepare(database.url(Role.MIGRATION))
    assert isinstance(database, datasets.Described)
    found = profile.find("orders", scenario.folder)
    tables = datasets.open_tables(found, database.structure(), scale=0.0002, seed=scenario.seed, rows={})
    return {one.table: [row for chunk in one.chunks() for row in chunk.to_pylist()] for one in tables}
