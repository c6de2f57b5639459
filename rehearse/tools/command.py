"""Migrations by any shell command: the database stands in the command's environment, so any tool can be rehearsed.

The statements are taken from the server's log. `[migration.options]`: `cwd`, a folder relative to the scenario's (its
own by default), `env`, more variables, in which `$DATABASE_URL`, `$PGHOST` … are replaced, and `bookkeeping`, the
tables in which the tool notes what it has run where `rehearse.bookkeeping` does not know them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rehearse.errors import ScenarioMistake
from rehearse.events import Journal
from rehearse.model import MigrationChoice, Scenario
from rehearse.protocols import MigrationFailed, NoWayBack
from rehearse.tools import _options, _process
from rehearse.tools._layouts import Script
from rehearse.tools._split import splitter
from rehearse.tools.sql import run_scripts, schema_scripts, texts


class CommandTool:
    """Runs the commands of a scenario."""

    name = "command"

    def open(self, scenario: Scenario) -> CommandMigration:
        """Return the migration; a folder or a schema's file that is not there is a mistake."""
        choice, where = scenario.migration, str(scenario.file or scenario.name)
        if not choice.forward:
            raise ScenarioMistake(f"{where}: migration.forward: write the command that makes the change")
        _options.check(choice.options, {"cwd", "env", "bookkeeping"}, where)
        if choice.settings and scenario.engine.name != "postgres":
            raise ScenarioMistake(
                f"{where}: migration.settings: on {scenario.engine.name} a command's session cannot be given settings "
                "from outside; let the command set them itself, and leave the key out"
            )
        schema = schema_scripts(choice.schema, "schema", scenario.folder, where, splitter(scenario.engine.name))
        return CommandMigration(choice, schema, _options.folder(choice.options, "cwd", scenario.folder, where), where)


@dataclass(frozen=True, slots=True)
class CommandMigration:
    """A change by commands; several of one way are run in order until one fails."""

    choice: MigrationChoice
    schema: tuple[Script, ...]
    cwd: Path
    where: str

    def prepare(self, url: str) -> None:
        """Run the schema's SQL files, then the prepare commands."""
        run_scripts(url, self.schema, self.choice)
        self._run("prepare", url, None)

    def forward(self, url: str, journal: Journal) -> None:
        """Run the forward commands."""
        self._run("forward", url, journal)

    def back(self, url: str, journal: Journal) -> None:
        """Run the back commands; without any there is no way back."""
        if not texts(self.choice.back):
            raise NoWayBack(
                f"there is no way back: {self.where}: migration.back names no command; "
                "write it, or say back = false to accept that"
            )
        self._run("back", url, journal)

    def _run(self, way: str, url: str, journal: Journal | None) -> None:
        environment = _process.environment(url, self.choice.settings, self.choice.options.get("env", {}))
        for command in texts(getattr(self.choice, way)):
            shown = _process.masked(command, url)
            try:
                ended = _process.run(
                    command, cwd=self.cwd, environment=environment, url=url, timeout_ns=self.choice.timeout
                )
            except MigrationFailed as stopped:
                raise MigrationFailed(f"migration.{way} ({shown}): {stopped}") from stopped
            if journal is not None:
                _process.remark(journal, ended)
            if ended.code != 0:
                raise MigrationFailed(f"migration.{way} ({shown}): {_why(ended)}")


def _why(ended: _process.Ended) -> str:
    code = f"ended by signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
    found = {126: ", a program that may not be run", 127: ", a program that is not there"}.get(ended.code, "")
    return "\n".join(filter(None, (f"{code}{found}", ended.tail)))


TOOL = CommandTool()
