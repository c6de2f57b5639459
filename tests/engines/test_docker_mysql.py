"""A MariaDB or MySQL in a container: its settings, limits and accounts; what all containers share is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from rehearse.engines import _docker, _docker_engine
from rehearse.engines.mariadb.flavour import MARIADB
from rehearse.engines.mysql.client import rows
from rehearse.engines.mysql.engine import MysqlEngine
from rehearse.engines.mysql.flavour import MYSQL, Flavour
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import Missing, ScenarioMistake, TooBig
from rehearse.events import Remarked
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from tests.conftest import KeepingJournal, image_of

pytestmark = pytest.mark.slow


FLAVOURS = {one.name: one for one in (MARIADB, MYSQL)}


@dataclass(frozen=True, slots=True)
class Kind:
    """An engine, and the image that it is tried with."""

    flavour: Flavour
    image: str

    @property
    def engine(self) -> MysqlEngine:
        return MysqlEngine(self.flavour)

    def choice(self, **words: Any) -> EngineChoice:
        return EngineChoice(name=self.flavour.name, via="docker", **words)


@pytest.fixture(scope="module", params=FLAVOURS)
def kind(request: pytest.FixtureRequest) -> Kind:
    flavour = FLAVOURS[request.param]
    return Kind(flavour, image_of(flavour.name, flavour.newest))


@pytest.fixture(scope="module")
def contained(kind: Kind) -> Iterator[MysqlServer]:
    settings = {"innodb_lock_wait_timeout": 7, "port": 3307, "character_set_server": "latin2"}
    wanted = kind.choice(cpus=1.5, memory=1 << 30, tmpfs=1 << 30, settings=settings)
    with kind.engine.start(wanted, KeepingJournal()) as server:
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
            password=shown[f"{contained.flavour.name.upper()}_ROOT_PASSWORD"],
        )


def test_a_setting_that_it_does_not_know_is_a_mistake_in_its_words(kind: Kind, journal) -> None:
    wrong = kind.choice(settings={"innodb_bufer_pool_size": "1G"})
    with pytest.raises(ScenarioMistake, match=r"engine\.settings: \w+ says: .*innodb_bufer_pool_size"):  # noqa: SIM117
        with kind.engine.start(wrong, journal):
            pass


def test_a_server_that_finds_no_room_says_so_and_its_log_is_kept(
    kind: Kind, journal, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("REHEARSE_CACHE", str(tmp_path))
    with pytest.raises(TooBig, match=r"engine\.tmpfs"), kind.engine.start(kind.choice(tmpfs=10 << 20), journal):
        pass
    (kept,) = (tmp_path / "logs").iterdir()
    assert "No space left on device" in kept.read_text()


def test_an_image_must_hold_the_server_and_the_version_that_are_asked_for(
    kind: Kind, docker_image: str, journal, monkeypatch
) -> None:
    with pytest.raises(Missing, match=r"engine\.version = '9\.9'"):  # noqa: SIM117
        with kind.engine.start(kind.choice(version="9.9"), journal):
            pass
    monkeypatch.delenv(f"REHEARSE_IMAGE_{kind.flavour.name.upper()}", raising=False)
    with pytest.raises(ScenarioMistake, match=r"engine\.image = .*no \w+ server in this image; name one"):  # noqa: SIM117
        with kind.engine.start(kind.choice(image=docker_image), journal):
            pass


def test_what_does_not_fit_is_known_before_anything_starts(kind: Kind) -> None:
    kind.engine.check_room(kind.choice(), 32 << 20)
    with pytest.raises(TooBig, match=r"engine\.tmpfs"):
        kind.engine.check_room(kind.choice(tmpfs=1 << 20), 32 << 20)
    with pytest.raises(TooBig, match=r"engine\.memory"):
        kind.engine.check_room(kind.choice(memory=64 << 20), 32 << 20)


def test_files_are_run_as_on_a_server_of_our_own(contained: MysqlServer, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("create table t (w varchar(9)); insert into t values ('żółć');")
    database = contained.create("from_files")
    database.run_file(tmp_path / "a.sql")
    with database.connect(Role.APPLICATION) as connection:
        assert rows(connection, "select w from t") == (("żółć",),)
    database.drop()


def test_the_doctor_says_what_of_docker_is_here(kind: Kind) -> None:
    told = {one.subject: one for one in kind.engine.diagnose()}[f"{kind.flavour.name} via docker"]
    assert told.found
    assert kind.image in told.says
