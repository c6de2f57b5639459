"""Small tests about ourselves."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rehearse
from rehearse import registry
from rehearse.checks import CHECKS
from rehearse.reading.scenario import parse, read, schema
from rehearse.units import NS_PER_MS, human_duration

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


@pytest.mark.slow
@pytest.mark.parametrize("processes", [(), ("-n", "1")], ids=["itself", "a process of its own"])
def test_the_promises_that_an_engine_was_not_held_to_are_counted(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, processes: tuple[str, ...]
) -> None:
    monkeypatch.delenv("REHEARSE_EXHAUSTIVE", raising=False)
    promises = ["works", "skips", "is_stopped_ by TERM", "is_stopped_ by KILL"]
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    (pytester.mkdir("engines") / "test_conformance.py").write_text(
        "import pytest\n\n"
        f"@pytest.mark.parametrize('promise', {[f'mysql docker-it_{one}' for one in promises]}, ids=str)\n"
        "def test_an_engine_keeps(promise):\n    'skips' not in promise or pytest.skip('not here')\n",
        encoding="utf-8",
    )
    told = pytester.runpytest("-p", "no:cacheprovider", *processes).stdout.lines
    assert "conformance: mysql docker 1 of 4 (1 skipped)" in told


def test_ci_says_which_servers_it_could_have_had(tmp_path: Path) -> None:
    for name, text in (("build", "echo rehearse-local/postgres:15"), ("sudo", 'shift; exec "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    ours = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REHEARSE_MYSQL_BIN": str(tmp_path)}

    def missing(**words: str) -> list[str]:
        asked = [ROOT / ".ci" / "servers", tmp_path, "missing"]
        return subprocess.check_output(asked, env=ours | words, text=True).splitlines()

    assert missing(REHEARSE_IMAGE_BUILDER=str(tmp_path / "build")) == ["image rehearse-local/postgres:15"]
    assert missing(REHEARSE_IMAGE_BUILDER=str(tmp_path / "build"), REHEARSE_IMAGE_POSTGRES="a") == []
    assert missing(REHEARSE_IMAGE_BUILDER="") == []


def test_every_toml_block_of_the_readme_parses() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        values = tomllib.loads(block)
        parse({"name": "a"} | values)


def keys() -> str:
    """Return the README's list of a scenario's keys: a table for each section of the file, from the JSON Schema."""
    described = schema()
    return "\n\n".join("\n".join(lines) for lines in _sections(described, described["$defs"], "the file", ""))


def _sections(part: dict[str, Any], models: dict[str, Any], head: str, path: str) -> Iterator[list[str]]:
    """Yield the lines of a section's own keys, then those of each section in it."""
    said = {key: value for key, value in part["properties"].items() if key not in registry.names("engine")}
    inner = {key: _model(value) for key, value in said.items()}
    rows = [_key(key, value) for key, value in said.items() if inner[key] is None and key != "$schema"]
    if rows:
        yield [f"| {head} | default | is |", "|---|---|---|", *rows]
    for key, found in inner.items():
        if found is not None:
            name, is_list = found
            below = f"`[[{path}{key}]]`" if is_list else f"`[{path}{key}]`"
            yield from _sections(models[name], models, below, f"{path}{key}.")


def _model(value: dict[str, Any]) -> tuple[str, bool] | None:
    """Return the model that a key holds, and whether it is a list of them; None: a plain value."""
    place = value.get("$ref") or value.get("items", {}).get("$ref")
    return (place.rpartition("/")[2], "items" in value) if place else None


def _key(key: str, value: dict[str, Any]) -> str:
    default = value.get("default")
    shown = "" if default in (None, "", [], {}) else f"`{_plain(default)}`"
    return f"| `{key}` | {shown} | {value['description'].replace('|', chr(92) + '|')} |"


def _plain(value: Any) -> str:
    """Return a default as a scenario would have it: nanoseconds as a duration."""
    if isinstance(value, str) and value.endswith("ns"):
        value = int(value.removesuffix("ns"))
    if isinstance(value, int) and value >= NS_PER_MS:
        return human_duration(value).replace(".00 ", "").replace(" ", "")
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_key_of_a_scenario_stands_in_the_readme() -> None:
    begin, end = "tests/test_ourselves.py -->\n", "\n<!-- /keys -->"
    path = ROOT / "README.md"
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    written, _, after = rest.partition(end)
    assert after.startswith("\n\n</details>"), "the end of the list is not where it was"
    if os.environ.get("REHEARSE_UPDATE_GOLDEN"):
        path.write_text(f"{before}{begin}{keys()}{end}{after}", encoding="utf-8")
        written = keys()
    assert written == keys(), "not in step; REHEARSE_UPDATE_GOLDEN=1 pytest tests/test_ourselves.py writes them"


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
