"""The words of a statement of MySQL or MariaDB, by sqlglot's tokens; names are in lower case."""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot
from sqlglot.errors import SqlglotError

from rehearse.measures._words import Token, Words
from rehearse.model.names import told_part

_QUOTED = ("IDENTIFIER", "STRING")


def words(sql: str) -> Words | None:
    """Return a statement's words; None: it cannot be read."""
    try:
        # A word before it keeps sqlglot from taking all behind RENAME, CALL and the like as one string.
        tokens = sqlglot.tokenize(f"x {sql}", read="mysql")[1:]
    except SqlglotError:
        return None
    return Words([one for token in tokens for one in _parts(token.text, token.token_type.name)])


def _parts(text: str, kind: str) -> Iterator[Token]:
    """Yield a token, or its words where sqlglot takes several as one (FOREIGN KEY, CHARACTER SET)."""
    if kind in _QUOTED:
        yield Token(text, "", kind)
    else:
        yield from (Token(one, one.upper(), kind) for one in text.split())


def name(found: Words) -> str:
    """Take a table's name, with the database before it."""
    parts = [told_part(own(found))]
    while found.take("."):
        parts.append(told_part(own(found)))
    return ".".join(parts)


def own(found: Words) -> str:
    """Take one identifier."""
    return found.own().lower()


def bracketed(found: Words) -> list[Words]:
    """Take what stands in brackets, in the parts between its commas; [] where none comes."""
    if not found.take("("):
        return []
    begin, depth = found.at, 1
    while found.at < len(found.tokens) and depth:
        depth += {"(": 1, ")": -1}.get(found.word(), 0)
        found.at += 1
    return list(Words(found.tokens[begin : found.at - 1]).parted())


def text(found: Words) -> str:
    """Take the rest as SQL, strings in quotes."""
    rest = found.tokens[found.at :]
    found.at = len(found.tokens)
    return "".join(_spaced(before, one) for before, one in zip([None, *rest], rest, strict=False))


def _spaced(before: Token | None, one: Token) -> str:
    """Return a token with the blank before it: none within brackets, nor between a function and its own."""
    quotes = {"STRING": "'", "IDENTIFIER": "`"}.get(one.kind, "")
    shown = f"{quotes}{one.text.replace(quotes, quotes * 2) if quotes else one.text}{quotes}"
    is_close = one.word in (")", ",", ".", "(") or (before is not None and before.word in ("(", "."))
    return shown if before is None or is_close else f" {shown}"


def column(part: Words) -> str:
    """Return the column of a part of an index: its name, or its expression's text."""
    return text(part) if part.word() == "(" else own(part)
