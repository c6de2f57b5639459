"""Where an estimate is for: rows by table, and the shares of them at which a law can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rehearse import units
from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model import Scenario
from rehearse.profiles import Profile
from rehearse.reading import profile as profiles
from rehearse.rehearsal import scales

_APART = 1.05  # sizes whose rows are nearer to each other are one


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the forecast is for: the profile's rows times `factor`, but for the tables of `rows`."""

    factor: float
    rows: Mapping[str, int]
    tables: Mapping[str, int]  # all of them
    largest: int

    def shares(self, asked: Sequence[float]) -> list[float]:
        """Return shares of the target for shares of the profile's rows; a ScenarioMistake where they tell no law."""
        found = sorted(one / self.factor for one in asked)
        rows = [max(1, round(self.largest * x)) for x in found]
        least = min(scales.LEAST_ROWS, self.largest)
        told = f"--scales: the largest table would have {', '.join(f'{count:,}' for count in rows)} rows"
        if found[-1] > 1.0 + 1e-9:
            raise ScenarioMistake(f"{told}, and the target has {self.largest:,}; name smaller shares")
        if any(many < _APART * few for few, many in pairwise(rows)):
            raise ScenarioMistake(f"{told}, and sizes that are alike tell no law; name shares that are farther apart")
        if rows[-1] < least:
            raise ScenarioMistake(f"{told}; name larger shares: with fewer than {least:,} at most they tell no law")
        return found

    def scenario(self, scenario: Scenario, x: float) -> Scenario:
        """Return the scenario with a share of the target's rows."""
        few = {name: max(1, round(count * x)) if count else 0 for name, count in self.rows.items()}
        return replace(scenario, data=replace(scenario.data, scale=self.factor * x, tables=dict(few), statistics=None))


def target(scenario: Scenario, asked: Mapping[str, int]) -> Target:
    """Return the target of an estimate; raises a ScenarioMistake for what is no table of the profile."""
    if not scenario.data.profile:
        raise ScenarioMistake(
            f"{scenario.file or scenario.name}: data.profile is needed, since rows of files come in one size only; "
            "`rehearse profile URL --out FILE` describes a database"
        )
    profile = profiles.find(scenario.data.profile, scenario.folder)
    for name in asked:
        if name not in profile.tables:
            raise ScenarioMistake(f"--at {name}: the profile has no such table{near_miss(name, profile.tables)}")
    factor = _factor(profile, asked)
    rows = {name: count for name, count in asked.items() if count != profile.rows(name, factor)}
    rows |= {
        name: units.rows(count)
        for name, count in scenario.data.tables.items()
        if name not in profile.tables or units.rows(count) == 0
    }
    tables = {name: profile.rows(name, factor) for name in profile.tables} | rows
    return Target(factor=factor, rows=rows, tables=tables, largest=max(tables.values(), default=1))


def _factor(profile: Profile, asked: Mapping[str, int]) -> float:
    """Return how many times the profile's rows there are: of the first table that is named, or once."""
    name, count = next(iter(asked.items()), (None, 0))
    if name is None:
        return 1.0
    if not profile.tables[name].rows:
        raise ScenarioMistake(f"--at {name}: the profile says that it has no rows; name another table first")
    if profile.tables[name].fixed:
        raise ScenarioMistake(f"--at {name}: its number of rows is fixed in the profile; name another table first")
    return count / profile.tables[name].rows
