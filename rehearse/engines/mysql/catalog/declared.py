"""What SHOW CREATE TABLE says of a table and its parts, in the server's own words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rehearse.engines.mysql.catalog.words import Scope

_TEXT = r"'(?:[^'\\]|\\.|'')*'"
_NAME = r"`((?:[^`]|``)*)`"
_COLUMN = re.compile(_NAME)
_INDEX = re.compile(rf"(?:(PRIMARY)|(?:UNIQUE |FULLTEXT |SPATIAL |VECTOR )?KEY {_NAME})")
_PERIOD = re.compile(rf"PERIOD FOR (?:(SYSTEM_TIME)|{_NAME}) (\(.*\))")
_COUNTER = re.compile(r" AUTO_INCREMENT=(\d+)")
_PARTITIONED = re.compile(r"^(?:/\*!\d+)?\s*PARTITION BY ")
_TOKEN = re.compile(rf"{_TEXT}|`(?:[^`]|``)*`|[()]")
# Told by the information schema; and a column's character set is said only where it is not the table's.
_TOLD = re.compile(rf" COMMENT {_TEXT}| IGNORED\b| /\*!80000 INVISIBLE \*/| USING BTREE")
_CHARSET = re.compile(r" CHARACTER SET \w+| COLLATE \w+")


@dataclass(slots=True)
class Declared:
    """A table's own CREATE: columns and indexes by name, periods by what they are for, and the rest."""

    columns: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    periods: dict[str, str] = field(default_factory=dict)
    whole: str = ""
    partitions: str = ""
    counter: int | None = None


def declared(scope: Scope, table: str) -> Declared:
    """Return what the server says of a table."""
    found = Declared()
    _, text, *_ = scope.shown("TABLE", table)
    _, *lines = str(text).split("\n")
    parts = [line.strip().rstrip(",") for line in lines if line.startswith("  ")]
    rest = [line for line in lines if not line.startswith("  ")]
    for line in parts if not rest else parts[: _end(lines)]:
        _put(found, line)
    tail = lines[_end(lines) :]
    at = next((place for place, line in enumerate(tail) if _PARTITIONED.match(line)), len(tail))
    found.whole, found.partitions = _COUNTER.sub("", " ".join(tail[:at])), "\n".join(tail[at:])
    if counter := _COUNTER.search(" ".join(tail[:at])):
        found.counter = int(counter[1])
    return found


def _end(lines: list[str]) -> int:
    """Return the place of the line that ends the columns."""
    return next((place for place, line in enumerate(lines) if line.startswith(")")), len(lines))


def _put(found: Declared, line: str) -> None:
    if period := _PERIOD.match(line):
        found.periods[period[1] or period[2]] = period[3]
    elif column := _COLUMN.match(line):
        found.columns[_name(column[1])] = _CHARSET.sub("", line)
    elif index := _INDEX.match(line):
        found.indexes[index[1] or _name(index[2])] = _options(line)


def _name(quoted: str) -> str:
    return quoted.replace("``", "`")


def _options(line: str) -> str:
    """Return what an index declares beside its columns, comment and visibility."""
    depth = 0
    for token in _TOKEN.finditer(line):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if token[0] == ")" and depth == 0:
            inside, after = line[: token.end()], line[token.end() :]
            overlaps = " WITHOUT OVERLAPS" if inside.endswith(" WITHOUT OVERLAPS)") else ""
            return (overlaps + _TOLD.sub("", after)).strip()
    return ""
