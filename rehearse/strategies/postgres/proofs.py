"""Rules that are proved before they are kept: what scans a table does so while everyone works."""

from __future__ import annotations

from collections.abc import Sequence

from rehearse.profiles.blueprint import Constraint, Index, Plan
from rehearse.profiles.made_up import made_up
from rehearse.strategies._steps import Step, alone, patient
from rehearse.strategies.postgres import parts
from rehearse.strategies.postgres.names import made, quoted, table


def not_null(plan: Plan, columns: Sequence[str], *, native: bool) -> list[Step]:
    """Return steps after which columns hold no NULL; `native`: the server can prove NOT NULL itself (18 and later)."""
    where = table(plan)
    if native:
        names = {one: named(plan, one) for one in columns}
        added = [
            f"ALTER TABLE {where} ADD CONSTRAINT {quoted(name)} NOT NULL {quoted(one)} NOT VALID"
            for one, name in names.items()
        ]
        return [
            patient("New rows must have it: a lock for a moment, no row is read.", *added),
            alone("The rows that are there are read while everyone works.", *_validated(where, names.values())),
        ]
    names = {one: made(plan.own, f"_{one}_known") for one in columns}
    added = [
        f"ALTER TABLE {where} ADD CONSTRAINT {quoted(name)} CHECK ({quoted(one)} IS NOT NULL) NOT VALID"
        for one, name in names.items()
    ]
    kept = [f"ALTER TABLE {where} ALTER COLUMN {quoted(one)} SET NOT NULL" for one in columns]
    dropped = [parts.drop_constraint(where, name) for name in names.values()]
    return [
        patient("New rows must have it: a lock for a moment, no row is read.", *added),
        alone("The rows that are there are read while everyone works.", *_validated(where, names.values())),
        patient("NOT NULL believes the proof and reads nothing.", *kept, *dropped),
    ]


def named(plan: Plan, column: str) -> str:
    """Return the name of a column's NOT NULL, as the server makes it up."""
    return made_up(plan.own, [column], "not_null")


def _validated(where: str, names: object) -> list[str]:
    return [parts.validate(where, name) for name in names]  # type: ignore[attr-defined]


def constraint(where: str, one: Constraint, *, both: str = "") -> list[Step]:
    """Return steps after which a check or a foreign key holds; `both` says which lock is taken."""
    return [
        patient(
            f"It holds for new rows: {both or 'a lock'} for a moment, no row is read.",
            parts.add(where, one, valid=False),
        ),
        alone("The rows that are there are read while everyone works.", parts.validate(where, one.name)),
    ]


def unique(plan: Plan, where: str, one: Constraint, index: Index) -> list[Step]:
    """Return steps after which a unique or primary key holds."""
    kind = one.definition.partition(" (")[0]
    using = f"ALTER TABLE {where} ADD CONSTRAINT {quoted(one.name)} {kind} USING INDEX {quoted(index.name)}"
    return [
        alone("The index is built while everyone works.", *parts.concurrent(plan, where, index)),
        patient("The constraint takes the index over and reads nothing.", using),
    ]
