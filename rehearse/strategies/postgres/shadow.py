"""A shadow table: made as the change wants it, kept in step by a trigger, filled in batches, swapped by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Column, Constraint, Index, Plan
from rehearse.profiles.blueprint import Sequence as Numbering
from rehearse.strategies._site import Site
from rehearse.strategies._steps import Step, Steps, alone, batches, patient, together
from rehearse.strategies.postgres import partitions, parts
from rehearse.strategies.postgres.names import beside, made, quoted, table, text
from rehearse.strategies.postgres.target import Target, origin, target


def shadow(site: Site) -> Steps:
    """Return the change by a shadow table, and the way back by another."""
    end, start = target(site), origin(site)
    return Steps(
        forward=tuple(steps(site, site.plan, end)),
        back=tuple(steps(site, end.plan, start)),
        notes=("Run it as the table's owner. It needs room for the table once more.",),
    )


def at_once(site: Site) -> Steps:
    """Return the change by copying the table in one transaction, and the way back likewise."""
    end, start = target(site), origin(site)
    return Steps(
        forward=(_Shadow(site, site.plan, end).checked().all_at_once(),),
        back=(_Shadow(site, end.plan, start).checked().all_at_once(),),
    )


def steps(site: Site, before: Plan, after: Target) -> list[Step]:
    """Return the steps from one form of a table to another."""
    return list(_Shadow(site, before, after).checked().steps())


@dataclass(frozen=True, slots=True)
class _Shadow:
    """A table in two forms: as it is, and as it is to be; the latter bears other names until the swap."""

    site: Site
    before: Plan
    after: Target

    @property
    def plan(self) -> Plan:
        return self.after.plan

    @property
    def where(self) -> str:
        return table(self.before)

    @property
    def own(self) -> str:
        return made(self.before.own, "__new")

    @property
    def there(self) -> str:
        return beside(self.before, self.own)

    @property
    def function(self) -> str:
        return beside(self.before, made(self.before.own, "__sync"))

    @property
    def key(self) -> tuple[str, ...]:
        found = self.plan.primary_key
        if found is None:
            raise ScenarioMistake(
                f"change.table: {self.plan.name} has no primary key, by which a shadow is kept in step"
            )
        return found.columns

    @property
    def is_parted(self) -> bool:
        return self.plan.partitioned is not None

    def checked(self) -> _Shadow:
        """Return itself; what hangs on the table and would stay with the old one is a ScenarioMistake."""
        if self.before.hindrances:
            told = ", ".join(says for says, _ in self.before.hindrances)
            raise ScenarioMistake(f"change.table: {self.before.name} has what a shadow table would lose: {told}")
        if self.is_parted and not self.after.bounds:
            raise ScenarioMistake(
                f"change.table: {self.before.name} is partitioned, and its shadow would have no partition for any row; "
                "take another way"
            )
        return self

    def steps(self) -> Iterator[Step]:
        yield together("The shadow, empty, as the table is to be.", *self._made())
        yield patient("From now on every write goes to both.", self._function(), *self._triggers())
        yield batches(
            "The rows that are there, in batches; those that were written since are newer, and stay.",
            self._copy(),
            self._old_key(),
        )
        for one in self._later():
            yield alone("An index of it, while everyone works.", *parts.concurrent(self.plan, self.there, one))
        for key in self._references():
            yield patient("It points at its parents, as the table does.", parts.add(self.there, key, valid=False))
            yield alone("This is proved while everyone works.", parts.validate(self.there, key.name))
        yield alone("The planner knows it.", f"ANALYZE {self.there}")
        yield patient("The swap: catalog entries only.", *self.swap())
        for plan, key in self._children():
            if key.valid:
                yield alone("What points at it is proved while everyone works.", parts.validate(table(plan), key.name))

    def all_at_once(self) -> Step:
        """Return the same in one transaction that closes the table meanwhile."""
        indexes = [parts.index(self.there, one) for one in self._later()]
        referring = [parts.add(self.there, one) for one in self._references()]
        return together(
            "All in one.",
            f"LOCK TABLE {self.where} IN ACCESS EXCLUSIVE MODE",
            *self._made(),
            self._copied(),
            *indexes,
            *referring,
            *self.swap(is_kept=False),
        )

    def _made(self) -> Iterator[str]:
        lines = [parts.column(one) for one in self._columns()]
        lines += [f"CONSTRAINT {quoted(one.name)} {one.definition}" for one in self.plan.of_kind("check") if one.valid]
        lines += [f"CONSTRAINT {quoted(self._temporary(one.name))} {one.definition}" for one in self._inline()]
        kind = "UNLOGGED TABLE" if self.plan.unlogged else "TABLE"
        tail = f" PARTITION BY {self.plan.partitioned}" if self.is_parted else ""
        tail += f" WITH ({', '.join(self.plan.options)})" if self.plan.options and not self.is_parted else ""
        yield f"CREATE {kind} {self.there} (\n    " + ",\n    ".join(lines) + f"\n){tail}"
        for name, bound in self.after.bounds.items():
            yield partitions.made(beside(self.before, name), self.there, bound, self.plan)
        for column in self.plan.columns.values():
            yield from parts.of_column(self.plan, column, where=self.there)
        for one in self.plan.of_kind("check"):
            if one.valid:
                yield from parts.of_constraint(self.there, one)
        if self.is_parted:
            yield from (parts.index(self.there, one, name=self._temporary(one.name)) for one in self._indexes())
            yield from (parts.add(self.there, one) for one in self._referring())

    def _columns(self) -> Iterator[Column]:
        return iter(self.plan.columns.values())

    def _temporary(self, name: str) -> str:
        return made(name, "__new")

    def _inline(self) -> Iterator[Constraint]:
        """Yield the constraints of the table's own statement: its key, and of a partitioned one all that are unique."""
        for one in self.plan.constraints:
            if one.kind == "primary key" or (self.is_parted and one.kind == "unique"):
                yield one

    def _indexes(self) -> Iterator[Index]:
        """Yield the indexes that belong to no constraint."""
        return (one for one in self.plan.indexes if one.constraint is None)

    def _later(self) -> Iterator[Index]:
        """Yield the indexes that are built when the rows are there, those of unique constraints too; named for now."""
        if self.is_parted:
            return
        key = self.plan.primary_key
        for one in self.plan.indexes:
            if key is None or one.constraint != key.name:
                yield replace(one, name=self._temporary(one.name))

    def _referring(self) -> Iterator[Constraint]:
        for one in self.plan.of_kind("foreign key"):
            if one.parent != self.before.name:
                yield one

    def _references(self) -> Iterator[Constraint]:
        """Yield the foreign keys that can be there before the swap: those to other tables, of a plain table."""
        if not self.is_parted:
            yield from (one for one in self._referring() if one.valid)

    def _children(self) -> Iterator[tuple[Plan, Constraint]]:
        """Yield the foreign keys of other tables that point at it, and then its own that do."""
        for plan, one in self.site.blueprint.children(self.before.name):
            if plan.name != self.before.name:
                yield plan, one
        for one in self.plan.of_kind("foreign key"):
            if one.parent == self.before.name:
                yield self.plan, one

    def _written(self) -> tuple[list[str], list[str]]:
        """Return the columns that are written, and SQL of their values in words of the old row."""
        names, values = [], []
        for name, one in self.plan.columns.items():
            if one.generated is None and (name in self.after.values or name in self.before.columns):
                names.append(quoted(name))
                values.append(self.after.values.get(name, quoted(name)))
        return names, values

    def _old_key(self) -> tuple[str, ...]:
        found = self.before.primary_key
        return found.columns if found else ()

    def _copy(self) -> str:
        """Return what copies all rows; a row that is being deleted is waited for, and one that is there stays."""
        return f"{self._copied()}\nFOR KEY SHARE\nON CONFLICT DO NOTHING"

    def _copied(self) -> str:
        names, values = self._written()
        return f"INSERT INTO {self.there} ({', '.join(names)})\nSELECT {', '.join(values)}\nFROM {self.where}"

    def _function(self) -> str:
        names, values = self._written()
        row = quoted(self.before.own)
        key = [quoted(one) for one in self.key]
        was = ", ".join(f"{self.after.values.get(one, quoted(one))} AS {quoted(one)}" for one in self.key)
        old = " AND ".join(f"shadow.{one} = gone.{one}" for one in key)
        own = [quoted(one) for one in self._old_key()]
        moved = " OR ".join(f"OLD.{one} IS DISTINCT FROM NEW.{one}" for one in own)
        sets = ", ".join(f"{one} = EXCLUDED.{one}" for one in names if one not in key)
        then = f"DO UPDATE SET {sets}" if sets else "DO NOTHING"
        return f"""CREATE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $rehearse$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE {self.there};
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND ({moved}) THEN
        DELETE FROM {self.there} AS shadow
        USING (SELECT {was} FROM (SELECT OLD.*) AS {row}) AS gone WHERE {old};
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO {self.there} ({", ".join(names)})
        SELECT {", ".join(values)} FROM (SELECT NEW.*) AS {row}
        ON CONFLICT ({", ".join(key)}) {then};
    END IF;
    RETURN NULL;
END
$rehearse$"""

    def _triggers(self) -> Iterator[str]:
        name = made("zz_" + self.before.own, "__sync")
        calls = f"EXECUTE FUNCTION {self.function}()"
        yield (f"CREATE TRIGGER {quoted(name)} AFTER INSERT OR UPDATE OR DELETE ON {self.where}\nFOR EACH ROW {calls}")
        yield f"CREATE TRIGGER {quoted(made(name, '_all'))} AFTER TRUNCATE ON {self.where}\nFOR EACH STATEMENT {calls}"

    def swap(self, *, is_kept: bool = True) -> Iterator[str]:
        """Yield what puts the shadow in the table's place. `is_kept`: a trigger kept it in step until now."""
        others = [(plan, one) for plan, one in self._children() if plan.name != self.before.name]
        locked = [self.where, *dict.fromkeys(table(plan) for plan, _ in others)]
        if is_kept:
            yield f"LOCK TABLE {', '.join(locked)} IN ACCESS EXCLUSIVE MODE"
        views = self.before.views
        yield from parts.drop_views(views)
        yield from (parts.drop_constraint(table(plan), one.name) for plan, one in others)
        for column in self.plan.columns.values():
            yield from self._numbered(column)
        yield f"DROP TABLE {self.where}"
        if is_kept:
            yield f"DROP FUNCTION {self.function}()"
        yield f"ALTER TABLE {self.there} RENAME TO {quoted(self.plan.own)}"
        yield from self._named()
        for one in self.plan.triggers:
            yield from parts.trigger(one, self.where)
        yield from parts.of_table(self.plan, self.where)
        for plan, child in self._children():
            parent_is_self = plan.name == self.before.name
            on = self.where if parent_is_self else table(plan)
            yield parts.add(on, child, valid=not is_kept and child.valid)
            yield from parts.of_constraint(on, child)
        yield from parts.make_views(views, self.plan.owner)

    def _numbered(self, column: Column) -> Iterator[str]:
        """Yield what gives a column the sequence that it has, with what that has counted."""
        sequence = column.sequence
        if sequence is None:
            return
        old = self.before.columns.get(column.name)
        if sequence.identity is None:
            yield f"ALTER SEQUENCE {sequence.name} OWNED BY {self.there}.{quoted(column.name)}"
            if old is None or old.sequence is None or old.sequence.type != sequence.type:
                yield f"ALTER SEQUENCE {sequence.name} AS {sequence.type}"
            return
        yield from identity(self.there, column.name, sequence, self._numbering(sequence))

    def _numbering(self, sequence: Numbering) -> str:
        return beside(self.before, made(sequence_own(sequence), "__new"))

    def _named(self) -> Iterator[str]:
        """Yield what gives indexes, constraints and sequences the names that the old ones had."""
        for one in self.plan.constraints:
            if one.kind in ("primary key", "unique", "exclusion"):
                yield from self._constrained(one)
            elif one.kind == "foreign key" and one.parent != self.before.name:
                if not one.valid and not self.is_parted:
                    yield parts.add(self.where, one, valid=False)
                yield from parts.of_constraint(self.where, one)
            elif one.kind == "check" and not one.valid:
                yield parts.add(self.where, one, valid=False)
                yield from parts.of_constraint(self.where, one)
        for index in self._indexes():
            yield f"ALTER INDEX {beside(self.before, self._temporary(index.name))} RENAME TO {quoted(index.name)}"
            yield from parts.of_index(self.plan, index)
        for column in self.plan.columns.values():
            if column.sequence and column.sequence.identity:
                yield from numbered_as(self._numbering(column.sequence), column.sequence)

    def _constrained(self, one: Constraint) -> Iterator[str]:
        """Yield what makes a constraint of the index that was built for it, and names it."""
        if any(one.name == inline.name for inline in self._inline()):
            temporary = quoted(self._temporary(one.name))
            yield f"ALTER TABLE {self.where} RENAME CONSTRAINT {temporary} TO {quoted(one.name)}"
        elif one.kind == "exclusion":
            raise ScenarioMistake(
                f"change.table: {self.before.name} has an exclusion constraint, {one.name}: not by a shadow"
            )
        else:
            yield take_over(self.where, one, self._temporary(one.index or one.name))
        index = next((each for each in self.plan.indexes if each.constraint == one.name), None)
        if index is not None:
            yield from parts.of_index(self.plan, index)
        yield from parts.of_constraint(self.where, one)


def take_over(where: str, one: Constraint, index: str) -> str:
    """Return what makes a constraint of an index that is there, which takes the constraint's name."""
    kind = "PRIMARY KEY" if one.kind == "primary key" else "UNIQUE"
    tail = "".join(f" {word}" for word in ("DEFERRABLE", "INITIALLY DEFERRED") if word in one.definition)
    return f"ALTER TABLE {where} ADD CONSTRAINT {quoted(one.name)} {kind} USING INDEX {quoted(index)}{tail}"


def sequence_own(sequence: Numbering) -> str:
    """Return a sequence's own name, without its schema."""
    name = sequence.name.rpartition(".")[2] if not sequence.name.endswith('"') else sequence.name.split('."')[-1]
    return name.strip('"').replace('""', '"')


def identity(where: str, column: str, sequence: Numbering, name: str) -> Iterator[str]:
    """Yield what gives a column an identity of its own, which goes on where another one stands."""
    yield (
        f"ALTER TABLE {where} ALTER COLUMN {quoted(column)} ADD GENERATED {sequence.identity} AS IDENTITY "
        f"(SEQUENCE NAME {name} {sequence.options})"
    )
    yield f"SELECT setval({text(name)}, last_value, is_called) FROM {sequence.name}"


def numbered_as(name: str, sequence: Numbering) -> Iterator[str]:
    """Yield what gives a sequence the name of the one in whose place it is, and what that had."""
    yield f"ALTER SEQUENCE {name} RENAME TO {quoted(sequence_own(sequence))}"
    if sequence.comment:
        yield f"COMMENT ON SEQUENCE {sequence.name} IS {text(sequence.comment)}"
    yield from (parts.grant(one, sequence.name, kind="SEQUENCE ") for one in sequence.grants)


__all__ = ["identity", "numbered_as", "sequence_own", "shadow", "steps", "take_over"]
