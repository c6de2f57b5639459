"""What to do about a lock that is held for too long, by the statement that asked for it and by what else held it up."""

from __future__ import annotations

from collections.abc import Sequence

from rehearse.events import LockTaken, StatementRan
from rehearse.hazards.recorded import of_statement
from rehearse.model import Recording
from rehearse.units import human_duration

_BATCHES = "fill the rows that are there in batches, each committed"
_OWN_SHARE = 0.5  # of the time that a lock is held: with more its own statement is the one to mend
_HOLDS_UP_SHARE = 0.3  # … and a later statement with more holds it on

_MYSQL = (
    "Say ALGORITHM=INSTANT, or ALGORITHM=INPLACE with LOCK=NONE, in the ALTER, so that the server refuses it where it "
    "would copy the table under lock; copy by pt-online-schema-change or gh-ost where there is no other way; bring "
    "what a change needs in a new column, and " + _BATCHES + ". Set lock_wait_timeout to a second or two and retry, so "
    "that nobody queues behind you for long."
)
_LIMITS = dict.fromkeys(("mariadb", "mysql"), "lock_wait_timeout (a second or two)")
OF_ENGINE = {"mariadb": _MYSQL, "mysql": _MYSQL}
IDLE = "Do what takes time before BEGIN or after COMMIT; send a transaction's statements without a pause; set "
IDLE_OF_ENGINE = {
    "mariadb": IDLE + "idle_transaction_timeout for the migration's sessions.",
    "mysql": IDLE + "wait_timeout, after which an idle session is ended, for the migration's.",
}


def of(recording: Recording, lock: LockTaken, statements: Sequence[StatementRan]) -> str | None:
    """Return the remedy for a lock of a phase with these statements; None: nothing more is known than the rule says."""
    asked = next((one for one in statements if one.n == lock.statement), None)
    if asked is None:
        return None
    limit = _LIMITS.get(recording.scenario.engine.name, "lock_timeout (for example 200 ms)")
    waiting = _waited(lock, limit)
    if waiting:
        return waiting
    return _held_on(lock, asked, statements) or _by_statement(recording, asked)


def _waited(lock: LockTaken, limit: str) -> str | None:
    """Return the remedy where most of the outage is the wait for the lock itself."""
    if lock.granted_ns is None or lock.released_ns is None:
        return None
    waited, held = lock.granted_ns - lock.at_ns, lock.released_ns - lock.granted_ns
    if waited <= held:
        return None
    return (
        f"The lock was waited for during {human_duration(waited)}, and everyone queued behind the wait: set a {limit} "
        "and try again, so that the queue is short, and let no long transaction hold the table meanwhile."
    )


def _held_on(lock: LockTaken, asked: StatementRan, statements: Sequence[StatementRan]) -> str | None:
    """Return the remedy where the lock outlives its statement: what follows in its transaction holds it on."""
    if lock.granted_ns is None or lock.released_ns is None or asked.transaction is None:
        return None
    held = lock.released_ns - lock.granted_ns
    if asked.ended_ns - lock.granted_ns > _OWN_SHARE * held:
        return None
    later = [one for one in statements if one.transaction == asked.transaction and one.at_ns >= asked.ended_ns]
    longest = max(later, key=lambda one: one.ended_ns - one.at_ns, default=None)
    if longest is None or longest.ended_ns - longest.at_ns < _HOLDS_UP_SHARE * held:
        return None
    return (
        f"Statement {asked.n} itself is quick, but its lock lasts until COMMIT, and statement {longest.n} "
        f"({human_duration(longest.ended_ns - longest.at_ns)}) runs in between: commit before it, or give statement "
        f"{longest.n} a transaction of its own."
    )


def _by_statement(recording: Recording, asked: StatementRan) -> str | None:
    """Return the remedy of the hazard that the statement is, unless the rehearsal has refuted it."""
    found = (one for one in of_statement(recording, asked) if one.proof.status != "refuted")
    hazard = next((one.hazard for one in found if one.hazard.severity == "outage"), None)
    return None if hazard is None else f"{hazard.says[:1].upper()}{hazard.says[1:]}. {hazard.rule.remedy}"
