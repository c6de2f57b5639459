"""`rehearse advise SCENARIO`: a safer way to make a migration's change, written out and rehearsed beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from textwrap import indent
from typing import Any

import click

from rehearse import hazards
from rehearse import strategies as library
from rehearse.cli import comparing
from rehearse.cli.lint_files import Read, scenario_read
from rehearse.cli.run import Options, read_whole
from rehearse.errors import Missing, Mistake, ScenarioMistake
from rehearse.hazards.changes import changes_of, not_told
from rehearse.model import Change, Scenario, StrategyChoice
from rehearse.protocols import Database
from rehearse.reading import strategies
from rehearse.rehearsal import writing
from rehearse.rehearsal.contest import contest
from rehearse.rehearsal.progress import Silent
from rehearse.tools._split import splitter

# The ways that are tried in this order, by the kind of change; then any that is not the plain one.
_PREFERRED: Mapping[str, tuple[str, ...]] = {
    "partition table": ("partition", "shadow"),
    "change type": ("expand", "careful"),
    "widen key": ("expand",),
    "split column": ("expand",),
    "rename column": ("view",),
}
_SHOWN = 120  # characters of a statement
_FEW = 0.000_001  # of the profile's rows: what is written hangs on the tables alone
_BY_HAND = "H120"  # LOCK TABLE before a swap, which is over in a moment


@click.command("advise")
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option("--way", metavar="NAME", help="Another way of the library than the one that is advised.")
@click.option("--no-run", is_flag=True, help="Write it out, on a database of few rows, and rehearse nothing.")
@click.option("--repeats", type=click.IntRange(1, 99), default=1, show_default=True, help="Rounds: runs of each.")
@click.option("--scale", type=click.FloatRange(min=0, min_open=True), help="Share of the profile's row counts.")
@click.option("--seed", type=int, help="Seed of the data, the traffic and the order of the runs.")
@click.option("--via", metavar="embedded|binary|docker|URL", help="Where the server comes from; a URL is disposable.")
@click.option("--budget", "budgets", multiple=True, metavar="KEY=VALUE", help="Another budget, e.g. blocked=250ms.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder; default reports/SCENARIO/WHEN.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")
@click.option("-q", "--quiet", is_flag=True, help="Print the result and the page's path only.")
@click.pass_context
def command(  # noqa: PLR0917
    ctx: click.Context,
    scenario: Path,
    way: str | None,
    repeats: int,
    scale: float | None,
    seed: int | None,
    via: str | None,
    budgets: tuple[str, ...],
    out: Path | None,
    *,
    no_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    r"""Say what is dangerous in a scenario's migration, write a safer way to the same end, and rehearse both.

    What the migration changes is told from its SQL; the way is one of the library's (rehearse compare --ways), written
    for the tables as they are on the server. Both meet the same bytes and the same traffic, and must end in the same
    schema and rows. Its SQL is in the statements of its report, and in recording.json; --no-run prints it, with the way
    back as comments.

    \b
    rehearse advise scenarios/set_not_null/bad.toml
    rehearse advise scenarios/create_index/bad.toml --no-run > advised.sql

    Exit code: as of rehearse compare; with --no-run 0. 2 if the SQL holds what no way is known for.
    """
    if scenario.suffix == ".sql":
        raise Mistake(
            f"{scenario}: advise needs a scenario, which says what the change meets: rehearse init writes one; for SQL "
            "alone there is rehearse lint"
        )
    whole = strategies.single(read_whole(scenario, None, Options(scale=scale, seed=seed, via=via, budgets=budgets)))
    read = scenario_read(whole)
    changes = _changes(whole, read)
    advised = _advised(whole, read, changes, way)
    if no_run:
        _print(read, changes, advised, as_json=as_json)
        return
    telling = comparing.Telling(as_json=as_json, quiet=quiet)
    if not as_json and not quiet:
        for line in _hazards(read):
            click.echo(line, err=True)
    meant = replace(whole.migration, effects=advised.migration.effects)  # both fill the same rows
    own = replace(whole, migration=meant, strategies=[StrategyChoice(name=strategies.AS_WRITTEN)])
    ctx.exit(comparing.compare(whole, [*strategies.expanded(own), advised], repeats=repeats, out=out, telling=telling))


def advised_ways(change: Change, engine: str) -> list[str]:
    """Return the ways of the library for a change but the plain one, the first the one to be tried first."""
    known = [one for one in library.ways(change, engine) if one != "plain"]
    wanted = (*_PREFERRED.get(change.kind, ()), "careful", *known)
    return [one for one in dict.fromkeys(wanted) if one in known]


def _changes(whole: Scenario, read: Read) -> tuple[Change, ...]:
    statements = [one for script in read.forward for one in script.statements]
    found = changes_of(statements, read.known)
    if found is None and not any(one.severity != "note" for one in read.hazards):
        raise Mistake(
            f"{whole.file or whole.name}: the linter has nothing against this SQL, so that no safer way is "
            "advised; see how it goes: rehearse run"
        )
    if found is None:
        odd = not_told(statements, read.known)
        where = f": {odd.place}: {' '.join(odd.sql.split())[:_SHOWN]}" if odd else ""
        raise Mistake(
            f"{whole.file or whole.name}: migration.forward holds what is no change that a way is known for{where}; "
            "describe it as [change] and compare ways (rehearse compare --ways all), or see what stands against it: "
            "rehearse lint"
        )
    return found


def _advised(whole: Scenario, read: Read, changes: Sequence[Change], way: str | None) -> Scenario:
    """Return the scenario with the ways of its changes, one after the other; back is their reverse."""
    written = _written(whole, read, changes, way)
    if len({one.migration.tool for one in written}) > 1:
        raise Mistake(f"{whole.name}: its changes are made by different tools; give each a migration of its own")
    back = [one.migration.back for one in reversed(written)]
    ways = dict.fromkeys(one.strategies[0].way or "" for one in written)
    migration = replace(
        written[0].migration,
        forward="\n".join(str(one.migration.forward) for one in written),
        back="\n".join(map(str, back)) if all(isinstance(one, str) for one in back) else whole.migration.back,
        effects=[*whole.migration.effects, *(each for one in written for each in one.migration.effects)],
    )
    choice = StrategyChoice(
        name=f"advised: {' + '.join(ways)}", deploys=max(one.strategies[0].deploys or 1 for one in written)
    )
    advised = replace(whole, migration=migration, workload=written[-1].workload, strategies=[choice])
    (found,) = strategies.expanded(advised)
    return found


def _written(whole: Scenario, read: Read, changes: Sequence[Change], way: str | None) -> list[Scenario]:
    """Return each change as the way that is advised for it, written on a database with the same tables and few rows."""
    few = replace(whole.data, scale=_FEW, tables={}) if whole.data.profile else whole.data
    own = replace(whole, data=few, strategies=[StrategyChoice(name=strategies.AS_WRITTEN)])
    with contest(strategies.expanded(own), Silent()) as going:
        (entry,) = going.entries
        if entry.template is None:
            raise Mistake(f"{whole.engine.name}: a server that makes no copies of a database cannot be written for yet")
        on = (entry.template.database, going.ground.server.version)
        return [
            _best(whole, read, change, [way] if way else advised_ways(change, whole.engine.name), on)
            for change in changes
        ]


def _best(whole: Scenario, read: Read, change: Change, ways: Sequence[str], on: tuple[Database, str]) -> Scenario:
    """Return the first way that can be written and that the linter has nothing against, or the first of all."""
    found: list[Scenario] = []
    refused: list[str] = []
    for way in ways:
        try:
            written = writing.written(_unwritten(whole, change, way), *on)
        except (ScenarioMistake, Missing) as error:
            refused.append(str(error))
            continue
        if written.migration.tool != "sql" or not _stands_against(written, read):
            return written
        found.append(written)
    if not found:
        raise Mistake("; ".join(dict.fromkeys(refused)) or f"{change.kind}: no other way than the plain one is known")
    return found[0]


def _stands_against(written: Scenario, read: Read) -> list[str]:
    """Return the codes of what the linter has against the SQL of a way: outages, and what the server refuses."""
    known, split = deepcopy(read.known), splitter(written.engine.name)
    statements = tuple(
        hazards.said(one.sql, known, repeats=bool(one.repeat or one.backfill))
        for one in split(str(written.migration.forward), "advised", 1)
    )
    found = hazards.hazards(hazards.Script(statements, "none"), known)
    return [one.rule.code for one in found if one.severity in ("outage", "fails") and one.rule.code != _BY_HAND]


def _unwritten(whole: Scenario, change: Change, way: str) -> Scenario:
    """Return a change of the scenario as a way that is still to be written."""
    migration = replace(whole.migration, forward=None, back=None, effects=[])
    choice = StrategyChoice(name=way, way=way)
    (found,) = strategies.expanded(replace(whole, change=change, migration=migration, strategies=[choice]))
    return found


def _print(read: Read, changes: Sequence[Change], written: Scenario, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_plain(read, changes, written), ensure_ascii=False, indent=2))
        return
    for line in _hazards(read):
        click.echo(f"-- {line}")
    click.echo(f"-- {written.strategies[0].name}; transaction = '{written.migration.transaction}'\n")
    click.echo(written.migration.forward)
    if isinstance(written.migration.back, str):
        click.echo("\n-- the way back, as comments: this file is run forward")
        click.echo(indent(written.migration.back, "-- ", lambda _: True))


def _plain(read: Read, changes: Sequence[Change], written: Scenario) -> dict[str, Any]:
    migration = written.migration
    return {
        "changes": [
            {key: value for key, value in asdict(one).items() if value not in (None, {}, "")} for one in changes
        ],
        "hazards": [{"code": one.rule.code, "place": one.place, "says": one.says} for one in read.hazards if one.fails],
        "name": written.strategies[0].name,
        "tool": migration.tool,
        "transaction": migration.transaction,
        "forward": migration.forward,
        "back": migration.back,
    }


def _hazards(read: Read) -> list[str]:
    return [f"{one.place}: {one.rule.code} {one.severity}: {one.says}" for one in read.hazards if one.fails]
