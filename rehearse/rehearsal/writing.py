"""A strategy that is a way of the library: its SQL is written once the database that it is for is there."""

from __future__ import annotations

from dataclasses import replace

from rehearse import registry
from rehearse import strategies as library
from rehearse.errors import Missing, ScenarioMistake
from rehearse.model import Data, Scenario, StrategyChoice
from rehearse.profiles.blueprint import Blueprint, Drawn
from rehearse.protocols import Database
from rehearse.reading import strategies
from rehearse.recording.journal import ListingJournal
from rehearse.rehearsal.prepare import prepare
from rehearse.rehearsal.progress import Progress

_STANDS_IN = "SELECT 1;"


def is_unwritten(scenario: Scenario) -> bool:
    """Say whether a scenario is a way that has no SQL yet."""
    is_way = len(scenario.strategies) == 1 and scenario.strategies[0].way is not None
    return is_way and scenario.migration.forward is None


def standing_in(scenario: Scenario) -> Scenario:
    """Return a scenario whose migration can be opened, to prepare the schema, before its way forward is written."""
    if not is_unwritten(scenario):
        return scenario
    return replace(scenario, migration=replace(scenario.migration, forward=_STANDS_IN))


def written(scenario: Scenario, database: Database, version: str) -> Scenario:
    """Return the scenario with what its way does on this database; a scenario that is no way is returned as it is."""
    if not is_unwritten(scenario):
        return scenario
    choice, change = scenario.strategies[0], scenario.change
    assert change is not None and choice.way is not None
    found = library.write(
        change,
        choice.way,
        drawn(scenario, database),
        engine=scenario.engine.name,
        version=version,
        options=choice.options,
        blocked_ns=scenario.budget.blocked,
    )
    if missing := library.missing(found):
        raise Missing(f"{scenario.name}: the way {choice.way!r} needs {missing}")
    return strategies.with_way(scenario, found, library.effects(change))


def drawn(scenario: Scenario, database: Database) -> Blueprint:
    """Return the tables of a database, as a way to change them must know them."""
    if not isinstance(database, Drawn):
        raise ScenarioMistake(f"{scenario.name}: [change]: on {scenario.engine.name} no way can be written yet")
    return database.blueprint()


def blueprint(scenario: Scenario, progress: Progress) -> tuple[Blueprint, str]:
    """Return the tables that a scenario starts from, and the server's version; makes no rows but those of its files."""
    brings_schema = bool(scenario.data.load or scenario.data.dump)
    empty = scenario if brings_schema else replace(scenario, data=Data())
    migration = registry.tool(scenario.migration.tool).open(
        standing_in(replace(empty, strategies=[StrategyChoice(way="")]))
    )
    journal = ListingJournal(progress.event)
    with registry.engine(scenario.engine.name).start(scenario.engine, journal) as server:
        database = server.create("drawn")
        try:
            prepare(empty, database, migration, journal, progress)
            database.grant()
            return drawn(scenario, database), server.version
        finally:
            database.drop()
