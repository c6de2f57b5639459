"""What a scenario says for one engine alone: a table named for it, whose keys stand in the place of the others.

[migration]                     [[workload.calls]]
forward = "up.sql"              sql = "select …"
[migration.mariadb]             [workload.calls.mariadb]
forward = "up.mariadb.sql"      sql = "select …"

Any table below the file's own may have them. MySQL's hold for MariaDB too, where MariaDB's own do not say otherwise;
but for [engine.mysql], which is about MySQL's server. SQL is never translated from one dialect into another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from rehearse import registry
from rehearse.errors import OtherDialect, ScenarioMistake, near_miss
from rehearse.model import EngineChoice, Scenario

_NO_WHEEL = ("mariadb", "mysql")
_FAMILIES = {"mariadb": ("mysql", "mariadb")}  # whose tables hold for an engine; the last one's word counts
_OF_THE_OWN = ("version", "image")  # of [engine]: what is said of the file's own engine, and of no other
_OF_A_DIALECT = {  # keys of a part whose words another engine's server does not know
    "engine": ("image", "settings", "volumes"),
    "migration": ("settings",),
    "workload": ("settings",),
}


@cache
def keys_of(kind: type) -> dict[str, Any]:
    """Return the keys that a part of a file may have, each with its type."""
    return get_type_hints(kind)


@cache
def names() -> tuple[str, ...]:
    """Return the words that a table for one engine may have; to look for what is installed takes milliseconds."""
    return tuple(registry.names("engine"))


def engine_of(values: Mapping[str, Any]) -> str:
    """Return the name of the engine that a file asks for."""
    part = values.get("engine")
    name = part.get("name") if isinstance(part, Mapping) else None
    return name if isinstance(name, str) else EngineChoice().name


def asked(values: Mapping[str, Any], engine: str) -> dict[str, Any]:
    """Return the values with "mariadb:10.11" in the place of the file's own engine."""
    name, _, version = engine.partition(":")
    if name not in names():
        raise ScenarioMistake(f"--engine {engine}: no engine is called {name!r}{near_miss(name, names())}")
    found = values.get("engine", {})
    if not isinstance(found, Mapping):
        return dict(values)
    own = {key: value for key, value in found.items() if key not in _OF_THE_OWN}
    if name != engine_of(values) and own.get("via") == "url":  # that server is another engine's
        own = {key: value for key, value in own.items() if key not in ("via", "url")}
    section = {**own.get(name, {}), "version": version} if version else own.get(name, {})
    return _without(_foreign(values, name), {**values, "engine": {**own, "name": name, name: section}})


def left_out(values: Mapping[str, Any], engine: str) -> list[tuple[str, str]]:
    """Return the part and the key of what a file says for its own engine alone, and nowhere for the one asked for."""
    name = engine.partition(":")[0]
    return [
        (part, key)
        for part, key in _foreign(values, name)
        if not any(key in values[part].get(one, {}) for one in _tables_of(name, part))
    ]


def _foreign(values: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """Return the part and the key of what is written in another dialect than an engine's."""
    own = engine_of(values)
    return [
        (part, key)
        for part, keys in _OF_A_DIALECT.items()
        for key in keys
        if isinstance(values.get(part), Mapping) and key in values[part] and own not in (name, *_tables_of(name, part))
    ]


def _without(keys: Iterable[tuple[str, str]], values: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    for part, key in keys:
        found[part] = {one: value for one, value in found[part].items() if one != key}
    return found


def with_way(values: Mapping[str, Any], engine: str) -> dict[str, Any]:
    """Return the values with a `via` that this engine has, where none is said: of these there is no wheel."""
    part = values.get("engine")
    if engine not in _NO_WHEEL or not isinstance(part, Mapping) or "via" in part:
        return dict(values)
    return {**values, "engine": {**part, "via": "url" if "url" in part else "docker" if "image" in part else "binary"}}


def chosen(values: Mapping[str, Any], engine: str, kind: type = Scenario) -> dict[str, Any]:
    """Return the values as they are for one engine, without any table for another."""
    hints = keys_of(kind)
    found = {key: value for key, value in values.items() if not is_section(key, value, kind)}
    for name in _tables_of(engine, "engine" if kind is EngineChoice else ""):
        found |= values[name] if name in values and is_section(name, values[name], kind) else {}
    return {key: _inner(value, engine, hints.get(key)) for key, value in found.items()}


def sections_of(engine: str) -> tuple[str, ...]:
    """Return the tables that hold for an engine; the last one's word counts."""
    return _FAMILIES.get(engine, (engine,))


def _tables_of(engine: str, part: str) -> tuple[str, ...]:
    """Return the tables that hold for an engine in a part of the file: of [engine], which is a server's, its own."""
    return (engine,) if part == "engine" else sections_of(engine)


def is_section(key: str, value: Any, kind: type) -> bool:
    """Say whether a key of a part is a table for one engine."""
    return kind is not Scenario and isinstance(value, Mapping) and key in names() and key not in keys_of(kind)


def named(values: Any, kind: type = Scenario) -> set[str]:
    """Return the engines that have a table of their own, anywhere in the file."""
    if not isinstance(values, Mapping):
        return set()
    found = {key for key, value in values.items() if is_section(key, value, kind)}
    for key, value in values.items():
        for one, inner in _parts(value, keys_of(kind).get(key)):
            found |= named(one, inner)
    return found


def place(steps: Iterable[str | int], values: Any, engine: str) -> list[str | int]:
    """Return where in the file a key of `chosen` stands: with the engine's table that has it, where one does."""
    found: list[str | int] = []
    for step in steps:
        for name in reversed(_tables_of(engine, str(found[0]) if found else "")):
            section = values.get(name) if isinstance(values, Mapping) and found else None
            if isinstance(section, Mapping) and step in section:
                found.append(name)
                values = section
                break
        found.append(step)
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            values = None
    return found


def check(values: Mapping[str, Any], engine: str, *, own: str, where: str) -> None:
    """Raise OtherDialect where the migration is written for other engines than the one that is asked for."""
    part = values.get("migration")
    if not isinstance(part, Mapping):
        return
    written = {name for name in names() if isinstance(part.get(name), Mapping) and "forward" in part[name]}
    if not written or written & {*sections_of(engine)} or ("forward" in part and engine == own):
        return
    others = " and ".join(sorted(written | ({own} if "forward" in part else set())))
    raise OtherDialect(
        f"{where}: the scenario's migration is written for {others}; for {engine} write [migration.{engine}] with its "
        "own forward and back",
        name=str(values.get("name")),
    )


def _inner(value: Any, engine: str, hint: Any) -> Any:
    parts = list(_parts(value, hint))
    if not parts:
        return value
    inner = [chosen(one, engine, kind) if isinstance(one, Mapping) else one for one, kind in parts]
    return inner if isinstance(value, list) else inner[0]


def _parts(value: Any, hint: Any) -> Iterator[tuple[Any, type]]:
    """Yield the tables that are a key's value, one or a list of them, each with its kind."""
    if is_dataclass(hint) and isinstance(hint, type):
        yield value, hint
        return
    kind = next((one for one in get_args(hint) if isinstance(one, type) and is_dataclass(one)), None)
    if kind is not None and isinstance(value, list):
        for one in value:
            yield one, kind
