"""Runs a scenario's change on copies of loaded databases, in quiet and under traffic, and keeps the figures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

from rehearse import registry
from rehearse.errors import ScenarioMistake
from rehearse.forecast.seen import TRAFFIC, Seen, seen
from rehearse.model import OfCapacity, Recording, Scenario, Survey, TableFacts, WorkloadChoice
from rehearse.protocols import Database, Forkable, Migration, Role, Server
from rehearse.recording.environment import environment
from rehearse.recording.journal import ListingJournal
from rehearse.rehearsal.calibration import calibrated
from rehearse.rehearsal.phase import Silence, Stage, Stopped, perform
from rehearse.rehearsal.prepare import check_files, check_room, open_mix, prepare
from rehearse.rehearsal.progress import Progress
from rehearse.units import NS_PER_S
from rehearse.workload import mix as mixes
from rehearse.workload import pgbench
from rehearse.workload.driver import Driver

_LEAD_NS = NS_PER_S // 2  # traffic before and after the act: it is not compared with a baseline here
_PHASES = ("forward", "back")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A loaded database at the share `x` of the target, of which every run gets a copy."""

    x: float
    database: Database
    scenario: Scenario
    rows: dict[str, int]
    sizes: dict[str, int]
    mix: mixes.Mix


@dataclass(slots=True)
class Site:
    """A server on which a scenario is measured at several sizes."""

    scenario: Scenario
    server: Server
    migration: Migration
    progress: Progress
    under: tuple[str, ...] = ()  # conditions that hold for all runs here
    workload: WorkloadChoice | None = None  # with its rate in calls a second, once that is known
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def loaded(self, x: float, scenario: Scenario) -> Size:
        """Make a database at a size; `scenario` has its numbers of rows."""
        journal = ListingJournal(self.progress.event)
        database = self.server.create(f"size{next(self._numbers)}")
        with self.server.loading():
            prepare(scenario, database, self.migration, journal, self.progress)
            database.grant()
        mix = open_mix(scenario, database)
        tables = self._tables(database)
        return Size(
            x=x,
            database=database,
            scenario=scenario,
            rows={name: one.rows for name, one in tables.items()},
            sizes={name: one.size_bytes for name, one in tables.items()},
            mix=mix,
        )

    def measured(self, size: Size, *, traffic: bool, back: bool = False) -> list[Seen]:
        """Run the change on a copy, and return the figures of forward and, where asked for, back."""
        if not isinstance(size.database, Forkable):
            raise ScenarioMistake(f"{self.scenario.name}: this engine cannot copy a database, so it estimates nothing")
        number = next(self._numbers)
        self.progress.stage(f"{size.x:.3g} of the target, run {number}")
        copy = size.database.fork(f"run{number}")
        journal = ListingJournal(self.progress.event)
        try:
            with self._stage(size, copy, journal, traffic=traffic) as stage:
                ran = list(self._ran(stage, back=back))
        finally:
            copy.drop()
        recording = Recording(
            scenario=size.scenario,
            environment=environment(self.scenario.engine.name, self.server.version, {}, ()),
            history=journal.close(),
            snapshots={},
            comparisons=[],
            calls=size.mix.shapes,
        )
        under = (*self.under, *([TRAFFIC] if traffic else []))
        befores = [size.sizes, *(after for _, after in ran)]
        return [
            seen(recording, name, x=size.x, under=under, rows=size.rows, before=before, after=after)
            for before, (name, after) in zip(befores, ran, strict=False)
        ]

    def _ran(self, stage: Stage, *, back: bool) -> Iterator[tuple[str, dict[str, int]]]:
        """Run the phases, and yield each with the sizes of the tables after it."""
        url = stage.database.url(Role.MIGRATION)
        stopped: Stopped | None = perform(stage, "forward", lambda journal: self.migration.forward(url, journal))
        yield "forward", self._sizes(stage.database)
        if back and not stopped:
            perform(stage, "back", lambda journal: self.migration.back(url, journal))
            yield "back", self._sizes(stage.database)

    def _sizes(self, database: Database) -> dict[str, int]:
        return {name: one.size_bytes for name, one in self._tables(database).items()}

    def _tables(self, database: Database) -> Mapping[str, TableFacts]:
        survey: Survey = registry.part("engine", self.scenario.engine.name, "survey").survey(database.url(Role.OWNER))
        return survey.tables

    @contextmanager
    def _stage(self, size: Size, copy: Database, journal: ListingJournal, *, traffic: bool) -> Iterator[Stage]:
        if not traffic:
            still = replace(size.scenario.workload, lead=0, settle=0)
            yield Stage(copy, self.migration, Silence(), still, journal, self.progress)
            return
        workload = replace(self._rated(size), lead=_LEAD_NS, settle=_LEAD_NS)
        with Driver(size.mix, copy, workload, size.scenario.seed, journal) as driver:
            company = partial(self._company, copy, journal)
            yield Stage(copy, self.migration, driver, workload, journal, self.progress, company)

    def _rated(self, size: Size) -> WorkloadChoice:
        """Return the workload with a rate in calls a second; a share of the capacity is measured once."""
        if self.workload is None:
            self.workload = size.scenario.workload
            if isinstance(self.workload.rate, OfCapacity):
                self.progress.stage("measure the capacity")
                self.workload, _ = calibrated(size.mix, size.database, self.workload, size.scenario.seed)
        return self.workload

    def _company(self, database: Database, journal: ListingJournal) -> AbstractContextManager[None]:
        workload = self.scenario.workload
        if not workload.company:
            return nullcontext()
        part = registry.part("engine", self.scenario.engine.name, "company")
        settings = {name: str(value) for name, value in workload.settings.items()}
        kept: AbstractContextManager[None] = part.company(
            database.url(Role.APPLICATION), workload.company, settings, journal
        )
        return kept


@contextmanager
def site(scenario: Scenario, progress: Progress, *, under: Sequence[str] = ()) -> Iterator[Site]:
    """Start a server for a scenario's sizes; nothing of it is left when the block is."""
    check_files(scenario)
    scenario = replace(scenario, workload=pgbench.expanded(scenario.workload, scenario.folder))
    mixes.check(scenario.workload)
    migration = registry.tool(scenario.migration.tool).open(scenario)
    engine = registry.engine(scenario.engine.name)
    check_room(scenario, engine)
    journal = ListingJournal(progress.event)
    progress.stage("start the server")
    with engine.start(scenario.engine, journal, sessions=scenario.workload.sessions) as server:
        yield Site(scenario, server, migration, progress, tuple(under))
