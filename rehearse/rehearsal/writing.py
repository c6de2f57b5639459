"""A strategy that is a way of the library: its SQL is written once the database that it is for is there."""

from __future__ import annotations

from dataclasses import replace

from rehearse import strategies as library
from rehearse.errors import ScenarioMistake
from rehearse.model import Scenario
from rehearse.profiles.blueprint import Drawn
from rehearse.protocols import Database
from rehearse.reading import strategies

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
    if not isinstance(database, Drawn):
        raise ScenarioMistake(f"{scenario.name}: way = {choice.way!r}: on this engine no way can be written yet")
    found = library.write(
        change,
        choice.way,
        database.blueprint(),
        engine=scenario.engine.name,
        version=version,
        options=choice.options,
    )
    return strategies.with_way(scenario, found, library.effects(change))
