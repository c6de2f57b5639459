"""Fixtures that many tests share."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from functools import lru_cache

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
    return image_of("postgres", container.PRODUCT.newest)


def image_of(engine: str, newest: str) -> str:
    """Return the name of an engine's image on a Docker engine, or skip the test."""
    why, found = _image(engine, newest)
    if found is None:
        pytest.skip(why)
    return found


@lru_cache
def _image(engine: str, newest: str) -> tuple[str, str | None]:
    image = _docker_engine.image(engine, EngineChoice(via="docker"), newest=newest)
    try:
        with _docker.engine() as docker:
            try:
                docker.bring(image)
            except Missing as missing:
                if image.variable in os.environ:  # whoever names an image wants it tested
                    return f"install the image that {image.variable} names: {missing}", None
                return f"no image of {engine}; name one in {image.variable}: {_first_words(missing)}", None
    except Missing as missing:
        wanted = "testcontainers" if "testcontainers" in str(missing) else "an engine, by Debian's docker.io"
        return f"no Docker engine can be used here; {wanted} would be needed: {_first_words(missing)}", None
    return "", image.name


def _first_words(missing: Missing) -> str:
    """Return what is missing without how to get it: CI fails where something could be installed."""
    return str(missing).partition(";")[0]


@pytest.fixture
def database(server: PostgresServer) -> Iterator[PostgresDatabase]:
    """A fresh database on it."""
    made = server.create(f"test{next(_numbers)}")
    yield made
    made.drop()
