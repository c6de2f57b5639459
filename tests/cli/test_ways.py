"""Where another engine or version is asked for, its server comes by a way that is here, and that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearse.cli.live import live
from rehearse.engines.postgres import binaries
from rehearse.errors import Missing
from rehearse.model import EngineChoice, Scenario
from rehearse.rehearsal.ways import reached


def choice(**asked: str) -> Scenario:
    return Scenario(name="a", engine=EngineChoice(**asked))  # type: ignore[arg-type]


def test_a_way_that_is_here_takes_the_place_of_one_that_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHEARSE_PG_BIN", str(tmp_path))
    found, says = reached(choice(via="binary"))
    assert found.engine.via == "embedded"
    assert says == "postgres comes via embedded, since it is not here via binary; --via names another way"


def test_the_scenarios_own_way_comes_first() -> None:
    version = binaries.embedded(None).version
    assert reached(choice(version=version)) == (choice(version=version), None)


def test_a_container_and_a_named_server_are_meant() -> None:
    for asked in ({"via": "docker"}, {"via": "url", "url": "mariadb://h/d"}):
        assert reached(choice(name="mariadb", **asked)) == (choice(name="mariadb", **asked), None)


def test_what_each_way_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHEARSE_PG_BIN", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(Missing, match=r"there is no postgres 99 here \(via embedded: .*; via binary: .*; via docker: "):
        reached(choice(version="99"))


def test_the_reader_is_told_on_which_engine_and_by_which_way(capsys: pytest.CaptureFixture[str]) -> None:
    with live(choice(), 1, on="mariadb:10.11", says=["mariadb comes via [binary]"]):
        pass
    assert capsys.readouterr().err.splitlines() == ["a on mariadb:10.11  ", "  mariadb comes via [binary]"]
    with live(choice(), 1):
        pass
    assert capsys.readouterr().err.splitlines() == ["a  "]
