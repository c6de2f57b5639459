"""What can go wrong, as a tree.

    RehearseError                 everything that rehearse raises on purpose
    ├── Mistake                   what was asked cannot be done as asked (exit 2): names the place and the way out
    │   ├── ScenarioMistake       … in a scenario, a profile or a command line
    │   │   └── OtherDialect      … a scenario whose migration is written for other engines than the one asked for
    │   └── NotDisposable         … a database that rehearse did not make and may not write to
    ├── Missing                   a program, package or server that this machine lacks (exit 2): says how to get it
    ├── TooBig                    this machine could not hold it (exit 4): said before anything starts
    ├── NotMeasured               a check could not look; the answer is "unknown", never 0 and never "passed"
    └── ServerFailed              a disposable server did not start, died, or could not load (exit 3)

What a rehearsal *finds* (a migration that fails, a call that is refused) is recorded and never raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class RehearseError(Exception):
    """Any error that rehearse raises on purpose."""

    exit_code = 3


class Mistake(RehearseError):
    """What was asked cannot be done as asked; the text says where and what to do."""

    exit_code = 2


class ScenarioMistake(Mistake):
    """A scenario, a profile or an option that cannot be understood."""


class OtherDialect(ScenarioMistake):
    """A scenario whose migration is written for other engines than the one that is asked for."""

    def __init__(self, says: str, *, name: str) -> None:
        super().__init__(says)
        self.name = name


class NotDisposable(Mistake):
    """A database that rehearse did not make, and so will not write to."""


class Missing(Mistake):
    """Something that this machine lacks; the text says how to get it."""


class TooBig(RehearseError):
    """More than this machine could hold."""

    exit_code = 4


class NotMeasured(RehearseError):
    """A check could not look; the text says why."""


class ServerFailed(RehearseError):
    """A disposable server did not start, died, or refused what had to be loaded."""


def full(where: str, table: str) -> NotDisposable:
    """Return the error for a table that should be filled and holds rows."""
    return NotDisposable(
        f"{where}: table {table} holds rows, and only empty tables are filled; name another database, or empty the "
        "table yourself"
    )


def near_miss(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the nearest known word, or the list of them where none is near."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known are {', '.join(words)}" if words else ""
