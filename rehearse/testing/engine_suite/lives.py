"""A server starts, lives beside others, dies in plain sight, and leaves nothing, however its rehearsal ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from unittest import SkipTest

import psutil

from rehearse import registry
from rehearse.errors import ServerFailed
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from rehearse.testing.engine_suite.subject import (
    COUNTED,
    LIMIT_S,
    Kept,
    Subject,
    fresh,
    make,
    run,
    started,
)


def two_servers_live_beside_each_other(subject: Subject) -> None:
    """See that a second server has databases of its own."""
    with started(subject) as one, started(subject) as other, fresh(one, "same") as made:
        make(subject, made)
        with fresh(other, "same") as same:
            assert subject.refuses(same.url(Role.MIGRATION), COUNTED)


def a_server_that_dies_is_told(subject: Subject) -> None:
    """See that a server that was killed is named as what failed, and not what its loss led to."""
    try:
        with started(subject) as server:
            pid = subject.pid(server)
            if pid is None:
                raise SkipTest("the server's process is out of this machine's sight")
            with subject.open(server.create("doomed"), Role.OWNER) as connection:
                psutil.Process(pid).kill()
                run(connection, subject.words.sleeps)
    except ServerFailed as failed:
        assert "died" in str(failed)
        return
    raise AssertionError("a server died and nobody was told")


def a_server_that_is_stopped_leaves_nothing(subject: Subject) -> None:
    """See that nothing is there once its block was left in peace."""
    with _life(subject, "stop") as (process, root):
        assert process.wait(LIMIT_S) == 0
        assert not _left(subject, root)


def a_rehearsal_that_fails_leaves_nothing(subject: Subject) -> None:
    """See that nothing is there once its block was left by an exception."""
    with _life(subject, "fail") as (process, root):
        assert process.wait(LIMIT_S) == 1
        assert not _left(subject, root)


def a_rehearsal_that_is_ended_leaves_nothing(subject: Subject, *, how: signal.Signals) -> None:
    """See that nothing is there soon after its process was ended."""
    with _life(subject, "wait") as (process, root):
        assert _left(subject, root), "nothing of a running server can be seen, so nothing can be said of a dead one"
        process.send_signal(how)
        process.wait(LIMIT_S)
        deadline = time.monotonic() + LIMIT_S
        while left := _left(subject, root):
            assert time.monotonic() < deadline, f"after {how.name} there are still {', '.join(left)}"
            time.sleep(0.05)


PROMISES: tuple[Callable[[Subject], None], ...] = (
    two_servers_live_beside_each_other,
    a_server_that_dies_is_told,
    a_server_that_is_stopped_leaves_nothing,
    a_rehearsal_that_fails_leaves_nothing,
    *(
        partial(a_rehearsal_that_is_ended_leaves_nothing, how=how)
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    ),
)


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
    with registry.engine(choice.name).start(choice, Kept()) as server:
        server.create("lives")
        print("serves", flush=True)
        if then == "wait":
            signal.pause()
        if then == "fail":
            raise RuntimeError("as it should")


if __name__ == "__main__":
    main()
