"""Fixtures that many tests share."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator

import pytest

from rehearse.engines import _docker, _docker_engine
from rehearse.engines.postgres import ENGINE, container
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import Missing
from rehearse.events import Event
from rehearse.model import EngineChoice

_numbers = itertools.count(1)


# A shell that runs us in the background has SIGINT ignored, which our children would inherit; some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class KeepingJournal:
    """A journal that a test can read."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.frames: list[tuple[type[Event], object]] = []

    def write(self, event: Event, /) -> None:
        self.events.append(event)

    def write_frame(self, kind: type[Event], frame: object, /) -> None:
        self.frames.append((kind, frame))


@pytest.fixture
def journal() -> KeepingJournal:
    """A journal that a test can read."""
    return KeepingJournal()


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """The embedded server, started once."""
    with ENGINE.start(EngineChoice(), KeepingJournal()) as started:
        yield started


@pytest.fixture(scope="session")
def installed() -> Iterator[PostgresServer]:
    """The server that is installed here, another version; started once."""
    try:
        with ENGINE.start(EngineChoice(via="binary"), KeepingJournal()) as started:
            yield started
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session", params=["server", "installed"])
def either(request: pytest.FixtureRequest) -> PostgresServer:
    """The embedded server, then the installed one."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, PostgresServer)
    return found


@pytest.fixture(scope="session")
def docker_image() -> str:
    """The name of an image of PostgreSQL on a Docker engine; in CI it must be there if it was named."""
    try:
        with _docker.engine() as engine:
            image = _docker_engine.image("postgres", EngineChoice(via="docker"), newest=container.PRODUCT.newest)
            try:
                engine.bring(image)
            except Missing as missing:
                if "REHEARSE_IMAGE_POSTGRES" in os.environ:  # whoever names an image wants it tested
                    pytest.skip(f"install the image that REHEARSE_IMAGE_POSTGRES names: {missing}")
                pytest.skip(f"no image of PostgreSQL; name one in REHEARSE_IMAGE_POSTGRES: {_first_words(missing)}")
    except Missing as missing:
        wanted = "testcontainers" if "testcontainers" in str(missing) else "an engine, by Debian's docker.io"
        pytest.skip(f"no Docker engine can be used here; {wanted} would be needed: {_first_words(missing)}")
    return image.name


def _first_words(missing: Missing) -> str:
    """Return what is missing without how to get it: CI fails where something could be installed."""
    return str(missing).partition(";")[0]


@pytest.fixture
def database(server: PostgresServer) -> Iterator[PostgresDatabase]:
    """A fresh database on it."""
    made = server.create(f"test{next(_numbers)}")
    yield made
    made.drop()
