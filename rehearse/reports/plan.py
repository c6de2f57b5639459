"""plan.md: a short runbook for the night of the release, with the durations that were measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from rehearse.model import Recording, Verdict
from rehearse.reports import _words
from rehearse.reports._document import document
from rehearse.reports._escape import fenced
from rehearse.reports._escape import markdown as escaped
from rehearse.reports._shape import Report
from rehearse.reports._shape_fidelity import DataLoss, Rollback
from rehearse.reports._shape_phases import Lock, Phase, Statement

_STEPS = 60
_SQL = 1_500
_STOP = 2.0  # a step that takes so many times what it took in the rehearsal is not the step that was rehearsed


class PlanRenderer:
    """Writes the steps, when to stop, and how to go back."""

    suffix: ClassVar[str] = ".plan.md"

    def __call__(self, recording: Recording, verdict: Verdict, /) -> str:
        """Return the text."""
        report = document(recording, verdict)
        return "\n".join(_paragraphs(report)) + "\n"


def _paragraphs(report: Report) -> Iterator[str]:
    scenario = report.scenario
    phases = {phase.name: phase for phase in report.phases}
    yield f"# Runbook: {escaped(scenario.name)}\n"
    if scenario.why:
        yield f"{escaped(scenario.why)}\n"
    yield f"Rehearsed: **{escaped(_words.headline(report))}**\n"
    if report.verdict.status != "passed":
        yield "**Do not run this as it is.** The figures below are those of a rehearsal that did not pass.\n"
    yield _measured_on(report)
    yield from _before(report)
    yield from _steps("Forward", phases.get("forward"))
    yield from _stop(report, phases.get("forward"))
    yield from _steps("How to go back", phases.get("back"))
    yield from _way_back(report, phases.get("back"))


def _measured_on(report: Report) -> str:
    scenario = report.scenario
    rows = sum(table.rows for table in report.data.tables.values())
    return (
        f"Measured on {escaped(scenario.engine)} {escaped(scenario.engine_version)} with {rows:,} rows "
        f"at {scenario.rate_per_s:g} calls/s. Production's size and load change the durations: "
        "rehearse at two or three sizes (--scale) to see how they grow.\n"
    )


def _before(report: Report) -> Iterator[str]:
    yield "## Before\n"
    yield "- [ ] A backup is there and was restored once."
    yield "- [ ] No long transaction is open: whatever holds a lock delays the first step, and all queue behind it."
    yield "- [ ] Someone watches errors and latency of the application."
    for gap in report.not_measured[:10]:
        yield f"- [ ] Not known from the rehearsal: {escaped(gap.what)} ({escaped(_words.short(gap.reason, 200))})."
    yield ""


def _steps(title: str, phase: Phase | None) -> Iterator[str]:
    yield f"## {title}\n"
    if phase is None:
        yield "Not rehearsed: nothing is known of it.\n"
        return
    yield f"In all {_words.seconds(phase.duration_s)}; longest outage: {escaped(_words.closed(phase))}.\n"
    if phase.error:
        yield f"**It failed in the rehearsal:** {escaped(_words.short(phase.error, 500))}\n"
    for statement in phase.statements[:_STEPS]:
        yield _step(statement, phase)
    rest = len(phase.statements) - _STEPS + phase.statements_left_out
    if rest > 0:
        yield f"… and {_words.plural(rest, 'more statement')}.\n"


def _step(one: Statement, phase: Phase) -> str:
    sql = one.sql if len(one.sql) <= _SQL else f"{one.sql[:_SQL]} …"
    place = f" ({escaped(one.file)})" if one.file else ""
    locks = "".join(f"\n{text}" for text in _closes(one, phase))
    return f"### Step {one.n}: {_words.seconds(one.duration_s)}{place}\n\n{fenced(sql, 'sql')}\n{locks}\n"


def _closes(one: Statement, phase: Phase) -> Iterator[str]:
    for lock in _closing(one.locks):
        held = _words.doubted(lock.held_ms, lock.doubt_ms)
        yield (
            f"- closes {escaped(lock.table)} to {_words.enough(lock.stops)} for {held}{_until(lock, one, phase)} "
            f"({escaped(lock.mode)}; it waited {_words.ms(lock.waited_ms)} for the lock)"
        )


def _closing(locks: Iterable[Lock]) -> list[Lock]:
    """Return the locks that close a table, those left out that another one of the same step covers."""
    found: list[Lock] = []
    for lock in sorted(locks, key=lambda one: (one.index is not None, -len(one.stops), -(one.held_ms or 0))):
        if lock.stops and not any(_covers(one, lock) for one in found):
            found.append(lock)
    return found


def _covers(one: Lock, other: Lock) -> bool:
    longer = (one.held_ms or 0) + one.doubt_ms + other.doubt_ms >= (other.held_ms or 0)
    return one.table == other.table and set(one.stops) >= set(other.stops) and longer


def _until(lock: Lock, one: Statement, phase: Phase) -> str:
    """Say that a lock outlives its step: it lasts until the transaction ends, with which step."""
    if one.transaction is None or lock.held_ms is None or lock.held_ms - lock.doubt_ms <= one.duration_s * 1_000:
        return ""
    last = max(other.n for other in phase.statements if other.transaction == one.transaction)
    return f", until the transaction ends with step {last}" if last > one.n else ", until the transaction ends"


def _stop(report: Report, phase: Phase | None) -> Iterator[str]:
    yield "## When to stop\n"
    budget = report.scenario.budget
    if budget.blocked_ms is not None:
        yield f"- A table is closed for longer than {_words.ms(budget.blocked_ms)} (the budget): cancel the statement."
    if phase is not None and not phase.error:
        most = _words.seconds(phase.duration_s * _STOP)
        yield f"- The way forward takes longer than {most}, {_STOP:g} times what was measured."
        for one in sorted(phase.statements, key=lambda one: -one.duration_s)[:3]:
            if one.duration_s >= 1:
                yield f"- Step {one.n} takes longer than {_words.seconds(one.duration_s * _STOP)}."
    if budget.slowdown is not None:
        yield f"- p99 of the application stays above {_words.ratio(budget.slowdown)} what it was before."
    yield "- Any error of the application that was not there before.\n"


def _way_back(report: Report, phase: Phase | None) -> Iterator[str]:
    rollback = report.rollback
    if phase is None or rollback.schema is None:
        yield "What the way back restores was not measured: without it the backup is the way back.\n"
        yield from _taken(rollback)
        return
    if not rollback.schema and not rollback.data:
        yield "It restored schema and data wholly, the application's writes since the start kept.\n"
        yield from (f"- stays filled: {escaped(one)}" for one in rollback.accepted)
        return
    yield f"**It does not restore all** (fidelity {escaped(_words.share(rollback.fidelity))}):\n"
    for one in rollback.data or []:
        yield f"- {escaped(one.table if one.column is None else f'{one.table}.{one.column}')}: {_loss(one)}"
    for difference in rollback.schema[:30]:
        after = _words.shown(difference.after, "gone")
        yield f"- {escaped(difference.object)}: {escaped(difference.property)} is {escaped(_words.short(after, 200))}"
    yield from _taken(rollback)
    yield ""


def _taken(rollback: Rollback) -> Iterator[str]:
    for one in (rollback.irreversible or [])[:30]:
        yield f"- {escaped(one.what)}: taken by {escaped(_words.short(one.by, 300))}"


def _loss(one: DataLoss) -> str:
    if one.column is None:
        return f"{_words.count(one.rows_lost)} rows are lost, {_words.count(one.rows_left_over)} are left over"
    return f"{_words.count(one.values_changed)} values did not come back, {_words.count(one.values_lost)} of them lost"


RENDERER = PlanRenderer()
