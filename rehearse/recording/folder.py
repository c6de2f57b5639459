"""A recording as a folder: one JSON file for the nouns, one JSON-lines file a rare kind of fact, Parquet for the dense.

    recording.json      scenario, environment, snapshots, comparisons, calls, and the format's number
    events/<Kind>.jsonl or .parquet

A folder written by an older rehearse is read as long as its format's number is the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pandas
from pydantic import TypeAdapter, ValidationError

from rehearse.errors import Mistake
from rehearse.events import (
    KINDS,
    AssertionTried,
    CallBehaved,
    CallTried,
    CompanyKept,
    DataCompared,
    Event,
    InvariantTried,
    Progressed,
    RowsInTheWay,
    RuleInferred,
    SessionSeen,
)
from rehearse.model import CallShape, Comparison, Environment, Recording, Scenario, Snapshot
from rehearse.recording.journal import Facts, columns

FORMAT = 1
# Kinds that a folder of this format may lack.
_YOUNGER: frozenset[type[Event]] = frozenset(
    {
        DataCompared,
        CallTried,
        CallBehaved,
        CompanyKept,
        SessionSeen,
        Progressed,
        AssertionTried,
        RuleInferred,
        InvariantTried,
        RowsInTheWay,
    }
)
NAME = "recording.json"
_PASSWORD_WORD = re.compile(r"\b(ssl)?password\s*=\s*('(?:\\.|[^'\\])*'|(?:\\.|\S)*)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nouns:
    scenario: dict[str, Any]
    environment: Environment
    snapshots: dict[str, Snapshot]
    comparisons: list[Comparison]
    calls: list[CallShape]


def save(recording: Recording, folder: Path) -> None:
    """Write a recording into a folder, which is made; what it held of another recording is overwritten."""
    (folder / "events").mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        _save_kind(recording, kind, folder / "events")
    nouns = _Nouns(
        scenario=scenario_to_json(recording.scenario),
        environment=recording.environment,
        snapshots=dict(recording.snapshots),
        comparisons=list(recording.comparisons),
        calls=list(recording.calls),
    )
    text = json.dumps({"format": FORMAT, **_adapter(_Nouns).dump_python(nouns, mode="json")}, ensure_ascii=False)
    (folder / NAME).write_text(text, encoding="utf-8")


def load(folder: Path) -> Recording:
    """Read a recording, of a folder or of a file in it such as report.html; a folder that holds none is a Mistake."""
    folder = folder.parent if folder.is_file() else folder  # the path that `rehearse run` ends with
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise Mistake(f"{path}: written in another format than {FORMAT}; judge it with the rehearse that wrote it")
        nouns = _adapter(_Nouns).validate_python(content, strict=False)
        facts = _load_facts(folder / "events")
    except (FileNotFoundError, NotADirectoryError) as missing:
        raise Mistake(
            f"{folder} holds no recording ({missing.filename} is not there); name a report's folder"
        ) from None
    except (ValueError, KeyError, ValidationError) as broken:
        raise Mistake(f"{path} is not a whole recording: {str(broken).splitlines()[0]}") from broken
    return Recording(
        scenario=scenario_from_json(nouns.scenario),
        environment=nouns.environment,
        history=facts,
        snapshots=nouns.snapshots,
        comparisons=nouns.comparisons,
        calls=nouns.calls,
    )


def scenario_to_json(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario as plain values, amounts in their units; a URL loses its password."""
    values: dict[str, Any] = _adapter(Scenario).dump_python(scenario, mode="json")
    if values["engine"]["url"]:
        values["engine"]["url"] = without_password(values["engine"]["url"])
    return values


def scenario_from_json(values: dict[str, Any]) -> Scenario:
    """Return the scenario that `scenario_to_json` made values of."""
    scenario: Scenario = _adapter(Scenario).validate_python(values)
    return scenario


def without_password(url: str) -> str:
    """Return the URL with its password, also one given as a parameter, taken out."""
    if "://" not in url:  # libpq's other way to write it: "host=db user=me password=secret"
        return _PASSWORD_WORD.sub("", url).strip()
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = [(key, value) for key, value in parse_qsl(parts.query) if key.lower() not in ("password", "sslpassword")]
    return urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host, query=urlencode(query)))


def _save_kind(recording: Recording, kind: type[Event], folder: Path) -> None:
    if kind.dense:
        frame = recording.history.frame(kind)
        frame.to_parquet(folder / f"{kind.__name__}.parquet", compression="zstd", index=False)
        return
    lines = [_adapter(kind).dump_json(event).decode() for event in recording.history.of(kind)]
    (folder / f"{kind.__name__}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _load_facts(folder: Path) -> Facts:
    frames = {
        kind: pandas.read_parquet(folder / f"{kind.__name__}.parquet").reindex(columns=columns(kind))
        for kind in KINDS
        if kind.dense
    }
    return Facts({kind: _load_lines(kind, folder) for kind in KINDS if not kind.dense}, frames)


def _load_lines(kind: type[Event], folder: Path) -> Sequence[Event]:
    path = folder / f"{kind.__name__}.jsonl"
    if kind in _YOUNGER and not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    adapter = _adapter(kind)
    return [adapter.validate_json(line) for line in text.splitlines()]


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return _cached_adapter(kind)


@cache
def _cached_adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
