"""Strategies side by side: the same data, the same traffic, rounds in random order, and where each ends in quiet."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rehearse.engines import _differences
from rehearse.errors import Missing, Mistake, RehearseError, ScenarioMistake
from rehearse.events import RowWritten
from rehearse.measures import end_states
from rehearse.measures.end_states import EndState
from rehearse.model import Comparison, OfCapacity, Recording, Scenario, Snapshot
from rehearse.protocols import Comparable, Database, Migration, MigrationFailed, NoWayBack, Role
from rehearse.reading import strategies
from rehearse.recording.journal import ListingJournal, frame_of
from rehearse.rehearsal.ground import Ground, Template, at_capacity, capacity, ground
from rehearse.rehearsal.opening import opened
from rehearse.rehearsal.prepare import open_mix, prepare
from rehearse.rehearsal.progress import Progress
from rehearse.rehearsal.run import run
from rehearse.rehearsal.writing import is_unwritten, standing_in, written

_NO_ROWS = "rows and values: this engine compares none"


@dataclass(slots=True)
class Entry:
    """A strategy that takes part; `refused` is why it cannot be run here."""

    name: str
    scenario: Scenario
    template: Template | None = None
    refused: RehearseError | None = None


@dataclass(slots=True)
class _Ended:
    """A database on which a strategy went forward in quiet."""

    database: Database
    state: Snapshot
    error: str | None


@dataclass(slots=True)
class Contest:
    """The strategies on the ground that they share. `capacity` is in calls a second, where it was asked for."""

    ground: Ground
    entries: Sequence[Entry]
    progress: Progress
    capacity: float | None = None
    ended: dict[str, Snapshot] = field(default_factory=dict)

    @property
    def copies(self) -> bool:
        """Whether all had copies of the same bytes; else each prepared its own data."""
        return all(one.template is not None for one in self.entries)

    def rehearse(self, entry: Entry, progress: Progress) -> Recording:
        """Rehearse a strategy once."""
        if entry.refused is not None:
            raise entry.refused
        return run(entry.scenario, progress=progress, on=(self.ground, entry.template))

    def end_states(self) -> Iterator[tuple[str, EndState]]:
        """Send each strategy forward without any traffic, and yield where it ends beside the first that got there."""
        first: tuple[Entry, _Ended] | None = None
        for number, entry in enumerate(self.entries, 1):
            if entry.refused is not None:
                continue
            self.progress.stage(f"forward in quiet: {entry.name}")
            try:
                ended = self._quiet(entry, f"quiet{number}")
            except Mistake as mistake:  # a tool that is not here is known when it is called
                entry.refused = mistake
                continue
            if ended.error is not None:
                yield entry.name, EndState(error=ended.error)
                ended.database.drop()
                continue
            self.ended[entry.name] = ended.state
            if first is None:
                first = entry, ended
                yield entry.name, EndState(is_first=True)
                continue
            yield entry.name, self._beside(first, entry, ended)
            ended.database.drop()
        if first is not None:
            first[1].database.drop()

    def otherwise(self, name: str, recording: Recording) -> list[str]:
        """Say in which schemas a rehearsal under traffic ended other than in the quiet one."""
        quiet = self.ended.get(name)
        return [] if quiet is None else [*end_states.otherwise(recording, lambda state: schemas(quiet, state))]

    def _quiet(self, entry: Entry, name: str) -> _Ended:
        _, migration = opened(entry.scenario)
        journal = ListingJournal()
        with self.ground.telling(journal):
            database = self._data(entry, migration, name)
            error = None
            try:
                migration.forward(database.url(Role.MIGRATION), journal)
            except (MigrationFailed, NoWayBack) as stopped:
                error = str(stopped) or type(stopped).__name__
                database.end_sessions(Role.MIGRATION)
            return _Ended(database, database.snapshot("forward"), error)

    def _data(self, entry: Entry, migration: Migration, name: str) -> Database:
        if entry.template is not None:
            return entry.template.fork(self.ground.server, name)
        database = self.ground.server.create(name)
        with self.ground.server.loading():
            prepare(entry.scenario, database, migration, ListingJournal(), self.progress)
            database.grant()
        return database

    def _beside(self, first: tuple[Entry, _Ended], entry: Entry, ended: _Ended) -> EndState:
        reference, other = first
        found = _compared(entry, other, ended)
        own = end_states.Own.of((reference.scenario, [other.state]), (entry.scenario, [ended.state]))
        state = end_states.beside(found, own)
        if not isinstance(ended.database, Comparable):
            return replace(state, not_compared=(*state.not_compared, _NO_ROWS))
        if not state.values_differ:
            return state
        self.progress.stage(f"forward in quiet once more: {reference.name}")
        again = self._quiet(reference, "quiet0")  # what differs between two runs of the same is chance's doing
        try:
            return end_states.beside(found, own, chance=_compared(reference, other, again))
        finally:
            again.database.drop()


@contextmanager
def contest(scenarios: Sequence[Scenario], progress: Progress) -> Iterator[Contest]:
    """Start a server, prepare the data once, and write the ways that have no SQL yet; every trace is gone at the end.

    Each scenario is one strategy. Raises ScenarioMistake where they are not about the same data.
    """
    check_alike(scenarios)
    for one in scenarios:
        opened(standing_in(one))
    sessions = max(one.workload.sessions for one in scenarios)
    with ground(scenarios[0], sessions, progress) as shared:
        entries = [Entry(strategies.named(one), one) for one in scenarios]
        _prepare(shared, entries)
        for entry in entries:
            _write(shared, entry)
        _check_enough(entries)
        _check_calls(entries)
        found = _capacity(entries, progress)
        yield Contest(shared, entries, progress, found)


def rounds(names: Sequence[str], repeats: int, seed: int) -> list[tuple[int, str]]:
    """Return (round, name) in the order of the runs: every strategy once a round, in an order drawn for each round."""
    drawn = random.Random(seed)
    return [(n, name) for n in range(1, repeats + 1) for name in drawn.sample(list(names), len(names))]


def check_alike(scenarios: Sequence[Scenario]) -> None:
    """Raise a ScenarioMistake for scenarios that differ in more than in how they make the change."""
    first = scenarios[0]
    for one in scenarios[1:]:
        for key, mine, theirs in (
            ("engine", first.engine, one.engine),
            ("seed", first.seed, one.seed),
            ("data", _source(first), _source(one)),
        ):
            if mine != theirs:
                raise ScenarioMistake(
                    f"{one.file or one.name}: {key} is another than that of {first.file or first.name}; "
                    "strategies are compared on the same data, on the same server"
                )


def _source(scenario: Scenario) -> object:
    """Return where the rows come from, wherever the scenario's file stands."""
    data, folder = scenario.data, scenario.folder
    files = [str((folder / name).resolve()) for name in [*(data.load or ()), *([data.dump] if data.dump else [])]]
    return replace(data, load=None, dump=None), files


def _prepare(shared: Ground, entries: Sequence[Entry]) -> None:
    """Prepare the data once for all that start from the same schema; other schemas must come to the same state."""
    made: dict[str, Template | None] = {}
    for entry in entries:
        key = _start(entry.scenario)
        if key not in made:
            scenario = standing_in(entry.scenario)
            name = f"origin{len(made) + 1}"
            made[key] = shared.template(scenario, opened(scenario)[1], name)
            _check_start(entries[0], entry, made[key])
        entry.template = made[key]


def _start(scenario: Scenario) -> str:
    """Return what the state before the change hangs on."""
    choice, folder = scenario.migration, scenario.folder.resolve()
    brings = bool(scenario.data.load or scenario.data.dump)
    is_told = choice.tool in ("sql", "command") and (choice.schema is not None or brings)
    rest = None if is_told else (choice.forward, choice.options)
    return repr((choice.tool, choice.schema, choice.prepare, folder, rest))


def _check_start(first: Entry, entry: Entry, template: Template | None) -> None:
    if first.template is None or template is None or first.template is template:
        return
    mine, theirs = first.template.start, template.start
    differs = [f"{one.object}: {one.property}" for one in _differences.schema(mine, theirs)]
    differs += [
        name for name, table in mine.tables.items() if name in theirs.tables and not table.is_like(theirs.tables[name])
    ]
    if differs:
        raise ScenarioMistake(
            f"{entry.scenario.file or entry.scenario.name}: {entry.name} starts from another state than {first.name} "
            f"({', '.join(differs[:3])}{' …' if len(differs) > 3 else ''}); strategies are compared on the same data"
        )


def _write(shared: Ground, entry: Entry) -> None:
    """Have the library write what a way does on this database; why it cannot be done here is kept as a refusal."""
    if not is_unwritten(entry.scenario):
        return
    if entry.template is None:
        raise ScenarioMistake(
            f"{entry.scenario.name}: on this engine, which makes no copies, ways are not compared yet"
        )
    try:
        entry.scenario = written(entry.scenario, entry.template.database, shared.server.version)
        opened(entry.scenario)
    except (Missing, ScenarioMistake) as refused:
        entry.refused = refused


def _check_enough(entries: Sequence[Entry]) -> None:
    """Raise why a way cannot be written, where without it there are not two strategies to compare."""
    unwritten = [one for one in entries if isinstance(one.refused, ScenarioMistake)]
    if unwritten and sum(one.refused is None for one in entries) < 2:
        first = unwritten[0]
        raise ScenarioMistake(f"{first.scenario.file or first.scenario.name}: {first.name}: {first.refused}")


def _check_calls(entries: Sequence[Entry]) -> None:
    """Raise what is wrong with the calls of any strategy before the first of them is rehearsed."""
    checked = []
    for entry in entries:
        if entry.template is not None and entry.scenario.workload not in checked:
            scenario, _ = opened(standing_in(entry.scenario))
            open_mix(scenario, entry.template.database)
            checked.append(entry.scenario.workload)


def _capacity(entries: Sequence[Entry], progress: Progress) -> float | None:
    """Measure once how many calls the database answers, and give every strategy its rate by that."""
    asked = next((one for one in entries if isinstance(one.scenario.workload.rate, OfCapacity) and one.template), None)
    if asked is None or asked.template is None:
        return None
    found = capacity(asked.scenario, asked.template, progress)
    for entry in entries:
        entry.scenario = at_capacity(entry.scenario, found)
    return found


def _compared(entry: Entry, older: _Ended, newer: _Ended) -> Comparison:
    """Return what differs between two databases that were to become the same; else of their schemas."""
    if isinstance(newer.database, Comparable):
        origin = entry.template.start if entry.template else None
        nothing = frame_of(RowWritten, []).assign(call=None)
        return newer.database.compare(older.database, older.state, newer.state, nothing, origin=origin)
    return schemas(older.state, newer.state)


def schemas(first: Snapshot, other: Snapshot) -> Comparison:
    """Return what differs between the schemas of two states; rows are not compared."""
    return Comparison(
        before=first.name,
        after=other.name,
        took_ns=0,
        schema=_differences.schema(first, other),
        physical=_differences.physical(first, other),
        tables=(),
    )
