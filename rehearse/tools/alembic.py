"""Migrations by Alembic: a project's own alembic.ini and env.py, run in a process of their own.

`[migration.options]`: `ini` (alembic.ini by default), `section` (alembic), `from` and `to` (revisions; by default the
newest and the one before it), `driver` (psycopg, asyncpg, pymysql …), `env` (more variables, in which `$DATABASE_URL`
is replaced), `python` (the interpreter of the project's environment) and `bookkeeping` (tables of the tool's own beside
the one of its versions). The server's log, or its own record of them, tells the statements.
"""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rehearse.errors import Missing, ScenarioMistake, near_miss
from rehearse.events import Journal
from rehearse.model import MigrationChoice, Scenario
from rehearse.protocols import MigrationFailed, NoWayBack
from rehearse.tools import _options, _process
from rehearse.tools._layouts import Script
from rehearse.tools._split import splitter
from rehearse.tools.sql import run_scripts, schema_scripts

_OPTIONS = ("ini", "section", "from", "to", "driver", "env", "python", "bookkeeping")
_PROGRAM = Path(__file__).with_name("_alembic_run.py")
_NOT_IMPLEMENTED = 3
_POSTGRES = {"psycopg2": "psycopg2", "psycopg": "psycopg", "asyncpg": "asyncpg", "pg8000": "pg8000"}
_MYSQL = {
    "MySQLdb": "mysqldb",
    "pymysql": "pymysql",
    "mysql": "mysqlconnector",
    "asyncmy": "asyncmy",
    "aiomysql": "aiomysql",
}
# Modules and SQLAlchemy's names for them as drivers, its own preference first.
_DRIVERS = {"postgres": _POSTGRES, "mariadb": _MYSQL, "mysql": _MYSQL}
_DEFAULTS = ("psycopg2", "mysqldb")  # what SQLAlchemy takes where a URL names none
_NAMED = re.compile(r"\b(?:postgres(?:ql)?|mysql|mariadb)\+")


class AlembicTool:
    """Runs Alembic for a project's own alembic.ini."""

    name = "alembic"

    def open(self, scenario: Scenario) -> AlembicMigration:
        """Return the migration; an ini file that is not there, or a Python without Alembic, is told at once."""
        choice, where = scenario.migration, str(scenario.file or scenario.name)
        _options.check(choice.options, _OPTIONS, where)
        engine = scenario.engine.name
        if choice.settings and engine != "postgres":
            raise ScenarioMistake(
                f"{where}: migration.settings: on {engine} Alembic's session cannot be given settings from outside; "
                "let env.py set them, and leave the key out"
            )
        ini = _ini(choice, scenario.folder, where)
        project = Project(ini, _options.text(choice.options, "section") or "alembic", _python(choice, scenario.folder))
        split = splitter(engine)
        schema = schema_scripts(choice.schema, "schema", scenario.folder, where, split)
        schema += schema_scripts(choice.prepare, "prepare", scenario.folder, where, split)
        driver = _options.text(choice.options, "driver") or project.driver(_importable(project.python, engine, where))
        return AlembicMigration(choice, schema, project, driver)


@dataclass(frozen=True, slots=True)
class Project:
    """An Alembic project: its ini file, the section in it, and the Python that runs it."""

    ini: Path
    section: str
    python: str

    def driver(self, importable: tuple[str, ...]) -> str | None:
        """Return the driver that the project's URL or env.py names, else the first that is there; None: the default.

        `importable` are SQLAlchemy's names of the drivers that are there, its own preference first.
        """
        named = urlsplit(self._option("sqlalchemy.url")).scheme.partition("+")[2]
        if named in importable:
            return named
        if "async_engine" in self.env_py:
            importable = tuple(sorted(importable, key=lambda one: not one.startswith(("async", "aio"))))
        first = next(iter(importable), None)
        return None if first in _DEFAULTS else first

    @property
    def env_py(self) -> str:
        """The text of the project's env.py; empty where it is not where the ini file says."""
        place = self._option("script_location").replace("%(here)s", str(self.ini.parent))
        file = self.ini.parent / place / "env.py"
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

    def _option(self, name: str) -> str:
        parser = configparser.RawConfigParser()
        parser.read(self.ini, encoding="utf-8")
        return parser.get(self.section, name, fallback="")


@dataclass(frozen=True, slots=True)
class AlembicMigration:
    """A change by Alembic, from one revision to another. `driver` is SQLAlchemy's name; None: its default."""

    choice: MigrationChoice
    schema: tuple[Script, ...]
    project: Project
    driver: str | None

    def prepare(self, url: str) -> None:
        """Run the schema's SQL files where there are any, then upgrade to the revision that the change starts from."""
        run_scripts(url, self.schema, self.choice)
        self._run("prepare", url, None)

    def forward(self, url: str, journal: Journal) -> None:
        """Upgrade to the revision `to`."""
        self._run("forward", url, journal)

    def back(self, url: str, journal: Journal) -> None:
        """Downgrade to the revision `from`; one that raises NotImplementedError is no way back."""
        self._run("back", url, journal)

    def _run(self, way: str, url: str, journal: Journal | None) -> None:
        project, options = self.project, self.choice.options
        start, end = _options.text(options, "from") or "", _options.text(options, "to") or ""
        # As text: run as a file, its folder would be in sys.path, and there this module is called alembic.
        command = [project.python, "-c", _PROGRAM.read_text(encoding="utf-8"), str(project.ini), project.section]
        try:
            ended = _process.run(
                [*command, way, start, end],
                cwd=project.ini.parent,
                environment=self._environment(url),
                url=url,
                timeout_ns=self.choice.timeout,
            )
        except MigrationFailed as stopped:
            raise MigrationFailed(f"alembic, {way}: {stopped}") from stopped
        if journal is not None:
            _process.remark(journal, ended)
        if ended.code == _NOT_IMPLEMENTED and way == "back":
            raise NoWayBack(f"there is no way back: a downgrade is not implemented\n{ended.tail}")
        if ended.code != 0:
            last = ended.tail.splitlines()[-1:] or [f"exit code {ended.code}"]
            raise MigrationFailed("\n".join((f"alembic, {way}: {last[0]}", ended.tail)))

    def _environment(self, url: str) -> dict[str, str]:
        """Return the environment: `DATABASE_URL` names the driver only where env.py does not name one itself."""
        named = sqlalchemy_url(url, self.driver)
        plain = url if _NAMED.search(self.project.env_py) else named
        found = _process.environment(plain, self.choice.settings, self.choice.options.get("env", {}))
        return found | {"REHEARSE_SQLALCHEMY_URL": named}


def sqlalchemy_url(url: str, driver: str | None) -> str:
    """Return the URL with SQLAlchemy's driver in it, without the words that asyncpg and pg8000 refuse."""
    parts = urlsplit(url)
    if driver is None:
        return url
    words = dict(parse_qsl(parts.query))
    if driver in ("asyncpg", "pg8000"):
        words = {name: value for name, value in words.items() if name in ("host", "port")}
    scheme = "mysql" if parts.scheme.startswith("mysql") else "postgresql"
    return urlunsplit(parts._replace(scheme=f"{scheme}+{driver}", query=urlencode(words)))


def _ini(choice: MigrationChoice, folder: Path, where: str) -> Path:
    name = _options.text(choice.options, "ini") or "alembic.ini"
    path = (folder / name).resolve()
    if path.is_file():
        return path
    near = near_miss(path.name, [one.name for one in path.parent.glob("*.ini")]) if path.parent.is_dir() else ""
    raise ScenarioMistake(f"{where}: migration.options.ini: there is no file {name!r}{near}")


def _python(choice: MigrationChoice, folder: Path) -> str:
    named = _options.text(choice.options, "python")
    if named is None:
        return sys.executable
    return str(folder / named) if "/" in named else named


@cache
def _importable(python: str, engine: str, where: str) -> tuple[str, ...]:
    """Return which of an engine's drivers a Python has; one without Alembic is told how to get it."""
    drivers = _DRIVERS.get(engine, {})
    ask = "import sys; sys.path.remove(''); from importlib.util import find_spec as f; print(*filter(f, sys.argv[1:]))"
    try:
        answer = subprocess.run(
            [python, "-c", ask, "alembic", *drivers], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ScenarioMistake(f"{where}: migration.options.python: {python} does not run: {error}") from error
    found = tuple(answer.stdout.split())
    if "alembic" not in found:
        raise Missing(f"tool 'alembic' needs Alembic in {python}: pip install 'rehearse-migrations[alembic]'")
    return tuple(name for module, name in drivers.items() if module in found)


TOOL = AlembicTool()
