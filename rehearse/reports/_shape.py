"""The shape of report.json, every key described; the other renderers take their numbers from it.

None is written as null and means "not measured". Times in seconds count from the beginning of the first phase
(`Phase.started_s`) or of their own phase (all others).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from rehearse.reports._shape_fidelity import Failure, Integrity, Rollback
from rehearse.reports._shape_phases import Phase, Stage
from rehearse.reports._told import told


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the application can bear; null: not asked."""

    blocked_ms: Annotated[float | None, told("longest stretch in which one table may be closed to reads or to writes")]
    duration_s: Annotated[float | None, told("longest time of the migration, each way")]
    slowdown: Annotated[float | None, told("p99 while migrating over p99 of the baseline")]
    lost_writes: Annotated[int | None, told("acknowledged writes that may be missing")]
    errors: Annotated[int | None, told("calls that may fail beyond the baseline's share")]
    missed: Annotated[int | None, told("calls that may find no free session in time")]
    fidelity: Annotated[float | None, told("least share of schema, data, answers and again to be restored, 0 to 1")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioAsked:
    """What was rehearsed."""

    name: Annotated[str, told("the scenario's name")]
    file: Annotated[str | None, told("the scenario's file")]
    why: Annotated[str, told("why it is rehearsed, in the scenario's words")]
    engine: Annotated[str, told("the kind of database")]
    engine_version: Annotated[str, told("the version that ran")]
    via: Annotated[str, told("how the server was had: embedded, binary, docker or url")]
    tool: Annotated[str, told("the migration tool")]
    profile: Annotated[str | None, told("the profile that the rows were generated from")]
    scale: Annotated[float, told("share of the profile's row counts")]
    seed: Annotated[int, told("the seed of rows and traffic")]
    sessions: Annotated[int, told("sessions of the application")]
    rate_per_s: Annotated[float, told("calls asked for a second")]
    budget: Annotated[Allowed, told("what the application can bear")]
    rerun: Annotated[str, told("the command line that rehearses this again")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where it ran."""

    cpu: Annotated[str, told("the processor's name")]
    cores: Annotated[int, told("cores that could be used")]
    memory_bytes: Annotated[int, told("memory of the machine")]
    system: Annotated[str, told("the operating system")]
    python: Annotated[str, told("the version of Python")]
    rehearse: Annotated[str, told("the version of rehearse")]
    load_average: Annotated[float | None, told("runnable processes in the minute before the start")]
    settings: Annotated[Mapping[str, str], told("settings of the server that differ from its defaults")]
    notes: Annotated[list[str], told("remarks on how the run was set up")]
    began: Annotated[str | None, told("when it began, in UTC as ISO 8601; null: not recorded")]
    commit: Annotated[
        str | None, told("the commit of the scenario's folder, with a + where files had changed; null: no git there")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTable:
    """A table before the first phase."""

    rows: Annotated[int, told("rows")]
    bytes: Annotated[int, told("size with indexes and TOAST")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The data that the migration met."""

    tables: Annotated[Mapping[str, LoadedTable], told("by the table's name")]
    generate_s: Annotated[float | None, told("time to make the rows")]
    load_s: Annotated[float | None, told("time to load them")]
    similarity: Annotated[float | None, told("how near the rows come to their profile, 0 to 1")]
    least_similar: Annotated[str | None, told("the table.column that comes least near")]
    least_similarity: Annotated[float | None, told("how near that one comes, 0 to 1")]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingSeen:
    """A place where a check's answer is no."""

    code: Annotated[str, told("the check's code")]
    rule: Annotated[str, told("the check's name")]
    phase: Annotated[str | None, told("the phase")]
    where: Annotated[str, told("the table, call or object")]
    says: Annotated[str, told("what was found, with figures")]
    harm: Annotated[str, told("what it would do in production")]
    remedy: Annotated[str, told("what to do about it")]
    measured: Annotated[float | None, told("the figure, in the unit of the text")]
    allowed: Annotated[float | None, told("what the budget allows")]
    statement: Annotated[int | None, told("the statement that it is about, where there is one")]
    file: Annotated[str | None, told("where that statement stands, as file:line")]


@dataclass(frozen=True, slots=True, kw_only=True)
class HazardSeen:
    """A hazard that the text of the migration's SQL tells, and what the rehearsal made of it."""

    code: Annotated[str, told("the rule's code; `rehearse explain CODE` says more")]
    name: Annotated[str, told("the rule's name")]
    severity: Annotated[
        Literal["outage", "fails", "breaks old code", "loses data", "note", "unseen"],
        told("what it would be in production; unseen: the text does not tell what the statement does"),
    ]
    phase: Annotated[Literal["forward", "back"], told("the way that it is on")]
    statement: Annotated[int, told("the number of the statement in its phase")]
    file: Annotated[str | None, told("the file that the statement stands in")]
    line: Annotated[int | None, told("the line that it begins on")]
    says: Annotated[str, told("what the text tells")]
    remedy: Annotated[str, told("what to do about it")]
    rewrite: Annotated[str | None, told("safer SQL, where it is certain")]
    proof: Annotated[
        Literal["static", "measured", "refuted"],
        told("static: the text alone tells; measured: the rehearsal has shown it; refuted: it has shown otherwise"),
    ]
    measured: Annotated[str | None, told("what the rehearsal has shown, in words")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSeen:
    """A check and its answer."""

    code: Annotated[str, told("its code; `rehearse explain CODE` says more")]
    name: Annotated[str, told("its name")]
    asks: Annotated[str, told("its question")]
    status: Annotated[Literal["passed", "unknown", "failed"], told("its answer")]
    findings: Annotated[int, told("how many places it found")]
    reason: Annotated[str | None, told("why it could not tell, wholly or in part")]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictSeen:
    """All answers; the worst wins."""

    status: Annotated[Literal["passed", "unknown", "failed"], told("the worst answer")]
    says: Annotated[str, told("the verdict in one sentence")]
    checks: Annotated[list[CheckSeen], told("every check that was asked")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemarkSeen:
    """Something a reader must know."""

    source: Annotated[str, told("who says it")]
    says: Annotated[str, told("in words")]
    weakens: Annotated[bool, told("true: what was measured cannot be fully believed")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasuredSeen:
    """Something that was not measured; it is neither 0 nor passed."""

    what: Annotated[str, told("the figure or the check")]
    reason: Annotated[str, told("why")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatibilityCell:
    """A call on one state of the schema."""

    state: Annotated[str, told("start, forward or back: which migration the schema has behind it")]
    outcome: Annotated[Literal["ok", "error", "other columns"], told("whether it works, and returns what it should")]
    live: Annotated[bool, told("whether its version of the application is sent while the schema is so")]
    code: Annotated[str | None, told("the error's code")]
    message: Annotated[str | None, told("the error's words")]
    columns: Annotated[str | None, told("the columns that were returned, with their types")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatibilitySeen:
    """A kind of call on the states of the schema."""

    call: Annotated[str, told("the call")]
    version: Annotated[str | None, told("the version of the application that sends it; null: both")]
    cells: Annotated[list[CompatibilityCell], told("in the order in which they were tried")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A rehearsal's report."""

    format: Annotated[Literal[1], told("the number of this shape")]
    scenario: Annotated[ScenarioAsked, told("what was rehearsed")]
    environment: Annotated[Machine, told("where it ran")]
    data: Annotated[Loaded, told("the data that the migration met")]
    stages: Annotated[list[Stage], told("what else took time")]
    phases: Annotated[list[Phase], told("in order: baseline, forward, back, again")]
    integrity: Annotated[Integrity, told("whether every write survived")]
    failure: Annotated[Failure | None, told("what a failed way forward left; null: it did not fail, or left nothing")]
    rollback: Annotated[Rollback, told("whether back leads back")]
    compatibility: Annotated[list[CompatibilitySeen], told("each call, tried in quiet on each state of the schema")]
    findings: Annotated[list[FindingSeen], told("every place where an answer is no, the gravest first")]
    hazards: Annotated[list[HazardSeen], told("hazards of the migration's SQL, beside what was measured of them")]
    verdict: Annotated[VerdictSeen, told("all answers")]
    remarks: Annotated[list[RemarkSeen], told("what a reader must know besides")]
    not_measured: Annotated[list[NotMeasuredSeen], told("what is not known, and why")]
