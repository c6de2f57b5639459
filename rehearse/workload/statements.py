"""Splits the SQL of a call into statements and turns its `:name` parameters into $1 … $n."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# What is passed over whole: strings, names, words, dollar quotes, comments, and the colons that are no parameters.
_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*)
    | (?P<text> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`
              | \$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$)
    | (?P<word> [^\W\d][\w$]* | \d[\w.]*)
    | (?P<position> \$\d+)
    | (?P<colons> ::|:=)
    | (?P<parameter> :[^\W\d]\w*)
    | (?P<end> ;)
    | (?P<other> \S)
    """,
    re.VERBOSE | re.DOTALL,
)
_NESTED = re.compile(r"/\*|\*/")
_COMMENTS = re.compile(r"\A(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_OPENS = re.compile(r"(?:begin|start\s+transaction)\b", re.IGNORECASE)
_CLOSES = re.compile(r"(?:commit|end)\b", re.IGNORECASE)
_CONTROLS = re.compile(r"(?:begin|start\s+transaction|commit|end|rollback|abort)\b(?!\s+to\b)", re.IGNORECASE)


class BadSql(ValueError):
    """SQL that cannot be a call; the text says why."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with $1 … $n (or :names, in `pieces`), and the names of its parameters in that order."""

    sql: str
    parameters: tuple[str, ...]

    @property
    def bare(self) -> str:
        """The SQL from its first word on, without the comments before it."""
        return _COMMENTS.sub("", self.sql, count=1)


def split(text: str) -> tuple[Statement, ...]:
    """Return the statements of a call, without a BEGIN and COMMIT around them: several are one transaction anyway."""
    found = [statement for statement in _statements(text) if statement.sql]
    if len(found) > 1 and _OPENS.match(found[0].bare) and _CLOSES.match(found[-1].bare):
        found = found[1:-1]
    for statement in found:
        if _CONTROLS.match(statement.bare):
            raise BadSql(f"{statement.bare!r} stands alone; the statements of a call are one transaction by themselves")
    if not found:
        raise BadSql("no statement in it")
    return tuple(found)


def pieces(text: str) -> list[Statement]:
    """Return the statements of a script as they stand, BEGIN and COMMIT among them, with their parameters' names."""
    return [statement for statement in _statements(text, named=True) if statement.sql]


def spaced(sql: str) -> str:
    """Set a blank after each $n, since sqlglot takes "$1,$" for the tag of a dollar quote (30.30)."""
    return "".join(f"{part} " if kind == "position" else part for kind, part in _tokens(sql))


def positioned(sql: str, mark: str) -> str:
    """Write another mark in place of the $ of each $n."""
    return "".join(f"{mark}{part[1:]} " if kind == "position" else part for kind, part in _tokens(sql))


def _statements(text: str, *, named: bool = False) -> Iterator[Statement]:
    parts: list[str] = []
    names: dict[str, int] = {}
    said = False
    for kind, part in _tokens(text):
        if kind == "end":
            yield Statement("".join(parts).strip() if said else "", tuple(names))
            parts, names, said = [], {}, False
        elif kind == "parameter":
            place = names.setdefault(part[1:], len(names) + 1)
            parts.append(part if named else f"${place}")
            said = True
        elif kind == "position":
            raise BadSql(f"it has a parameter {part}; give parameters names, such as :id")
        else:
            parts.append(part)
            said = said or kind in ("word", "text", "other")
    yield Statement("".join(parts).strip() if said else "", tuple(names))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while found := _TOKEN.search(text, at):
        if found.start() > at:
            yield "space", text[at : found.start()]
        kind, at = str(found.lastgroup), found.end()
        if kind == "tag":
            kind = "text"
        if found[0] == "/*":
            at = _comment_end(text, at)
        yield kind, text[found.start() : at]
    yield "space", text[at:]


def _comment_end(text: str, at: int) -> int:
    """Return where a block comment ends; PostgreSQL's nest."""
    depth = 1
    while depth and (found := _NESTED.search(text, at)):
        depth += 1 if found[0] == "/*" else -1
        at = found.end()
    return at if depth == 0 else len(text)
