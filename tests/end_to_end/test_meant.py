"""What a migration is meant to do is no finding, and what was not tried is no pass; on a real server."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import small
from tests.tools.test_alembic import ENV_INI, INI, revision

pytestmark = pytest.mark.slow

FLYWAY = """
create table flyway_schema_history (installed_rank int primary key, version text, description text, type text,
  script text, checksum int, installed_by text, installed_on timestamp default now(), execution_time int, success bool);
"""
RUN = (
    "insert into flyway_schema_history (installed_rank, version, script) select coalesce(max(installed_rank), 0) + 1, "
)
RUNS = """
import os, sys, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute(open(sys.argv[1]).read())
"""


def report(path: Path) -> dict[str, Any]:
    done = small.run(path)
    assert done.returncode in (0, 1, 3), done.stderr
    found: dict[str, Any] = json.loads((path.parent / "out" / "report.json").read_text(encoding="utf-8"))
    return found | {"exit": done.returncode, "output": done.stdout}


def codes(found: dict[str, Any]) -> set[str]:
    return {one["code"] for one in found["findings"]}


def test_a_database_without_rows_is_no_pass(tmp_path: Path) -> None:
    base = "create table items (id bigint primary key, name text); create table parts (id int primary key);"
    path = small.scenario(tmp_path, "alter table items add a int;", "alter table items drop a;", base=base, calls="")
    found = report(path)
    assert (found["verdict"]["status"], found["exit"]) == ("unknown", 3)
    assert "all 2 tables had 0 rows" in found["verdict"]["says"]
    assert "data.profile" not in found["output"] and "profile, load or dump" in " ".join(found["output"].split())
    out = tmp_path / "out"
    assert "0 rows" in (out / "report.md").read_text(encoding="utf-8").partition("\n\n| ")[0]
    assert "Everything was measured" not in (out / "report.html").read_text(encoding="utf-8")


def test_an_empty_table_beside_full_ones_is_no_pass_unless_it_is_said_to_be_empty(tmp_path: Path) -> None:
    base = small.BASE + "create table new (id bigint primary key);"
    words = ("alter table new add a int;", "alter table new drop a;")
    assert small.answer(report(small.scenario(tmp_path / "a", *words, base=base))) == "unknown"
    path = small.scenario(tmp_path / "b", *words, base=base)
    path.write_text(path.read_text().replace("[data]", "[data]\ntables = { new = 0 }"))
    assert small.answer(report(path)) == "passed"


def test_alembics_own_table_is_no_finding(tmp_path: Path) -> None:
    pytest.importorskip("alembic", reason="pip install 'rehearse-migrations[alembic]'")
    (tmp_path / "alembic/versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text(INI.format(url="postgresql://production/never"))
    (tmp_path / "alembic/env.py").write_text(ENV_INI)
    (tmp_path / "myapp.py").write_text("")
    rows = "insert into t select generate_series(1, 1000)"
    first = f"op.execute('create table t (a int primary key)'); op.execute('{rows}')"
    revision(tmp_path, "aaa", None, first, "op.execute('drop table t')")
    revision(tmp_path, "bbb", "aaa", "op.execute('alter table t add b int')", "op.execute('alter table t drop b')")
    path = small.scenario(tmp_path, "", None, calls="", migration='tool = "alembic"')
    text = path.read_text().replace('load = ["base.sql"]', "").replace('forward = "up.sql"', "")
    path.write_text(text)
    found = report(path)
    assert codes(found) == set(), found["findings"]
    assert small.answer(found) == "passed", found["verdict"]
    assert [call["name"] for call in found["phases"][0]["traffic"]["calls"]] == ["read t"]


def by_command(folder: Path, tool: str) -> Path:
    """A scenario whose ways add and drop a column and note in Flyway's table that they ran."""
    up = f"alter table items add a int; {RUN} '2', 'V2.sql' from flyway_schema_history;"
    down = f"alter table items drop a; {RUN} '2', 'U2.sql' from flyway_schema_history;"
    path = small.scenario(
        folder, up, down, base=small.BASE + FLYWAY + f"{RUN} '1', 'V1.sql' from flyway_schema_history;"
    )
    if tool == "command":
        (folder / "run.py").write_text(RUNS)
        text = path.read_text()
        for way in ("up", "down"):
            text = text.replace(f'"{way}.sql"', f'"{sys.executable} run.py {way}.sql"')
        path.write_text(text.replace("[migration]", '[migration]\ntool = "command"'))
    return path


def test_bookkeeping_under_a_command_is_no_finding_and_under_sql_it_is(tmp_path: Path) -> None:
    found = report(by_command(tmp_path / "command", "command"))
    assert (codes(found), small.answer(found)) == (set(), "passed"), found["findings"]
    assert found["rollback"]["fidelity"] == 1.0
    assert {"I003", "F002"} <= codes(report(by_command(tmp_path / "sql", "sql")))


BACKFILL = ("update items set note = 'none' where note is null;", "select 1;")


def test_a_backfill_of_nulls_fails_until_it_is_declared(tmp_path: Path) -> None:
    undeclared = report(small.scenario(tmp_path / "a", *BACKFILL))
    assert codes(undeclared) == {"I003", "F002"}
    assert all("[[migration.effects]]" in one["remedy"] for one in undeclared["findings"])
    effect = '[[migration.effects]]\ntable = "items"\ncolumn = "note"'
    assert codes(report(small.scenario(tmp_path / "c", *BACKFILL, migration=effect))) == {"F002"}
    effect += "\nback = false"
    found = report(small.scenario(tmp_path / "b", *BACKFILL, migration=effect))
    assert (codes(found), small.answer(found)) == (set(), "passed"), found["findings"]
    assert found["rollback"]["accepted"] == ["1,334 values of items.note that were NULL at the start: declared"]


def test_a_declared_backfill_that_writes_over_values_still_fails(tmp_path: Path) -> None:
    effect = '[[migration.effects]]\ntable = "items"\ncolumn = "note"\nback = false'
    found = report(small.scenario(tmp_path, "update items set note = 'none';", "select 1;", migration=effect))
    assert codes(found) == {"F002"}
    assert "666 values of items.note did not come back" in found["findings"][0]["says"]


def test_quiet_says_why(tmp_path: Path) -> None:
    done = small.run(small.scenario(tmp_path, "update items set note = 'none';", "select 1;"), "-q")
    status, path = done.stdout.splitlines()
    assert status.startswith("small: failed: 2,000 values of items.note changed")
    assert path == str(tmp_path / "out" / "report.html")


NULLING = """
[[workload.calls]]
name = "clear note"
sql = "update items set note = null where id = :id"
values = { id = "items.id" }
"""


def test_a_declared_backfill_under_calls_that_set_null_is_no_loss(tmp_path: Path) -> None:
    undeclared = report(small.scenario(tmp_path / "a", *BACKFILL, calls=NULLING))
    (lost, *_) = [one for one in undeclared["findings"] if one["code"] == "I001"]
    assert "[[migration.effects]]" in lost["remedy"]
    effect = '[[migration.effects]]\ntable = "items"\ncolumn = "note"\nback = false'
    found = report(small.scenario(tmp_path / "b", *BACKFILL, calls=NULLING, migration=effect))
    assert (codes(found), small.answer(found)) == (set(), "passed"), found["findings"]
    assert found["integrity"]["lost_writes"] == 0
