"""The application's statements as they may be told: without comments, and without any constant left in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import tokenize
from sqlglot.errors import TokenError

_FIRST = {"select", "insert", "update", "delete", "with", "merge", "values", "table"}


def told(text: str) -> str | None:
    """Return a statement on one line, its texts as '?' and its numbers as 0; None for one that is no such statement.

    PostgreSQL takes constants out of what it counts, but not out of utility statements, nor comments out of any.
    """
    try:
        tokens = tokenize(text, read="postgres")
    except TokenError:
        return None
    if not tokens or tokens[0].text.lower() not in _FIRST:
        return None
    return "".join(_parts(text, tokens))


def _parts(text: str, tokens: list[Any]) -> Iterator[str]:
    end, before = 0, None
    for token in tokens:
        if before is not None and token.start > end + 1:
            yield " "
        kind = token.token_type.name
        if kind.endswith("STRING"):
            yield "'?'"
        elif kind == "NUMBER" and not (before and before.token_type.name == "PARAMETER"):
            yield "0"
        else:
            yield text[token.start : token.end + 1]
        end, before = token.end, token
