"""What is wrong with the keys of a scenario file, in words that name the key and a near miss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any, get_args

from pydantic_core import ErrorDetails

from rehearse.errors import near_miss
from rehearse.model import Scenario
from rehearse.reading import dialects


def unknown_keys(values: Any, kind: Any, path: str, engines: frozenset[str]) -> Iterable[str]:
    """Yield a complaint for each key that there is not; `engines` may have a table of their own in it."""
    if not isinstance(values, Mapping):
        return
    hints = dialects.keys_of(kind)
    known = [name for name in hints if name != "file"]
    for key, value in values.items():
        here = f"{path}{key}"
        if key in engines and dialects.is_section(key, value, kind):
            yield from unknown_keys(value, kind, f"{here}.", frozenset())
        elif key not in known and key != "$schema":
            words = {*known, *engines} if isinstance(value, Mapping) and kind is not Scenario else known
            yield f"{here}: there is no such key{near_miss(key, words)}"
        part = hints.get(key)
        inner = part if is_dataclass(part) else next((one for one in get_args(part) if is_dataclass(one)), None)
        if inner is not None and not isinstance(value, list):
            yield from unknown_keys(value, inner, f"{here}.", engines)
        for number, one in enumerate(value if inner is not None and isinstance(value, list) else ()):
            yield from unknown_keys(one, inner, f"{here}[{number}].", engines)


def complaint(error: ErrorDetails, values: Mapping[str, Any], engine: str, *, path: str = "") -> str:
    """Return in words what pydantic found wrong with the value of a key; `path` is where the values stand."""
    found = [step for step in error["loc"] if isinstance(step, int) or not _is_branch(str(step))]
    steps = dialects.place(found, values, engine)
    key = path + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    if error["type"] == "missing":
        return f"{key}: this key is needed"
    if error["type"] == "literal_error":
        words = [word.strip("' ") for word in error["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"{key} = {error['input']!r}{near_miss(str(error['input']), words)}"
    key = key.replace("integrity.asserts", "integrity.assert")
    return f"{key} = {error['input']!r}: {error['msg'].removeprefix('Value error, ')}"


def _is_branch(step: str) -> bool:
    """Say whether a step of an error's place names a branch of a union and not a key."""
    return step in ("str", "int", "float", "bool") or "[" in step
