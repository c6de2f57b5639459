"""Where migration tools keep the way forward and the way back: in one file, or in files beside each other.

| tool | files | not in a transaction |
|---|---|---|
| dbmate | `-- migrate:up`, `-- migrate:down` in one file | `transaction:false` behind them |
| goose, sql-migrate | `-- +goose Up`, `-- +goose Down`; `-- +migrate Up` … | `+goose NO TRANSACTION`, `notransaction` |
| golang-migrate | `1_x.up.sql`, `1_x.down.sql` | a file of one statement |
| diesel | `x/up.sql`, `x/down.sql` | `run_in_transaction = false` in `x/metadata.toml` |
| Prisma | `x/migration.sql` | |
| Flyway | `V1__x.sql`, `U1__x.sql` | `executeInTransaction=false`, and statements that cannot be in one |

dbmate, golang-migrate and diesel send a file as one query. So where they open no transaction the server still runs
several statements in one, and refuses CREATE INDEX CONCURRENTLY among them (dbmate #126, golang-migrate #284).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearse.errors import Mistake, ScenarioMistake, near_miss
from rehearse.tools import _kinds
from rehearse.tools._split import Split, Statement, statements

_SECTION = re.compile(
    r"^--[ \t]*(migrate:|\+goose[ \t]+|\+migrate[ \t]+)(up|down)\b([^\n]*)$", re.IGNORECASE | re.MULTILINE
)
_GOOSE_OFF = re.compile(r"^--[ \t]*\+goose[ \t]+NO[ \t]+TRANSACTION\b", re.IGNORECASE | re.MULTILINE)
_FLYWAY_OFF = re.compile(r"^(?:--[ \t]*flyway:)?executeInTransaction[ \t]*=[ \t]*false\b", re.IGNORECASE | re.MULTILINE)
_SECTION_OFF = re.compile(r"transaction[ \t]*:[ \t]*false|\bnotransaction\b", re.IGNORECASE)
_FLYWAY = re.compile(r"([VU])(\d+(?:[._]\d+)*)__(.*)\.sql")
FOLDERED = ("up.sql", "migration.sql")  # the way forward, where each migration is a folder
_NUMBERED = re.compile(r"\d+_.*\.(?:up|down)\.sql", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Script:
    """Statements to run. `transaction` is None where neither the file nor its layout says how.

    Else it is "file" (BEGIN, all, COMMIT), "none" (each by itself) or "query" (as one query: the server's own
    transaction around several statements, none around one).
    """

    statements: tuple[Statement, ...]
    name: str
    transaction: str | None = None


@dataclass(frozen=True, slots=True)
class Ways:
    """Scripts forward, and back. `back` is None where there is no way back: `looked` says where it was looked for."""

    forward: tuple[Script, ...]
    back: tuple[Script, ...] | None
    looked: str = ""


def read(name: str, key: str, folder: Path, where: str, split: Split = statements) -> Path | Script:
    """Return the file or folder that a key names, or the script where it holds the SQL itself.

    SQL is what names nothing there and has a line's end or ends in a semicolon, or has blanks and not .sql at its end.
    """
    path = folder / name
    if "\n" not in name and _exists(path):
        return path
    text = name.strip()
    if "\n" in name or text.endswith(";") or (re.search(r"\s", text) and not text.lower().endswith(".sql")):
        return Script(tuple(split(name, f"migration.{key}", 1)), f"migration.{key}")
    near = near_miss(path.name, [one.name for one in path.parent.iterdir()]) if path.parent.is_dir() else ""
    raise ScenarioMistake(f"{where}: migration.{key}: there is no file {name!r}{near}")


def file(path: Path, split: Split = statements) -> Ways:
    """Return both ways of one migration file, the way back from the same file or from the file beside it."""
    found = _sections(path, split)
    if found is not None:
        forward = (found["up"],) if "up" in found else ()
        if "down" in found and found["down"].statements:
            return Ways(forward, (found["down"],))
        place = found["down"].name if "down" in found else path.name
        return Ways(forward, None, f"{place} has no statement in a down section")
    forward = (_whole(path, split),)
    sibling = _sibling(path)
    if sibling is None or not sibling.is_file():
        sought = f"no {sibling.name} stands beside it" if sibling else "no file beside it undoes it"
        return Ways(forward, None, f"{path.name} has no down section and {sought}")
    back = _whole(sibling, split)
    return Ways(forward, (back,) if back.statements else None, f"{_label(sibling)} has no statement")


def down(path: Path, split: Split = statements) -> Script:
    """Return the script of a file that is named as the way back: its down section where it has sections, else all."""
    found = _sections(path, split)
    if found is None:
        return _whole(path, split)
    return found.get("down", Script((), path.name))


def versions(path: Path, where: str) -> list[Path]:
    """Return the migrations of a folder in the order of their versions, each by the file of its way forward."""
    found = sorted(_migrations(path), key=lambda one: (_version(_label(one)), _label(one)))
    if not found:
        raise ScenarioMistake(f"{where}: {path}: there are no migrations in this folder")
    return found


def index(everything: Sequence[Path], wanted: str, key: str, where: str) -> int:
    """Return where a version, a file's name or the file itself stands among the versions."""
    names = [_label(one) for one in everything]
    for number, name in enumerate(names):
        known = (name, name.removesuffix(".sql"), name.removesuffix(".up.sql"), name.removesuffix("/up.sql"))
        if wanted in known or (_version(wanted) and _version(name) == _version(wanted)):
            return number
    raise ScenarioMistake(f"{where}: migration.{key} = {wanted!r}: no such version{near_miss(wanted, names)}")


def over(migrations: Sequence[Path], split: Split = statements) -> Ways:
    """Return the ways over several migrations: back is theirs in reverse order, or none where one of them has none."""
    return chained([file(one, split) for one in migrations])


def is_versioned(path: Path) -> bool:
    """Say whether a file or its folder bears a version, as every tool's migrations do."""
    return bool(_version(_label(path)))


def made_by(path: Path) -> str:
    """Return the tool whose layout a migration file has."""
    mark = _SECTION.search(_text(path))
    if mark:
        return {"migrate:": "dbmate", "+goose": "goose", "+migrate": "sql-migrate"}[mark[1].strip().lower()]
    if path.name in FOLDERED:
        return "diesel" if path.name == "up.sql" else "Prisma"
    if _FLYWAY.fullmatch(path.name):
        return "Flyway"
    return "golang-migrate" if is_golang(path.name) else "SQL files"


def is_golang(name: str) -> bool:
    """Say whether a file is golang-migrate's, by its name: `1_x.up.sql` or `1_x.down.sql`."""
    return _NUMBERED.fullmatch(name) is not None


def chained(each: Sequence[Ways]) -> Ways:
    """Return ways one after the other as one way."""
    forward = tuple(script for one in each for script in one.forward)
    without = next((one for one in reversed(each) if one.back is None), None)
    if without is not None:
        return Ways(forward, None, without.looked)
    return Ways(forward, tuple(script for one in reversed(each) for script in one.back or ()))


def _sections(path: Path, split: Split) -> dict[str, Script] | None:
    """Return the "up" and "down" sections of a file in dbmate's, goose's or sql-migrate's layout; None in another."""
    text = _text(path)
    marks = list(_SECTION.finditer(text))
    if not marks:
        return None
    found: dict[str, Script] = {}
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
        line = 1 + text.count("\n", 0, mark.end())
        parts = tuple(split(text[mark.end() : end], path.name, line))
        found[mark[2].lower()] = Script(parts, path.name, _mode(mark, text))
    return found


def _mode(mark: re.Match[str], text: str) -> str | None:
    if _SECTION_OFF.search(mark[3]):
        return "query" if mark[1].lower() == "migrate:" else "none"
    return "none" if _GOOSE_OFF.search(text) else None


def _whole(path: Path, split: Split) -> Script:
    """Return all of a file in a layout that keeps one way in it."""
    text = _text(path)
    parts = tuple(split(text, _label(path), 1))
    if path.name in ("up.sql", "down.sql"):
        return Script(parts, _label(path), _diesel(path))
    if _FLYWAY.fullmatch(path.name):
        return Script(parts, path.name, _flyway(path, text, parts))
    return Script(parts, path.name, "query" if is_golang(path.name) else None)


def _diesel(path: Path) -> str | None:
    metadata = path.with_name("metadata.toml")
    try:
        is_off = metadata.is_file() and tomllib.loads(_text(metadata)).get("run_in_transaction") is False
    except tomllib.TOMLDecodeError as error:
        raise Mistake(f"{metadata}: {error}") from error
    return "query" if is_off else None


def _flyway(path: Path, text: str, parts: Sequence[Statement]) -> str | None:
    """Return "none" where a marker, the file's .conf or a statement in it keeps Flyway from opening a transaction."""
    settings = path.with_name(f"{path.name}.conf")
    if _FLYWAY_OFF.search(text) or (settings.is_file() and _FLYWAY_OFF.search(_text(settings))):
        return "none"
    alone = next((one for one in parts if _kinds.stands_alone(one.sql)), None)
    if alone is None:
        return None
    other = next((one for one in parts if not _kinds.wants_no_block(one.sql)), None)
    if other is not None:
        raise Mistake(
            f"{alone.place}: Flyway refuses a file with this statement, which may not run in a transaction, beside "
            f"others ({other.place}); give it a file of its own, or say -- flyway:executeInTransaction=false"
        )
    return "none"


def _sibling(path: Path) -> Path | None:
    """Return the file that would undo this one: golang-migrate's, diesel's or Flyway's; None for another layout."""
    if path.name.endswith(".up.sql"):
        return path.with_name(path.name.removesuffix(".up.sql") + ".down.sql")
    if path.name == "up.sql":
        return path.with_name("down.sql")
    flyway = _FLYWAY.fullmatch(path.name)
    if flyway and flyway[1] == "V":
        same = [one for one in path.parent.glob("U*__*.sql") if _version(one.name) == _version(path.name)]
        return same[0] if same else path.with_name(f"U{flyway[2]}__{flyway[3]}.sql")
    return None


def _migrations(path: Path) -> Iterator[Path]:
    for one in path.iterdir():
        own = [one / name for name in FOLDERED if (one / name).is_file()]
        if own:
            yield own[0]
        elif one.suffix == ".sql" and one.is_file() and not one.name.endswith(".down.sql"):
            flyway = _FLYWAY.fullmatch(one.name)
            if flyway[1] == "V" if flyway else not one.name.startswith("R__"):  # R__: Flyway runs it again and again
                yield one


def _label(path: Path) -> str:
    """Return the name that tells a file from the others: diesel's and Prisma's bear their folder's name too."""
    return f"{path.parent.name}/{path.name}" if path.name in (*FOLDERED, "down.sql") else path.name


def _version(name: str) -> tuple[int, ...]:
    """Return a version's numbers: (1, 2) for "V1_2__x.sql" or "1.2", (20260101,) for "20260101_x.up.sql"."""
    flyway = re.match(r"[VU]?(\d+(?:[._]\d+)*)(?:__|$)", name)
    if flyway:
        return tuple(int(part) for part in re.split(r"[._]", flyway[1]))
    plain = re.match(r"(\d{4}-\d{2}-\d{2}-\d+|\d+)", name)
    return (int(plain[1].replace("-", "")),) if plain else ()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a long text is no file's name
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Mistake(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise Mistake(f"{path}: {error.strerror}") from error
