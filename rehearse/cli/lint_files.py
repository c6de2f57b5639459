"""What `rehearse lint` is given, as scripts for the linter: SQL files, folders of migrations, scenarios."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehearse import hazards, units
from rehearse.errors import Mistake
from rehearse.hazards import Hazard, Script
from rehearse.hazards.known import Known
from rehearse.tools import _layouts
from rehearse.tools import _split as splitting

if TYPE_CHECKING:
    from rehearse.model import Scenario

_MOST_BYTES = 1_000_000
_UNDO = re.compile(r"U\d[^/]*__")  # Flyway's way back


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is said on the command line for all files: the engine, the schema before, rows of tables, transactions.

    `told` is the engine as it was given; None: it was not, and a scenario's own counts.
    """

    told: str | None = None
    engine: str = "postgres"
    version: str | None = None
    schema: Path | None = None
    rows: Mapping[str, int] | None = None
    transaction: str = "file"
    disabled: frozenset[str] = frozenset()
    back: bool = False


@dataclass(frozen=True, slots=True)
class Linted:
    """The hazards of one file or scenario, and how many statements it has. Places are paths."""

    name: str
    statements: int
    hazards: tuple[Hazard, ...]


def profiled(asked: Asked, profile: str) -> Asked:
    """Return what is asked with the rows that a profile says, and its schema where no other is named."""
    from rehearse.reading.profile import find  # noqa: PLC0415

    found = find(profile, key="--profile")
    schema = asked.schema
    if schema is None and found.schema and found.file:
        schema = found.file.parent / found.schema
    return replace(asked, schema=schema, rows={name: table.rows for name, table in found.tables.items()})


def linted(path: Path, asked: Asked) -> Iterator[Linted]:
    """Yield what the linter says of a file, of each migration of a folder, or of a scenario."""
    if path.suffix == ".py" or (path.is_dir() and not any(path.rglob("*.sql")) and any(path.rglob("*.py"))):
        raise Mistake(
            f"{path}: only SQL is read; let your tool print it (alembic upgrade --sql, manage.py sqlmigrate) and "
            "lint that, or rehearse the migration: rehearse run"
        )
    if path.suffix == ".toml":
        yield _scenario(path, asked)
        return
    is_piped = str(path) == "-" or path.is_fifo() or path.is_char_device()
    if not is_piped and not path.exists():
        raise Mistake(f"{path}: there is no such file")
    split = splitting.splitter(asked.engine)
    known = _beginning(asked, split)
    if is_piped:  # which can be read once
        text = sys.stdin.read() if str(path) == "-" else _text(path)
        yield _judged("stdin", [_layouts.Script(tuple(split(text, "stdin", 1)), "stdin")], known, asked, {})
        return
    for one in _files(path):
        ways = _layouts.file(one, split)
        yield _judged(str(one), _named(ways, asked), known, asked, {_label(one): one})


def _files(path: Path) -> list[Path]:
    """Return the migrations of a folder in their order, Flyway's repeatable ones last; what is not read is told."""
    own = [path / name for name in _layouts.FOLDERED if (path / name).is_file()]
    if own or not path.is_dir():
        return own[:1] or [path]
    found = [*_layouts.versions(path, "lint"), *sorted(path.glob("R__*.sql"))]
    others = {one for one in path.rglob("*.sql") if not one.name.endswith("down.sql")} - set(found)
    for one in sorted(one for one in others if not _UNDO.match(one.name)):
        click.echo(f"{one}: not read: it stands where {path} keeps no migrations; name it to have it read", err=True)
    return found


def _named(ways: _layouts.Ways, asked: Asked) -> Sequence[_layouts.Script]:
    return (*ways.forward, *(ways.back or ())) if asked.back else ways.forward


def _scenario(path: Path, asked: Asked) -> Linted:
    """Judge both ways of a scenario, with its own engine, schema and rows."""
    from rehearse.reading.scenario import read  # noqa: PLC0415

    found = scenario_read(read(path, engine=asked.told), rows=asked.rows, disabled=asked.disabled)
    return Linted(str(path), found.statements, found.hazards)


@dataclass(frozen=True, slots=True)
class Read:
    """A scenario's SQL: its way forward, what is known before it, and the hazards of both ways."""

    forward: tuple[Script, ...]
    known: Known
    statements: int
    hazards: tuple[Hazard, ...]


def scenario_read(
    scenario: Scenario, *, rows: Mapping[str, int] | None = None, disabled: frozenset[str] = frozenset()
) -> Read:
    """Return a scenario's SQL as it is read without a server; a Mistake where another tool runs the migration."""
    from rehearse.tools.sql import SqlTool  # noqa: PLC0415

    choice = scenario.migration
    if choice.tool != "sql":
        raise Mistake(
            f"{scenario.file or scenario.name}: migration.tool = {choice.tool!r}: only SQL is read without a server"
        )
    migration = SqlTool().open(scenario)
    asked = Asked(
        engine=scenario.engine.name,
        version=scenario.engine.version,
        transaction=choice.transaction,
        rows=rows or _rows(scenario),
        disabled=disabled,
    )
    schema = [*_loaded(scenario), *(one.sql for script in migration.prepared for one in script.statements)]

    def before() -> Known:
        known = hazards.beginning(asked.engine, asked.version, schema=schema, rows=asked.rows)
        known.settings |= {name: str(value).lower() for name, value in choice.settings.items()}
        return known

    places, known = _places(scenario), before()
    scripts = (*migration.ways.forward, *(migration.ways.back or ()))
    judged = _judged(str(scenario.file), scripts, before(), asked, places)
    forward = tuple(_script(one, known, asked, places) for one in migration.ways.forward)
    return Read(forward, known, judged.statements, judged.hazards)


def _loaded(scenario: Scenario) -> Iterator[str]:
    """Yield the statements of the SQL files that bring schema and rows, but for large ones, which are rows."""
    for name in scenario.data.load or ():
        path = scenario.folder / name
        if path.is_file() and path.stat().st_size <= _MOST_BYTES:
            yield from (one.sql for one in splitting.splitter(scenario.engine.name)(_text(path), path.name, 1))


def _rows(scenario: Scenario) -> Mapping[str, int]:
    """Return how many rows tables have in production, as the scenario's profile says."""
    if scenario.data.profile is None:
        return {}
    from rehearse.reading.profile import find  # noqa: PLC0415

    profile = find(scenario.data.profile, scenario.folder)
    said = {name: units.rows(rows) for name, rows in scenario.data.tables.items()}
    return {name: table.rows for name, table in profile.tables.items()} | said


def _places(scenario: Scenario) -> dict[str, Path]:
    """Return the files of a scenario's change by the names that statements' places have, those of its way back, too."""
    ways = (scenario.migration.forward, scenario.migration.back)
    named = [name for way in ways if way for name in ([way] if isinstance(way, str) else way)]
    paths = [scenario.folder / name for name in named if "\n" not in name and ";" not in name]
    beside = [path.parent for path in paths if path.is_file()] if scenario.migration.back is None else []
    each = [file for folder in beside for file in folder.glob("*.sql")]
    each += [file for path in paths for file in (path.rglob("*.sql") if path.is_dir() else [path])]
    return {_label(file): file for file in each if file.is_file()}


def _label(path: Path) -> str:
    return f"{path.parent.name}/{path.name}" if path.name in (*_layouts.FOLDERED, "down.sql") else path.name


def _beginning(asked: Asked, split: splitting.Split) -> Known:
    texts: list[str] = []
    if asked.schema is not None:
        files = sorted(asked.schema.glob("*.sql")) if asked.schema.is_dir() else [asked.schema]
        texts = [one.sql for file in files for one in split(_text(file), file.name, 1)]
    return hazards.beginning(asked.engine, asked.version, schema=texts, rows=asked.rows)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Mistake(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise Mistake(f"{path}: {error.strerror}") from error


def _judged(
    name: str, scripts: Sequence[_layouts.Script], known: Known, asked: Asked, places: Mapping[str, Path]
) -> Linted:
    found: list[Hazard] = []
    for script in scripts:
        found += hazards.hazards(_script(script, known, asked, places), known)
    known.settled()
    return Linted(name, sum(len(one.statements) for one in scripts), tuple(found))


def _script(script: _layouts.Script, known: Known, asked: Asked, places: Mapping[str, Path]) -> Script:
    statements = tuple(
        hazards.said(
            one.sql,
            known,
            place=_placed(one.place, places),
            repeats=bool(one.repeat or one.backfill),
            ignored=_passed_over(one, asked),
        )
        for one in script.statements
    )
    return Script(statements, script.transaction or asked.transaction)


def _placed(place: str, places: Mapping[str, Path]) -> str:
    """Return a place by its file's path, relative to the folder we are in where it lies below it."""
    file, _, line = place.rpartition(":")
    if file not in places:
        return place
    path, here = places[file].absolute(), Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{line}"


def _passed_over(one: splitting.Statement, asked: Asked) -> frozenset[str]:
    """Return the codes that are not asked of a statement; a comment with one that is not there is a mistake."""
    for code in one.ignored - {"ALL"}:
        try:
            hazards.by_code(code)
        except Mistake as error:
            raise Mistake(f"{one.place}: rehearse:ignore: {error}") from None
    return one.ignored | asked.disabled
