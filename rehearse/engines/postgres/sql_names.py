"""Names as SQL has them, from the words of a snapshot."""

from __future__ import annotations

import re

from rehearse.model.names import split

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_ROUTINE = re.compile(r"(?P<name>.+?)\((?P<types>.*)\)")

# pg_get_keywords() of PostgreSQL 14–18, of the categories R and T.
_KEYWORDS = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
    column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
    from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like
    limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
    references returning right select session_user similar some symmetric system_user table tablesample then to
    trailing true union unique user using variadic verbose when where window with
"""
_RESERVED = frozenset(_KEYWORDS.split())


def quoted(name: str) -> str:
    """Return an identifier as SQL has it."""
    is_plain = _PLAIN.fullmatch(name) and name not in _RESERVED
    return name if is_plain else '"' + name.replace('"', '""') + '"'


def qualified(name: str) -> str:
    """Return a name with its schema, which is told where it is not the usual one."""
    schema, own = split(name)
    return f"{quoted(schema)}.{quoted(own)}" if schema else quoted(own)


def routine(name: str) -> str:
    """Return a routine with its types, which are SQL already."""
    found = _ROUTINE.fullmatch(name)
    return f"{qualified(found['name'])}({found['types']})" if found else qualified(name)


def beside(table: str, name: str) -> str:
    """Return the name of what lies in its table's schema."""
    schema, _ = split(table)
    return f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)


def text(value: str | None) -> str:
    """Return a text as SQL has it."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"
