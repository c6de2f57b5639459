"""Long transactions beside the traffic: the queue that forms behind a lock that waits for one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import rehearse
from rehearse.events import CompanyKept, LockTaken, StatementRan

pytestmark = pytest.mark.slow

SCENARIO = """
name = "company"
[data]
load = ["rows.sql"]
[migration]
forward = "alter table items add column more int"
back = false
[workload]
sessions = 4
rate = "100/s"
baseline = "1s"
settle = "1s"
[[workload.company]]
name = "nightly report"
sql = ["select count(*) from items", "select 1"]
hold = "2s"
first = "300ms"
every = "30s"
isolation = "repeatable read"
[[workload.company]]
name = "own table"
sql = ["create temp table mine on commit drop as select * from items", "select nothing from mine"]
every = "30s"
[[workload.calls]]
name = "read"
sql = "select note from items where id = :id"
values = { id = "items.id" }
[budget]
blocked = "300ms"
"""
ROWS = """
create table items (id int primary key, note text);
insert into items select g, 'n' from generate_series(1, 9) g;
"""


def test_a_lock_that_waits_for_a_long_transaction_closes_the_table_and_says_for_whom(tmp_path: Path) -> None:
    (tmp_path / "rows.sql").write_text(ROWS, encoding="utf-8")
    (tmp_path / "s.toml").write_text(SCENARIO, encoding="utf-8")
    recording = rehearse.run(tmp_path / "s.toml")
    (change,) = (one for one in recording.history.of(StatementRan) if one.sql.startswith("alter"))
    kept = recording.history.of(CompanyKept)
    report = next(one for one in kept if one.name == "nightly report" and one.ended_ns > change.at_ns)
    assert report.code is None
    assert report.ended_ns - report.at_ns == pytest.approx(2e9, rel=0.2)
    lock = next(one for one in recording.history.of(LockTaken) if one.mode == "AccessExclusiveLock")
    assert lock.granted_ns == pytest.approx(report.ended_ns, abs=50e6)
    found = {one.code: one for one in rehearse.judge(recording).findings}
    assert "which waited for 'nightly report'" in found["L001"].says
    assert {one.code for one in kept if one.name == "own table"} == {"42703"}
    (sound,) = (one for one in rehearse.judge(recording).answers if one.rule.code == "R002")
    assert sound.status == "unknown"
    assert "company 'own table' failed before the migration began" in (sound.reason or "")
