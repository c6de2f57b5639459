"""The traffic that a profile has seen in production, on the rows that it describes."""

from __future__ import annotations

from pathlib import Path

import pytest

import rehearse
from rehearse.errors import ScenarioMistake
from rehearse.measures.latency import latencies

pytestmark = pytest.mark.slow

PROFILE = """
name = "seen"
[[queries]]
sql = "select name from items where id = $1"
per_s = 30.0
[[queries]]
sql = "update items set name = $1 where id = $2"
per_s = 10.0
[[queries]]
sql = "select gone from items where id = $1"
per_s = 10.0
[tables.items]
rows = 1000
"""
SCENARIO = """
name = "mix"
[data]
profile = "seen.toml"
[migration]
schema = "create table items (id int primary key, name text not null)"
forward = "alter table items add column more int"
back = "alter table items drop column more"
[workload]
rate = "200/s"
baseline = "2s"
mix = "profile"
"""


def rehearsed(tmp_path: Path, profile: str) -> rehearse.Recording:
    (tmp_path / "seen.toml").write_text(profile, encoding="utf-8")
    (tmp_path / "s.toml").write_text(SCENARIO, encoding="utf-8")
    return rehearse.run(tmp_path / "s.toml")


def test_calls_are_those_that_production_counted_as_often_as_there(tmp_path: Path) -> None:
    recording = rehearsed(tmp_path, PROFILE)
    felt = latencies(recording, "baseline")
    assert felt is not None
    counts = {one.call: one.ok for one in felt.calls}
    assert set(counts) == {"read items", "update items"}
    assert counts["read items"] / counts["update items"] == pytest.approx(3.0, rel=0.35)
    (note,) = (one for one in recording.environment.notes if "saw in production" in one)
    assert "1 were left out, 20% of the calls" in note
    assert 'column "gone" does not exist' in note


def test_a_profile_that_saw_nothing_is_a_mistake_with_its_way_out(tmp_path: Path) -> None:
    with pytest.raises(ScenarioMistake, match="pg_stat_statements was not there"):
        rehearsed(tmp_path, PROFILE.partition("[[queries]]")[0] + "[tables.items]\nrows = 1000\n")
