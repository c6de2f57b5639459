"""Splits SQL text into statements as PostgreSQL's own parser does, each with the line where it stands.

What newer servers accept and the parser's grammar does not is split by the tokens alone: whether a statement is right
is for the server to say. Rows behind `COPY … FROM stdin` are taken along; psql's commands are refused.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from pglast import split as split_sql
from pglast.parser import ParseError

from rehearse import delimited, units
from rehearse.backfill.task import Backfill
from rehearse.errors import Mistake
from rehearse.tools import _markers
from rehearse.tools._ignored import ignored
from rehearse.tools._retry import Retry, retry
from rehearse.tools._tokens import Token, tokens

_COPY = re.compile(r"""copy\b(?:[^'"]|'[^']*'|"[^"]*")*?\bfrom\s+stdin\b""", re.IGNORECASE)
_END_OF_ROWS = re.compile(r"^\\\.\r?$", re.MULTILINE)
_HARMLESS = ("\\restrict", "\\unrestrict")  # pg_dump writes them around every dump; nothing here needs restricting
_MARKER = re.compile(r"--[ \t]*rehearse:repeat\b([^\n]*)")
_DEFAULT_LIMIT = 100_000
DELIMITED = ("mariadb", "mysql")  # engines whose SQL is read as their own clients do


@dataclass(frozen=True, slots=True)
class Repeat:
    """`-- rehearse:repeat [pause=10ms] [limit=5000]`: run until it affects no row, each time in its own transaction.

    More repetitions than `limit` are a failure: the statement does not come to an end.
    """

    pause_ns: int = 0
    limit: int = _DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement without the comments before it, and where it stands: "up.sql:12". `rows` are COPY's, as text.

    `ignored` are the codes of hazards that a comment says to pass over, or "ALL".
    """

    sql: str
    place: str
    repeat: Repeat | None = None
    rows: str | None = None
    backfill: Backfill | None = None
    retry: Retry | None = None
    ignored: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Scan:
    """What the tokens tell: the text with rows blanked out, a slice a statement, and the rows by where COPY ends."""

    text: str
    slices: list[slice] = field(default_factory=list)
    rows: list[tuple[int, str]] = field(default_factory=list)


Split = Callable[[str, str, int], list[Statement]]
"""Splits a text into statements; given a name for their places, and the number of its first line."""


def splitter(engine: str) -> Split:
    """Return what splits SQL as the engine's own client does."""
    return delimited_statements if engine in DELIMITED else statements


def delimited_statements(text: str, name: str, first_line: int = 1) -> list[Statement]:
    """Return the statements of a text for MySQL or MariaDB, where DELIMITER is obeyed."""
    found = [
        _marked(one.text, f"{name}:{one.line}", one.comments)
        for one in delimited.statements(text.splitlines(keepends=True), first_line=first_line)
    ]
    return _with_ignored(found, text, name, first_line)


def statements(text: str, name: str, first_line: int = 1) -> list[Statement]:
    """Return the statements of a text; a statement's place is `name` and the line of its first word."""
    found = list(_placed(_scan(text, name, first_line), name, first_line))
    return _with_ignored(found, text, name, first_line)


def _with_ignored(found: list[Statement], text: str, name: str, first_line: int) -> list[Statement]:
    begins = [int(one.place.rpartition(":")[2]) for one in found]
    spans = [(begin, begin + one.sql.count("\n")) for begin, one in zip(begins, found, strict=True)]
    codes = ignored(text, name, first_line, spans)
    return [replace(one, ignored=mine) if mine else one for one, mine in zip(found, codes, strict=True)]


def _placed(scan: _Scan, name: str, first_line: int) -> Iterator[Statement]:
    text, end, line = scan.text, 0, first_line
    slices = _slices(scan)
    for number, piece in enumerate(slices):
        between = text[end : piece.start]
        line += between.count("\n")
        place = f"{name}:{line}"
        following = slices[number + 1].start if number + 1 < len(slices) else len(text) + 1
        yield _marked(text[piece], place, between, _rows(scan, piece.stop, following))
        line += text.count("\n", piece.start, piece.stop)
        end = piece.stop


def _slices(scan: _Scan) -> list[slice]:
    """Return the parser's slices, and the tokens' where it cannot read the text; neither holds leading comments."""
    try:
        found = list(split_sql(scan.text, with_parser=True, only_slices=True))
    except ParseError:
        return scan.slices
    starts = [piece.start for piece in scan.slices]
    return [_without_comments(piece, scan.slices, starts) for piece in found]


def _without_comments(piece: slice, inner: list[slice], starts: list[int]) -> slice:
    """Return a slice from its first token to its last one."""
    first, after = bisect_left(starts, piece.start), bisect_left(starts, piece.stop)
    return slice(starts[first], min(piece.stop, inner[after - 1].stop)) if first < after else piece


def _rows(scan: _Scan, after: int, before: int) -> str | None:
    return next((rows for end, rows in scan.rows if after <= end < before), None)


def _scan(text: str, name: str, first_line: int) -> _Scan:
    scan = _Scan(text)
    position = 0
    while position < len(text):
        position = _next(scan, position, name, first_line)
    return scan


def _next(scan: _Scan, position: int, name: str, first_line: int) -> int:
    """Note the statement that begins at a position; returns where the next one may begin."""
    start = stop = -1
    for token in tokens(scan.text, position):
        if token.kind == "meta":
            return _meta(scan, token, name, first_line, is_first=start < 0)
        if token.kind == "end" and start < 0:
            return token.stop
        if token.kind == "end":
            scan.slices.append(slice(start, stop))
            return _copied(scan, start, token.stop)
        start, stop = token.start if start < 0 else start, token.stop
    if start >= 0:
        scan.slices.append(slice(start, stop))
    return len(scan.text)


def _meta(scan: _Scan, token: Token, name: str, first_line: int, *, is_first: bool) -> int:
    """Blank out a harmless command of psql to the end of its line; another one is a mistake."""
    end = scan.text.find("\n", token.start)
    end = len(scan.text) if end < 0 else end
    word = scan.text[token.start : token.stop]
    if word not in _HARMLESS or not is_first:
        line = first_line + scan.text.count("\n", 0, token.start)
        raise Mistake(
            f"{name}:{line}: {word} is a command of psql and not SQL; write it as SQL, "
            "or run the file with psql by tool = 'command'"
        )
    _blank(scan, token.start, end)
    return end


def _copied(scan: _Scan, start: int, end: int) -> int:
    """Take the rows behind a `COPY … FROM stdin;` out of the text; returns where SQL goes on."""
    if not _COPY.match(scan.text, start, end):
        return end
    first = scan.text.find("\n", end) + 1 or len(scan.text)
    last = _END_OF_ROWS.search(scan.text, first)
    stop, after = (last.start(), last.end()) if last else (len(scan.text), len(scan.text))
    scan.rows.append((end - 1, scan.text[first:stop]))
    _blank(scan, first, after)
    return after


def _blank(scan: _Scan, start: int, stop: int) -> None:
    blanks = re.sub(r"[^\n]", " ", scan.text[start:stop])
    scan.text = scan.text[:start] + blanks + scan.text[stop:]


def _marked(sql: str, place: str, comments: str, rows: str | None = None) -> Statement:
    """Return a statement with what markers in the comments before it ask for."""
    return Statement(
        sql,
        place,
        _repeat(comments, place),
        rows,
        _markers.backfill(sql, comments, place),
        retry(comments, place),
    )


def _repeat(comments: str, place: str) -> Repeat | None:
    found = _markers.words("repeat", ("pause", "limit"), comments, place)
    if found is None:
        return None
    try:
        pause = units.duration_ns(found["pause"]) if "pause" in found else 0
        return Repeat(pause, units.rows(found.get("limit", _DEFAULT_LIMIT)))
    except ValueError as error:
        raise Mistake(f"{place}: rehearse:repeat: {error}") from error
