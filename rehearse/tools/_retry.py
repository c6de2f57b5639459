"""`-- rehearse:retry`: a statement, or a block from BEGIN to COMMIT, that is tried again while its lock is not free."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rehearse import units
from rehearse.errors import Mistake
from rehearse.tools._markers import words
from rehearse.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from rehearse.tools._links import Link

_WORDS = ("lock_timeout", "attempts", "pause", "backoff")
NOT_FREE = ("55P03", "1205")  # codes of a lock that was not to be had in time; no other error is tried again
_JITTER = 0.25  # of a pause, either way: two migrations, or a job that comes by the clock, are not met again and again
_LONGEST_PAUSE_NS = 60 * NS_PER_S
_GROWTHS = 300  # of a pause: what is longer than the longest by then need not be a number any more
_BEGINS = re.compile(r"(begin|start\s+transaction)\b", re.IGNORECASE)
# Settings by which a session gives up a lock: in ms, and in whole seconds.
_POSTGRES = ("lock_timeout",)
_MYSQL = ("lock_wait_timeout", "innodb_lock_wait_timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How long a lock is waited for, how often it is tried, and the pauses, each longer by `backoff`."""

    lock_timeout_ns: int = 100 * NS_PER_MS
    attempts: int = 30
    pause_ns: int = 500 * NS_PER_MS
    backoff: float = 1.5

    def pause_after_ns(self, attempt: int, seed: object) -> int:
        """Return the pause after a failed attempt, counted from 1; the same for the same seed."""
        grown = self.backoff ** min(attempt - 1, _GROWTHS)
        pause = min(self.pause_ns * grown, _LONGEST_PAUSE_NS)
        return round(pause * (1 + random.Random(f"{seed}:{attempt}").uniform(-_JITTER, _JITTER)))


def retry(comments: str, place: str) -> Retry | None:
    """Return what a marker in the comments before a statement says; a word that it does not know is a mistake."""
    found = words("retry", _WORDS, comments, place)
    if found is None:
        return None
    try:
        return _read(found)
    except ValueError as error:
        raise Mistake(f"{place}: rehearse:retry: {error}") from error


def _read(given: Mapping[str, str]) -> Retry:
    found: dict[str, Any] = {}
    for word, name in (("lock_timeout", "lock_timeout_ns"), ("pause", "pause_ns")):
        if word in given:
            found[name] = units.duration_ns(given[word])
    if "attempts" in given:
        found["attempts"] = units.rows(given["attempts"])
    if "backoff" in given:
        found["backoff"] = float(given["backoff"])
    one = Retry(**found)
    if one.attempts < 1 or one.lock_timeout_ns < NS_PER_MS:
        raise ValueError("there is one attempt at least, and lock_timeout is 1ms or more")
    if not 1 <= one.backoff <= 10:
        raise ValueError(f"backoff={one.backoff:g} is not from 1 to 10")
    return one


def begins(sql: str) -> bool:
    """Say whether a statement begins a transaction block."""
    return bool(_BEGINS.match(sql))


@contextmanager
def patience(link: Link, one: Retry) -> Iterator[None]:
    """Have the session give up a lock that it does not get in time, while the block runs.

    MySQL and MariaDB count in whole seconds: what is shorter is a second there.
    """
    names = _MYSQL if link.counts_seconds else _POSTGRES
    before = {name: _shown(link, name) for name in names}
    value = str(_seconds(one)) if link.counts_seconds else f"'{max(1, one.lock_timeout_ns // NS_PER_MS)}ms'"
    _set(link, dict.fromkeys(names, value))
    try:
        yield
    finally:
        if link.can_answer:
            with suppress(Exception):  # the connection is lost: nothing is left to set
                _set(link, before)


def _seconds(one: Retry) -> int:
    return max(1, math.ceil(one.lock_timeout_ns / NS_PER_S))


def _shown(link: Link, name: str) -> str:
    if link.counts_seconds:
        return str(link.ask(f"SELECT @@SESSION.{name}")[0][0])
    return f"'{link.ask(f'SHOW {name}')[0][0]}'"


def _set(link: Link, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        link.send(f"SET SESSION {name} = {value}", None)
