"""A server of our own, with its roles, in a container of an image that keeps to the official one's contract."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psycopg

from rehearse.engines import _docker, _docker_engine
from rehearse.engines._docker_engine import Where
from rehearse.engines.postgres import cluster, configuration, local, roles
from rehearse.engines.postgres.binaries import OLDEST, major, matches, version_in
from rehearse.engines.postgres.server import Address, PostgresServer
from rehearse.errors import Missing, ScenarioMistake, ServerFailed, TooBig
from rehearse.events import Journal
from rehearse.model import EngineChoice, Setting
from rehearse.protocols import Role

NEWEST = "18"
_PORT = 5432
_START_S = 120.0
_LOG = "/var/log/rehearse"
_CONFIGURATION = "/etc/rehearse/postgresql.conf"
_ASKED = """
postgres --version
echo "data ${PGDATA:-/var/lib/postgresql/data}"
find / -xdev -name '*.so' -path '*lib*' 2>/dev/null | sed 's|.*/|library |; s|[.]so$||'
"""
_LAST = 12  # lines


@dataclass(frozen=True, slots=True)
class Contained:
    """The build in an image, and where its entry point makes the data folder."""

    image: _docker_engine.Image
    version: str
    data: str
    libraries: frozenset[str]

    @property
    def major(self) -> int:
        """The version's first number."""
        return major(self.version)

    def has_library(self, name: str) -> bool:
        """Say whether the server could load a module."""
        return name in self.libraries

    def __str__(self) -> str:
        return f"{self.version} of {self.image.name}"


@contextmanager
def server(choice: EngineChoice, journal: Journal, *, sessions: int) -> Iterator[PostgresServer]:
    """Start a container with production's settings; leaving the block leaves no trace of it."""
    image = _docker_engine.image("postgres", choice, newest=NEWEST)
    settings = {"max_connections": local.connections(sessions), **choice.settings}
    with _docker.engine() as engine:
        digest = engine.bring(image)
        build = _build(engine, image, choice.version)
        order = _order(build, settings, is_logged_here=engine.where == Where.HERE)
        with engine.running(order, choice) as started:
            running = PostgresServer(
                version=build.version,
                address=Address(host=started.host, port=started.port, parameters={"sslmode": "disable"}),
                logins={Role.OWNER: roles.Login(cluster.OWNER, order.environment["POSTGRES_PASSWORD"])},
                journal=journal,
                folder=engine.folder,
                dog=engine.dog,
            )
            _await(running, started, build, partial(engine.answer, image, f"postgres {configuration.DESCRIBE}"))
            running.sync = None if choice.tmpfs else partial(_sync, running, started, build.data)
            running.pid = started.process("postgres")
            running.log_path = _log_path(started, build)
            _make_roles(running)
            _remark(running, build, choice, digest)
            if started.is_relayed:  # measured: 0.12 ms, of which the server takes 0.04
                running.remark("calls go through Docker's relay, which takes about 0.1 ms of CPU for each answer")
            try:
                yield running
            except psycopg.Error as error:
                raise _reason(error, started) or error from error


def _build(engine: _docker.Engine, image: _docker_engine.Image, version: str | None) -> Contained:
    """Return what is in an image, by its own words."""
    told = engine.answer(image, _ASKED)
    found = version_in(told)
    if found is None:
        raise ScenarioMistake(f"{image}: there is no PostgreSQL server in this image; name one, such as 'postgres:18'")
    if major(found) < OLDEST:
        raise ScenarioMistake(f"{image}: PostgreSQL {found} is too old; {OLDEST} is the oldest that can be rehearsed")
    if version and not matches(found, version):
        raise Missing(f"engine.version = {version!r}, and {image} holds PostgreSQL {found}; make them agree")
    words = [line.partition(" ") for line in told.splitlines()]
    return Contained(
        image,
        found,
        next(rest for word, _, rest in words if word == "data"),
        frozenset(rest for word, _, rest in words if word == "library"),
    )


def _order(build: Contained, settings: Mapping[str, Setting], *, is_logged_here: bool) -> _docker.Order:
    places = {
        "listen_addresses": "*",
        "log_directory": _LOG if is_logged_here else "log",
        "log_file_mode": "0644",  # another user of this machine may be who reads it
    }
    own = f"include_if_exists = '{build.data}/postgresql.conf'\n"
    return _docker.Order(
        image=build.image,
        # As a file and not as options, which ALTER SYSTEM could not change for a load.
        command=["postgres", "-c", f"config_file={_CONFIGURATION}"],
        environment={
            "POSTGRES_USER": cluster.OWNER,
            "POSTGRES_PASSWORD": secrets.token_hex(16),  # until the server runs: an engine shows the environment
            "POSTGRES_DB": "postgres",
        },
        files={_CONFIGURATION: own + configuration.lines(settings, build, places)},
        port=_PORT,
        data=build.data,
        log=_LOG,
    )


def _await(server: PostgresServer, started: _docker.Container, build: Contained, described: Callable[[], str]) -> None:
    """Wait until the server takes connections; the entry point's own, before it, takes none by TCP."""
    deadline = time.monotonic() + _START_S
    while not started.has_ended():
        try:
            server.connect(connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise started.failure(f"PostgreSQL {build} took no connection in {_START_S:.0f} s: {error}") from error
        time.sleep(0.02)
    words = _last_words(started)
    if "contains errors" in words:
        raise configuration.complaint(words, build, described)
    raise started.failure(f"PostgreSQL {build} did not start; it said:\n{words}")


def _last_words(started: _docker.Container) -> str:
    logs = sorted(started.logs.iterdir()) if started.logs else []
    said = [started.said(), *(path.read_text(errors="replace") for path in logs)]
    return "\n".join(line for text in said for line in text.splitlines()[-_LAST:])


def _log_path(started: _docker.Container, build: Contained) -> Path | None:
    path = started.logs / f"{configuration.LOG}.json" if started.logs and build.major >= 15 else None
    return path if path and path.exists() else None


def _make_roles(server: PostgresServer) -> None:
    """Make the roles, after the owner got a password that the container's environment does not show."""
    owner = replace(server.logins[Role.OWNER], password=secrets.token_hex(16))
    with server.connect() as connection:
        roles.set_password(connection, owner)
    server.logins = {Role.OWNER: owner, **roles.new_logins()}
    local.make_roles(server)


def _remark(server: PostgresServer, build: Contained, choice: EngineChoice, digest: str) -> None:
    local.remark(server, build, choice.settings)
    server.remark(f"the server is PostgreSQL {build.version} in a container of {build.image.name} ({digest})")
    if choice.tmpfs:
        server.remark("its data is in memory (engine.tmpfs): what waits for a disk is faster here than in production")
    if choice.image and choice.image != build.image.name:
        tag = re.match(r"[\d.]+", choice.image.rpartition(":")[2])
        server.remark(
            f"the server is of {build.image} (PostgreSQL {build.version}) and not of engine.image = {choice.image!r}",
            weakens=tag is None or not matches(build.version, tag[0]),
        )
    if build.major >= 15 and server.log_path is None:
        server.remark("the container's log is out of this machine's sight, so it is not read", weakens=True)
    if server.pid is None:
        server.remark("the container's processes are out of this machine's sight, so their CPU is not measured")


def _sync(server: PostgresServer, started: _docker.Container, data: str) -> None:
    """Bring a container's data to the disk, as `_local.sync_tree` does, so that no measurement pays for it."""
    status, words = started.run(["initdb", "--sync-only", "-D", data], "postgres")
    if status:
        server.remark(f"what was loaded may still be on its way to the disk while it is measured: {words.strip()}")


def _reason(error: psycopg.Error, started: _docker.Container) -> TooBig | ServerFailed | None:
    """Return what befell the server, where an error is only its consequence."""
    if isinstance(error, psycopg.errors.DiskFull):
        return TooBig(f"the container's disk is full; raise engine.tmpfs where there is one: {error}")
    if isinstance(error, psycopg.OperationalError) and started.has_ended(within_s=2.0):
        return started.failure(f"the server died; it said last:\n{_last_words(started)}")
    return None
