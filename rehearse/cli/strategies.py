"""`rehearse strategies SCENARIO`: the ways to make its [change], each with what it does and needs, and as files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rehearse.model import Change, Scenario, Strategy


@click.command("strategies")
@click.argument("scenario", required=False, type=click.Path(path_type=Path))
@click.option("--way", "only", multiple=True, metavar="WAY", help="This way only; may be given again.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write each way's files, and a snippet for a scenario, here."
)
@click.option("--engine", metavar="NAME[:VERSION]", help="Another engine or version than the scenario's.")
@click.option("--kinds", is_flag=True, help="Say which kinds of changes there are and what each needs; no scenario.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    scenario: Path | None, only: tuple[str, ...], out: Path | None, engine: str | None, *, kinds: bool, as_json: bool
) -> None:
    r"""Write the ways to make a scenario's [change] as files, for `rehearse compare` or for your own tool.

    The schema is made on a server of our own, without rows, and read from there.

    \b
    rehearse strategies --kinds                      what may stand in [change]
    rehearse strategies scenario.toml --out ways     ways/plain.up.sql, ways/plain.down.sql, …, ways/strategies.toml
    """
    if kinds:
        _tell_kinds(as_json=as_json)
        return
    if scenario is None:
        raise click.UsageError("name a scenario that has a [change], or give --kinds")
    known = _known(scenario, engine, only)
    if out is not None:
        _write(known, out)
    if as_json:
        click.echo(json.dumps([_json(one) for one in known.found], ensure_ascii=False, indent=2))
        return
    for one in known.found:
        _tell(one)
    if out is not None:
        click.echo(str(out / "strategies.toml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A way, written out or refused with the reason."""

    way: str
    says: str
    strategy: Strategy | None
    refused: str | None
    missing: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    change: Change
    found: list[_Written]


def _known(path: Path, engine: str | None, only: tuple[str, ...]) -> _Known:
    from rehearse import strategies  # noqa: PLC0415
    from rehearse.cli.run import Options, read_whole  # noqa: PLC0415
    from rehearse.errors import Mistake, ScenarioMistake, near_miss  # noqa: PLC0415
    from rehearse.rehearsal.progress import Silent  # noqa: PLC0415
    from rehearse.rehearsal.ways import reached  # noqa: PLC0415
    from rehearse.rehearsal.writing import blueprint  # noqa: PLC0415

    scenario: Scenario = read_whole(path, engine, Options(scale=None, seed=None, via=None, budgets=()))
    scenario = scenario if engine is None else reached(scenario)[0]
    if scenario.change is None:
        raise ScenarioMistake(f"{path}: there is no [change]; `rehearse strategies --kinds` says what may stand there")
    name = scenario.engine.name
    ways = strategies.ways(scenario.change, name)
    for one in only:
        if one not in ways:
            raise Mistake(f"--way {one}: no way to {scenario.change.kind} on {name}{near_miss(one, ways)}")
    tables, version = blueprint(scenario, Silent())
    options = {one.way: one.options for one in scenario.strategies if one.way}
    found = []
    for way in [one for one in ways if not only or one in only]:
        says = strategies.says(scenario.change.kind, way, name)
        try:
            written = strategies.write(
                scenario.change,
                way,
                tables,
                engine=name,
                version=version,
                options=options.get(way),
                blocked_ns=scenario.budget.blocked,
            )
        except ScenarioMistake as refused:
            found.append(_Written(way=way, says=says, strategy=None, refused=str(refused), missing=None))
            continue
        missing = strategies.missing(written)
        found.append(_Written(way=way, says=says, strategy=written, refused=None, missing=missing))
    if all(one.strategy is None for one in found):
        raise ScenarioMistake("\n".join(f"{path}: {one.way}: {one.refused}" for one in found))
    return _Known(change=scenario.change, found=found)


def _tell(one: _Written) -> None:
    click.echo(f"{one.way}: {one.says}")
    if one.strategy is None:
        click.echo(f"  not here: {one.refused}")
        return
    for number, step in enumerate(one.strategy.steps, 1):
        click.echo(f"  {number}. {step}")
    if one.strategy.deploys > 1:
        click.echo(f"  releases of the application: {one.strategy.deploys}")
    for need in one.strategy.needs:
        click.echo(f"  needs {need}")
    if one.missing:
        click.echo(f"  missing here: {one.missing}")


def _json(one: _Written) -> dict[str, Any]:
    written = one.strategy
    return {
        "way": one.way,
        "says": one.says,
        "refused": one.refused,
        "missing": one.missing,
        "tool": written and written.tool,
        "transaction": written and written.transaction,
        "forward": written and written.forward,
        "back": written and written.back,
        "deploys": written and written.deploys,
        "steps": written and list(written.steps),
        "needs": written and list(written.needs),
    }


def _write(known: _Known, out: Path) -> None:
    """Write up and down of each way, and a snippet that names them."""
    from rehearse.strategies import effects  # noqa: PLC0415

    out.mkdir(parents=True, exist_ok=True)
    parts = []
    for one in known.found:
        if one.strategy is None:
            parts.append(f"# {one.way}: {one.refused}\n")
            continue
        ending = "sh" if one.strategy.tool == "command" else "sql"
        up, down = f"{one.way}.up.{ending}", f"{one.way}.down.{ending}"
        (out / up).write_text(one.strategy.forward, encoding="utf-8")
        if one.strategy.back is not None:
            (out / down).write_text(one.strategy.back, encoding="utf-8")
        parts.append(_snippet(one, one.strategy, up, down if one.strategy.back is not None else None))
    declared = "".join(
        f"\n[[migration.effects]]\ntable = {_text(one.table)}\ncolumn = {_text(one.column or '')}\n"
        f"back = {'true' if one.back else 'false'}\n"
        for one in effects(known.change)
    )
    (out / "strategies.toml").write_text("\n".join(parts) + declared, encoding="utf-8")


def _snippet(one: _Written, written: Strategy, up: str, down: str | None) -> str:
    is_command = written.tool == "command"
    forward = f"sh {up}" if is_command else up
    back = "false" if down is None else _text(f"sh {down}" if is_command else down)
    return (
        f"# {one.says}\n[[strategies]]\nname      = {_text(one.way)}\n"
        f"migration = {{ tool = {_text(written.tool)}, forward = {_text(forward)}, back = {back}, "
        f"transaction = {_text(written.transaction)} }}\n"
        f"deploys   = {written.deploys}\n"
    )


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _tell_kinds(*, as_json: bool) -> None:
    from rehearse import strategies  # noqa: PLC0415
    from rehearse.model import Change  # noqa: PLC0415

    rows = [
        {
            "kind": name,
            "says": kind.says,
            "needs": list(kind.needs),
            "takes": list(kind.takes),
            "ways": {
                engine: list(strategies.ways(Change(kind=name, table=""), engine)) for engine in strategies.engines()
            },
        }
        for name, kind in strategies.KINDS.items()
    ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        click.echo(f"{row['kind']}: {row['says']}")
        takes = f"; takes {', '.join(row['takes'])}" if row["takes"] else ""
        click.echo(f"  needs table, {', '.join(row['needs'])}{takes}")
        ways: Any = row["ways"]
        for engine, some in ways.items():
            click.echo(f"  {engine}: {', '.join(some) or 'no way yet'}")
