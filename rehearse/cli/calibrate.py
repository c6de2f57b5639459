"""`rehearse calibrate URL | --here`: how quick a server's machine is, for estimates that are made elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rehearse.errors import Mistake

if TYPE_CHECKING:
    from rehearse.model import Calibration


@click.command("calibrate")
@click.argument("url", required=False)
@click.option("--here", is_flag=True, help="Measure a server of our own on this machine, which is gone afterwards.")
@click.option(
    "--engine", default="postgres", show_default=True, metavar="NAME[:VERSION]", help="With --here: of which kind."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write calibration.json here.")
@click.option("--show-sql", is_flag=True, help="Print each statement that was run, to stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON on standard output, nothing else.")
def command(url: str | None, engine: str, out: Path | None, *, here: bool, show_sql: bool, as_json: bool) -> None:
    r"""Measure arithmetic, sorting and reading on a server, for `rehearse estimate --machine`.

    It takes some seconds. Nothing is written: the session is read-only, no statement may take more than 3 s or wait for
    a lock. The largest table that the user may read is counted in part. Writes, commits and the log are not measured,
    and an estimate's interval is wider for that.

    \b
    rehearse calibrate postgresql://reader@replica/shop --out calibration.json
    rehearse calibrate --here
    """
    if bool(url) == here:
        raise click.UsageError("name a server by its URL, or --here for one of our own")
    if url and click.get_current_context().get_parameter_source("engine") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--engine goes with --here; a URL tells its kind of server itself")
    if out is not None:
        _check(out)
    found = _here(engine) if here else _there(str(url))
    text = json.dumps(asdict(found), ensure_ascii=False, indent=2) + "\n"
    if out is not None:
        _write(out, text)
    if show_sql:
        for statement in found.statements:
            click.echo(f"{statement};", err=True)
    if as_json:
        click.echo(text, nl=False)
        return
    for line in _lines(found):
        click.echo(line)
    if out is not None:
        click.echo(str(out))


def _check(out: Path) -> None:
    """Raise a Mistake where nothing can be written, before anything is measured."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out.parent):
            return
    except OSError as error:
        raise Mistake(f"--out {out}: it cannot be written: {error.strerror}; name another file") from None


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Mistake(f"--out {out}: it cannot be written: {error.strerror}; name another file") from None


def _lines(found: Calibration) -> Iterator[str]:
    yield f"{found.server}: {found.took_s:.1f} s, {len(found.statements)} different statements"
    for one in found.speeds:
        yield f"  {one.name:<5}{_amount(one.per_s, one.unit):>14}/s ± {100 * one.doubt:.0f} %  {one.says}"
    for says in found.unmeasured:
        yield f"  not measured: {says}"


def _amount(per_s: float, unit: str) -> str:
    from rehearse.units import human_size  # noqa: PLC0415

    return human_size(per_s) if unit == "bytes" else f"{per_s / 1e6:.2f} M {unit}"


def _there(url: str) -> Calibration:
    from rehearse import registry  # noqa: PLC0415

    engine = registry.engine_of(url)
    given = registry.part("engine", engine, "given").Given(url, "URL")
    found: Calibration = registry.part("engine", engine, "calibrating").measured(given)
    return found


def _here(engine: str) -> Calibration:
    from rehearse.model import EngineChoice  # noqa: PLC0415
    from rehearse.rehearsal import machine  # noqa: PLC0415

    name, _, version = engine.partition(":")
    via = "embedded" if name == "postgres" and not version else "binary"
    return machine.here(EngineChoice(name=name, version=version or None, via=via))  # type: ignore[arg-type]
