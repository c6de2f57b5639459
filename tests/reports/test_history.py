"""Runs over time: only alike ones are compared, what is worse beyond the noise is told, and every text is harmless."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from rich.console import Console

from rehearse.cli import group
from rehearse.errors import Mistake
from rehearse.reports import history, schema
from rehearse.reports._history_forms import page, table, told
from tests.reports.conftest import judged

Change = Callable[[dict[str, Any]], None]
NAME = "orders-status-not-null"


def keep(root: Path, day: int, *changes: Change) -> None:
    """Put a report into a folder as a run of a day in January."""
    report = copy.deepcopy(json.loads(judged("clean").rendered("json")))
    report["environment"] |= {"began": f"2026-01-{day:02}T10:00:00+00:00", "commit": f"c{day:011}"}
    for change in changes:
        change(report)
    folder = root / NAME / f"2026-01-{day:02}"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def took(seconds: float) -> Change:
    def change(report: dict[str, Any]) -> None:
        next(one for one in report["phases"] if one["name"] == "forward")["duration_s"] = seconds

    return change


def on_another_processor(report: dict[str, Any]) -> None:
    report["environment"]["cpu"] = "abacus <b>"


def fails(report: dict[str, Any]) -> None:
    report["verdict"]["checks"][0]["status"] = report["verdict"]["status"] = "failed"


def printed(entries: list[history.Entry], width: int = 120) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(table(entries))
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def test_a_slower_run_is_told_with_what_was_to_be_expected(tmp_path: Path) -> None:
    for day, seconds in enumerate((3.0, 3.1, 2.9, 3.05, 3.0), 1):
        keep(tmp_path, day, took(seconds))
    keep(tmp_path, 6, took(9.0))
    entries = history.read(tmp_path, [], last=20)
    (change,) = entries[-1].changes
    assert (change.figure, change.verdict, change.runs, change.own) == ("forward_s", "worse", 5, True)
    assert change.low < 3.0 < change.high < 9.0
    assert history.is_worse(entries)
    assert "worse: forward 9.00 s, after 3.00 s (expected 2." in " ".join(printed(entries).split())


def test_a_run_within_the_noise_is_not_called_worse(tmp_path: Path) -> None:
    for day, seconds in enumerate((3.0, 3.6, 2.7, 3.3), 1):
        keep(tmp_path, day, took(seconds))
    entries = history.read(tmp_path, [NAME], last=20)
    assert [one.changes for one in entries] == [[]] * 4
    assert not history.is_worse(entries)
    assert "as the 3 comparable runs before it, within the noise" in printed(entries)


def test_runs_of_another_machine_are_told_and_not_compared(tmp_path: Path) -> None:
    keep(tmp_path, 1, took(1.0), on_another_processor)
    keep(tmp_path, 2, took(9.0))
    entries = history.read(tmp_path, [], last=20)
    assert [one.differs for one in entries] == [["processor"], []]
    assert entries[-1].changes == []
    assert entries[-1].newly_failed is None
    assert list(told(entries)) == ["no run before the newest can be compared with it: other runs differ in processor"]
    assert "<b>" not in page(entries)


def test_a_check_that_passed_before_is_worse(tmp_path: Path) -> None:
    keep(tmp_path, 1)
    keep(tmp_path, 2, fails)
    entries = history.read(tmp_path, [], last=20)
    assert entries[-1].newly_failed == ["L001"]
    assert history.is_worse(entries)


def test_a_figure_that_was_not_measured_is_compared_with_nothing(tmp_path: Path) -> None:
    def unmeasured(report: dict[str, Any]) -> None:
        next(one for one in report["phases"] if one["name"] == "forward")["outages"] = None

    keep(tmp_path, 1)
    keep(tmp_path, 2, unmeasured)
    newest = history.read(tmp_path, [], last=20)[-1]
    assert newest.figures["reads_ms"] is None
    assert newest.changes == []


def test_a_run_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    keep(tmp_path, 1)
    (tmp_path / NAME / "2026-01-02").mkdir()
    (tmp_path / NAME / "2026-01-02" / "report.json").write_text('{"format": 1, "scen', encoding="utf-8")
    assert len(history.read(tmp_path, [], last=20)) == 1


def test_what_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="there is no such folder"):
        history.read(tmp_path / "nowhere", [], last=20)
    keep(tmp_path, 1)
    with pytest.raises(Mistake, match=f"no run of 'other' is here; there are {NAME}"):
        history.read(tmp_path, ["other"], last=20)


def test_the_command_fails_only_where_it_is_asked_to(tmp_path: Path) -> None:
    for day, seconds in ((1, 1.0), (2, 9.0)):
        keep(tmp_path, day, took(seconds))
    asked = ["history", "--reports", str(tmp_path), "--json"]
    done = CliRunner().invoke(group, [*asked, "--html", str(tmp_path / "history.html")])
    assert done.exit_code == 0
    content = json.loads(done.stdout)
    jsonschema.validate(content, schema("history"))
    assert content["runs"] == [asdict(one) for one in history.read(tmp_path, [], last=20)]
    assert (tmp_path / "history.html").read_text(encoding="utf-8").count("<svg") >= 5
    assert CliRunner().invoke(group, [*asked, "--check"]).exit_code == 1


def test_runs_of_another_seed_or_profile_are_not_compared(tmp_path: Path) -> None:
    def other(report: dict[str, Any]) -> None:
        report["scenario"] |= {"seed": 7, "profile": "bank"}

    keep(tmp_path, 1, took(1.0), other)
    keep(tmp_path, 2, took(9.0))
    entries = history.read(tmp_path, [], last=20)
    assert entries[0].differs == ["profile", "seed"]
    assert not history.is_worse(entries)


def test_what_the_newest_run_could_not_tell_is_no_run_within_the_noise(tmp_path: Path) -> None:
    def blind(report: dict[str, Any]) -> None:
        report["verdict"] |= {"status": "unknown", "says": "locks were not seen"}
        next(one for one in report["phases"] if one["name"] == "forward")["outages"] = None

    keep(tmp_path, 1)
    keep(tmp_path, 2, blind)
    assert list(told(history.read(tmp_path, [], last=20))) == [
        "could not tell, and the run before passed: locks were not seen",
        "not measured, and in the run before it was: closed to reads, closed to writes",
    ]


def test_a_check_that_fails_anew_is_not_said_to_have_passed_before(tmp_path: Path) -> None:
    def could_not_tell(report: dict[str, Any]) -> None:
        report["verdict"]["checks"][0]["status"] = report["verdict"]["status"] = "unknown"

    keep(tmp_path, 1, could_not_tell)
    keep(tmp_path, 2, fails)
    assert next(told(history.read(tmp_path, [], last=20))) == "worse: L001 fails, and did not in the run before"


def test_the_log_of_a_run_some_of_whose_statements_are_left_out_is_not_known(tmp_path: Path) -> None:
    def long(report: dict[str, Any]) -> None:
        next(one for one in report["phases"] if one["name"] == "forward")["statements_left_out"] = 4_000

    keep(tmp_path, 1)
    keep(tmp_path, 2, long)
    one, other = history.read(tmp_path, [], last=20)
    assert one.figures["log_bytes"] is not None
    assert other.figures["log_bytes"] is None


def test_a_report_of_something_else_is_left_out(tmp_path: Path) -> None:
    keep(tmp_path, 1)
    folder = tmp_path / NAME / "2026-01-02"
    folder.mkdir()
    (folder / "report.json").write_text('{"format": 1, "runs": []}', encoding="utf-8")
    assert len(history.read(tmp_path, [], last=20)) == 1


def test_rates_that_are_shares_of_a_capacity_are_compared_though_it_is_measured_anew(tmp_path: Path) -> None:
    def at(rate: float) -> Change:
        def change(report: dict[str, Any]) -> None:
            report["scenario"]["rate_per_s"] = rate

        return change

    for day, rate in enumerate((200.0, 812.3, 799.1), 1):
        keep(tmp_path, day, at(rate))
    assert [one.differs for one in history.read(tmp_path, [], last=20)] == [["calls a second"], [], []]
