"""Whether a deed is about an object of a snapshot, such as "table orders index by_total"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from rehearse.measures.deeds import ALL, COLUMN, SCHEMA, TYPE, Deed
from rehearse.model import PropertyDifference

_PART = re.compile(
    r"(?P<whole>table|view|materialized view|foreign table|type) (?P<relation>.+?)"
    r"(?: (?P<kind>column|index|constraint|check|foreign key|unique|primary key|exclusion|trigger|policy|rule)"
    r"(?: (?P<part>.*))?)?"
)
# How the names end that the server makes up.
_LABELS = {"primary key": "pkey", "unique": "key", "foreign key": "fkey", "check": "check", "exclusion": "excl"}
_OF_DOMAIN = re.compile(r"^(domain .+?) (?:check|constraint)(?: .*)?$")
_OF_COLUMNS = {  # property -> what an ALTER COLUMN that changes it says
    "default": "DEFAULT",
    "not null": "NOT NULL",
    "identity": "IDENTITY",
    "generated": "EXPRESSION",
    "storage": "STORAGE",
    "compression": "COMPRESSION",
    "statistics target": "STATISTICS",
    "options": "SET (",
}


@lru_cache(maxsize=1024)
def _parsed(name: str) -> re.Match[str] | None:
    return _PART.fullmatch(name)


def place(name: str) -> tuple[str | None, str | None]:
    """Return the table and the column that an object in words is or belongs to."""
    found = _parsed(name)
    if found is None:
        return None, None
    return found["relation"], (found["part"] or "").removesuffix(" sequence") if found["kind"] == "column" else None


def is_about(deed: Deed, one: PropertyDifference, at_start: Mapping[str, str]) -> bool:
    """Say whether a deed may have changed a property of an object, whose properties at the start are given."""
    found = _parsed(one.object)
    if found is None or found["whole"] == "type":
        return _is_other(deed, one.object if found is None else f"type {found['relation']}")
    relation, kind, part = found["relation"], found["kind"], found["part"] or ""
    if relation in deed.tables and (deed.takes == ALL or (deed.does.startswith("DROP") and _is_whole(deed))):
        return True
    if kind is None:
        return relation in deed.tables and _is_whole(deed) and _is_of_kind(deed.does, one.property)
    if kind == "column":
        return _is_column(deed, one, relation, part, at_start)
    return _is_part(deed, one, found, at_start)


def _is_whole(deed: Deed) -> bool:
    """Say whether a deed changes the schema of its table as a whole, and no part of it."""
    return deed.takes == SCHEMA and not deed.columns and deed.name is None


def _is_other(deed: Deed, words: str) -> bool:
    """Say whether a deed names an object such as "function s.twice(n integer)"."""
    if deed.takes != SCHEMA or deed.name is None or deed.tables:
        return False
    if deed.kind == "default privileges":
        return words.startswith(deed.kind)
    words = _OF_DOMAIN.sub(r"\1", words)
    kinds = ("function", "procedure", "aggregate") if deed.kind == "routine" else (deed.kind,)
    return words.startswith(kinds) and words.partition("(")[0].split(" ")[-1].rpartition(".")[2] == deed.name


def _is_column(deed: Deed, one: PropertyDifference, relation: str, part: str, at_start: Mapping[str, str]) -> bool:
    column = part.removesuffix(" sequence")
    if column != part and deed.kind == "sequence":
        return deed.name == at_start.get("name") or _is_made_up(deed.name or "", relation, column, "seq")
    if relation not in deed.tables or (deed.takes == SCHEMA and not _is_of_kind(deed.does, one.property)):
        return False
    if _is_whole(deed):
        return one.property in ("privileges", "inherited")
    return deed.takes in (COLUMN, TYPE, SCHEMA) and column in deed.columns


def _is_part(deed: Deed, one: PropertyDifference, found: re.Match[str], at_start: Mapping[str, str]) -> bool:
    """Say whether a deed is about an index, a constraint, a trigger, a policy or a rule."""
    relation, kind, part = found["relation"], found["kind"], found["part"] or ""
    if deed.name is not None and (relation in deed.tables or not deed.tables):
        if deed.does == "RENAME CONSTRAINT" and one.property != "name":
            return False
        columns = part[part.find("(") + 1 : part.rfind(")")] if "(" in part else ""
        label = _LABELS.get(kind) or ("idx" if part.startswith("(") else None)
        is_named = deed.name in (part.removesuffix(" index"), at_start.get("attached to"))
        return is_named or (label is not None and _is_made_up(deed.name, relation, columns, label))
    if relation not in deed.tables:
        return False
    if _is_whole(deed):
        return one.property in ("clustered", "inherited") and deed.does == "ALTER TABLE"
    return deed.takes == COLUMN and bool(deed.columns & set(re.findall(r"\w+", f"{part} {one.before}")))


def _is_of_kind(does: str, name: str) -> bool:
    """Say whether a change of the schema may be one of this property."""
    if name in ("comment", "privileges"):
        return does.startswith(("COMMENT", "DROP") if name == "comment" else ("GRANT", "REVOKE", "DROP"))
    if does.startswith(("COMMENT", "GRANT", "REVOKE")):
        return False
    word = _OF_COLUMNS.get(name)
    return word is None or not does.startswith("ALTER COLUMN") or word in does


def _is_made_up(name: str, relation: str, columns: str, label: str) -> bool:
    middle = "".join(f"{re.escape(one)}_" for one in columns.split(", ") if one)
    return bool(re.fullmatch(rf"{re.escape(relation.rpartition('.')[2])}_{middle}{label}\d*", name))
