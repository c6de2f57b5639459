"""The words of SQL as its reader takes them, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, pairwise
from typing import NamedTuple

import sqlglot
from sqlglot.errors import SqlglotError

from rehearse.model.names import told_part
from rehearse.workload.statements import spaced

_LONGEST = 100_000  # characters: a longer statement brings rows
_QUOTED = ("IDENTIFIER", "STRING")


def split(sql: str) -> list[Words] | None:
    """Return the statements of a text, which may hold several; None: it cannot be read, or is very long."""
    tokens = _tokens(sql) if len(sql) < _LONGEST else None
    if tokens is None:
        return None
    parts = groupby(tokens, key=lambda token: token.kind == "SEMICOLON")
    return [Words(list(part)) for is_end, part in parts if not is_end]


class Token(NamedTuple):
    """A token of SQL. `word` is its text in capitals, empty for a name in quotes and for a string."""

    text: str
    word: str
    kind: str  # sqlglot's


@lru_cache(maxsize=64)  # a backfill in batches sends one text many times
def _tokens(sql: str) -> tuple[Token, ...] | None:
    try:
        tokens = sqlglot.tokenize(spaced(sql) if "$" in sql else sql, read="postgres")
    except SqlglotError:
        return None
    return tuple(_token(one.text, one.token_type.name) for one in tokens)


def _token(text: str, kind: str) -> Token:
    return Token(text, "" if kind in _QUOTED else text.upper(), kind)


@dataclass(slots=True)
class Words:
    """A statement's words, read from the first on."""

    tokens: Sequence[Token]
    at: int = 0

    def word(self, ahead: int = 0) -> str:
        """Return a word in capitals; empty for a name in quotes, for a string and past the end."""
        place = self.at + ahead
        return self.tokens[place].word if 0 <= place < len(self.tokens) else ""

    def take(self, *words: str) -> bool:
        """Pass over these words if they come next."""
        if any(self.word(place) != word for place, word in enumerate(words)):
            return False
        self.at += len(words)
        return True

    def skip(self, *words: str) -> Words:
        """Pass over each of these words that comes next, in this order; blanks part the words of one."""
        for word in words:
            self.take(*word.split())
        return self

    def one_of(self, choices: Iterable[str]) -> str | None:
        """Take the first of these that comes next."""
        return next((one for one in choices if self.take(*one.split())), None)

    def name(self) -> str:
        """Take a name, with the schema before it, as the server folds it and snapshots have it."""
        parts = []
        while self.at < len(self.tokens):
            parts.append(told_part(self.own()))
            if not self.take("."):
                break
        return ".".join(parts)

    def own(self) -> str:
        """Take one identifier, for example a column's, as the server folds it; "" at the end."""
        if self.at >= len(self.tokens):
            return ""
        token = self.tokens[self.at]
        self.at += 1
        return token.text if token.kind == "IDENTIFIER" else token.text.lower()

    def listed(self) -> Iterator[str]:
        """Take names with commas between them."""
        yield self.skip("ONLY").name()
        while self.skip("*").take(","):
            yield self.skip("ONLY").name()

    def parted(self) -> Iterator[Words]:
        """Yield the rest in the parts between its commas."""
        depth, begin = 0, self.at
        for place in range(self.at, len(self.tokens)):
            text = self.tokens[place].text
            depth += (text == "(") - (text == ")")
            if text == "," and depth == 0:
                yield replace(self, tokens=self.tokens[begin:place], at=0)
                begin = place + 1
        yield replace(self, tokens=self.tokens[begin:], at=0)

    def called(self) -> Iterator[str]:
        """Yield in capitals the names before an opening parenthesis that are no words of SQL's own."""
        for token, following in pairwise(self.tokens):
            if token.kind in ("VAR", "IDENTIFIER") and following.text == "(":
                yield token.text.upper()

    def has(self, *words: str) -> bool:
        """Say whether these words stand anywhere in the rest, one after the other."""
        return any(self._stands(words, ahead) for ahead in range(len(self.tokens) - self.at))

    def _stands(self, words: Sequence[str], ahead: int) -> bool:
        return all(self.word(ahead + place) == word for place, word in enumerate(words))
