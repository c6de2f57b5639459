"""The SQL that brings a property back to what it was, where that is certain from the difference alone."""

from __future__ import annotations

import re
from collections.abc import Callable

from rehearse.model import PropertyDifference

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_COLUMN = re.compile(r"(?P<kind>table|view) (?P<table>.+) column (?P<name>.+)")
_PART = re.compile(r"table (?P<table>.+) (?P<kind>constraint|index|trigger) (?P<name>.+)")
_RULE = re.compile(r"table (?P<table>.+?) (check|foreign key|unique|exclusion|primary key)\b(?!.*\bindex$).*")
_WHOLE = re.compile(r"(?P<kind>table|view|materialized view|sequence|function|type|schema|domain) (?P<name>.+)")
_INSIDE = re.compile(r" (column|constraint|index|trigger|policy|rule|check|foreign key|unique|primary key|exclusion)\b")


def mend(one: PropertyDifference) -> str | None:
    """Return a statement that undoes the difference; None where more than one would do, or values would be lost."""
    if found := _COLUMN.fullmatch(one.object):
        return _of_column(one, found["kind"], _name(found["table"]), quoted(found["name"]))
    if found := _PART.fullmatch(one.object):
        return _of_part(one, found["kind"], found["table"], found["name"])
    if found := _RULE.fullmatch(one.object):
        return _rule(one, _name(found["table"]))
    if (found := _WHOLE.fullmatch(one.object)) and not _INSIDE.search(one.object):
        return _of_whole(one, found["kind"], found["name"])
    return None


def quoted(name: str) -> str:
    """Return an identifier as SQL has it."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _name(name: str) -> str:
    """Return a table's name with its schema, which is told where it is not the usual one."""
    schema, dot, table = name.partition(".")
    return f"{quoted(schema)}.{quoted(table)}" if dot else quoted(name)


def _text(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def _of_column(one: PropertyDifference, kind: str, table: str, column: str) -> str | None:
    before = one.before
    alter = f"ALTER {kind.upper()} {table} ALTER COLUMN {column}"
    ways: dict[str, Callable[[], str | None]] = {
        "default": lambda: f"{alter} DROP DEFAULT;" if before is None else f"{alter} SET DEFAULT {before};",
        "not null": lambda: f"{alter} {'DROP' if before is None else 'SET'} NOT NULL;" if kind == "table" else None,
        "statistics target": lambda: f"{alter} SET STATISTICS {-1 if before is None else before};",
        "storage": lambda: f"{alter} SET STORAGE {before};" if before else None,
        "comment": lambda: f"COMMENT ON COLUMN {table}.{column} IS {_text(before)};",
        "exists": lambda: f"ALTER TABLE {table} DROP COLUMN {column};" if before is None and kind == "table" else None,
    }
    return ways[one.property]() if one.property in ways else None


def _of_part(one: PropertyDifference, kind: str, table: str, name: str) -> str | None:
    is_named = "(" not in name  # else the server made the name up, and it is not told
    if one.property == "comment" and is_named:
        on = _in_schema(table, name) if kind == "index" else f"{quoted(name)} ON {_name(table)}"
        return f"COMMENT ON {kind.upper()} {on} IS {_text(one.before)};"
    if one.property != "exists":
        return None
    if one.before is not None:
        return _made_again(one, kind, table, quoted(name) if is_named else "")
    return _dropped(kind, table, name) if is_named else None


def _dropped(kind: str, table: str, name: str) -> str:
    return {
        "index": f"DROP INDEX {_in_schema(table, name)};",
        "constraint": f"ALTER TABLE {_name(table)} DROP CONSTRAINT {quoted(name)};",
        "trigger": f"DROP TRIGGER {quoted(name)} ON {_name(table)};",
    }[kind]


def _made_again(one: PropertyDifference, kind: str, table: str, name: str) -> str | None:
    if kind == "index":  # whether it is unique is told by how grave its loss is
        words = " ".join(part for part in ("CREATE INDEX", name, "ON", _name(table), str(one.before)) if part)
        return f"{words};" if one.severity == "performance" else None
    if kind == "trigger":
        return f"CREATE TRIGGER {name} {one.before};"
    return f"ALTER TABLE {_name(table)} ADD CONSTRAINT {name} {one.before};"


def _rule(one: PropertyDifference, table: str) -> str | None:
    """Return what brings a constraint back whose name the server made up."""
    if one.property != "exists" or one.before is None:
        return None
    return f"ALTER TABLE {table} ADD {one.before};"


def _of_whole(one: PropertyDifference, kind: str, name: str) -> str | None:
    at = name if kind == "function" else _name(name)
    if one.property == "comment":
        return f"COMMENT ON {kind.upper()} {at} IS {_text(one.before)};"
    if one.property == "owner" and one.before is not None:
        return f"ALTER {kind.upper()} {at} OWNER TO {quoted(one.before)};"
    if one.property == "row security" and kind == "table":
        return f"ALTER TABLE {at} {'ENABLE' if one.before else 'DISABLE'} ROW LEVEL SECURITY;"
    if one.property == "exists" and one.before is None:
        return f"DROP {kind.upper()} {at};"
    return None


def _in_schema(table: str, name: str) -> str:
    """Return the name of what lies in its table's schema."""
    schema, dot, _ = table.partition(".")
    return f"{quoted(schema)}.{quoted(name)}" if dot else quoted(name)
