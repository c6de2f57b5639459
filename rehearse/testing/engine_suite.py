"""What every engine must keep, for the authors of engines: each promise is a function that raises where it is broken.

@pytest.mark.parametrize("promise", engine_suite.OF_AN_ENGINE, ids=engine_suite.named)
def test_a_promise_is_kept(promise):
    promise(Subject(choice=EngineChoice(name="mine"), ask=ask, sleeps="select sleep(100)"))
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from rehearse import registry
from rehearse.events import Event
from rehearse.model import EngineChoice
from rehearse.protocols import Database, Forkable, Role, Server

_LIMIT_S = 30.0
_MADE = "create table made (id int primary key, word varchar(20))"
_FILLED = "insert into made values (1, 'one'), (2, 'two')"
_COUNTED = "select count(*) from made"

Ask = Callable[[str, str], Sequence[Sequence[Any]]]
"""Runs a statement at a URL, committed, and returns its rows (none where it has none); a refusal is any exception."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An engine as it is chosen, how it is asked, and a statement that takes more than a minute.

    `left` returns what of runs whose temporary files are in a folder is still there, beside files and processes.
    """

    choice: EngineChoice
    ask: Ask
    sleeps: str
    left: Callable[[Path], Sequence[str]] = lambda _: ()


class Unread:
    """A journal that nobody reads."""

    def write(self, event: Event, /) -> None:
        """Take an event."""

    def write_frame(self, kind: type[Event], frame: object, /) -> None:
        """Take many."""


@contextmanager
def started(subject: Subject) -> Iterator[Server]:
    """Start a server of the subject."""
    with registry.engine(subject.choice.name).start(subject.choice, Unread()) as server:
        yield server


def it_is_of_the_version_that_was_asked_for(subject: Subject, server: Server) -> None:
    """See that a server says its version, which begins with the one that was chosen."""
    assert server.version[:1].isdigit()
    assert server.version.startswith(subject.choice.version or "")


def it_tells_its_roles_apart(subject: Subject, server: Server) -> None:
    """See that the migration makes, the application writes and makes nothing, the observer writes nothing."""
    with _database(server, "roles") as database:
        _make(subject, database)
        subject.ask(database.url(Role.APPLICATION), "update made set word = 'ein' where id = 1")
        assert _rows(subject, database, Role.OBSERVER) == 2
        for role, refused in (
            (Role.APPLICATION, "create table more (id int)"),
            (Role.APPLICATION, "drop table made"),
            (Role.OBSERVER, "delete from made"),
        ):
            assert _is_refused(subject, database.url(role), refused), f"{role} may {refused!r}"


def it_keeps_databases_apart(subject: Subject, server: Server) -> None:
    """See that what is made in one database is not in another, and that one that was dropped is gone."""
    with _database(server, "first") as first, _database(server, "second") as second:
        _make(subject, first)
        assert _is_refused(subject, second.url(Role.MIGRATION), _COUNTED)
    assert _is_refused(subject, first.url(Role.MIGRATION), _COUNTED)


def it_forks_a_database(subject: Subject, server: Server) -> None:
    """See that a fork has the rows and the rights, and a life of its own."""
    with _database(server, "original") as original:
        if not isinstance(original, Forkable):
            return
        _make(subject, original)
        fork = original.fork("copy")
        try:
            subject.ask(fork.url(Role.APPLICATION), "delete from made")
            assert _rows(subject, fork, Role.OBSERVER) == 0
            assert _rows(subject, original, Role.OBSERVER) == 2
        finally:
            fork.drop()


def it_ends_the_sessions_of_a_role(subject: Subject, server: Server) -> None:
    """See that what a role still runs is ended, and that the role can be used afterwards."""
    with _database(server, "ended") as database, ThreadPoolExecutor(1) as beside:
        _make(subject, database)
        sleeping = beside.submit(_is_refused, subject, database.url(Role.MIGRATION), subject.sleeps)
        deadline = time.monotonic() + _LIMIT_S
        while not sleeping.done():  # it may not have begun yet
            assert time.monotonic() < deadline, "the statement still runs"
            database.end_sessions(Role.MIGRATION)
            wait([sleeping], 0.05)
        assert sleeping.result(), "the statement was not ended, it came to its end"
        assert _rows(subject, database, Role.MIGRATION) == 2


def its_settings_are_back_after_a_load(subject: Subject, server: Server) -> None:
    """See that what was loaded is there and the settings are as they were, after a load that failed too."""
    before = dict(server.settings())
    with _database(server, "loaded") as database:
        with server.loading():
            _make(subject, database)
        assert _rows(subject, database, Role.OBSERVER) == 2
    assert dict(server.settings()) == before
    try:
        with server.loading():
            raise KeyError
    except KeyError:
        assert dict(server.settings()) == before


def two_servers_live_beside_each_other(subject: Subject) -> None:
    """See that a second server has databases of its own."""
    with started(subject) as one, started(subject) as other, _database(one, "same") as made:
        _make(subject, made)
        with _database(other, "same") as same:
            assert _is_refused(subject, same.url(Role.MIGRATION), _COUNTED)


def a_server_that_is_stopped_leaves_nothing(subject: Subject) -> None:
    """See that nothing is there once its block was left in peace."""
    with _life(subject, "stop") as (process, root):
        assert process.wait(_LIMIT_S) == 0
        assert not _left(subject, root)


def a_rehearsal_that_fails_leaves_nothing(subject: Subject) -> None:
    """See that nothing is there once its block was left by an exception."""
    with _life(subject, "fail") as (process, root):
        assert process.wait(_LIMIT_S) == 1
        assert not _left(subject, root)


def a_rehearsal_that_is_ended_leaves_nothing(subject: Subject, *, how: signal.Signals) -> None:
    """See that nothing is there soon after its process was ended."""
    with _life(subject, "wait") as (process, root):
        assert _left(subject, root), "nothing of a running server can be seen, so nothing can be said of a dead one"
        process.send_signal(how)
        process.wait(_LIMIT_S)
        deadline = time.monotonic() + _LIMIT_S
        while left := _left(subject, root):
            assert time.monotonic() < deadline, f"after {how.name} there are still {', '.join(left)}"
            time.sleep(0.05)


OF_A_SERVER = (
    it_is_of_the_version_that_was_asked_for,
    it_tells_its_roles_apart,
    it_keeps_databases_apart,
    it_forks_a_database,
    it_ends_the_sessions_of_a_role,
    its_settings_are_back_after_a_load,
)
OF_AN_ENGINE: tuple[Callable[[Subject], None], ...] = (
    two_servers_live_beside_each_other,
    a_server_that_is_stopped_leaves_nothing,
    a_rehearsal_that_fails_leaves_nothing,
    *(
        partial(a_rehearsal_that_is_ended_leaves_nothing, how=how)
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    ),
)


def named(promise: Any) -> str:
    """Return a promise's name, for the name of a test."""
    if isinstance(promise, partial):
        return f"{promise.func.__name__} {promise.keywords['how'].name}"
    return str(promise.__name__)


@contextmanager
def _database(server: Server, name: str) -> Iterator[Database]:
    database = server.create(name)
    try:
        yield database
    finally:
        database.drop()


def _make(subject: Subject, database: Database) -> None:
    for statement in (_MADE, _FILLED):
        subject.ask(database.url(Role.MIGRATION), statement)
    database.grant()


def _rows(subject: Subject, database: Database, role: Role) -> int:
    return int(subject.ask(database.url(role), _COUNTED)[0][0])


def _is_refused(subject: Subject, url: str, statement: str) -> bool:
    try:
        subject.ask(url, statement)
    except Exception:  # each driver has its own
        return True
    return False


def _left(subject: Subject, root: Path) -> list[str]:
    """Return what is in a folder for temporary files, the processes that work there, and what the subject knows of."""
    files = [str(one) for one in root.iterdir()]
    return (
        files + [f"process {one.pid}" for one in psutil.process_iter() if _works_in(one, root)] + [*subject.left(root)]
    )


def _works_in(process: psutil.Process, root: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and str(root) in " ".join(process.cmdline())
    except psutil.Error:
        return False


@contextmanager
def _life(subject: Subject, then: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a server in a process and a folder for temporary files of its own, and wait until it serves."""
    with tempfile.TemporaryDirectory(prefix="engine-suite-") as folder:
        root = Path(folder)
        root.chmod(0o777)  # whoever a server runs as makes files there
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(asdict(subject.choice)), then],
            env=os.environ | {"REHEARSE_TMP": folder, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout
            assert process.stderr
            assert process.stdout.readline() == "serves\n", process.stderr.read()
            yield process, root
        finally:
            process.kill()
            process.communicate()


def main() -> None:
    """Live as a rehearsal that starts a server, and then leaves it, fails, or waits to be ended."""
    choice, then = EngineChoice(**json.loads(sys.argv[1])), sys.argv[2]
    with registry.engine(choice.name).start(choice, Unread()) as server:
        server.create("lives")
        print("serves", flush=True)
        if then == "wait":
            signal.pause()
        if then == "fail":
            raise RuntimeError("as it should")


if __name__ == "__main__":
    main()
