"""`rehearse run SCENARIO...`: rehearse, judge, and write the reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehearse.model import Recording, Scenario, Status, Verdict

if TYPE_CHECKING:
    from rich.console import Console

EXIT = {Status.PASSED: 0, Status.FAILED: 1, Status.UNKNOWN: 3}


@click.command("run")
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--scale", type=click.FloatRange(min=0, min_open=True), help="Share of the profile's row counts.")
@click.option("--seed", type=int, help="Seed of the data and of the traffic.")
@click.option("--engine", metavar="NAME[:VERSION]", help="Another engine or version than the scenario's.")
@click.option(
    "--via", metavar="embedded|binary|docker|URL", help="Where the server comes from; a URL names one as disposable."
)
@click.option("--budget", "budgets", multiple=True, metavar="KEY=VALUE", help="Another budget, e.g. blocked=250ms.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the reports; default reports/SCENARIO/WHEN.")
@click.option("--keep", is_flag=True, help="Leave the server and its databases for a look; says how to remove them.")
@click.option("--json", "as_json", is_flag=True, help="Print report.json on standard output, nothing else.")
@click.option("-q", "--quiet", is_flag=True, help="Print the verdict with its reason, and the report's path, only.")
@click.option("-v", "--verbose", is_flag=True, help="Print each statement and lock as it is seen.")
@click.pass_context
def command(  # noqa: PLR0917
    ctx: click.Context,
    scenarios: tuple[Path, ...],
    scale: float | None,
    seed: int | None,
    engine: str | None,
    via: str | None,
    budgets: tuple[str, ...],
    out: Path | None,
    *,
    keep: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Rehearse each SCENARIO: forward, back and forward again on a disposable database, under traffic.

    Exit code: 0 if all passed, 1 if one failed, else 3 if one could not tell.
    """
    from rehearse.errors import Mistake  # noqa: PLC0415
    from rehearse.reading.scenario import read, with_options  # noqa: PLC0415

    if out is not None and len(scenarios) > 1:
        raise Mistake("--out names one folder, but there are several scenarios; leave it out")
    if quiet and verbose:
        raise Mistake("-q and -v exclude each other")
    read_all = [
        with_options(read(path), scale=scale, seed=seed, engine=engine, via=via, budget=budgets) for path in scenarios
    ]
    loudness = 0 if quiet or as_json else 2 if verbose else 1
    statuses = [_one(scenario, out, loudness=loudness, as_json=as_json, keep=keep) for scenario in read_all]
    ctx.exit(EXIT[max(statuses, key=lambda status: status.rank)])


def _one(scenario: Scenario, out: Path | None, *, loudness: int, as_json: bool, keep: bool) -> Status:
    from rehearse.cli.live import live  # noqa: PLC0415
    from rehearse.judging import judge  # noqa: PLC0415
    from rehearse.rehearsal import run  # noqa: PLC0415
    from rehearse.reports.folder import opened, write  # noqa: PLC0415

    with opened(scenario, out) as folder:
        with live(scenario, loudness) as progress:
            recording = run(scenario, progress=progress, keep=keep)
        verdict = judge(recording)
        write(recording, verdict, folder)
    show(recording, verdict, as_json=as_json, brief=loudness == 0)
    if not as_json:
        click.echo(str(folder / "report.html"))
    return verdict.status


def show(recording: Recording, verdict: Verdict, *, as_json: bool, brief: bool = False) -> None:
    """Print a verdict: as JSON, as one line, or as the report for a terminal."""
    if as_json:
        from rehearse.registry import renderer  # noqa: PLC0415

        click.echo(renderer("json")(recording, verdict))
        return
    if brief:
        from rehearse.reports import summary  # noqa: PLC0415

        click.echo(f"{recording.scenario.name}: {summary(recording, verdict)}")
        return
    from rehearse.reports.terminal import print_report  # noqa: PLC0415

    print_report(console(), recording, verdict)


def console() -> Console:
    """Return a console on standard output; colours only where a person looks."""
    from rich.console import Console  # noqa: PLC0415

    return Console(highlight=False, soft_wrap=False)
