"""What several rehearsals share: one server, and the data prepared once, of which each has a copy of the same bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pandas

from rehearse import registry
from rehearse.events import KINDS, Event, Journal, TableLoaded
from rehearse.model import OfCapacity, Scenario, Snapshot
from rehearse.protocols import Database, Forkable, Migration, Server
from rehearse.recording.journal import ListingJournal
from rehearse.rehearsal.calibration import calibrated
from rehearse.rehearsal.phase import staged
from rehearse.rehearsal.prepare import check_room, open_mix, prepare
from rehearse.rehearsal.progress import Progress
from rehearse.workload import pgbench

COPIES = 5  # beside the four of a rehearsal the one that all others are copied from


@dataclass(slots=True)
class Relay:
    """A journal whose facts go to whoever rehearses now: the server that writes them outlives each rehearsal."""

    to: Journal

    def write(self, event: Event, /) -> None:
        """Pass a fact on."""
        self.to.write(event)

    def write_frame(self, kind: type[Event], frame: pandas.DataFrame, /) -> None:
        """Pass many facts of a dense kind on."""
        self.to.write_frame(kind, frame)


@dataclass(frozen=True, slots=True)
class Template:
    """A database as every rehearsal starts from it, its state, and what was written down while it was made."""

    database: Database
    start: Snapshot
    facts: Sequence[Event]

    def fork(self, server: Server, name: str) -> Database:
        """Return a copy of the same bytes, checkpointed and on the disk (on PostgreSQL, nothing of it is cached)."""
        assert isinstance(self.database, Forkable)
        with server.loading():
            return self.database.fork(name)


@dataclass(slots=True)
class Ground:
    """A server that runs, and whether a database on it can be copied."""

    server: Server
    relay: Relay
    progress: Progress

    @contextmanager
    def telling(self, journal: Journal) -> Iterator[None]:
        """Let what the server writes down go to a rehearsal's journal meanwhile."""
        before, self.relay.to = self.relay.to, journal
        try:
            yield
        finally:
            self.relay.to = before

    def template(self, scenario: Scenario, migration: Migration, name: str) -> Template | None:
        """Prepare a database to copy; None where the engine makes no copies."""
        journal = ListingJournal(self.progress.event)
        with self.telling(journal):
            database = self.server.create(name)
            if not isinstance(database, Forkable):
                database.drop()
                return None
            with self.server.loading():
                prepare(scenario, database, migration, journal, self.progress)
                database.grant()
            with staged("snapshot start", journal, self.progress):
                start = database.snapshot("start")
        for table in start.tables.values():
            journal.write(loaded(table.table, table.rows, table.size_bytes))
        facts = journal.close()
        return Template(database, start, [one for kind in KINDS if not kind.dense for one in facts.of(kind)])


@contextmanager
def ground(scenario: Scenario, sessions: int, progress: Progress) -> Iterator[Ground]:
    """Start a server for several rehearsals; leaving the block removes every trace of it."""
    engine = registry.engine(scenario.engine.name)
    check_room(scenario, engine, copies=COPIES)
    relay = Relay(ListingJournal(progress.event))
    progress.stage("start the server")
    with engine.start(scenario.engine, relay, sessions=sessions) as server:
        yield Ground(server, relay, progress)
        progress.stage("stop the server")


def capacity(scenario: Scenario, template: Template, progress: Progress) -> float:
    """Return how many calls a second the database answers at most, measured on a copy."""
    progress.stage("measure the capacity")
    workload = pgbench.expanded(scenario.workload, scenario.folder)
    mix = open_mix(replace(scenario, workload=workload), template.database)
    return calibrated(mix, template.database, workload, scenario.seed)[1]


def at_capacity(scenario: Scenario, found: float) -> Scenario:
    """Return a scenario whose rate is in calls a second, where it was a share of what the database answers at most."""
    asked = scenario.workload.rate
    if not isinstance(asked, OfCapacity):
        return scenario
    rate = max(1.0, round(asked.share * found, 1))
    return replace(scenario, workload=replace(scenario.workload, rate=rate))


def loaded(table: str, rows: int, size_bytes: int) -> TableLoaded:
    """Return the fact that a table is there before the first phase."""
    return TableLoaded(at_ns=time.monotonic_ns(), table=table, rows=rows, size_bytes=size_bytes)
