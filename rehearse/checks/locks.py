"""L…: what the migration's locks close, and for how long."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pandas

from rehearse.checks import _remedies as remedies
from rehearse.checks._check import check, inside, is_beyond, phases
from rehearse.checks._check import phase as phase_of
from rehearse.errors import NotMeasured
from rehearse.events import CallEnded, LockTaken, LockWaited, PhaseRan, Remarked, StatementRan
from rehearse.measures.idle import IdleHold, idle_holds
from rehearse.measures.obstacles import thing, whom
from rehearse.measures.outage import Outage, outages
from rehearse.measures.waits import waits
from rehearse.model import Finding, Recording, Rule
from rehearse.units import counted, human_duration

DEADLOCKS = ("40P01", "1213")  # of PostgreSQL, of MySQL and MariaDB

# Statements that close tables; what they closed unseen, they closed no longer than they ran.
_LOCKS = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(alter|create(?!\s+extension)|drop|rename|truncate|lock|optimize|repair|cluster|vacuum|"
    r"reindex)\b",
    re.IGNORECASE | re.DOTALL,
)
# A table that did not stand there before, and a change of one: nobody else can want it before its transaction ends.
_MAKES = re.compile(
    r"create\s+(?:(?:global|local)\s+)?(?:(?P<own>temp(?:orary)?)\s+|unlogged\s+)?table\s+(?!if\b)(?P<table>[\w.\"`$]+)",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"(?:alter\s+table|create\s+(?:unique\s+)?index\b[^(;]*?\son)\s+(?:only\s+)?(?P<table>[\w.\"`$]+)", re.IGNORECASE
)
_REACHES_ON = re.compile(r"\b(references|attach|inherit)\b|;\s*\S", re.IGNORECASE)  # to other tables

_REMEDY = (
    "Keep the strong lock short: do the long work under a weaker lock (CREATE INDEX CONCURRENTLY; ADD CONSTRAINT … "
    "NOT VALID, then VALIDATE; a new column with batched backfill instead of a type change), put slow statements in "
    "another transaction than the one that locks, and set a lock_timeout with retries so that nobody queues behind you."
)


def _has_budget(recording: Recording) -> bool:
    return recording.scenario.budget.blocked is not None


def _too_long(recording: Recording, rule: Rule, kind: str) -> Iterator[Finding]:
    allowed = recording.scenario.budget.blocked or 0
    for phase in phases(recording):
        for outage in outages(recording, phase.name):
            if outage.stops == kind and outage.longest_ns - outage.doubt_ns > allowed:
                yield _closed(recording, rule, phase, outage)
    _demand_locks(recording)


def _closed(recording: Recording, rule: Rule, phase: PhaseRan, outage: Outage) -> Finding:
    allowed = recording.scenario.budget.blocked or 0
    blocked = "" if outage.calls_blocked is None else f"; {counted(outage.calls_blocked, 'call')} waited"
    return Finding(
        code=rule.code,
        phase=phase.name,
        where=outage.table,
        says=f"{outage.table} was closed to {outage.stops} for {human_duration(outage.longest_ns)} at a stretch "
        f"(± {human_duration(outage.doubt_ns)}), the budget is {human_duration(allowed)}"
        f"{_culprit(recording, phase, outage)}{blocked}",
        remedy=_remedy(recording, rule, phase, outage),
        measured=outage.longest_ns / 1e6,
        allowed=allowed / 1e6,
    )


def _remedy(recording: Recording, rule: Rule, phase: PhaseRan, outage: Outage) -> str:
    usual = remedies.OF_ENGINE.get(recording.scenario.engine.name, rule.remedy)
    lock = _longest(recording, phase, outage)
    statements = [one for one in recording.history.of(StatementRan) if phase.at_ns <= one.at_ns <= phase.ended_ns]
    return (remedies.of(recording, lock, statements) if lock else None) or usual


def _longest(recording: Recording, phase: PhaseRan, outage: Outage) -> LockTaken | None:
    """Return the longest of the locks that make the outage."""
    locks = [
        lock
        for lock in recording.history.of(LockTaken)
        if lock.table == outage.table and outage.stops in lock.stops and phase.at_ns <= lock.at_ns <= phase.ended_ns
    ]
    return max(locks, key=lambda lock: (lock.released_ns or phase.ended_ns) - lock.at_ns, default=None)


def _culprit(recording: Recording, phase: PhaseRan, outage: Outage) -> str:
    """Name the statement that asked for the longest of the locks that make the outage."""
    longest = _longest(recording, phase, outage)
    if longest is None:
        return ""
    statement = next(
        (
            one
            for one in recording.history.of(StatementRan)
            if one.n == longest.statement and phase.at_ns <= one.at_ns <= phase.ended_ns
        ),
        None,
    )
    if statement is None:
        return f" ({longest.mode}{_behind(recording, longest)})"
    place = f", {statement.file}" if statement.file else ""
    return f" (statement {statement.n}{place}: {_short(statement.sql)}; {longest.mode}{_behind(recording, longest)})"


def _behind(recording: Recording, lock: LockTaken) -> str:
    """Say for whom a lock waited."""
    names = whom(recording, lock)
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f", which waited for {' and '.join(names[:2])}{more}" if names else ""


def _short(sql: str) -> str:
    words = " ".join(sql.split())
    return words if len(words) <= 80 else words[:79] + "…"


def _demand_locks(recording: Recording) -> None:
    """Raise NotMeasured where the observer of locks had gaps, or saw nothing of the migration or of a long change."""
    remarks = [one for one in recording.history.of(Remarked) if one.source == "locks" and one.weakens]
    if remarks:
        raise NotMeasured(remarks[0].says)
    if not phases(recording):
        raise NotMeasured("the migration was not run")
    if not recording.history.of(StatementRan) and not recording.history.of(LockTaken):
        raise NotMeasured("neither a statement nor a lock of the migration was seen")
    unseen = (one for phase in phases(recording) for one in _without_a_lock(recording, phase))
    longest = max(unseen, key=_took, default=None)
    if longest is not None:
        raise NotMeasured(
            f"statement {longest.n} ran for {human_duration(_took(longest))}, and no lock of it was seen: "
            f"{_short(longest.sql)}"
        )


def _without_a_lock(recording: Recording, phase: PhaseRan) -> Iterator[StatementRan]:
    """Yield a phase's statements of which no lock was seen, and which may have closed a table for too long."""
    allowed = recording.scenario.budget.blocked or 0
    statements = [one for one in recording.history.of(StatementRan) if phase.at_ns <= one.at_ns <= phase.ended_ns]
    locks = [one for one in recording.history.of(LockTaken) if phase.at_ns <= one.at_ns <= phase.ended_ns]
    for one in statements:
        may_close = _took(one) > allowed and _LOCKS.match(one.sql) and not _is_of_its_own(one, statements)
        if may_close and not any(_is_of(lock, one) for lock in locks):
            yield one


def _is_of(lock: LockTaken, statement: StatementRan) -> bool:
    """Say whether a statement asked for a lock, or ran while its session had it."""
    is_over = lock.released_ns is not None and lock.released_ns <= statement.at_ns
    is_meanwhile = lock.session == statement.session and lock.at_ns < statement.ended_ns and not is_over
    return lock.statement == statement.n or is_meanwhile


def _is_of_its_own(statement: StatementRan, statements: Sequence[StatementRan]) -> bool:
    """Say whether a statement changes but a table that its transaction has made, or a temporary one of its session."""
    changed = _CHANGES.search(statement.sql)
    if changed is None or _REACHES_ON.search(statement.sql):
        return False
    return any(
        _makes(one, changed["table"], is_same=one.transaction is not None and one.transaction == statement.transaction)
        for one in statements
        if one.session == statement.session and one.ended_ns <= statement.at_ns and one.code is None
    )


def _makes(statement: StatementRan, table: str, *, is_same: bool) -> bool:
    made = _MAKES.search(statement.sql)
    return made is not None and _plain(made["table"]) == _plain(table) and (is_same or made["own"] is not None)


def _plain(name: str) -> str:
    return re.sub(r'["`]', "", name).lower()


def _took(statement: StatementRan) -> int:
    return statement.ended_ns - statement.at_ns


@check(
    Rule(
        code="L001",
        name="closed to reads",
        asks="Is any table closed to reads for longer than budget.blocked at a stretch?",
        harm="Every call that reads the table waits, sessions pile up behind it, and the pool runs dry: an outage.",
        remedy=_REMEDY,
    ),
    asked=_has_budget,
)
def closed_to_reads(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield the tables that were closed to reads for too long, the queue behind a waiting lock included."""
    yield from _too_long(recording, rule, "reads")


@check(
    Rule(
        code="L002",
        name="closed to writes",
        asks="Is any table closed to writes for longer than budget.blocked at a stretch?",
        harm="Every call that writes the table waits; orders are not taken, and the pool runs dry.",
        remedy=_REMEDY,
    ),
    asked=_has_budget,
)
def closed_to_writes(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield the tables that were closed to writes for too long, the queue behind a waiting lock included."""
    yield from _too_long(recording, rule, "writes")


@check(
    Rule(
        code="L003",
        name="deadlock",
        asks="Did the migration deadlock with the application?",
        harm="The server kills one of the two: the application's transaction is lost, or the migration stops half-way.",
        remedy="Lock tables in the order in which the application does, one table a transaction, and retry.",
    ),
)
def deadlocks(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each phase in which a statement was the victim of a deadlock, or of too many calls (budget.errors)."""
    calls = recording.history.frame(CallEnded)
    if not len(calls):
        raise NotMeasured("there was no traffic to deadlock with")
    allowed, baseline = recording.scenario.budget.errors or 0, phase_of(recording, "baseline")
    before = inside(calls, baseline) if baseline is not None else calls[:0]
    share = before["code"].isin(DEADLOCKS).mean() if len(before) else 0.0  # what the application does to itself
    for one in phases(recording):
        meanwhile = inside(calls, one)
        victims = meanwhile[meanwhile["code"].isin(DEADLOCKS)]
        statements = [
            ran
            for ran in recording.history.of(StatementRan)
            if ran.code in DEADLOCKS and one.at_ns <= ran.at_ns <= one.ended_ns
        ]
        if statements or is_beyond(len(victims), share * len(meanwhile), allowed):
            yield _deadlock(recording, rule, one, victims, statements)


def _deadlock(
    recording: Recording, rule: Rule, one: PhaseRan, victims: pandas.DataFrame, statements: Sequence[StatementRan]
) -> Finding:
    names = ", ".join(sorted(set(victims["call"])))
    who = [f"{counted(len(victims), 'call')} of the application ({names})"] * bool(names)
    who += [f"the migration's statement {ran.n}: {_short(ran.sql)}" for ran in statements]
    return Finding(
        code=rule.code,
        phase=one.name,
        where=names or "migration",
        says=f"the server ended {' and '.join(who)} to break a deadlock{_circle(recording, one.name)}",
        remedy=rule.remedy,
        measured=float(len(victims) + len(statements)),
        allowed=0.0 if statements else float(recording.scenario.budget.errors or 0),
    )


def _circle(recording: Recording, phase: str) -> str:
    """Say, of the first circle that was seen, who waited for what the other had."""
    found = waits(recording, phase)
    for mine in found:
        if mine.role != "migration":
            continue
        for theirs in found:
            is_circle = theirs.session in mine.blocked_by and mine.session in theirs.blocked_by
            if is_circle and theirs.at_ns < mine.ended_ns and mine.at_ns < theirs.ended_ns:
                who = ", ".join(_waiting(recording, theirs)) or "a session of the application"
                return f": {who} waited for {thing(theirs)}, and the migration for {thing(mine)}"
    return ""


@check(
    Rule(
        code="L004",
        name="rows held",
        asks="Does a call wait for longer than budget.blocked for rows that the migration holds?",
        harm="A row that was changed stays locked until the transaction ends: whoever writes it waits, and the pool "
        "runs dry though no table is closed.",
        remedy="Change few rows a transaction and commit between the batches; let nothing slow follow in the same "
        "transaction; hold no advisory lock that the application takes.",
    ),
    asked=_has_budget,
)
def rows_held(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each phase in which calls waited too long for the migration, at a table that L001 and L002 do not name."""
    allowed = recording.scenario.budget.blocked or 0
    for phase in phases(recording):
        closed = {one.table for one in outages(recording, phase.name) if one.longest_ns - one.doubt_ns > allowed}
        long = [
            one
            for one in waits(recording, phase.name)
            if one.role == "application"
            and one.blocked_by_migration
            and one.table not in closed
            and one.ended_ns - one.at_ns - one.doubt_ns > allowed
        ]
        if long:
            yield _held(recording, rule, phase.name, long)
    _demand_locks(recording)


@check(
    Rule(
        code="L005",
        name="idle in transaction",
        asks="Does the migration's tool hold a lock that stops calls while the server has nothing to do for it?",
        harm="The table stays closed while the tool computes, waits for a network, or asks somebody to confirm: all of "
        "it time that no statement needs.",
        remedy=remedies.IDLE + "idle_in_transaction_session_timeout for the migration's role.",
    ),
    asked=_has_budget,
)
def idle_in_transaction(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield, for each table, the lock that was held too long and for more than half of the budget idly."""
    allowed = recording.scenario.budget.blocked or 0
    for phase in phases(recording):
        told: set[str] = set()
        for one in idle_holds(recording, phase):
            too_long = one.held_ns - one.doubt_ns > allowed and one.idle_ns - one.doubt_ns > allowed / 2
            if too_long and one.table not in told:
                told.add(one.table)
                yield _idle(recording, rule, phase, one)
    _demand_locks(recording)


def _idle(recording: Recording, rule: Rule, phase: PhaseRan, one: IdleHold) -> Finding:
    place = "" if one.after is None else f", longest after statement {one.after} ({human_duration(one.longest_ns)})"
    return Finding(
        code=rule.code,
        phase=phase.name,
        where=one.table,
        says=f"{one.mode} on {one.table} was held for {human_duration(one.held_ns)}, and for "
        f"{human_duration(one.idle_ns)} of it no statement of the migration ran{place}",
        remedy=remedies.IDLE_OF_ENGINE.get(recording.scenario.engine.name, rule.remedy),
        measured=one.idle_ns / 1e6,
        allowed=None,
    )


def _held(recording: Recording, rule: Rule, phase: str, long: list[LockWaited]) -> Finding:
    longest = max(one.ended_ns - one.at_ns for one in long)
    allowed = recording.scenario.budget.blocked or 0
    names = sorted({name for one in long for name in _waiting(recording, one)})
    who = f" ({', '.join(names)})" if names else ""
    return Finding(
        code=rule.code,
        phase=phase,
        where=", ".join(names) or "application",
        says=f"{counted(len(long), 'call')}{who} waited up to {human_duration(longest)} for rows or other locks that "
        f"the migration held, the budget is {human_duration(allowed)}",
        remedy=rule.remedy,
        measured=longest / 1e6,
        allowed=allowed / 1e6,
    )


def _waiting(recording: Recording, wait: LockWaited) -> list[str]:
    """Return the name of the call that waited, where it is known."""
    calls = recording.history.frame(CallEnded)
    mine = calls[
        (calls["session"] == wait.session) & (calls["sent_ns"] <= wait.at_ns) & (calls["done_ns"] > wait.at_ns)
    ]
    return [str(name) for name in mine["call"]]


CHECKS = (closed_to_reads, closed_to_writes, deadlocks, rows_held, idle_in_transaction)
