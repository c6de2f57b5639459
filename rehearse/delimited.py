"""SQL text as the mysql and mariadb clients read it: statements, quotes, comments, and DELIMITER; line by line.

Beyond the clients, a routine's or trigger's body may stand without DELIMITER: it is taken whole up to its last END.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_DELIMITER = re.compile(r"\s*delimiter\s+(\S+)", re.IGNORECASE)
_ENDS = {
    "'": re.compile(r"(?:[^'\\]|\\.|'')*+'", re.DOTALL),
    '"': re.compile(r'(?:[^"\\]|\\.|"")*+"', re.DOTALL),
    "`": re.compile(r"(?:[^`]|``)*+`", re.DOTALL),
    "/*": re.compile(r".*?\*/", re.DOTALL),
}
# Of an unfinished quote, whether its last character is a backslash that escapes what comes next does not matter: a
# line ends in a line's end.
_COMPOUND = re.compile(
    r"create\s+(?:or\s+replace\s+)?(?:definer\s*=\s*\S+(?:\s*@\s*\S+)?\s+)?(?:aggregate\s+)?"
    r"(?:trigger|procedure|function|event|package)\b|begin\s+not\s+atomic\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"""'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`]|``)*` | /\*.*?\*/ | \#[^\n]* | --(?=\s)[^\n]*""",
    re.VERBOSE | re.DOTALL,
)
_BODY_WORD = re.compile(r"\b(begin|case|end(?:\s+(?:if|loop|while|repeat|for|case))?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its delimiter, the line that it begins on, and the comments before it."""

    text: str
    line: int
    comments: str = ""


def statements(lines: Iterable[str], *, first_line: int = 1) -> Iterator[Statement]:
    """Yield the statements of a text, given as lines with their ends."""
    reader = _Reader(first_line)
    for line in lines:
        yield from reader.read(line)
    yield from reader.rest()


class _Reader:
    """What is known between two lines."""

    def __init__(self, first_line: int) -> None:
        self._line = first_line - 1
        self._began = 0
        self._parts: list[str] = []  # of the statement under way, from its first word on
        self._comments: list[str] = []  # since the last statement
        self._inside: str | None = None  # the quote or comment that we are in
        self._is_plain_comment = False  # and that it is no part of a statement
        self._use(";")

    def _use(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._token = re.compile(
            rf"(?P<end>{re.escape(delimiter)})|(?P<comment>\#[^\n]*|--(?=\s|$)[^\n]*)|(?P<quote>/\*|['\"`])|(?P<word>\S)"
        )
        # In a statement only what may end or hide something is looked at.
        self._within = re.compile(
            rf"(?P<end>{re.escape(delimiter)})|(?P<comment>\#[^\n]*|--(?=\s|$)[^\n]*)|(?P<quote>/\*|['\"`])"
        )

    def read(self, line: str) -> Iterator[Statement]:
        """Yield the statements that end on a line."""
        self._line += 1
        if self._inside is None and not self._parts and (found := _DELIMITER.match(line)):
            self._use(found[1])
            return
        at = 0
        while at < len(line):
            if self._inside is not None:
                at = self._close(line, at)
                continue
            found = (self._within if self._parts else self._token).search(line, at)
            if found is None:
                self._keep(line[at:])
                return
            self._keep(line[at : found.start()])
            at = found.end()
            if found.lastgroup == "end":
                if self._is_whole():
                    yield from self.rest()
                else:
                    self._keep(found[0])
            elif found.lastgroup == "comment":
                self._note(found[0])
            elif found.lastgroup == "quote":
                self._open(found[0], line, found.end())
            else:
                self._begin(found[0])

    def rest(self) -> Iterator[Statement]:
        """Yield what stands since the last statement, if it is one."""
        text = "".join(self._parts).strip()
        if text:
            yield Statement(text, self._began, "".join(self._comments))
            self._comments = []
        self._parts = []

    def _keep(self, text: str) -> None:
        if self._parts:
            self._parts.append(text)

    def _begin(self, text: str) -> None:
        if not self._parts:
            self._began = self._line
        self._parts.append(text)

    def _note(self, comment: str) -> None:
        """Take a comment along: before a statement as what is said of it, within it as a part of it."""
        if self._parts:
            self._parts.append(comment)
        else:
            self._comments.append(comment + "\n")

    def _open(self, quote: str, line: str, after: int) -> None:
        """Begin a quote or comment; a comment with an exclamation mark is what the server runs."""
        is_run = quote != "/*" or line.startswith(("!", "M!"), after)
        self._is_plain_comment = not is_run and not self._parts
        if self._is_plain_comment:
            self._comments.append(quote)
        else:
            self._begin(quote)
        self._inside = quote

    def _close(self, line: str, at: int) -> int:
        assert self._inside is not None
        found = _ENDS[self._inside].match(line, at)
        text = line[at : found.end()] if found else line[at:]
        (self._comments if self._is_plain_comment else self._parts).append(text)
        if found is None:
            return len(line)
        self._inside, self._is_plain_comment = None, False
        return found.end()

    def _is_whole(self) -> bool:
        """Say whether a statement ends here: not within the BEGIN … END of a body."""
        if self._delimiter != ";" or not self._parts:
            return True
        text = "".join(self._parts)
        if not _COMPOUND.match(text):
            return True
        depth = 0
        for word in _BODY_WORD.findall(_QUOTED.sub(" ", text)):
            lower = word.lower()
            if lower in ("begin", "case"):
                depth += 1
            elif lower.split()[-1] in ("end", "case"):
                depth -= 1
        return depth <= 0


_PLACE = re.compile(rf"(?P<quoted>{_QUOTED.pattern})|\$(?P<number>\d+)", re.VERBOSE | re.DOTALL)


def placeholders(sql: str) -> tuple[str, tuple[int, ...]]:
    """Return a statement with ? in place of $1 … $n, and for each ? which value it stands for, from 0."""
    order: list[int] = []

    def place(found: re.Match[str]) -> str:
        if found["quoted"]:
            return found[0]
        order.append(int(found["number"]) - 1)
        return "?"

    return _PLACE.sub(place, sql), tuple(order)
