"""PostgreSQL's lock modes, and what each of them stops.

A read (SELECT) asks for AccessShareLock, a write (INSERT, UPDATE, DELETE, MERGE) for RowExclusiveLock and SELECT … FOR
UPDATE for RowShareLock, of the table and of its indexes. What conflicts with those is stopped; what stops neither may
still stop other schema changes and VACUUM (ShareUpdateExclusiveLock).
"""

from __future__ import annotations

import re

STOPS: dict[str, tuple[str, ...]] = {
    "AccessShareLock": (),
    "RowShareLock": (),
    "RowExclusiveLock": (),
    "ShareUpdateExclusiveLock": (),
    "ShareLock": ("writes",),
    "ShareRowExclusiveLock": ("writes",),
    "ExclusiveLock": ("writes",),  # SELECT … FOR UPDATE too
    "AccessExclusiveLock": ("reads", "writes"),
}
EXCLUSIVE = "AccessExclusiveLock"


def stops(mode: str) -> tuple[str, ...]:
    """Return which of "reads" and "writes" a mode stops; nothing for a mode that is not known."""
    return STOPS.get(mode, ())


# Which modes a kind of statement never asks for on a table that others see; the first pattern that fits holds. What is
# not here (functions, DO, CALL, extensions) may ask for any.
_READS = frozenset({"AccessShareLock", "RowShareLock"})
_WRITES = _READS | {"RowExclusiveLock"}
_ALTERS = frozenset(STOPS) - {"ShareRowExclusiveLock", "ExclusiveLock"}
_ASKS: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (re.compile(rf"\s*{pattern}", re.IGNORECASE | re.DOTALL), frozenset(modes))
    for pattern, modes in (
        (r"create\s+(unique\s+)?index\s+concurrently\b", {"ShareUpdateExclusiveLock", *_READS}),
        (r"create\s+(unique\s+)?index\b", {"ShareLock", *_READS}),
        (r"create\s+(or\s+replace\s+)?(constraint\s+)?trigger\b", {"ShareRowExclusiveLock", *_READS}),
        (r"create\s+table\b.*\breferences\b", {"ShareRowExclusiveLock", *_WRITES}),
        (r"alter\s+table\b.*\b(foreign\s+key|references|trigger|rule|attach)\b", set(STOPS) - {"ExclusiveLock"}),
        (r"alter\s+table\b", _ALTERS),
        (r"(vacuum\s+(?!full|\([^)]*full)|analyze\b|comment\b)", {"ShareUpdateExclusiveLock", *_WRITES}),
        (r"lock\b.*\bshare\s+row\s+exclusive\b", {"ShareRowExclusiveLock"}),
        (r"lock\b.*\bshare\s+update\s+exclusive\b", {"ShareUpdateExclusiveLock"}),
        (r"lock\b.*\brow\s+exclusive\b", {"RowExclusiveLock"}),
        (r"lock\b.*\brow\s+share\b", {"RowShareLock"}),
        (r"lock\b.*\baccess\s+share\b", {"AccessShareLock"}),
        (r"lock\b.*\bin\s+share\b", {"ShareLock"}),
        (r"lock\b.*\bin\s+exclusive\b", {"ExclusiveLock"}),
        (r"lock\b", {"AccessExclusiveLock"}),
        (r"truncate\b", {"AccessExclusiveLock", "ShareLock"}),
        (r"(insert|update|delete|merge|copy)\b", _WRITES),
        (r"(begin|start|commit|end|rollback|abort|savepoint|release|set|show|reset)\b", frozenset()),
    )
)


_SEVERAL = re.compile(r";\s*\S")


def may_ask(sql: str, mode: str) -> bool:
    """Say whether a statement of this text may ask for a lock of this mode by itself.

    Triggers and functions that it calls may ask for others: an answer of no tells two candidates apart, it rules
    neither out.
    """
    if _SEVERAL.search(sql):
        return True
    return next((mode in modes for pattern, modes in _ASKS if pattern.match(sql)), True)
