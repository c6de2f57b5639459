"""One phase: traffic and probes on, the migration acts, traffic settles, all off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import pandas

from rehearse.events import Event, Journal, PhaseRan, Remarked, StageRan, StatementRan
from rehearse.model import WorkloadChoice
from rehearse.protocols import Database, Migration, MigrationFailed, NoWayBack, Probe, Role, Watch, Watchable, Watched
from rehearse.rehearsal.progress import Progress
from rehearse.rehearsal.watching import watching
from rehearse.workload.driver import Counts
from rehearse.workload.rollout import shares

Act = Callable[[Journal], None]
Stopped = MigrationFailed | NoWayBack


class Traffic(Protocol):
    """What sends the calls of a phase: a driver, or silence."""

    def begin(self, name: str, *, new: float = 0.0) -> None:
        """Start to send."""
        ...

    def roll_out(self, share: float, over_ns: int = 0) -> None:
        """Bring the new version's share of the calls to another."""
        ...

    def end(self) -> None:
        """Send no more, and write down what happened."""
        ...

    def counts(self) -> Counts:
        """Return how it stands."""
        ...


class Silence:
    """No traffic."""

    def begin(self, name: str, *, new: float = 0.0) -> None:
        """Send nothing."""

    def roll_out(self, share: float, over_ns: int = 0) -> None:
        """Send nothing."""

    def end(self) -> None:
        """Have sent nothing."""

    def counts(self) -> Counts:
        """Return noughts."""
        return Counts()


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a rehearsal takes place: the database under traffic, the migration, the traffic, and who is told."""

    database: Database
    migration: Migration
    driver: Traffic
    workload: WorkloadChoice
    journal: Journal
    progress: Progress
    company: Callable[[], AbstractContextManager[None]] = nullcontext  # sessions that stay long in a transaction
    asking: Callable[[str], Sequence[Probe]] = lambda _: ()  # probes for a phase besides the watch's own


@dataclass(slots=True)
class _Overhearing:
    """A journal that passes everything on and keeps the statements, which the watch needs to date the locks."""

    journal: Journal
    statements: list[StatementRan] = field(default_factory=list)

    def write(self, event: Event, /) -> None:
        if isinstance(event, StatementRan):
            self.statements.append(event)
        self.journal.write(event)

    def write_frame(self, kind: type[Event], frame: pandas.DataFrame, /) -> None:
        self.journal.write_frame(kind, frame)


def baseline(stage: Stage) -> None:
    """Run the traffic without a migration, watched as in the other phases."""
    with _watched(stage, _Overhearing(stage.journal)) as watch, _traffic(stage, "baseline", watch, new=0.0):
        began = time.monotonic_ns()
        _wait(stage.workload.baseline)
        ended = time.monotonic_ns()
    stage.journal.write(PhaseRan(at_ns=began, name="baseline", acted_ns=None, finished_ns=None, ended_ns=ended))


def perform(stage: Stage, name: str, act: Act) -> Stopped | None:
    """Run a phase in which the migration acts under traffic; return what stopped it, or None."""
    heard = _Overhearing(stage.journal)
    live = shares(stage.workload.deploy, name, stage.workload.new_share)
    with _watched(stage, heard) as watch, _traffic(stage, name, watch, new=live.start):
        began = time.monotonic_ns()
        stage.driver.roll_out(live.led, stage.workload.lead // 2)  # what is under way then ends before the act
        _wait(stage.workload.lead)
        stage.driver.roll_out(live.acting)
        acted = time.monotonic_ns()
        stopped = _outcome(act, heard)
        if stopped:
            stage.database.end_sessions(Role.MIGRATION)
        finished = time.monotonic_ns()
        if not stopped:  # nobody deploys after a migration that failed
            stage.driver.roll_out(live.end, stage.workload.settle)
        _wait(stage.workload.settle)
        ended = time.monotonic_ns()
    error = str(stopped) or type(stopped).__name__ if stopped else None
    stage.journal.write(
        PhaseRan(at_ns=began, name=name, acted_ns=acted, finished_ns=finished, ended_ns=ended, error=error)
    )
    return stopped


@contextmanager
def staged(name: str, journal: Journal, progress: Progress) -> Iterator[None]:
    """Tell that a stage begins, and write down how long it took."""
    progress.stage(name)
    began = time.monotonic_ns()
    yield
    journal.write(StageRan(at_ns=began, name=name, ended_ns=time.monotonic_ns()))


@contextmanager
def _watched(stage: Stage, heard: _Overhearing) -> Iterator[Watch | None]:
    """Watch the database where it can be watched; the migration gets the onlooker where it takes one.

    When the block is left, the locks are dated by the statements that were heard.
    """
    if not isinstance(stage.database, Watchable):
        says = "this engine is not watched for locks: what the migration closes, and for how long, is not measured"
        stage.journal.write(Remarked(at_ns=time.monotonic_ns(), source="locks", says=says, weakens=True))
        yield None
        return
    watch = stage.database.watch(stage.journal)
    if isinstance(stage.migration, Watched):
        stage.migration.watch(watch.onlooker)
    try:
        yield watch
    finally:
        watch.finish(_statements(heard, watch))


@contextmanager
def _traffic(stage: Stage, name: str, watch: Watch | None, *, new: float) -> Iterator[None]:
    stage.progress.stage(name)
    with watching([*(watch.probes if watch else ()), *stage.asking(name)], stage.journal):
        stage.driver.begin(name, new=new)
        stage.progress.traffic(stage.driver.counts)
        try:
            with stage.company():
                yield
        finally:
            stage.progress.traffic(None)
            stage.driver.end()


def _statements(heard: _Overhearing, watch: Watch) -> list[StatementRan]:
    """Return what the tool told of its statements, or what the server saw of them; the latter is written down too."""
    if heard.statements:
        return heard.statements
    for statement in watch.statements():
        heard.write(statement)
    return heard.statements


def _outcome(act: Act, journal: Journal) -> Stopped | None:
    try:
        act(journal)
    except (MigrationFailed, NoWayBack) as fact:
        return fact
    return None


def _wait(duration_ns: int) -> None:
    time.sleep(duration_ns / 1e9)
