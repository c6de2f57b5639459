"""ALTER TABLE as one would write it, and as gently as the server can: INSTANT, or INPLACE while everyone works."""

from __future__ import annotations

from collections.abc import Iterable

from rehearse.errors import ScenarioMistake
from rehearse.strategies._site import Site
from rehearse.strategies._steps import Step, Steps, alone, batches, patient
from rehearse.strategies.mysql.clauses import Clauses, clauses, reference, widened
from rehearse.strategies.mysql.names import quoted, typed

_OPTIONS = ("PARTITION BY", "REMOVE PARTITIONING")


def alter(table: str, words: Iterable[str], how: str | None = None) -> str:
    """Return one ALTER TABLE."""
    every = [*words, *([how] if how else [])]
    options = [one for one in every if one.startswith(_OPTIONS)]
    parts = [one for one in every if not one.startswith(_OPTIONS)]
    return " ".join(filter(None, (f"ALTER TABLE {quoted(table)}", ", ".join(parts), *options)))


def plain(site: Site) -> Steps:
    """Write what one would write first, and let the server choose how."""
    said, table = clauses(site), site.plan.own
    forward = [alter(table, said.first)] if said.first and said.fill else []
    forward += [said.fill] if said.fill else []
    rest = said.then if said.fill else said.all
    forward += [alter(table, rest)] if rest else []
    return Steps(forward=(alone("One after the other.", *forward),), back=_back(site, said), no_back=said.no_back)


def _back(site: Site, said: Clauses) -> tuple[Step, ...] | None:
    if said.back is None:
        return None
    sql = [alter(site.plan.own, said.back)]
    sql += [said.back_fill] if said.back_fill else []
    sql += [alter(site.plan.own, said.back_then)] if said.back_then else []
    return (alone("Undone.", *sql),)


def careful(site: Site) -> Steps:
    """Insist on a way that stops nobody for long, and give up a lock that does not come soon."""
    said, table = clauses(site), site.plan.own
    if said.how is None:
        raise ScenarioMistake(
            f"strategies.way: {site.engine} makes {site.change.kind!r} by copying the table under a lock; take "
            "'shadow' or 'pt-osc'"
        )
    steps: list[Step] = []
    if said.first:
        steps.append(
            patient(
                "The server changes its catalog, or reads while everyone works.", alter(table, said.first, said.how)
            )
        )
    if said.fill:
        steps.append(batches("Old rows in batches.", _unfilled(said.fill, site), site.key()))
    if said.then:
        how = "ALGORITHM=INPLACE, LOCK=NONE"
        steps.append(patient("The table is written anew while everyone works.", alter(table, said.then, how)))
    back: list[Step] | None = None
    if said.back is not None:
        back = [patient("Undone.", alter(table, said.back, said.back_how))]
        back += [batches("Old rows in batches.", said.back_fill, site.key())] if said.back_fill else []
        back += [patient("Its rules.", alter(table, said.back_then, said.back_how))] if said.back_then else []
    return Steps(forward=tuple(steps), back=None if back is None else tuple(back), no_back=said.no_back)


def _unfilled(fill: str, site: Site) -> str:
    """Return the UPDATE with a WHERE that tells which rows are not done."""
    if " WHERE " in fill:
        return fill
    own, value = quoted(site.column), site.change.fill
    return f"{fill} WHERE NOT {own} <=> ({value})"


def unproved(site: Site) -> Steps:
    """Add a foreign key without reading a row: it holds for what is written from now on."""
    one, said = reference(site), clauses(site)
    sql = alter(site.plan.own, [f"ADD CONSTRAINT {quoted(one.name)} {one.definition}"], "ALGORITHM=INPLACE, LOCK=NONE")
    back = alter(site.plan.own, said.back or ())
    return Steps(
        forward=(
            alone("Old rows are not looked at.", "SET SESSION foreign_key_checks = 0"),
            patient("The key, while everyone works.", sql),
            alone("As usual.", "SET SESSION foreign_key_checks = 1"),
        ),
        back=(patient("Undone.", back),),
        notes=("Rows that are there are not proved: look for orphans yourself, before and after.",),
    )


def widen(site: Site) -> Steps:
    """Change the types of a key and of what points at it, without the foreign keys meanwhile."""
    every = widened(site)
    forward, back = tied(site, every)
    old = {name: dict.fromkeys(some, "") for name, some in every.items()}
    return Steps(
        forward=(
            alone("The foreign keys go, since both ends must be of one type.", *back),
            alone(
                "Each table is copied under a lock.",
                *(alter(name, modified(site, name, of)) for name, of in every.items()),
            ),
            alone("The foreign keys again; every row is looked up.", *forward),
        ),
        back=(
            alone("The foreign keys go.", *back),
            alone("The old types.", *(alter(name, modified(site, name, of)) for name, of in old.items())),
            alone("The foreign keys again.", *forward),
        ),
    )


def modified(site: Site, name: str, types: dict[str, str]) -> list[str]:
    """Return MODIFY COLUMN for the columns of a table; an empty type is the old one."""
    columns = site.blueprint.tables[name].columns
    lines = {one: columns[one].definition or "" for one in types}
    return [
        f"MODIFY COLUMN {quoted(one)} {typed(lines[one], declared) if declared else lines[one]}"
        for one, declared in types.items()
    ]


def tied(site: Site, tables: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return what adds, and what drops, the foreign keys that tables have and that point at them."""
    names = set(tables)
    added, dropped = [], []
    for plan in site.blueprint.tables.values():
        keys = [one for one in plan.of_kind("foreign key") if plan.name in names or one.parent in names]
        if keys:
            added.append(alter(plan.own, [f"ADD CONSTRAINT {quoted(one.name)} {one.definition}" for one in keys]))
            dropped.append(alter(plan.own, [f"DROP FOREIGN KEY {quoted(one.name)}" for one in keys]))
    return added, dropped
