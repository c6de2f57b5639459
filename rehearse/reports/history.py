"""Runs of a scenario over time, read from their report.json: figures by commit, and what is worse beyond the noise.

Only runs of one environment are compared: the machine, the server with its settings, the rows with their seed, the
traffic. What the migration does may differ, that is the question.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from rehearse.errors import Mistake
from rehearse.measures.regression import band
from rehearse.reports import _words
from rehearse.reports._logged import logged
from rehearse.reports._told import told

Values = Mapping[str, Any]
_SAME_RATE = 1.2  # times: loads that are nearer to each other are one
_PARTS = {"scenario", "environment", "data", "phases", "integrity", "rollback", "verdict"}  # of a run's report


@dataclass(frozen=True, slots=True)
class Kind:
    """A figure that is followed: its value in a report, its words, and below what nothing is told apart."""

    title: str
    of: Callable[[Values], float | None]
    words: Callable[[float | None], str]
    grain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A figure of a run against those of the comparable runs before it."""

    figure: Annotated[str, told("the figure, as in `figures`")]
    value: Annotated[float, told("in this run")]
    before: Annotated[float, told("in the comparable run before it")]
    low: Annotated[float, told("lower end of where a further run lies in 99 of 100 cases")]
    high: Annotated[float, told("upper end of it")]
    runs: Annotated[int, told("comparable runs that the two ends are from")]
    own: Annotated[bool, told("whether their own scatter was used; false: too few, a usual scatter was taken")]
    verdict: Annotated[Literal["worse", "better"], told("what it is, beyond the noise")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run."""

    scenario: Annotated[str, told("the scenario's name")]
    folder: Annotated[str, told("the folder of its reports")]
    began: Annotated[str, told("when it began, in UTC as ISO 8601; of an old report when it was written")]
    commit: Annotated[str | None, told("the commit, with a + where files had changed; null: not recorded")]
    status: Annotated[Literal["passed", "unknown", "failed"], told("its verdict")]
    says: Annotated[str, told("its verdict in one sentence")]
    failed: Annotated[list[str], told("codes of the checks that failed")]
    figures: Annotated[Mapping[str, float | None], told("the figures that are followed; null: not measured")]
    environment: Annotated[Mapping[str, Any], told("what must be the same for runs to be compared")]
    differs: Annotated[list[str], told("what of that is not as in the newest run; empty: they are compared")]
    changes: Annotated[list[Change], told("figures beyond the noise of the comparable runs before it")]
    newly_failed: Annotated[
        list[str] | None, told("checks that the comparable run before it passed; null: there is none")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All runs of one command, by scenario, the oldest first."""

    format: Annotated[Literal[1], told("the number of this shape")]
    runs: Annotated[list[Entry], told("the runs")]


def read(root: Path, names: Sequence[str], *, last: int) -> list[Entry]:
    """Return the last runs of each scenario below a folder of reports, all scenarios where none is named.

    A folder without report.json is not a run that came to its end, and is left out.
    """
    if not root.is_dir():
        raise Mistake(f"{root}: there is no such folder; `rehearse run` makes it, or name another with --reports")
    known = sorted({one.parent.parent.name for one in root.glob("*/*/report.json")})
    missing = [one for one in names if one not in known]
    if missing:
        raise Mistake(f"{root}: no run of {missing[0]!r} is here; there are {', '.join(known) or 'none'}")
    return [entry for name in names or known for entry in _of_one(root / name, last)]


def is_worse(entries: Sequence[Entry]) -> bool:
    """Say whether the newest run of any scenario is worse than the comparable ones before it."""
    newest = {one.scenario: one for one in entries}
    return any(bool(one.newly_failed) or any(c.verdict == "worse" for c in one.changes) for one in newest.values())


def _of_one(folder: Path, last: int) -> list[Entry]:
    files = [one for one in folder.glob("*/report.json") if not one.parent.is_symlink()]
    runs = sorted((_began(report, file), file, report) for file in files if (report := _report(file)) is not None)
    if not runs:
        return []
    newest = _environment(runs[-1][2])
    found: list[Entry] = []
    for began, file, report in runs:
        environment = _environment(report)
        earlier = [one for one in found if not _differs(one.environment, environment)]
        differs = _differs(newest, environment)
        found.append(_entry(report, file.parent, began, environment=environment, differs=differs, earlier=earlier))
    return found[-last:]


def _report(file: Path) -> Values | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Mistake(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        return None  # a run that was cut off while it wrote
    return found if isinstance(found, dict) and found.get("format") == 1 and found.keys() >= _PARTS else None


def _entry(
    report: Values, folder: Path, began: str, *, environment: Values, differs: list[str], earlier: Sequence[Entry]
) -> Entry:
    figures = {name: one.of(report) for name, one in FIGURES.items()}
    failed = [one["code"] for one in report["verdict"]["checks"] if one["status"] == "failed"]
    return Entry(
        scenario=report["scenario"]["name"],
        folder=str(folder),
        began=began,
        commit=report["environment"].get("commit"),
        status=report["verdict"]["status"],
        says=report["verdict"]["says"],
        failed=failed,
        figures=figures,
        environment=environment,
        differs=differs,
        changes=list(_changes(figures, earlier)),
        newly_failed=[one for one in failed if one not in earlier[-1].failed] if earlier else None,
    )


def _changes(figures: Mapping[str, float | None], earlier: Sequence[Entry]) -> Iterator[Change]:
    for name, value in figures.items():
        before = [known for one in earlier if (known := one.figures[name]) is not None]
        allowed = band(before, FIGURES[name].grain)
        if value is None or allowed is None or allowed.low <= value <= allowed.high:
            continue
        yield Change(
            figure=name,
            value=value,
            before=before[-1],
            low=allowed.low,
            high=allowed.high,
            runs=allowed.runs,
            own=allowed.own,
            verdict="worse" if value > allowed.high else "better",
        )


def _began(report: Values, file: Path) -> str:
    found = report["environment"].get("began")
    return found or datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _environment(report: Values) -> dict[str, Any]:
    """Return what decides whether two runs may be compared, by the words for it."""
    asked, machine = report["scenario"], report["environment"]
    return {
        "engine": f"{asked['engine']} {asked['engine_version']} ({asked['via']})",
        "settings of the server": machine["settings"],
        "processor": f"{machine['cpu']}, {machine['cores']} cores",
        "memory": round(machine["memory_bytes"] / 2**30),
        "rows": {table: one["rows"] for table, one in report["data"]["tables"].items()},
        "calls a second": asked["rate_per_s"],
        "sessions": asked["sessions"],
        "tool": asked["tool"],
        "profile": asked["profile"],
        "seed": asked["seed"],
    }


def _differs(one: Values, other: Values) -> list[str]:
    return [key for key, value in one.items() if not _alike(key, value, other[key])]


def _alike(key: str, one: Any, other: Any) -> bool:
    """Say whether two values are one; a rate that is a share of the capacity is measured anew in each run."""
    if key == "calls a second" and min(one, other) > 0:
        return bool(max(one, other) <= _SAME_RATE * min(one, other))
    return bool(one == other)


def _phase(report: Values, name: str) -> Values | None:
    """Return a phase that ran to its end."""
    found = next((one for one in report["phases"] if one["name"] == name), None)
    return found if found is not None and not found["error"] else None


def _duration(name: str) -> Callable[[Values], float | None]:
    def duration(report: Values) -> float | None:
        phase = _phase(report, name)
        return None if phase is None else phase["duration_s"]

    return duration


def _closed(to: str) -> Callable[[Values], float | None]:
    def closed(report: Values) -> float | None:
        phase = _phase(report, "forward")
        if phase is None or phase["outages"] is None:
            return None
        return max((one["longest_ms"] for one in phase["outages"] if one["stops"] == to), default=0.0)

    return closed


def _p99(report: Values) -> float | None:
    phase = _phase(report, "forward")
    return phase["traffic"]["latency_ms"]["p99"] if phase is not None and phase["traffic"] else None


def _log(report: Values) -> float | None:
    phase = _phase(report, "forward")
    if phase is None:
        return None
    statements = [(one["wal_bytes"], one.get("binlog_bytes")) for one in phase["statements"]]
    return logged(statements, phase.get("statements_left_out", 0))


def _disk(report: Values) -> float | None:
    phase = _phase(report, "forward")
    load = None if phase is None else phase.get("load")
    return None if load is None else load["disk_extra_bytes"]


def _lost(report: Values) -> float | None:
    found: float | None = report["integrity"]["lost_writes"]
    return found


def _broken(report: Values) -> float | None:
    """Return the share that the way back did not restore: the less the better, as of all figures."""
    fidelity = report["rollback"]["fidelity"]
    return None if fidelity is None else 1.0 - fidelity


FIGURES: dict[str, Kind] = {
    "forward_s": Kind("forward", _duration("forward"), _words.seconds, 0.02),
    "back_s": Kind("back", _duration("back"), _words.seconds, 0.02),
    "reads_ms": Kind("closed to reads", _closed("reads"), _words.ms, 20.0),
    "writes_ms": Kind("closed to writes", _closed("writes"), _words.ms, 20.0),
    "p99_ms": Kind("p99", _p99, _words.ms, 2.0),
    "log_bytes": Kind("log", _log, _words.size, 1e6),
    "disk_bytes": Kind("extra disk", _disk, _words.size, 8e6),
    "lost_writes": Kind("lost writes", _lost, _words.count, 0.5),
    "not_restored": Kind("not restored", _broken, _words.share, 1e-4),
}
