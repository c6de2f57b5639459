"""document(recording, verdict) -> Report: what report.json says, and where all renderers take their numbers from."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rehearse.events import DataCompared, PhaseRan, Remarked, StageRan, TableLoaded
from rehearse.hazards.recorded import Recorded, recorded
from rehearse.measures._remembered import remembered
from rehearse.measures.compatibility import CompatibleCall, compatibility
from rehearse.model import Budget, EngineChoice, Recording, Scenario, Verdict
from rehearse.reading import strategies
from rehearse.recording.folder import without_password
from rehearse.reports import _integrity, _phases, _verdict
from rehearse.reports._shape import (
    Allowed,
    CompatibilityCell,
    CompatibilitySeen,
    HazardSeen,
    Loaded,
    LoadedTable,
    Machine,
    RemarkSeen,
    Report,
    ScenarioAsked,
)
from rehearse.reports._shape_phases import Stage
from rehearse.units import NS_PER_MS, NS_PER_S


@remembered
def document(recording: Recording, verdict: Verdict) -> Report:
    """Return the report's numbers and words, in the order of the reader's questions."""
    phases = _phases.phases(recording)
    findings = _verdict.findings(recording, verdict)
    integrity = _integrity.integrity(recording)
    rollback = _integrity.rollback(recording)
    return Report(
        format=1,
        scenario=_scenario(recording),
        environment=_machine(recording),
        data=_data(recording),
        stages=[Stage(name=one.name, duration_s=_seconds(one)) for one in recording.history.of(StageRan)],
        phases=phases,
        integrity=integrity,
        failure=_integrity.failure(recording),
        rollback=rollback,
        compatibility=[_compatible(one) for one in compatibility(recording)],
        findings=findings,
        hazards=[_hazard(one) for one in recorded(recording)],
        verdict=_verdict.verdict(recording, verdict, findings, phases),
        remarks=[
            RemarkSeen(source=one.source, says=one.says, weakens=one.weakens) for one in recording.history.of(Remarked)
        ],
        not_measured=_verdict.not_measured(recording, verdict, phases, integrity, rollback),
    )


def _compatible(one: CompatibleCall) -> CompatibilitySeen:
    cells = [
        CompatibilityCell(**{field.name: getattr(cell, field.name) for field in fields(cell)}) for cell in one.cells
    ]
    return CompatibilitySeen(call=one.call, version=one.version, cells=cells)


def _hazard(one: Recorded) -> HazardSeen:
    file, _, line = (one.ran.file or "").rpartition(":")
    return HazardSeen(
        code=one.hazard.rule.code,
        name=one.hazard.rule.name,
        severity=one.hazard.severity,
        phase=one.phase,
        statement=one.ran.n,
        file=file or one.ran.file,
        line=int(line) if line.isdigit() else None,
        says=one.hazard.says,
        remedy=one.hazard.rule.remedy,
        rewrite=one.hazard.rewrite,
        proof=one.proof.status,
        measured=one.proof.says or None,
    )


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as plain values."""
    return asdict(report)


def rerun(scenario: Scenario) -> str:
    """Return the command line that rehearses this again, with the same rows and the same traffic."""
    words = ["rehearse", "run", path(scenario) or f"{scenario.name}.toml", "--seed", str(scenario.seed)]
    if scenario.data.profile:
        words += ["--scale", f"{scenario.data.scale:g}"]
    engine = scenario.engine
    if not engine.image and (engine.version or engine.name != EngineChoice().name):  # --engine drops the file's image
        words += ["--engine", ":".join(one for one in (engine.name, engine.version) if one)]
    if len(scenario.strategies) == 1:
        words += ["--strategy", strategies.named(scenario)]
    if scenario.engine.via != "embedded":
        words += ["--via", without_password(scenario.engine.url or scenario.engine.via)]
    return shlex.join(words)


def path(scenario: Scenario) -> str | None:
    """Return the path of the scenario's file, relative where it lies below the working folder."""
    if scenario.file is None:
        return None
    file = scenario.file.absolute()
    here = Path.cwd()
    return (file.relative_to(here) if file.is_relative_to(here) else file).as_posix()


def _scenario(recording: Recording) -> ScenarioAsked:
    scenario = recording.scenario
    return ScenarioAsked(
        name=scenario.name,
        file=path(scenario),
        why=scenario.why,
        engine=scenario.engine.name,
        engine_version=recording.environment.engine_version,
        via=scenario.engine.via,
        tool=scenario.migration.tool,
        profile=scenario.data.profile,
        scale=scenario.data.scale,
        seed=scenario.seed,
        sessions=scenario.workload.sessions,
        rate_per_s=scenario.workload.rate,
        budget=allowed(scenario.budget),
        rerun=rerun(scenario),
    )


def allowed(budget: Budget) -> Allowed:
    """Return a budget in the units of the report."""
    return Allowed(
        blocked_ms=None if budget.blocked is None else budget.blocked / NS_PER_MS,
        duration_s=None if budget.duration is None else budget.duration / NS_PER_S,
        slowdown=budget.slowdown,
        lost_writes=budget.lost_writes,
        errors=budget.errors,
        missed=budget.missed,
        fidelity=budget.fidelity,
    )


def _machine(recording: Recording) -> Machine:
    seen = recording.environment
    return Machine(
        cpu=seen.cpu,
        cores=seen.cores,
        memory_bytes=seen.memory_bytes,
        system=seen.system,
        python=seen.python,
        rehearse=seen.rehearse,
        load_average=seen.load_average,
        settings=dict(seen.settings),
        notes=list(seen.notes),
        began=seen.began,
        commit=seen.commit,
    )


def _data(recording: Recording) -> Loaded:
    history = recording.history
    stages = history.of(StageRan)
    compared = history.of(DataCompared)
    last = compared[-1] if compared else None
    return Loaded(
        tables={one.table: LoadedTable(rows=one.rows, bytes=one.size_bytes) for one in history.of(TableLoaded)},
        generate_s=_stage_s(stages, "generate"),
        load_s=_stage_s(stages, "load"),
        similarity=last.overall if last else None,
        least_similar=last.worst if last else None,
        least_similarity=last.worst_score if last else None,
    )


def _stage_s(stages: Sequence[StageRan], name: str) -> float | None:
    found = [_seconds(one) for one in stages if one.name == name]
    return sum(found) if found else None


def _seconds(stretch: StageRan | PhaseRan) -> float:
    return (stretch.ended_ns - stretch.at_ns) / NS_PER_S
