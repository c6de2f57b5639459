"""A server in memory, where it can be: each pair is run on three databases of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.server import PostgresServer
from rehearse.model import EngineChoice
from rehearse.recording.journal import ListingJournal

_MEMORY = Path("/dev/shm")
_ROOM = 2 << 30


@pytest.fixture(scope="package")
def server() -> Iterator[PostgresServer]:
    """The embedded server, with a role that some pairs give rights to."""
    with pytest.MonkeyPatch.context() as patch:
        if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM:
            patch.setattr(tempfile, "tempdir", str(_MEMORY))
        with ENGINE.start(EngineChoice(), ListingJournal()) as started:
            patch.undo()
            with started.connect() as connection:
                connection.execute("create role auditor nologin")
                connection.execute("grant auditor to rehearse_migration")
            yield started
