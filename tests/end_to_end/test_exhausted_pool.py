"""A pool of ten sessions behind a lock of two seconds: who fails, who is missed, and when all is as before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rehearse
from rehearse.measures.latency import latencies
from rehearse.measures.outage import outages
from rehearse.measures.recovery import recovery_ns

pytestmark = pytest.mark.slow

SCENARIO = """
name = "pool"
[data]
load = ["rows.sql"]
[migration]
forward = "lock table items in access exclusive mode; select pg_sleep(2);"
back = false
[workload]
sessions = 10
rate = "200/s"
baseline = "2s"
settle = "2s"
patience = "1s"
settings = { statement_timeout = "1500ms" }
[[workload.calls]]
name = "read"
sql = "select note from items where id = :id"
values = { id = "items.id" }
"""
ROWS = """
create table items (id int primary key, note text);
insert into items select g, 'n' from generate_series(1, 500) g;
"""


def test_errors_and_the_time_to_recover_are_told(tmp_path: Path) -> None:
    (tmp_path / "rows.sql").write_text(ROWS, encoding="utf-8")
    (tmp_path / "s.toml").write_text(SCENARIO, encoding="utf-8")
    recording = rehearse.run(tmp_path / "s.toml")
    felt, (closed, *_) = latencies(recording, "forward"), outages(recording, "forward")
    assert felt is not None
    assert closed.longest_ns == pytest.approx(2e9, rel=0.02)
    codes = {one.code: one.count for one in felt.errors}
    assert 10 <= codes["57014"] <= 20  # ten calls held the sessions, and ten more may have come before the lock went
    assert felt.missed > 100  # of 400 calls that were due meanwhile
    recovered = recovery_ns(recording, "forward")
    assert recovered is not None
    assert 0 <= recovered < 1.2e9  # those that stood in line had a second's patience
    report = json.loads(rehearse.render(recording, form="json"))
    (forward,) = (one for one in report["phases"] if one["name"] == "forward")
    assert forward["traffic"]["recovery_ms"] == pytest.approx(recovered / 1e6)
    assert forward["traffic"]["retried"] == 0
