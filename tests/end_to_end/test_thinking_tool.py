"""A tool that thinks inside its transaction: the time in which nothing runs and the table is closed all the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import rehearse

pytestmark = pytest.mark.slow

TOOL = """
import os, time
import psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("alter table items add column more int")
    time.sleep(1.2)  # it computes something
    connection.execute("update items set more = 1 where id = 1")
"""
SCENARIO = """
name = "thinking"
[data]
load = ["rows.sql"]
[migration]
tool = "command"
forward = "{python} tool.py"
back = false
[workload]
sessions = 4
rate = "100/s"
baseline = "1s"
settle = "1s"
[[workload.calls]]
name = "read"
sql = "select note from items where id = :id"
values = {{ id = "items.id" }}
"""
ROWS = """
create table items (id int primary key, note text);
insert into items select g, 'n' from generate_series(1, 9) g;
"""


def test_time_that_no_statement_needs_is_a_finding_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "rows.sql").write_text(ROWS, encoding="utf-8")
    (tmp_path / "tool.py").write_text(TOOL, encoding="utf-8")
    (tmp_path / "s.toml").write_text(SCENARIO.format(python=sys.executable), encoding="utf-8")
    found = {one.code: one for one in rehearse.judge(rehearse.run(tmp_path / "s.toml")).findings}
    assert found["L005"].where == "items"
    assert found["L005"].measured == pytest.approx(1200, abs=60)
    assert "L001" in found
