"""The ways of MariaDB (and of MySQL, where that is), pt-online-schema-change among them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearse import registry, strategies
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import Missing, ScenarioMistake
from rehearse.model import EngineChoice, Snapshot
from tests.conftest import KeepingJournal
from tests.strategies.changes import FAMILY
from tests.strategies.ends import Ends, gone_through, unlike

pytestmark = pytest.mark.slow

WAYS = [(name, way) for name, change in FAMILY.items() for way in strategies.ways(change, "mariadb")]
PROGRAMS = {"pt-osc": ("pt-online-schema-change", "percona-toolkit"), "gh-ost": ("gh-ost", "")}


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[MysqlServer]:
    engine = str(request.param)
    try:
        with registry.engine(engine).start(EngineChoice(name=engine, via="binary"), KeepingJournal()) as started:
            assert isinstance(started, MysqlServer)
            yield started
    except Missing as missing:
        pytest.skip(str(missing).partition(";")[0])


@pytest.fixture(scope="module")
def shapes(server: MysqlServer) -> MysqlDatabase:
    made = server.create("shapes")
    made.run_file(Path(__file__).parent / "shapes.mysql.sql")
    return made


@pytest.fixture(scope="module")
def start(shapes: MysqlDatabase) -> Snapshot:
    return shapes.snapshot("start")


@pytest.fixture(scope="module")
def plain_ends(shapes: MysqlDatabase) -> Ends:
    return Ends(shapes, shapes.server.flavour.name, {})


@pytest.mark.parametrize(("name", "way"), WAYS, ids=[f"{name}-{way}" for name, way in WAYS])
def test_a_way_ends_where_the_plain_one_does_and_comes_back(
    shapes: MysqlDatabase, start: Snapshot, plain_ends: Ends, name: str, way: str
) -> None:
    change, engine = FAMILY[name], plain_ends.engine
    try:
        strategy = plain_ends.written(change, way)
    except ScenarioMistake as refused:
        known = ("takes no values of its own", "would call the checks")
        assert any(words in str(refused) for words in known)
        return
    if way in PROGRAMS and shutil.which(PROGRAMS[way][0]) is None:
        program, package = PROGRAMS[way]
        pytest.skip(f"{program} is not here" + (f"; install Debian's {package}" if package else ""))
    ended = gone_through(shapes, strategy, engine)
    assert unlike(start, ended.forward), "nothing has changed"
    assert unlike(plain_ends.of(name, change), ended.forward) == []
    excused = {one.column for one in strategies.effects(change)}
    assert ended.back is not None and ended.again is not None
    if excused:  # this engine has no checksums of columns
        assert [one for one in unlike(start, ended.back) if not isinstance(one, tuple) or len(one) == 3] == []
    else:
        assert unlike(start, ended.back) == []
    assert unlike(ended.forward, ended.again) == []
