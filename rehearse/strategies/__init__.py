"""Ways to make a change: from its description to the steps, for each engine; no server is asked.

`ways` names them, `write` writes one out from what the tables are (`database.blueprint()`), and KINDS says of each kind
of change which keys it needs. All ways to make one change end in the same schema and the same rows.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from typing import Any

from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model import Effect
from rehearse.model.change import Change, ChangeKind, Strategy
from rehearse.profiles.blueprint import Blueprint
from rehearse.strategies import _kinds, _options, mysql, postgres
from rehearse.strategies._kinds import KINDS, Kind
from rehearse.strategies._site import Site, found_table, listed
from rehearse.strategies._steps import Step, Steps, commands, text
from rehearse.strategies._way import Way

_ENGINES: Mapping[str, Mapping[ChangeKind, Mapping[str, Way]]] = {
    "postgres": postgres.WAYS,
    "mariadb": mysql.WAYS,
    "mysql": mysql.WAYS,
}


def ways(change: Change, engine: str) -> tuple[str, ...]:
    """Return the names of the ways to make a kind of change on an engine, the plain one first."""
    return tuple(_ways(change.kind, engine))


def says(kind: ChangeKind, way: str, engine: str) -> str:
    """Return what a way does, in words."""
    return _ways(kind, engine)[way].says


def write(
    change: Change,
    way: str,
    structure: Blueprint,
    *,
    engine: str,
    version: str | None = None,
    options: Mapping[str, Any] | None = None,
    blocked_ns: int | None = None,
) -> Strategy:
    """Return a way to make a change, written out for the tables as they are.

    `blocked_ns` is how long the application bears a table that is closed: batches and waits are shorter where it is
    short. Raises ScenarioMistake for a change that lacks what it needs or names what is not there, and for a way that
    cannot make it.
    """
    known = _ways(change.kind, engine)
    if way not in known:
        raise ScenarioMistake(
            f"strategies.way: {way!r} is no way to {change.kind!r} on {engine}{near_miss(way, known)}"
        )
    plan = found_table(structure, change.table)
    _kinds.check(change, plan)
    site = Site(
        change=change,
        plan=plan,
        blueprint=structure,
        engine=engine,
        options=_options.read(options or {}, blocked_ns=blocked_ns),
        major=_major(version),
    )
    return _strategy(way, known[way], site)


def effects(change: Change) -> tuple[Effect, ...]:
    """Return the changes of data that a change means, as [[migration.effects]] has them."""
    columns = listed(change.columns)
    if change.kind == "set not null" and change.fill:
        return tuple(Effect(table=change.table, column=one, back=False) for one in columns)
    return ()


def missing(strategy: Strategy) -> str | None:
    """Return the first program that a strategy needs and that is not on this machine, with how to get it.

    Of what it needs, a program begins with its name: "gh-ost (https://…)".
    """
    for need in strategy.needs:
        program = need.partition(" (")[0]
        if " " not in program and shutil.which(program) is None:
            return need
    return None


def engines() -> tuple[str, ...]:
    """Return the names of the engines that the library has ways for."""
    return tuple(_ENGINES)


def _ways(kind: ChangeKind, engine: str) -> Mapping[str, Way]:
    if engine not in _ENGINES:
        raise ScenarioMistake(f"engine.name: the library has no ways for {engine!r}{near_miss(engine, _ENGINES)}")
    return _ENGINES[engine].get(kind, {})


def _major(version: str | None) -> int | None:
    found = re.match(r"\d+", version or "")
    return int(found[0]) if found else None


def _strategy(name: str, way: Way, site: Site) -> Strategy:
    written = way.steps(site)
    write_out = commands if way.tool == "command" else text
    back = None if written.back is None else write_out(written.back, site.options)
    return Strategy(
        name=name,
        says=way.says,
        forward=write_out(written.forward, site.options, written.notes),
        back=back,
        deploys=way.deploys,
        tool=way.tool,
        steps=_told(written),
        needs=written.needs,
    )


def _told(written: Steps) -> tuple[str, ...]:
    """Return the steps in words; why there is no way back is the last of them."""
    last = (f"There is no way back: {written.no_back}",) if written.no_back else ()
    return (*(one.says for one in written.forward if one.sql), *last)


__all__ = ["KINDS", "Kind", "Step", "effects", "engines", "missing", "says", "ways", "write"]
