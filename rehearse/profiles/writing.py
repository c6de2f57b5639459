"""A profile as TOML that people review: a line a column, no key that says what is said anyway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from datetime import date
from typing import Any

import tomlkit

from rehearse.profiles.describing import Remark
from rehearse.profiles.profile import Profile, Table
from rehearse.profiles.shapes import Items, Value


def toml(profile: Profile, remarks: Iterable[Remark] = ()) -> str:
    """Return the profile as text that `reading.profile` reads as the same; remarks stand as comments at their place."""
    notes: dict[str, list[str]] = {}
    for one in remarks:
        notes.setdefault(one.where, []).append(one.says)
    return "\n".join(_lines(profile, notes)) + "\n"


def _lines(profile: Profile, notes: Mapping[str, list[str]]) -> Iterator[str]:
    yield from (f"# {says}" for says in notes.get("", ()))
    yield from (
        f"{name} = {_value(value)}" for name, value in _said(profile) if name not in ("tables", "file", "queries")
    )
    for query in profile.queries:
        yield ""
        yield "[[queries]]"
        yield from (f"{name} = {_value(value)}" for name, value in _said(query))
    for name, table in profile.tables.items():
        yield from _table(name, table, notes)


def _table(name: str, table: Table, notes: Mapping[str, list[str]]) -> Iterator[str]:
    yield ""
    yield from (f"# {says}" for says in notes.get(name, ()))
    yield f"[tables.{_key(name)}]"
    yield from (f"{key} = {_value(value)}" for key, value in _said(table) if key != "columns")
    if not table.columns:
        return
    yield f"[tables.{_key(name)}.columns]"
    for column, shape in table.columns.items():
        if _is_unsaid(shape):  # TOML has no null; without a word of it the column is null as well
            continue
        says = "; ".join(notes.get(f"{name}.{column}", ()))
        yield f"{_key(column)} = {_value(shape)}" + (f"  # {says}" if says else "")


def _is_unsaid(shape: Any) -> bool:
    if isinstance(shape, Value):
        return shape.value is None
    return isinstance(shape, Items) and _is_unsaid(shape.of)


def _said(values: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields that say something: the kind first, then all that are not as they would be anyway."""
    for one in sorted(fields(values), key=lambda one: one.name != "kind"):
        value = getattr(values, one.name)
        if one.name in ("kind", "rows") or value != _default(one):
            yield one.name, value


def _default(one: Field[Any]) -> Any:
    if one.default is not MISSING:
        return one.default
    return one.default_factory() if one.default_factory is not MISSING else MISSING


def _value(value: Any) -> str:  # noqa: PLR0911 - one answer a type
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case str():
            return tomlkit.item(value).as_string()
        case date():
            return value.isoformat()
        case Mapping():
            return "{ " + ", ".join(f"{_key(str(key))} = {_value(one)}" for key, one in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:
            return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in _said(value)) + " }"


def _key(name: str) -> str:
    is_bare = name and all(sign.isascii() and (sign.isalnum() or sign in "_-") for sign in name)
    return name if is_bare else tomlkit.item(name).as_string()
