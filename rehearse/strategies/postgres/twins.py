"""Columns beside the old ones: kept in step by a trigger, filled in batches, with the same on them, and swapped in.

All that stands on the old columns is made on the new ones while everyone works; the swap is of catalog entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Blueprint, Column, Constraint, Index, Plan
from rehearse.strategies._site import Site
from rehearse.strategies._steps import Step, alone, batches, patient
from rehearse.strategies.postgres import parts, proofs, renaming
from rehearse.strategies.postgres.names import beside, made, quoted, table, text
from rehearse.strategies.postgres.shadow import identity, numbered_as, sequence_own, take_over


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A column's successor: its type, SQL of its values from the old row, and its name at the end."""

    column: str
    type: str
    value: str
    name: str
    back_value: str | None = None  # SQL of the old column's value from the new one: both may be written meanwhile

    @property
    def beside(self) -> str:
        """Its name until the swap."""
        return made(self.name, "__new")


Twins = Mapping[str, tuple[Twin, ...]]
"""The successors of columns, by table."""


def swapped(site: Site, twins: Twins, blueprint: Blueprint) -> list[Step]:
    """Return the steps that put successors in the places of columns of one table or several."""
    plans = [blueprint.tables[name] for name in twins]
    tables = [_Table(site, plan, twins[plan.name], twins, blueprint) for plan in plans]
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
    found.append(_swap(tables))
    return found


def _swap(tables: list[_Table]) -> Step:
    views = list({view.name: view for one in tables for view in one.views()}.values())
    sql = [f"LOCK TABLE {', '.join(one.where for one in tables)} IN ACCESS EXCLUSIVE MODE"]
    sql += parts.drop_views(views)
    for one in tables:
        sql += one.untied()
    for one in tables:
        sql += one.exchanged()
    for one in tables:
        sql += one.named()
    sql += parts.make_views(views, tables[0].plan.owner)
    return patient("The swap: catalog entries only.", *sql)


@dataclass(frozen=True, slots=True)
class _Table:
    """One table whose columns get successors; `all` are those of every table."""

    site: Site
    plan: Plan
    twins: tuple[Twin, ...]
    all: Twins
    blueprint: Blueprint

    @property
    def where(self) -> str:
        return table(self.plan)

    @property
    def function(self) -> str:
        return beside(self.plan, made(self.plan.own, "__sync"))

    @property
    def trigger_name(self) -> str:
        return quoted(made("zz_" + self.plan.own, "__sync"))

    @property
    def names(self) -> dict[str, str]:
        return {one.column: one.beside for one in self.twins}

    def check(self) -> None:
        """Raise a ScenarioMistake for what hangs on the columns and would go with them."""
        told = [says for says, about in self.plan.hindrances if set(about) & set(self.names)]
        told += [f"constraint {one.name}" for one in self._own() if one.kind == "exclusion"]
        if told:
            raise ScenarioMistake(
                f"change.columns: {', '.join(self.names)} of {self.plan.name} has what this way would lose: "
                f"{', '.join(told)}"
            )

    def views(self) -> tuple:  # type: ignore[type-arg]
        """Return the table's views, if any of them reads one of the columns."""
        read = any(set(one.columns) & set(self.names) for one in self.plan.views)
        return self.plan.views if read else ()

    def old(self, one: Twin) -> Column:
        """Return the column whose successor it is."""
        return self.plan.columns[one.column]

    def _own(self) -> list[Constraint]:
        return [one for one in self.plan.constraints if set(one.columns) & set(self.names)]

    def _indexes(self) -> list[Index]:
        return [one for one in self.plan.indexes if set(one.columns) & set(self.names)]

    def expanded(self) -> Iterator[Step]:
        """Yield what adds the successors, and has every write fill them."""
        added = [
            f"ALTER TABLE {self.where} ADD COLUMN {quoted(one.beside)} {one.type}" + self._collated(one)
            for one in self.twins
        ]
        beside_it = [sql for one in self.twins for sql in parts.of_column(self.plan, self.old(one), name=one.beside)]
        yield patient(
            f"Expand {self.plan.name}: columns that every write fills from now on.",
            *added,
            *beside_it,
            self._function(),
            f"CREATE TRIGGER {self.trigger_name} BEFORE INSERT OR UPDATE ON {self.where}\n"
            f"FOR EACH ROW EXECUTE FUNCTION {self.function}()",
        )

    def _collated(self, one: Twin) -> str:
        old = self.old(one)
        return f" COLLATE {old.collation}" if old.collation and _is_text(one.type) else ""

    def _function(self) -> str:
        row = f"FROM (SELECT NEW.*) AS {quoted(self.plan.own)}"
        lines = []
        for one in self.twins:
            new, old = quoted(one.beside), quoted(one.column)
            forth = f"NEW.{new} := (SELECT {one.value} {row});"
            if one.back_value is None:
                lines.append(f"    {forth}")
                continue
            back = f"NEW.{old} := (SELECT {one.back_value} {row});"
            lines.append(
                f"    IF TG_OP = 'INSERT' AND NEW.{old} IS NULL AND NEW.{new} IS NOT NULL\n"
                f"        OR TG_OP = 'UPDATE' AND NEW.{old} IS NOT DISTINCT FROM OLD.{old}\n"
                f"            AND NEW.{new} IS DISTINCT FROM OLD.{new} AND NEW.{new} IS NOT NULL THEN\n"
                f"        {back}\n    ELSE\n        {forth}\n    END IF;"
            )
        body = "\n".join(lines)
        return (
            f"CREATE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql\n"
            f"SET search_path FROM CURRENT AS $rehearse$\nBEGIN\n{body}\n    RETURN NEW;\nEND\n$rehearse$"
        )

    def filled(self) -> Iterator[Step]:
        """Yield what fills them for the rows that are there."""
        sets = ", ".join(f"{quoted(one.beside)} = {one.value}" for one in self.twins)
        undone = " OR ".join(f"{quoted(one.beside)} IS DISTINCT FROM ({one.value})" for one in self.twins)
        key = self.plan.primary_key
        yield batches(
            f"Old rows of {self.plan.name} in batches.",
            f"UPDATE {self.where} SET {sets} WHERE {undone}",
            key.columns if key else (),
        )

    def proved(self) -> Iterator[Step]:
        """Yield what builds and proves on them what stands on the old ones."""
        required = [one.beside for one in self.twins if not self.old(one).nullable]
        if required:
            yield from proofs.not_null(self.plan, required, native=self.site.at_least(18))
        for one in self._indexes():
            twin = renaming.index(one, self.names, name=made(one.name, "__new"))
            yield alone("An index of it, while everyone works.", *parts.concurrent(self.plan, self.where, twin))
        for constraint in self._own():
            if constraint.kind == "check":
                twin_check = renaming.constraint(constraint, self.names, name=made(constraint.name, "__new"))
                found = proofs.constraint(self.where, twin_check)
                yield from found if constraint.valid else found[:1]

    def _parents(self, one: Constraint) -> dict[str, str]:
        return {twin.column: twin.beside for twin in self.all.get(one.parent or "", ())}

    def _renewed(self) -> Iterator[Constraint]:
        """Yield the foreign keys of this table of which either end gets a successor."""
        for one in self.plan.of_kind("foreign key"):
            if set(one.columns) & set(self.names) or set(one.parent_columns) & set(self._parents(one)):
                yield one

    def referring(self) -> Iterator[Step]:
        """Yield the foreign keys between successors."""
        for one in self._renewed():
            twin = renaming.constraint(one, self.names, name=made(one.name, "__new"), theirs=self._parents(one))
            found = proofs.constraint(self.where, twin, both="a lock on both tables")
            yield from found if one.valid else found[:1]

    def untied(self) -> Iterator[str]:
        """Yield what takes the trigger and the old foreign keys away."""
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


def _is_text(declared: str) -> bool:
    return declared.startswith(("text", "char", "varchar", "citext"))


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


__all__ = ["Twin", "Twins", "after", "swapped", "text"]
