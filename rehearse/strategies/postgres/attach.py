"""The table itself becomes the first partition of a new one: nothing is copied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Column, Constraint, Plan
from rehearse.strategies._site import Site
from rehearse.strategies._steps import Step, Steps, alone, patient
from rehearse.strategies.postgres import partitions, parts, shadow
from rehearse.strategies.postgres.names import beside, listed, made, quoted, table
from rehearse.strategies.postgres.target import Target


def attach(site: Site) -> Steps:
    """Prove that all rows fit the first partition, and attach the table as that."""
    one = _Attaching(site, partitions.partitioned(site), partitions.bounds(site))
    back = shadow.steps(site, one.after, Target(plan=site.plan, values={}, bounds={}))
    return Steps(forward=tuple(one.steps()), back=tuple(back), notes=(f"Every row must fit {one.first}.",))


@dataclass(frozen=True, slots=True)
class _Attaching:
    """A table, what it is to be, and its partitions; the first of them takes all rows that are there."""

    site: Site
    after: Plan
    bounds: dict[str, str]

    @property
    def plan(self) -> Plan:
        return self.site.plan

    @property
    def where(self) -> str:
        return table(self.plan)

    @property
    def first(self) -> str:
        return next(iter(self.bounds))

    @property
    def part(self) -> str:
        return beside(self.plan, self.first)

    @property
    def proof(self) -> str:
        return made(self.plan.own, "__fits")

    def steps(self) -> Iterator[Step]:
        if self.plan.hindrances:
            told = ", ".join(says for says, _ in self.plan.hindrances)
            raise ScenarioMistake(f"change.table: {self.plan.name} has what a partition cannot keep: {told}")
        where = self.where
        condition = partitions.condition(self.site, self.bounds[self.first])
        yield patient(
            f"Rows that do not fit {self.first} are refused from now on; no row is read.",
            f"ALTER TABLE {where} ADD CONSTRAINT {quoted(self.proof)} CHECK ({condition}) NOT VALID",
        )
        yield alone("Those that are there are read while everyone works.", parts.validate(where, self.proof))
        if self._grows():
            index = f"CREATE UNIQUE INDEX CONCURRENTLY {quoted(self._key_index())} ON {where} ({self._key()})"
            yield alone(
                "The key that a partition needs, while everyone works.",
                f"DROP INDEX CONCURRENTLY IF EXISTS {beside(self.plan, self._key_index())}",
                index,
            )
        yield patient("The table becomes a partition: catalog entries only.", *self._attached())
        for plan, one in self._children():
            if one.valid:
                yield alone("What points at it is proved while everyone works.", parts.validate(table(plan), one.name))

    def _grows(self) -> bool:
        before, after = self.plan.primary_key, self.after.primary_key
        return before is not None and after is not None and before.columns != after.columns

    def _key_index(self) -> str:
        return made(self.plan.own, "_pkey__new")

    def _key(self) -> str:
        key = self.after.primary_key
        return listed(key.columns) if key else ""

    def _children(self) -> list[tuple[Plan, Constraint]]:
        pointing = list(self.site.blueprint.children(self.plan.name))
        if any(plan.name == self.plan.name for plan, _ in pointing):
            raise ScenarioMistake(
                f"strategies.way: {self.plan.name} points at itself, which its partition could not; take 'shadow'"
            )
        return pointing

    def _attached(self) -> Iterator[str]:
        plan, children = self.plan, self._children()
        locked = [self.where, *dict.fromkeys(table(one) for one, _ in children)]
        yield f"LOCK TABLE {', '.join(locked)} IN ACCESS EXCLUSIVE MODE"
        yield from parts.drop_views(plan.views)
        yield from (parts.drop_constraint(table(one), constraint.name) for one, constraint in children)
        yield from self._stripped()
        yield f"ALTER TABLE {self.where} RENAME TO {quoted(self.first)}"
        yield from self._renamed()
        columns = [parts.column(one) for one in self.after.columns.values()]
        keys = [one for one in self.after.constraints if one.kind in ("check", "primary key", "unique")]
        columns += [f"CONSTRAINT {quoted(one.name)} {one.definition}" for one in keys]
        yield (
            f"CREATE TABLE {self.where} (\n    "
            + ",\n    ".join(columns)
            + f"\n) PARTITION BY {self.after.partitioned}"
        )
        for index in self.after.indexes:
            if index.constraint is None:
                yield parts.index(self.where, index)
        yield from (parts.add(self.where, one) for one in self.after.of_kind("foreign key"))
        for column in self.after.columns.values():
            yield from self._numbered(column)
        yield f"ALTER TABLE {self.where} ATTACH PARTITION {self.part} {self.bounds[self.first]}"
        yield parts.drop_constraint(self.part, self.proof)
        for name, bound in self.bounds.items():
            if name != self.first:
                yield partitions.made(beside(plan, name), self.where, bound, plan)
        yield from self._dressed()
        for one, constraint in children:
            yield parts.add(table(one), constraint, valid=False)
            yield from parts.of_constraint(table(one), constraint)
        yield from parts.make_views(plan.views, plan.owner)

    def _stripped(self) -> Iterator[str]:
        """Yield what takes from the table that which the new one has: triggers, comments, rights, its sequence."""
        for trigger in self.plan.triggers:
            yield f"DROP TRIGGER {quoted(trigger.name)} ON {self.where}"
        if self.plan.comment:
            yield f"COMMENT ON TABLE {self.where} IS NULL"
        for one in self.plan.grants:
            what = "ALL" if one.column is None else f"ALL ({quoted(one.column)})"
            yield f"REVOKE {what} ON {self.where} FROM {one.to}"
        for column in self.plan.columns.values():
            if column.comment:
                yield f"COMMENT ON COLUMN {self.where}.{quoted(column.name)} IS NULL"
            own = quoted(column.name)
            yield from (f"ALTER TABLE {self.where} ALTER COLUMN {own} {words}" for words in _reset(column))
        for constraint in self.plan.constraints:
            if constraint.comment:
                yield f"COMMENT ON CONSTRAINT {quoted(constraint.name)} ON {self.where} IS NULL"
        for index in self.plan.indexes:
            if index.comment:
                yield f"COMMENT ON INDEX {beside(self.plan, index.name)} IS NULL"
        if self._grows() and self.plan.primary_key:
            key = self.plan.primary_key
            yield parts.drop_constraint(self.where, key.name)
            name = quoted(key.name)
            yield f"ALTER TABLE {self.where} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {quoted(self._key_index())}"

    def _renamed(self) -> Iterator[str]:
        """Yield what makes room for the new table's names, and gives the old indexes those of a partition's."""
        names = partitions.made_names(self.after, self.first)
        for index in self.after.indexes:
            new = quoted(names[index.name])
            if index.constraint is not None:
                yield f"ALTER TABLE {self.part} RENAME CONSTRAINT {quoted(index.constraint)} TO {new}"
            else:
                yield f"ALTER INDEX {beside(self.plan, index.name)} RENAME TO {new}"

    def _dressed(self) -> Iterator[str]:
        """Yield what gives the new table what the old one had."""
        for column in self.after.columns.values():
            yield from parts.of_column(self.after, column, where=self.where)
        for constraint in self.after.constraints:
            yield from parts.of_constraint(self.where, constraint)
        for index in self.after.indexes:
            yield from parts.of_index(self.after, index)
        for trigger in self.after.triggers:
            yield from parts.trigger(trigger, self.where)
        yield from parts.of_table(self.after, self.where)

    def _numbered(self, column: Column) -> Iterator[str]:
        """Yield what gives the new table the sequence of a column: a partition may have none of its own."""
        sequence = column.sequence
        if sequence is None:
            return
        if sequence.identity is None:
            yield f"ALTER SEQUENCE {sequence.name} OWNED BY {self.where}.{quoted(column.name)}"
            return
        name = beside(self.plan, made(shadow.sequence_own(sequence), "__new"))
        yield from shadow.identity(self.where, column.name, sequence, name)
        yield f"ALTER TABLE {self.part} ALTER COLUMN {quoted(column.name)} DROP IDENTITY"
        yield from shadow.numbered_as(name, sequence)


def _reset(column: Column) -> Iterator[str]:
    """Yield what takes from a column those settings that partitions do not have of their table."""
    for one in column.settings:
        if one.startswith("SET ("):
            names = ", ".join(part.partition("=")[0].strip() for part in one[5:-1].split(","))
            yield f"RESET ({names})"
        elif one.startswith("SET COMPRESSION"):
            yield "SET COMPRESSION default"
