"""A profile file to a Profile, with complaints that a person can act on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from rehearse.errors import ScenarioMistake, near_miss
from rehearse.profiles import Access, Facts, Joint, NullBy, Profile, QueryMix, Source, Table
from rehearse.profiles.shapes import SHAPES

_SHIPPED = Path(__file__).parent.parent / "_shipped" / "data_profiles"
_DATABASE = re.compile(r"://|\b(?:host|hostaddr|dbname|user|password|service)\s*=")  # a URL, or libpq's words
_INNER = {"items": ("of",), "range": ("low",), "given": ("otherwise",)}  # keys that hold a shape
_BESIDE_SOURCE = Path(__file__).parent.parent.parent / "data_profiles"


def find(name: str, folder: Path | None = None, *, key: str = "data.profile") -> Profile:
    """Return the profile of this name or path; `key` says for an error where the name was given.

    It is looked for beside `folder` (a scenario's), then in data_profiles/ of the folder we are in and of those above
    it, then among the profiles that ship with rehearse.
    """
    if _DATABASE.search(name):  # never echoed: it may hold a password
        raise ScenarioMistake(
            f"{key}: this is a database and no profile; `rehearse profile URL --out FILE` makes a profile of it"
        )
    places = list(_places(name, folder or Path.cwd()))
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        known = sorted({path.stem for place in _folders() if place.is_dir() for path in place.glob("*.toml")})
        raise ScenarioMistake(f"{key} = {name!r}: there is no such profile{near_miss(name, known)}")
    return read(found)


def _places(name: str, folder: Path) -> Iterator[Path]:
    yield folder / name
    if not name.endswith(".toml"):
        yield folder / f"{name}.toml"
        yield from (place / f"{name}.toml" for place in _folders())


def _folders() -> Iterator[Path]:
    here = Path.cwd()
    yield from (place / "data_profiles" for place in (here, *here.parents))
    yield from (_SHIPPED, _BESIDE_SOURCE)


def read(path: Path) -> Profile:
    """Read a profile file; what is wrong with it is one ScenarioMistake, a line for each complaint."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioMistake(f"{path}: not valid TOML: {error}") from None
    except OSError as error:
        raise ScenarioMistake(f"{path}: cannot be read: {error.strerror}") from None
    return parse(values, where=str(path), file=path)


def parse(values: Mapping[str, Any], *, where: str = "profile", file: Path | None = None) -> Profile:
    """Return the Profile that plain values describe."""
    complaints = list(dict.fromkeys(_unknown_keys(values)))
    try:
        profile: Profile = _adapter().validate_python({**values, "file": file})
    except ValidationError as error:
        known = {"unexpected_keyword_argument", "union_tag_not_found", "union_tag_invalid"}
        complaints += [_complaint(one) for one in error.errors() if one["type"] not in known]
        profile = Profile(name="")
    if complaints:
        raise ScenarioMistake("\n".join(f"{where}: {one}" for one in dict.fromkeys(complaints)))
    return profile


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a profile file."""
    described = _adapter().json_schema(ref_template="#/$defs/{model}")
    for part in (described, *described.get("$defs", {}).values()):
        if "properties" in part:
            part["additionalProperties"] = False
    described["properties"].pop("file")
    described["properties"]["$schema"] = {"type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "a data profile of rehearse",
    } | described


def _unknown_keys(values: Mapping[str, Any]) -> Iterator[str]:
    yield from _strangers(values, [name for name in _names(Profile) if name != "file"] + ["$schema"], "")
    if isinstance(values.get("source"), Mapping):
        yield from _strangers(values["source"], _names(Source), "source.")
    for at, query in enumerate(values.get("queries") or ()):
        if isinstance(query, Mapping):
            yield from _strangers(query, _names(QueryMix), f"queries[{at}].")
    for name, table in _tables(values.get("tables")):
        here = f"tables.{name}."
        yield from _strangers(table, _names(Table), here)
        for key, kind in (("access", Access), ("joint", Joint), ("facts", Facts)):
            if isinstance(table.get(key), Mapping):
                yield from _strangers(table[key], _names(kind), f"{here}{key}.")
        for column, nulls in _tables(table.get("nulls")):
            yield from _strangers(nulls, _names(NullBy), f"{here}nulls.{column}.")
        for column, shape in _tables(table.get("columns")):
            yield from _shape_keys(shape, f"{here}columns.{column}")


def _shape_keys(shape: Mapping[str, Any], here: str) -> Iterator[str]:
    kind = shape.get("kind")
    if kind not in SHAPES:
        words = near_miss(str(kind), SHAPES) if kind is not None else f"; one of {', '.join(sorted(SHAPES))}"
        yield f"{here}.kind = {kind!r}{words}" if kind is not None else f"{here}.kind: this key is needed{words}"
        return
    yield from _strangers(shape, _names(SHAPES[str(kind)]), f"{here}.")
    for key in _INNER.get(str(kind), ()):
        if isinstance(shape.get(key), Mapping):
            yield from _shape_keys(shape[key], f"{here}.{key}")
    key = {"json": "keys", "given": "cases"}.get(str(kind), "")
    for name, inner in _tables(shape.get(key)):
        yield from _shape_keys(inner, f"{here}.{key}.{name}")


def _strangers(values: Mapping[str, Any], known: list[str], here: str) -> Iterator[str]:
    return (f"{here}{key}: there is no such key{near_miss(key, known)}" for key in values if key not in known)


def _tables(values: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(values, Mapping):
        yield from ((name, value) for name, value in values.items() if isinstance(value, Mapping))


def _names(kind: type) -> list[str]:
    return [one.name for one in fields(kind)]


def _complaint(error: ErrorDetails) -> str:
    place = [str(step) for step in error["loc"]]
    branches = {"list", "dict", "datetime", "date", *SHAPES}
    key = ".".join(step for at, step in enumerate(place) if not ((at >= 4 and step in branches) or "[" in step))
    if error["type"] == "missing":
        return f"{key}: this key is needed"
    if error["type"] == "literal_error":
        words = [word.strip("' ") for word in error["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"{key} = {error['input']!r}{near_miss(str(error['input']), words)}"
    return f"{key} = {error['input']!r}: {error['msg'].removeprefix('Value error, ')}"


@cache
def _adapter() -> TypeAdapter[Profile]:
    return TypeAdapter(Profile)
