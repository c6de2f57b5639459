"""MariaDB: a disposable server from installed programs, or databases of our own on the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pymysql

from rehearse.engines import _local
from rehearse.engines.mariadb import accounts, binaries, configuration, instance, named
from rehearse.engines.mariadb.server import MariadbServer
from rehearse.engines.mysql.client import Address, connect, execute, words
from rehearse.errors import Missing, RehearseError, ScenarioMistake, ServerFailed, TooBig
from rehearse.events import Journal
from rehearse.model import EngineChoice, Setting
from rehearse.protocols import Diagnosis, Role

_OURS = 100  # connections of our own beside the application's: probes, loaders, comparisons, the tool's
_FULL = {1021, 1114}  # the disk is full, the table is full


@dataclass(slots=True)
class MariadbEngine:
    """Starts MariaDB; stateless."""

    name: str = "mariadb"

    @contextmanager
    def start(self, choice: EngineChoice, journal: Journal, *, sessions: int = 0) -> Iterator[MariadbServer]:
        """Start a server with room for `sessions` of the application and ours beside them."""
        if choice.via == "url":
            with named.server(choice, journal) as server:
                yield server
            return
        if choice.via != "binary":
            raise ScenarioMistake(
                f"engine.via = {choice.via!r} is not there for mariadb; use 'binary' (a mariadbd that is installed "
                "here) or 'url' (a server that you call disposable)"
            )
        with _local_server(binaries.installed(choice.version), choice.settings, journal, sessions=sessions) as server:
            yield server

    def ways(self) -> Mapping[str, Callable[[EngineChoice], object]]:
        """Return what looks for a server of the chosen version, by each way."""
        return {"binary": lambda choice: binaries.installed(choice.version)}

    def check_room(self, choice: EngineChoice, needed_bytes: int) -> None:
        """Raise TooBig where the disk, or the memory for the server's buffers, does not suffice here."""
        if choice.via == "binary":  # the user's server is on another machine, or is the user's to know
            _local.check_space(_local.temporary_root(_local.unprivileged()), needed_bytes)
            _local.check_memory(configuration.memory_bytes(choice.settings))

    def diagnose(self) -> Iterator[Diagnosis]:
        """Yield what is here and what is missing; starts nothing."""
        try:
            says = ", ".join(map(str, binaries.every_installed()))
        except Missing as missing:
            yield Diagnosis(subject="mariadb via binary", found=False, says="not here", remedy=str(missing))
            return
        yield Diagnosis(subject="mariadb via binary", found=True, says=says)


@contextmanager
def _local_server(
    installation: binaries.Installation, settings: Mapping[str, Setting], journal: Journal, *, sessions: int
) -> Iterator[MariadbServer]:
    """Start a server of this build with production's settings; leaving the block leaves no trace of it."""
    logins = accounts.new_logins(Role.OWNER, *accounts.WORKING)
    owner = logins[Role.OWNER]
    at = Address(host="127.0.0.1", port=0, user=owner.user, password=owner.password)
    wanted = {"max_connections": max(300, sessions + _OURS), **settings}
    with instance.running(installation, wanted, owner=at, opening=accounts.opening(owner)) as started:
        at = replace(at, port=started.port, socket=started.socket)
        running = MariadbServer(
            version=installation.version,
            address=at,
            logins=logins,
            journal=journal,
            pid=started.process.pid,
            dog=started.dog,
        )
        with connect(at) as connection:
            working = {role: logins[role] for role in accounts.WORKING}
            for statement in (*accounts.making(working), *accounts.watching(working)):
                execute(connection, statement)
        for name in configuration.ignored(settings):
            running.remark(f"engine.settings.{name} is not obeyed: it belongs to production's machine, or to watching")
        try:
            yield running
        except pymysql.err.MySQLError as error:
            raise _reason(error, started) from error


def _reason(error: pymysql.err.MySQLError, started: instance.Instance) -> RehearseError:
    """Return what befell the server, where an error is only its consequence."""
    if error.args and error.args[0] in _FULL:
        return TooBig(f"the disk of {started.folder.parent} is full: {words(error)}")
    if started.has_ended(within_s=2.0):
        return ServerFailed(f"the server died; it said last:\n{instance.last_words(started.folder)}")
    return ServerFailed(f"MariaDB refused what rehearse asked: {words(error)}")


ENGINE = MariadbEngine()
