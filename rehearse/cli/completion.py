"""`rehearse completion bash|zsh|fish`: the shell completion."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell, for example: eval "$(rehearse completion bash)"."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from rehearse.cli import group  # noqa: PLC0415

    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(group, {}, "rehearse", "_REHEARSE_COMPLETE").source())
