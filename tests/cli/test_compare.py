"""`rehearse compare` of recordings, and what it refuses before anything starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rehearse import strategies as library
from rehearse.cli import comparing
from rehearse.errors import Mistake
from rehearse.model import Recording, StrategyChoice
from rehearse.reading.scenario import parse
from rehearse.recording import folder
from rehearse.rehearsal.contest import check_alike, rounds
from rehearse.rehearsal.writing import is_unwritten
from rehearse.testing import examples
from tests.cli.test_cli import rehearse

ONE = """
name = "ways"
[data]
load = ["x.sql"]
"""
TWO = f"""{ONE}
[[strategies]]
name = "a"
migration = {{ forward = "select 1;" }}
[[strategies]]
name = "b"
migration = {{ forward = "select 2;" }}
"""


def named(recording: Recording, name: str) -> Recording:
    return replace(recording, scenario=replace(recording.scenario, strategies=[StrategyChoice(name=name)]))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two recordings of a good way and one of a bad way."""
    root = tmp_path_factory.mktemp("recordings")
    folder.save(named(examples.clean(), "good"), root / "good-1")
    folder.save(named(examples.clean(), "good"), root / "good-2")
    folder.save(named(examples.harmful(), "bad"), root / "bad-1")
    return root


@pytest.mark.slow
def test_recordings_are_compared_without_a_server(recordings: Path, tmp_path: Path) -> None:
    paths = [str(recordings / name) for name in ("good-1", "good-2", "bad-1")]
    done = rehearse("compare", *paths, "--json", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(one["name"], one["status"], len(one["runs"])) for one in found["strategies"]] == [
        ("good", "passed", 2),
        ("bad", "failed", 1),
    ]
    assert found["winner"] == "good" and "alone keeps the budget" in found["says"]
    assert found["strategies"][0]["end"]["is_first"]
    assert any("only schemas were compared" in one for one in found["strategies"][0]["end"]["not_compared"])
    place = tmp_path / "out" / found["strategies"][1]["runs"][0]["folder"]
    assert place.resolve() == (recordings / "bad-1").resolve()
    assert (tmp_path / "out" / "comparison.html").exists() and (tmp_path / "out" / "comparison.md").exists()


@pytest.mark.slow
def test_none_passed_is_exit_code_1_and_another_budget_may_do_it(recordings: Path, tmp_path: Path) -> None:
    paths = [str(recordings / name) for name in ("good-1", "bad-1")]
    done = rehearse("compare", *paths, "--budget", "blocked=1ms", "-q", cwd=tmp_path)
    assert done.returncode == 1
    assert "no strategy keeps the budget" in done.stdout
    assert list(tmp_path.iterdir()) == [], "without --out nothing is written"


@pytest.mark.slow
def test_recordings_of_other_data_are_refused(recordings: Path, tmp_path: Path) -> None:
    other = named(examples.clean(), "other")
    folder.save(replace(other, scenario=replace(other.scenario, seed=5)), tmp_path / "other")
    paths = [str(recordings / "good-1"), str(tmp_path / "other")]
    done = rehearse("compare", *paths)
    assert done.returncode == 2
    assert "seed is 5" in done.stderr and "--anyway" in done.stderr
    anyway = rehearse("compare", *paths, "--anyway", "--json")
    assert anyway.returncode == 0
    assert any(one.startswith("other data: seed is 5") for one in json.loads(anyway.stdout)["remarks"])


@pytest.mark.slow
def test_one_strategy_has_nothing_to_be_compared_with(recordings: Path, tmp_path: Path) -> None:
    done = rehearse("compare", str(recordings / "good-1"), str(recordings / "good-2"))
    assert done.returncode == 2 and "nothing to be compared with" in done.stderr
    (tmp_path / "s.toml").write_text(f'{ONE}[migration]\nforward = "select 1;"\n', encoding="utf-8")
    done = rehearse("compare", "s.toml", cwd=tmp_path)
    assert done.returncode == 2 and "write [[strategies]], or give --ways" in done.stderr
    mixed = rehearse("compare", "s.toml", str(recordings / "good-1"), cwd=tmp_path)
    assert mixed.returncode == 2 and "not both" in mixed.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["compare", "s.toml", "--strategy", "c"], "--strategy c: there is no such strategy"),
        (["compare", "s.toml", "--ways", "all"], "s.toml: --ways: there is no [change] that a way could make"),
        (["compare", "s.toml"], "data.load: there is no file 'x.sql'"),
        (["run", "s.toml"], "`rehearse run --strategy NAME` one ('a', 'b')"),
        (["run", "s.toml", "--strategy", "c"], "there is no strategy 'c'"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_starts(tmp_path: Path, options: list[str], says: str) -> None:
    (tmp_path / "s.toml").write_text(TWO, encoding="utf-8")
    done = rehearse(*options, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr and "Traceback" not in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["s.toml"], "no empty folder is left"


def test_scenarios_of_other_data_are_refused() -> None:
    one = examples.clean().scenario
    check_alike([one, replace(one, name="b")])
    with pytest.raises(Exception, match="b: seed is another than that of"):
        check_alike([one, replace(one, name="b", seed=3)])
    with pytest.raises(Exception, match="b: data is another"):
        check_alike([one, replace(one, name="b", data=replace(one.data, scale=0.5))])


def test_every_round_has_every_strategy_once_in_an_order_that_the_seed_draws() -> None:
    order = rounds(["a", "b", "c"], 20, 7)
    assert [n for n, _ in order] == sorted(n for n, _ in order)
    for number in range(1, 21):
        assert sorted(name for n, name in order if n == number) == ["a", "b", "c"]
    assert len({tuple(name for n, name in order if n == number) for number in range(1, 21)}) > 3
    assert order == rounds(["a", "b", "c"], 20, 7) != rounds(["a", "b", "c"], 20, 8)


def test_a_comparison_of_another_rehearse_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "comparison.json").write_text('{"format": 1, "strategies": []}', encoding="utf-8")
    done = rehearse("compare", str(tmp_path))
    assert done.returncode == 2
    assert "is not a comparison that this rehearse wrote" in done.stderr and "Traceback" not in done.stderr


CHANGE = parse({"name": "a", "data": {"load": ["x"]}, "change": {"kind": "set not null", "table": "a", "columns": "b"}})


def test_ways_are_those_of_the_library() -> None:
    known = comparing.strategies.expanded(CHANGE, comparing._ways(CHANGE, "all"))
    assert [comparing.strategies.named(one) for one in known] == list(library.ways(CHANGE.change, "postgres"))  # type: ignore[arg-type]
    assert comparing._ways(CHANGE, "careful, plain") == ["careful", "plain"]
    with pytest.raises(Mistake, match="no way to set not null here; did you mean 'careful'"):
        comparing._ways(CHANGE, "carefull")
    has_one = replace(CHANGE, strategies=[StrategyChoice(way="careful")])
    assert comparing._ways(has_one, "plain,careful") == ["plain"], "one that the file has is not there twice"


def test_a_way_is_written_in_the_place_of_the_scenarios_own_way_forward() -> None:
    own = replace(CHANGE, migration=replace(CHANGE.migration, forward="own.sql"))
    known = comparing.strategies.expanded(own, ["plain", "careful"])
    assert [comparing.strategies.named(one) for one in known] == ["as written", "plain", "careful"]
    assert [one.migration.forward for one in known] == ["own.sql", None, None]
    assert [is_unwritten(one) for one in known] == [False, True, True]
    chosen = replace(own, strategies=[StrategyChoice(way="careful")])
    assert [is_unwritten(one) for one in comparing.strategies.expanded(chosen)] == [True]
    odd = replace(own, strategies=[StrategyChoice(name="a", options={"batch": 5})])
    with pytest.raises(Mistake, match=r"strategies\[0\]\.options: they are of a way of the library, and it names none"):
        comparing.strategies.expanded(odd)


def test_scenarios_of_several_files_go_by_names_that_tell_them_apart() -> None:
    one = examples.clean().scenario
    bad, good = (replace(one, name=f"set_not_null-{way}") for way in ("bad", "good"))
    assert [comparing.strategies.named(each) for each in comparing._named_apart([bad, good])] == [bad.name, good.name]
    assert comparing._whole([bad, good]).name == "set_not_null"
    twins = [replace(each, strategies=[StrategyChoice(name="plain")]) for each in (bad, good)]
    assert [comparing.strategies.named(each) for each in comparing._named_apart(twins)] == [bad.name, good.name]
