"""A shadow table on MySQL and MariaDB: kept in step by triggers, filled in batches, swapped by RENAME TABLE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Plan
from rehearse.strategies._site import Site
from rehearse.strategies._steps import Step, Steps, alone, batches, patient
from rehearse.strategies.mysql import alter
from rehearse.strategies.mysql.clauses import clauses, widened
from rehearse.strategies.mysql.names import listed, made, quoted

_NOTE = "While foreign keys are away nothing keeps orphans out; they come back without a look at the rows."


def shadow(site: Site) -> Steps:
    """Return the change by a shadow table, and the way back by another."""
    said = clauses(site)
    values = {}
    if site.change.kind == "set not null" and site.change.fill:
        values = {one: f"coalesce({{}}{quoted(one)}, {site.change.fill})" for one in site.columns}
    forward = _around(site, [site.plan.name], steps(site, site.plan, [said.all], values))
    words = [said.back, *([said.back_then] if said.back_then else [])] if said.back else []
    back = _around(site, [site.plan.name], steps(site, site.plan, words, {}))
    return Steps(forward=tuple(forward), back=tuple(back), notes=("It needs room for the table once more.",))


def widen(site: Site) -> Steps:
    """Return the wider key by a shadow of each table."""
    every = widened(site)
    forward: list[Step] = []
    back: list[Step] = []
    for name, types in every.items():
        plan = site.blueprint.tables[name]
        forward += steps(site, plan, [alter.modified(site, name, types)], {})
        back += steps(site, plan, [alter.modified(site, name, dict.fromkeys(types, ""))], {})
    return Steps(
        forward=tuple(_around(site, every, forward)),
        back=tuple(_around(site, every, back)),
        notes=("It needs room for each table once more.",),
    )


def _around(site: Site, tables: Iterable[str], inner: list[Step]) -> Iterator[Step]:
    """Yield the steps between the going and the coming of the tables' foreign keys."""
    added, dropped = alter.tied(site, tables)
    for one in dropped:
        yield patient(f"A foreign key goes for now. {_NOTE}", one)
    yield from inner
    if added:
        yield alone("Old rows are not looked at.", "SET SESSION foreign_key_checks = 0")
        for one in added:
            yield patient("A foreign key comes back, while everyone works.", f"{one}, ALGORITHM=INPLACE, LOCK=NONE")
        yield alone("As usual.", "SET SESSION foreign_key_checks = 1")


def steps(site: Site, plan: Plan, words: Iterable[Iterable[str]], values: Mapping[str, str]) -> list[Step]:
    """Return the steps of one table; a value is SQL with {} before its columns."""
    if plan.triggers:
        raise ScenarioMistake(
            f"change.table: {plan.name} has triggers ({', '.join(one.name for one in plan.triggers)}), which a shadow "
            "table would lose; take 'pt-osc'"
        )
    if site.engine == "mysql" and (site.change.kind == "add check" or any(plan.of_kind("check"))):
        raise ScenarioMistake(
            f"change.table: MySQL would call the checks of a shadow of {plan.name} otherwise; take another way"
        )
    if plan.primary_key is None:
        raise ScenarioMistake(f"change.table: {plan.name} has no primary key, by which a shadow is kept in step")
    own, key = plan.own, plan.primary_key.columns
    there = quoted(made(own, "__new"))
    old = quoted(made(own, "__old"))
    names = [one.name for one in plan.columns.values() if one.generated is None]
    read = ", ".join(values.get(one, f"{{}}{quoted(one)}") for one in names)
    same = " AND ".join(f"{quoted(one)} <=> OLD.{quoted(one)}" for one in key)
    moved = " OR ".join(f"NOT NEW.{quoted(one)} <=> OLD.{quoted(one)}" for one in key)
    replaced = f"REPLACE INTO {there} ({listed(names)}) VALUES ({read.replace('{}', 'NEW.')})"
    triggers = [
        f"CREATE TRIGGER {quoted(made(own, ending))} AFTER {event} ON {quoted(own)} FOR EACH ROW {body}"
        for ending, event, body in (
            ("__ins", "INSERT", replaced),
            ("__upd0", "UPDATE", f"DELETE FROM {there} WHERE ({moved}) AND {same}"),
            ("__upd", "UPDATE", replaced),
            ("__del", "DELETE", f"DELETE FROM {there} WHERE {same}"),
        )
    ]
    copied = (
        f"INSERT INTO {there} ({listed(names)})\nSELECT {read.replace('{}', '')}\nFROM {quoted(own)}\n"
        f"ON DUPLICATE KEY UPDATE {there}.{quoted(key[0])} = {there}.{quoted(key[0])}"
    )
    changed = [alter.alter(made(own, "__new"), some) for some in words]
    return [
        alone("The shadow, empty, as the table is to be.", f"CREATE TABLE {there} LIKE {quoted(own)}", *changed),
        *(patient("From now on every write goes to both.", one) for one in triggers),
        batches("The rows that are there, in batches; those written since are newer, and stay.", copied, ()),
        patient("The swap: names only.", f"RENAME TABLE {quoted(own)} TO {old}, {there} TO {quoted(own)}"),
        patient("The old table goes, with the triggers.", f"DROP TABLE {old}"),
    ]
