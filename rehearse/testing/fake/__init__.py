"""A small engine for unit tests: SQLite files in a folder that is removed, and roles that the connections keep.

It starts at once and keeps what `rehearse.testing.engine_suite` asks of an engine, but for what SQLite has not: a
process that could die, locks to watch, deadlocks. A test makes it known as an installed engine is, by an entry point
"fake" of the group "rehearse.engines".
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehearse.engines import _local, _watchdog
from rehearse.events import Journal, Remarked
from rehearse.model import EngineChoice
from rehearse.testing.fake.database import FakeDatabase

__all__ = ["ENGINE", "FakeEngine", "FakeServer"]


@dataclass(frozen=True, slots=True)
class FakeEngine:
    """Starts nothing but a folder; stateless."""

    name: str = "fake"

    @contextmanager
    def start(self, choice: EngineChoice, journal: Journal, *, sessions: int = 0) -> Iterator[FakeServer]:
        """Make the folder; leaving the block removes it, as does our death. `sessions` may be as many as one likes."""
        with _local.watchdog() as dog, ExitStack() as traces:
            folder = _local.new_folder(None)
            dog.remove(folder, pidfile=folder / "pid")
            traces.enter_context(_local.held(folder))
            traces.callback(_watchdog.take_down, folder, folder / "pid")
            for name in choice.settings:
                says = f"engine.settings.{name} is not obeyed: a fake has no settings"
                journal.write(Remarked(at_ns=time.monotonic_ns(), source="server", says=says, weakens=True))
            yield FakeServer(folder)


@dataclass(frozen=True, slots=True)
class FakeServer:
    """A folder with a file for each database."""

    folder: Path
    version: str = sqlite3.sqlite_version

    def create(self, name: str) -> FakeDatabase:
        """Make an empty database."""
        database = FakeDatabase(name, self.folder / f"{name}.sqlite")
        database.create()
        return database

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Do as one does with a server that has something to trade; a fake has not."""
        yield

    def settings(self) -> Mapping[str, str]:
        """Return no settings: all are SQLite's own."""
        return {}


ENGINE = FakeEngine()
