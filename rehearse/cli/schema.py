"""`rehearse schema scenario|profile|report|matrix|comparison`: the JSON Schemas."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command("schema")
@click.argument("what", type=click.Choice(["scenario", "profile", "report", "matrix", "comparison"]))
def command(what: str) -> None:
    """Print the JSON Schema of a scenario file, a profile file, report.json, matrix.json or comparison.json."""
    click.echo(json.dumps(_schema(what), ensure_ascii=False, indent=2))


def _schema(what: str) -> dict[str, Any]:
    if what == "scenario":
        from rehearse.reading import scenario  # noqa: PLC0415

        return scenario.schema()
    if what == "profile":
        from rehearse.reading import profile  # noqa: PLC0415

        return profile.schema()
    from rehearse import reports  # noqa: PLC0415

    schemas = {
        "matrix": reports.matrix_schema,
        "comparison": reports.comparison_schema,
        "report": reports.report_schema,
    }
    return schemas[what]()
