"""Reads a tool's own words, `[migration.options]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rehearse.errors import ScenarioMistake, near_miss


def check(options: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise a ScenarioMistake for a word that the tool does not know, or an `env` that is not a table."""
    names = set(known)
    for name in options:
        if name not in names:
            raise ScenarioMistake(f"{where}: migration.options.{name}: unknown{near_miss(name, names)}")
    if not isinstance(options.get("env", {}), Mapping):
        raise ScenarioMistake(f"{where}: migration.options.env: write a table, for example {{ APP_ENV = 'test' }}")


def text(options: Mapping[str, Any], name: str) -> str | None:
    """Return an option as text; a whole number is taken as a version."""
    value = options.get(name)
    return None if value is None else str(value)


def folder(options: Mapping[str, Any], name: str, start: Path, where: str) -> Path:
    """Return the folder that an option names, or the one to start from."""
    found = start / (text(options, name) or ".")
    if not found.is_dir():
        raise ScenarioMistake(f"{where}: migration.options.{name}: there is no folder {found}")
    return found
