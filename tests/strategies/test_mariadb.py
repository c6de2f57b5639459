"""The ways of MariaDB (and of MySQL, where that is), pt-online-schema-change among them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearse import registry, strategies
from rehearse.engines.mysql.client import execute
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import Missing, ScenarioMistake
from rehearse.model import EngineChoice, Snapshot
from rehearse.protocols import Role
from tests.conftest import KeepingJournal
from tests.strategies.changes import FAMILY
from tests.strategies.ends import Ends, gone_through, unlike

pytestmark = pytest.mark.slow

WAYS = [(name, way) for name, change in FAMILY.items() for way in strategies.ways(change, "mariadb") if way != "gh-ost"]
PROGRAMS = {"pt-osc": ("pt-online-schema-change", "percona-toolkit")}
GH_OST = (1, 1, 7)  # earlier ones ask MySQL 8.4 and later for what these no longer know


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
        pytest.skip(f"{program} is not here; install Debian's {package}")
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


def test_gh_ost_ends_where_the_plain_way_does_and_comes_back() -> None:
    """On MySQL, with a binary log and the rights that it wants."""
    if _gh_ost() < GH_OST:
        pytest.skip("gh-ost 1.1.7 or later is not here; see https://github.com/github/gh-ost/releases")
    choice = EngineChoice(name="mysql", via="binary", settings={"log_bin": True})
    try:
        with registry.engine("mysql").start(choice, KeepingJournal()) as started:
            assert isinstance(started, MysqlServer)
            made = started.create("shapes")
            made.run_file(Path(__file__).parent / "shapes.mysql.sql")
            with made.connect(Role.OWNER) as connection:
                execute(connection, "GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO 'rehearse_migration'@'%'")
            start, ends = made.snapshot("start"), Ends(made, "mysql", {})
            for name in ("another type", "an index", "a wider key"):
                ended = gone_through(made, ends.written(FAMILY[name], "gh-ost"), "mysql")
                assert unlike(ends.of(name, FAMILY[name]), ended.forward) == []
                assert ended.back is not None
                assert unlike(start, ended.back) == []
    except Missing as missing:
        pytest.skip(str(missing).partition(";")[0])


def _gh_ost() -> tuple[int, ...]:
    """Return gh-ost's version; one that does not tell it (built by hand) counts as an early one."""
    if shutil.which("gh-ost") is None:
        return ()
    told = subprocess.run(["gh-ost", "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(map(int, re.findall(r"\d+", told)[:3]))
