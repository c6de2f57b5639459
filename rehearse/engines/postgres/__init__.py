"""PostgreSQL: a disposable server from a wheel, installed programs or an image, or databases on the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rehearse.engines import _docker_engine, _local
from rehearse.engines.postgres import binaries, configuration, container, diagnosis, local, named
from rehearse.engines.postgres.server import PostgresServer
from rehearse.events import Journal
from rehearse.model import EngineChoice
from rehearse.protocols import Diagnosis


@dataclass(slots=True)
class PostgresEngine:
    """Starts PostgreSQL; stateless."""

    name: str = "postgres"

    @contextmanager
    def start(self, choice: EngineChoice, journal: Journal, *, sessions: int = 0) -> Iterator[PostgresServer]:
        """Start a server with room for `sessions` of the application and ours beside them."""
        if choice.via == "url":
            with named.server(choice, journal) as server:
                yield server
            return
        if choice.via == "docker":
            with container.server(choice, journal, sessions=sessions) as server:
                yield server
            return
        find = binaries.embedded if choice.via == "embedded" else binaries.installed
        with local.server(find(choice.version), choice.settings, journal, sessions=sessions) as server:
            yield server

    def ways(self) -> Mapping[str, Callable[[EngineChoice], object]]:
        """Return what looks for a server of the chosen version, by each way."""
        return {
            "embedded": lambda choice: binaries.embedded(choice.version),
            "binary": lambda choice: binaries.installed(choice.version),
            "docker": _docker_engine.check_answers,
        }

    def check_room(self, choice: EngineChoice, needed_bytes: int) -> None:
        """Raise TooBig where the disk, or the memory for the server's buffers, does not suffice here."""
        if choice.via == "docker":
            _docker_engine.check_room(choice, data=needed_bytes, memory=configuration.memory_bytes(choice.settings))
        elif choice.via != "url":  # the user's server is on another machine, or is the user's to know
            _local.check_space(_local.temporary_root(_local.unprivileged()), needed_bytes)
            _local.check_memory(configuration.memory_bytes(choice.settings))

    def diagnose(self) -> Iterator[Diagnosis]:
        """Yield what is here and what is missing; starts nothing."""
        return diagnosis.diagnose()


ENGINE = PostgresEngine()
