"""A MariaDB server in a container: its settings, limits and accounts; what all containers share is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest

from rehearse.engines import _docker, _docker_engine
from rehearse.engines.mariadb import ENGINE
from rehearse.engines.mariadb.flavour import MARIADB
from rehearse.engines.mysql.client import rows
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import Missing, ScenarioMistake, TooBig
from rehearse.events import Remarked
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from tests.conftest import KeepingJournal, image_of

pytestmark = pytest.mark.slow


def choice(**words: Any) -> EngineChoice:
    return EngineChoice(name="mariadb", via="docker", **words)


@pytest.fixture(scope="module")
def image() -> str:
    return image_of("mariadb", MARIADB.newest)


@pytest.fixture(scope="module")
def contained(image: str) -> Iterator[MysqlServer]:
    settings = {"innodb_lock_wait_timeout": 7, "port": 3307, "character_set_server": "latin2"}
    wanted = choice(cpus=1.5, memory=1 << 30, tmpfs=1 << 30, settings=settings)
    with ENGINE.start(wanted, KeepingJournal()) as server:
        yield server


@pytest.fixture(scope="module")
def inspected(contained: MysqlServer) -> dict[str, Any]:
    """What the engine says of the container."""
    with closing(_docker_engine.connected().client) as docker:
        ours = docker.containers.list(filters={"label": _docker._FOLDER, "publish": str(contained.address.port)})
        (found,) = [dict(one.attrs) for one in ours]
    return found


def test_settings_of_production_are_obeyed_and_others_are_told(contained: MysqlServer) -> None:
    settings = contained.settings()
    assert settings["innodb_lock_wait_timeout"] == "7"
    with contained.connect() as connection:
        assert rows(connection, "select @@global.character_set_server") == (("latin2",),)
    assert "port" not in settings
    assert isinstance(contained.journal, KeepingJournal)
    told = " ".join(one.says for one in contained.journal.events if isinstance(one, Remarked))
    for word in ("engine.settings.port", "in a container of", "(sha256:", "engine.tmpfs", "Docker's relay"):
        assert word in told


def test_it_has_the_limits_that_the_scenario_gives_and_is_shut_to_others(inspected: dict[str, Any]) -> None:
    limits = inspected["HostConfig"]
    assert (limits["NanoCpus"], limits["Memory"], limits["MemorySwap"]) == (1_500_000_000, 1 << 30, 1 << 30)
    assert limits["Tmpfs"] == {"/var/lib/mysql": f"size={1 << 30}"}
    assert [one["HostIp"] for one in inspected["NetworkSettings"]["Ports"]["3306/tcp"]] == ["127.0.0.1"]


def test_the_password_that_its_environment_shows_opens_nothing(
    contained: MysqlServer, inspected: dict[str, Any]
) -> None:
    shown = dict(word.split("=", 1) for word in inspected["Config"]["Env"])
    with pytest.raises(pymysql.err.OperationalError, match="denied"):
        pymysql.connect(
            host=contained.address.host,
            port=contained.address.port,
            user="root",
            password=shown["MARIADB_ROOT_PASSWORD"],
        )


def test_a_setting_that_it_does_not_know_is_a_mistake_in_its_words(image: str, journal) -> None:
    wrong = choice(settings={"innodb_bufer_pool_size": "1G"})
    with pytest.raises(ScenarioMistake, match=r"engine\.settings: MariaDB says: .*innodb_bufer_pool_size"):  # noqa: SIM117
        with ENGINE.start(wrong, journal):
            pass


def test_a_server_that_finds_no_room_says_so_and_its_log_is_kept(
    image: str, journal, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("REHEARSE_CACHE", str(tmp_path))
    with pytest.raises(TooBig, match=r"engine\.tmpfs"), ENGINE.start(choice(tmpfs=10 << 20), journal):
        pass
    (kept,) = (tmp_path / "logs").iterdir()
    assert "No space left on device" in kept.read_text()


def test_an_image_must_hold_the_server_and_the_version_that_are_asked_for(
    image: str, docker_image: str, journal, monkeypatch
) -> None:
    with pytest.raises(Missing, match=r"engine\.version = '9\.9'"):  # noqa: SIM117
        with ENGINE.start(choice(version="9.9"), journal):
            pass
    monkeypatch.delenv("REHEARSE_IMAGE_MARIADB", raising=False)
    with pytest.raises(ScenarioMistake, match=r"engine\.image = .*no MariaDB server in this image.*'mariadb:"):  # noqa: SIM117
        with ENGINE.start(choice(image=docker_image), journal):
            pass


def test_what_does_not_fit_is_known_before_anything_starts(image: str) -> None:
    ENGINE.check_room(choice(), 32 << 20)
    with pytest.raises(TooBig, match=r"engine\.tmpfs"):
        ENGINE.check_room(choice(tmpfs=1 << 20), 32 << 20)
    with pytest.raises(TooBig, match=r"engine\.memory"):
        ENGINE.check_room(choice(memory=64 << 20), 32 << 20)


def test_files_are_run_as_on_a_server_of_our_own(contained: MysqlServer, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("create table t (w varchar(9)); insert into t values ('żółć');")
    database = contained.create("from_files")
    database.run_file(tmp_path / "a.sql")
    with database.connect(Role.APPLICATION) as connection:
        assert rows(connection, "select w from t") == (("żółć",),)
    database.drop()


def test_the_doctor_says_what_of_docker_is_here(image: str) -> None:
    told = {one.subject: one for one in ENGINE.diagnose()}["mariadb via docker"]
    assert told.found
    assert image in told.says
