"""T…: what the application felt."""

from __future__ import annotations

from collections.abc import Iterator

import pandas

from rehearse.checks._check import check, inside, is_beyond, phase, phases
from rehearse.errors import NotMeasured
from rehearse.events import CallEnded, Outcome, PhaseRan
from rehearse.measures.latency import latencies
from rehearse.measures.losses import losses
from rehearse.model import Finding, Recording, Rule
from rehearse.units import human_duration

_STALE = (
    "A statement that was prepared before the change and returns other columns now (SELECT *, RETURNING *, a changed "
    "type) fails once in each session: name the columns, or let the driver prepare again and the application retry; "
    "where it does, allow one error a session with budget.errors."
)
_SLOW = {  # by what most of the time was lost to
    "waiting for locks": "The time went to locks: hold them shorter (see what L001 and L002 say; a lock_timeout with "
    "retries keeps the queue short), and change few rows a transaction.",
    "waiting for a free session": "The time went to the pool: sessions that stand behind a lock or a slow answer are "
    "missing elsewhere. Shorten the stall itself; give calls a time-out, so that sessions come back.",
    "being sent again": "The time went to tries that failed and the pauses after them: see which errors (T002) and, of "
    "locks, who held them; a longer lock_timeout of the calls may cost less than trying again.",
    "load": "The time went to load, not to locks: make batches smaller and pause between them, move the heavy part to "
    "a quiet hour, and see in the report's Load whether CPU, storage or WAL is at its end.",
    "a late driver": "The driver itself was late: this machine is full, so rehearse on a larger one or at a lower rate "
    "before believing this figure.",
}
_SLOW_ON_MYSQL = _SLOW | {
    "waiting for locks": _SLOW["waiting for locks"].replace("lock_timeout", "short lock_wait_timeout"),
    "being sent again": _SLOW["being sent again"].replace("lock_timeout", "innodb_lock_wait_timeout"),
    "load": _SLOW["load"].replace("WAL", "the redo log"),
}
_SLOW_OF_ENGINE = {"mariadb": _SLOW_ON_MYSQL, "mysql": _SLOW_ON_MYSQL}
_ENOUGH = 200  # calls in the baseline below which a p99 is made of one or two calls


@check(
    Rule(
        code="T001",
        name="slowdown",
        asks="Is p99 while migrating more than budget.slowdown times the baseline's?",
        harm="Users wait; time-outs and retries upstream multiply the load.",
        remedy="See which lock (L…) or load makes them wait; make batches smaller and pause between them.",
    ),
    asked=lambda recording: recording.scenario.budget.slowdown is not None,
)
def slowdown(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each phase whose p99 is too many times the baseline's."""
    allowed = recording.scenario.budget.slowdown or 0.0
    before = latencies(recording, "baseline")
    if before is None or before.due < _ENOUGH or not before.p99_ns:
        raise NotMeasured(f"the baseline has fewer than {_ENOUGH} calls; make workload.baseline longer")
    for one in phases(recording):
        during = latencies(recording, one.name)
        if during is None or during.p99_ns is None:
            raise NotMeasured(f"no call was due in phase {one.name}")
        ratio = during.p99_ns / before.p99_ns
        if ratio > allowed:
            yield Finding(
                code=rule.code,
                phase=one.name,
                where="application",
                says=f"p99 was {human_duration(during.p99_ns)}, {ratio:.1f} times the baseline's "
                f"{human_duration(before.p99_ns)}; the budget is {allowed:g} times{_spent(recording, one)}",
                remedy=_slow_remedy(recording, one) or rule.remedy,
                measured=ratio,
                allowed=allowed,
            )


def _spent(recording: Recording, one: PhaseRan) -> str:
    """Say what the time was lost to, the greatest first, what is under a tenth left out."""
    found = losses(recording, one)
    if found is None or not found.total_ns:
        return ""
    shares = {name: ns / found.total_ns for name, ns in found.reasons.items() if ns >= found.total_ns / 10}
    parts = (f"{share * 100:.0f} % went to {name}" for name, share in sorted(shares.items(), key=lambda item: -item[1]))
    return f". Of the time that calls lost, {', '.join(parts)}"


def _slow_remedy(recording: Recording, one: PhaseRan) -> str | None:
    found = losses(recording, one)
    if found is None or not found.total_ns:
        return None
    remedies = _SLOW_OF_ENGINE.get(recording.scenario.engine.name, _SLOW)
    return remedies[max(found.reasons, key=found.reasons.__getitem__)]


@check(
    Rule(
        code="T002",
        name="errors",
        asks="Do more calls fail while the migration runs, or after it, than fail without it?",
        harm="The running application breaks on the new schema, or is the victim of a lock or time-out.",
        remedy="Change in steps that the running code can bear: expand, move the code, then contract.",
    ),
    asked=lambda recording: recording.scenario.budget.errors is not None,
)
def errors(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each phase and kind of call with more failures than the baseline's share explains."""
    allowed = recording.scenario.budget.errors or 0
    calls = recording.history.frame(CallEnded)
    baseline = phase(recording, "baseline")
    if baseline is None or not len(calls):
        raise NotMeasured("there was no traffic")
    for one in phases(recording):
        meanwhile = inside(calls, one)
        failed = meanwhile[meanwhile["outcome"].isin([Outcome.FAILED.value, Outcome.UNKNOWN.value])]
        expected = _failed_share(inside(calls, baseline)) * len(meanwhile)
        if is_beyond(len(failed), expected, allowed):
            yield _errors_finding(one, rule, failed, len(meanwhile), allowed)


def _errors_finding(one: PhaseRan, rule: Rule, failed: pandas.DataFrame, due: int, allowed: int) -> Finding:
    code = failed["code"].fillna("connection lost").mode().iloc[0]
    example = failed[failed["code"].fillna("connection lost") == code].iloc[0]
    names = ", ".join(sorted(set(failed["call"])))
    return Finding(
        code=rule.code,
        phase=one.name,
        where=names,
        says=f"{len(failed):,} of {due:,} calls failed ({names}); most often {code}: {example['message']}",
        remedy=_STALE if str(example["message"]).startswith("cached plan") else rule.remedy,
        measured=float(len(failed)),
        allowed=float(allowed),
    )


def _failed_share(calls: pandas.DataFrame) -> float:
    return float((calls["outcome"] == Outcome.FAILED.value).mean()) if len(calls) else 0.0


@check(
    Rule(
        code="T003",
        name="missed calls",
        asks="Did more calls find no free session in time than budget.missed allows?",
        harm="The pool is exhausted; users see errors though the database answers nobody wrongly.",
        remedy="Shorten what the sessions wait for (see L001 and L002).",
    ),
    asked=lambda recording: recording.scenario.budget.missed is not None,
)
def missed(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each phase with too many missed calls."""
    allowed = recording.scenario.budget.missed or 0
    for one in phases(recording):
        during = latencies(recording, one.name)
        if during is not None and during.missed > allowed:
            yield Finding(
                code=rule.code,
                phase=one.name,
                where="application",
                says=f"{during.missed:,} of {during.due:,} calls found no free session; the budget is {allowed:,}",
                remedy=rule.remedy,
                measured=float(during.missed),
                allowed=float(allowed),
            )


CHECKS = (slowdown, errors, missed)
