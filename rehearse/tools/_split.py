"""Splits SQL text into statements as PostgreSQL's own parser would, and tells what each may do.

What newer servers accept and the parser's grammar does not is split by its scanner; whether a statement is right is for
the server to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pglast import split as split_sql
from pglast.parser import ParseError

from rehearse.errors import Mistake

_META = re.compile(r"^\s*\\(?!\.)\w", re.MULTILINE)
_NO_TRANSACTION = re.compile(
    r"^\s*(create\s+(unique\s+)?index\s+concurrently|drop\s+index\s+concurrently|reindex\b.*\bconcurrently"
    r"|vacuum\b|create\s+database|drop\s+database|create\s+tablespace|drop\s+tablespace|alter\s+system"
    r"|alter\s+table\b.*\bdetach\s+partition\b.*\bconcurrently|alter\s+database\b.*\bset\s+tablespace"
    r"|create\s+subscription|drop\s+subscription|cluster\s*(verbose\s*)?$|call\b)",
    re.IGNORECASE | re.DOTALL,
)
_COMMITS_INSIDE = re.compile(r"^\s*do\b.*\b(commit|rollback)\s*;", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(
    r"^\s*(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"\s*(--[^\n]*(\n|$)|/\*.*?\*/)", re.DOTALL)
_REPEAT = re.compile(r"--\s*rehearse:repeat\b([^\n]*)")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, where it stands, and whether it is to be repeated until it affects no row."""

    sql: str
    place: str  # "up.sql:12"
    repeat: bool = False
    pause_s: float = 0.0

    @property
    def may_run_in_transaction(self) -> bool:
        """Whether the server accepts it in a transaction block."""
        return not (_NO_TRANSACTION.match(self.sql) or _COMMITS_INSIDE.match(self.sql))

    @property
    def controls_transaction(self) -> bool:
        """Whether it is BEGIN, COMMIT, ROLLBACK or the like."""
        return bool(_CONTROL.match(self.sql))


def statements(text: str, name: str, *, first_line: int = 1) -> list[Statement]:
    """Return the statements of a text; `name` and the line of its first word make a statement's place."""
    meta = _META.search(_blanked(text))
    if meta:
        line = first_line + text.count("\n", 0, meta.end())
        word = text[meta.start() : meta.end() + 12].split(maxsplit=1)[0]
        raise Mistake(f"{name}:{line}: {word} is a command of psql and not SQL; use tool = 'command' with psql")
    return list(_located(text, name, first_line))


def _located(text: str, name: str, first_line: int) -> Iterator[Statement]:
    end = 0
    for piece in _slices(text):
        between, sql = text[end : piece.start], text[piece]
        leading = _leading(sql)
        comments, sql = between + sql[:leading], sql[leading:].strip()
        line = first_line + text.count("\n", 0, piece.start + leading)
        end = piece.stop
        if sql:
            repeat = _REPEAT.search(comments)
            yield Statement(sql, f"{name}:{line}", repeat is not None, _pause(repeat[1] if repeat else ""))


def _slices(text: str) -> list[slice]:
    try:
        return list(split_sql(text, with_parser=True, only_slices=True))
    except ParseError:
        try:
            return list(split_sql(text, with_parser=False, only_slices=True))
        except ParseError:
            return [slice(0, len(text))]


def _leading(sql: str) -> int:
    """Return how many characters of comments and blanks stand before the first word."""
    start = 0
    while found := _COMMENT.match(sql, start):
        start = found.end()
    return start + len(sql[start:]) - len(sql[start:].lstrip())


def _pause(words: str) -> float:
    found = re.search(r"pause\s*=\s*(\d+(?:\.\d+)?)\s*(ms|s)", words)
    return 0.0 if not found else float(found[1]) / (1000 if found[2] == "ms" else 1)


def _blanked(text: str) -> str:
    """Return the text with quoted parts and comments as blanks, so that a line's start can be looked at."""
    quoted = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
    return quoted.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
