"""`rehearse judge RECORDING`: judge an old recording again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click


@click.command("judge")
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("--budget", "budgets", multiple=True, metavar="KEY=VALUE", help="Judge by another budget.")
@click.option("--json", "as_json", is_flag=True, help="Print report.json on standard output.")
@click.pass_context
def command(ctx: click.Context, recording: Path, budgets: tuple[str, ...], *, as_json: bool) -> None:
    """Judge RECORDING (a report's folder) again, by its own or another budget; needs no server."""
    from rehearse.cli.run import EXIT, show  # noqa: PLC0415
    from rehearse.judging import judge  # noqa: PLC0415
    from rehearse.reading.scenario import with_budget  # noqa: PLC0415
    from rehearse.recording import folder  # noqa: PLC0415

    found = folder.load(recording)
    found = replace(found, scenario=with_budget(found.scenario, budgets))
    verdict = judge(found)
    show(found, verdict, as_json=as_json)
    ctx.exit(EXIT[verdict.status])
