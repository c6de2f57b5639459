"""What kind of work a statement was: from what was seen of it, and from its words where that does not tell."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rehearse.events import StatementRan
from rehearse.forecast.models import INDEX, METADATA, REWRITE, ROWS, SCAN, UNKNOWN, Kind

_INDEX = re.compile(
    r"\bCREATE\s+(UNIQUE\s+)?INDEX|\bREINDEX\b|\bADD\b[^,]*\b(PRIMARY\s+KEY|UNIQUE|INDEX|FULLTEXT|EXCLUDE)\b", re.I
)
_ROWS = re.compile(r"\s*(WITH\b.*?\b)?(UPDATE|DELETE|INSERT|MERGE|REPLACE|COPY)\b", re.I | re.DOTALL)
_MADE = re.compile(
    r"\s*(?!.*\bWITH\s+NO\s+DATA\b)(CREATE\s+(\w+\s+){0,3}TABLE\b.*\b(SELECT|AS\s+TABLE)\b"
    r"|CREATE\s+MATERIALIZED\s+VIEW\b|SELECT\b.*\bINTO\s)",
    re.I | re.DOTALL,
)
_SCAN = re.compile(
    r"\bSET\s+NOT\s+NULL|\bVALIDATE\b|\bADD\b[^,]*\b(CHECK|FOREIGN\s+KEY|REFERENCES)\b|\b(ATTACH|EXCHANGE)\s+PARTITION\b",
    re.I,
)
_NOT_VALID = re.compile(r"\bNOT\s+VALID\b|\bUSING\s+INDEX\b", re.I)
_WHOLE = re.compile(r"\s*(VACUUM\s*(\(\s*)?FULL|CLUSTER|OPTIMIZE|REFRESH\s+MATERIALIZED)\b", re.I)
_READS = re.compile(r"\s*(ANALYZE|VACUUM|SELECT|TABLE)\b", re.I)
_CODE = re.compile(r"\s*(DO|CALL|EXECUTE)\b", re.I)
_SQL = re.compile(r"(--[^\n]*\n|/\*.*?\*/|\s)*", re.DOTALL)


def kind_of(statement: StatementRan, commands: Sequence[str]) -> Kind:
    """Return the kind of a statement; `commands` are those that the server reported progress of meanwhile."""
    text = statement.sql[_SQL.match(statement.sql).end() :]  # type: ignore[union-attr]
    return _by_algorithm(statement, text) or _by_words(statement, text, " ".join(commands))


def _by_algorithm(statement: StatementRan, text: str) -> Kind | None:
    """Return the kind that MySQL's and MariaDB's word for the way tells."""
    match (statement.algorithm or "").upper():
        case "COPY":
            return REWRITE
        case "INSTANT" | "METADATA ONLY":
            return METADATA
        case "INPLACE" | "NOCOPY":
            return INDEX if _INDEX.search(text) else REWRITE
    return None


def _by_words(statement: StatementRan, text: str, commands: str) -> Kind:
    if statement.rewrites or _WHOLE.match(text):
        return REWRITE
    if "INDEX" in commands or (_INDEX.search(text) and not _NOT_VALID.search(text)):
        return INDEX
    if _ROWS.match(text) or _MADE.match(text):
        return ROWS
    if _CODE.match(text) or _READS.match(text):
        return UNKNOWN
    if _SCAN.search(text) and not _NOT_VALID.search(text):
        return SCAN
    return METADATA
