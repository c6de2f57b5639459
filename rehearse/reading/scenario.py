"""A scenario file to a Scenario, with complaints that a person can act on."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model import Budget, Scenario
from rehearse.reading import dialects, strategies
from rehearse.reading.complaints import complaint, unknown_keys

_CONTAINERS = ("image", "cpus", "memory", "tmpfs", "volumes")  # keys of [engine] that need via = "docker"


def read(path: Path, *, engine: str | None = None) -> Scenario:
    """Read a scenario file; what is wrong with it is one ScenarioMistake, a line for each complaint.

    `engine` ("mariadb:10.11") takes the place of the file's own, with what the file says for it alone.
    """
    return parse(_values(path), where=str(path), file=path.resolve(), engine=engine)


def left_out(scenario: Scenario, engine: str) -> str | None:
    """Say which settings of the scenario's file are its own engine's and so are not the asked one's; None: none."""
    if scenario.file is None:
        return None
    values = _values(scenario.file)
    left = dialects.left_out(values, engine)
    own, name = dialects.engine_of(values), engine.partition(":")[0]
    keys = ", ".join(f"[{part}] {key}" for part, key in left)
    tables = " and ".join(dict.fromkeys(f"[{part}.{name}]" for part, _ in left))
    return f"left out, since it is for {own}: {keys}; say in {tables} what holds for {name}" if left else None


def _values(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScenarioMistake(f"{path}: there is no such file; `rehearse init` writes a first one") from None
    except IsADirectoryError:
        raise ScenarioMistake(f"{path} is a folder; name the scenario's .toml in it") from None
    except OSError as error:
        raise ScenarioMistake(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioMistake(f"{path}: not valid TOML: {error}") from None


def parse(
    values: Mapping[str, Any], *, where: str = "scenario", file: Path | None = None, engine: str | None = None
) -> Scenario:
    """Return the Scenario that plain values describe, as it is for one engine: the file's own, or another."""
    spoken = _spoken(values)
    own = dialects.engine_of(spoken)
    complaints = list(unknown_keys(spoken, Scenario, "", frozenset(dialects.names())))
    if engine is not None and not complaints:
        spoken = dialects.asked(spoken, engine)
    name = dialects.engine_of(spoken)
    scenario, wrong = _validated(spoken, name, file)
    complaints += wrong
    for other in sorted(dialects.named(spoken) - {name}):  # what is wrong there is told to whoever runs another, too
        complaints += _validated(spoken, other, file, whole=False)[1]
    if complaints or scenario is None:
        raise ScenarioMistake("\n".join(f"{where}: {one}" for one in dict.fromkeys(complaints)))
    dialects.check(spoken, name, own=own, where=where)
    _consistent(scenario, where)
    strategies.check(scenario, where)
    return _placed(scenario)


def _validated(
    values: Mapping[str, Any], engine: str, file: Path | None, *, whole: bool = True
) -> tuple[Scenario | None, list[str]]:
    """Return the scenario as it is for an engine, or the complaints; `whole` has keys that are missing among them."""
    chosen = dialects.with_way(dialects.chosen(values, engine), engine)
    try:
        return _adapter().validate_python({**chosen, "file": file} if file else chosen), []
    except ValidationError as error:
        untold = {"unexpected_keyword_argument"} | (set() if whole else {"missing"})
        return None, [complaint(one, values, engine) for one in error.errors() if one["type"] not in untold]


def _placed(scenario: Scenario) -> Scenario:
    """Return the scenario with the places of its container's volumes as they are on this machine."""
    if not scenario.engine.volumes or scenario.file is None:
        return scenario
    placed = [str(scenario.file.parent / one) if one.startswith(".") else one for one in scenario.engine.volumes]
    return replace(scenario, engine=replace(scenario.engine, volumes=placed))


def _spoken(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values with `[[integrity.assert]]` by the name that it has in Python, where assert is a keyword."""
    part = values.get("integrity")
    if not isinstance(part, Mapping) or "assert" not in part:
        return values
    return {**values, "integrity": {("asserts" if key == "assert" else key): one for key, one in part.items()}}


def with_options(
    scenario: Scenario,
    *,
    scale: float | None = None,
    seed: int | None = None,
    via: str | None = None,
    budget: Iterable[str] = (),
) -> Scenario:
    """Return the scenario with the command line's words in the place of its own."""
    if scale is not None:
        if not 0 < scale < math.inf:
            raise ScenarioMistake(f"--scale {scale}: write a share of the profile's rows, for example 0.05")
        scenario = replace(scenario, data=replace(scenario.data, scale=scale))
    if seed is not None:
        scenario = replace(scenario, seed=seed)
    if via is not None:
        scenario = replace(scenario, engine=replace(scenario.engine, **_via(via)))
    return with_budget(scenario, budget)


def with_budget(scenario: Scenario, changes: Iterable[str]) -> Scenario:
    """Return the scenario with budgets such as "blocked=250ms" or "slowdown=none" in the place of its own."""
    values: dict[str, Any] = {}
    for change in changes:
        key, equals, text = change.partition("=")
        known = [one.name for one in fields(Budget)]
        if not equals or key not in known:
            raise ScenarioMistake(f"--budget {change}: write KEY=VALUE{near_miss(key, known)}")
        values[key] = _budget_value(key, text)
    return replace(scenario, budget=replace(scenario.budget, **values)) if values else scenario


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file."""
    described = _adapter().json_schema(ref_template="#/$defs/{model}")
    for part in (described, *described.get("$defs", {}).values()):
        part["additionalProperties"] = False
    described["properties"].pop("file")
    asserts = described["$defs"]["IntegrityChoice"]["properties"]
    asserts["assert"] = asserts.pop("asserts")
    described["properties"]["$schema"] = {"type": "string"}
    _describe_dialects(described["$defs"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "a scenario of rehearse"} | described


def _describe_dialects(parts: dict[str, Any]) -> None:
    """Give each part of a file a table for each engine, with any of the part's own keys; its SQL may be there alone."""
    for name, part in [(name, one) for name, one in parts.items() if "properties" in one]:
        keys = {key: {"$ref": f"#/$defs/{name}/properties/{key}"} for key in part["properties"]}
        section = {"type": "object", "properties": keys, "additionalProperties": False}
        parts[f"{name}OfOneEngine"] = section
        told = {"$ref": f"#/$defs/{name}OfOneEngine"}
        part["properties"] |= {one: told | {"description": f"what is otherwise for {one}"} for one in dialects.names()}
        part["required"] = [key for key in part.get("required", []) if key != "sql"]


def _via(text: str) -> dict[str, Any]:
    if "://" in text:
        return {"via": "url", "url": text}
    known = ("embedded", "binary", "docker")
    if text not in known:
        raise ScenarioMistake(f"--via {text}: write embedded, binary, docker or a URL{near_miss(text, known)}")
    return {"via": text}


def _budget_value(key: str, text: str) -> Any:
    if text.lower() == "none":
        return None
    number = text.replace(".", "", 1).isdigit() and key not in ("blocked", "duration")
    try:
        return getattr(_budget().validate_python({key: float(text) if number else text}), key)
    except ValidationError as error:
        raise ScenarioMistake(
            f"--budget {key}={text}: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        ) from None


def _consistent(scenario: Scenario, where: str) -> None:
    data, engine, workload = scenario.data, scenario.engine, scenario.workload
    sources = [name for name in ("profile", "load", "dump") if getattr(data, name)]
    if len(sources) > 1:
        raise ScenarioMistake(f"{where}: data names {' and '.join(sources)}; keep one")
    if data.profile and not (scenario.migration.schema or scenario.migration.prepare or _brings_schema(scenario)):
        raise ScenarioMistake(
            f"{where}: migration.schema: data.profile fills tables that nothing makes; name the SQL file of the schema"
        )
    filled = next((name for name, rows in data.tables.items() if str(rows) != "0"), None)
    if filled and not data.profile:
        raise ScenarioMistake(
            f"{where}: data.tables.{filled}: rows are made from a profile alone; name data.profile "
            "(`rehearse init` writes one, `rehearse profile URL` another)"
        )
    if data.statistics and not data.profile:
        raise ScenarioMistake(f"{where}: data.statistics: production is known by a profile alone; name data.profile")
    if engine.via == "url" and not engine.url:
        raise ScenarioMistake(f"{where}: engine.url: via = 'url' needs the URL of a server that you call disposable")
    if engine.url and engine.via != "url":
        raise ScenarioMistake(f"{where}: engine.url is given but engine.via = {engine.via!r}; write via = 'url'")
    for odd in (name for name in _CONTAINERS if getattr(engine, name) and engine.via != "docker"):
        raise ScenarioMistake(
            f"{where}: engine.{odd} is a container's but engine.via = {engine.via!r}; write via = 'docker'"
        )
    ruled = next((one for one in scenario.migration.effects if one.rule is not None and one.column is None), None)
    if ruled is not None:
        raise ScenarioMistake(f"{where}: migration.effects: the rule of {ruled.table} needs a column that follows it")
    names = [one.name for one in scenario.asserts]
    if len(names) != len(set(names)):
        raise ScenarioMistake(f"{where}: integrity.assert: a name is given twice")
    if workload.new_share != 0.5 and workload.deploy != "together":
        raise ScenarioMistake(f"{where}: workload.new_share is for deploy = 'together', and it is {workload.deploy!r}")
    twice = {call.name for call in workload.calls if [one.name for one in workload.calls].count(call.name) > 1}
    if twice:
        raise ScenarioMistake(f"{where}: workload.calls: the name {sorted(twice)[0]!r} is given twice")


def _brings_schema(scenario: Scenario) -> bool:
    return scenario.migration.tool not in ("sql", "command")


@cache
def _adapter() -> TypeAdapter[Scenario]:
    return TypeAdapter(Scenario)


@cache
def _budget() -> TypeAdapter[Budget]:
    return TypeAdapter(Budget)
