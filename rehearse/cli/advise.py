"""`rehearse advise SCENARIO`: a safer way to make a migration's change, written out and rehearsed beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from rehearse import strategies as library
from rehearse.cli import comparing
from rehearse.cli.lint_files import Read, scenario_read
from rehearse.cli.run import Options, read_whole
from rehearse.errors import Mistake
from rehearse.hazards.changes import changes_of
from rehearse.model import Change, Scenario, StrategyChoice
from rehearse.reading import strategies
from rehearse.rehearsal.contest import contest
from rehearse.rehearsal.progress import Silent

# The ways that are tried in this order, by the kind of change; then any that is not the plain one.
_PREFERRED: Mapping[str, tuple[str, ...]] = {
    "partition table": ("partition", "shadow"),
    "change type": ("expand", "careful"),
    "widen key": ("expand",),
    "split column": ("expand",),
}


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
    schema and rows.

    \b
    rehearse advise scenarios/set_not_null/bad.toml
    rehearse advise scenarios/create_index/bad.toml --no-run > advised.sql

    Exit code: as of rehearse compare; with --no-run 0. 2 if the SQL holds what no way is known for.
    """
    whole = strategies.single(read_whole(scenario, None, Options(scale=scale, seed=seed, via=via, budgets=budgets)))
    read = scenario_read(whole)
    changes = _changes(whole, read)
    advised = _advised(whole, changes, [way or advised_way(one, whole.engine.name) for one in changes])
    if no_run:
        _print(read, changes, advised, as_json=as_json)
        return
    telling = comparing.Telling(as_json=as_json, quiet=quiet)
    if not as_json and not quiet:
        for line in _hazards(read):
            click.echo(line, err=True)
    own = replace(whole, strategies=[StrategyChoice(name=strategies.AS_WRITTEN)])
    ctx.exit(comparing.compare(whole, [*strategies.expanded(own), advised], repeats=repeats, out=out, telling=telling))


def advised_way(change: Change, engine: str) -> str:
    """Return the way of the library that is advised for a change; a Mistake where there is only the plain one."""
    known = [one for one in library.ways(change, engine) if one != "plain"]
    found = next((one for one in (*_PREFERRED.get(change.kind, ()), "careful", *known) if one in known), None)
    if found is None:
        raise Mistake(f"{change.kind} on {engine}: no other way than the plain one is known")
    return found


def _changes(whole: Scenario, read: Read) -> tuple[Change, ...]:
    found = changes_of([one for script in read.forward for one in script.statements], read.known)
    if found is None:
        raise Mistake(
            f"{whole.file or whole.name}: migration.forward holds what is no change that a way is known for; "
            "describe it "
            "as [change] and compare ways (rehearse compare --ways all), or see what stands against it: rehearse lint"
        )
    return found


def _advised(whole: Scenario, changes: Sequence[Change], ways: Sequence[str]) -> Scenario:
    """Return the scenario with the ways of its changes, one after the other; back is their reverse.

    They are written on a database with the same tables and few rows.
    """
    parts = [
        _unwritten(whole, change, way, number) for number, (change, way) in enumerate(zip(changes, ways, strict=True))
    ]
    written = _written(parts)
    back = [one.migration.back for one in reversed(written)]
    migration = replace(
        written[0].migration,
        forward="\n".join(str(one.migration.forward) for one in written),
        back="\n".join(map(str, back)) if all(isinstance(one, str) for one in back) else whole.migration.back,
        effects=[*whole.migration.effects, *(each for one in written for each in one.migration.effects)],
    )
    choice = StrategyChoice(
        name=f"advised: {' + '.join(dict.fromkeys(ways))}",
        deploys=max(one.strategies[0].deploys or 1 for one in written),
    )
    advised = replace(whole, migration=migration, workload=written[-1].workload, strategies=[choice])
    (found,) = strategies.expanded(advised)
    return found


def _unwritten(whole: Scenario, change: Change, way: str, number: int) -> Scenario:
    """Return a change of the scenario as a way that is still to be written, on few rows."""
    few = replace(whole.data, scale=_FEW, tables={}) if whole.data.profile else whole.data
    migration = replace(whole.migration, forward=None, back=None, effects=[])
    part = replace(whole, change=change, data=few, migration=migration)
    (found,) = strategies.expanded(replace(part, strategies=[StrategyChoice(name=f"{number}: {way}", way=way)]))
    return found


def _written(parts: Sequence[Scenario]) -> list[Scenario]:
    with contest(parts, Silent()) as going:
        for entry in going.entries:
            if entry.refused is not None:
                raise entry.refused
        return [entry.scenario for entry in going.entries]


_FEW = 0.000_001


def _print(read: Read, changes: Sequence[Change], written: Scenario, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_plain(read, changes, written), ensure_ascii=False, indent=2))
        return
    for line in _hazards(read):
        click.echo(f"-- {line}")
    click.echo(f"-- {written.strategies[0].name}; transaction = '{written.migration.transaction}'\n")
    click.echo(written.migration.forward)
    if isinstance(written.migration.back, str):
        click.echo(f"\n-- the way back\n\n{written.migration.back}")


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
