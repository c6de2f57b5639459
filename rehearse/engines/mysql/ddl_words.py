"""What a statement of DDL does and to which table, by its words; a table that is quoted oddly is not told."""

from __future__ import annotations

import re

_COMMENTS = re.compile(r"\A(?:\s|--[^\n]*(?:\n|\Z)|#[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_TABLE = re.compile(
    r"(?:alter\s+(?:online\s+)?(?:ignore\s+)?table|(?:optimize|truncate|drop|repair|analyze)\s+table"
    r"|(?:create|drop)\s+(?:or\s+replace\s+)?(?:unique\s+|fulltext\s+|spatial\s+)?index\s+.*?\bon)"
    r"\s+(?:if\s+exists\s+)?`?(?P<one>[\w$]+)`?(?:\s*\.\s*`?(?P<two>[\w$]+)`?)?",
    re.IGNORECASE | re.DOTALL,
)
_CHANGES = frozenset({"ALTER", "CREATE", "DROP", "RENAME", "TRUNCATE", "OPTIMIZE", "REPAIR", "ANALYZE"})


def is_change(sql: str) -> bool:
    """Say whether a statement is DDL, or does to tables what takes DDL's locks."""
    return command(sql).partition(" ")[0] in _CHANGES


def command(sql: str) -> str:
    """Return its first two words in capitals, for example "ALTER TABLE"."""
    return " ".join(_bare(sql).split(maxsplit=2)[:2]).upper()


def table(sql: str) -> str | None:
    """Return the table that it changes; None where its words do not tell it."""
    found = _TABLE.match(_bare(sql))
    return None if found is None else found["two"] or found["one"]


def _bare(sql: str) -> str:
    return _COMMENTS.sub("", sql, count=1)
