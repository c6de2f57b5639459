"""`rehearse explain CODE`: what a check asks, the harm, the remedy."""

from __future__ import annotations

import json
import textwrap

import click


@click.command("explain")
@click.argument("code")
@click.option("--json", "as_json", is_flag=True, help="Print the rule as JSON.")
def command(code: str, *, as_json: bool) -> None:
    """Say what a check asks, what harm it warns of, and the remedy. CODE is for example L001."""
    from dataclasses import asdict  # noqa: PLC0415

    from rehearse.checks import by_code  # noqa: PLC0415

    rule = by_code(code).rule
    if as_json:
        click.echo(json.dumps(asdict(rule), ensure_ascii=False, indent=2))
        return
    click.echo(f"{rule.code}  {rule.name}\n")
    for title, text in (("Asks", rule.asks), ("Harm", rule.harm), ("Remedy", rule.remedy)):
        lead = f"{title:<8}"
        click.echo(textwrap.fill(text, 100, initial_indent=lead, subsequent_indent=" " * len(lead)))
