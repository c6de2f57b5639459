"""Where migration tools keep the way forward and the way back: in one file, or in files beside each other.

Each layout gives Scripts: text, its place, and whether it runs in a transaction where the file itself says so.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearse.errors import ScenarioMistake, near_miss

_SECTION = re.compile(r"^--\s*(?:migrate:|\+goose\s+|\+migrate\s+)(up|down)\b([^\n]*)$", re.IGNORECASE | re.MULTILINE)
_NO_TRANSACTION = re.compile(
    r"^--\s*(\+goose\s+NO\s+TRANSACTION|flyway:executeInTransaction\s*=\s*false|rehearse:no-transaction"
    r"|disable-transaction)\b",
    re.IGNORECASE | re.MULTILINE,
)
_OFF = re.compile(r"transaction\s*[:=]\s*false|notransaction", re.IGNORECASE)
_FLYWAY = re.compile(r"^([VU])([\d._]+)__(.+)\.sql$")


@dataclass(frozen=True, slots=True)
class Script:
    """SQL text to run. `in_transaction` is None where the file does not say."""

    text: str
    name: str
    first_line: int = 1
    in_transaction: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing but comments and blanks is in it."""
        return not re.sub(r"--[^\n]*|/\*.*?\*/|[\s;]", "", self.text, flags=re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ways:
    """Scripts forward, and back (None: no way back is there, `looked` says where it was looked for)."""

    forward: tuple[Script, ...]
    back: tuple[Script, ...] | None
    looked: str = ""


def inline(text: str, key: str) -> Script | None:
    """Return the text itself where it is SQL and not a file's name."""
    is_sql = "\n" in text or text.rstrip().endswith(";") or not text.strip()
    return Script(text, f"migration.{key}") if is_sql else None


def scripts(names: Sequence[str], key: str, folder: Path, where: str) -> tuple[Script, ...]:
    """Return files or inline SQL as they stand, whole; a file that is not there is a mistake."""
    found = []
    for name in names:
        text = inline(name, key)
        found.append(text or whole(_existing(name, key, folder, where), up=key != "back"))
    return tuple(found)


def whole(path: Path, *, up: bool) -> Script:
    """Return a file's script: its section where it has sections, else all of it."""
    up_section, down_section, has_sections = sections(path)
    chosen = up_section if up else down_section
    if has_sections:
        return chosen or Script("", path.name)
    return _plain(path)


def sections(path: Path) -> tuple[Script | None, Script | None, bool]:
    """Return the up and the down section of a file in dbmate's, goose's or sql-migrate's layout."""
    text = _read(path)
    marks = list(_SECTION.finditer(text))
    found: dict[str, Script] = {}
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
        off = _OFF.search(mark[2]) or _NO_TRANSACTION.search(text)
        line = 1 + text.count("\n", 0, mark.end())
        found[mark[1].lower()] = Script(text[mark.end() : end], path.name, line, False if off else None)
    return found.get("up"), found.get("down"), bool(marks)


def file(path: Path) -> Ways:
    """Return both ways of one migration file, the way back from the same file or from the file beside it."""
    up, down, has_sections = sections(path)
    if has_sections:
        back = (down,) if down and not down.is_empty else None
        return Ways((up or Script("", path.name),), back, f"the down section of {path.name}")
    sibling = _sibling(path)
    if sibling is None:
        return Ways((_plain(path),), None, f"{path.name} has no down section and no file beside it undoes it")
    if not sibling.exists():
        return Ways((_plain(path),), None, f"{sibling.name} beside {path.name}")
    undo = whole(sibling, up=False)
    return Ways((_plain(path),), None if undo.is_empty else (undo,), f"{sibling.name}, which is empty")


def folder(path: Path, after: str | None, upto: str | None, where: str) -> Ways:
    """Return the ways over all migrations of a folder after one version up to another, in the order of versions."""
    everything = sorted(_migrations(path), key=lambda one: _version(one.name))
    if not everything:
        raise ScenarioMistake(f"{where}: migration.forward: {path} holds no migrations")
    chosen = _between(everything, after, upto, where)
    ways = [file(one) for one in chosen]
    forward = tuple(script for one in ways for script in one.forward)
    without = next((one for one in reversed(ways) if one.back is None), None)
    if without:
        return Ways(forward, None, without.looked)
    return Ways(forward, tuple(script for one in reversed(ways) for script in one.back or ()))


def before(path: Path, after: str | None, where: str) -> tuple[Script, ...]:
    """Return the scripts of a folder up to the version that the change starts from."""
    if after is None:
        return ()
    everything = sorted(_migrations(path), key=lambda one: _version(one.name))
    return tuple(script for one in _between(everything, None, after, where) for script in file(one).forward)


def _plain(path: Path) -> Script:
    text = _read(path)
    off = _NO_TRANSACTION.search(text) or _settings_say_no(path)
    return Script(text, path.name, 1, False if off else None)


def _settings_say_no(path: Path) -> bool:
    """Say whether diesel's metadata.toml or Flyway's .conf beside the file keeps it out of a transaction."""
    flyway = path.with_name(f"{path.name}.conf")
    if flyway.exists() and re.search(r"executeInTransaction\s*=\s*false", _read(flyway)):
        return True
    diesel = path.with_name("metadata.toml")
    return diesel.exists() and tomllib.loads(_read(diesel)).get("run_in_transaction") is False


def _sibling(path: Path) -> Path | None:
    """Return the file that would undo this one: golang-migrate's, diesel's or Flyway's; None for another layout."""
    if path.name.endswith(".up.sql"):
        return path.with_name(path.name.removesuffix(".up.sql") + ".down.sql")
    if path.name == "up.sql":
        return path.with_name("down.sql")
    flyway = _FLYWAY.match(path.name)
    if flyway and flyway[1] == "V":
        return path.with_name(f"U{flyway[2]}__{flyway[3]}.sql")
    return None


def _migrations(path: Path) -> Iterator[Path]:
    """Yield the migrations of a folder, each by the file of its way forward."""
    for one in path.iterdir():
        if one.is_dir() and (one / "up.sql").exists():
            yield one / "up.sql"
        elif one.suffix == ".sql" and not one.name.endswith(".down.sql"):
            flyway = _FLYWAY.match(one.name)
            if flyway is None or flyway[1] == "V":
                yield one


def _between(everything: list[Path], after: str | None, upto: str | None, where: str) -> list[Path]:
    names = [_label(one) for one in everything]
    first = 0 if after is None else _index(names, after, "from", where) + 1
    last = len(names) if upto is None else _index(names, upto, "to", where) + 1
    return everything[first:last]


def _index(names: list[str], wanted: str, key: str, where: str) -> int:
    for number, name in enumerate(names):
        if name == wanted or _version(name) == _version(wanted) != ():
            return number
    raise ScenarioMistake(f"{where}: migration.options.{key} = {wanted!r}: no such version{near_miss(wanted, names)}")


def _label(path: Path) -> str:
    return path.parent.name if path.name == "up.sql" else path.name


def _version(name: str) -> tuple[int, ...]:
    """Return a version's numbers: (1, 2) for V1_2__x.sql, (20260101,) for 20260101_x.up.sql."""
    flyway = re.match(r"^[VU]?([\d]+(?:[._]\d+)*)(?:__|\.sql|$)", name)
    if flyway:
        return tuple(int(part) for part in re.split(r"[._]", flyway[1]))
    plain = re.match(r"^(\d{4}-\d{2}-\d{2}-\d+|\d+)", name)
    return (int(plain[1].replace("-", "")),) if plain else ()


def _existing(name: str, key: str, folder: Path, where: str) -> Path:
    path = folder / name
    if path.is_file():
        return path
    near = near_miss(path.name, [one.name for one in path.parent.iterdir()]) if path.parent.is_dir() else ""
    raise ScenarioMistake(f"{where}: migration.{key}: there is no file {name!r}{near}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScenarioMistake(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
