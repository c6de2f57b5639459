"""plan.md: the migration plan as a document, filled with what was measured; for the review, and for the night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import ClassVar

from rehearse.model import PropertyDifference, Recording, Verdict
from rehearse.reports import _words
from rehearse.reports._document import document
from rehearse.reports._escape import fenced
from rehearse.reports._escape import markdown as escaped
from rehearse.reports._logged import logged
from rehearse.reports._plan_steps import steps, transformations
from rehearse.reports._risk import risk
from rehearse.reports._shape import CheckSeen, CompatibilitySeen, Report
from rehearse.reports._shape_fidelity import DataLoss, Rollback
from rehearse.reports._shape_phases import Phase, Statement

_STOP = 2.0  # a step that takes so many times what it took in the rehearsal is not the step that was rehearsed
_OBJECTS = 60
_SQL = 600
_WHEN = {"start": "before the migration", "forward": "after it", "back": "after the way back"}


class PlanRenderer:
    """Writes what changes, how, in which steps, when to stop, and how to go back."""

    suffix: ClassVar[str] = ".plan.md"

    def __call__(self, recording: Recording, verdict: Verdict, /) -> str:
        """Return the text."""
        return "\n".join(_paragraphs(document(recording, verdict), recording)) + "\n"


def _paragraphs(report: Report, recording: Recording) -> Iterator[str]:
    phases = {phase.name: phase for phase in report.phases}
    forward, back = phases.get("forward"), phases.get("back")
    yield f"# Migration plan: {escaped(report.scenario.name)}\n"
    if report.scenario.why:
        yield f"{escaped(report.scenario.why)}\n"
    yield f"Rehearsed: **{escaped(_words.headline(report))}**\n"
    if report.verdict.status != "passed":
        yield "**Do not run this as it is.** The figures below are those of a rehearsal that did not pass.\n"
    yield from _estimates(report, forward, back)
    yield from _schema(recording)
    yield from _data(report, recording, forward)
    yield from _before(report)
    yield from steps("Forward", forward)
    yield from _afterwards(report)
    yield from _staying_up(report, forward)
    yield from _stop(report, forward)
    yield from steps("How to go back", back)
    yield from _way_back(report, back)
    yield from _checklist(report)


def _estimates(report: Report, forward: Phase | None, back: Phase | None) -> Iterator[str]:
    """Yield the figures that a reader looks for first."""
    found = risk(report)
    yield "| | |\n|---|---|"
    yield f"| risk | **{found.level}**: {escaped(_words.short(found.because, 400))} |"
    for kind in ("reads", "writes"):
        yield f"| downtime for {kind} | {escaped(_downtime(forward, kind))} |"
    yield f"| time forward | {_time(forward)} |"
    yield f"| time back | {_time(back)} |"
    yield f"| log written | {_words.size(_log_bytes(forward))} |"
    disk = forward.load.disk_extra_bytes if forward and forward.load else None
    yield f"| extra disk at the peak | {_words.size(disk)} |"
    yield ""
    yield _measured_on(report)


def _time(phase: Phase | None) -> str:
    """Return how long a way takes; of one that failed that is not known."""
    if phase is None or not phase.error:
        return _words.seconds(phase.duration_s if phase else None)
    return f"not known: it failed after {_words.seconds(phase.duration_s)}"


def _downtime(phase: Phase | None, kind: str) -> str:
    """Return how long tables were closed to a kind of call: the longest stretch, and each table's total."""
    if phase is None or phase.outages is None:
        return _words.NOT_MEASURED
    found = [one for one in phase.outages if one.stops == kind]
    if not found:
        return "none seen"
    tables = ", ".join(f"{one.table} {_words.ms(one.total_ms)} in all" for one in found[:5])
    return f"{_words.doubted(found[0].longest_ms, found[0].doubt_ms)} at a stretch ({tables})"


def _log_bytes(phase: Phase | None) -> float | None:
    """Return the write-ahead or binary log that the statements wrote; None where one of them was not measured."""
    if phase is None:
        return None
    return logged([(one.wal_bytes, one.binlog_bytes) for one in phase.statements], phase.statements_left_out)


def _measured_on(report: Report) -> str:
    scenario = report.scenario
    rows = sum(table.rows for table in report.data.tables.values())
    return (
        f"Measured on {escaped(scenario.engine)} {escaped(scenario.engine_version)} with {rows:,} rows "
        f"at {scenario.rate_per_s:g} calls/s. Production's size and load change the durations: "
        "`rehearse estimate` forecasts them at its size, from runs at several.\n"
    )


def _schema(recording: Recording) -> Iterator[str]:
    yield "## Schema changes\n"
    compared = recording.comparison("start", "forward")
    if compared is None:
        yield "Not measured: the schema after the way forward was not compared with that before it.\n"
        return
    if not compared.schema:
        yield "None.\n"
        return
    objects = [(name, list(some)) for name, some in groupby(compared.schema, key=lambda one: one.object)]
    for name, some in objects[:_OBJECTS]:
        yield f"- {escaped(name)}: {_changed(some)}"
    if len(objects) > _OBJECTS:
        yield f"- … and {_words.plural(len(objects) - _OBJECTS, 'more object')}"
    yield ""


def _changed(some: Sequence[PropertyDifference]) -> str:
    """Return what became of an object."""
    whole = next((one for one in some if one.property == "exists"), None)
    if whole is not None:
        return "**new**" if whole.before is None else "**gone**"
    return "; ".join(
        f"{escaped(one.property)} {escaped(_words.short(_words.shown(one.before, 'nothing'), 80))} → "
        f"{escaped(_words.short(_words.shown(one.after, 'nothing'), 80))}"
        for one in some[:8]
    )


def _data(report: Report, recording: Recording, forward: Phase | None) -> Iterator[str]:
    yield "## Data transformation\n"
    written = transformations(forward)
    if forward is None:
        yield "Not measured: the way forward did not run.\n"
    elif not forward.statements:
        yield "Not measured: no statement of the way forward was seen.\n"
    elif not written:
        yield "None: no statement that was seen writes rows or a table anew.\n"
    if written:
        yield "| step | logic | volume | time | log |\n|---|---|---|---|---|"
        yield from (_transformed(one) for one in written[:_OBJECTS])
        yield ""
    if forward is not None and forward.statements_left_out:
        yield f"Of {_words.plural(forward.statements_left_out, 'shorter statement')} nothing is told here.\n"
    for effect in recording.scenario.migration.effects:
        rule = f" must be {escaped(_words.short(effect.rule, 200))}" if effect.rule else " may change"
        yield f"- meant: {escaped('.'.join(one for one in (effect.table, effect.column) if one))}{rule}"
    for seen in report.integrity.rules:
        yield f"- seen: {escaped(_words.short(seen.says, 300))}"
    yield from _proofs(report)


def _transformed(part: Sequence[Statement]) -> str:
    """Return the line of a statement, or of all its batches."""
    first, last = part[0], part[-1]
    counts = [one.rows for one in part if one.rows is not None]
    rows = sum(counts) if len(counts) == len(part) else None
    log = logged([(one.wal_bytes, one.binlog_bytes) for one in part], 0)
    volume = f"{_words.count(rows)} rows" if rows is not None else ""
    anew = f"writes {', '.join(first.rewrites)} anew" if first.rewrites else ""
    batches = f"in {len(part):,} statements" if len(part) > 1 else ""
    told = "; ".join(one for one in (volume, anew, batches) if one) or _words.NOT_MEASURED
    number = str(first.n) if len(part) == 1 else f"{first.n}–{last.n}"
    took = _words.seconds(sum(one.duration_s for one in part))
    cells = (number, _words.short(first.sql, 120), told, took, _words.size(log))
    return f"| {' | '.join(map(escaped, cells))} |"


def _proofs(report: Report) -> Iterator[str]:
    """Yield how it is known that the rows are right."""
    verified = next((one for one in report.integrity.verified if one.state == "forward"), None)
    if verified is None:
        yield "- not measured: whether the rows after it keep what the schema promises of them"
    else:
        yield (
            f"- proved from the rows after it: {_words.count(verified.verified)} constraints, indexes and sequences; "
            f"{_words.count(verified.not_measured)} could not be verified"
        )
    yield f"- writes of the application that are lost: {_words.count(report.integrity.lost_writes)}\n"


def _before(report: Report) -> Iterator[str]:
    yield "## Before\n"
    yield "- [ ] A backup is there and was restored once."
    yield "- [ ] No long transaction is open: whatever holds a lock delays the first step, and all queue behind it."
    yield "- [ ] Someone watches errors and latency of the application."
    for gap in report.not_measured[:10]:
        yield f"- [ ] Not known from the rehearsal: {escaped(gap.what)} ({escaped(_words.short(gap.reason, 200))})."
    yield ""


def _afterwards(report: Report) -> Iterator[str]:
    yield "## Afterwards\n"
    yield "- [ ] The application's error rate and p99 are what they were before."
    for one in report.integrity.invariants:
        if one.flaw is not None:
            what = f"{one.kind} {one.name} of {one.table} is {one.flaw}"
            yield f"- [ ] {escaped(what)}: mend it."
    yield "- [ ] What must hold of the data is asked in production, too (see the checklist at the end).\n"


def _staying_up(report: Report, forward: Phase | None) -> Iterator[str]:
    """Yield what the application has to bear meanwhile, and which of its versions can be live when."""
    yield "## Staying up\n"
    if forward is None or forward.outages is None:
        yield "- Which tables are closed was not measured."
    elif not forward.outages:
        yield "- No table was seen closed to reads or writes: no downtime is needed for it."
    else:
        for one in forward.outages[:10]:
            longest = _words.doubted(one.longest_ms, one.doubt_ms)
            yield (
                f"- {escaped(one.table)} is closed to {one.stops} for {longest} at a stretch, "
                f"{_words.ms(one.total_ms)} in all"
            )
    if forward is not None and forward.traffic is not None:
        traffic = forward.traffic
        yield (
            f"- Of {_words.plural(traffic.due, 'call')} {_words.count(traffic.failed)} failed and "
            f"{_words.count(traffic.missed)} found no free session; p99 was {escaped(_words.slow(forward))}"
        )
    yield from _versions(report.compatibility)
    yield ""


def _versions(calls: Sequence[CompatibilitySeen]) -> Iterator[str]:
    """Yield which calls do not work on which schema: before, after it, or after the way back."""
    if not calls:
        yield "- Which versions of the application work on which schema was not tried."
        return
    broken = [
        (one.call, one.version, cell.state, cell.code or cell.outcome)
        for one in calls
        for cell in one.cells
        if cell.outcome != "ok"
    ]
    if not broken:
        tried = {cell.state for one in calls for cell in one.cells}
        states = " and ".join(_WHEN[one] for one in _WHEN if one in tried)
        yield f"- Every call works on the schema {states}{': deploy in any order' if tried.issuperset(_WHEN) else ''}."
        if not tried.issuperset(_WHEN):
            untried = " and ".join(_WHEN[one] for one in _WHEN if one not in tried)
            yield f"- Whether it works {untried} was not tried."
    for call, version, state, code in broken[:20]:
        whose = f" of the {version} version" if version else ""
        when = _WHEN.get(state, state)
        yield f"- '{escaped(call)}'{whose} does not work {when} ({escaped(code)}): it must not be live then."


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
    until = _words.no_return(rollback)
    if until is not None:
        yield f"Until when: {escaped(until)}\n"
    if phase is None or rollback.schema is None:
        yield "What the way back restores was not measured: without it the backup is the way back.\n"
        yield from _taken(rollback)
        return
    if rollback.fidelity is not None and rollback.fidelity >= 1 and not rollback.data:
        yield f"It restored schema and data wholly{_kept(rollback)}.\n"
        yield from (f"- stays filled: {escaped(one)}" for one in rollback.accepted)
        return
    if rollback.fidelity is None and not rollback.schema and not rollback.data:
        yield "Nothing that could be compared differs, **but not all could be**: what else it restores is not known.\n"
        yield from (f"- not compared: {escaped(_words.short(one, 200))}" for one in rollback.unanswered[:10])
        yield from _taken(rollback)
        return
    yield f"**It does not restore all** (fidelity {escaped(_words.share(rollback.fidelity))}):\n"
    for one in rollback.data or []:
        yield f"- {escaped(one.table if one.column is None else f'{one.table}.{one.column}')}: {_loss(one)}"
    for difference in rollback.schema[:30]:
        after = _words.shown(difference.after, "gone")
        yield f"- {escaped(difference.object)}: {escaped(difference.property)} is {escaped(_words.short(after, 200))}"
    for seen in rollback.behaviour or []:
        if seen.state == "back" and seen.what != "plan" and not seen.is_meant:
            yield f"- '{escaped(seen.call)}' has another {seen.what} than at the start"
    if rollback.again_fidelity is not None and rollback.again_fidelity < 1:
        yield "- a second way forward does not make what the first made"
    mends = [one.mend for one in rollback.schema if one.mend]
    if mends:
        yield f"\nWhat mends the schema:\n\n{fenced(_words.short('; '.join(mends[:20]), _SQL), 'sql')}\n"
    yield from _taken(rollback)
    for column in rollback.lost_statistics[:10]:
        yield f"- {escaped(column)} has no statistics afterwards: ANALYZE"
    yield ""


def _kept(rollback: Rollback) -> str:
    """Say what became of the application's writes, where that was followed."""
    followed = rollback.point_of_no_return
    if followed is None or followed.not_told:
        return "; whether every write of the application since the start is kept was not measured"
    if followed.writes_lost:
        lost = _words.plural(followed.writes_lost, "acknowledged write")
        return f", but {lost} of the application since the start {'is' if followed.writes_lost == 1 else 'are'} lost"
    return ", the application's writes since the start kept"


def _taken(rollback: Rollback) -> Iterator[str]:
    for one in (rollback.irreversible or [])[:30]:
        yield f"- {escaped(one.what)}: taken by {escaped(_words.short(one.by, 300))}"


def _loss(one: DataLoss) -> str:
    if one.column is None:
        return f"{_words.count(one.rows_lost)} rows are lost, {_words.count(one.rows_left_over)} are left over"
    return f"{_words.count(one.values_changed)} values did not come back, {_words.count(one.values_lost)} of them lost"


def _checklist(report: Report) -> Iterator[str]:
    """Yield every check, ticked where it passed."""
    yield "## Validation checklist\n"
    yield f"As the rehearsal answered it ({escaped(_words.answers(report))}).\n"
    yield from (_ticked(one) for one in report.verdict.checks)


def _ticked(one: CheckSeen) -> str:
    mark = "x" if one.status == "passed" else " "
    says = {"passed": "", "failed": f": **failed**, {_words.plural(one.findings, 'finding')}", "unknown": ": not known"}
    reason = f" ({escaped(_words.short(one.reason, 200))})" if one.reason else ""
    return f"- [{mark}] {one.code} {escaped(one.asks)}{says[one.status]}{reason}"


RENDERER = PlanRenderer()
