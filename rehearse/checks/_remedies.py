"""What to do about a lock that is held for too long, by the statement that asked for it and by what else held it up."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rehearse.events import LockTaken, StatementRan
from rehearse.units import human_duration

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_BATCHES = "fill the rows that are there in batches, each committed"
_OWN_SHARE = 0.5  # of the time that a lock is held: with more its own statement is the one to mend
_HOLDS_UP_SHARE = 0.3  # … and a later statement with more holds it on

_MYSQL = (
    "Say ALGORITHM=INSTANT, or ALGORITHM=INPLACE with LOCK=NONE, in the ALTER, so that the server refuses it where it "
    "would copy the table under lock; copy by pt-online-schema-change or gh-ost where there is no other way; bring "
    "what a change needs in a new column, and " + _BATCHES + ". Set lock_wait_timeout to a second or two and retry, so "
    "that nobody queues behind you for long."
)
OF_ENGINE = {"mariadb": _MYSQL, "mysql": _MYSQL}
IDLE = "Do what takes time before BEGIN or after COMMIT; send a transaction's statements without a pause; set "
IDLE_OF_ENGINE = {
    "mariadb": IDLE + "idle_transaction_timeout for the migration's sessions.",
    "mysql": IDLE + "wait_timeout, after which an idle session is ended, for the migration's.",
}
# The first that matches counts. With True the statement must have rewritten a table.
_BY_STATEMENT: tuple[tuple[str, bool, str], ...] = (
    (
        r"\badd\s+(?:column\s+)?.*\bgenerated\s+always\s+as\s*\(",
        True,
        "A stored generated column rewrites the table: add a plain column, keep it up by a trigger, " + _BATCHES + ", "
        "or compute it when it is read (VIRTUAL, from PostgreSQL 18 on).",
    ),
    (
        r"\badd\s+(?:column\s+)?.*\b(?:serial|bigserial|smallserial|identity)\b",
        True,
        "A column that numbers the rows rewrites the table: ADD COLUMN without a default, SET DEFAULT nextval(…) for "
        "new rows, " + _BATCHES + ", then make it NOT NULL by a CHECK … NOT VALID that is validated later.",
    ),
    (
        r"\badd\s+(?:column\s+)?.*\bdefault\b",
        True,
        "A volatile default (random(), gen_random_uuid(), clock_timestamp()) is computed for every row under the lock: "
        "ADD COLUMN without a default, then SET DEFAULT for new rows, then " + _BATCHES + ". NOT NULL comes last, by a "
        "CHECK (… IS NOT NULL) NOT VALID that is validated later. A constant default rewrites nothing.",
    ),
    (
        r"\balter\s+(?:column\s+)?\S+\s+(?:set\s+data\s+)?type\b",
        True,
        "A type that is stored otherwise rewrites the table: add a column of the new type, keep both in step by a "
        "trigger, " + _BATCHES + ", then let the names change places in one short transaction.",
    ),
    (
        r"\balter\s+(?:column\s+)?\S+\s+set\s+not\s+null\b",
        False,
        "SET NOT NULL reads the whole table under the lock: ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID, then "
        "VALIDATE CONSTRAINT in another transaction; SET NOT NULL then takes the constraint's word and is quick.",
    ),
    (
        r"\badd\s+(?:constraint\s+\S+\s+)?(?:primary\s+key|unique)\b(?!.*\busing\s+index\b)",
        False,
        "The index is built under the lock: CREATE UNIQUE INDEX CONCURRENTLY first, then ADD CONSTRAINT … USING INDEX.",
    ),
    (
        r"\b(?:foreign\s+key|references)\b(?!.*\bnot\s+valid\b)",
        False,
        "Every row is looked up under the lock: ADD CONSTRAINT … FOREIGN KEY … NOT VALID, then VALIDATE CONSTRAINT in "
        "another transaction, which stops no write.",
    ),
    (
        r"\badd\s+(?:constraint\s+\S+\s+)?check\b(?!.*\bnot\s+valid\b)",
        False,
        "Every row is read under the lock: ADD CONSTRAINT … CHECK (…) NOT VALID, then VALIDATE CONSTRAINT in another "
        "transaction, which stops no write.",
    ),
    (
        r"^\s*create\s+(?:unique\s+)?index\b(?!\s+concurrently)",
        False,
        "CREATE INDEX stops writes until it is built: CREATE INDEX CONCURRENTLY, outside any transaction; see that it "
        "is valid afterwards.",
    ),
    (
        r"^\s*reindex\b(?!.*\bconcurrently\b)",
        False,
        "REINDEX … CONCURRENTLY stops neither reads nor writes; it must run outside any transaction.",
    ),
    (
        r"^\s*drop\s+index\b(?!\s+concurrently)",
        False,
        "DROP INDEX CONCURRENTLY, outside any transaction, waits for others without making others wait.",
    ),
    (
        r"^\s*(?:vacuum\s*(?:\([^)]*\bfull\b|full\b)|cluster\b)",
        False,
        "The whole table is written anew under the lock: a plain VACUUM frees the space for new rows; pg_repack or "
        "pg_squeeze give it back while the table is in use.",
    ),
    (
        r"^\s*refresh\s+materialized\s+view\b(?!\s+concurrently)",
        False,
        "REFRESH MATERIALIZED VIEW CONCURRENTLY (it needs a unique index) lets readers go on.",
    ),
)  # fmt: skip


def of(lock: LockTaken, statements: Sequence[StatementRan]) -> str | None:
    """Return the remedy for a lock of a phase with these statements; None: nothing more is known than the rule says."""
    asked = next((one for one in statements if one.n == lock.statement), None)
    if asked is None:
        return None
    waiting = _waited(lock)
    if waiting:
        return waiting
    return _held_on(lock, asked, statements) or _by_statement(asked)


def _waited(lock: LockTaken) -> str | None:
    """Return the remedy where most of the outage is the wait for the lock itself."""
    if lock.granted_ns is None or lock.released_ns is None:
        return None
    waited, held = lock.granted_ns - lock.at_ns, lock.released_ns - lock.granted_ns
    if waited <= held:
        return None
    return (
        f"The lock was waited for during {human_duration(waited)}, and everyone queued behind the wait: set a "
        "lock_timeout (for example 200 ms) and try again, so that the queue is short, and let no long transaction hold "
        "the table meanwhile."
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


def _by_statement(asked: StatementRan) -> str | None:
    text = " ".join(_COMMENT.sub(" ", asked.sql).split())
    for pattern, rewrites, remedy in _BY_STATEMENT:
        if re.search(pattern, text, re.IGNORECASE) and (asked.rewrites or not rewrites):
            return remedy
    return None
