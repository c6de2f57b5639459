"""run(scenario) -> Recording: prepare, baseline, forward, back, again, each given the result of the one before."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import pandas

from rehearse import registry
from rehearse.errors import ScenarioMistake
from rehearse.events import (
    CallTried,
    PhaseRan,
    Remarked,
    RetryTried,
    RowsInTheWay,
    RowWritten,
    StatementRan,
)
from rehearse.measures.leftovers import is_left
from rehearse.model import OfCapacity, Recording, Scenario
from rehearse.protocols import (
    Database,
    Keepable,
    Migration,
    MigrationFailed,
    NoWayBack,
    Probe,
    Role,
    Server,
)
from rehearse.recording.environment import environment
from rehearse.recording.journal import ListingJournal
from rehearse.rehearsal.calibration import calibrated
from rehearse.rehearsal.ground import Ground, Template, loaded
from rehearse.rehearsal.opening import opened
from rehearse.rehearsal.phase import Stage, baseline, perform, staged
from rehearse.rehearsal.prepare import check_room, open_mix, prepare
from rehearse.rehearsal.progress import Progress, Silent
from rehearse.rehearsal.states import States, written
from rehearse.rehearsal.writing import is_unwritten
from rehearse.rehearsal.writing import written as written_for
from rehearse.workload import mix as mixes
from rehearse.workload.driver import Driver

_ROWS = ("22", "23")  # classes of errors that rows are at fault for: of data, and of constraints
_COPIED = "the data is a copy of what was prepared once, for several rehearsals on one server"
_ANSWERS = 12  # sets of values that a call is asked with, to compare what it answers
_STATEMENTS = 20  # rows that a call writes of one table, at most, to learn which columns it gives values to


def run(
    scenario: Scenario,
    *,
    progress: Progress | None = None,
    keep: bool = False,
    on: tuple[Ground, Template | None] | None = None,
) -> Recording:
    """Rehearse a scenario on a disposable database and return all that judging needs.

    What the migration does wrong is in the recording; a Mistake, Missing, TooBig or ServerFailed is raised. However it
    ends, no server, folder or connection is left behind, unless it came to its end and `keep` leaves the server and its
    databases for a look; `progress` is told where they are and how to remove them. `on` is a server that runs already,
    with the data to copy: it is left as it was found.
    """
    progress = progress or Silent()
    journal = ListingJournal(progress.event)
    scenario, migration = opened(scenario)
    if on is not None:
        shared, template = on
        with shared.telling(journal):
            rehearsal = _Rehearsal(scenario, shared.server, migration, journal, progress, template)
            try:
                return rehearsal.recording()
            finally:
                rehearsal.clear()
    engine = registry.engine(scenario.engine.name)
    check_room(scenario, engine)
    progress.stage("start the server")
    with engine.start(scenario.engine, journal, sessions=scenario.workload.sessions) as server:
        if keep and not isinstance(server, Keepable):
            raise ScenarioMistake(f"--keep: a server of {scenario.engine.name} cannot be kept; leave it out")
        recording = _Rehearsal(scenario, server, migration, journal, progress).recording()
        if keep and isinstance(server, Keepable):
            progress.kept(server.keep())
        else:
            progress.stage("stop the server")
        return recording


@dataclass(slots=True)
class _Rehearsal:
    """What is at hand while a server runs."""

    scenario: Scenario
    server: Server
    migration: Migration
    journal: ListingJournal
    progress: Progress
    template: Template | None = None  # the data, prepared already
    states: States = field(init=False)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    database: Database | None = None
    new_calls: frozenset[str] = frozenset()
    unclear: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # columns that new calls may change by other names, after forward

    def __post_init__(self) -> None:
        self.states = States(self.journal, self.progress)

    def recording(self) -> Recording:
        """Prepare, run the phases, and return the recording."""
        database = self._prepared() if self.template is None else self._copied(self.template)
        if is_unwritten(self.scenario):
            self.scenario, self.migration = opened(written_for(self.scenario, database, self.server.version))
        workload = self.scenario.workload
        mix = open_mix(self.scenario, database)
        notes = mix.notes if self.template is None else (*mix.notes, _COPIED)
        if isinstance(workload.rate, OfCapacity):
            with staged("measure the capacity", self.journal, self.progress):
                asked, (workload, capacity) = workload.rate, calibrated(mix, database, workload, self.scenario.seed)
            notes = (*notes, f"the database answers {capacity:,.0f} calls/s at most; {asked} is {workload.rate:,.0f}/s")
            self.scenario = replace(self.scenario, workload=workload)
        self.new_calls = frozenset(call.name for call in mix.calls if call.version == "new")
        with Driver(mix, database, workload, self.scenario.seed, self.journal) as driver:
            company = partial(self._company, database)
            asking = partial(self._asking, database)
            stage = Stage(database, self.migration, driver, workload, self.journal, self.progress, company, asking)
            self._phases(stage, mix)
        name, version = self.scenario.engine.name, self.server.version
        return Recording(
            scenario=self.scenario,
            environment=environment(
                name, version, self.server.settings(), notes, began=self.began, folder=self.scenario.folder
            ),
            history=self.journal.close(),
            snapshots=self.states.snapshots,
            comparisons=self.states.comparisons,
            calls=mix.shapes,
        )

    def _prepared(self) -> Database:
        self.database = database = self.server.create("rehearsal")
        with self.server.loading():
            prepare(self.scenario, database, self.migration, self.journal, self.progress)
            database.grant()
        self.states.look(database, "start")
        self.states.keep(database, "start")
        for table in self.states.snapshots["start"].tables.values():
            self.journal.write(loaded(table.table, table.rows, table.size_bytes))
        return database

    def _copied(self, template: Template) -> Database:
        for fact in template.facts:
            self.journal.write(fact)
        with staged("copy the data", self.journal, self.progress):
            self.database = database = template.fork(self.server, "rehearsal")
        self.states.snapshots["start"] = template.start
        self.states.keep(database, "start")
        return database

    def clear(self) -> None:
        """Remove the databases, so that another rehearsal can follow on the same server."""
        for one in [*self.states.copies.values(), *([self.database] if self.database else [])]:
            one.drop()

    def _phases(self, stage: Stage, mix: mixes.Mix) -> None:
        """Run baseline, forward, back and again as far as they get, and compare after each."""
        url = stage.database.url(Role.MIGRATION)
        self._assert(stage.database, "start")
        self._try(stage.database, mix, "start")
        baseline(stage)
        stopped = perform(stage, "forward", lambda journal: self.migration.forward(url, journal))
        if self.new_calls:
            self.unclear = self._unclear(stage.database)
        self._compare(stage.database, "start", "forward")
        self._verify(stage.database, "forward")
        self._assert(stage.database, "forward", went=not stopped)
        self._doubt_effects()
        if not stopped:
            self._infer_rules(stage.database)
        if not stopped:
            self._try(stage.database, mix, "forward")
            self._behave(stage.database, mix, "forward")
        if stopped:
            self._retry(stage.database)
        if stopped or self.scenario.migration.back is False:
            return
        self.states.keep(stage.database, "forward")
        stopped = perform(stage, "back", lambda journal: self.migration.back(url, journal))
        if stopped:
            self._count_in_the_way(stage.database, "back")
        if not isinstance(stopped, NoWayBack):
            self._compare(stage.database, "start", "back")
            self._verify(stage.database, "back")
            self._assert(stage.database, "back")
        if stopped:
            return
        self._try(stage.database, mix, "back")
        self._behave(stage.database, mix, "back")
        stopped = perform(stage, "again", lambda journal: self.migration.forward(url, journal))
        self._compare(stage.database, "forward", "again")
        self._verify(stage.database, "again")
        self._assert(stage.database, "again", went=not stopped)

    def _retry(self, database: Database) -> None:
        """Run a way forward that failed once more, in quiet, where something of it stays."""
        compared = next((one for one in self.states.comparisons if one.after == "forward"), None)
        if compared is None or not is_left(compared):
            return
        error = None
        with staged("forward again, on what is left", self.journal, self.progress):
            began = _now()
            try:
                self.migration.forward(database.url(Role.MIGRATION), ListingJournal(lambda _: None))
            except (MigrationFailed, NoWayBack) as stopped:
                error = str(stopped)
                database.end_sessions(Role.MIGRATION)
        self.journal.write(RetryTried(at_ns=began, ended_ns=_now(), error=error))

    def _company(self, database: Database) -> AbstractContextManager[None]:
        workload = self.scenario.workload
        if not workload.company:
            return nullcontext()
        part = registry.part("engine", self.scenario.engine.name, "company")
        settings = self._settings()
        kept: AbstractContextManager[None] = part.company(
            database.url(Role.APPLICATION), workload.company, settings, self.journal
        )
        return kept

    def _assert(self, database: Database, state: str, *, went: bool = True) -> None:
        """Ask in quiet what must hold of the data; the rules of effects only where the migration went to its end."""
        asserts = self.scenario.asserts if went else self.scenario.integrity.asserts
        if not asserts:
            return
        with staged(f"assertions, {state}", self.journal, self.progress):
            part = registry.part("engine", self.scenario.engine.name, "asserts")
            for one in part.tried(database.url(Role.OBSERVER), asserts, state, self._settings()):
                self.journal.write(one)

    def _verify(self, database: Database, state: str) -> None:
        """Verify in quiet, from the rows, what the schema promises of them, where the engine can."""
        if not registry.has_part("engine", self.scenario.engine.name, "invariants"):
            return
        part = registry.part("engine", self.scenario.engine.name, "invariants")
        start, now = self.states.snapshots["start"].tables, self.states.snapshots[state].tables
        unchanged = {name for name, table in now.items() if name in start and table.is_like(start[name])}
        with staged(f"verify, {state}", self.journal, self.progress), self._doubting(f"what holds after {state}"):
            given = _given(written(self.journal.close()))
            for one in part.tried(database, self.states.copies.get("start"), state, unchanged=unchanged, given=given):
                self.journal.write(one)

    def _count_in_the_way(self, database: Database, phase: str) -> None:
        """Count the rows that the phase's statement failed on, where it failed on rows and the engine can tell."""
        facts = self.journal.close()
        ran = facts.of(PhaseRan)[-1]
        failed = [
            one for one in facts.of(StatementRan) if one.at_ns >= ran.at_ns and (one.code or "").startswith(_ROWS)
        ]
        if not registry.has_part("engine", self.scenario.engine.name, "blocking"):
            return
        part = registry.part("engine", self.scenario.engine.name, "blocking")
        settings = {name: str(value) for name, value in self.scenario.migration.settings.items()}
        for one in failed[-1:]:
            what = f"what is in the way of {phase}"
            with staged(f"count {what}", self.journal, self.progress), self._doubting(what):
                for found in part.in_the_way(database, self.states.copies.get("start"), one.sql, settings):
                    self.journal.write(RowsInTheWay(at_ns=_now(), phase=phase, n=one.n, **found))

    @contextmanager
    def _doubting(self, what: str) -> Iterator[None]:
        """Turn a fault of measuring into a remark: what was rehearsed so far is not lost by it."""
        try:
            yield
        except Exception as error:
            says = f"{what} was not measured: {type(error).__name__}: {error}"
            self.journal.write(Remarked(at_ns=_now(), source="rehearsal", says=says, weakens=True))

    def _doubt_effects(self) -> None:
        """Say which declared effects are of nothing that is there before or after: they excuse nothing."""
        for one in self.scenario.migration.effects:
            states = [snapshot.tables.get(one.table) for snapshot in self.states.snapshots.values()]
            columns = {name for state in states if state is not None for name in state.columns}
            if not any(states) or (one.column is not None and one.column not in columns):
                what = one.table if one.column is None else f"{one.table}.{one.column}"
                says = f"migration.effects: {what} is there neither before nor after the migration"
                self.journal.write(Remarked(at_ns=_now(), source="scenario", says=says, weakens=True))

    def _infer_rules(self, database: Database) -> None:
        """Write down which rules new columns follow that no effect declares, where the engine can tell."""
        copy = self.states.copies.get("start")
        compared = next((one for one in self.states.comparisons if one.after == "forward"), None)
        if copy is None or compared is None:
            return
        if not registry.has_part("engine", self.scenario.engine.name, "rules"):
            return
        part = registry.part("engine", self.scenario.engine.name, "rules")
        declared = {(one.table, one.column) for one in self.scenario.migration.effects if one.rule is not None}
        with staged("infer rules", self.journal, self.progress), self._doubting("which rules new columns follow"):
            for one in part.inferred(database, copy, compared, self.states.written, without=declared):
                self.journal.write(one)

    def _asking(self, database: Database, phase: str) -> list[Probe]:
        """Return what asks while a phase goes on."""
        asserts = [one for one in self.scenario.asserts if one.every is not None]
        if not asserts:
            return []
        part = registry.part("engine", self.scenario.engine.name, "asserts")
        url = database.url(Role.OBSERVER)
        return [part.AssertProbe(url, one, phase, self._settings()) for one in asserts]

    def _settings(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.scenario.workload.settings.items()}

    def _try(self, database: Database, mix: mixes.Mix, state: str) -> None:
        """Try each call on the schema of now, where the engine can."""
        if not registry.has_part("engine", self.scenario.engine.name, "tries"):
            return
        part = registry.part("engine", self.scenario.engine.name, "tries")
        with staged(f"try the calls, {state}", self.journal, self.progress):
            asked = [
                (call.statements, values)
                for call, values in zip(mix.calls, mixes.tries(mix, self.scenario.seed), strict=True)
            ]
            found = part.tried(database.url(Role.APPLICATION), asked, self._settings())
        for call, (code, message, columns) in zip(mix.calls, found, strict=True):
            self.journal.write(
                CallTried(at_ns=_now(), state=state, call=call.name, code=code, message=message, columns=columns)
            )

    def _behave(self, database: Database, mix: mixes.Mix, state: str) -> None:
        """Compare what calls of the old version plan and answer now with the start, where the engine can."""
        start, taken = self.states.copies.get("start"), self.states.snapshots["start"].at_ns
        if not registry.has_part("engine", self.scenario.engine.name, "behaviour"):
            return
        part = registry.part("engine", self.scenario.engine.name, "behaviour")
        if start is None:
            return
        what = f"what calls answer after {state}"
        with staged(f"ask the calls, {state}", self.journal, self.progress), self._doubting(what):
            tries = mixes.tries(mix, self.scenario.seed, count=_ANSWERS)
            calls = [
                (call, values, shape.touches)
                for call, values, shape in zip(mix.calls, tries, mix.shapes, strict=True)
                if call.version != "new"
            ]
            writes = self.journal.close().frame(RowWritten)
            since = writes[writes["at_ns"] > taken]
            for one in part.compared(start, database, calls, since, self._settings(), state=state):
                self.journal.write(one)

    def _compare(self, database: Database, before: str, after: str) -> None:
        self.states.compare(database, before, after, self._doubted(written(self.journal.close())))

    def _unclear(self, database: Database) -> dict[str, tuple[str, ...]]:
        """Return the columns that a new call's write may end in: by a trigger, or when a renamed one is back."""
        survey = registry.part("engine", self.scenario.engine.name, "survey").survey(database.url(Role.OWNER))
        start = self.states.snapshots["start"].tables
        found = {
            name: {*facts.unclear, *(set(start[name].columns) - set(facts.columns) if name in start else ())}
            for name, facts in survey.tables.items()
        }
        return {name: tuple(sorted(columns)) for name, columns in found.items() if columns}

    def _doubted(self, writes: pandas.DataFrame) -> pandas.DataFrame:
        """Return the writes; those of new calls with the columns that triggers may carry them to as unclear."""
        is_new = writes["call"].isin(self.new_calls) & writes["table"].isin(self.unclear)
        if not is_new.any():
            return writes
        some = zip(writes.loc[is_new, "table"], writes.loc[is_new, "unclear"], strict=True)
        more = [json.dumps(sorted({*json.loads(known), *self.unclear[table]})) for table, known in some]
        writes.loc[is_new, "unclear"] = more
        return writes


def _given(writes: pandas.DataFrame) -> set[tuple[str, str]]:
    """Return the (table, column) to which calls that make rows give values themselves."""
    made = writes[writes["kind"] == "insert"].groupby(["call", "table"]).head(_STATEMENTS)[["table", "values"]]
    return {(table, column) for table, values in made.itertuples(index=False) for column in json.loads(values)}


def _now() -> int:
    return time.monotonic_ns()
