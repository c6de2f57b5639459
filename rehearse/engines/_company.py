"""Sessions beside the traffic that stay long in a transaction: reports, exports, consoles that somebody forgot.

Each has a thread: it begins, runs its statements, stays idle in its transaction, commits, and waits for its next turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event as Flag
from threading import Thread
from typing import Protocol

from rehearse.events import CompanyKept, Journal
from rehearse.model import CompanyChoice
from rehearse.units import NS_PER_S

Refusal = tuple[str | None, str]
"""A server's code for an error, and its words."""


class Line(Protocol):
    """A connection of the application, to any server. `session` is what the server calls it."""

    session: int

    @property
    def is_lost(self) -> bool:
        """Say whether the connection is gone."""
        ...

    def stay(self, statements: Sequence[str], isolation: str | None, idle: Callable[[], object], /) -> Refusal | None:
        """Run statements in a transaction, call `idle` within it, and commit; return why it failed, or None."""
        ...

    def cancel(self) -> None:
        """Have the server stop the statement under way; from any thread."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


@contextmanager
def company(choices: Sequence[CompanyChoice], connect: Callable[[str], Line], journal: Journal) -> Iterator[None]:
    """Keep company until the block is left; what still runs then is cancelled. `connect` takes the company's name."""
    members = [_Member(connect(one.name), one, journal) for one in choices for _ in range(one.sessions)]
    try:
        for one in members:
            one.start()
        yield
    finally:
        for one in members:
            one.stop()


class _Member:
    """One session, its connection, and the thread that uses it."""

    def __init__(self, line: Line, choice: CompanyChoice, journal: Journal) -> None:
        self._line, self._choice, self._journal = line, choice, journal
        self._stopped = Flag()
        self._statements = [choice.sql] if isinstance(choice.sql, str) else choice.sql
        self._thread = Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(0.05)
        if self._thread.is_alive():
            self._line.cancel()
        self._thread.join(5)
        self._line.close()

    def _keep(self) -> None:
        begun = time.monotonic()
        if self._stopped.wait(self._choice.first / NS_PER_S):
            return
        while not self._stopped.is_set():
            self._once()
            begun += self._choice.every / NS_PER_S
            self._stopped.wait(max(0.0, begun - time.monotonic()))

    def _once(self) -> None:
        at = time.monotonic_ns()
        refusal = self._line.stay(self._statements, self._choice.isolation, self._idle)
        if self._stopped.is_set():
            refusal = None  # it was cancelled with the phase
        self._journal.write(
            CompanyKept(
                at_ns=at,
                name=self._choice.name,
                ended_ns=time.monotonic_ns(),
                session=self._line.session,
                code=refusal[0] if refusal else None,
                message=refusal[1] if refusal else None,
            )
        )
        if self._line.is_lost:
            self._stopped.set()

    def _idle(self) -> None:
        self._stopped.wait(self._choice.hold / NS_PER_S)
