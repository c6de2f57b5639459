"""`rehearse list engines|tools|checks|hazards|reports`: what there is."""

from __future__ import annotations

import importlib
import json

import click

_PLUGINS = {"engines": "engine", "tools": "tool", "reports": "renderer"}


@click.command("list")
@click.argument("what", type=click.Choice(["engines", "tools", "checks", "hazards", "reports"]))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of name and text.")
def command(what: str, *, as_json: bool) -> None:
    """List engines, tools, checks, hazards of SQL or reports, a line each."""
    own = {"checks": _checks, "hazards": _hazards}
    rows = own[what]() if what in own else _plugins(_PLUGINS[what])
    if as_json:
        click.echo(json.dumps([{"name": name, "text": text} for name, text in rows], ensure_ascii=False, indent=2))
        return
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {text}")


def _checks() -> list[tuple[str, str]]:
    from rehearse.checks import CHECKS  # noqa: PLC0415

    return [(check.rule.code, check.rule.asks) for check in CHECKS]


def _hazards() -> list[tuple[str, str]]:
    from rehearse.hazards import RULES  # noqa: PLC0415

    return [(rule.code, rule.asks) for rule in RULES]


def _plugins(kind: str) -> list[tuple[str, str]]:
    from rehearse import registry  # noqa: PLC0415
    from rehearse.errors import Missing  # noqa: PLC0415

    find = {"engine": registry.engine, "tool": registry.tool, "renderer": registry.renderer}[kind]
    rows = []
    for name in registry.names(kind):
        try:
            find(name)
            rows.append((name, _first_line(registry.home(kind, name))))
        except Missing as missing:
            rows.append((name, str(missing)))
    return rows


def _first_line(name: str) -> str:
    module = importlib.import_module(name)
    return (module.__doc__ or "").strip().splitlines()[0] if module.__doc__ else ""
