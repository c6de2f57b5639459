"""The steps of a plan: what each is for, how long it took, what it closed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rehearse.reports import _words
from rehearse.reports._escape import fenced
from rehearse.reports._escape import markdown as escaped
from rehearse.reports._shape_phases import Lock, Phase, Statement

_STEPS = 60
_SQL = 1_500
_VALUE = re.compile(r"'(?:[^']|'')*'|\b\d+\b")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)

# The first that matches counts; of a statement that replaced a table's file the stage is "Transform" whatever it says.
_STAGES: tuple[tuple[str, str], ...] = (
    ("Session", r"(?:begin|start|commit|end|rollback|savepoint|release|set|reset|select\s+set_config|lock)\b"),
    ("Transform", r"(?:insert|update|delete|merge|replace|copy|load|truncate|call|do|with|cluster|vacuum\s+full)\b"),
    ("Validate", r"(?:select|analyze|vacuum|check\s+table|alter\s+table\s.*\bvalidate\s+constraint)\b"),
    ("Validate", r"alter\s+table\s.*\bset\s+not\s+null\b"),
    ("Contract", r"drop\b|alter\s+\w+\s.*\b(?:drop|rename|detach)\b"),
    ("Expand", r"(?:create|alter|comment|grant)\b"),
)
MEANS = {
    "Session": "transactions and settings",
    "Expand": "what is new is added beside the old",
    "Transform": "rows are written",
    "Validate": "what was added is proved of all rows",
    "Contract": "what is old goes",
    "Other": "see the text",
}


def stage(one: Statement) -> str:
    """Return what a statement is for: Session, Expand, Transform, Validate, Contract or Other."""
    if one.rewrites:
        return "Transform"
    text = " ".join(_COMMENT.sub(" ", one.sql).split())
    found = (name for name, pattern in _STAGES if re.match(pattern, text, re.IGNORECASE))
    return next(found, "Other")


def stages(phase: Phase) -> list[tuple[str, list[Statement]]]:
    """Return the statements in their order, those that follow each other for one purpose together.

    What begins or ends a transaction stands with what it encloses.
    """
    purposes = [stage(one) for one in phase.statements]
    known = next((one for one in purposes if one != "Session"), "Session")
    filled = []
    for one in purposes:
        known = known if one == "Session" else one
        filled.append(known)
    pairs = groupby(zip(filled, phase.statements, strict=True), key=lambda pair: pair[0])
    return [(name, [statement for _, statement in some]) for name, some in pairs]


def steps(title: str, phase: Phase | None) -> Iterator[str]:
    """Yield the paragraphs of a way's steps, by their purpose."""
    yield f"## {title}\n"
    if phase is None:
        yield "Not rehearsed: nothing is known of it.\n"
        return
    yield f"In all {_words.seconds(phase.duration_s)}; longest outage: {escaped(_words.closed(phase))}.\n"
    if phase.error:
        yield f"**It failed in the rehearsal:** {escaped(_words.short(phase.error, 500))}\n"
    shown = told = 0
    for name, some in stages(phase):
        if shown >= _STEPS:
            break
        yield f"### {name}: {MEANS[name]}\n"
        parts = list(_parts(some))[: _STEPS - shown]
        for part in parts:
            yield _step(part[0], phase) if len(part) == 1 else _repeated(part, phase)
        shown += len(parts)
        told += sum(map(len, parts))
    rest = len(phase.statements) - told + phase.statements_left_out
    if rest > 0:
        yield f"… and {_words.plural(rest, 'more statement')}.\n"


def _parts(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    """Yield statements one by one; those that one place in a file ran again and again (batches, attempts) together."""
    for file, some in groupby(statements, key=lambda one: one.file):
        part = list(some)
        shapes = {_shape(one) for one in part}
        if file is not None and len(part) > len(shapes):
            yield part
        else:
            yield from ([one] for one in part)


def _shape(one: Statement) -> str:
    return _VALUE.sub("?", one.sql)


def _repeated(part: Sequence[Statement], phase: Phase) -> str:
    """Return the step of batches or attempts: how often, how long in all and at most, and the longest one's text."""
    work = [one for one in part if stage(one) != "Session"] or list(part)
    longest = max(work, key=lambda one: one.duration_s)
    took = _words.seconds(sum(one.duration_s for one in part))
    times = f"{len(work):,} times, {took} in all, {_words.seconds(longest.duration_s)} at most"
    sql = longest.sql if len(longest.sql) <= _SQL else f"{longest.sql[:_SQL]} …"
    worst = max(part, key=_closed_ms)
    locks = "".join(f"\n{text}, the longest of them" for text in _closes(worst, phase))
    return (
        f"#### Steps {part[0].n} to {part[-1].n}: {times} ({escaped(longest.file or '')})\n\n"
        f"The longest of them:\n\n{fenced(sql, 'sql')}\n{locks}\n"
    )


def transformations(phase: Phase | None) -> list[list[Statement]]:
    """Return the statements that write rows or write a table anew, the batches of one together."""
    found = () if phase is None else [one for one in phase.statements if stage(one) == "Transform"]
    return list(_parts(found))


def _step(one: Statement, phase: Phase) -> str:
    sql = one.sql if len(one.sql) <= _SQL else f"{one.sql[:_SQL]} …"
    place = f" ({escaped(one.file)})" if one.file else ""
    locks = "".join(f"\n{text}" for text in _closes(one, phase))
    return f"#### Step {one.n}: {_words.seconds(one.duration_s)}{place}\n\n{fenced(sql, 'sql')}\n{locks}\n"


def _closed_ms(one: Statement) -> float:
    return max((lock.held_ms or 0.0 for lock in one.locks if lock.stops), default=0.0)


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
    last = max(_numbers(phase.statements, one.transaction))
    return f", until the transaction ends with step {last}" if last > one.n else ", until the transaction ends"


def _numbers(statements: Sequence[Statement], transaction: int) -> Iterator[int]:
    return (other.n for other in statements if other.transaction == transaction)
