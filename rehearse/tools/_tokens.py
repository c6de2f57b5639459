"""PostgreSQL's tokens as far as they tell where a statement ends: quotes, comments and brackets are seen whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]*)
    | (?P<block>/\*)
    | (?P<string>\b[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z) | '(?:[^']|'')*(?:'|\Z) | "(?:[^"]|"")*(?:"|\Z))
    | (?P<dollar>(?<![\w$])\$(?:[^\W\d]\w*)?\$)
    | (?P<end>;)
    | (?P<open>[(\[])
    | (?P<close>[)\]])
    | (?P<meta>\\\S*)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<other>[^\s])
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK = re.compile(r"/\*|\*/")


class Token(NamedTuple):
    """A part of a text: "end" is a semicolon that ends a statement, "meta" a command of psql, "part" all else."""

    kind: str
    start: int
    stop: int


def tokens(text: str, position: int) -> Iterator[Token]:
    """Yield the tokens from a position at which a statement may begin; comments and blanks are left out.

    A semicolon within brackets (the actions of a rule) or within BEGIN ATOMIC … END ends no statement.
    """
    brackets = bodies = 0
    before = ""
    while (found := _TOKEN.search(text, position)) is not None:
        kind, start, position = found.lastgroup or "", found.start(), found.end()
        if kind == "comment":
            continue
        if kind == "block":
            position = _end_of_block(text, position)
            continue
        if kind == "dollar":
            position = _end_of_dollars(text, found[0], position)
        brackets = max(0, brackets + (kind == "open") - (kind == "close"))
        word = found[0].lower() if kind == "word" else ""
        bodies += _opens(word, before, bodies) - (bodies > 0 and word == "end")
        before = word
        is_end = kind == "end" and not brackets and not bodies
        yield Token("end" if is_end else kind if kind == "meta" else "part", start, position)


def _opens(word: str, before: str, bodies: int) -> bool:
    return (before == "begin" and word == "atomic") or (bodies > 0 and word == "case")


def _end_of_block(text: str, position: int) -> int:
    """Return where a block comment ends; comments nest."""
    depth = 1
    while depth:
        found = _BLOCK.search(text, position)
        if found is None:
            return len(text)
        depth += 1 if found[0] == "/*" else -1
        position = found.end()
    return position


def _end_of_dollars(text: str, tag: str, position: int) -> int:
    end = text.find(tag, position)
    return len(text) if end < 0 else end + len(tag)
