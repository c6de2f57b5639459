"""Names as SQL has them, from the words of a snapshot."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_PART = r'"(?:[^"]|"")+"|[^."]+'
_TOLD = re.compile(rf"(?:(?P<schema>{_PART})\.)?(?P<own>{_PART})")
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


def told(schema: str, name: str) -> str:
    """Return what lies in a schema in words: with its schema unless that is "public".

    A part that holds a dot or a quote is quoted, so that no two have one name.
    """
    return _told(name) if schema == "public" else f"{_told(schema)}.{_told(name)}"


def _told(part: str) -> str:
    return '"' + part.replace('"', '""') + '"' if "." in part or '"' in part else part


def split(name: str) -> tuple[str, str]:
    """Return the schema ("": the usual one) and the own name of what goes by a name in words."""
    if found := _TOLD.fullmatch(name):
        return _bare(found["schema"] or ""), _bare(found["own"])
    schema, dot, own = name.partition(".")
    return (schema, own) if dot else ("", name)


def _bare(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


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
