"""A server of our own, with its accounts, in a container of an image that keeps to the official one's contract."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import pymysql

from rehearse.engines import _docker, _docker_engine
from rehearse.engines._docker_server import Build, Product, await_connection, befallen, build, remarks
from rehearse.engines.mysql import accounts, configuration
from rehearse.engines.mysql.client import Address, connect, execute, interruption, is_full, words
from rehearse.engines.mysql.flavour import Flavour
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import RehearseError, ServerFailed
from rehearse.events import Journal
from rehearse.model import EngineChoice, Setting
from rehearse.protocols import Diagnosis, Role

_PORT = 3306
# In the place of those that come with an image: production's character set would fight with their collation.
_CONFIGURATIONS = ("/etc/my.cnf", "/etc/mysql/my.cnf")
_PLACES = {"bind_address": "*", "user": "mysql", "socket": "/run/mysqld/mysqld.sock"}
_OWN = "!includedir /etc/mysql/conf.d/\n"  # where engine.volumes may put more
_ASKED = """
for server in {servers}; do
  if command -v $server >/dev/null; then $server --version; $server --verbose --help 2>/dev/null; exit; fi
done
"""
_DATA = re.compile(r"^datadir\s+(\S+?)/?$", re.MULTILINE)
_USUAL_DATA = "/var/lib/mysql"


@dataclass(frozen=True, slots=True)
class Contained:
    """The build in an image, and where its entry point makes the data folder."""

    flavour: Flavour
    build: Build
    data: str


def product(flavour: Flavour) -> Product:
    """Return what images hold of a flavour."""
    return Product(name=flavour.name, label=flavour.title, newest=flavour.newest, oldest=flavour.oldest)


def check_room(choice: EngineChoice, needed_bytes: int) -> None:
    """Raise TooBig where the container would have too little room."""
    _docker_engine.check_room(choice, data=needed_bytes, memory=configuration.memory_bytes(choice.settings))


def diagnose(flavour: Flavour) -> Diagnosis:
    """Say whether a Docker engine and the flavour's image are here."""
    return _docker_engine.diagnose(flavour.name, newest=flavour.newest)


@contextmanager
def server(
    flavour: Flavour, choice: EngineChoice, settings: Mapping[str, Setting], journal: Journal
) -> Iterator[MysqlServer]:
    """Start a container with production's settings; leaving the block leaves no trace of it."""
    image = _docker_engine.image(flavour.name, choice, newest=flavour.newest)
    with _docker.engine() as engine:
        contained = _contained(engine, flavour, image, choice.version)
        password = secrets.token_hex(16)  # until the server runs: an engine shows the environment
        with engine.running(_order(contained, settings, password), choice) as started:
            root = Address(host=started.host, port=started.port, user="root", password=password)
            complaint = partial(configuration.complaint, flavour.title)
            await_connection(
                started, contained.build, partial(_reach, root), pymysql.err.MySQLError, complaint
            )  # the entry point's own server, before it, takes no connection by TCP
            logins = accounts.new_logins(Role.OWNER, *accounts.WORKING)
            owner = logins[Role.OWNER]
            running = MysqlServer(
                flavour=flavour,
                version=contained.build.version,
                address=replace(root, user=owner.user, password=owner.password),
                logins=logins,
                journal=journal,
                pid=_pid(started, flavour),
                dog=engine.dog,
            )
            _make_accounts(running, root)
            for says, weakens in remarks(contained.build, started, running.pid, choice):
                running.remark(says, weakens=weakens)
            try:
                yield running
            except pymysql.err.MySQLError as error:
                raise interruption(error) or _reason(flavour, error, started) from error


def _contained(engine: _docker.Engine, flavour: Flavour, image: _docker_engine.Image, version: str | None) -> Contained:
    """Return what is in an image, by its own words."""
    digest = engine.bring(image)
    told = engine.answer(image, digest, _ASKED.format(servers=" ".join(flavour.programs.servers)))
    found = flavour.programs.version.search(told)
    data = _DATA.search(told)
    holds = build(product(flavour), image, digest, found[1] if found else None, version)
    return Contained(flavour, holds, data[1] if data else _USUAL_DATA)


def _order(contained: Contained, settings: Mapping[str, Setting], password: str) -> _docker.Order:
    text = _OWN + configuration.lines(contained.flavour.programs, settings, _PLACES)
    return _docker.Order(
        image=contained.build.image,
        command=(),
        environment={f"{contained.flavour.name.upper()}_ROOT_PASSWORD": password},
        files=dict.fromkeys(_CONFIGURATIONS, text),
        port=_PORT,
        data=contained.data,
    )


def _reach(where: Address) -> None:
    """Log in, over TLS where the server has it: MySQL takes a password without it only once it knows the password."""
    with connect(where, connect_timeout=5, read_timeout=30):
        return


def _make_accounts(server: MysqlServer, root: Address) -> None:
    """Make the accounts, and take away root, whose password the container's environment shows."""
    working = {role: server.logins[role] for role in accounts.WORKING}
    with connect(root) as connection:
        for statement in (*accounts.making(server.flavour, server.logins), *accounts.watching(working)):
            execute(connection, statement)
        for host in ("localhost", "127.0.0.1", "::1", "%"):  # the last is its own
            execute(connection, f"DROP USER IF EXISTS 'root'@'{host}'")
    accounts.introduce(server.at(role) for role in server.logins)


def _pid(started: _docker.Container, flavour: Flavour) -> int | None:
    return next((pid for name in flavour.programs.servers if (pid := started.process(name))), None)


def _reason(flavour: Flavour, error: pymysql.err.MySQLError, started: _docker.Container) -> RehearseError:
    """Return what befell the server, where an error is only its consequence."""
    found = befallen(started, words(error), is_full=is_full(error))
    return found or ServerFailed(f"{flavour.title} refused what rehearse asked: {words(error)}")
