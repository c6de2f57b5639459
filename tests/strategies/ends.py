"""What a strategy leaves, forward, back and forward again, and what of it is unlike another's."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rehearse import registry, strategies
from rehearse.model import EngineChoice, MigrationChoice, Scenario, Snapshot, Strategy
from rehearse.model.change import Change
from rehearse.profiles.blueprint import Blueprint
from rehearse.protocols import Role
from tests.conftest import KeepingJournal

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Ended:
    """The states after each way; None where it was not gone."""

    forward: Snapshot
    back: Snapshot | None
    again: Snapshot | None


@dataclass
class Ends:
    """The states that the plain ways end in, each made when it is first asked for."""

    database: Any
    engine: str
    known: dict[str, Snapshot]

    @cached_property
    def tables(self) -> Blueprint:
        return self.database.blueprint()

    def written(self, change: Change, way: str) -> Strategy:
        return strategies.write(change, way, self.tables, engine=self.engine, version=self.database.server.version)

    def of(self, name: str, change: Change) -> Snapshot:
        if name not in self.known:
            self.known[name] = gone_through(self.database, self.written(change, "plain"), self.engine).forward
        return self.known[name]


def gone_through(database: Any, strategy: Strategy, engine: str) -> Ended:
    """Return the states of a copy after each way."""
    copy = database.fork(f"ways{next(_numbers)}")
    try:
        choice = MigrationChoice(
            tool=strategy.tool, forward=strategy.forward, back=strategy.back or False, transaction="none"
        )
        scenario = Scenario(name="ways", engine=EngineChoice(name=engine), migration=choice)
        migration = registry.tool(strategy.tool).open(scenario)
        url = copy.url(Role.MIGRATION)
        migration.forward(url, KeepingJournal())
        forward = copy.snapshot("forward")
        if strategy.back is None:
            return Ended(forward, None, None)
        migration.back(url, KeepingJournal())
        back = copy.snapshot("back")
        migration.forward(url, KeepingJournal())
        return Ended(forward, back, copy.snapshot("again"))
    finally:
        copy.drop()


def unlike(before: Snapshot, after: Snapshot, *, without: Collection[str | None] = ()) -> list[object]:
    """Return objects, and tables with their columns, that are not alike; those columns may be.

    A counter that has moved on is alike: copying rows draws on it.
    """
    names = {*before.schema, *after.schema}
    found: list[object] = [
        (name, before.schema.get(name), after.schema.get(name))
        for name in sorted(names)
        if before.schema.get(name) != after.schema.get(name) and not name.endswith(" counter")
    ]
    for name in sorted({*before.tables, *after.tables}):
        one, other = before.tables.get(name), after.tables.get(name)
        if one is None or other is None:
            found.append(name)
        elif not one.is_like(other):
            columns = {key for key in {*one.columns, *other.columns} if _differs(one.columns, other.columns, key)}
            found += [(name, sorted(columns))] if columns - set(without) or one.rows != other.rows else []
    return found


def _differs(one: Any, other: Any, key: str) -> bool:
    return one.get(key) is None or one.get(key) != other.get(key)
