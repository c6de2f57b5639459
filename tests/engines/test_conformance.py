"""Every engine keeps what it must, each way that a server of it can be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import SkipTest

import pytest

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
    ("fake", "embedded"),
)

_NO_COLUMNS = {"its_columns_tell_which_of_them_changed": "no checksums of single columns"}
LACKS: dict[str, dict[str, str]] = {
    "postgres": {},
    "mariadb": _NO_COLUMNS,
    "mysql": _NO_COLUMNS,
    "fake": {
        "a_deadlock_is_an_outcome_of_one_and_the_other_goes_on": "no deadlocks",
        "a_queue_behind_a_waiting_change_is_told": "cannot be watched",
        "a_wait_for_a_row_of_the_change_is_told": "cannot be watched",
        "a_table_that_nobody_closes_is_told_of_nobody": "cannot be watched",
        "a_server_that_dies_is_told": "out of this machine's sight",
    },
}
"""What an engine has not, by the promise that is about it, and what it says of it."""

SHARED = {("postgres", "embedded"): "server", ("mariadb", "binary"): "mariadb", ("mysql", "binary"): "mysql"}
"""Fixtures of servers that other tests have started, or that say why there is none."""


@pytest.fixture(scope="module", params=WAYS, ids=" ".join)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    engine, via = way = request.param
    if way in SHARED:
        request.getfixturevalue(SHARED[way])
    elif via == "docker":
        image_of(engine, NEWEST[engine])
    with pytest.MonkeyPatch.context() as patched:
        if engine == "fake":
            patched.syspath_prepend(str(plugin(tmp_path_factory.mktemp("plugin"))))
        yield subject_of(engine, via)


def plugin(folder: Path) -> Path:
    """Make what an installed package leaves that brings an engine, where Python looks for packages."""
    about = folder / "fake-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fake\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[rehearse.engines]\nfake = rehearse.testing.fake:ENGINE\n")
    return folder


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, subject: Subject) -> Iterator[Server]:
    if shared := SHARED.get((subject.choice.name, subject.choice.via)):
        yield request.getfixturevalue(shared)
        return
    with engine_suite.started(subject) as server:
        yield server


@pytest.fixture
def keeping(subject: Subject, record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Ask for a promise; where the engine lacks what it is about, see that this is said, and have it told."""

    def keep(promise: Callable[..., None], *asked: object) -> None:
        says = LACKS[subject.choice.name].get(engine_suite.named(promise))
        if says is None:
            promise(*asked)
            return
        record_property("lacks", says)
        with pytest.raises(SkipTest, match=says):
            promise(*asked)

    return keep


@pytest.mark.parametrize("promise", engine_suite.OF_A_SERVER, ids=engine_suite.named)
def test_a_server_keeps(subject: Subject, running: Server, keeping: Callable[..., None], promise) -> None:
    keeping(promise, subject, running)


@pytest.mark.parametrize("promise", engine_suite.OF_AN_ENGINE, ids=engine_suite.named)
def test_an_engine_keeps(subject: Subject, keeping: Callable[..., None], promise) -> None:
    keeping(promise, subject)
