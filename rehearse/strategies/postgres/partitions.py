"""A partitioned table in place of a plain one: at once, by a shadow, or with the old table as its first partition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pglast import ast, parse_sql
from pglast.stream import RawStream

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Constraint, Plan
from rehearse.profiles.made_up import made_up
from rehearse.strategies._site import Site
from rehearse.strategies.postgres.names import listed, quoted


def bounds(site: Site) -> dict[str, str]:
    """Return the partitions by name, each with its bound as CREATE TABLE has it."""
    given = dict(site["bounds"])
    if site.change.by == "hash":
        count = given.get("count", "")
        if set(given) != {"count"} or not str(count).isdigit() or int(count) < 1:
            raise ScenarioMistake("change.bounds: with by = 'hash' write { count = '8' }")
        return {
            f"{site.plan.own}_{number}": f"FOR VALUES WITH (MODULUS {count}, REMAINDER {number})"
            for number in range(int(count))
        }
    return {name: bound if _is_default(bound) else f"FOR VALUES {bound}" for name, bound in given.items()}


def _is_default(bound: str) -> bool:
    return bound.strip().upper() == "DEFAULT"


def partitioned(site: Site) -> Plan:
    """Return the table as it is to be: partitioned, and with a primary key that holds what it is partitioned by."""
    plan = site.plan
    if plan.partitioned:
        raise ScenarioMistake(f"change.table: {plan.name} is partitioned already")
    key = site.columns
    for one in plan.constraints:
        if one.kind == "unique" and not set(key) <= set(one.columns):
            raise ScenarioMistake(
                f"change.columns: {plan.name} has the unique key {one.name} ({', '.join(one.columns)}), which must "
                f"hold the columns that the table is partitioned by ({', '.join(key)})"
            )
        if one.kind == "exclusion":
            raise ScenarioMistake(f"change.table: {plan.name} has an exclusion constraint, {one.name}")
    for index in plan.indexes:
        if index.unique and index.constraint is None and not set(key) <= set(index.columns):
            raise ScenarioMistake(
                f"change.columns: the unique index {index.name} of {plan.name} must hold {', '.join(key)}"
            )
    method = {"range": "RANGE", "list": "LIST", "hash": "HASH"}[site["by"]]
    return replace(
        plan,
        partitioned=f"{method} ({listed(key)})",
        constraints=tuple(_holding(site, one, key) for one in plan.constraints),
        indexes=tuple(
            replace(one, columns=(*one.columns, *(part for part in key if part not in one.columns)))
            if plan.primary_key and one.constraint == plan.primary_key.name
            else one
            for one in plan.indexes
        ),
        columns={
            name: replace(one, nullable=False) if name in key and _is_keyed(plan) else one
            for name, one in plan.columns.items()
        },
    )


def _is_keyed(plan: Plan) -> bool:
    return plan.primary_key is not None


def _holding(site: Site, one: Constraint, key: tuple[str, ...]) -> Constraint:
    """Return a primary key with the columns that the table is partitioned by."""
    missing = tuple(part for part in key if part not in one.columns)
    if one.kind != "primary key" or not missing:
        return one
    pointing = [plan.name for plan, _ in site.blueprint.children(site.plan.name)]
    if pointing:
        raise ScenarioMistake(
            f"change.columns: the primary key of {site.plan.name} would have to hold {', '.join(missing)}, and "
            f"{', '.join(dict.fromkeys(pointing))} points at it as it is; partition by a column of the key"
        )
    columns = (*one.columns, *missing)
    return replace(one, columns=columns, definition=f"PRIMARY KEY ({listed(columns)})")


def made(name: str, of: str, bound: str, plan: Plan) -> str:
    """Return what makes a partition, with the options that the table had when it was one."""
    options = f" WITH ({', '.join(plan.options)})" if plan.options else ""
    return f"CREATE TABLE {name} PARTITION OF {of} {bound}{options}"


def condition(site: Site, bound: str) -> str:
    """Return SQL of what rows of a partition hold, as the server derives it from the bound."""
    column = quoted(site.column)
    if len(site.columns) != 1 or site.change.by == "hash" or _is_default(bound):
        raise ScenarioMistake(
            "strategies.way: 'partition' makes the old table a partition by range or list of one column; "
            "take 'shadow' or 'plain'"
        )
    spec: Any = _spec(bound)
    if spec.listdatums:
        values = ", ".join(RawStream()(one) for one in spec.listdatums)
        return f"{column} IS NOT NULL AND {column} IN ({values})"
    terms = [f"{column} IS NOT NULL", *_edge(column, ">=", spec.lowerdatums), *_edge(column, "<", spec.upperdatums)]
    return " AND ".join(terms)


def _spec(bound: str) -> Any:
    try:
        tree: Any = parse_sql(f"CREATE TABLE x PARTITION OF y {bound}")
    except Exception as error:
        raise ScenarioMistake(f"change.bounds: {bound!r} cannot be read: {error}") from None
    return tree[0].stmt.partbound


def _edge(column: str, operator: str, datums: Any) -> Iterator[str]:
    datum = datums[0]
    if isinstance(datum, ast.ColumnRef):  # MINVALUE or MAXVALUE: no column may stand in a bound
        return
    yield f"{column} {operator} {RawStream()(datum)}"


def made_names(plan: Plan, partition: str) -> Mapping[str, str]:
    """Return by their names those that a table's indexes get as a partition's: what the server makes up."""
    found = {}
    for index in plan.indexes:
        constraint = next((one for one in plan.constraints if one.name == index.constraint), None)
        if constraint is None:
            found[index.name] = made_up(partition, index.words, "idx")
        elif constraint.kind == "primary key":
            found[index.name] = made_up(partition, (), "pkey")
        else:
            found[index.name] = made_up(partition, index.words, "key")
    return found
