"""Every engine keeps what it must, each way that a server of it can be had."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rehearse import registry
from rehearse.protocols import Server
from rehearse.testing import engine_suite
from rehearse.testing.engine_suite import Subject
from tests.conftest import image_of
from tests.engines.subjects import NEWEST
from tests.engines.subjects import subject as subject_of

pytestmark = pytest.mark.slow

WAYS = (
    ("postgres", "embedded"),
    ("postgres", "docker"),
    ("mariadb", "binary"),
    ("mariadb", "docker"),
    ("mysql", "binary"),
    ("mysql", "docker"),
)


@pytest.fixture(scope="module", params=[one for one in WAYS if one[0] in registry.names("engine")], ids=" ".join)
def subject(request: pytest.FixtureRequest) -> Subject:
    engine, via = request.param
    found = subject_of(engine, via)
    if via == "docker":
        image_of(engine, NEWEST[engine])
    return found


@pytest.fixture(scope="module")
def running(subject: Subject) -> Iterator[Server]:
    with engine_suite.started(subject) as server:
        yield server


@pytest.mark.parametrize("promise", engine_suite.OF_A_SERVER, ids=engine_suite.named)
def test_a_server_keeps(subject: Subject, running: Server, promise) -> None:
    promise(subject, running)


@pytest.mark.parametrize("promise", engine_suite.OF_AN_ENGINE, ids=engine_suite.named)
def test_an_engine_keeps(subject: Subject, promise) -> None:
    promise(subject)
