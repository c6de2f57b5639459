"""Who is told how far a rehearsal is, and the one who says nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rehearse.events import Event
from rehearse.protocols import Kept
from rehearse.workload.driver import Counts as Count

Counts = Callable[[], Count]


class Progress(Protocol):
    """Is told what begins; must be quick and may not raise."""

    def stage(self, name: str) -> None:
        """Hear that a stage or a phase begins; it ends when the next one does."""
        ...

    def traffic(self, counts: Counts | None) -> None:
        """Hear that traffic runs, and `counts()` tells how it goes; None: it has ended."""
        ...

    def event(self, event: Event, /) -> None:
        """Hear of a rare fact that was written down."""
        ...

    def kept(self, kept: Kept) -> None:
        """Hear what outlives the rehearsal."""
        ...


class Silent:
    """Says nothing."""

    def stage(self, name: str) -> None:
        """Say nothing."""

    def traffic(self, counts: Counts | None) -> None:
        """Say nothing."""

    def event(self, event: Event, /) -> None:
        """Say nothing."""

    def kept(self, kept: Kept) -> None:
        """Say nothing."""
