"""Finds an engine, a tool or a renderer by its name: an installed entry point first, then our own module.

Nothing else is imported on the way, so an optional package is needed only by those who use it.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import ModuleType
from typing import Any, cast

from rehearse.errors import Missing, ScenarioMistake, near_miss
from rehearse.protocols import Engine, Renderer, Tool

_PACKAGES = {"engine": "rehearse.engines", "tool": "rehearse.tools", "renderer": "rehearse.reports"}
_SCHEMES = {"mysql": "mysql", "mariadb": "mysql"}  # clients of the two are the same, servers tell which they are
_ATTRIBUTES = {"engine": "ENGINE", "tool": "TOOL", "renderer": "RENDERER"}
# Modules of rehearse.reports that are parts and not renderers have no RENDERER and are left out of `names`.


def names(kind: str) -> list[str]:
    """Return the names of the plug-ins of a kind ("engine", "tool", "renderer"), sorted; imports none of them."""
    package = import_module(_PACKAGES[kind])
    own = {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}
    listed = getattr(package, "NAMES", None)
    installed = {point.name for point in entry_points(group=f"rehearse.{kind}s")}
    return sorted((own if listed is None else set(listed)) | installed)


def engine(name: str) -> Engine:
    """Return the engine of this name."""
    return cast(Engine, _plugin("engine", name))


def tool(name: str) -> Tool:
    """Return the migration tool of this name."""
    return cast(Tool, _plugin("tool", name))


def renderer(name: str) -> Renderer:
    """Return the renderer of this name."""
    return cast(Renderer, _plugin("renderer", name))


def engine_of(url: str) -> str:
    """Return the name of the engine whose servers a URL is for; of libpq's own words PostgreSQL's."""
    scheme = url.partition("://")[0].partition("+")[0].lower() if "://" in url else ""
    return _SCHEMES.get(scheme, "postgres")


def part(kind: str, name: str, module: str) -> ModuleType:
    """Return a module beside a plug-in, for example the "session" of engine "postgres"."""
    return import_module(_place(kind, name, module) or f"{home(kind, name)}.{module}")


def has_part(kind: str, name: str, module: str) -> bool:
    """Say whether a plug-in has a module of this name; imports the plug-in, and not the module."""
    return _place(kind, name, module) is not None


def _place(kind: str, name: str, module: str) -> str | None:
    """Return where a plug-in's module is: beside it, or beside the one whose FAMILY it says to be of."""
    beside = home(kind, name)
    if find_spec(f"{beside}.{module}") is not None:
        return f"{beside}.{module}"
    family = getattr(import_module(beside), "FAMILY", name)
    return None if family == name else _place(kind, family, module)


def home(kind: str, name: str) -> str:
    """Return the module that a plug-in stands in."""
    for point in entry_points(group=f"rehearse.{kind}s"):
        if point.name == name:
            return point.module
    return f"{_PACKAGES[kind]}.{name}"


def _plugin(kind: str, name: str) -> Any:
    for point in entry_points(group=f"rehearse.{kind}s"):
        if point.name == name:
            return point.load()
    if name not in names(kind):
        raise ScenarioMistake(f"no {kind} is called {name!r}{near_miss(name, names(kind))}")
    try:
        module = import_module(f"{_PACKAGES[kind]}.{name}")
    except ModuleNotFoundError as missing:
        if missing.name and missing.name.startswith("rehearse"):
            raise
        raise Missing(
            f"{kind} {name!r} needs the package {missing.name!r}: pip install 'rehearse-migrations[{name}]'"
        ) from missing
    return getattr(module, _ATTRIBUTES[kind])
