"""Which lock an act takes on PostgreSQL, and what it stops: as the manual says, and rehearsals confirm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rehearse.hazards.acts import Act

ACCESS_EXCLUSIVE, EXCLUSIVE = "AccessExclusiveLock", "ExclusiveLock"
SHARE_ROW, SHARE, SHARE_UPDATE = "ShareRowExclusiveLock", "ShareLock", "ShareUpdateExclusiveLock"
STOPS: Mapping[str, tuple[str, ...]] = {
    ACCESS_EXCLUSIVE: ("reads", "writes"),
    EXCLUSIVE: ("writes",),
    SHARE_ROW: ("writes",),
    SHARE: ("writes",),
}
_WEAK = ("set options", "analyze", "vacuum", "comment", "grant", "validate constraint")
_STRONG = (
    "drop table", "rename table", "truncate", "set schema", "add column", "drop column", "rename column", "change type",
    "set not null", "drop not null", "set default", "drop default", "add identity", "add check", "add unique",
    "add primary key", "add exclude", "add not null", "drop constraint", "drop index", "set tablespace", "set logged",
    "set unlogged", "set access method", "cluster", "vacuum full", "refresh", "detach partition", "row security",
    "policy", "rename constraint", "set expression",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock of a table in a mode that stops reads, writes or neither."""

    table: str
    mode: str

    @property
    def stops(self) -> tuple[str, ...]:
        """What it keeps from the table: of "reads", "writes"."""
        return STOPS.get(self.mode, ())


def locks(act: Act) -> Iterator[Lock]:
    """Yield the locks of tables that an act takes."""
    if act.has("concurrently"):
        if act.table:
            yield Lock(act.table, EXCLUSIVE if act.does == "refresh" else SHARE_UPDATE)
    elif act.does in ("create index", "reindex"):
        yield Lock(act.table, SHARE)
    elif act.does in ("add foreign key", "create trigger", "disable trigger", "enable trigger"):
        yield from (Lock(one, SHARE_ROW) for one in dict.fromkeys((act.table, act.references)) if one)
    elif act.does == "attach partition":
        yield Lock(act.table, ACCESS_EXCLUSIVE)
        yield Lock(act.references, SHARE_UPDATE)
    elif act.does == "create table" and act.has("partition"):
        yield Lock(act.references, ACCESS_EXCLUSIVE)
    elif act.does == "lock table":
        yield Lock(act.table, "".join(word.capitalize() for word in act.mode.split()) + "Lock")
    elif act.does in _STRONG and act.table:
        yield Lock(act.table, ACCESS_EXCLUSIVE)
        if act.does == "detach partition":
            yield Lock(act.references, ACCESS_EXCLUSIVE)
    elif act.does in _WEAK and act.table:
        yield Lock(act.table, SHARE_UPDATE)
