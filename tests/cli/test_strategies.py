"""`rehearse strategies` writes ways as files, and `rehearse retries` says which lock_timeout to have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rehearse.events import CompanyKept
from rehearse.model import CallShape, CompanyChoice
from rehearse.reading.scenario import read
from rehearse.recording import folder
from rehearse.strategies import KINDS
from rehearse.testing.recordings import SHAPES, at, lock, phase, recorded, scenario, snapshot, traffic
from tests.cli.test_cli import rehearse

SCENARIO = """
name = "order-state"
[migration]
schema = '''
create table "Order" (id int primary key, state text, note text);
'''
[change]
kind = "{kind}"
table = "Order"
columns = "state"
fill = "'new'"
"""


def written(at_path: Path, kind: str = "set not null") -> Path:
    path = at_path / "s.toml"
    path.write_text(SCENARIO.format(kind=kind), encoding="utf-8")
    return path


def test_the_kinds_of_changes_are_told_with_what_each_needs_and_its_ways() -> None:
    rows = json.loads(rehearse("strategies", "--kinds", "--json").stdout)
    assert [one["kind"] for one in rows] == list(KINDS)
    unique = next(one for one in rows if one["kind"] == "add unique")
    assert (unique["needs"], unique["takes"]) == (["columns"], ["name"])
    assert unique["ways"]["postgres"] == ["plain", "careful", "shadow"]
    told = rehearse("strategies", "--kinds").stdout
    assert "add unique: No two rows have the same in `columns`." in told
    assert "  mariadb: plain, careful\n" in told


def test_without_a_scenario_or_a_change_it_says_what_to_name(tmp_path: Path) -> None:
    assert "name a scenario that has a [change], or give --kinds" in rehearse("strategies").stderr
    path = tmp_path / "bare.toml"
    path.write_text('name = "bare"\n[migration]\nforward = "select 1"\n', encoding="utf-8")
    done = rehearse("strategies", str(path))
    assert done.returncode == 2
    assert "there is no [change]" in done.stderr


def test_a_way_that_is_none_is_told_before_a_server_starts(tmp_path: Path) -> None:
    done = rehearse("strategies", str(written(tmp_path)), "--way", "carefull")
    assert done.returncode == 2
    assert "--way carefull: no way to set not null on postgres; did you mean 'careful'?" in done.stderr


@pytest.mark.slow
def test_ways_are_written_as_files_that_a_scenario_can_name(tmp_path: Path) -> None:
    done = rehearse("strategies", str(written(tmp_path)), "--out", str(tmp_path / "ways"))
    assert done.returncode == 0, done.stderr
    assert "careful: filled in batches, proved while everyone works, then NOT NULL" in done.stdout
    assert 'VALIDATE CONSTRAINT "Order_state_not_null"' in (tmp_path / "ways/careful.up.sql").read_text()
    both = tmp_path / "ways/both.toml"
    snippet = (tmp_path / "ways/strategies.toml").read_text(encoding="utf-8")
    both.write_text(f'name = "both"\n{snippet}', encoding="utf-8")
    found = read(both)
    assert [one.name for one in found.strategies] == ["plain", "careful", "shadow", "pgroll"]
    assert [(one.table, one.column, one.back) for one in found.migration.effects] == [("Order", "state", False)]


def test_which_lock_timeout_to_have_is_told_of_a_recording(tmp_path: Path) -> None:
    of = scenario()
    of = replace(of, workload=replace(of.workload, company=[CompanyChoice(name="report", sql="select * from orders")]))
    kept = [CompanyKept(at_ns=at(n), ended_ns=at(n + 0.5), name="report", session=77) for n in range(10)]
    events = [phase("baseline", 0, 10), phase("forward", 10, 20, acted=(11, 12)), lock("orders", 11, 11.1, 11.2), *kept]
    folder.save(recorded(events, frames=[traffic(0, 20)], of=of, calls=SHAPES), tmp_path)
    (found,) = json.loads(rehearse("retries", str(tmp_path), "--json").stdout)
    assert (found["table"], found["unknown"]) == ("orders", None)
    (best,) = [one for one in found["policies"] if one["recommended"]]
    assert best["gets"] == 1 and best["lock_timeout_ms"] < 500
    told = rehearse("retries", str(tmp_path)).stdout
    assert told.count("<- least harm") == 1
    unknown = rehearse("retries", str(tmp_path), "--table", "customers").stdout
    assert "not known: hardly anything held customers in the baseline" in unknown
    assert "--pause: '5' is not a duration" in rehearse("retries", str(tmp_path), "--pause", "5").stderr


def test_a_lock_that_lets_readers_in_does_not_wait_for_them(tmp_path: Path) -> None:
    calls = (
        CallShape(name="read", sql=("",), share=1, touches={"orders": ("reads",)}),
        CallShape(name="write", sql=("",), share=1, touches={"orders": ("writes",)}),
    )
    frames = [traffic(0, 10, rate=10, calls={"write": 1}), traffic(0, 10, rate=10, calls={"read": 1}, usual_ms=90)]
    shared = lock("orders", 11, 11.1, 11.2, mode="ShareLock", stops=("writes",))
    stalls = []
    for name, taken in (("shared", shared), ("exclusive", lock("orders", 11, 11.1, 11.2))):
        events = [phase("baseline", 0, 10), phase("forward", 10, 20, acted=(11, 12)), taken]
        states = {"start": snapshot("start", 1, {"orders": 5})}
        folder.save(recorded(events, frames=frames, calls=calls, snapshots=states), tmp_path / name)
        (found,) = json.loads(rehearse("retries", str(tmp_path / name), "--json").stdout)
        stalls.append(max(one["stall_ms"] for one in found["policies"]))
    assert stalls[0] < 50 < stalls[1]
    mistyped = rehearse("retries", str(tmp_path / "shared"), "--table", "order")
    assert mistyped.returncode == 2
    assert "--table order: the recording knows no such table; did you mean 'orders'?" in mistyped.stderr
