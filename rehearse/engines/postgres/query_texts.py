"""What may be told of a statement of somebody else: its form, without the values in it."""

from __future__ import annotations

import re

_MOST = 300
_SECRET = re.compile(r"password|secret|token|credential|passfile|\bkey\b\s*=", re.IGNORECASE)
_VALUES = re.compile(
    r"""
      (?P<comment> --[^\n]*\n? | /\*.*?(?:\*/|\Z))
    | (?P<text> [eEbBxX]?'(?:[^'\\]|\\.|'')*(?:'|\Z) | \$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z))
    | (?P<name> "(?:[^"]|"")*" | [^\W\d][\w$]* | \$\d+)
    | (?P<number> \d[\w.]*)
    """,
    re.VERBOSE | re.DOTALL,
)


def told(query: str | None) -> str | None:
    """Return a statement with a question mark for each text and number, at most 300 letters of it.

    None for what is not shown to us; of what may set a password or the like the first two words alone.
    """
    if not query or query.startswith("<"):  # "<insufficient privilege>", "<backend information not available>"
        return None
    if query.startswith("autovacuum:"):
        return query
    if _SECRET.search(query):
        return " ".join(query.split()[:2]) + " …"
    words = " ".join(_VALUES.sub(_masked, query).split())
    return words if len(words) <= _MOST else words[: _MOST - 1] + "…"


def _masked(found: re.Match[str]) -> str:
    return found[0] if found["name"] else "" if found["comment"] else "?"
