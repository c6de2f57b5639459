"""By which way a server is had here, where another engine or version is asked for than a scenario's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from rehearse import registry
from rehearse.errors import Missing
from rehearse.model import EngineChoice, Scenario
from rehearse.protocols import Offers


def reached(scenario: Scenario) -> tuple[Scenario, str | None]:
    """Return the scenario with a `via` by which its server is here, and a sentence where that is another than its own.

    The scenario's own comes first, then the nearest. One that names a container or a URL means it. Raises Missing, with
    what each way lacks, where there is none; starts nothing.
    """
    choice = scenario.engine
    engine = registry.engine(choice.name)
    if choice.via in ("docker", "url") or not isinstance(engine, Offers):
        return scenario, None
    ways = engine.ways()
    lacks = {}
    for via in sorted(ways, key=lambda way: way != choice.via):
        found = replace(choice, via=cast(Any, via))
        try:
            ways[via](found)
        except Missing as missing:
            lacks[via] = str(missing)
            continue
        says = f"{named(choice)} comes via {via}, since it is not here via {choice.via}; --via names another way"
        return replace(scenario, engine=found), None if via == choice.via else says
    told = "; ".join(f"via {via}: {why}" for via, why in lacks.items())
    raise Missing(f"there is no {named(choice)} here ({told})")


def named(choice: EngineChoice) -> str:
    """Return "mariadb 10.11", or "mariadb" where any version will do."""
    return f"{choice.name} {choice.version}" if choice.version else choice.name
