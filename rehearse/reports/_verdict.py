"""The verdict of a report: its findings by weight, one sentence for a release manager, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rehearse.events import LockTaken, PhaseRan, StatementRan
from rehearse.measures import invariants, no_return
from rehearse.measures.behaviour import behaviour
from rehearse.measures.emptiness import touched
from rehearse.model import Answer, Finding, Recording, Status, Verdict
from rehearse.reports import _words
from rehearse.reports._phases import culprit, within
from rehearse.reports._shape import CheckSeen, FindingSeen, NotMeasuredSeen, VerdictSeen
from rehearse.reports._shape_fidelity import Integrity, Rollback
from rehearse.reports._shape_phases import Phase

# What a release manager must hear first: it does not run, it loses data, it stops the shop, it cannot be undone.
# "I003 kept" are changes in which no value and no row is lost: most often the migration's purpose, only not declared.
_BROKEN = ("I004", "I005", "I006", "I007")
_WEIGHT = ("D002", "I001", "I002", "I003 lost", *_BROKEN, "L", "I003 kept", "D003", "F002", "F", "D", "T")


def findings(recording: Recording, verdict: Verdict) -> list[FindingSeen]:
    """Return every finding with its rule's words and its statement, the gravest first."""
    rules = {answer.rule.code: answer.rule for answer in verdict.answers}
    kept = _tables_kept(recording)
    ordered = sorted(
        verdict.findings,  # the second way forward tells last what the first has told
        key=lambda one: (_weight(one, kept), one.phase == "again", -(one.measured or 0)),
    )
    return [_finding(recording, one, rules[one.code].name, rules[one.code].harm) for one in ordered]


def _weight(finding: Finding, kept: set[str]) -> int:
    code = finding.code
    if code == "I003":
        code += " kept" if finding.where in kept else " lost"
    matching = (place for place, prefix in enumerate(_WEIGHT) if code.startswith(prefix))
    return next(matching, len(_WEIGHT))


def _tables_kept(recording: Recording) -> set[str]:
    """Return the tables of which the way forward took neither a row nor a value; what it put in the place of NULL."""
    forward = recording.comparison("start", "forward")
    return {
        table.table
        for table in (forward.tables if forward else ())
        if table.rows_missing == 0 and all(one.values_filled == one.values_changed for one in table.columns)
    }


def _finding(recording: Recording, one: Finding, name: str, harm: str) -> FindingSeen:
    statement = _statement(recording, one)
    return FindingSeen(
        code=one.code,
        rule=name,
        phase=one.phase,
        where=one.where,
        says=one.says,
        harm=harm,
        remedy=one.remedy,
        measured=one.measured,
        allowed=one.allowed,
        statement=statement.n if statement else None,
        file=statement.file if statement else None,
    )


def _statement(recording: Recording, finding: Finding) -> StatementRan | None:
    """Return the statement that a finding is about: the one that failed, or that closed the table for longest."""
    phase = next((one for one in recording.history.of(PhaseRan) if one.name == finding.phase), None)
    if phase is None:
        return None
    statements = [one for one in recording.history.of(StatementRan) if within(phase, one.at_ns)]
    if finding.code in ("D002", "D003", "D004"):
        return next((one for one in statements if one.error and not one.retried), None)
    if finding.code not in ("L001", "L002"):
        return None
    locks = [one for one in recording.history.of(LockTaken) if within(phase, one.at_ns)]
    number = culprit(finding.where, "reads" if finding.code == "L001" else "writes", locks, phase)
    return next((one for one in statements if one.n == number), None)


# --- the verdict


def verdict(
    recording: Recording, judged: Verdict, found: Sequence[FindingSeen], phases: Sequence[Phase]
) -> VerdictSeen:
    """Return the worst answer, its sentence and all answers."""
    return VerdictSeen(
        status=judged.status.value,
        says=_sentence(recording, judged, found, phases),
        checks=[
            CheckSeen(
                code=one.rule.code,
                name=one.rule.name,
                asks=one.rule.asks,
                status=one.status.value,
                findings=len(one.findings),
                reason=one.reason,
            )
            for one in judged.answers
        ],
    )


def _sentence(recording: Recording, judged: Verdict, found: Sequence[FindingSeen], phases: Sequence[Phase]) -> str:
    if judged.status is Status.FAILED:
        return _failed(recording, found, phases) + _untried(judged.answers)
    if judged.status is Status.UNKNOWN:
        return _unknown(judged.answers)
    return _passed(recording, judged, phases)


def _failed(recording: Recording, found: Sequence[FindingSeen], phases: Sequence[Phase]) -> str:
    worst = found[0]
    closed = _closed(recording, worst, phases)
    more = len(found) - (2 if closed and _twin(worst, found) else 1)
    rest = f"; {_words.plural(len(found), 'finding')} below" if more > 0 else ""
    return f"{closed or _in_brief(worst)}{rest}."


def _untried(answers: Sequence[Answer]) -> str:
    """Return the sentence that a failure on empty tables needs too: that its figures say little."""
    reasons = [one.reason for one in answers if one.rule.code == "R004" and one.reason]
    return f" Besides, {reasons[0]}." if reasons else ""


def _in_brief(worst: FindingSeen) -> str:
    """Return a finding without its examples, and where it was seen."""
    says = worst.says.partition("; ")[0].rstrip(".")
    if worst.code.startswith("D") and worst.code != "D001":
        return f"{worst.rule}: {says}"
    place = {"forward": "on the way forward", "back": "on the way back", "again": "on the second way forward"}
    return f"{says}, {place[worst.phase]}" if worst.phase in place and worst.phase not in says else says


def _twin(worst: FindingSeen, found: Sequence[FindingSeen]) -> bool:
    """Say whether the same table was closed to the other kind of call too."""
    codes = {one.code for one in found if one.where == worst.where and one.phase == worst.phase}
    return {"L001", "L002"} <= codes


def _closed(recording: Recording, worst: FindingSeen, phases: Sequence[Phase]) -> str | None:
    """Return an outage in few words: who was shut out of what, how long, by which statement."""
    phase = next((one for one in phases if one.name == worst.phase), None)
    allowed = recording.scenario.budget.blocked
    if worst.code not in ("L001", "L002") or phase is None or allowed is None:
        return None
    over = [one for one in phase.outages or [] if one.table == worst.where and one.longest_ms > allowed / 1e6]
    if not over:
        return None
    kinds = _words.enough([kind for kind in ("reads", "writes") if any(one.stops == kind for one in over)])
    longest = max(over, key=lambda one: one.longest_ms)
    by = f" by statement {longest.statement}" if longest.statement is not None else ""
    by += f" of {worst.phase}" if by else f" in {worst.phase}"
    return (
        f"{worst.where} was closed to {kinds} for {_words.ms(longest.longest_ms)} "
        f"(budget {_words.ms(allowed / 1e6)}){by}"
    )


def _unknown(answers: Sequence[Answer]) -> str:
    open_ones = [one for one in answers if one.status is Status.UNKNOWN]
    if not open_ones:
        return "nothing was asked."
    first = open_ones[0]
    more = f"; {_words.plural(len(open_ones) - 1, 'more check')} could not tell" if len(open_ones) > 1 else ""
    return f"{first.rule.name} ({first.rule.code}) was not measured: {(first.reason or '').rstrip('.')}{more}."


def _passed(recording: Recording, judged: Verdict, phases: Sequence[Phase]) -> str:
    forward = next((one for one in phases if one.name == "forward"), None)
    parts = [f"all {_words.plural(len(judged.answers), 'check')} passed"]
    if forward is not None:
        parts.append(f"forward took {_words.seconds(forward.duration_s)}")
        parts.append(_shut(recording, phases))
        if forward.traffic and forward.traffic.slowdown.p99 is not None:
            parts.append(f"p99 was {_words.ratio(forward.traffic.slowdown.p99)} the baseline's")
    return f"{parts[0]}: {', '.join(parts[1:])}." if len(parts) > 1 else f"{parts[0]}."


def _shut(recording: Recording, phases: Sequence[Phase]) -> str:
    longest = max((_words.longest_ms(one) or 0.0 for one in phases), default=0.0)
    if not longest and any(one.outages is None for one in phases):
        longest_s = max((end - begin for begin, end in (one.acted_s for one in phases if one.acted_s)), default=0.0)
        return f"no lock was seen, and no way took longer than {_words.seconds(longest_s)}"
    allowed = recording.scenario.budget.blocked
    budget = "" if allowed is None else f" (budget {_words.ms(allowed / 1e6)})"
    return f"no table was closed for longer than {_words.ms(longest)}{budget}" if longest else "no table was closed"


# --- what is not known


def not_measured(
    recording: Recording,
    judged: Verdict,
    phases: Sequence[Phase],
    integrity: Integrity,
    rollback: Rollback,
) -> list[NotMeasuredSeen]:
    """Return what is not known, in the order of the report."""
    gaps = [
        *_gaps_of_checks(judged),
        *_gaps_of_phases(recording, phases),
        *_gaps_of_ways(recording, phases),
        *_gaps_of_data(recording, integrity, rollback),
        *_gaps_of_rows(recording),
        *_gaps_of_run(recording),
    ]
    return [NotMeasuredSeen(what=what, reason=reason) for what, reason in dict.fromkeys(gaps)]


def _gaps_of_checks(judged: Verdict) -> Iterator[tuple[str, str]]:
    for one in judged.answers:
        if one.reason:
            part = "" if one.status is Status.UNKNOWN else ", in part"
            yield f"check {one.rule.code} {one.rule.name}{part}", one.reason


def _gaps_of_phases(recording: Recording, phases: Sequence[Phase]) -> Iterator[tuple[str, str]]:
    for phase in phases:
        if phase.traffic is None:
            yield f"{phase.name}: traffic", "no call was due"
        if phase.outages is None:
            yield f"{phase.name}: outages", "the locks of the migration were not seen"
        unheld = sum(lock.held_ms is None for one in phase.statements for lock in one.locks)
        unheld += sum(lock.held_ms is None for lock in phase.other_locks)
        if unheld:
            yield (
                f"{phase.name}: hold of {_words.plural(unheld, 'lock')}",
                "the lock was never seen granted or released",
            )
        unlogged = sum(one.wal_bytes is None for one in phase.statements)
        if unlogged:
            yield (
                f"{phase.name}: {_words.log(recording.scenario.engine.name)} of {_words.plural(unlogged, 'statement')}",
                "the server's log position was not read",
            )


def _gaps_of_ways(recording: Recording, phases: Sequence[Phase]) -> Iterator[tuple[str, str]]:
    names = {one.name for one in phases}
    for name in ("baseline", "forward", "back", "again"):
        if name not in names:
            no_way_back = recording.scenario.migration.back is False and name in ("back", "again")
            yield f"phase {name}", "the scenario accepts that there is no way back" if no_way_back else "it did not run"


def _gaps_of_data(recording: Recording, integrity: Integrity, rollback: Rollback) -> Iterator[tuple[str, str]]:
    if integrity.lost_writes is None:
        yield "integrity", "no snapshot after the migration was compared with the start"
    for table in integrity.tables:
        for reason in table.not_measured:
            yield f"integrity of {table.table}", reason
    yield from _gaps_of_invariants(recording)
    if rollback.schema is None:
        yield "rollback fidelity", "the state after the way back was not compared with the start"
    if rollback.point_of_no_return is None and rollback.blocked is None and rollback.schema is not None:
        yield "point of no return", no_return.why_not(recording)
    for call, reason in _unanswered(recording):
        yield f"answers of {call} after back", reason
    if rollback.behaviour is not None and rollback.behaviour_fidelity is None and not rollback.unanswered:
        yield "answers after back", "no call's answer was compared with the start"
    for reason in rollback.point_of_no_return.not_told if rollback.point_of_no_return else ():
        yield "point of no return, in part", reason
    if rollback.again is None:
        has_failed = rollback.again_fidelity is not None
        yield "second way forward", "it failed (see D004)" if has_failed else "it was not compared with the first"


def _gaps_of_invariants(recording: Recording) -> Iterator[tuple[str, str]]:
    """Yield what could not be verified, those of one state for one reason together."""
    gaps: dict[tuple[str, str], list[str]] = {}
    for one in invariants.unasked(recording):
        gaps.setdefault((one.state, invariants.why_unasked(one) or ""), []).append(
            f"{one.kind} {one.name} of {one.table}"
        )
    for (state, reason), names in gaps.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{more}, after {state}", reason


def _unanswered(recording: Recording) -> tuple[tuple[str, str], ...]:
    found = behaviour(recording)
    return found.unmeasured if found else ()


def _gaps_of_rows(recording: Recording) -> Iterator[tuple[str, str]]:
    seen = touched(recording)
    if seen.filled:  # else check R004 says it
        for table in seen.empty:
            yield f"locks of {table}", "it had 0 rows, so that they are held for longer in production is not seen here"


def _gaps_of_run(recording: Recording) -> Iterator[tuple[str, str]]:
    if recording.environment.load_average is None:
        yield "load of the machine", "the system does not tell it"
    unclear = [one.name for one in recording.calls if one.touches is None]
    if unclear:
        yield "what is touched by " + ", ".join(unclear), "its SQL could not be read"
