"""Rules of a table on PostgreSQL: defaults, NOT NULL, unique, checks, foreign keys, and indexes."""

from __future__ import annotations

from dataclasses import replace

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Constraint, Index
from rehearse.profiles.made_up import made_up
from rehearse.strategies._site import Site, check_columns, found_table
from rehearse.strategies._steps import Step, Steps, alone, batches, patient, together
from rehearse.strategies.postgres import parts, proofs
from rehearse.strategies.postgres.names import beside, qualified, quoted, table


def default(site: Site) -> Steps:
    """SET DEFAULT, as one would write it."""
    return Steps(forward=(alone("The default.", *_default(site)),), back=(alone("As it was.", *_undefault(site)),))


def default_careful(site: Site) -> Steps:
    """SET DEFAULT, which waits for its lock for a moment only."""
    return Steps(
        forward=(patient("The default: a catalog entry.", *_default(site)),),
        back=(patient("As it was.", *_undefault(site)),),
    )


def _default(site: Site) -> list[str]:
    return [f"ALTER TABLE {table(site.plan)} ALTER COLUMN {quoted(site.column)} SET DEFAULT {site['default']}"]


def _undefault(site: Site) -> list[str]:
    was = site.old().default
    tail = "DROP DEFAULT" if was is None else f"SET DEFAULT {was}"
    return [f"ALTER TABLE {table(site.plan)} ALTER COLUMN {quoted(site.column)} {tail}"]


def not_null(site: Site) -> Steps:
    """Default, filling and NOT NULL in one transaction."""
    where = table(site.plan)
    sql = _default(site) if site.change.default else []
    sql += [f"{_fill(site, one)}" for one in site.columns if site.change.fill]
    sql += [f"ALTER TABLE {where} ALTER COLUMN {quoted(one)} SET NOT NULL" for one in site.columns]
    return Steps(forward=(together("All in one.", *sql),), back=(together("Undone.", *_nullable(site)),))


def not_null_careful(site: Site) -> Steps:
    """Fill in batches, prove while everyone works, and keep by NOT NULL, which believes the proof."""
    first, *proved = proofs.not_null(site.plan, site.columns, native=site.at_least(18))
    filled = _filled(site)
    between = [replace(one, says=f"{one.says[:-1]}, those written since.") for one in filled if one.mode == "batches"]
    return Steps(
        forward=(*filled, first, *between, *proved),
        back=(patient("Undone: catalog entries.", *_nullable(site)),),
    )


def _filled(site: Site) -> list[Step]:
    steps = []
    if site.change.default:
        steps.append(patient("New rows get the default, so that the filling has an end.", *_default(site)))
    if site.change.fill:
        key = site.key()
        steps += [batches(f"Old rows of {one} in batches.", _fill(site, one), key) for one in site.columns]
    return steps


def _fill(site: Site, column: str) -> str:
    where = table(site.plan)
    return f"UPDATE {where} SET {quoted(column)} = {site.change.fill} WHERE {quoted(column)} IS NULL"


def _nullable(site: Site) -> list[str]:
    dropped = [f"ALTER TABLE {table(site.plan)} ALTER COLUMN {quoted(one)} DROP NOT NULL" for one in site.columns]
    return dropped + (_undefault(site) if site.change.default else [])


def new_constraint(site: Site) -> Constraint:
    """Return the constraint that the change adds."""
    kind = site.change.kind
    columns = () if kind == "add check" else site.columns
    if kind == "add check":
        name = site.change.name or made_up(site.plan.own, site.columns, "check")
        return _free(site, Constraint(name=name, kind="check", definition=f"CHECK ({site['condition']})", columns=()))
    if kind == "add unique":
        name = site.change.name or made_up(site.plan.own, columns, "key")
        definition = f"UNIQUE ({_listed(columns)})"
        return _free(site, Constraint(name=name, kind="unique", definition=definition, columns=columns, index=name))
    return _free(site, _reference(site))


def _reference(site: Site) -> Constraint:
    parent, theirs = referenced(site)
    actions = f" ON DELETE {site.change.on_delete}" if site.change.on_delete else ""
    definition = f"FOREIGN KEY ({_listed(site.columns)}) REFERENCES {qualified(parent)}({_listed(theirs)}){actions}"
    return Constraint(
        name=site.change.name or made_up(site.plan.own, site.columns, "fkey"),
        kind="foreign key",
        definition=definition,
        columns=site.columns,
        parent=parent,
        parent_columns=theirs,
    )


def referenced(site: Site) -> tuple[str, tuple[str, ...]]:
    """Return the table and columns that `references` names: 'customers', 'customers.id' or 'customers(a, b)'."""
    told = str(site["references"])
    name, _, inner = told.rstrip(")").partition("(")
    theirs = tuple(part.strip() for part in inner.split(",")) if inner else ()
    if not theirs and name not in site.blueprint.tables and "." in name:
        name, _, last = name.rpartition(".")
        theirs = (last,)
    parent = found_table(site.blueprint, name.strip(), "change.references")
    if not theirs:
        if parent.primary_key is None:
            raise ScenarioMistake(f"change.references: {parent.name} has no primary key; name its columns")
        theirs = parent.primary_key.columns
    check_columns(parent, theirs, "change.references")
    if len(theirs) != len(site.columns):
        raise ScenarioMistake(f"change.references: {len(theirs)} columns for the {len(site.columns)} of change.columns")
    if not any(one.columns and set(one.columns) == set(theirs) and one.unique for one in parent.indexes):
        raise ScenarioMistake(f"change.references: ({', '.join(theirs)}) of {parent.name} is no unique key")
    return parent.name, theirs


def _free(site: Site, one: Constraint) -> Constraint:
    if any(there.name == one.name for there in site.plan.constraints):
        raise ScenarioMistake(f"change.name: {site.plan.name} has a constraint {one.name!r} already; name another")
    return one


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, names))


def constraint(site: Site) -> Steps:
    """ADD CONSTRAINT, as one would write it."""
    one = new_constraint(site)
    where = table(site.plan)
    return Steps(
        forward=(alone("The constraint.", parts.add(where, one)),),
        back=(alone("Undone.", parts.drop_constraint(where, one.name)),),
        notes=_unindexed(site),
    )


def constraint_careful(site: Site) -> Steps:
    """NOT VALID, then VALIDATE; of a unique one the index first, concurrently."""
    one, where = new_constraint(site), table(site.plan)
    back = patient("Undone: a catalog entry.", parts.drop_constraint(where, one.name))
    if one.kind == "unique":
        return Steps(forward=tuple(proofs.unique(site.plan, where, one, new_index(site))), back=(back,))
    lock = "a lock on both tables" if one.kind == "foreign key" else ""
    return Steps(forward=tuple(proofs.constraint(where, one, both=lock)), back=(back,), notes=_unindexed(site))


def _unindexed(site: Site) -> tuple[str, ...]:
    if site.change.kind != "add foreign key":
        return ()
    wanted = len(site.columns)
    if any(_leads(one.definition, site.columns, wanted) for one in site.plan.indexes):
        return ()
    return (f"No index of {site.plan.name} leads with {', '.join(site.columns)}: to delete a parent reads it whole.",)


def _leads(definition: str, columns: tuple[str, ...], wanted: int) -> bool:
    inner = definition.partition("(")[2].rpartition(")")[0]
    first = [part.strip().split(" ")[0].strip('"') for part in inner.split(",")][:wanted]
    return set(first) == set(columns)


def new_index(site: Site) -> Index:
    """Return the index that the change adds, or the one of the unique constraint that it adds."""
    is_unique = site.change.kind == "add unique"
    name = site.change.name or made_up(site.plan.own, site.columns, "key" if is_unique else "idx")
    where = f" WHERE {site.change.condition}" if site.change.condition and not is_unique else ""
    return Index(
        name=name,
        unique=is_unique or site.change.unique,
        definition=f"USING btree ({_listed(site.columns)}){where}",
        columns=site.columns,
        constraint=name if is_unique else None,
    )


def index(site: Site) -> Steps:
    """CREATE INDEX, as one would write it."""
    one = _free_index(site)
    return Steps(
        forward=(alone("The index.", parts.index(table(site.plan), one)),),
        back=(alone("Undone.", f"DROP INDEX {beside(site.plan, one.name)}"),),
    )


def index_careful(site: Site) -> Steps:
    """CREATE INDEX CONCURRENTLY, which reads the table twice and stops nobody."""
    one = _free_index(site)
    return Steps(
        forward=(alone("Built while everyone works.", *parts.concurrent(site.plan, table(site.plan), one)),),
        back=(alone("Undone while everyone works.", f"DROP INDEX CONCURRENTLY {beside(site.plan, one.name)}"),),
    )


def _free_index(site: Site) -> Index:
    one = new_index(site)
    there = {
        found.name
        for plan in site.blueprint.tables.values()
        for found in plan.indexes
        if plan.schema == site.plan.schema
    }
    if one.name in there:
        raise ScenarioMistake(f"change.name: there is an index {one.name!r} already; name another")
    return one
