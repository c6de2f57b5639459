"""Programs are found by version, and what is missing is said with what there is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rehearse.engines import _local
from rehearse.engines.postgres import ENGINE, binaries
from rehearse.errors import Missing, TooBig
from rehearse.model import EngineChoice
from rehearse.protocols import Diagnosable


def test_the_wheel_serves_its_own_version() -> None:
    found = binaries.embedded("18")
    assert found.version.startswith("18.")
    assert found.has_library("pg_stat_statements")
    assert not found.has_library("no_such_library")


def test_a_version_that_the_wheel_lacks_is_said_with_what_there_is() -> None:
    with pytest.raises(Missing, match=r"engine\.version = '9\.6'.*found here: 18\."):
        binaries.embedded("9.6")


def test_a_named_folder_without_a_server_is_said(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REHEARSE_PG_BIN", str(tmp_path))
    with pytest.raises(Missing, match="REHEARSE_PG_BIN"):
        binaries.installed(None)


def test_a_named_folder_comes_first(monkeypatch) -> None:
    wheel = binaries.embedded(None)
    monkeypatch.setenv("REHEARSE_PG_BIN", str(wheel.folder))
    assert binaries.installed(None) == wheel


def test_a_client_program_is_new_enough_for_the_server() -> None:
    assert binaries.program("pg_restore", None, at_least=18).exists()
    with pytest.raises(Missing, match="pg_restore of PostgreSQL 99"):
        binaries.program("pg_restore", None, at_least=99)


def test_the_engine_says_what_it_finds() -> None:
    found = {one.subject: one for one in ENGINE.diagnose()}
    assert isinstance(ENGINE, Diagnosable)
    assert found["postgres via embedded"].found
    assert all(one.found or one.remedy for one in found.values())


def test_one_version_does_not_stand_for_another() -> None:
    assert not binaries.matches("18.6", "1")
    assert binaries.matches("18.6", "18")
    assert binaries.matches("18.6", "18.6")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a server as someone else")
def test_root_says_whom_it_cannot_become(monkeypatch) -> None:
    monkeypatch.setenv("REHEARSE_USER", "no-such-user")
    with pytest.raises(Missing, match="no-such-user"):
        _local.unprivileged()


@pytest.mark.parametrize(
    ("choice", "needed"), [(EngineChoice(), 1 << 60), (EngineChoice(settings={"shared_buffers": "900TB"}), 1)]
)
def test_what_the_machine_cannot_hold_is_said_before_the_start(choice: EngineChoice, needed: int) -> None:
    with pytest.raises(TooBig):
        ENGINE.check_room(choice, needed)
    ENGINE.check_room(EngineChoice(via="url"), needed)


def test_too_little_room_is_said_with_figures(tmp_path: Path) -> None:
    _local.check_space(tmp_path, 1)
    with pytest.raises(TooBig, match="are needed and"):
        _local.check_space(tmp_path, 1 << 60)
    with pytest.raises(TooBig, match="memory"):
        _local.check_memory(1 << 60)
