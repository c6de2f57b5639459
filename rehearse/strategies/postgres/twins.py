"""Columns beside the old ones: kept in step by a trigger, filled in batches, with the same on them, and swapped in.

All that stands on the old columns is made on the new ones while everyone works; the swap is of catalog entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Blueprint, Column, Constraint, Index, Plan, View
from rehearse.strategies._site import Site, key_of
from rehearse.strategies._steps import Step, alone, batches, patient, together
from rehearse.strategies.postgres import parts, proofs, renaming
from rehearse.strategies.postgres.names import beside, made, quoted, table
from rehearse.strategies.postgres.shadow import identity, numbered_as, sequence_own, take_over


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A column's successor: its type, SQL of its values from the old row, and its name at the end."""

    column: str
    type: str
    value: str
    name: str
    reads_others: bool = False  # its value is looked up in another table

    @property
    def beside(self) -> str:
        """Its name until the swap."""
        return made(self.name, "__new")


Twins = Mapping[str, tuple[Twin, ...]]
"""The successors of columns, by table."""


def swapped(site: Site, twins: Twins, blueprint: Blueprint) -> list[Step]:
    """Return the steps that put successors in the places of columns of one table or several."""
    parents = successors(twins)
    return by_steps([Twinned(site, blueprint.tables[name], twins[name], parents) for name in twins])


def successors(twins: Twins) -> dict[str, dict[str, str]]:
    """Return the names of successors until the swap, by table and column."""
    return {name: {one.column: one.beside for one in some} for name, some in twins.items()}


class Part(Protocol):
    """One table of a swap."""

    @property
    def plan(self) -> Plan:
        """The table, as it is before."""
        ...

    @property
    def where(self) -> str:
        """The table in SQL."""
        ...

    def check(self) -> None:
        """Raise a ScenarioMistake for what would be lost."""
        ...

    def views(self) -> Sequence[View]:
        """Return the views that must be made again."""
        ...

    def expanded(self, *, in_step: bool = True) -> Iterator[Step]:
        """Yield what adds the successors, and has every write fill them (`in_step`)."""
        ...

    def filled(self) -> Iterator[Step]:
        """Yield what fills them for the rows that are there."""
        ...

    def proved(self, *, at_once: bool = False) -> Iterator[Step]:
        """Yield what builds and proves on them what stands on the old ones."""
        ...

    def referring(self, *, at_once: bool = False) -> Iterator[Step]:
        """Yield the foreign keys between successors."""
        ...

    def untied(self, *, in_step: bool = True) -> Iterator[str]:
        """Yield what takes the triggers and the old foreign keys away."""
        ...

    def exchanged(self) -> Iterator[str]:
        """Yield what drops the old columns and gives the successors their names."""
        ...

    def named(self) -> Iterator[str]:
        """Yield what gives all on the successors the names that it had on the old ones."""
        ...


def at_once(tables: Sequence[Part]) -> Step:
    """Return the same in one transaction, without a trigger and without a proof beforehand."""
    for one in tables:
        one.check()
    found = [step for one in tables for step in one.expanded(in_step=False)]
    found += [step for one in tables for step in one.filled()]
    found += [step for one in tables for step in one.proved(at_once=True)]
    found += [step for one in tables for step in one.referring(at_once=True)]
    sql = [f"LOCK TABLE {', '.join(one.where for one in tables)} IN ACCESS EXCLUSIVE MODE"]
    sql += [line for step in found for line in step.sql]
    return together("All in one.", *sql, *_swap(tables, in_step=False))


def by_steps(tables: Sequence[Part]) -> list[Step]:
    """Return the steps of a swap of one table or several."""
    for one in tables:
        one.check()
    found: list[Step] = []
    for one in tables:
        found += one.expanded()
    for one in tables:
        found += one.filled()
    for one in tables:
        found += one.proved()
    for one in tables:
        found += one.referring()
    lock = f"LOCK TABLE {', '.join(one.where for one in tables)} IN ACCESS EXCLUSIVE MODE"
    found.append(patient("The swap: catalog entries only.", lock, *_swap(tables)))
    return found


def _swap(tables: Sequence[Part], *, in_step: bool = True) -> list[str]:
    views = list({view.name: view for one in tables for view in one.views()}.values())
    sql = parts.drop_views(views)
    for one in tables:
        sql += one.untied(in_step=in_step)
    for one in tables:
        sql += one.exchanged()
    for one in tables:
        sql += one.named()
    sql += parts.make_views(views, tables[0].plan.owner)
    return sql


@dataclass(frozen=True, slots=True)
class Twinned:
    """One table whose columns get successors.

    `parents` are the columns of other tables that its foreign keys will point at in place of those that they do.
    """

    site: Site
    plan: Plan
    twins: tuple[Twin, ...]
    parents: Mapping[str, Mapping[str, str]]

    @property
    def where(self) -> str:
        """The table in SQL."""
        return table(self.plan)

    @property
    def function(self) -> str:
        """The trigger's function."""
        return beside(self.plan, made(self.plan.own, "__sync"))

    @property
    def trigger_name(self) -> str:
        """The trigger."""
        return quoted(made("zz_" + self.plan.own, "__sync"))

    @property
    def names(self) -> dict[str, str]:
        """What the successors are called until the swap."""
        return {one.column: one.beside for one in self.twins}

    def check(self) -> None:
        """Raise a ScenarioMistake for what hangs on the columns and would go with them."""
        told = [says for says, about in self.plan.hindrances if set(about) & set(self.names)]
        told += [
            f"generated column {one.name}" for one in self.plan.columns.values() if set(one.reads) & set(self.names)
        ]
        told += [f"constraint {one.name}" for one in self._own() if one.kind == "exclusion"]
        if told:
            raise ScenarioMistake(
                f"change.columns: {', '.join(self.names)} of {self.plan.name} has what this way would lose: "
                f"{', '.join(told)}"
            )

    def views(self) -> Sequence[View]:
        """Return the table's views, if any of them reads one of the columns."""
        read = any(set(one.columns) & set(self.names) for one in self.plan.views)
        return self.plan.views if read else ()

    def old(self, one: Twin) -> Column:
        """Return the column whose successor it is."""
        return self.plan.columns[one.column]

    def _own(self) -> list[Constraint]:
        return [*self.plan.constraints_on(self.names)]

    def _indexes(self) -> list[Index]:
        return [one for one in self.plan.indexes if set(one.columns) & set(self.names)]

    def expanded(self, *, in_step: bool = True) -> Iterator[Step]:
        """Yield what adds the successors, and has every write fill them (`in_step`)."""
        added = [
            f"ALTER TABLE {self.where} ADD COLUMN {quoted(one.beside)} "
            f"{parts.collated(one.type, self.old(one).collation)}"
            for one in self.twins
        ]
        beside_it = [sql for one in self.twins for sql in parts.of_column(self.plan, self.old(one), name=one.beside)]
        yield patient(
            f"Expand {self.plan.name}: columns that every write fills from now on.",
            *added,
            *beside_it,
            *(self._kept_in_step() if in_step else ()),
        )

    def _kept_in_step(self) -> Iterator[str]:
        yield self._function()
        yield (
            f"CREATE TRIGGER {self.trigger_name} BEFORE INSERT OR UPDATE ON {self.where}\n"
            f"FOR EACH ROW EXECUTE FUNCTION {self.function}()"
        )

    def _function(self) -> str:
        row = f"FROM (SELECT NEW.*) AS {quoted(self.plan.own)}"
        lines = [f"    NEW.{quoted(one.beside)} := (SELECT {one.value} {row});" for one in self.twins]
        body = "\n".join(lines)
        return (
            f"CREATE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql{self._rights()}\n"
            f"SET search_path FROM CURRENT AS $rehearse$\nBEGIN\n{body}\n    RETURN NEW;\nEND\n$rehearse$"
        )

    def _rights(self) -> str:
        """Return what lets the trigger read a parent that whoever writes need not be allowed to read."""
        return " SECURITY DEFINER" if any(one.reads_others for one in self.twins) else ""

    def filled(self) -> Iterator[Step]:
        """Yield what fills them for the rows that are there."""
        sets = ", ".join(f"{quoted(one.beside)} = {one.value}" for one in self.twins)
        undone = " OR ".join(f"{quoted(one.beside)} IS DISTINCT FROM ({one.value})" for one in self.twins)
        yield batches(
            f"Old rows of {self.plan.name} in batches.",
            f"UPDATE {self.where} SET {sets} WHERE ({undone})",
            key_of(self.plan),
        )

    def proved(self, *, at_once: bool = False) -> Iterator[Step]:
        """Yield what builds and proves on them what stands on the old ones."""
        required = [one.beside for one in self.twins if not self.old(one).nullable]
        if required and at_once:
            yield alone("", *(f"ALTER TABLE {self.where} ALTER COLUMN {quoted(one)} SET NOT NULL" for one in required))
        elif required:
            yield from proofs.not_null(self.plan, required, native=self.site.at_least(18))
        for one in self._indexes():
            twin = renaming.index(one, self.names, name=made(one.name, "__new"))
            made_by = (parts.index(self.where, twin),) if at_once else parts.concurrent(self.plan, self.where, twin)
            yield alone("An index of it, while everyone works.", *made_by)
        for constraint in self._own():
            if constraint.kind == "check":
                check = renaming.constraint(constraint, self.names, name=made(constraint.name, "__new"))
                yield from self._held(check, at_once=at_once)

    def _held(self, one: Constraint, *, at_once: bool, both: str = "") -> Iterator[Step]:
        """Yield what adds a constraint, and proves it where the old one was proved."""
        if at_once:
            yield alone("", parts.add(self.where, one, valid=one.valid))
            return
        found = proofs.constraint(self.where, one, both=both)
        yield from found if one.valid else found[:1]

    def _parents(self, one: Constraint) -> Mapping[str, str]:
        return self.parents.get(one.parent or "", {})

    def _renewed(self) -> Iterator[Constraint]:
        """Yield the foreign keys of this table of which either end gets a successor."""
        for one in self.plan.of_kind("foreign key"):
            if set(one.columns) & set(self.names) or set(one.parent_columns) & set(self._parents(one)):
                yield one

    def referring(self, *, at_once: bool = False) -> Iterator[Step]:
        """Yield the foreign keys between successors."""
        for one in self._renewed():
            twin = renaming.constraint(one, self.names, name=made(one.name, "__new"), theirs=self._parents(one))
            yield from self._held(twin, at_once=at_once, both="a lock on both tables")

    def untied(self, *, in_step: bool = True) -> Iterator[str]:
        """Yield what takes the triggers and the old foreign keys away."""
        if in_step:
            yield f"DROP TRIGGER {self.trigger_name} ON {self.where}"
            yield f"DROP FUNCTION {self.function}()"
        for one in self.plan.triggers:
            if set(one.columns) & set(self.names):
                yield f"DROP TRIGGER {quoted(one.name)} ON {self.where}"
        yield from (parts.drop_constraint(self.where, one.name) for one in self._renewed())

    def exchanged(self) -> Iterator[str]:
        """Yield what drops the old columns and gives the successors their names."""
        for one in self.twins:
            sequence = self.old(one).sequence
            if sequence is not None and sequence.identity is None:
                yield f"ALTER SEQUENCE {sequence.name} OWNED BY {self.where}.{quoted(one.beside)}"
                yield f"ALTER SEQUENCE {sequence.name} AS {one.type}"
            elif sequence is not None:
                name = beside(self.plan, made(sequence_own(sequence), "__new"))
                yield from identity(self.where, one.beside, sequence, name)
        lost = [one for one in self._own() if one.kind != "foreign key"]
        yield from (parts.drop_constraint(self.where, one.name) for one in lost)
        for index in self._indexes():
            if index.constraint is None:
                yield f"DROP INDEX {beside(self.plan, index.name)}"
        for one in self.twins:
            yield f"ALTER TABLE {self.where} DROP COLUMN {quoted(one.column)}"
            yield f"ALTER TABLE {self.where} RENAME COLUMN {quoted(one.beside)} TO {quoted(one.name)}"
            sequence = self.old(one).sequence
            if sequence is not None and sequence.identity is not None:
                yield from numbered_as(beside(self.plan, made(sequence_own(sequence), "__new")), sequence)

    def named(self) -> Iterator[str]:
        """Yield what gives all on the successors the names that it had on the old ones."""
        for one in self.twins:
            default = self.old(one).default
            if default is not None:
                yield f"ALTER TABLE {self.where} ALTER COLUMN {quoted(one.name)} SET DEFAULT {default}"
        for constraint in self._own():
            if constraint.kind in ("primary key", "unique"):
                yield take_over(self.where, constraint, made(constraint.index or constraint.name, "__new"))
                yield from parts.of_constraint(self.where, constraint)
        for index in self._indexes():
            if index.constraint is None:
                name = beside(self.plan, made(index.name, "__new"))
                yield f"ALTER INDEX {name} RENAME TO {quoted(index.name)}"
            yield from self._words(index)
            yield from parts.of_index(self.plan, index)
        if self.site.at_least(18):
            yield from self._required()
        checks = [one for one in self._own() if one.kind == "check"]
        for constraint in [*checks, *self._renewed()]:
            old = quoted(made(constraint.name, "__new"))
            yield f"ALTER TABLE {self.where} RENAME CONSTRAINT {old} TO {quoted(constraint.name)}"
            yield from parts.of_constraint(self.where, constraint)
        for trigger in self.plan.triggers:
            if set(trigger.columns) & set(self.names):
                yield from parts.trigger(trigger, self.where)

    def _words(self, index: Index) -> Iterator[str]:
        """Yield what calls an index's own columns as the table's: they do not follow these to another name."""
        for one in self.twins:
            if one.column in index.words:
                own = beside(self.plan, index.name)
                yield f"ALTER TABLE {own} RENAME COLUMN {quoted(one.beside)} TO {quoted(one.name)}"

    def _required(self) -> Iterator[str]:
        """Yield what gives NOT NULL the name that the server makes up for it: from version 18 on it has one."""
        for one in self.twins:
            if not self.old(one).nullable:
                was, now = proofs.named(self.plan, one.beside), proofs.named(self.plan, one.name)
                yield f"ALTER TABLE {self.where} RENAME CONSTRAINT {quoted(was)} TO {quoted(now)}"


def after(blueprint: Blueprint, twins: Twins) -> Blueprint:
    """Return the tables as they are when successors stand in the places of columns that keep their names."""
    found = dict(blueprint.tables)
    for name, some in twins.items():
        plan = found[name]
        types = {one.column: one.type for one in some}
        columns = {
            each: replace(one, type=types[each], sequence=one.sequence and replace(one.sequence, type=types[each]))
            if each in types
            else one
            for each, one in plan.columns.items()
        }
        found[name] = replace(plan, columns=columns)
    return Blueprint(found)
