"""`rehearse estimate SCENARIO`: what a migration will take at production's size, from runs at small ones."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehearse.cli.run import Options, read_whole

if TYPE_CHECKING:
    from rehearse.forecast.outcome import Estimate
    from rehearse.model import Calibration, Scenario
    from rehearse.rehearsal.estimate import Asked


@click.command("estimate")
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option(
    "--at", "at", multiple=True, metavar="TABLE=ROWS",
    help="Rows that the forecast is for, e.g. orders=120M,order_items=300M; other tables grow as the first does. "
    "Default: the profile's at scale 1.",
)  # fmt: skip
@click.option("--scales", metavar="X,Y,Z", help="Shares of the profile's rows to run at; default: chosen by --within.")
@click.option("--within", metavar="TIME", default="5min", show_default=True, help="How long the estimate may take.")
@click.option(
    "--repeats", type=click.IntRange(1, 50), default=3, show_default=True, help="Runs of each size without traffic."
)
@click.option("--window", metavar="TIME", help="Say how likely it ends within this time, e.g. 12min.")
@click.option("--machine", type=click.Path(path_type=Path, dir_okay=False), help="Scale times by `rehearse calibrate`.")
@click.option("--back", is_flag=True, help="Forecast the way back, too.")
@click.option("--quiet-only", is_flag=True, help="Leave out the runs under traffic.")
@click.option("--strategy", metavar="NAME", help="Of a scenario with [[strategies]] this one.")
@click.option("--seed", type=int, help="Seed of the data and of the traffic.")
@click.option("--engine", metavar="NAME[:VERSION]", help="Another engine or version than the scenario's.")
@click.option("--via", metavar="embedded|binary|docker|URL", help="Where the server comes from.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the reports; default reports/SCENARIO/WHEN.")
@click.option("--json", "as_json", is_flag=True, help="Print estimate.json on standard output, nothing else.")
@click.option("-q", "--quiet", is_flag=True, help="Print the forecast's one sentence and the page's path, only.")
def command(  # noqa: PLR0917
    scenario: Path,
    at: tuple[str, ...],
    scales: str | None,
    within: str,
    repeats: int,
    window: str | None,
    machine: Path | None,
    strategy: str | None,
    seed: int | None,
    engine: str | None,
    via: str | None,
    out: Path | None,
    *,
    back: bool,
    quiet_only: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    r"""Forecast how long a migration takes at production's size, what it closes, and what disk and log it needs.

    The way forward is run at no fewer than three small sizes, repeatedly, on a disposable server; each statement's law
    is fitted (constant, linear, n log n …), and every figure has a 90 % interval with the reasons of its width. What is
    otherwise at that size (cache, sorts, checkpoints, workers) is told, and measured where it can be. Where no law can
    be told, it says "not known".

    \b
    rehearse estimate scenario.toml --at orders=120M
    rehearse estimate scenario.toml --at orders=120M --window 12min --within 10min --back
    rehearse calibrate postgresql://reader@replica/shop --out calibration.json
    rehearse estimate scenario.toml --at orders=120M --machine calibration.json

    Exit code: 0 if the way forward's duration is known, 3 if it is not.
    """
    from rehearse.rehearsal.estimate import Asked  # noqa: PLC0415

    asked = Asked(
        at=_rows(at),
        scales=_shares(scales),
        within_s=_seconds(within, "--within"),
        repeats=repeats,
        window_s=None if window is None else _seconds(window, "--window"),
        back=back,
        traffic=not quiet_only,
    )
    options = Options(scale=None, seed=seed, via=via, budgets=(), strategy=strategy)
    read_one = _scenario(scenario, engine, options, asked)
    asked = replace(asked, machine=_machine(machine))
    found, page = _estimated(read_one, asked, out, engine=engine, loud=not (quiet or as_json))
    _show(found, page, as_json=as_json, quiet=quiet)
    return 0 if found.ways[0].duration.amount is not None else 3


def _scenario(path: Path, engine: str | None, options: Options, asked: Asked) -> Scenario:
    """Read the scenario, of [[strategies]] the one that is asked for; what is asked must fit its profile."""
    from rehearse.reading.strategies import estimable  # noqa: PLC0415
    from rehearse.rehearsal.target import target  # noqa: PLC0415
    from rehearse.rehearsal.ways import reached  # noqa: PLC0415

    found = estimable(read_whole(path, engine, options), options.strategy)
    if engine is not None and options.via is None:
        found, _ = reached(found)
    goal = target(found, asked.at)
    if asked.scales is not None:
        goal.shares(asked.scales)
    return found


def _estimated(
    scenario: Scenario, asked: Asked, out: Path | None, *, engine: str | None, loud: bool
) -> tuple[Estimate, Path]:
    """Measure and forecast; return that with the path of its page."""
    from rehearse.cli.live import live  # noqa: PLC0415
    from rehearse.rehearsal.estimate import estimate  # noqa: PLC0415
    from rehearse.reports.estimate import write  # noqa: PLC0415
    from rehearse.reports.folder import opened  # noqa: PLC0415

    with opened(scenario, out) as folder:
        with live(scenario, 1 if loud else 0, on=engine) as progress:
            found = estimate(scenario, asked, progress=progress)
        page = write(found, folder)
    return found, page


def _show(found: Estimate, page: Path, *, as_json: bool, quiet: bool) -> None:
    from rehearse.reports import estimate as reports  # noqa: PLC0415

    if as_json:
        click.echo(reports.as_json(found), nl=False)
        return
    for line in [reports.headline(found)] if quiet else reports.lines(found):
        click.echo(line)
    click.echo(str(page))


def _machine(path: Path | None) -> Calibration | None:
    if path is None:
        return None
    from rehearse.rehearsal.machine import read  # noqa: PLC0415

    return read(path)


def _rows(texts: tuple[str, ...]) -> dict[str, int]:
    """Return {"orders": 120_000_000} for "orders=120M"."""
    from rehearse import units  # noqa: PLC0415

    found: dict[str, int] = {}
    for one in (part for text in texts for part in text.split(",") if part.strip()):
        table, sign, count = one.partition("=")
        try:
            rows = units.rows(count.strip())
        except ValueError as error:
            raise click.UsageError(f"--at {one.strip()}: {error}") from None
        if not sign or rows < 1:
            raise click.UsageError(f"--at {one.strip()}: write TABLE=ROWS, for example orders=120M")
        if table.strip() in found:
            raise click.UsageError(f"--at {one.strip()}: {table.strip()} was named before, with other rows")
        found[table.strip()] = rows
    return found


def _shares(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        found = sorted({float(one) for one in text.split(",")})
    except ValueError:
        raise click.UsageError(f"--scales {text}: write shares of the profile's rows, e.g. 0.01,0.02,0.05") from None
    if len(found) < 3 or not all(0 < one < math.inf for one in found):
        raise click.UsageError(f"--scales {text}: three different sizes above 0 or more; fewer tell no law")
    return found


def _seconds(text: str, option: str) -> float:
    from rehearse import units  # noqa: PLC0415

    try:
        found = units.duration_ns(text) / units.NS_PER_S
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None
    if found <= 0:
        raise click.UsageError(f"{option} {text}: more than 0")
    return found
