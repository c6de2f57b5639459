"""Which calls work on which state of the schema, and which of them are live there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rehearse.events import CallTried
from rehearse.model import Recording
from rehearse.workload.rollout import states

STATES = ("start", "forward", "back")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A call on one state of the schema.

    `outcome`: "ok", "error", or "other columns" where it works and returns others than at home, on the schema that its
    version was written for. `live`: the version is sent while the schema is so.
    """

    state: str
    outcome: Literal["ok", "error", "other columns"]
    live: bool
    code: str | None = None
    message: str | None = None
    columns: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatibleCall:
    """A kind of call on every state of the schema on which it was tried."""

    call: str
    version: str | None
    cells: tuple[Cell, ...]


def compatibility(recording: Recording) -> tuple[CompatibleCall, ...]:
    """Return what was tried, call by call in the scenario's order; empty where nothing was."""
    tried = recording.history.of(CallTried)
    versions = {one.name: one.version for one in recording.calls}
    names = dict.fromkeys(one.call for one in tried)
    return tuple(
        CompatibleCall(
            call=name,
            version=versions.get(name),
            cells=tuple(_cells(recording, versions.get(name), [one for one in tried if one.call == name])),
        )
        for name in names
    )


def _cells(recording: Recording, version: str | None, tried: Sequence[CallTried]) -> list[Cell]:
    home = next((one.columns for one in tried if one.state == ("forward" if version == "new" else "start")), None)
    live = states(recording.scenario.workload.deploy, version)
    return [
        Cell(
            state=one.state,
            outcome="error" if one.code else "ok" if one.columns == home else "other columns",
            live=one.state in live,
            code=one.code,
            message=one.message,
            columns=one.columns,
        )
        for one in tried
    ]
