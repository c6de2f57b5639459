"""What SHOW CREATE TABLE says of a table and its parts, in the server's own words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rehearse.engines._secrets import hidden
from rehearse.engines.mysql.catalog.words import Scope

_TEXT = r"'(?:[^'\\]|\\.|'')*'"
_NAME = r"`((?:[^`]|``)*)`"
_COLUMN = re.compile(_NAME)
_INDEX = re.compile(rf"(?:(PRIMARY)|(?:UNIQUE |FULLTEXT |SPATIAL |VECTOR )?KEY {_NAME})")
_FOREIGN_KEY = re.compile(rf"CONSTRAINT {_NAME} FOREIGN KEY (.*)")
_PERIOD = re.compile(rf"PERIOD FOR (?:(SYSTEM_TIME)|{_NAME}) (\(.*\))")
_COUNTER = re.compile(r" AUTO_INCREMENT=(\d+)")
# Said only where somebody wrote it; what holds is told by the information schema.
_USUAL = re.compile(r" (?:/\*!80016 )?ENCRYPTION='N'(?: \*/)?| ROW_FORMAT=\w+")
_CONNECTION = re.compile(rf" CONNECTION=({_TEXT})")  # to another server, with its password
_PARTITIONED = re.compile(r"^(?:/\*!\d+)?\s*PARTITION BY ")
_TOKEN = re.compile(rf"{_TEXT}|`(?:[^`]|``)*`|[()]")
# Told by the information schema; and a column's character set is said only where it is not the table's.
_TOLD = re.compile(rf" COMMENT {_TEXT}| IGNORED\b| /\*!80000 INVISIBLE \*/| USING BTREE")
_APART = " WITHOUT OVERLAPS"
_CHARSET = re.compile(r" CHARACTER SET \w+| COLLATE \w+")


@dataclass(slots=True)
class Declared:
    """A table's own CREATE: columns, foreign keys, and what indexes have beside columns; periods by what they are for.

    `apart` are the words of indexes whose rows' periods may not overlap.
    """

    columns: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    apart: dict[str, str] = field(default_factory=dict)
    foreign_keys: dict[str, str] = field(default_factory=dict)
    periods: dict[str, str] = field(default_factory=dict)
    whole: str = ""
    partitions: str = ""
    counter: int | None = None


def declared(scope: Scope, table: str) -> Declared:
    """Return what the server says of a table."""
    found = Declared()
    _, *lines = scope.shown("TABLE", table).split("\n")
    end = next((place for place, line in enumerate(lines) if line.startswith(")")), len(lines))
    for line in lines[:end]:
        _put(found, line.strip().rstrip(","))
    at = next((place for place, line in enumerate(lines) if _PARTITIONED.match(line)), len(lines))
    whole = " ".join(lines[end:at])
    found.whole = _CONNECTION.sub(_unsaid, _USUAL.sub("", _COUNTER.sub("", whole)))
    found.partitions = "\n".join(lines[at:])
    if counter := _COUNTER.search(whole):
        found.counter = int(counter[1])
    return found


def _unsaid(connection: re.Match[str]) -> str:
    return f" CONNECTION={hidden(connection[1])}"


def _put(found: Declared, line: str) -> None:
    if period := _PERIOD.match(line):
        found.periods[period[1] or period[2]] = period[3]
    elif column := _COLUMN.match(line):
        found.columns[_name(column[1])] = _CHARSET.sub("", line)
    elif key := _FOREIGN_KEY.match(line):
        found.foreign_keys[_name(key[1])] = key[2]
    elif index := _INDEX.match(line):
        name = index[1] or _name(index[2])
        found.indexes[name] = _options(line)
        found.apart |= {name: _APART} if f"{_APART})" in line else {}


def _name(quoted: str) -> str:
    return quoted.replace("``", "`")


def _options(line: str) -> str:
    """Return what an index declares beside its columns, comment and visibility."""
    depth = 0
    for token in _TOKEN.finditer(line):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if token[0] == ")" and depth == 0:
            return _TOLD.sub("", line[token.end() :]).strip()
    return ""
