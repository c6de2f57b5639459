"""Every shipped scenario keeps its word: the bad way fails on what its `why` names, the good way passes."""

from __future__ import annotations

import contextlib
import itertools
import json
from pathlib import Path

import pytest

import rehearse
from rehearse import registry
from rehearse.checks import CHECKS
from rehearse.errors import Missing, OtherDialect
from rehearse.events import RuleInferred
from rehearse.model import Status, Verdict
from rehearse.reading.scenario import read
from rehearse.reading.strategies import expanded
from tests.checks.test_checks import BAD, UNSURE
from tests.cli.test_cli import rehearse as command
from tests.end_to_end import small

FOLDER = Path(__file__).parents[2] / "scenarios"
COMPARED = sorted(FOLDER.glob("*/compare.toml"))  # several ways in one file, which `rehearse compare` runs
FILES = sorted({*FOLDER.glob("*/*.toml")} - {*COMPARED})
TOPICS = sorted({path.parent for path in FILES})

# Rules that new columns follow, and whether some rows break them: they are inferred, and fail no run.
FIRST = ("customers.first_name", "split_part(full_name, ' ', 1)")
OFFERED = {
    "split_name-good": {(*FIRST, False)},
    "split_name-bad": {(*FIRST, True)},
    "rename_column-good": {("orders.customer_note", "note", False)},
}


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_shipped_scenario_keeps_its_word(path: Path) -> None:
    try:
        recording = rehearse.run(path)
    except Missing as missing:
        pytest.skip(str(missing))
    verdict = rehearse.judge(recording)
    expect = recording.scenario.expect
    answers = tuple(one for one in verdict.answers if one.rule.code not in small.OF_THE_MACHINE)
    assert Verdict(answers=answers).status == expect["status"], shown(verdict)
    found = {one.code for one in verdict.findings}
    assert set(expect["codes"]) <= found, shown(verdict)
    rules = {(f"{one.table}.{one.column}", one.rule, bool(one.broken)) for one in recording.history.of(RuleInferred)}
    assert OFFERED.get(recording.scenario.name, set()) <= rules


@pytest.mark.slow
@pytest.mark.parametrize("path", COMPARED, ids=lambda path: path.parent.name)
def test_a_shipped_comparison_keeps_its_word(path: Path, tmp_path: Path) -> None:
    done = command("compare", str(path), "--repeats=1", "--json", f"--out={tmp_path / 'out'}")
    found = json.loads(done.stdout)
    assert done.returncode in (0, 3), done.stderr  # 3: this machine was too busy
    assert all(one["end"]["is_alternative"] for one in found["strategies"]), "all ways lead to the same end"
    longest = [one["figures"]["blocked_ms"]["median"] for one in found["strategies"]]
    assert longest == sorted(longest) and longest[-1] > 10 * longest[0]


@pytest.mark.parametrize("path", COMPARED, ids=lambda path: path.parent.name)
def test_a_comparison_has_ways_that_are_all_used_and_says_why(path: Path) -> None:
    scenario = read(path)
    ways = expanded(scenario)
    assert len(ways) >= 2 and scenario.expect["status"] == "passed" and 100 < len(scenario.why) < 500
    named = {str(text) for one in ways for text in (one.migration.forward, one.migration.back)}
    assert {one.name for one in path.parent.iterdir()} == {path.name, *named}


def shown(verdict: Verdict) -> str:
    findings = [f"{one.code} {one.phase} {one.where}: {one.says}" for one in verdict.findings]
    unsure = [f"{one.rule.code} unknown: {one.reason}" for one in verdict.answers if one.status == Status.UNKNOWN]
    return "\n".join(["", *findings, *unsure]) if findings or unsure else "there is no finding"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_has_a_bad_and_a_good_way(topic: Path) -> None:
    assert sorted(path.name for path in topic.glob("*.toml")) == ["bad.toml", "good.toml"]
    bad, good = (read(topic / f"{way}.toml") for way in ("bad", "good"))
    assert (bad.name, good.name) == (f"{topic.name}-bad", f"{topic.name}-good")
    assert bad.expect["status"] == "failed" and bad.expect["codes"]
    assert good.expect == {"status": "passed", "codes": []}
    assert (bad.data, bad.seed, bad.workload, bad.budget.blocked) == (
        good.data,
        good.seed,
        good.workload,
        good.budget.blocked,
    ), "ways are compared on the same rows under the same traffic and budget"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_scenario_tells_which_findings_it_shows(path: Path) -> None:
    scenario = read(path)
    assert 100 < len(scenario.why) < 500
    assert all(code in scenario.why for code in scenario.expect["codes"])
    assert set(scenario.expect["codes"]) <= {check.rule.code for check in CHECKS}


def test_every_file_of_a_topic_is_used() -> None:
    for topic in TOPICS:
        used = {"bad.toml", "good.toml"}
        for way, engine in itertools.product(("bad", "good"), registry.names("engine")):
            with contextlib.suppress(OtherDialect):
                scenario = read(topic / f"{way}.toml", engine=engine)
                used |= {str(one) for one in (scenario.migration.forward, scenario.migration.back) if one}
                used |= set(map(str, scenario.data.load or ()))
        own = {name for name in used if not name.startswith("../")}
        assert {path.name for path in topic.iterdir()} == own, topic


def test_every_check_has_what_fails_it() -> None:
    shown_by_scenarios = {code for path in FILES for code in read(path).expect["codes"]}
    by_hand = BAD.keys() | UNSURE.keys()
    assert {check.rule.code for check in CHECKS} <= shown_by_scenarios | by_hand


def test_the_readme_names_every_topic() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    topics = [*TOPICS, *(path.parent for path in COMPARED)]
    assert [topic.name for topic in topics if f"`{topic.name}`" not in text] == []
