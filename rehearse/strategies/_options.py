"""Options of a way: how long it waits for locks, how often it tries, how much it changes at once."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rehearse import units
from rehearse.errors import ScenarioMistake, near_miss

_FEW = 100  # keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What [strategies.options] may hold. `tool` are more words for the command line of an external tool.

    Where the scenario bears less, a batch takes a third of budget.blocked and a lock is waited for half of it, where
    nothing else is said: a row may be held for a batch, and whoever queues behind a lock waits for it first.
    """

    lock_timeout: str = "100ms"
    attempts: int = 60
    pause: str = "500ms"
    backoff: float = 1.2
    batch: int = 5000
    batch_time: str = "100ms"
    batch_pause: str = "0ms"
    tool: str = ""

    @property
    def retry_marker(self) -> str:
        """The marker before what is tried again."""
        return (
            f"-- rehearse:retry lock_timeout={self.lock_timeout} attempts={self.attempts} "
            f"pause={self.pause} backoff={self.backoff:g}"
        )

    @property
    def short_time(self) -> str:
        """The time of a batch that holds few locks."""
        return min("20ms", self.batch_time, key=units.duration_ns)

    @property
    def tool_words(self) -> list[str]:
        """The words for the command line of an external tool, as a shell would part them."""
        return shlex.split(self.tool)

    def backfill_marker(self, key: Sequence[str], *, short: bool = False) -> str:
        """Return the marker before what goes through a table; `short` batches hold few locks, none for long."""
        plain = bool(key) and all(part.isidentifier() for part in key)
        named = f" key={','.join(key)}" if plain else ""
        batch, time = (min(self.batch, _FEW), self.short_time) if short else (self.batch, self.batch_time)
        return f"-- rehearse:backfill{named} batch={batch} batch_time={time} pause={self.batch_pause}"


def read(given: Mapping[str, Any], where: str = "strategies.options", blocked_ns: int | None = None) -> Options:
    """Return the options; a word that is not known, or a value that is none of its kind, is a mistake.

    `blocked_ns` is how long the application bears a table that is closed, where that is known.
    """
    known = {one.name for one in fields(Options)}
    for name in given:
        if name not in known:
            raise ScenarioMistake(f"{where}.{name}: unknown{near_miss(name, known)}")
    for name in ("lock_timeout", "pause", "batch_time", "batch_pause"):
        if name in given:
            _checked(name, given[name], where)
    for name in ("attempts", "batch"):
        if name in given and (not isinstance(given[name], int) or isinstance(given[name], bool) or given[name] < 1):
            raise ScenarioMistake(f"{where}.{name}: {given[name]!r} is no whole number from 1 on")
    if "backoff" in given and (not isinstance(given["backoff"], int | float) or not 1 <= given["backoff"] <= 10):
        raise ScenarioMistake(f"{where}.backoff: {given['backoff']!r} is no number from 1 to 10")
    if "tool" in given:
        _checked_words(given["tool"], where)
    return Options(**{**_bearable(blocked_ns), **given})


def _bearable(blocked_ns: int | None) -> dict[str, Any]:
    """Return what is less than the defaults, since no more can be borne."""
    defaults, found = Options(), dict[str, Any]()
    if blocked_ns is None:
        return found
    for name, share in (("batch_time", blocked_ns // 3), ("lock_timeout", blocked_ns // 2)):
        if share < units.duration_ns(getattr(defaults, name)):
            found[name] = f"{max(1, share // units.NS_PER_MS)}ms"
    if "batch_time" in found:  # the first batch, which nothing is known of, is as much smaller
        part = units.duration_ns(found["batch_time"]) / units.duration_ns(defaults.batch_time)
        found["batch"] = max(_FEW, round(defaults.batch * part))
    return found


def _checked_words(value: Any, where: str) -> None:
    try:
        shlex.split(value) if isinstance(value, str) else shlex.split("'")
    except ValueError:
        raise ScenarioMistake(
            f"{where}.tool: {value!r} is no text of words as a shell reads them, for example '--max-lag=1s'"
        ) from None


def _checked(name: str, value: Any, where: str) -> None:
    try:
        units.duration_ns(value)
    except (ValueError, TypeError) as error:
        raise ScenarioMistake(f"{where}.{name}: {error}") from None
