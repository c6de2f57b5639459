"""Two versions of the application side by side, and a rate as a share of what the machine can do."""

from __future__ import annotations

from pathlib import Path

import pytest

import rehearse
from rehearse.measures.compatibility import compatibility
from rehearse.measures.latency import latencies

pytestmark = pytest.mark.slow

SCENARIO = """
name = "versions"
[data]
load = ["rows.sql"]
[migration]
forward = "alter table items rename column note to remark"
back = "alter table items rename column remark to note"
[workload]
sessions = 4
rate = "{rate}"
baseline = "1s"
settle = "1s"
[[workload.calls]]
name = "both"
sql = "select id from items where id = :id"
values = {{ id = "items.id" }}
[[workload.calls]]
name = "old"
version = "old"
sql = "select note from items where id = :id"
values = {{ id = "items.id" }}
[[workload.calls]]
name = "new"
version = "new"
sql = "update items set remark = 'x' where id = :id"
values = {{ id = "items.id" }}
[budget]
fidelity = 0.5
"""
ROWS = """
create table items (id int primary key, note text);
insert into items select g, 'n' from generate_series(1, 500) g;
"""


def run(tmp_path: Path, rate: str) -> rehearse.Recording:
    (tmp_path / "rows.sql").write_text(ROWS, encoding="utf-8")
    (tmp_path / "s.toml").write_text(SCENARIO.format(rate=rate), encoding="utf-8")
    return rehearse.run(tmp_path / "s.toml")


def test_exactly_the_broken_cells_are_found(tmp_path: Path) -> None:
    recording = run(tmp_path, "100/s")
    cells = {(one.call, cell.state): cell for one in compatibility(recording) for cell in one.cells}
    broken = {at for at, cell in cells.items() if cell.outcome == "error"}
    assert broken == {("old", "forward"), ("new", "start"), ("new", "back")}
    assert {cells[at].code for at in broken} == {"42703"}
    assert {cell.outcome for at, cell in cells.items() if at not in broken} == {"ok"}
    verdict = rehearse.judge(recording)
    found = [(one.where, one.phase) for one in verdict.findings if one.code == "C001"]
    assert found == [("old", "forward")]  # the new version is not live before it, nor after the way back
    assert not {"I001", "I002", "F002"} & {one.code for one in verdict.findings}  # what new calls wrote is no loss
    calls = {phase: latencies(recording, phase) for phase in ("baseline", "forward", "back")}
    by_phase = {phase: {one.call: one for one in felt.calls} for phase, felt in calls.items() if felt}
    assert "new" not in by_phase["baseline"]
    assert by_phase["forward"]["new"].failed == 0
    assert by_phase["forward"]["old"].failed > 0
    assert by_phase["back"]["new"].failed == 0


def test_a_rate_is_measured_as_a_share_of_the_capacity(tmp_path: Path) -> None:
    recording = run(tmp_path, "30% of capacity")
    rate = recording.scenario.workload.rate
    assert rate > 150
    (note,) = (one for one in recording.environment.notes if "calls/s at most" in one)
    assert f"30% of capacity is {rate:,.0f}/s" in note
    felt = latencies(recording, "baseline")
    assert felt is not None
    assert felt.due == pytest.approx(rate, rel=0.2)  # the baseline lasts a second
    assert rehearse.judge(recording).findings
