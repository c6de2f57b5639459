"""Liquibase's changelogs in SQL: a file's changesets, each with its SQL, its rollback, and whether it is a transaction.

Its own lines (`--changeset ana:1`, `--rollback …`) are no comments to MySQL, which wants a blank after the dashes, so
they are blanked out here as Liquibase takes them out. Lines keep their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FORMATTED = re.compile(r"\s*--[ \t]*liquibase[ \t]+formatted[ \t]+sql\b", re.IGNORECASE)
_CHANGESET = re.compile(r"^[ \t]*--[ \t]*changeset[ \t]+(\S+)([^\n]*)$", re.IGNORECASE | re.MULTILINE)
_ROLLBACK = re.compile(r"^[ \t]*--[ \t]*rollback\b[ \t]*([^\n]*)$", re.IGNORECASE | re.MULTILINE)
_ROLLBACK_BLOCK = re.compile(r"/\*[ \t]*liquibase[ \t]+rollback\b(.*?)\*/", re.IGNORECASE | re.DOTALL)
_LINE = re.compile(r"^[ \t]*--(?=\S)[^\n]*$", re.MULTILINE)
_OFF = re.compile(r"\brunInTransaction[ \t]*:[ \t]*\"?false\b", re.IGNORECASE)
_NOTHING = re.compile(r"\s*(?:empty|not required)?\s*;?\s*", re.IGNORECASE)  # what --rollback says of no way back


@dataclass(frozen=True, slots=True, kw_only=True)
class Changeset:
    """One changeset: "author:id", the line that its SQL begins on, and its SQL with its own lines blanked out.

    `rollback` has as many lines as `sql`, so that both have their places; None: none is said.
    """

    name: str
    line: int
    sql: str
    rollback: str | None
    in_transaction: bool


def is_formatted(text: str) -> bool:
    """Say whether a text begins as Liquibase's changelogs in SQL do."""
    return _FORMATTED.match(text.removeprefix("\ufeff")) is not None


def changesets(text: str) -> Iterator[Changeset]:
    """Yield the changesets of a file in their order."""
    marks = list(_CHANGESET.finditer(text))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        part = text[mark.end() : after.start() if after else len(text)]
        yield Changeset(
            name=mark[1],
            line=1 + text.count("\n", 0, mark.end()),
            sql=_LINE.sub("", _ROLLBACK.sub("", _ROLLBACK_BLOCK.sub(_blank, part))),
            rollback=_rollback(part),
            in_transaction=_OFF.search(mark[2]) is None,
        )


def _rollback(part: str) -> str | None:
    """Return the text of all rollbacks, each where it stands; "" where there is nothing to do."""
    found = [(one.start(1), one[1]) for one in (*_ROLLBACK.finditer(part), *_ROLLBACK_BLOCK.finditer(part))]
    if not found:
        return None
    lines = ["" for _ in part.splitlines()] or [""]
    for start, sql in sorted(found):
        if not _NOTHING.fullmatch(sql):
            first = part.count("\n", 0, start)
            for number, line in enumerate(sql.splitlines()):
                lines[first + number] = line
    return "\n".join(lines)


def _blank(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")
