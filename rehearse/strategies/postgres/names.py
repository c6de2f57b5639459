"""Names as PostgreSQL has them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pglast import keywords

from rehearse.model.names import split
from rehearse.profiles.blueprint import Plan

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_RESERVED = frozenset(keywords.RESERVED_KEYWORDS) | frozenset(keywords.TYPE_FUNC_NAME_KEYWORDS)
_LIMIT = 63  # bytes of a name


def quoted(name: str) -> str:
    """Return an identifier as SQL has it."""
    is_plain = _PLAIN.fullmatch(name) and name not in _RESERVED
    return name if is_plain else '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str]) -> str:
    """Return identifiers, separated by commas."""
    return ", ".join(map(quoted, names))


def table(plan: Plan) -> str:
    """Return a table with its schema, so that no search_path can lead elsewhere."""
    return f"{quoted(plan.schema)}.{quoted(plan.own)}"


def qualified(name: str) -> str:
    """Return what goes by a name in words with its schema."""
    schema, own = split(name)
    return f"{quoted(schema or 'public')}.{quoted(own)}"


def beside(plan: Plan, own: str) -> str:
    """Return the name of what lies in a table's schema."""
    return f"{quoted(plan.schema)}.{quoted(own)}"


def made(name: str, ending: str) -> str:
    """Return a name of ours made of another: with an ending, and cut so that it fits."""
    room = _LIMIT - len(ending.encode())
    return name.encode()[:room].decode(errors="ignore") + ending


def text(value: str) -> str:
    """Return a text as SQL has it."""
    return "'" + value.replace("'", "''") + "'"
