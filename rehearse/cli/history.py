"""`rehearse history [SCENARIO...]`: runs over time, and whether the newest is worse than those before it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rehearse.reports.history import Entry

FAILED = 1


@click.command("history")
@click.argument("scenarios", nargs=-1)
@click.option(
    "--reports", "root", type=click.Path(path_type=Path), default=Path("reports"), show_default=True,
    help="The folder that holds SCENARIO/WHEN/report.json.",
)  # fmt: skip
@click.option("--last", type=click.IntRange(min=2), default=20, show_default=True, help="Runs of each, the newest.")
@click.option("--check", is_flag=True, help="Exit with 1 where a newest run is worse than those before it.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with pictures to a file, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    scenarios: tuple[str, ...],
    root: Path,
    last: int,
    html: Path | None,
    *,
    check: bool,
    as_json: bool,
) -> None:
    """Compare the runs of each SCENARIO (a name, or its file; without one all) over time.

    Figures stand by commit. A figure is called worse or better where it is beyond the noise: outside of where a
    further run would lie in 99 of 100 cases, by the scatter of the comparable runs before it. Runs are comparable where
    machine, server, settings, rows, seed, traffic and tool are the same.

    "no reads" and "no writes" are the longest time that a table was closed to them, on the way forward.
    """
    from dataclasses import asdict  # noqa: PLC0415

    from rehearse.errors import Mistake  # noqa: PLC0415
    from rehearse.reports import history  # noqa: PLC0415

    entries = history.read(root, [_name(one) for one in scenarios], last=last)
    if not entries:
        raise Mistake(f"{root}: no run is here; `rehearse run` leaves one")
    if html is not None:
        _write(html, entries)
    if as_json:
        click.echo(json.dumps({"format": 1, "runs": [asdict(one) for one in entries]}, ensure_ascii=False, indent=2))
    else:
        from rehearse.cli.run import console  # noqa: PLC0415
        from rehearse.reports._history_forms import table  # noqa: PLC0415

        console().print(table(entries))
    ctx.exit(FAILED if check and history.is_worse(entries) else 0)


def _name(scenario: str) -> str:
    """Return a scenario's name; of a file the name that it has in it."""
    if not scenario.endswith(".toml"):
        return scenario
    from rehearse.reading.scenario import read  # noqa: PLC0415

    return read(Path(scenario)).name


def _write(file: Path, entries: list[Entry]) -> None:
    from rehearse.errors import Mistake  # noqa: PLC0415
    from rehearse.reports._history_forms import page  # noqa: PLC0415

    try:
        file.write_text(page(entries), encoding="utf-8")
    except OSError as error:
        raise Mistake(f"--html {file} cannot be written: {error.strerror}") from None
