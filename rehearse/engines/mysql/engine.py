"""The engines of MariaDB and MySQL: how a server is had, and what befell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pymysql

from rehearse.engines import _docker_engine, _local
from rehearse.engines.mysql import accounts, binaries, configuration, container, instance, named
from rehearse.engines.mysql.client import Address, connect, execute, interruption, is_full, words
from rehearse.engines.mysql.flavour import Flavour
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import Missing, RehearseError, ScenarioMistake, ServerFailed, TooBig
from rehearse.events import Journal
from rehearse.model import EngineChoice, Setting
from rehearse.protocols import Diagnosis, Role

_OURS = 100  # connections of our own beside the application's: probes, loaders, comparisons, the tool's


@dataclass(frozen=True, slots=True)
class MysqlEngine:
    """Starts servers of one flavour; stateless."""

    flavour: Flavour

    @property
    def name(self) -> str:
        """The name that scenarios call it by."""
        return self.flavour.name

    @contextmanager
    def start(self, choice: EngineChoice, journal: Journal, *, sessions: int = 0) -> Iterator[MysqlServer]:
        """Start a server with room for `sessions` of the application and ours beside them."""
        if choice.via == "url":
            with named.server(self.flavour, choice, journal) as server:
                yield server
            return
        settings = {"max_connections": max(300, sessions + _OURS), **choice.settings}
        if choice.via == "docker":
            started = container.server(self.flavour, choice, settings, journal)
        elif choice.via == "binary":
            started = _local_server(binaries.installed(self.flavour, choice.version), settings, journal)
        else:
            raise ScenarioMistake(
                f"engine.via = {choice.via!r} is not there for {self.name}; use 'binary' (a {self.flavour.title} that "
                "is installed here), 'docker' (a container) or 'url' (a server that you call disposable)"
            )
        with started as server:
            for name in configuration.ignored(choice.settings):
                server.remark(
                    f"engine.settings.{name} is not obeyed: it belongs to production's machine, or to watching"
                )
            yield server

    def ways(self) -> Mapping[str, Callable[[EngineChoice], object]]:
        """Return what looks for a server of the chosen version, by each way."""
        return {
            "binary": lambda choice: binaries.installed(self.flavour, choice.version),
            "docker": _docker_engine.check_answers,
        }

    def check_room(self, choice: EngineChoice, needed_bytes: int) -> None:
        """Raise TooBig where the disk, or the memory for the server's buffers, does not suffice here."""
        if choice.via == "docker":
            container.check_room(choice, needed_bytes)
        elif choice.via == "binary":  # the user's server is on another machine, or is the user's to know
            _local.check_space(_local.temporary_root(_local.unprivileged()), needed_bytes)
            _local.check_memory(configuration.memory_bytes(choice.settings))

    def diagnose(self) -> Iterator[Diagnosis]:
        """Yield what is here and what is missing; starts nothing."""
        yield self._diagnose_binary()
        yield container.diagnose(self.flavour)

    def _diagnose_binary(self) -> Diagnosis:
        try:
            says = ", ".join(f"{one.version} in {one.server.parent}" for one in binaries.every_installed(self.flavour))
        except Missing as missing:
            return Diagnosis(subject=f"{self.name} via binary", found=False, says="not here", remedy=str(missing))
        return Diagnosis(subject=f"{self.name} via binary", found=True, says=says)


@contextmanager
def _local_server(
    installation: binaries.Installation, settings: Mapping[str, Setting], journal: Journal
) -> Iterator[MysqlServer]:
    """Start a server of this build with production's settings; leaving the block leaves no trace of it."""
    logins = accounts.new_logins(Role.OWNER, *accounts.WORKING)
    flavour, owner = installation.flavour, logins[Role.OWNER]
    at = Address(host="127.0.0.1", port=0, user=owner.user, password=owner.password)
    opening = accounts.opening(flavour, owner)
    with instance.running(installation, settings, owner=at, opening=opening) as started:
        at = replace(at, port=started.port, socket=started.socket)
        running = MysqlServer(
            flavour=flavour,
            version=installation.version,
            address=at,
            logins=logins,
            journal=journal,
            pid=started.process.pid,
            folder=started.folder / "data",
            dog=started.dog,
        )
        with connect(at) as connection:
            working = {role: logins[role] for role in accounts.WORKING}
            for statement in (*accounts.making(flavour, working), *accounts.watching(working)):
                execute(connection, statement)
        accounts.introduce(running.at(role) for role in accounts.WORKING)
        try:
            yield running
        except pymysql.err.MySQLError as error:
            raise interruption(error) or _reason(flavour, error, started) from error


def _reason(flavour: Flavour, error: pymysql.err.MySQLError, started: instance.Instance) -> RehearseError:
    """Return what befell the server, where an error is only its consequence."""
    if is_full(error):
        return TooBig(f"the disk of {started.folder.parent} is full: {words(error)}")
    if started.has_ended(within_s=2.0):
        return ServerFailed(f"the server died; it said last:\n{instance.last_words(started.folder)}")
    return ServerFailed(f"{flavour.title} refused what rehearse asked: {words(error)}")
