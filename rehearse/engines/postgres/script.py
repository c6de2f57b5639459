"""Plain SQL as psql reads it: statements, psql's own commands, and the rows that follow COPY … FROM stdin.

The text is never held whole. A statement ends at a semicolon outside of quotes, comments, parentheses and the body of
a function written as BEGIN ATOMIC … END.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

_TOKEN = re.compile(
    rb"""
      (?P<comment> --[^\n]* )
    | (?P<block> /\* )
    | (?P<whole> [eE]'(?:[^'\\]|\\.|'')*' | '[^']*' | "[^"]*" )
    | (?P<string> [eE]?' )
    | (?P<quoted> " )
    | (?P<dollar> \$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$ )
    | (?P<word> [A-Za-z_\x80-\xff][\w$\x80-\xff]* )
    | (?P<end> ; )
    | (?P<open> \( )
    | (?P<close> \) )
    | (?P<backslash> \\ )
    | (?P<other> \d[\w.]* | [^\s\w\x80-\xff'"$;()\\/-]+ | [/$-] )
    """,
    re.VERBOSE | re.DOTALL,
)
# A whole INSERT on a line, as dumps have them by the million; nothing in it is tried twice.
_INSERT = re.compile(
    rb"""(?i:INSERT)\s (?: [^'"$;\\/-]++ | -(?!-) | /(?!\*) | "[^"]*+" | (?<![eE])'[^']*+' )*+ ; \s*+""", re.VERBOSE
)
_BLOCK = re.compile(rb"/\*|\*/")
_ESCAPING = b"e'"
_IN_ESCAPING = re.compile(rb"\\.|''|'", re.DOTALL)
_ROUTINE = re.compile(rb"create (or replace )?(function|procedure)\b")
_BATCH_BYTES = 1 << 17


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its semicolon, and the line that it begins on."""

    text: bytes
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """A command of psql, without its backslash."""

    text: str
    line: int


class Script:
    """Reads a stream once, from its beginning to its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._line = 0
        self._parts: list[bytes] = []  # of the statement under way, from its first word on
        self._began = 0
        self._quote: bytes | None = None  # what ends the quote that we are in
        self._comments = 0  # how deep in block comments
        self._parentheses = 0
        self._words: list[bytes] = []  # the first four of the statement
        self._bodies = 0  # how deep in BEGIN ATOMIC … END

    def parts(self) -> Iterator[Statement | Command]:
        """Yield statements and commands in order; read `rows` after a COPY … FROM stdin before going on."""
        for line in self._stream:
            self._line += 1
            yield from self._read(line.removeprefix(b"\xef\xbb\xbf") if self._line == 1 else line)
        if self._parts:
            yield self._statement()

    @property
    def line(self) -> int:
        """The number of the line that was read last, from 1."""
        return self._line

    def rows(self) -> Iterator[bytes]:
        r"""Yield the rows that follow COPY … FROM stdin in batches of whole lines, up to the line \. or the end."""
        batch: list[bytes] = []
        size = 0
        for line in self._stream:
            self._line += 1
            if line in (b"\\.\n", b"\\.\r\n", b"\\."):
                break
            batch.append(line)
            size += len(line)
            if size > _BATCH_BYTES:
                yield b"".join(batch)
                batch, size = [], 0
        yield b"".join(batch)

    def _read(self, line: bytes) -> Iterator[Statement | Command]:
        if not self._parts and self._quote is None and not self._comments and _INSERT.fullmatch(line):
            yield Statement(line.rstrip()[:-1], self._line)
            return
        at = 0
        kept = 0 if self._parts else None  # where this line's share of the statement begins; None: not begun
        while at < len(line):
            if self._quote is not None or self._comments:
                at = self._skip(line, at)
                continue
            token = _TOKEN.search(line, at)
            if token is None:
                break
            at = token.end()
            kind = token.lastgroup
            if kind == "end" and not (self._parentheses or self._bodies):
                if kept is not None:
                    yield self._statement(line[kept : token.start()])
                kept = None
            elif kind == "backslash":
                if kept is not None:
                    self._parts.append(line[kept : token.start()])
                yield Command(line[at:].decode("utf-8", "replace").strip(), self._line)
                return
            else:
                if kept is None and kind not in ("comment", "block"):
                    kept, self._began = token.start(), self._line
                self._note(token)
        if kept is not None:
            self._parts.append(line[kept:])

    def _statement(self, rest: bytes = b"") -> Statement:
        text = b"".join([*self._parts, rest])
        self._parts, self._words, self._parentheses, self._bodies = [], [], 0, 0
        return Statement(text, self._began)

    def _skip(self, line: bytes, at: int) -> int:
        """Return where to go on: after what ends the quote or comment, or at the line's end."""
        if self._comments:
            found = _BLOCK.search(line, at)
            self._comments += 0 if found is None else 1 if found[0] == b"/*" else -1
            return len(line) if found is None else found.end()
        if self._quote == _ESCAPING:
            found = _IN_ESCAPING.search(line, at)
            self._quote = None if found and found[0] == b"'" else _ESCAPING
            return len(line) if found is None else found.end()
        assert self._quote is not None
        end = line.find(self._quote, at)
        if end < 0:
            return len(line)
        end += len(self._quote)
        self._quote = None
        return end

    def _note(self, token: re.Match[bytes]) -> None:
        match token.lastgroup:
            case "string":
                self._quote = token[0].lower()
            case "quoted" | "dollar":
                self._quote = token[0]
            case "block":
                self._comments = 1
            case "open":
                self._parentheses += 1
            case "close":
                self._parentheses = max(0, self._parentheses - 1)
            case "word":
                self._note_word(token[0])

    def _note_word(self, word: bytes) -> None:
        """Count how deep in BEGIN ATOMIC … END a routine's body is; CASE … END is in it too."""
        if len(self._words) < 5:
            self._words.append(word.lower())
        if self._words[0] != b"create" or self._parentheses or not _ROUTINE.match(b" ".join(self._words)):
            return
        lower = word.lower()
        if lower == b"begin" or (lower == b"case" and self._bodies):
            self._bodies += 1
        elif lower == b"end" and self._bodies:
            self._bodies -= 1
