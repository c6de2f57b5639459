"""Migrations as SQL: files, folders or text, in the layouts of dbmate, golang-migrate, goose, diesel and Flyway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rehearse.errors import ScenarioMistake
from rehearse.events import Journal
from rehearse.model import MigrationChoice, Scenario, Texts
from rehearse.protocols import MigrationFailed, NoWayBack, Onlooker
from rehearse.tools import _layouts
from rehearse.tools._layouts import Script, Ways
from rehearse.tools._runner import runner
from rehearse.tools._split import statements


class SqlTool:
    """Reads the files of a migration written in SQL."""

    name = "sql"

    def open(self, scenario: Scenario) -> SqlMigration:
        """Return the migration; a file that is missing is a mistake, a statement that is wrong is for the server."""
        choice, where = scenario.migration, str(scenario.file or scenario.name)
        if not choice.forward:
            raise ScenarioMistake(f"{where}: migration.forward: name the SQL file of the change, or its folder")
        prepared = schema_scripts(choice, scenario.folder, where)
        ways = _ways(choice, scenario.folder, where)
        start = _start(choice, scenario.folder, where)
        for script in (*prepared, *start, *ways.forward, *(ways.back or ())):
            statements(script.text, script.name, first_line=script.first_line)
        return SqlMigration(choice, (*prepared, *start), ways)


@dataclass(slots=True)
class SqlMigration:
    """A change in SQL: what comes before it, the way forward, and the way back."""

    choice: MigrationChoice
    prepared: tuple[Script, ...]
    ways: Ways
    onlooker: Onlooker | None = None

    def watch(self, onlooker: Onlooker, /) -> None:
        """Take the onlooker for the next way."""
        self.onlooker = onlooker

    def prepare(self, url: str) -> None:
        """Run the schema's files, each in a transaction as psql -1 would."""
        run_scripts(url, self.prepared, self.choice, transaction="statement")

    def forward(self, url: str, journal: Journal) -> None:
        """Run the way forward."""
        self._run(url, self.ways.forward, journal)

    def back(self, url: str, journal: Journal) -> None:
        """Run the way back; NoWayBack says where it was looked for."""
        if self.ways.back is None:
            raise NoWayBack(
                f"there is no way back: {self.ways.looked}; write it, or say back = false in [migration] to accept that"
            )
        self._run(url, self.ways.back, journal)

    def _run(self, url: str, scripts: Sequence[Script], journal: Journal) -> None:
        limits = {"journal": journal, "onlooker": self.onlooker, "timeout_ns": self.choice.timeout}
        with runner(url, settings=self.choice.settings, **limits) as running:  # type: ignore[arg-type]
            running.run(scripts, self.choice.transaction)


def schema_scripts(choice: MigrationChoice, folder: Path, where: str) -> tuple[Script, ...]:
    """Return the scripts of migration.schema and migration.prepare."""
    schema = _layouts.scripts(_texts(choice.schema), "schema", folder, where)
    return schema + _layouts.scripts(_texts(choice.prepare), "prepare", folder, where)


def run_scripts(url: str, scripts: Sequence[Script], choice: MigrationChoice, *, transaction: str) -> None:
    """Run scripts unwatched, as the migration's role."""
    if not scripts:
        return
    with runner(url, settings=choice.settings) as running:
        running.run(scripts, transaction)


def _ways(choice: MigrationChoice, folder: Path, where: str) -> Ways:
    names = _texts(choice.forward)
    found = _one(names[0], choice.options, folder, where) if len(names) == 1 else _several(names, folder, where)
    if choice.back is None or choice.back is False:
        return found
    return Ways(found.forward, _back(_texts(choice.back), folder, where), "migration.back, which is empty")


def _one(name: str, options: dict[str, Any], folder: Path, where: str) -> Ways:
    text = _layouts.inline(name, "forward")
    if text:
        return Ways((text,), None, "migration.back is not given")
    path = folder / name
    if path.is_dir() and not (path / "up.sql").exists():
        return _layouts.folder(path, options.get("from"), options.get("to"), where)
    if path.is_dir():
        return _layouts.file(path / "up.sql")
    _layouts.scripts([name], "forward", folder, where)
    return _layouts.file(path)


def _several(names: Sequence[str], folder: Path, where: str) -> Ways:
    """Return the ways of files given in order; back is theirs in reverse order where each has one."""
    each = [_one(name, {}, folder, where) for name in names]
    without = next((one for one in reversed(each) if one.back is None), None)
    back = None if without else tuple(script for one in reversed(each) for script in one.back or ())
    return Ways(tuple(script for one in each for script in one.forward), back, without.looked if without else "")


def _back(names: Sequence[str], folder: Path, where: str) -> tuple[Script, ...] | None:
    found = _layouts.scripts(names, "back", folder, where)
    return None if all(script.is_empty for script in found) else found


def _start(choice: MigrationChoice, folder: Path, where: str) -> tuple[Script, ...]:
    """Return the migrations of a folder up to options.from, which make the schema that the change starts from."""
    names = _texts(choice.forward)
    path = folder / names[0]
    if len(names) != 1 or _layouts.inline(names[0], "forward") or not path.is_dir():
        return ()
    return _layouts.before(path, choice.options.get("from"), where)


def _texts(value: Texts | Literal[False] | None) -> list[str]:
    if not value:
        return []
    return [value] if isinstance(value, str) else list(value)


TOOL = SqlTool()
__all__ = ["TOOL", "MigrationFailed", "SqlMigration", "SqlTool"]
