"""Columns that come, go, or are called otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pglast import parse_sql
from pglast.parser import ParseError
from pglast.visitors import Visitor

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Column, Constraint, Plan
from rehearse.strategies._site import Site
from rehearse.strategies._steps import Step, Steps, alone, batches, patient, together
from rehearse.strategies.postgres import parts, proofs
from rehearse.strategies.postgres.names import beside, made, quoted, table
from rehearse.strategies.postgres.shadow import take_over

# Functions that are computed once in a statement: a column with such a default is a catalog entry (from version 11).
_STABLE = frozenset(["now", "transaction_timestamp", "statement_timestamp", "current_setting", "current_database"])


def new_column(site: Site) -> Column:
    """Return the column that the change adds."""
    change = site.change
    if not change.nullable and change.default is None and change.fill is None:
        raise ScenarioMistake("change.nullable: a column that is NOT NULL needs `default`, or `fill` for old rows")
    return Column(name=site.column, type=site["type"], nullable=change.nullable, default=change.default)


def add(site: Site) -> Steps:
    """Write ADD COLUMN, and the filling of old rows, in one transaction."""
    one, where = new_column(site), table(site.plan)
    if site.change.fill is None:
        forward = [f"ALTER TABLE {where} ADD COLUMN {parts.column(one)}"]
    else:
        forward = [
            f"ALTER TABLE {where} ADD COLUMN {parts.column(one, bare=True)}",
            f"UPDATE {where} SET {quoted(one.name)} = {site.change.fill}",
            *_completed(where, one),
        ]
    return Steps(
        forward=(together("All in one.", *forward),),
        back=(alone("Undone: what was written to it is lost.", f"ALTER TABLE {where} DROP COLUMN {quoted(one.name)}"),),
    )


def _completed(where: str, one: Column) -> list[str]:
    found = []
    if one.default is not None:
        found.append(f"ALTER TABLE {where} ALTER COLUMN {quoted(one.name)} SET DEFAULT {one.default}")
    if not one.nullable:
        found.append(f"ALTER TABLE {where} ALTER COLUMN {quoted(one.name)} SET NOT NULL")
    return found


def add_careful(site: Site) -> Steps:
    """Add the column empty, have new rows get it, fill the old ones in batches, and prove NOT NULL at the end."""
    one, where = new_column(site), table(site.plan)
    back = patient("Undone: what was written to it is lost.", f"ALTER TABLE {where} DROP COLUMN {quoted(one.name)}")
    value = site.change.fill or one.default
    if site.change.fill is None and (value is None or not is_volatile(value)):
        sql = f"ALTER TABLE {where} ADD COLUMN {parts.column(one)}"
        return Steps(forward=(patient("A catalog entry: old rows have it without being written.", sql),), back=(back,))
    name = quoted(one.name)
    steps: list[Step] = [
        patient("The column, empty.", f"ALTER TABLE {where} ADD COLUMN {parts.column(one, bare=True)}")
    ]
    if one.default is not None:
        sql = f"ALTER TABLE {where} ALTER COLUMN {name} SET DEFAULT {one.default}"
        steps.append(patient("New rows get the default.", sql))
    steps.append(
        batches("Old rows in batches.", f"UPDATE {where} SET {name} = {value} WHERE {name} IS NULL", site.key())
    )
    if not one.nullable:
        steps += proofs.not_null(site.plan, [one.name], native=site.at_least(18))
    return Steps(forward=tuple(steps), back=(back,))


class _Calls(Visitor):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_FuncCall(self, _ancestors: Any, node: Any) -> None:  # noqa: N802
        self.names.add(node.funcname[-1].sval)


def is_volatile(expression: str) -> bool:
    """Say whether SQL calls a function that may give another value for each row; one that is not known may."""
    calls = _Calls()
    try:
        calls(parse_sql(f"SELECT {expression}"))
    except ParseError as error:
        raise ScenarioMistake(f"change: {expression!r} is no SQL of a value: {error.args[0]}") from None
    return bool(calls.names - _STABLE)


def drop(site: Site) -> Steps:
    """Write DROP COLUMN."""
    refuse_read(site.plan, site.columns)
    gone = f"ALTER TABLE {table(site.plan)} DROP COLUMN {quoted(site.column)}"
    back, why = _restored(site)
    return Steps(forward=(alone("The column goes, with all that is of it.", gone),), back=back, no_back=why)


def drop_careful(site: Site) -> Steps:
    """Drop its indexes while everyone works, then the column, by a lock that is given up when it does not come soon."""
    refuse_read(site.plan, site.columns)
    free = [one for one in site.plan.indexes if site.column in one.columns and one.constraint is None]
    steps = (
        []
        if site.plan.partitioned
        else [
            alone(
                "An index of it goes, while everyone works.", f"DROP INDEX CONCURRENTLY {beside(site.plan, one.name)}"
            )
            for one in free
        ]
    )
    gone = f"ALTER TABLE {table(site.plan)} DROP COLUMN {quoted(site.column)}"
    steps.append(patient("The column goes, with all that is of it.", gone))
    back: tuple[Step, ...] | None
    back, why = _restored(site)
    if back is not None:
        back = (
            patient("The column, empty.", *made_again(site.plan, site.column)),
            batches("Its values in batches.", _restoring(site), site.key()),
            *ruled_carefully(site, site.columns),
        )
    return Steps(forward=tuple(steps), back=back, no_back=why)


def _restored(site: Site) -> tuple[tuple[Step, ...] | None, str | None]:
    """Return the way back, if it is told what the column held; and else why there is none."""
    if site.column not in site.change.back:
        return None, f"what {site.column} held is gone; say by change.back how it follows from other columns"
    where = table(site.plan)
    update = f"UPDATE {where} SET {quoted(site.column)} = {site.change.back[site.column]}"
    sql = [*made_again(site.plan, site.column), update, *ruled_again(site.plan, site.columns)]
    return (together("The column again, as `back` has its values.", *sql),), None


def _restoring(site: Site) -> str:
    own, value = quoted(site.column), site.change.back[site.column]
    return f"UPDATE {table(site.plan)} SET {own} = {value} WHERE ({own} IS DISTINCT FROM ({value}))"


def refuse_read(plan: Plan, columns: Sequence[str]) -> None:
    """Raise a ScenarioMistake for columns that a view or another table reads: they cannot simply go."""
    reading = [view.name for view in plan.views if set(view.columns) & set(columns)]
    if reading:
        raise ScenarioMistake(
            f"change.columns: {', '.join(columns)} of {plan.name} is read by {', '.join(reading)}; change that first"
        )


def made_again(plan: Plan, column: str) -> list[str]:
    """Return what makes a column that is gone, empty, with its settings, comment and rights."""
    one = plan.columns[column]
    where = table(plan)
    return [
        f"ALTER TABLE {where} ADD COLUMN {parts.column(replace(one, generated=None), bare=True)}",
        *parts.of_column(plan, one),
    ]


def _own(plan: Plan, columns: Sequence[str]) -> list[Constraint]:
    return [*plan.constraints_on(columns)]


def ruled_again(plan: Plan, columns: Sequence[str]) -> Iterator[str]:
    """Yield what gives columns that were made again their defaults, rules and indexes."""
    where = table(plan)
    for name in columns:
        yield from _completed(where, plan.columns[name])
    for constraint in _own(plan, columns):
        yield parts.add(where, constraint, valid=constraint.valid)
        yield from parts.of_constraint(where, constraint)
    for index in plan.indexes:
        if set(index.columns) & set(columns):
            if index.constraint is None:
                yield parts.index(where, index)
            yield from parts.of_index(plan, index)


def ruled_carefully(site: Site, columns: Sequence[str]) -> Iterator[Step]:
    """Yield the same while everyone works."""
    plan, where = site.plan, table(site.plan)
    defaults = [sql for name in columns for sql in _completed(where, replace(plan.columns[name], nullable=True))]
    if defaults:
        yield patient("New rows get the default.", *defaults)
    required = [name for name in columns if not plan.columns[name].nullable]
    if required:
        yield from proofs.not_null(plan, required, native=site.at_least(18))
    for index in plan.indexes:
        if set(index.columns) & set(columns):
            twin = made(index.name, "__new") if index.constraint else index.name
            yield alone("An index of it, while everyone works.", *parts.concurrent(plan, where, index, name=twin))
            if index.constraint is None:
                yield alone("What it has.", *parts.of_index(plan, index))
    for one in _own(plan, columns):
        if one.kind in ("unique", "primary key"):
            yield patient(
                "The constraint takes the index over.", take_over(where, one, made(one.index or one.name, "__new"))
            )
        else:
            found = proofs.constraint(where, one)
            yield from found if one.valid else found[:1]
        yield alone("What it has.", *parts.of_constraint(where, one))


def rename(site: Site) -> Steps:
    """Write RENAME COLUMN."""
    forward, back = _renames(site)
    return Steps(forward=(alone("The name.", forward),), back=(alone("The old one.", back),))


def rename_careful(site: Site) -> Steps:
    """Write RENAME COLUMN, by a lock that is given up when it does not come soon."""
    forward, back = _renames(site)
    return Steps(forward=(patient("The name: a catalog entry.", forward),), back=(patient("The old one.", back),))


def _renames(site: Site) -> tuple[str, str]:
    old, new, where = quoted(site.column), quoted(site["to"]), table(site.plan)
    return f"ALTER TABLE {where} RENAME COLUMN {old} TO {new}", f"ALTER TABLE {where} RENAME COLUMN {new} TO {old}"


def rename_behind_view(site: Site) -> Steps:
    """Put a view in front that has the column by both names, while old and new versions of the application run."""
    if any(one.columns for one in site.plan.triggers if "INSTEAD" in one.before) or site.plan.partitioned:
        raise ScenarioMistake(f"change.table: {site.plan.name} cannot have a view in front")
    old, new = site.column, str(site["to"])
    return Steps(
        forward=(_in_front(site, old, new), _away(site, old, new, keep=new)),
        back=(_in_front(site, new, old), _away(site, new, old, keep=old)),
        notes=(
            "Between the two steps old and new code work side by side: that is when the new version goes live.",
            "The view takes INSERT (also ON CONFLICT), UPDATE and DELETE; TRUNCATE and COPY FROM it does not take.",
        ),
    )


def _in_front(site: Site, old: str, new: str) -> Step:
    plan = site.plan
    base = beside(plan, made(plan.own, "__base"))
    names = [new if one == site.column else one for one in plan.columns]
    shown = ", ".join(quoted(one) for one in names)
    own = [one for one in plan.grants if one.column is None]
    rights = [parts.grant(one, table(plan)) for one in own]
    for one in plan.grants:
        if one.column is not None:
            column = new if one.column == site.column else one.column
            rights.append(parts.grant(one, table(plan), column=column))
            if column == new:
                rights.append(parts.grant(one, table(plan), column=old))
    return patient(
        "A view in front, by whose two names of the column both versions of the application work.",
        f"ALTER TABLE {table(plan)} RENAME TO {quoted(made(plan.own, '__base'))}",
        f"ALTER TABLE {base} RENAME COLUMN {quoted(old)} TO {quoted(new)}",
        f"CREATE VIEW {table(plan)} AS SELECT {shown}, {quoted(new)} AS {quoted(old)} FROM {base}",
        *rights,
    )


def _away(site: Site, old: str, new: str, *, keep: str) -> Step:
    plan = site.plan
    base = beside(plan, made(plan.own, "__base"))
    return patient(
        f"The view goes, when nobody asks for {old} any more; {keep} stays.",
        f"DROP VIEW {table(plan)}",
        f"ALTER TABLE {base} RENAME TO {quoted(plan.own)}",
    )
