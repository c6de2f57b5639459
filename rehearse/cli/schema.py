"""`rehearse schema scenario|profile|report|matrix|…`: the JSON Schemas."""

from __future__ import annotations

import json
from typing import Any

import click

WRITTEN = ("report", "matrix", "history", "estimate", "calibration", "comparison")


@click.command("schema")
@click.argument("what", type=click.Choice(["scenario", "profile", *WRITTEN]))
def command(what: str) -> None:
    """Print the JSON Schema of a scenario file, a profile file, or of a file that is written (report.json, …)."""
    click.echo(json.dumps(_schema(what), ensure_ascii=False, indent=2))


def _schema(what: str) -> dict[str, Any]:
    if what == "scenario":
        from rehearse.reading import scenario  # noqa: PLC0415

        return scenario.schema()
    if what == "profile":
        from rehearse.reading import profile  # noqa: PLC0415

        return profile.schema()
    from rehearse import reports  # noqa: PLC0415

    return reports.schema(what)
