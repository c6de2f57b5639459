"""`rehearse doctor`: what can be rehearsed on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rehearse.protocols import Diagnosis


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of subject, found, says and remedy.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Say what can be rehearsed on this machine, what is missing, and how to get it.

    Exit code 0 if at least one server can be had, else 2.
    """
    found = list(_diagnoses())
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
    else:
        width = max(len(one.subject) for one in found)
        for one in found:
            click.echo(f"{'✓' if one.found else '✗'} {one.subject:<{width}}  {one.says}")
            if one.remedy:
                click.echo(f"  {'':<{width}}  → {one.remedy}")
    ctx.exit(0 if any(one.found and " via " in one.subject for one in found) else 2)


def _diagnoses() -> Iterator[Diagnosis]:
    from rehearse import registry  # noqa: PLC0415
    from rehearse.errors import Missing  # noqa: PLC0415
    from rehearse.protocols import Diagnosable, Diagnosis  # noqa: PLC0415

    yield from _machine()
    for name in registry.names("engine"):
        try:
            engine = registry.engine(name)
        except Missing as missing:
            yield Diagnosis(subject=f"engine {name}", found=False, says="not here", remedy=str(missing))
            continue
        if isinstance(engine, Diagnosable):
            yield from engine.diagnose()
    for name in registry.names("tool"):
        yield _tool(name)


def _machine() -> Iterator[Diagnosis]:
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    from rehearse.protocols import Diagnosis  # noqa: PLC0415
    from rehearse.recording.environment import environment  # noqa: PLC0415
    from rehearse.units import human_size  # noqa: PLC0415

    here = environment("", "", {}, ())
    yield Diagnosis(subject="rehearse", found=True, says=f"{here.rehearse}, Python {here.python}, {here.system}")
    says = f"{here.cores} cores of {here.cpu}, {human_size(here.memory_bytes)} of memory"
    yield Diagnosis(
        subject="machine",
        found=here.cores > 1,
        says=says,
        remedy=None if here.cores > 1 else "with one core the traffic and the server fight for it: use two or more",
    )
    folder = Path(tempfile.gettempdir())
    says = f"{human_size(shutil.disk_usage(folder).free)} free in {folder}"
    yield Diagnosis(subject="disk", found=True, says=says)


def _tool(name: str) -> Diagnosis:
    from rehearse import registry  # noqa: PLC0415
    from rehearse.errors import Missing  # noqa: PLC0415
    from rehearse.protocols import Diagnosis  # noqa: PLC0415

    try:
        registry.tool(name)
    except Missing as missing:
        return Diagnosis(subject=f"tool {name}", found=False, says="not here", remedy=str(missing))
    return Diagnosis(subject=f"tool {name}", found=True, says="ready")
