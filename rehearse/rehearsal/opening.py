"""What can be wrong with a scenario, seen before anything starts: its files, its calls, its migration, its engine."""

from __future__ import annotations

from dataclasses import replace

from rehearse import registry
from rehearse.errors import ScenarioMistake
from rehearse.model import Scenario
from rehearse.protocols import Migration
from rehearse.reading import strategies
from rehearse.rehearsal.prepare import check_files
from rehearse.rehearsal.writing import standing_in
from rehearse.workload import mix as mixes
from rehearse.workload import pgbench


def opened(scenario: Scenario) -> tuple[Scenario, Migration]:
    """Return the scenario with all its calls, and its migration; what is wrong with either is raised."""
    check_files(scenario)
    scenario = replace(scenario, workload=pgbench.expanded(scenario.workload, scenario.folder))
    mixes.check(scenario.workload)
    runnable = strategies.runnable(standing_in(scenario))
    migration = registry.tool(scenario.migration.tool).open(runnable)
    _check_parts(scenario)
    return scenario, migration


def _check_parts(scenario: Scenario) -> None:
    """Raise a ScenarioMistake for what is asked of an engine that cannot do it yet."""
    rules = any(one.rule is not None for one in scenario.migration.effects)
    asked = {
        "company": ("workload.company", bool(scenario.workload.company)),
        "asserts": ("integrity.assert", bool(scenario.integrity.asserts)),
        "rules": ("migration.effects.rule", rules),
    }
    for part, (key, is_asked) in asked.items():
        if is_asked and not registry.has_part("engine", scenario.engine.name, part):
            raise ScenarioMistake(
                f"{scenario.file or scenario.name}: {key}: on {scenario.engine.name} it cannot be had yet; leave it out"
            )
