"""`rehearse run SCENARIO...`: rehearse, judge, and write the reports; several runs are told in one table, too."""

from __future__ import annotations

from dataclasses import dataclass
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
@click.option(
    "--engine", "engines", multiple=True, metavar="NAME[:VERSION]",
    help="Another engine or version than the scenario's; several make a run of each scenario on each.",
)  # fmt: skip
@click.option(
    "--via", metavar="embedded|binary|docker|URL", help="Where the server comes from; a URL names one as disposable."
)
@click.option("--budget", "budgets", multiple=True, metavar="KEY=VALUE", help="Another budget, e.g. blocked=250ms.")
@click.option("--strategy", metavar="NAME", help="Of a scenario with [[strategies]] this one.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the reports; default reports/SCENARIO/WHEN. Of several runs: DIR/SCENARIO/ENGINE-VERSION.",
)
@click.option(
    "--keep", is_flag=True, help="Leave the server and its databases for a look (PostgreSQL); says how to remove them."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print report.json on standard output, nothing else; of several runs a list of the rows, each with it.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the verdict with its reason, and the report's path, only.")
@click.option("-v", "--verbose", is_flag=True, help="Print each statement and lock as it is seen.")
@click.pass_context
def command(  # noqa: PLR0917
    ctx: click.Context,
    scenarios: tuple[Path, ...],
    scale: float | None,
    seed: int | None,
    engines: tuple[str, ...],
    via: str | None,
    budgets: tuple[str, ...],
    strategy: str | None,
    out: Path | None,
    *,
    keep: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Rehearse each SCENARIO: forward, back and forward again on a disposable database, under traffic.

    Several runs (scenarios, times engines) are told in a line each (-v: each whole) and end in one table; matrix.html,
    .md and .json stand beside their reports. What cannot be run here is a row that says why, and stops no other.

    Exit code: 0 if all passed; else the worst of them, which is 1 if one failed, 2 if one cannot be run as asked, 4 if
    one is too big for this machine, 3 if one could not tell.
    """
    from rehearse.cli.matrix import run_all  # noqa: PLC0415
    from rehearse.errors import Mistake  # noqa: PLC0415

    if quiet and verbose:
        raise Mistake("-q and -v exclude each other")
    options = Options(scale=scale, seed=seed, via=via, budgets=budgets, strategy=strategy)
    loudness = 0 if quiet or as_json else 2 if verbose else 1
    asked = [(path, engine) for path in dict.fromkeys(scenarios) for engine in dict.fromkeys(engines or (None,))]
    if len(asked) > 1:
        ctx.exit(run_all(asked, options, out, loudness=loudness, as_json=as_json, keep=keep))
    scenario = read_one(*asked[0], options)
    done = rehearsed(scenario, engine=asked[0][1], via=via, out=out, loudness=loudness, keep=keep)
    show(done.recording, done.verdict, as_json=as_json, brief=loudness == 0)
    if not as_json:
        click.echo(str(done.folder / "report.html"))
    ctx.exit(EXIT[done.verdict.status])


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line has in the place of a scenario's own words, but for the engine."""

    scale: float | None
    seed: int | None
    via: str | None
    budgets: tuple[str, ...]
    strategy: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A run, its verdict, and the folder of its reports."""

    recording: Recording
    verdict: Verdict
    folder: Path


def read_one(path: Path, engine: str | None, options: Options) -> Scenario:
    """Read a scenario as it is for an engine, of [[strategies]] the one that is asked for."""
    from rehearse.reading.strategies import single  # noqa: PLC0415

    return single(read_whole(path, engine, options), options.strategy)


def read_whole(path: Path, engine: str | None, options: Options) -> Scenario:
    """Read a scenario as it is for an engine, with the command line's words in the place of its own."""
    from rehearse.reading.scenario import read, with_options  # noqa: PLC0415

    scenario = read(path, engine=engine)
    return with_options(scenario, scale=options.scale, seed=options.seed, via=options.via, budget=options.budgets)


def rehearsed(  # the one way from a scenario to its reports
    scenario: Scenario, *, engine: str | None, via: str | None, out: Path | None, loudness: int, keep: bool
) -> Done:
    """Rehearse and judge a scenario and write its reports; by another way to its engine where its own is not here."""
    from rehearse.cli.live import live  # noqa: PLC0415
    from rehearse.judging import judge  # noqa: PLC0415
    from rehearse.reading.scenario import left_out  # noqa: PLC0415
    from rehearse.rehearsal import run  # noqa: PLC0415
    from rehearse.rehearsal.ways import reached  # noqa: PLC0415
    from rehearse.reports.folder import opened, write  # noqa: PLC0415

    says = [] if engine is None else [left_out(scenario, engine)]
    if engine is not None and via is None:
        scenario, way = reached(scenario)
        says.append(way)
    with opened(scenario, out) as folder:
        with live(scenario, loudness, on=engine, says=[one for one in says if one]) as progress:
            recording = run(scenario, progress=progress, keep=keep)
        verdict = judge(recording)
        write(recording, verdict, folder, newest=out is None)
    return Done(recording, verdict, folder)


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
