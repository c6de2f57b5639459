"""`rehearse report RECORDING --as FORM`: a recording's report in another form."""

from __future__ import annotations

from pathlib import Path

import click

FORMS = ("html", "md", "json", "junit", "sarif", "plan", "hdr")


@click.command("report")
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("--as", "form", type=click.Choice(FORMS), default="html", show_default=True, help="The form.")
@click.option("--out", type=click.Path(path_type=Path), help="A file; without it the text goes to standard output.")
def command(recording: Path, form: str, out: Path | None) -> None:
    """Write the report of RECORDING (a report's folder) as html, md, json, junit, sarif or plan.

    hdr is a log of HdrHistograms: the latencies of each call, a second at a time, for the tools that read such logs.
    """
    from rehearse import registry  # noqa: PLC0415
    from rehearse.errors import Mistake  # noqa: PLC0415
    from rehearse.judging import judge  # noqa: PLC0415
    from rehearse.recording import folder  # noqa: PLC0415

    found = folder.load(recording)
    text = registry.renderer(form)(found, judge(found))
    if out is None:
        click.echo(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{out} cannot be written: {error.strerror}") from None
