"""The faces agree: command line, pytest and library, on one small real rehearsal each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

import rehearse
from rehearse.checks import CHECKS
from rehearse.reports import report_schema
from tests.end_to_end import small

pytestmark = pytest.mark.slow

FAITHFUL = ("alter table items add a int;", "alter table items drop a;")
LOSSY = ("alter table items drop note;", "alter table items add note text;")
LONG = ("alter table items add a int;\nselect pg_sleep(0.8);", "alter table items drop a;")


def test_the_command_line_writes_every_report(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, *FAITHFUL, budget={"blocked": "300ms"})
    done = small.run(path)
    assert small.passed(path), done.stdout + done.stderr
    assert done.returncode in (0, 3)
    out = tmp_path / "out"
    assert done.stdout.splitlines()[-1] == str(out / "report.html")
    for name in ("report.html", "report.json", "report.md", "junit.xml", "recording.json"):
        assert (out / name).stat().st_size > 100, name
    content = json.loads((out / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, report_schema())
    assert (content["verdict"]["status"] == "passed") == (done.returncode == 0)
    assert content["rollback"]["fidelity"] == 1.0
    assert content["scenario"]["engine_version"].startswith("18")


def test_json_is_all_that_is_on_standard_output(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, *LONG, budget={"blocked": "300ms"})
    done = small.run(path, "--json")
    assert done.returncode == 1, done.stderr
    content = json.loads(done.stdout)
    assert {"L001", "L002"} <= {one["code"] for one in content["findings"]}
    forward = next(one for one in content["phases"] if one["name"] == "forward")
    longest = max(one["longest_ms"] for one in forward["outages"] if one["table"] == "items")
    assert 790 <= longest <= 900


def test_an_old_recording_is_judged_by_another_budget(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, *LONG, budget={"blocked": "300ms"})
    recording = rehearse.run(path)
    assert rehearse.judge(recording).status == "failed"
    rehearse.save(recording, tmp_path / "kept")
    loaded = rehearse.load(tmp_path / "kept")
    assert {one.code for one in rehearse.judge(loaded).findings} == {
        one.code for one in rehearse.judge(recording).findings
    }
    assert rehearse.render(loaded, form="md") == rehearse.render(recording, form="md")


def test_the_default_workload_says_that_it_was_derived(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, *FAITHFUL, calls="")
    recording = rehearse.run(path)
    verdict = rehearse.judge(recording)
    answers = {one.status for one in verdict.answers if one.rule.code not in small.OF_THE_MACHINE}
    assert answers == {"passed"}, verdict
    assert any("derived" in note for note in recording.environment.notes)
    assert len(recording.calls) >= 2


def test_pytest_collects_a_check_an_item(pytester: pytest.Pytester) -> None:
    folder = pytester.path / "scenarios" / "items"
    small.scenario(folder, *LOSSY)
    shutil.move(folder / "scenario.toml", folder / "drop_note.toml")
    result = pytester.runpytest_subprocess("--rehearse", "-p", "no:cacheprovider", "-v", "-rf")
    result.stdout.fnmatch_lines(["*D002 forward fails*PASSED*", "*F002 data not restored*FAILED*"])
    result.stdout.fnmatch_lines(["*values of items.note did not come back*", "*remedy:*"])
    outcomes = result.parseoutcomes()
    failed = [line for line in result.outlines if line.startswith("FAILED ")]
    assert len([line for line in failed if not any(code in line for code in small.OF_THE_MACHINE)]) == 1, failed
    assert outcomes["passed"] >= 10
    assert list((pytester.path / "reports").glob("small/*/report.html"))


def strategies(folder: Path) -> None:
    """Write a scenario with two strategies, of which the first loses values."""
    path = small.scenario(folder, LOSSY[0], LOSSY[1])
    text = path.read_text(encoding="utf-8").replace('forward = "up.sql"\n', "")
    ways = '[[strategies]]\nname = "drop"\nmigration = { forward = "up.sql" }\n[[strategies]]\nname = "add"\n'
    ways += 'migration = { forward = "alter table items add a int;", back = "alter table items drop a;" }\n'
    path.write_text(text.replace("[workload]", f"{ways}[workload]", 1), encoding="utf-8")


def test_pytest_collects_a_strategy_an_item(pytester: pytest.Pytester) -> None:
    strategies(pytester.path / "scenarios" / "items")
    listed = pytester.runpytest_subprocess("--rehearse", "-p", "no:cacheprovider", "--collect-only", "-q")
    listed.stdout.fnmatch_lines(["*::strategy drop", "*::strategy add", "2 tests collected*"])


def test_a_strategy_that_pytest_runs_fails_with_its_findings(pytester: pytest.Pytester) -> None:
    strategies(pytester.path / "scenarios" / "items")
    failed = pytester.runpytest_subprocess("--rehearse", "-p", "no:cacheprovider", "-v", "-k", "drop")
    failed.stdout.fnmatch_lines(["*strategy drop FAILED*", "*values of items.note did not come back*", "*remedy:*"])


def test_each_engine_that_pytest_is_asked_for_has_items_of_its_own(pytester: pytest.Pytester) -> None:
    folder = pytester.path / "scenarios"
    folder.mkdir()
    (folder / "a.toml").write_text('name = "a"\n[migration.postgres]\nforward = "select 1"\n', encoding="utf-8")
    pytester.makepyfile("def test_it(rehearse): rehearse('scenarios/a.toml')")
    asked = ("--rehearse-engine=mariadb", "--rehearse-engine=postgres:99", "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess("--rehearse", "-v", "-rs", "-k", "mariadb", *asked)
    result.stdout.fnmatch_lines(
        ["*::mariadb SKIPPED*", "*test_it[[]mariadb] SKIPPED*", "*written for postgres; for mariadb*"]
    )
    result.assert_outcomes(skipped=2, deselected=len(CHECKS) + 1)


def test_the_fixture_fails_a_test_with_the_findings(pytester: pytest.Pytester) -> None:
    small.scenario(pytester.path, *LONG)
    pytester.makepyfile(
        """
        def test_it(rehearse):
            rehearse("scenario.toml", budget={"blocked": "200ms"})

        def test_only_look(rehearse):
            recording = rehearse("scenario.toml", budget={"blocked": "200ms"}, check=False)
            assert recording.comparison("start", "back") is not None
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*items was closed to reads*"])


def test_a_scenario_with_a_typo_is_a_collection_error_with_its_words(pytester: pytest.Pytester) -> None:
    folder = pytester.path / "scenarios"
    folder.mkdir()
    (folder / "a.toml").write_text('name = "a"\n[engine]\nvia = "dokcer"\n', encoding="utf-8")
    result = pytester.runpytest_subprocess("--rehearse", "-p", "no:cacheprovider")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*did you mean 'docker'*"])


def test_without_the_option_scenarios_are_left_alone(pytester: pytest.Pytester) -> None:
    folder = pytester.path / "scenarios"
    folder.mkdir()
    (folder / "a.toml").write_text('name = "a"\n', encoding="utf-8")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
