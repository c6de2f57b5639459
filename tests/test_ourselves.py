"""Small tests about ourselves."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import rehearse
from rehearse.checks import CHECKS
from rehearse.reading.scenario import parse, read

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCENARIOS = sorted((ROOT / "scenarios").glob("*/*.toml"))


def test_the_public_face_is_what_it_says() -> None:
    assert dir(rehearse) == sorted(rehearse.__all__)
    assert all(getattr(rehearse, name) is not None for name in rehearse.__all__)


def test_codes_of_checks_are_unique_and_their_words_whole() -> None:
    rules = [check.rule for check in CHECKS]
    assert len({rule.code for rule in rules}) == len(rules)
    assert all(rule.asks.endswith("?") and rule.harm.endswith(".") and rule.remedy.endswith(".") for rule in rules)


def test_every_toml_block_of_the_readme_parses() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        values = tomllib.loads(block)
        parse({"name": "a"} | values)


def test_every_shipped_scenario_reads_and_says_why() -> None:
    assert len(SCENARIOS) >= 18
    for path in SCENARIOS:
        scenario = read(path)
        assert len(scenario.why) > 40, path
        assert scenario.expect.get("status") in ("passed", "failed"), path


def test_every_top_level_entry_is_one_that_the_project_has() -> None:
    ours = {"pyproject.toml", "README.md", "rehearse", "scenarios", "data_profiles", "tests", "reports", "conftest.py"}
    habits = {"Makefile", "CHANGELOG.md", "LICENSE", ".github", ".ci", ".gitignore"}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    top = {line.partition("/")[0] for line in listed.splitlines()}
    assert top <= ours | habits
