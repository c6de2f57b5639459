"""`rehearse explain CODE`: what a check or a hazard asks, the harm, the remedy."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rehearse.hazards import Rule


@click.command("explain")
@click.argument("code")
@click.option("--json", "as_json", is_flag=True, help="Print the rule as JSON.")
def command(code: str, *, as_json: bool) -> None:
    """Say what a check or a hazard of SQL asks, what harm it warns of, and the remedy. CODE is L001 or H110."""
    said = _hazard(code) if code.upper().startswith("H") else _check(code)
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False, indent=2))
        return
    click.echo(f"{said['code']}  {said['name']}\n")
    for title, text in said.items():
        if title not in ("code", "name", "bad", "good", "covers"):
            lead = f"{title.capitalize():<8} "
            click.echo(textwrap.fill(str(text), 100, initial_indent=lead, subsequent_indent=" " * len(lead)))
    for line in _examples(said):
        click.echo(line)


def _check(code: str) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415

    from rehearse.checks import by_code  # noqa: PLC0415

    return asdict(by_code(code).rule)


def _hazard(code: str) -> dict[str, Any]:
    from rehearse.hazards import by_code  # noqa: PLC0415

    rule: Rule = by_code(code)
    said: dict[str, Any] = {
        "code": rule.code,
        "name": rule.name,
        "asks": rule.asks,
        "harm": rule.harm,
        "remedy": rule.remedy,
        "is": f"{rule.severity}, on {', '.join(rule.engines)}",
        "proof": "a rehearsal shows it" if rule.proof == "rehearsal" else "told by the text alone",
    }
    if rule.versions:
        said["versions"] = rule.versions
    examples = {"bad": rule.bad, "good": rule.good}
    said |= {key: {engine: one.sql for engine, one in each.items()} for key, each in examples.items()}
    return said | {"covers": {name: list(codes) for name, codes in rule.covers.items()}}


def _examples(said: dict[str, Any]) -> Iterator[str]:
    for key in ("bad", "good"):
        for sql in dict.fromkeys(said.get(key, {}).values()):
            yield f"\n{key.capitalize()}:"
            yield textwrap.indent(sql.rstrip(), "    ")
