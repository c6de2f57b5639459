"""What kind of deed an act is: a change of the schema, one that may be done twice, one that takes a moment."""

from __future__ import annotations

from collections.abc import Sequence

from rehearse.hazards.acts import Act

_CHANGES = (
    "add ",
    "drop ",
    "rename",
    "create",
    "modify",
    "convert",
    "set ",
    "change",
    "truncate",
    "partition",
    "rebuild",
    "encrypt",
)
_AGAIN = frozenset({"if exists", "if not exists", "or replace"})  # what may be done twice
_QUICK = frozenset({  # what is done in a moment, on PostgreSQL, however many rows there are
    "lock table", "begin", "commit", "rollback", "savepoint", "set", "comment", "grant", "policy", "create trigger",
    "create other", "alter other", "drop other", "drop view", "drop table", "rename table", "rename column",
    "rename constraint", "rename index", "set default", "drop default", "drop not null", "drop column",
    "drop constraint", "disable trigger", "enable trigger", "detach partition", "set options",
})  # fmt: skip


def is_change(act: Act) -> bool:
    """Say whether an act changes the schema."""
    return act.does != "set" and act.does.startswith(_CHANGES) and not act.has("temporary")


def is_repeatable(acts: Sequence[Act]) -> bool:
    """Say whether a statement that changes the schema may run where it has run before."""
    found = acts[:1] if acts[0].does == "create table" else acts
    return all(act.said & _AGAIN for act in found)


def is_quick(act: Act) -> bool:
    """Say whether an act takes a moment, however many rows there are."""
    is_plain_column = act.does == "add column" and not (act.calls or act.said & {"stored", "serial", "identity"})
    is_later = act.does in ("add check", "add foreign key") and act.has("not valid")
    return (
        act.does in _QUICK
        or is_plain_column
        or is_later
        or (act.does in ("insert", "create table") and not act.has("as query"))
    )
