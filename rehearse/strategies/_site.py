"""What a way is written from: the change, the table as it is, and what the change lacks, told by its key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model.change import Change
from rehearse.model.names import split
from rehearse.profiles.blueprint import Blueprint, Column, Plan
from rehearse.strategies._options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A change at its place. `major` is the server's version; None: not known, taken as a new one."""

    change: Change
    plan: Plan
    blueprint: Blueprint
    engine: str
    options: Options
    major: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the change is about, which need not be there."""
        return listed(self.change.columns)

    @property
    def column(self) -> str:
        """The one column that the change is about."""
        return self.columns[0]

    def old(self) -> Column:
        """Return the column that the change is about, as it is."""
        return self.plan.columns[self.column]

    def at_least(self, major: int) -> bool:
        """Say whether the server is of this version or a later one."""
        return self.major is None or self.major >= major

    def key(self) -> tuple[str, ...]:
        """Return the columns of the primary key; a table without one is a mistake for a way that needs it."""
        return key_of(self.plan)

    def __getitem__(self, key: str) -> Any:
        """Return a key of the change that must be there."""
        value = getattr(self.change, key)
        if value in (None, "", {}):
            raise lacks(self.change, key)
        return value


def key_of(plan: Plan) -> tuple[str, ...]:
    """Return the columns of a table's primary key; one without is a mistake for a way that goes through its rows."""
    found = plan.primary_key
    if found is None:
        raise ScenarioMistake(
            f"change.table: {plan.name} has no primary key, by which this way goes through its rows; "
            "take the way 'plain', or add a key first"
        )
    return found.columns


def lacks(change: Change, key: str) -> ScenarioMistake:
    """Return the mistake that a change lacks a key."""
    return ScenarioMistake(f"change.{key}: {change.kind!r} needs it")


def listed(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return one name or several as a tuple; "" is none."""
    return ((names,) if names else ()) if isinstance(names, str) else tuple(names)


def found_table(blueprint: Blueprint, name: str, key: str = "change.table") -> Plan:
    """Return a table by its name in words; one that is not there is a mistake."""
    if name in blueprint.tables:
        return blueprint.tables[name]
    same = [one for one in blueprint.tables.values() if split(name) in ((one.schema, one.own), ("", one.own))]
    if len(same) == 1:
        return same[0]
    raise ScenarioMistake(f"{key}: there is no table {name!r}{near_miss(name, blueprint.tables)}")


def check_columns(plan: Plan, names: Iterable[str], key: str) -> None:
    """Raise a ScenarioMistake for a column that the table has not."""
    for name in names:
        if name not in plan.columns:
            raise ScenarioMistake(f"{key}: {plan.name} has no column {name!r}{near_miss(name, plan.columns)}")


def check_new(plan: Plan, names: Iterable[str], key: str) -> None:
    """Raise a ScenarioMistake for a column that the table has already."""
    for name in names:
        if name in plan.columns:
            raise ScenarioMistake(f"{key}: {plan.name} has a column {name!r} already; name another")
