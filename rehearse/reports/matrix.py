"""matrix.html, .md and .json: several runs in one table; each of them has a report of its own, which it leads to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from rehearse.errors import Mistake
from rehearse.model import EngineChoice, Recording, Scenario, Verdict
from rehearse.reports._document import document
from rehearse.reports._shape import Report
from rehearse.reports._shape_phases import Phase
from rehearse.reports._told import told

NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A scenario on an engine. Figures are the worst of forward, back and again; null: not measured, or not run."""

    scenario: Annotated[str, told("the scenario's name")]
    why: Annotated[str, told("why it is rehearsed, in the scenario's words")]
    engine: Annotated[str, told("the kind of database")]
    version: Annotated[str | None, told("the version that ran, or that was asked for; null: any, and none ran")]
    via: Annotated[str | None, told("how the server was had; null: it was not run")]
    status: Annotated[Literal["passed", "unknown", "failed", "not run"], told("the verdict, or that there is none")]
    says: Annotated[str, told("the verdict in one sentence, or the reason why it was not run")]
    exit: Annotated[int, told("the exit code that this run alone would have had")]
    failed: Annotated[list[str], told("codes of the checks that failed")]
    unknown: Annotated[list[str], told("codes of the checks that could not tell")]
    reads_ms: Annotated[float | None, told("longest time that one table was closed to reads")]
    writes_ms: Annotated[float | None, told("longest time that one table was closed to writes")]
    forward_s: Annotated[float | None, told("how long forward took")]
    back_s: Annotated[float | None, told("how long back took")]
    p99_ms: Annotated[float | None, told("p99 of the calls while migrating")]
    slowdown: Annotated[float | None, told("that over the p99 of the run's own baseline")]
    fidelity: Annotated[float | None, told("share that the way back restored, 0 to 1")]
    errors: Annotated[int | None, told("calls that failed, or whose outcome is not known")]
    folder: Annotated[Path | None, told("the folder of its reports, from the matrix's; null: it was not run")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All runs of one command."""

    format: Annotated[Literal[1], told("the number of this shape")]
    runs: Annotated[list[Run], told("in the order in which they were asked for")]


def ran(recording: Recording, verdict: Verdict, folder: Path, *, code: int) -> Run:
    """Return the row of a run that came to a verdict."""
    report = document(recording, verdict)
    acted = [one for one in report.phases if one.acted_s is not None]
    took = {one.name: one.duration_s for one in acted}
    return Run(
        **_named(recording.scenario),
        version=report.scenario.engine_version,
        via=report.scenario.via,
        status=report.verdict.status,
        says=report.verdict.says.replace(" below.", "."),  # the findings are in the run's own report
        exit=code,
        failed=_codes(report, "failed"),
        unknown=_codes(report, "unknown"),
        reads_ms=_worst(acted, lambda phase: _closed_ms(phase, "reads")),
        writes_ms=_worst(acted, lambda phase: _closed_ms(phase, "writes")),
        forward_s=took.get("forward"),
        back_s=took.get("back"),
        p99_ms=_worst(acted, lambda phase: phase.traffic.latency_ms.p99 if phase.traffic else None),
        slowdown=_worst(acted, lambda phase: phase.traffic.slowdown.p99 if phase.traffic else None),
        fidelity=report.rollback.fidelity,
        errors=_errors(acted),
        folder=folder,
    )


def not_run(scenario: Scenario, reason: str, *, code: int) -> Run:
    """Return the row of a run that there could not be."""
    nothing: dict[str, Any] = dict.fromkeys(one.name for one in fields(Run))
    known: dict[str, Any] = {"version": scenario.engine.version, "failed": [], "unknown": [], "says": reason}
    return Run(**(nothing | _named(scenario) | known | {"status": NOT_RUN, "exit": code}))


def label(choice: EngineChoice) -> str:
    """Return "mariadb-10.11", a folder's name for an engine that was asked for."""
    return f"{choice.name}-{choice.version}" if choice.version else choice.name


def as_json(runs: Iterable[Run], folder: Path) -> list[dict[str, Any]]:
    """Return the rows as plain values, paths relative to a folder."""
    return [
        {one.name: getattr(run, one.name) for one in fields(Run)} | {"folder": relative(run, folder)} for run in runs
    ]


def relative(run: Run, folder: Path) -> str | None:
    """Return the path of a run's folder from another."""
    return None if run.folder is None else Path(os.path.relpath(run.folder, folder)).as_posix()


def home(runs: Iterable[Run]) -> Path | None:
    """Return the nearest folder that all runs' reports are in; None: nothing ran."""
    above = [run.folder.parent.absolute() for run in runs if run.folder is not None]
    return Path(os.path.commonpath(above)) if above else None


def write(runs: Sequence[Run], folder: Path) -> Path:
    """Write the matrix in every form and return the path of its page."""
    from rehearse.reports._matrix_forms import markdown, page  # noqa: PLC0415  Jinja2 is slow to load

    forms = {
        "html": page(runs, folder),
        "md": markdown(runs, folder),
        "json": json.dumps({"format": 1, "runs": as_json(runs, folder)}, ensure_ascii=False, indent=2) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for form, text in forms.items():
            (folder / f"matrix.{form}").write_text(text, encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{folder}: the matrix cannot be written: {error.strerror}") from error
    return folder / "matrix.html"


def _named(scenario: Scenario) -> dict[str, Any]:
    return {"scenario": scenario.name, "why": scenario.why, "engine": scenario.engine.name}


def _codes(report: Report, status: str) -> list[str]:
    return [one.code for one in report.verdict.checks if one.status == status]


def _worst(phases: Sequence[Phase], figure: Callable[[Phase], float | None]) -> float | None:
    """Return the largest figure; None where one was not measured, since it may be larger."""
    figures = [figure(one) for one in phases]
    known = [one for one in figures if one is not None]
    return max(known) if known and len(known) == len(figures) else None


def _closed_ms(phase: Phase, to: str) -> float | None:
    if phase.outages is None:
        return None
    return max((one.longest_ms for one in phase.outages if one.stops == to), default=0.0)


def _errors(phases: Sequence[Phase]) -> int | None:
    counts = [one.traffic.failed + one.traffic.unknown for one in phases if one.traffic is not None]
    return sum(counts) if counts and len(counts) == len(phases) else None
