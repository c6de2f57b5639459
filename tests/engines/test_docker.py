"""A PostgreSQL server in a container: shut to others, watched as one of our own, and gone whatever happens."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

import rehearse
from rehearse.engines import _docker, _docker_engine
from rehearse.engines._machine import Machine, own_number
from rehearse.engines.postgres import ENGINE, container
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import Missing, ScenarioMistake, ServerFailed, TooBig
from rehearse.events import Remarked
from rehearse.model import EngineChoice
from rehearse.protocols import Role

from ..conftest import KeepingJournal

LIVES = Path(__file__).with_name("lives.py")
PROJECT = Path(rehearse.__file__).parents[1]


def choice(**words: Any) -> EngineChoice:
    return EngineChoice(via="docker", **words)


def found(server: PostgresServer) -> list[dict[str, Any]]:
    """What the engine says of a server's containers, running or not."""
    of_it = {"label": f"{_docker._FOLDER}={server.folder}"}
    with closing(_docker_engine.connected().client) as docker:
        return [dict(one.attrs) for one in docker.containers.list(all=True, filters=of_it)]


def inspected(server: PostgresServer) -> dict[str, Any]:
    (one,) = found(server)
    return one


def volumes() -> set[str]:
    with closing(_docker_engine.connected().client) as docker:
        return {one.name for one in docker.volumes.list()}


@pytest.fixture(scope="module")
def contained(docker_image: str) -> Iterator[PostgresServer]:
    with ENGINE.start(choice(cpus=1.5, memory=1 << 30), KeepingJournal()) as server:
        yield server


@pytest.fixture
def relay(docker_image: str) -> Iterator[str]:
    """A TCP port that leads to the Docker engine's socket, as an engine on another machine has."""
    path = (os.environ.get("DOCKER_HOST") or _docker_engine._USUAL).removeprefix("unix://")
    if "://" in path:
        pytest.skip("the Docker engine is behind a TCP port itself")

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(path)
                ends = {self.request: engine, engine: self.request}
                while True:
                    for source in select.select([*ends], [], [])[0]:
                        if not (chunk := source.recv(65_536)):
                            return
                        ends[source].sendall(chunk)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def filled(contained: PostgresServer) -> PostgresDatabase:
    made = contained.create("filled")
    with made.connect(Role.MIGRATION) as connection:
        connection.execute("create table numbers as select generate_series(1, 1000) n")
    made.grant()
    return made


@pytest.mark.parametrize(
    ("named", "words", "wanted", "source"),
    [
        (None, {}, "postgres:18", "engine.image (by default)"),
        (None, {"version": "16"}, "postgres:16", "engine.version"),
        (None, {"version": "16", "image": "ours:5"}, "ours:5", "engine.image"),
        ("private:5000/pg", {"image": "postgres:16"}, "private:5000/pg", "REHEARSE_IMAGE_POSTGRES"),
        ("private/pg:{version}", {"version": "16"}, "private/pg:16", "REHEARSE_IMAGE_POSTGRES"),
    ],
)
def test_the_image_is_the_environments_the_scenarios_or_the_official_one(
    monkeypatch, named: str | None, words: dict[str, str], wanted: str, source: str
) -> None:
    monkeypatch.delenv("REHEARSE_IMAGE_POSTGRES", raising=False)
    if named:
        monkeypatch.setenv("REHEARSE_IMAGE_POSTGRES", named)
    image = _docker_engine.image("postgres", choice(**words), newest="18")
    assert (image.name, image.source) == (wanted, source)


def test_a_volume_is_read_only_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert _docker_engine.volume(f"{tmp_path}:/etc/own") == (str(tmp_path), "/etc/own", "ro")
    assert _docker_engine.volume(f"{tmp_path}:/etc/own:rw") == (str(tmp_path), "/etc/own", "rw")


@pytest.mark.parametrize("text", ["here", "here:there", "/tmp:/etc/own:x", "/nowhere/at/all:/etc/own"])
def test_a_volume_that_cannot_be_is_a_mistake(text: str) -> None:
    with pytest.raises(ScenarioMistake, match=r"engine\.volumes"):
        _docker_engine.volume(text)


@pytest.mark.parametrize("place", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"])
def test_without_an_engine_it_says_where_it_looked_and_what_to_do(monkeypatch, journal, place: str) -> None:
    pytest.importorskip("testcontainers", reason="pip install testcontainers")
    monkeypatch.setenv("DOCKER_HOST", place)
    with pytest.raises(Missing) as missing, ENGINE.start(choice(), journal):
        pass
    for word in ("engine.via", place, "docker.io", "DOCKER_HOST", "embedded"):
        assert word in str(missing.value)
    told = _docker_engine.diagnose("postgres", newest="18")
    assert (told.found, told.remedy) == (False, str(missing.value))


def test_an_engine_that_we_may_not_use_is_told_from_one_that_is_not_there(monkeypatch) -> None:
    pytest.importorskip("testcontainers", reason="pip install testcontainers")

    def refused(_place: str) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_docker_engine, "_peer", refused)  # root is refused nothing
    with pytest.raises(Missing, match="usermod -aG docker"):
        _docker_engine.connected()


@pytest.mark.slow
def test_an_image_that_is_nowhere_is_named_with_the_key_that_named_it(docker_image: str, monkeypatch, journal) -> None:
    monkeypatch.delenv("REHEARSE_IMAGE_POSTGRES", raising=False)
    with pytest.raises(Missing) as missing, ENGINE.start(choice(image="nowhere.invalid/postgres:1"), journal):
        pass
    for word in ("engine.image = 'nowhere.invalid/postgres:1'", "could not be pulled", "REHEARSE_IMAGE_POSTGRES"):
        assert word in str(missing.value)


@pytest.mark.slow
def test_an_image_of_the_environment_must_be_of_the_version_that_is_asked_for(docker_image: str, journal) -> None:
    with pytest.raises(Missing, match=r"engine\.version = '9\.9'"):  # noqa: SIM117
        with ENGINE.start(choice(version="9.9", image=docker_image), journal):
            pass


@pytest.mark.slow
def test_a_setting_that_the_server_does_not_know_is_a_mistake(docker_image: str, journal) -> None:
    wrong = choice(settings={"shared_bufers": "1GB"})
    with pytest.raises(ScenarioMistake, match=r"engine\.settings\.shared_bufers.*did you mean 'shared_buffers'"):  # noqa: SIM117
        with ENGINE.start(wrong, journal):
            pass


@pytest.mark.slow
def test_a_server_that_finds_no_room_says_so_and_its_log_is_kept(
    docker_image: str, journal, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("REHEARSE_CACHE", str(tmp_path))
    with pytest.raises(TooBig, match=r"engine\.tmpfs"), ENGINE.start(choice(tmpfs=10 << 20), journal):
        pass
    (kept,) = (tmp_path / "logs").iterdir()
    assert "No space left on device" in kept.read_text()


@pytest.mark.slow
def test_a_server_that_dies_is_told_with_its_last_words(docker_image: str, journal) -> None:
    with pytest.raises(ServerFailed, match="the server died; it said last:"):  # noqa: SIM117
        with ENGINE.start(choice(tmpfs=1 << 30), journal) as server:
            database = server.create("doomed")
            with database.connect() as connection:
                psutil.Process(server.pid).kill()
                connection.execute("select pg_sleep(10)")


@pytest.mark.slow
def test_its_port_is_open_to_this_machine_alone(contained: PostgresServer) -> None:
    ports = inspected(contained)["NetworkSettings"]["Ports"]["5432/tcp"]
    assert [one["HostIp"] for one in ports] == ["127.0.0.1"]


@pytest.mark.slow
def test_a_sibling_of_our_own_container_is_reached_at_its_address(docker_image: str, journal, monkeypatch) -> None:
    monkeypatch.setattr(_docker_engine, "_peer", lambda _: 0)  # as behind a socket that was lent to a container
    with ENGINE.start(choice(tmpfs=1 << 30), journal) as server:
        settings = inspected(server)["NetworkSettings"]
        assert server.address.host in {one["IPAddress"] for one in settings["Networks"].values()}
        assert [one["HostIp"] for one in settings["Ports"]["5432/tcp"]] == ["127.0.0.1"]
        assert server.log_path is None
    with pytest.raises(ScenarioMistake, match=r"engine\.volumes"):  # noqa: SIM117
        with ENGINE.start(choice(volumes=["/tmp:/shared"]), journal):
            pass


@pytest.mark.slow
def test_an_engine_behind_a_tcp_port_serves_what_it_can_and_says_what_is_missing(
    docker_image: str, journal, relay: str, monkeypatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", relay)
    with ENGINE.start(choice(tmpfs=1 << 30), journal) as server:
        assert server.address.host == "127.0.0.1"
        assert server.log_path is None
        database = server.create("far")
        with server.loading(), database.connect(Role.MIGRATION) as connection:
            connection.execute("create table t (n int)")
        database.fork("farther").drop()
    told = " ".join(one.says for one in journal.events if isinstance(one, Remarked))
    assert "so it is not read" in told
    assert "Docker's relay" in told
    assert f"in a container of {docker_image} (sha256:" in told
    assert "engine.tmpfs" in told


@pytest.mark.slow
def test_the_password_that_its_environment_shows_opens_nothing(contained: PostgresServer) -> None:
    shown = dict(word.split("=", 1) for word in inspected(contained)["Config"]["Env"])
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host=contained.address.host,
            port=contained.address.port,
            user=shown["POSTGRES_USER"],
            password=shown["POSTGRES_PASSWORD"],
            dbname="postgres",
            sslmode="disable",
        )


@pytest.mark.slow
def test_it_has_the_limits_that_the_scenario_gives(contained: PostgresServer) -> None:
    limits = inspected(contained)["HostConfig"]
    assert (limits["NanoCpus"], limits["Memory"], limits["MemorySwap"]) == (1_500_000_000, 1 << 30, 1 << 30)


@pytest.mark.slow
def test_its_cpu_is_measured_where_its_processes_are_on_this_machine(filled: PostgresDatabase) -> None:
    if filled.server.pid is None:
        pytest.skip("the container's processes are on another machine")
    machine = Machine(filled.server.pid)
    before = dict(machine.figures())["server cpu"]
    with filled.connect() as connection:
        number = own_number(filled.server.pid, connection.info.backend_pid)
        assert psutil.Process(number).parent().pid == filled.server.pid
        connection.execute("select sum(a.n * b.n) from numbers a, numbers b")
        assert dict(machine.figures())["server cpu"] > before + 0.01


@pytest.mark.slow
def test_the_migrations_statements_are_read_from_its_log(filled: PostgresDatabase, journal) -> None:
    assert filled.server.log_path, "this image's server writes no JSON"
    watch = filled.watch(journal)
    for probe in watch.probes:
        list(probe.look())
    with filled.connect(Role.MIGRATION) as connection:
        connection.execute("select 'seen in the log'")
    with filled.connect(Role.APPLICATION) as connection:
        connection.execute("select 'not seen'")
    for probe in watch.probes:
        list(probe.close())
    ran = watch.statements()
    watch.finish(ran)
    assert [one.sql for one in ran] == ["select 'seen in the log'"]
    assert not [one for one in journal.events if isinstance(one, Remarked)]


@pytest.mark.slow
def test_what_was_loaded_is_brought_to_the_disk(contained: PostgresServer) -> None:
    assert isinstance(contained.journal, KeepingJournal)
    told = contained.journal.events
    before = len(told)
    with contained.loading():
        contained.create("loaded").drop()
    assert len(told) == before
    assert isinstance(contained.sync, partial)
    contained.sync.func(*contained.sync.args[:-1], "/nowhere")
    assert isinstance(told[-1], Remarked)
    assert "/nowhere" in told[-1].says


@pytest.mark.slow
def test_files_are_run_as_on_a_server_of_our_own(contained: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("create extension citext; create table t (n citext); insert into t values ('x');")
    database = contained.create("from_files")
    database.run_file(tmp_path / "a.sql")
    with database.connect(Role.APPLICATION) as connection:
        assert connection.execute("select n from t").fetchall() == [("x",)]
    database.drop()


@pytest.mark.slow
def test_volumes_are_there_and_those_that_an_image_declares_go_with_the_container(
    docker_image: str, journal, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "words").write_text("from this machine")
    tmp_path.chmod(0o755)
    recipe = io.BytesIO(f"FROM {docker_image}\nVOLUME /var/lib/declared\n".encode())
    with closing(_docker_engine.connected().client) as docker:
        built, _ = docker.images.build(fileobj=recipe, rm=True, tag=f"rehearse-test-volume:{os.getpid()}")
        monkeypatch.setenv("REHEARSE_IMAGE_POSTGRES", built.tags[0])
        try:
            with ENGINE.start(choice(volumes=[f"{tmp_path}:/etc/own"], tmpfs=1 << 30), journal) as server:
                mounts = inspected(server)["Mounts"]
                declared = {one["Name"] for one in mounts if one["Type"] == "volume"}
                assert declared
                assert declared <= volumes()
                with server.connect() as connection:
                    read = connection.execute("select pg_read_file('/etc/own/words')").fetchone()
                    assert read == ("from this machine",)
            assert not declared & volumes()
        finally:
            docker.images.remove(built.tags[0])


@pytest.mark.slow
def test_what_a_dead_rehearsal_and_its_dead_watchdog_left_is_removed_by_the_next(
    docker_image: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("REHEARSE_TMP", str(tmp_path))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path])}
    command = [sys.executable, LIVES, json.dumps({"via": "docker"}), "wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout
        json.loads(parent.stdout.readline())
        for dog in psutil.Process(parent.pid).children():
            dog.kill()
        parent.kill()
    assert len(_docker.containers_below(tmp_path)) == 1
    with _docker.engine():
        assert _docker.containers_below(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "key"),
    [
        ({"tmpfs": 1 << 20}, "engine.tmpfs"),
        ({"tmpfs": 1 << 30, "memory": 64 << 20}, "engine.memory"),
        ({"memory": 1 << 20}, "engine.memory"),
        ({}, None),
    ],
)
def test_what_does_not_fit_is_known_before_anything_starts(docker_image: str, words: dict, key: str | None) -> None:
    if key is None:
        ENGINE.check_room(choice(**words), 32 << 20)
        return
    with pytest.raises(TooBig, match=key):
        ENGINE.check_room(choice(**words), 32 << 20)


def test_without_testcontainers_it_says_how_to_get_it(monkeypatch, journal) -> None:
    monkeypatch.setitem(sys.modules, "testcontainers.core.docker_client", None)
    with pytest.raises(Missing, match=r"pip install 'rehearse-migrations\[docker\]'"), ENGINE.start(choice(), journal):
        pass


@pytest.mark.slow
def test_the_container_of_one_that_lives_is_left_alone(contained: PostgresServer) -> None:
    with _docker.engine():
        assert inspected(contained)["State"]["Running"]


@pytest.mark.slow
def test_a_server_that_is_kept_outlives_us_until_its_keeper_is_ended(docker_image: str, journal) -> None:
    with ENGINE.start(choice(tmpfs=1 << 30), journal) as server:
        server.create("kept")
        kept = server.keep()
    try:
        with psycopg.connect(kept.urls[0]) as connection:
            assert connection.execute("select current_database()").fetchone() == ("kept",)
        assert inspected(server)["State"]["Running"]
    finally:
        os.kill(kept.process, signal.SIGTERM)
    assert server.dog
    server.dog._process.wait(timeout=30)
    assert not found(server)
    assert server.folder
    assert not server.folder.exists()


@pytest.mark.slow
def test_the_doctor_says_what_of_docker_is_here(docker_image: str) -> None:
    told = _docker_engine.diagnose("postgres", newest=container.PRODUCT.newest)
    assert told.found
    assert docker_image in told.says
