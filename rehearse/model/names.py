"""Names of tables in words: `orders`, `app.orders`, and `"app.orders"` for one whose own name holds the dot."""

from __future__ import annotations

import re

_PART = r'"(?:[^"]|"")+"|[^."]+'
_TOLD = re.compile(rf"(?:(?P<schema>{_PART})\.)?(?P<own>{_PART})")


def told(schema: str, name: str) -> str:
    """Return what lies in a schema in words: with its schema unless that is "public"; no two have one name."""
    return told_part(name) if schema == "public" else f"{told_part(schema)}.{told_part(name)}"


def told_part(part: str) -> str:
    """Return one part of a name, quoted if it holds a dot or a quote."""
    return '"' + part.replace('"', '""') + '"' if "." in part or '"' in part else part


def split(name: str) -> tuple[str, str]:
    """Return the schema ("": the usual one) and the own name of what goes by a name in words."""
    if found := _TOLD.fullmatch(name):
        return _bare(found["schema"] or ""), _bare(found["own"])
    schema, dot, own = name.partition(".")
    return (schema, own) if dot else ("", name)


def _bare(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
