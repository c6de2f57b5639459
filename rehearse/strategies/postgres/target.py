"""What a table is after a change, and where the values of its columns come from, for ways that make it anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Column, Constraint, Index, Plan
from rehearse.strategies._site import Site
from rehearse.strategies.postgres import partitions, parts, renaming, rules
from rehearse.strategies.postgres.names import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A table after a change. `values` are SQL of the columns that do not simply hold what they held.

    `bounds` are the partitions, by name, of one that is partitioned.
    """

    plan: Plan
    values: Mapping[str, str]
    bounds: Mapping[str, str]


def target(site: Site) -> Target:
    """Return what the change makes of its table."""
    change = site.change
    plan, values = _changed(site)
    bounds = partitions.bounds(site) if change.kind == "partition table" else {}
    return Target(plan=plan, values=values, bounds=bounds)


def origin(site: Site) -> Target:
    """Return the table as it was, with the values that it gets back; a ScenarioMistake where these are lost."""
    change, plan = site.change, site.plan
    values: dict[str, str] = dict(change.back)
    if change.kind in ("change type", "widen key"):
        values = {one: values.get(one, f"{quoted(one)}::{plan.columns[one].type}") for one in site.columns}
    if change.kind == "rename column":
        values = {site.column: quoted(str(change.to))}
    return Target(plan=plan, values=values, bounds={})


def _changed(site: Site) -> tuple[Plan, dict[str, str]]:
    change, plan = site.change, site.plan
    if change.kind == "set not null":
        return _required(site)
    if change.kind == "add index":
        return replace(plan, indexes=(*plan.indexes, rules.new_index(site))), {}
    if change.kind in ("add check", "add unique", "add foreign key"):
        return with_constraint(plan, rules.new_constraint(site), rules.new_index(site)), {}
    if change.kind in ("change type", "widen key"):
        if change.kind == "change type":
            refuse_key(site)
        types = {site.column: change.type or "bigint"}
        cast = f"{quoted(site.column)}::{types[site.column]}"
        return retyped(plan, types), {site.column: change.fill or cast}
    if change.kind in ("split column", "merge columns"):
        return reshaped(site)
    if change.kind == "partition table":
        return partitions.partitioned(site), {}
    raise ScenarioMistake(f"strategies.way: {change.kind!r} is not made by a shadow table")


def refuse_key(site: Site) -> None:
    """Raise a ScenarioMistake for a column that cannot be of another type than the one at a foreign key's other end."""
    pointing = [plan.name for plan, one in site.blueprint.children(site.plan.name) if site.column in one.parent_columns]
    own = [one.name for one in site.plan.of_kind("foreign key") if site.column in one.columns]
    if pointing or own:
        raise ScenarioMistake(
            f"change.columns: {site.plan.name}.{site.column} is part of a foreign key "
            f"({', '.join(own or dict.fromkeys(pointing))}); take the kind 'widen key' on the key that it is about"
        )


def _required(site: Site) -> tuple[Plan, dict[str, str]]:
    change, plan = site.change, site.plan
    columns = dict(plan.columns)
    for name in site.columns:
        default = change.default or columns[name].default
        columns[name] = replace(columns[name], nullable=False, default=default)
    values = {one: f"coalesce({quoted(one)}, {change.fill})" for one in site.columns} if change.fill else {}
    return replace(plan, columns=columns), values


def with_constraint(plan: Plan, one: Constraint, index: Index) -> Plan:
    """Return a table with one more constraint, and its index where it has one."""
    indexes = (*plan.indexes, index) if one.kind == "unique" else plan.indexes
    return replace(plan, constraints=(*plan.constraints, one), indexes=indexes)


def retyped(plan: Plan, types: Mapping[str, str]) -> Plan:
    """Return a table whose columns are of other types."""
    return replace(plan, columns={name: _retyped(one, types.get(name, one.type)) for name, one in plan.columns.items()})


def _retyped(one: Column, declared: str) -> Column:
    if declared == one.type:
        return one
    sequence = one.sequence and replace(one.sequence, type=declared)
    return replace(one, type=declared, sequence=sequence, collation=one.collation if parts.is_text(declared) else None)


def renamed(plan: Plan, names: Mapping[str, str]) -> Plan:
    """Return a table whose columns are called otherwise."""
    return replace(
        plan,
        columns={names.get(name, name): replace(one, name=names.get(name, name)) for name, one in plan.columns.items()},
        constraints=tuple(renaming.constraint(one, names) for one in plan.constraints),
        indexes=tuple(renaming.index(one, names) for one in plan.indexes),
        grants=tuple(replace(one, column=names.get(one.column or "", one.column)) for one in plan.grants),
    )


def reshaped(site: Site) -> tuple[Plan, dict[str, str]]:
    """Return the table with the new columns of a split or a merge, and without the old ones where they go."""
    columns = {name: one for name, one in site.plan.columns.items() if name not in gone(site)}
    new = new_columns(site)
    columns |= {one.name: one for one in new}
    plan = without(replace(site.plan, columns=columns), gone(site))
    return plan, new_values(site)


def without(plan: Plan, names: tuple[str, ...]) -> Plan:
    """Return a table without columns, and without all that was of them."""
    lost, gone = set(names), [*plan.constraints_on(names)]
    return replace(
        plan,
        columns={name: one for name, one in plan.columns.items() if name not in lost},
        constraints=tuple(one for one in plan.constraints if one not in gone),
        indexes=tuple(one for one in plan.indexes if not lost & set(one.columns)),
        grants=tuple(one for one in plan.grants if one.column not in lost),
    )


def gone(site: Site) -> tuple[str, ...]:
    """Return the old columns that a split or a merge takes away: all of them, if a way back is told for each."""
    if site.change.kind not in ("split column", "merge columns"):
        return ()
    return site.columns if set(site.columns) <= set(site.change.back) else ()


def new_values(site: Site) -> dict[str, str]:
    """Return the SQL of a split's or a merge's new columns."""
    if site.change.kind == "merge columns" and not site.change.into:
        return {str(site["to"]): str(site["fill"])}
    return dict(site["into"])


def new_columns(site: Site) -> list[Column]:
    """Return a split's or a merge's new columns; without a type of their own they have the old one's."""
    usual = site.change.type or site.plan.columns[site.column].type
    return [Column(name=name, type=site.change.types.get(name, usual), nullable=True) for name in new_values(site)]
