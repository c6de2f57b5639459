"""PostgreSQL's lock modes, and what each of them stops.

A read (SELECT) asks for AccessShareLock, a write (INSERT, UPDATE, DELETE, MERGE) for RowExclusiveLock and SELECT … FOR
UPDATE for RowShareLock, of the table and of its indexes. What conflicts with those is stopped; what stops neither may
still stop other schema changes and VACUUM (ShareUpdateExclusiveLock).
"""

from __future__ import annotations

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
