"""The command line: `rehearse COMMAND`. Each command is a module, imported when it is called."""

from __future__ import annotations

import errno
import importlib
import io
import re
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import click

from rehearse.errors import RehearseError

# Of a URL, also as a path has it ("postgresql:/me:secret@db"), of its query, and of libpq's words.
_PASSWORD = re.compile(r"(\w:/{1,2}[^\s:/@]*:)[^\s@]+(?=@)|((?:ssl)?password\s*=\s*)[^\s&'\"]+", re.IGNORECASE)

# command: (module, function, one line of help: shown without importing the module)
COMMANDS = {
    "run": ("run", "Rehearse scenarios: forward, back and forward again, under traffic."),
    "compare": ("compare", "Compare strategies for one change, on the same data under the same traffic."),
    "strategies": ("strategies", "Write the ways to make a scenario's [change] as files."),
    "lint": ("lint", "Say which statements of a migration are hazards; needs no server."),
    "advise": ("advise", "Write a safer way to make a migration's change, and rehearse both."),
    "estimate": ("estimate", "Forecast a migration at production's size from runs at small ones, with intervals."),
    "calibrate": ("calibrate", "Measure how quick a server's machine is, read-only, for estimates."),
    "retries": ("retries", "Say which lock_timeout a migration should have, from who held its tables."),
    "backfill": ("backfill", "Run an UPDATE or INSERT … SELECT in batches that production can bear."),
    "judge": ("judge", "Judge an old recording again; needs no server."),
    "history": ("history", "Compare runs over time: figures by commit, and what is worse beyond the noise."),
    "report": ("report", "Write a recording's report as html, md, json, junit, sarif or plan."),
    "explain": ("explain", "Say what a check or a hazard asks, the harm, and the remedy."),
    "init": ("init", "Write a first scenario for the project in this folder."),
    "list": ("list_", "List engines, tools, checks, hazards or reports."),
    "doctor": ("doctor", "Say what can be rehearsed on this machine, what is missing, how to get it."),
    "profile": ("profile", "Describe a database in statistics; by default no row is read."),
    "data": ("data", "Make a dataset from a profile, into a database or files."),
    "similarity": ("similarity", "Say how near a copy of a database is to its source."),
    "diff": ("diff", "Compare two databases: schema by meaning, data down to row and column."),
    "anonymize": ("anonymize", "Copy a real database with pseudonyms for what tells of people."),
    "schema": ("schema", "Print the JSON Schema of a scenario, a profile, or a file that is written."),
    "completion": ("completion", "Print the shell completion for bash, zsh or fish."),
}


class _Lazy(click.Group):
    """A group that knows its commands' names and lines, and imports a command only to run it or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"rehearse.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        command.help = _kept(command.help)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from rehearse.errors import near_miss  # noqa: PLC0415

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no such command {args[0]!r}{near_miss(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="rehearse-migrations", prog_name="rehearse")
def group() -> None:
    r"""Know what a database migration will do before production does it.

    \b
    rehearse init                    write a first scenario for this project
    rehearse run scenario.toml       rehearse it; the report's path is the last line
    rehearse explain L001            what a finding means
    rehearse lint migrations/        what is dangerous, from the text alone
    rehearse advise scenario.toml    a safer way, rehearsed beside the first

    Exit codes: 0 passed, 1 failed, 2 a mistake in what was asked, 3 could not tell, 4 too big for this machine,
    130 interrupted.
    """


def _kept(text: str | None) -> str | None:
    r"""Return a help text whose \b, written in a raw docstring, is the sign that click looks for: lines stay lines."""
    return None if text is None else text.replace("\\b\n", "\b\n")


group.help = _kept(group.help)


def main() -> NoReturn:
    """Run the command line; a user's mistake is one message and an exit code, never a traceback."""
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(_guarded(lambda: group.main(standalone_mode=False)))


def _terminated(_number: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _guarded(call: Callable[[], Any]) -> int:
    try:
        return _code(call())
    except click.exceptions.Exit as left:
        return left.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("rehearse: interrupted; nothing was left behind", err=True)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        return told(error)


def told(error: Exception) -> int:
    """Say what went wrong and return the exit code for it."""
    if isinstance(error, click.ClickException):
        shown = io.StringIO()
        error.show(file=shown)
        click.echo(masked(shown.getvalue()), nl=False, err=True)
        return 2
    if isinstance(error, RehearseError):
        for line in masked(str(error)).splitlines():
            click.echo(f"rehearse: {line}", err=True)
        return error.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        click.echo(masked(f"rehearse: {error.filename}: {error.strerror}"), err=True)
        return 4 if error.errno == errno.ENOSPC else 2
    click.echo(masked("".join(traceback.format_exception(error))), nl=False, err=True)
    click.echo("rehearse: this is a fault of rehearse, not of what was rehearsed; please report it", err=True)
    return 3  # not Python's own 1, which would say that a migration failed


def masked(text: str) -> str:
    """Return a text without the passwords of URLs in it, whatever the URL was taken for: a file, a profile, a name."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}***", text)


def _code(result: Any) -> int:
    return result if isinstance(result, int) else 0
