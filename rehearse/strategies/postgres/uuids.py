"""A uuid in place of a number as the key, and in all that points at it; the number stays beside it, unique."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Blueprint, Column, Constraint, Index, Plan, View
from rehearse.profiles.made_up import made_up
from rehearse.strategies._site import Site, check_new
from rehearse.strategies._steps import Step, Steps, alone, batches, patient
from rehearse.strategies.postgres import parts, proofs
from rehearse.strategies.postgres.names import beside, listed, made, quoted, table
from rehearse.strategies.postgres.shadow import take_over
from rehearse.strategies.postgres.twins import Part, Twin, Twinned, at_once, by_steps, successors

_DEFAULT = "gen_random_uuid()"


def plain(site: Site) -> Steps:
    """Write all in one transaction."""
    return Steps(forward=(at_once(_forward(site)),), back=(at_once(_back(site)),))


def expand(site: Site) -> Steps:
    """Put uuids beside the numbers, kept in step by triggers and filled in batches, and swap them in."""
    return Steps(forward=tuple(by_steps(_forward(site))), back=tuple(by_steps(_back(site))))


def number(site: Site) -> str:
    """Return what the number is called afterwards."""
    return site.change.to or f"{site.column}_number"


def _forward(site: Site) -> Sequence[Part]:
    plan = site.plan
    key = _key(site)
    check_new(plan, [number(site)], "change.to")
    beside_it = made(site.column, "__new")
    all_twins = {plan.name: (Twin(column=site.column, type="uuid", value="", name=site.column),)}
    for child, one in _children(site, site.blueprint):
        own = one.columns[one.parent_columns.index(site.column)]
        value = _looked_up(plan, one, quoted(beside_it))
        all_twins[child.name] = (
            *all_twins.get(child.name, ()),
            Twin(column=own, type="uuid", value=value, name=own, reads_others=True),
        )
    children = [
        Twinned(site, site.blueprint.tables[name], some, successors(all_twins))
        for name, some in all_twins.items()
        if name != plan.name
    ]
    return [_ToUuid(site, plan, key), *children]


def _key(site: Site) -> Constraint:
    key = site.plan.primary_key
    if key is None or site.column not in key.columns:
        raise ScenarioMistake(f"change.columns: {site.column!r} is no column of the primary key of {site.plan.name}")
    return key


def _children(site: Site, blueprint: Blueprint) -> Iterator[tuple[Plan, Constraint]]:
    for child, one in blueprint.children(site.plan.name):
        if site.column not in one.parent_columns:
            continue
        own = one.columns[one.parent_columns.index(site.column)]
        if child.name == site.plan.name:
            raise ScenarioMistake(f"change.table: {child.name} points at itself ({one.name}); that is not made yet")
        if any(own in pointing.parent_columns for _, pointing in blueprint.children(child.name)):
            raise ScenarioMistake(
                f"change.table: {child.name}.{own} points at it and is pointed at in turn; change that key first"
            )
        yield child, one


def _looked_up(plan: Plan, one: Constraint, column: str) -> str:
    """Return SQL of a parent's column, by what a child's row says of its key."""
    terms = [
        f"parent.{quoted(theirs)} = {quoted(own)}" for own, theirs in zip(one.columns, one.parent_columns, strict=True)
    ]
    return f"(SELECT parent.{column} FROM {table(plan)} AS parent WHERE {' AND '.join(terms)})"


@dataclass(frozen=True, slots=True)
class _ToUuid:
    """The table whose key becomes a uuid."""

    site: Site
    plan: Plan
    key: Constraint

    @property
    def where(self) -> str:
        return table(self.plan)

    @property
    def column(self) -> str:
        return self.site.column

    @property
    def new(self) -> str:
        return made(self.column, "__new")

    @property
    def function(self) -> str:
        return beside(self.plan, made(self.plan.own, "__sync"))

    @property
    def trigger(self) -> str:
        return quoted(made("zz_" + self.plan.own, "__sync"))

    def check(self) -> None:
        told = [says for says, about in self.plan.hindrances if self.column in about]
        if told:
            raise ScenarioMistake(f"change.columns: {self.column} has what would be lost: {', '.join(told)}")

    def views(self) -> Sequence[View]:
        return self.plan.views if any(self.column in one.columns for one in self.plan.views) else ()

    def expanded(self, *, in_step: bool = True) -> Iterator[Step]:
        function = (
            f"CREATE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql\n"
            f"SET search_path FROM CURRENT AS $rehearse$\nBEGIN\n"
            f"    NEW.{quoted(self.new)} := coalesce(NEW.{quoted(self.new)}, {self._default()});\n"
            f"    RETURN NEW;\nEND\n$rehearse$"
        )
        trigger = (
            f"CREATE TRIGGER {self.trigger} BEFORE INSERT OR UPDATE ON {self.where}\n"
            f"FOR EACH ROW EXECUTE FUNCTION {self.function}()"
        )
        added = f"ALTER TABLE {self.where} ADD COLUMN {quoted(self.new)} uuid"
        kept = (function, trigger) if in_step else ()
        yield patient(f"Expand {self.plan.name}: a uuid that every write fills from now on.", added, *kept)

    def _default(self) -> str:
        return self.site.change.default or _DEFAULT

    def filled(self) -> Iterator[Step]:
        new = quoted(self.new)
        value = self.site.change.fill or self._default()
        sql = f"UPDATE {self.where} SET {new} = {value} WHERE {new} IS NULL"
        yield batches(f"Old rows of {self.plan.name} in batches.", sql, self.key.columns)

    def _index(self, columns: Sequence[str], name: str) -> Index:
        return Index(name=name, unique=True, definition=f"USING btree ({listed(columns)})", columns=tuple(columns))

    def _indexes(self) -> tuple[Index, Index]:
        """Return the index of the new key, and that which keeps the number unique."""
        new = [self.new if one == self.column else one for one in self.key.columns]
        kept = [number(self.site) if one == self.column else one for one in self.key.columns]
        return (
            self._index(new, made(self.key.name, "__new")),
            self._index(self.key.columns, made_up(self.plan.own, kept, "idx")),
        )

    def proved(self, *, at_once: bool = False) -> Iterator[Step]:
        if at_once:
            yield alone("", f"ALTER TABLE {self.where} ALTER COLUMN {quoted(self.new)} SET NOT NULL")
            yield alone("", *(parts.index(self.where, one) for one in self._indexes()))
            return
        yield from proofs.not_null(self.plan, [self.new], native=self.site.at_least(18))
        for one in self._indexes():
            yield alone("An index, while everyone works.", *parts.concurrent(self.plan, self.where, one))

    def referring(self, *, at_once: bool = False) -> Iterator[Step]:
        del at_once
        return iter(())

    def untied(self, *, in_step: bool = True) -> Iterator[str]:
        if in_step:
            yield f"DROP TRIGGER {self.trigger} ON {self.where}"
            yield f"DROP FUNCTION {self.function}()"

    def exchanged(self) -> Iterator[str]:
        kept = number(self.site)
        _, index = self._indexes()
        yield parts.drop_constraint(self.where, self.key.name)
        yield f"ALTER TABLE {self.where} RENAME COLUMN {quoted(self.column)} TO {quoted(kept)}"
        yield f"ALTER TABLE {self.where} RENAME COLUMN {quoted(self.new)} TO {quoted(self.column)}"
        yield f"ALTER TABLE {beside(self.plan, index.name)} RENAME COLUMN {quoted(self.column)} TO {quoted(kept)}"

    def named(self) -> Iterator[str]:
        new, _ = self._indexes()
        yield f"ALTER TABLE {self.where} ALTER COLUMN {quoted(self.column)} SET DEFAULT {self._default()}"
        yield take_over(self.where, self.key, new.name)
        name = beside(self.plan, self.key.name)
        yield f"ALTER TABLE {name} RENAME COLUMN {quoted(self.new)} TO {quoted(self.column)}"
        yield from parts.of_constraint(self.where, self.key)
        if self.site.at_least(18):
            was, now = proofs.named(self.plan, self.new), proofs.named(self.plan, self.column) + "1"
            yield f"ALTER TABLE {self.where} RENAME CONSTRAINT {quoted(was)} TO {quoted(now)}"


def _back(site: Site) -> Sequence[Part]:
    """Return the tables as the way forward left them, with the number as the key again."""
    later = _later(site)
    plan = later.tables[site.plan.name]
    kept = number(site)
    all_twins: dict[str, tuple[Twin, ...]] = {plan.name: ()}
    for child, one in _children(site, site.blueprint):
        own = one.columns[one.parent_columns.index(site.column)]
        value = _looked_up(plan, one, quoted(kept))
        twin = Twin(column=own, type=child.columns[own].type, value=value, name=own, reads_others=True)
        all_twins[child.name] = (*all_twins.get(child.name, ()), twin)
    children = [
        Twinned(site, later.tables[name], some, {plan.name: {site.column: kept}})
        for name, some in all_twins.items()
        if name != plan.name
    ]
    return [_ToNumber(site, plan, _key(site)), *children]


def _later(site: Site) -> Blueprint:
    """Return the tables as the way forward leaves them."""
    found = dict(site.blueprint.tables)
    plan, kept = site.plan, number(site)
    columns: dict[str, Column] = {}
    for name, one in plan.columns.items():
        columns[kept if name == site.column else name] = one
    columns[site.column] = Column(name=site.column, type="uuid", nullable=False)
    found[plan.name] = replace(plan, columns=columns)
    for child, pointing in _children(site, site.blueprint):
        own = pointing.columns[pointing.parent_columns.index(site.column)]
        old = found[child.name]
        found[child.name] = replace(old, columns={**old.columns, own: replace(old.columns[own], type="uuid")})
    return Blueprint(found)


@dataclass(frozen=True, slots=True)
class _ToNumber:
    """The table whose number becomes the key again."""

    site: Site
    plan: Plan
    key: Constraint

    @property
    def where(self) -> str:
        return table(self.plan)

    def check(self) -> None:
        """Say nothing: what hung on the column was told on the way forward."""

    def views(self) -> Sequence[View]:
        return self.plan.views if any(self.site.column in one.columns for one in self.plan.views) else ()

    def expanded(self, *, in_step: bool = True) -> Iterator[Step]:
        del in_step
        return iter(())

    def filled(self) -> Iterator[Step]:
        return iter(())

    def proved(self, *, at_once: bool = False) -> Iterator[Step]:
        del at_once
        return iter(())

    def referring(self, *, at_once: bool = False) -> Iterator[Step]:
        del at_once
        return iter(())

    def untied(self, *, in_step: bool = True) -> Iterator[str]:
        del in_step
        return iter(())

    def exchanged(self) -> Iterator[str]:
        own = quoted(self.site.column)
        yield parts.drop_constraint(self.where, self.key.name)
        yield f"ALTER TABLE {self.where} DROP COLUMN {own}"
        yield f"ALTER TABLE {self.where} RENAME COLUMN {quoted(number(self.site))} TO {own}"

    def named(self) -> Iterator[str]:
        kept = number(self.site)
        columns = [kept if one == self.site.column else one for one in self.key.columns]
        yield take_over(self.where, self.key, made_up(self.plan.own, columns, "idx"))
        name = beside(self.plan, self.key.name)
        yield f"ALTER TABLE {name} RENAME COLUMN {quoted(kept)} TO {quoted(self.site.column)}"
        yield from parts.of_constraint(self.where, self.key)
