"""What every engine must keep, for the authors of engines: each promise is a function that raises where it is broken.

@pytest.mark.parametrize("promise", engine_suite.OF_AN_ENGINE, ids=engine_suite.named)
def test_a_promise_is_kept(promise):
    promise(Subject(choice=EngineChoice(name="mine"), connect=connect, words=WORDS))

Those of a server are asked with a server that runs. A promise about what only some engines can do, and this one cannot,
raises unittest.SkipTest, which pytest takes for a skip.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rehearse.protocols import Server
from rehearse.testing.engine_suite import checksums, lives, loads, locks, servers, sessions, snapshots
from rehearse.testing.engine_suite.subject import Codes, Column, Subject, Words, started

__all__ = ["OF_AN_ENGINE", "OF_A_SERVER", "Codes", "Column", "Subject", "Words", "named", "started"]

OF_A_SERVER: tuple[Callable[[Subject, Server], None], ...] = (
    *servers.PROMISES,
    *loads.PROMISES,
    *sessions.PROMISES,
    *locks.PROMISES,
    *snapshots.PROMISES,
    *checksums.PROMISES,
)
OF_AN_ENGINE: tuple[Callable[[Subject], None], ...] = lives.PROMISES


def named(promise: Any) -> str:
    """Return a promise's name, for the name of a test."""
    if isinstance(promise, partial):
        return " ".join([promise.func.__name__, *(str(getattr(one, "name", one)) for one in promise.keywords.values())])
    return str(promise.__name__)
