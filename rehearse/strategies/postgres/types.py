"""Other types of columns: of one, or of a key with all that points at it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Blueprint, Plan
from rehearse.strategies._site import Site
from rehearse.strategies._steps import Step, Steps, patient, together
from rehearse.strategies.postgres import parts, shadow, twins
from rehearse.strategies.postgres.names import quoted, table
from rehearse.strategies.postgres.target import Target, refuse_key, retyped
from rehearse.strategies.postgres.twins import Twin

Types = Mapping[str, Mapping[str, str]]
"""New types, by table and column."""


def types(site: Site) -> dict[str, dict[str, str]]:
    """Return what gets another type: the column; of a key also the columns that point at it, to any depth."""
    declared = site.change.type or "bigint"
    if site.change.kind == "change type":
        refuse_key(site)
        return {site.plan.name: {site.column: declared}}
    key = site.plan.primary_key
    if key is None or site.column not in key.columns:
        raise ScenarioMistake(f"change.columns: {site.column!r} is no column of the primary key of {site.plan.name}")
    found: dict[str, dict[str, str]] = {}
    _widen(site.blueprint, site.plan.name, site.column, declared, found)
    return found


def _widen(blueprint: Blueprint, name: str, column: str, declared: str, found: dict[str, dict[str, str]]) -> None:
    if column in found.get(name, {}):
        return
    found.setdefault(name, {})[column] = declared
    for plan, one in blueprint.children(name):
        for own, theirs in zip(one.columns, one.parent_columns, strict=True):
            if theirs == column:
                _widen(blueprint, plan.name, own, declared, found)


def _old_types(site: Site, some: Types) -> dict[str, dict[str, str]]:
    return {name: {one: site.blueprint.tables[name].columns[one].type for one in of} for name, of in some.items()}


def plain(site: Site) -> Steps:
    """Write ALTER COLUMN … TYPE for all in one transaction."""
    some = types(site)
    old = _old_types(site, some)
    return Steps(
        forward=(together("All in one.", *_altered(site, some, site.change.fill)),),
        back=(together("Undone.", *_altered(site, old, site.change.back.get(site.column))),),
    )


def careful(site: Site) -> Steps:
    """Write ALTER COLUMN … TYPE, tried again, where the server only changes its catalog."""
    some = types(site)
    column = site.old()
    if site.change.fill or not _is_wider(column.type, str(site.change.type)):
        raise ScenarioMistake(
            f"strategies.way: from {column.type} to {site.change.type} the table is written anew under its lock; "
            "take 'expand' or 'shadow'"
        )
    back = _altered(site, _old_types(site, some), site.change.back.get(site.column))
    return Steps(
        forward=(
            patient("A catalog entry: every value is of the new type as it stands.", *_altered(site, some, None)),
        ),
        back=(patient("Undone, which reads every value.", *back),),
    )


_SIZED = re.compile(r"(?P<name>[\w ]+?)(?:\((?P<size>\d+)(?:,\s*(?P<scale>-?\d+))?\))?$")
_SAME = {"varchar": "character varying", "decimal": "numeric"}


def _is_wider(old: str, new: str) -> bool:
    """Say whether every value of a type is one of another, and looks the same on disk."""
    before, after = _SIZED.fullmatch(old.strip().lower()), _SIZED.fullmatch(new.strip().lower())
    if not before or not after:
        return False
    names = [_SAME.get(one["name"], one["name"]) for one in (before, after)]
    if names == ["character varying", "text"]:
        return True
    if names[0] != names[1] or names[0] not in ("character varying", "numeric"):
        return False
    if after["size"] is None:
        return True
    is_longer = before["size"] is not None and int(after["size"]) >= int(before["size"])
    return is_longer and (before["scale"] or "0") == (after["scale"] or "0")


def _altered(site: Site, some: Types, value: str | None) -> list[str]:
    """Return ALTER COLUMN … TYPE of all, and what must make way for it."""
    plans = [site.blueprint.tables[name] for name in some]
    views = {
        view.name: view
        for plan in plans
        if any(set(view.columns) & set(some[plan.name]) for view in plan.views)
        for view in plan.views
    }
    sql = parts.drop_views(list(views.values()))
    triggers = [(plan, one) for plan in plans for one in plan.triggers if set(one.columns) & set(some[plan.name])]
    sql += [f"DROP TRIGGER {quoted(one.name)} ON {table(plan)}" for plan, one in triggers]
    for plan in plans:
        sql += _of_table(plan, some[plan.name], value)
    sql += [line for plan, one in triggers for line in parts.trigger(one, table(plan))]
    sql += parts.make_views(views.values(), plans[0].owner)
    return sql


def _of_table(plan: Plan, some: Mapping[str, str], value: str | None) -> list[str]:
    words, sequences = [], []
    for name, declared in some.items():
        column, own = plan.columns[name], quoted(name)
        is_serial = column.sequence is not None and column.sequence.identity is None
        default = column.default if not is_serial else None
        words += [f"ALTER COLUMN {own} DROP DEFAULT"] if default is not None else []
        kind = parts.collated(declared, column.collation)
        words.append(f"ALTER COLUMN {own} TYPE {kind} USING {value or f'{own}::{declared}'}")
        words += [f"ALTER COLUMN {own} SET DEFAULT {default}"] if default is not None else []
        if is_serial and column.sequence is not None:
            sequences.append(f"ALTER SEQUENCE {column.sequence.name} AS {declared}")
    return [f"ALTER TABLE {table(plan)} {', '.join(words)}", *sequences]


def expand(site: Site) -> Steps:
    """Put columns of the new type in the places of the old ones, when they are filled."""
    some = types(site)
    old = _old_types(site, some)
    forth = _twins(some, {site.column: site.change.fill} if site.change.fill else {})
    back = _twins(old, site.change.back)
    later = twins.after(site.blueprint, forth)
    return Steps(
        forward=tuple(twins.swapped(site, forth, site.blueprint)),
        back=tuple(twins.swapped(site, back, later)),
        notes=("The columns come last in their tables, in no order that SQL knows of but `*`.",),
    )


def _twins(some: Types, values: Mapping[str, str | None]) -> dict[str, tuple[Twin, ...]]:
    return {
        name: tuple(
            Twin(column=one, type=declared, value=values.get(one) or f"{quoted(one)}::{declared}", name=one)
            for one, declared in of.items()
        )
        for name, of in some.items()
    }


def by_shadow(site: Site) -> Steps:
    """Make shadows of the table, and then of each that points at it."""
    some = types(site)
    forward, tables = _shadows(site, site.blueprint, some, site.change.fill)
    back, _ = _shadows(site, tables, _old_types(site, some), site.change.back.get(site.column))
    notes = ("Run it as the tables' owner. It needs room for each table once more.",)
    return Steps(forward=tuple(forward), back=tuple(back), notes=notes)


def _shadows(site: Site, blueprint: Blueprint, some: Types, value: str | None) -> tuple[list[Step], Blueprint]:
    """Return the steps, and the tables afterwards; each shadow is made of the tables as those before it left them."""
    found: list[Step] = []
    for name, of in some.items():
        plan = blueprint.tables[name]
        values = {one: value or f"{quoted(one)}::{declared}" for one, declared in of.items()}
        after = Target(plan=retyped(plan, of), values=values, bounds={})
        found += shadow.steps(replace(site, blueprint=blueprint, plan=plan), plan, after)
        blueprint = Blueprint({**blueprint.tables, name: after.plan})
    return found, blueprint
