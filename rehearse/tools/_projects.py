"""Recognizes how a project keeps its migrations, and says what a scenario of its newest one holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearse.tools import _layouts

_FOLDERS = (
    "db/migrations",
    "migrations",
    "db/migration",
    "database/migrations",
    "sql/migrations",
    "sql",
    "src/main/resources/db/migration",
    "schema/migrations",
)
_NODE = "DATABASE_URL stands in the environment: see that the project's configuration takes its connection from there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A project's migrations: the tool that made them, and the lines of [migration] for the newest of them."""

    made_by: str
    place: str
    migration: tuple[str, ...]
    newest: str | None = None  # None: the tool itself knows
    remarks: tuple[str, ...] = ()
    to_fill_in: bool = False  # its lines hold words that the user must put in before they can run


def projects(folder: Path) -> Iterator[Found]:
    """Yield what is recognized in a folder, the surest first."""
    yield from _alembic(folder)
    yield from _django(folder)
    yield from _node(folder)
    yield from _sql(folder)


def _alembic(folder: Path) -> Iterator[Found]:
    for ini in sorted(folder.glob("*.ini")):
        if re.search(r"^\s*script_location\s*=", ini.read_text(encoding="utf-8", errors="replace"), re.MULTILINE):
            named = "" if ini.name == "alembic.ini" else f"ini = {quoted(ini.name)}, "
            yield Found(
                made_by="Alembic",
                place=ini.name,
                migration=(
                    'tool     = "alembic"',
                    f'options  = {{ {named}to = "head" }}   # also: from = "…", python = ".venv/bin/python"',
                ),
            )


def _django(folder: Path) -> Iterator[Found]:
    if (folder / "manage.py").is_file():
        yield Found(
            made_by="Django",
            place="manage.py",
            migration=(
                'tool     = "command"   # Django has no tool of its own here yet: its commands do the same',
                'prepare  = "python manage.py migrate APP 0001"   # up to the migration before the change',
                'forward  = "python manage.py migrate APP"',
                'back     = "python manage.py migrate APP 0001"',
            ),
            to_fill_in=True,
            remarks=(
                "name the APP and the migration to start from",
                "DATABASES in settings.py must take its connection from the environment: DATABASE_URL, or PGHOST, "
                "PGPORT, PGUSER, PGPASSWORD and PGDATABASE",
            ),
        )


def _node(folder: Path) -> Iterator[Found]:
    if any(folder.glob("knexfile.*")):
        yield _commands("knex", "knexfile", "npx knex migrate:up", "npx knex migrate:down", "npx knex migrate:latest")
    is_sequelize = (folder / "config/config.json").is_file() and _names(folder, "sequelize")
    if is_sequelize or (folder / ".sequelizerc").is_file():
        migrate = 'npx sequelize-cli db:migrate --url \\"$DATABASE_URL\\"'
        undo = 'npx sequelize-cli db:migrate:undo --url \\"$DATABASE_URL\\"'
        yield _commands("Sequelize", ".sequelizerc", migrate, undo, migrate)


def _names(folder: Path, package: str) -> bool:
    listed = folder / "package.json"
    return listed.is_file() and package in listed.read_text(encoding="utf-8", errors="replace")


def _commands(made_by: str, place: str, forward: str, back: str, everything: str) -> Found:
    return Found(
        made_by=made_by,
        place=place,
        migration=(
            f'tool     = "command"   # {made_by} has no tool of its own here yet: its commands do the same',
            f'prepare  = "{everything} && {back}"   # everything, and the newest undone',
            f'forward  = "{forward}"',
            f'back     = "{back}"',
        ),
        remarks=(_NODE, "prepare must end before the change"),
        to_fill_in=True,
    )


def _sql(folder: Path) -> Iterator[Found]:
    for name in _FOLDERS:
        place = folder / name
        if place.is_dir() and (versions := _numbered(place)):
            yield _folder_of(place, name, versions)


def _numbered(place: Path) -> list[Path]:
    """Return the migrations of a folder in order; files without a version are not taken for migrations."""
    if not any(one.suffix == ".sql" or (one / "up.sql").is_file() for one in place.iterdir()):
        return []
    return [one for one in _layouts.versions(place, str(place)) if _layouts.is_versioned(one)]


def _folder_of(place: Path, name: str, versions: Sequence[Path]) -> Found:
    newest = versions[-1]
    relative = f"{name}/{newest.relative_to(place).as_posix()}".removesuffix("/up.sql")
    way_back = _layouts.file(newest).back is not None
    lines = [
        'tool     = "sql"',
        f"schema   = {quoted(name)}   # every migration of this folder before the change",
        f"forward  = {quoted(relative)}" + ("   # the way back is found beside it" if way_back else ""),
    ]
    if not way_back:
        lines.append('# back   = "…"   # none was found: name its file, or say back = false to accept that')
    return Found(made_by=_layouts.made_by(newest), place=name, migration=tuple(lines), newest=newest.name)


def quoted(text: str) -> str:
    """Return a text as TOML writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
