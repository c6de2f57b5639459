"""A scenario with `[[strategies]]` to one Scenario a strategy, each of which can be rehearsed by itself.

What a strategy says of [migration] and [workload] stands in the place of the scenario's own keys, one by one. One with
a `way` has no SQL yet: it is written when the database is there (`with_way`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model import Effect, MigrationChoice, Scenario, Strategy, StrategyChoice, WorkloadChoice
from rehearse.reading import dialects
from rehearse.reading.complaints import complaint, unknown_keys

AS_WRITTEN = "as written"
_PARTS: Mapping[str, Any] = {"migration": MigrationChoice, "workload": WorkloadChoice}

Part = TypeVar("Part", MigrationChoice, WorkloadChoice)


def name_of(choice: StrategyChoice) -> str:
    """Return a strategy's name: its own, or that of its way."""
    return choice.name or choice.way or AS_WRITTEN


def named(scenario: Scenario) -> str:
    """Return the name of the strategy that a scenario which can be rehearsed by itself is."""
    return name_of(scenario.strategies[0]) if len(scenario.strategies) == 1 else AS_WRITTEN


def folder_name(name: str) -> str:
    """Return a strategy's name as a folder can have it."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "strategy"


def expanded(scenario: Scenario, ways: Sequence[str] = ()) -> list[Scenario]:
    """Return a Scenario for each strategy, and for each way of the library that is asked for besides.

    Without both it is the scenario itself, as it is written. This is there beside ways that are asked for, too, where
    it has a way forward and names no strategies; a way of the library is written in that one's place.
    """
    own = ways and not scenario.strategies and scenario.migration.forward is not None
    as_written = [StrategyChoice(name=AS_WRITTEN)] if own else []
    asked = [*as_written, *scenario.strategies, *(StrategyChoice(way=way) for way in ways)]
    if not asked:
        return [runnable(scenario)]
    where = str(scenario.file or scenario.name)
    _raise([*_complaints(scenario, asked)], where)
    return [_one(scenario if choice.way is None else _unwritten(scenario), choice) for choice in asked]


def single(scenario: Scenario, name: str | None = None) -> Scenario:
    """Return the one Scenario that `rehearse run` rehearses: as it is written, or the strategy of this name."""
    if name is None:
        return replace(runnable(scenario), strategies=[])
    found = {named(one): one for one in expanded(scenario)} if scenario.strategies else {}
    if name not in found:
        raise ScenarioMistake(
            f"{scenario.file or scenario.name}: there is no strategy {name!r}"
            + (near_miss(name, found) if found else "; it has no [[strategies]]")
        )
    return found[name]


def estimable(scenario: Scenario, name: str | None = None) -> Scenario:
    """Return the one Scenario that `rehearse estimate` runs; its SQL must be there before the database is."""
    where = str(scenario.file or scenario.name)
    names = [named(one) for one in expanded(scenario)] if scenario.strategies else []
    if name is None and names and not scenario.migration.forward:
        raise ScenarioMistake(f"{where}: name one of its [[strategies]] with --strategy: {', '.join(names)}")
    found = single(scenario, name)
    if any(one.way for one in found.strategies):
        raise ScenarioMistake(
            f"{where}: --strategy {name}: a way of the library has no SQL yet; `rehearse strategies` writes it as "
            "files, and a scenario that names these can be estimated"
        )
    return found


def check(scenario: Scenario, where: str) -> None:
    """Raise a ScenarioMistake for strategies that cannot be understood, each by its place in the file."""
    _raise([*_complaints(scenario, scenario.strategies)], where)


def with_way(scenario: Scenario, written: Strategy, effects: Iterable[Effect] = ()) -> Scenario:
    """Return a strategy's scenario with what its way was written to be; the keys of its [migration] count before it.

    `effects` are the changes of data that the change means, beside those that the scenario declares.
    """
    (choice,) = scenario.strategies
    own = scenario.migration
    options = dict(written.options) if written.tool != own.tool else {**own.options, **written.options}
    migration = replace(
        own,
        tool=written.tool,
        forward=written.forward,
        back=own.back if written.back is None else written.back,
        transaction=written.transaction,  # type: ignore[arg-type]
        options=options,
        effects=[*own.effects, *effects],
    )
    workload = replace(scenario.workload, deploy=written.deploy)
    known = replace(choice, deploys=written.deploys if choice.deploys is None else choice.deploys)
    again = replace(scenario, migration=migration, workload=workload)
    return replace(_one(again, known), name=scenario.name)


def _unwritten(scenario: Scenario) -> Scenario:
    """Return a scenario without its own way forward: a way of the library is written in its place."""
    return replace(scenario, migration=replace(scenario.migration, forward=None))


def _one(scenario: Scenario, choice: StrategyChoice) -> Scenario:
    engine, name = scenario.engine.name, name_of(choice)
    return replace(
        scenario,
        name=f"{scenario.name}-{folder_name(name)}",
        migration=_merged(scenario.migration, choice.migration, engine),
        workload=_merged(scenario.workload, choice.workload, engine),
        strategies=[replace(choice, name=name)],
    )


def _merged(own: Part, given: Mapping[str, Any], engine: str) -> Part:
    """Return a part of a scenario with a strategy's keys in the place of its own."""
    chosen = dialects.chosen(given, engine, type(own))
    read = TypeAdapter(type(own)).validate_python(chosen)
    return replace(own, **{key: getattr(read, key) for key in chosen})


def _complaints(scenario: Scenario, choices: Sequence[StrategyChoice]) -> Iterator[str]:
    names = Counter(map(name_of, choices))
    folders = Counter(folder_name(name).lower() for name in names)
    for number, choice in enumerate(choices):
        place = f"strategies[{number}]"
        wrong = [*_wrong(choice, place, scenario.engine.name)]
        yield from wrong
        if choice.way is None and choice.name is None:
            yield f"{place}.name: a strategy needs a name, or a way of the library"
        elif names[name_of(choice)] > 1 or folders[folder_name(name_of(choice)).lower()] > 1:
            yield f"{place}.name = {name_of(choice)!r}: another strategy is called so, too"
        if choice.way is not None and scenario.change is None:
            yield f"{place}.way = {choice.way!r}: a way makes the change that [change] describes, and there is none"
        if choice.way is None and choice.options:
            yield f"{place}.options: they are of a way of the library, and it names none"
        if not wrong and choice.way is None and not _has_forward(scenario, choice):
            yield f"{place}.migration.forward: name the strategy's files or SQL here, or a way of the library"


def _has_forward(scenario: Scenario, choice: StrategyChoice) -> bool:
    return _merged(scenario.migration, choice.migration, scenario.engine.name).forward is not None


def _wrong(choice: StrategyChoice, place: str, engine: str) -> Iterator[str]:
    """Yield what is wrong with the keys that a strategy has for [migration] and [workload]."""
    for part, kind in _PARTS.items():
        values, path = getattr(choice, part), f"{place}.{part}."
        yield from unknown_keys(values, kind, path, frozenset(dialects.names()))
        try:
            _adapter(kind).validate_python(dialects.chosen(values, engine, kind))
        except ValidationError as error:
            odd = (one for one in error.errors() if one["type"] != "unexpected_keyword_argument")
            yield from (complaint(one, values, engine, path=path) for one in odd)


def runnable(scenario: Scenario) -> Scenario:
    """Return a scenario that says what is rehearsed; one that has only strategies does not."""
    if scenario.strategies and scenario.migration.forward is None:
        names = ", ".join(repr(name_of(one)) for one in scenario.strategies)
        raise ScenarioMistake(
            f"{scenario.file or scenario.name}: it has [[strategies]] and no migration.forward; "
            f"`rehearse compare` runs all of them, and `rehearse run --strategy NAME` one ({names})"
        )
    return scenario


def _raise(complaints: Sequence[str], where: str) -> None:
    if complaints:
        raise ScenarioMistake("\n".join(f"{where}: {one}" for one in complaints))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
