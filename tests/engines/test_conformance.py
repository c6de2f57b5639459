"""PostgreSQL keeps what every engine must, from the wheel and in a container."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from rehearse.engines import _docker
from rehearse.model import EngineChoice
from rehearse.protocols import Server
from rehearse.testing import engine_suite
from rehearse.testing.engine_suite import Subject

pytestmark = pytest.mark.slow


def ask(url: str, statement: str) -> Sequence[Sequence[Any]]:
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else ()


@pytest.fixture(scope="module", params=["embedded", "docker"])
def subject(request: pytest.FixtureRequest) -> Subject:
    found = Subject(choice=EngineChoice(via=request.param), ask=ask, sleeps="select pg_sleep(100)")
    if found.choice.via == "docker":
        request.getfixturevalue("docker_image")
        return replace(found, left=_docker.containers_below)
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
