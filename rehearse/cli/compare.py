"""`rehearse compare SCENARIO... | RECORDING...`: strategies side by side, on the same data, under the same traffic."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare")
@click.argument("what", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SCENARIO... | RECORDING...")
@click.option(
    "--repeats", type=click.IntRange(1, 99), default=3, show_default=True, help="Rounds: runs of each strategy."
)
@click.option("--ways", metavar="all|WAY,WAY", help="Ways of the library to make the scenario's [change], besides.")
@click.option("--strategy", "only", multiple=True, metavar="NAME", help="Only these strategies; may be given often.")
@click.option(
    "--leftover", "leftovers", multiple=True, metavar="TABLE", help="A table that a strategy may leave behind."
)
@click.option("--scale", type=click.FloatRange(min=0, min_open=True), help="Share of the profile's row counts.")
@click.option("--seed", type=int, help="Seed of the data, the traffic and the order of the runs.")
@click.option("--engine", metavar="NAME[:VERSION]", help="Another engine or version than the scenario's.")
@click.option("--via", metavar="embedded|binary|docker|URL", help="Where the server comes from; a URL is disposable.")
@click.option("--budget", "budgets", multiple=True, metavar="KEY=VALUE", help="Another budget, e.g. blocked=250ms.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder; default reports/SCENARIO/WHEN.")
@click.option("--anyway", is_flag=True, help="Compare recordings of different data, and say so.")
@click.option("--json", "as_json", is_flag=True, help="Print comparison.json on standard output, nothing else.")
@click.option("-q", "--quiet", is_flag=True, help="Print the result and the page's path only.")
@click.pass_context
def command(  # noqa: PLR0917
    ctx: click.Context,
    what: tuple[Path, ...],
    repeats: int,
    ways: str | None,
    only: tuple[str, ...],
    leftovers: tuple[str, ...],
    scale: float | None,
    seed: int | None,
    engine: str | None,
    via: str | None,
    budgets: tuple[str, ...],
    out: Path | None,
    *,
    anyway: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    r"""Compare strategies: one scenario with [[strategies]], several scenarios, or recordings made before.

    All strategies meet the same bytes (the data is prepared once and copied for each run) and the same traffic, in
    rounds of random order. Each is also sent forward once in quiet: one that ends elsewhere is no alternative. Every
    run's report and recording stand in OUT/STRATEGY/ROUND, and comparison.html, .md and .json beside them.

    \b
    rehearse compare scenarios/set_not_null_ways/compare.toml
    rehearse compare bad.toml good.toml --repeats 5
    rehearse compare change.toml --ways all           each way of the library to make its [change]
    rehearse compare reports/orders/2026-01-05T10-00-00     the same again, from its recordings

    Exit code: 0 if a strategy passed and all were run; 1 if none keeps its budget; 2 if what was asked cannot be done,
    or a strategy cannot be run here; 3 if no run could be believed; 4 if it is too big for this machine;
    130 if it was interrupted.
    """
    from rehearse.cli import comparing, recorded  # noqa: PLC0415
    from rehearse.cli.run import Options  # noqa: PLC0415
    from rehearse.errors import Mistake  # noqa: PLC0415

    files = [one for one in what if one.suffix == ".toml"]
    telling = comparing.Telling(as_json=as_json, quiet=quiet)
    if files and len(files) < len(what):
        raise Mistake("compare scenarios or recordings, not both: a recording's data is not there any more")
    if not files:
        ctx.exit(recorded.compare(what, out, budgets=budgets, anyway=anyway, telling=telling))
    options = Options(scale=scale, seed=seed, via=via, budgets=budgets)
    whole, scenarios = comparing.strategies_of(files, engine, options, ways=ways, only=only)
    scenarios = [comparing.leaving(one, leftovers) for one in scenarios]
    ctx.exit(comparing.compare(whole, scenarios, repeats=repeats, out=out, telling=telling))
