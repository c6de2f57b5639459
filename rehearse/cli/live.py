"""The live view of a rehearsal: a line for each stage and phase, and under it how the traffic goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from rehearse.events import Event, LockTaken, Remarked, StatementRan
from rehearse.model import Scenario
from rehearse.protocols import Kept
from rehearse.rehearsal.progress import Counts, Progress, Silent
from rehearse.units import human_duration
from rehearse.workload.driver import Counts as Count

PHASES = ("baseline", "forward", "back", "again")


@contextmanager
def live(scenario: Scenario, loudness: int, *, on: str | None = None, says: Sequence[str] = ()) -> Iterator[Progress]:
    """Show progress on standard error: nothing (0), stages and traffic (1), each statement and lock too (2).

    `on` is the engine where it was asked for, and `says` what the reader must know before it begins.
    """
    console = Console(stderr=True, highlight=False)
    if loudness == 0:
        yield _Quiet(console)
        return
    name = Text.assemble((scenario.name, "bold"), f" on {on}" if on else "", f"  {_first_line(scenario.why)}")
    console.print(name, overflow="ellipsis", no_wrap=True)
    for one in says:
        console.print(f"  {one}", markup=False, soft_wrap=True)
    view = _View(console, verbose=loudness > 1)
    if not sys.stderr.isatty():
        yield view
        view.done()
        return
    with Live(view, console=console, refresh_per_second=8, transient=True):
        yield view
        view.done()


class _Quiet(Silent):
    """Says only what must be known afterwards."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def kept(self, kept: Kept) -> None:
        """Print where the databases are and how to remove them."""
        for url in kept.urls:
            self._console.print(f"  kept  '{url}'", markup=False, soft_wrap=True)
        self._console.print(f"  to remove all of it: kill {kept.process}", markup=False)


class _View(_Quiet):
    """What is shown: the stage under way and, while traffic runs, its counts."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        super().__init__(console)
        self._verbose = verbose
        self._stage: str | None = None
        self._since = time.monotonic_ns()
        self._counts: Counts | None = None

    def stage(self, name: str) -> None:
        """Print the line of the stage that is over, and begin the next."""
        self.done()
        self._stage, self._since = name, time.monotonic_ns()

    def done(self) -> None:
        """Print the line of the stage that is over."""
        if self._stage is not None:
            took = human_duration(time.monotonic_ns() - self._since)
            self._console.print(f"  {self._stage:<24}{took:>10}{self._summary()}")
        self._stage = None

    def traffic(self, counts: Counts | None) -> None:
        """Keep the source of the counts while traffic runs; its last words stay for the line."""
        if counts is not None:
            self._counts = counts

    def event(self, event: Event, /) -> None:
        """Print a remark, and statements and locks where asked."""
        if isinstance(event, Remarked) and event.weakens:
            self._console.print(f"  ! {event.source}: {event.says}", style="yellow", markup=False)
        elif self._verbose and isinstance(event, StatementRan):
            sql = " ".join(event.sql.split())[:100]
            took = human_duration(event.ended_ns - event.at_ns)
            self._console.print(f"    {event.n:>3} {took:>10}  {sql}", markup=False)
        elif self._verbose and isinstance(event, LockTaken) and event.stops:
            held = human_duration((event.released_ns or event.at_ns) - event.at_ns)
            self._console.print(f"        {event.mode} on {event.table}: {held}", markup=False)

    def kept(self, kept: Kept) -> None:
        """Print the line of the stage that is over, then what is kept."""
        self.done()
        super().kept(kept)

    def __rich__(self) -> RenderableType:
        """Return the stage under way with its clock, and the traffic's counts."""
        table = Table.grid(padding=(0, 1))
        if self._stage is not None:
            took = human_duration(time.monotonic_ns() - self._since)
            table.add_row(Spinner("dots"), Text(f"{self._stage:<22}{took:>10}{self._summary()}"))
        return table

    def _summary(self) -> str:
        if self._counts is None or self._stage not in PHASES:
            return ""
        counts = self._counts()
        if counts == Count():
            return ""  # nothing was sent, so that "0 ok" would be no figure
        words = [f"{counts.ok:,} ok"]
        for name in ("failed", "unknown", "missed"):
            words += [f"{getattr(counts, name):,} {name}"] if getattr(counts, name) else []
        if counts.in_flight:
            words.append(f"{counts.in_flight:,} under way, the oldest for {human_duration(counts.oldest_ns)}")
        if counts.p99_ns is not None:
            words.append(f"p99 {human_duration(counts.p99_ns)}")
        return "   " + ", ".join(words)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""
