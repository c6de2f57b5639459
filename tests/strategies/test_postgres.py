"""Every way of every kind of change on PostgreSQL: forward, back, and forward again, on tables with odd names."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearse import strategies
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import ScenarioMistake
from rehearse.model import Snapshot
from rehearse.protocols import Role
from tests.strategies.changes import CHANGES
from tests.strategies.ends import Ends, gone_through, unlike

pytestmark = pytest.mark.slow

WAYS = [
    (name, way) for name, change in CHANGES.items() for way in strategies.ways(change, "postgres") if way != "pgroll"
]
REFUSED = {
    ("another type", "careful"): "written anew",
    ("another type of a collated text", "careful"): "written anew",
    ("no text any more", "careful"): "written anew",
}


@pytest.fixture(scope="module")
def shapes(server: PostgresServer) -> Iterator[PostgresDatabase]:
    """The tables that are changed, made once."""
    made = server.create("shapes")
    with made.connect(Role.MIGRATION) as connection:
        connection.execute((Path(__file__).parent / "shapes.sql").read_bytes())
    made.grant()
    yield made
    made.drop()
    with server.connect() as connection:
        connection.execute("DROP ROLE rehearsed_reader")


@pytest.fixture(scope="module")
def start(shapes: PostgresDatabase) -> Snapshot:
    return shapes.snapshot("start")


@pytest.fixture(scope="module")
def plain_ends(shapes: PostgresDatabase) -> Ends:
    return Ends(shapes, "postgres", {})


@pytest.mark.parametrize(("name", "way"), WAYS, ids=[f"{name}-{way}" for name, way in WAYS])
def test_a_way_ends_where_the_plain_one_does_and_comes_back(
    shapes: PostgresDatabase, start: Snapshot, plain_ends: Ends, name: str, way: str
) -> None:
    change = CHANGES[name]
    if (name, way) in REFUSED:
        with pytest.raises(ScenarioMistake, match=REFUSED[name, way]):
            plain_ends.written(change, way)
        return
    strategy = plain_ends.written(change, way)
    if missing := strategies.missing(strategy):
        pytest.skip(f"{missing} is not here")
    ended = gone_through(shapes, strategy, "postgres")
    assert unlike(start, ended.forward), "nothing has changed"
    if way == "plain":
        plain_ends.known[name] = ended.forward
    assert unlike(plain_ends.of(name, change), ended.forward) == []
    if ended.back is None:
        assert "no way back" in strategy.steps[-1]
        return
    excused = {one.column for one in strategies.effects(change)}
    assert unlike(start, ended.back, without=excused) == []
    assert ended.again is not None
    assert unlike(ended.forward, ended.again) == []


def test_pgroll_ends_where_the_plain_way_does(shapes: PostgresDatabase, plain_ends: Ends) -> None:
    if shutil.which("pgroll") is None:
        pytest.skip("pgroll is not here; see https://github.com/xataio/pgroll/releases")
    for name, change in CHANGES.items():
        if "pgroll" in strategies.ways(change, "postgres"):
            ended = gone_through(shapes, plain_ends.written(change, "pgroll"), "postgres")
            assert unlike(plain_ends.of(name, change), ended.forward) == [], name
