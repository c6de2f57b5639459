"""A server of our own, with its roles, in a container of an image that keeps to the official one's contract."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psycopg

from rehearse.engines import _docker, _docker_engine
from rehearse.engines._docker_engine import Where
from rehearse.engines._docker_server import Build, Product, await_connection, befallen, build, remarks
from rehearse.engines.postgres import cluster, configuration, local, roles
from rehearse.engines.postgres.binaries import OLDEST, major, version_in
from rehearse.engines.postgres.server import Address, PostgresServer
from rehearse.errors import RehearseError, ScenarioMistake
from rehearse.events import Journal
from rehearse.model import EngineChoice, Setting
from rehearse.protocols import Role

PRODUCT = Product(name="postgres", label="PostgreSQL", newest="18", oldest=(OLDEST,))
_PORT = 5432
_LOG = "/var/log/rehearse"
_CONFIGURATION = "/etc/rehearse/postgresql.conf"
_ASKED = """
postgres --version
echo "data ${PGDATA:-/var/lib/postgresql/data}"
find / -xdev -name '*.so' -path '*lib*' 2>/dev/null | sed 's|.*/|library |; s|[.]so$||'
"""


@dataclass(frozen=True, slots=True)
class Contained:
    """The build in an image, and where its entry point makes the data folder."""

    build: Build
    data: str
    libraries: frozenset[str]

    @property
    def version(self) -> str:
        """The version, for example "18.6"."""
        return self.build.version

    @property
    def major(self) -> int:
        """The version's first number."""
        return major(self.version)

    def has_library(self, name: str) -> bool:
        """Say whether the server could load a module."""
        return name in self.libraries

    def __str__(self) -> str:
        return f"{self.version} of {self.build.image.name}"


@contextmanager
def server(choice: EngineChoice, journal: Journal, *, sessions: int) -> Iterator[PostgresServer]:
    """Start a container with production's settings; leaving the block leaves no trace of it."""
    image = _docker_engine.image(PRODUCT.name, choice, newest=PRODUCT.newest)
    settings = {"max_connections": local.connections(sessions), **choice.settings}
    with _docker.engine() as engine:
        contained = _contained(engine, image, choice.version)
        order = _order(contained, settings, is_logged_here=engine.where == Where.HERE)
        with engine.running(order, choice) as started:
            running = PostgresServer(
                version=contained.version,
                address=Address(host=started.host, port=started.port, parameters={"sslmode": "disable"}),
                logins={Role.OWNER: roles.Login(cluster.OWNER, order.environment["POSTGRES_PASSWORD"])},
                journal=journal,
                folder=engine.folder,
                dog=engine.dog,
            )
            # The entry point's own server, before this one, takes no connection by TCP.
            await_connection(
                started,
                contained.build,
                lambda: running.connect(connect_timeout=5).close(),
                psycopg.OperationalError,
                partial(_complaint, engine, contained),
            )
            running.sync = None if choice.tmpfs else partial(_sync, running, started, contained.data)
            running.pid = started.process("postgres")
            running.log_path = _log_path(started, contained)
            _make_roles(running)
            _remark(running, contained, started, choice)
            try:
                yield running
            except psycopg.Error as error:
                raise _reason(error, started) or error from error


def _contained(engine: _docker.Engine, image: _docker_engine.Image, version: str | None) -> Contained:
    """Return what is in an image, by its own words."""
    digest = engine.bring(image)
    told = engine.answer(image, digest, _ASKED)
    words = [line.partition(" ") for line in told.splitlines()]
    return Contained(
        build(PRODUCT, image, digest, version_in(told), version),
        next(rest for word, _, rest in words if word == "data"),
        frozenset(rest for word, _, rest in words if word == "library"),
    )


def _order(contained: Contained, settings: Mapping[str, Setting], *, is_logged_here: bool) -> _docker.Order:
    places = {
        "listen_addresses": "*",
        "log_directory": _LOG if is_logged_here else "log",
        "log_file_mode": "0644",  # another user of this machine may be who reads it
    }
    own = f"include_if_exists = '{contained.data}/postgresql.conf'\n"
    return _docker.Order(
        image=contained.build.image,
        # As a file and not as options, which ALTER SYSTEM could not change for a load.
        command=["postgres", "-c", f"config_file={_CONFIGURATION}"],
        environment={
            "POSTGRES_USER": cluster.OWNER,
            "POSTGRES_PASSWORD": secrets.token_hex(16),  # until the server runs: an engine shows the environment
            "POSTGRES_DB": "postgres",
        },
        files={_CONFIGURATION: own + configuration.lines(settings, contained, places)},
        port=_PORT,
        data=contained.data,
        log=_LOG,
    )


def _complaint(engine: _docker.Engine, contained: Contained, words: str) -> ScenarioMistake | None:
    """Return what a server that did not start says of its settings."""
    if "contains errors" not in words:
        return None
    described = partial(
        engine.answer, contained.build.image, contained.build.digest, f"postgres {configuration.DESCRIBE}"
    )
    return configuration.complaint(words, contained, described)


def _log_path(started: _docker.Container, contained: Contained) -> Path | None:
    path = started.logs / f"{configuration.LOG}.json" if started.logs and contained.major >= 15 else None
    return path if path and path.exists() else None


def _make_roles(server: PostgresServer) -> None:
    """Make the roles, after the owner got a password that the container's environment does not show."""
    owner = replace(server.logins[Role.OWNER], password=secrets.token_hex(16))
    with server.connect() as connection:
        roles.set_password(connection, owner)
    server.logins = {Role.OWNER: owner, **roles.new_logins()}
    local.make_roles(server)


def _remark(server: PostgresServer, contained: Contained, started: _docker.Container, choice: EngineChoice) -> None:
    local.remark(server, contained, choice.settings)
    for says, weakens in remarks(contained.build, started, server.pid, choice):
        server.remark(says, weakens=weakens)
    if contained.major >= 15 and server.log_path is None:
        server.remark("the container's log is out of this machine's sight, so it is not read", weakens=True)


def _sync(server: PostgresServer, started: _docker.Container, data: str) -> None:
    """Bring a container's data to the disk, as `_local.sync_tree` does, so that no measurement pays for it."""
    status, words = started.run(["initdb", "--sync-only", "-D", data], "postgres")
    if status:
        server.remark(f"what was loaded may still be on its way to the disk while it is measured: {words.strip()}")


def _reason(error: psycopg.Error, started: _docker.Container) -> RehearseError | None:
    """Return what befell the server, where an error is only its consequence."""
    is_full = isinstance(error, psycopg.errors.DiskFull)
    return befallen(started, error, is_full=is_full) if isinstance(error, psycopg.OperationalError) else None
