"""The SQL that brings a property back to what it was, where that is certain from the difference alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from rehearse.engines.postgres import granting
from rehearse.engines.postgres.sql_names import beside, qualified, quoted, routine, text
from rehearse.model import PropertyDifference

_TABLES = "table|view|materialized view|foreign table"
_COLUMN = re.compile(rf"(?P<kind>{_TABLES}) (?P<table>.+) column (?P<name>.+)")
_PART = re.compile(rf"(?P<on>{_TABLES}) (?P<table>.+) (?P<kind>constraint|index|trigger|policy|rule) (?P<name>.+)")
_RULE = re.compile(r"table (?P<table>.+?) (check|foreign key|unique|exclusion|primary key)\b(?!.*\bindex$).*")
_INSIDE = re.compile(r" (column|constraint|index|trigger|policy|rule|check|foreign key|unique|primary key|exclusion)\b")
_OPTION = re.compile(r"(?P<name>[a-z_.]+)=(?P<value>[^,]*)")
_COMMENTED = re.compile(
    r"(?P<kind>event trigger|extension|statistics|collation|conversion|publication|subscription|server|language"
    r"|foreign-data wrapper|access method|text search (configuration|dictionary|parser|template)|role|tablespace"
    r"|large object) (?P<name>.+)"
)

_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_UNCERTAIN = re.compile(r" #\d+\b| sequence$")  # one of several of that name; a column's own sequence

Way = Callable[[PropertyDifference], str | None]


def mend(one: PropertyDifference) -> str | None:
    """Return the SQL that undoes the difference; None where more than one way would do, or values would be lost."""
    if not _is_certain(one.object):
        return None
    if one.property == "privileges" or one.object.startswith("default privileges "):
        return granting.mend(one.object, one.before, one.after)
    return _of_table(one) or _of_other(one)


def _is_certain(name: str) -> bool:
    """Say whether the words of an object can be read in one way only."""
    bare = _QUOTED.sub('""', name)
    return not _UNCERTAIN.search(bare) and len(_INSIDE.findall(bare)) < 2


def _of_table(one: PropertyDifference) -> str | None:
    if found := _COLUMN.fullmatch(one.object):
        return _of_column(one, found["kind"], qualified(found["table"]), quoted(found["name"]))
    if found := _PART.fullmatch(one.object):
        return _of_part(one, found["kind"], found["table"], found["name"])
    if found := _RULE.fullmatch(one.object):
        return _rule(one, qualified(found["table"]))
    return None


def _of_other(one: PropertyDifference) -> str | None:
    if (found := _whole(one.object)) and not _INSIDE.search(one.object):
        return _of_whole(one, found["kind"], found["name"])
    if one.property == "comment" and (found := _COMMENTED.fullmatch(one.object)):
        return _commented(found["kind"], found["name"], one.before)
    return None


def _whole(name: str) -> re.Match[str] | None:
    kinds = "|".join(sorted(_WHOLE, key=len, reverse=True))
    return re.fullmatch(rf"(?P<kind>{kinds}) (?P<name>.+)", name)


def _commented(kind: str, name: str, comment: str | None) -> str:
    whole = kind in ("statistics", "collation", "conversion") or kind.startswith("text search ")
    at = name if kind == "large object" else qualified(name) if whole else quoted(name)
    return f"COMMENT ON {kind.replace('-', ' ').upper()} {at} IS {text(comment)};"


# Columns


def _of_column(one: PropertyDifference, kind: str, table: str, column: str) -> str | None:
    before = one.before
    alter = f"ALTER {kind.upper()} {table} ALTER COLUMN {column}"
    ways: dict[str, Callable[[], str | None]] = {
        "default": lambda: _default(alter, before),
        "not null": lambda: _not_null(alter, one) if kind == "table" else None,
        "statistics target": lambda: f"{alter} SET STATISTICS {-1 if before is None else before};",
        "storage": lambda: f"{alter} SET STORAGE {before};" if before else None,
        "compression": lambda: f"{alter} SET COMPRESSION {before or 'default'};",
        "options": lambda: _options(alter, one),
        "identity": lambda: _identity(alter, one),
        "comment": lambda: f"COMMENT ON COLUMN {table}.{column} IS {text(before)};",
    }
    return ways[one.property]() if one.property in ways else None


def _default(alter: str, before: str | None) -> str | None:
    if before is None:
        return f"{alter} DROP DEFAULT;"
    return None if "its own sequence" in before else f"{alter} SET DEFAULT {before};"


def _not_null(alter: str, one: PropertyDifference) -> str | None:
    if {one.before, one.after} != {None, "yes"}:  # not valid, or not inherited: by its constraint, which is not told
        return None
    return f"{alter} {'DROP' if one.before is None else 'SET'} NOT NULL;"


def _identity(alter: str, one: PropertyDifference) -> str | None:
    if one.before is None:
        return f"{alter} DROP IDENTITY;"
    return f"{alter} SET GENERATED {one.before.upper()};" if one.after else None


def _options(alter: str, one: PropertyDifference, prefix: str = "") -> str | None:
    """Return what sets the options that were and resets those that were not."""
    old, new = _read_options(one.before), _read_options(one.after)
    if old is None or new is None:
        return None
    gone = ", ".join(prefix + name for name in new if name not in old)
    back = ", ".join(f"{prefix}{name} = {text(value)}" for name, value in old.items() if new.get(name) != value)
    words = ([f"{alter} RESET ({gone});"] if gone else []) + ([f"{alter} SET ({back});"] if back else [])
    return " ".join(words) or None


def _read_options(words: str | None) -> dict[str, str] | None:
    found = [_OPTION.fullmatch(part) for part in words.split(", ")] if words else []
    read = {one["name"]: one["value"] for one in found if one}
    return read if len(read) == len(found) else None


# Constraints, indexes, triggers, policies and rules of a table


def _of_part(one: PropertyDifference, kind: str, table: str, name: str) -> str | None:
    if one.property == "exists" and kind != "policy" and "yes" in (one.before, one.after):
        return None  # a table or view of such a name: of parts their definition is told
    is_named = "(" not in name  # else the server made the name up, and it is not told
    if one.property == "exists" and one.before is not None:
        return _made_again(one, kind, table, quoted(name) if is_named else "")
    if not is_named:
        return None
    on, at = qualified(table), quoted(name)
    inside = beside(table, name)
    ways: dict[str, Callable[[], str | None]] = {
        "exists": lambda: _dropped(kind, table, name),
        "comment": lambda: (
            f"COMMENT ON {kind.upper()} {inside if kind == 'index' else f'{at} ON {on}'} IS {text(one.before)};"
        ),
        "name": lambda: _renamed(one, kind, table),
        "enabled": lambda: _fires(one, kind, on, at),
        "validated": lambda: f"ALTER TABLE {on} VALIDATE CONSTRAINT {at};" if one.before is None else None,
        "options": lambda: _options(f"ALTER INDEX {inside}", one),
        "clustered": lambda: f"ALTER TABLE {on} {f'CLUSTER ON {at}' if one.before else 'SET WITHOUT CLUSTER'};",
        "using": lambda: f"ALTER POLICY {at} ON {on} USING ({one.before});" if one.before else None,
        "with check": lambda: f"ALTER POLICY {at} ON {on} WITH CHECK ({one.before});" if one.before else None,
        "roles": lambda: _roles(one, at, on),
    }
    return ways[one.property]() if one.property in ways else None


def _dropped(kind: str, table: str, name: str) -> str:
    if kind == "index":
        return f"DROP INDEX {beside(table, name)};"
    if kind == "constraint":
        return f"ALTER TABLE {qualified(table)} DROP CONSTRAINT {quoted(name)};"
    return f"DROP {kind.upper()} {quoted(name)} ON {qualified(table)};"


def _made_again(one: PropertyDifference, kind: str, table: str, name: str) -> str | None:
    if kind == "index":  # whether it is unique is told by how grave its loss is
        words = " ".join(part for part in ("CREATE INDEX", name, "ON", qualified(table), str(one.before)) if part)
        return f"{words};" if one.severity == "performance" else None
    if kind == "trigger":  # the server says of a constraint's trigger, and of no other, when it is deferred
        of_constraint = " DEFERRABLE INITIALLY " in str(one.before)
        return f"CREATE {'CONSTRAINT ' if of_constraint else ''}TRIGGER {name} {one.before};"
    if kind == "constraint":
        return f"ALTER TABLE {qualified(table)} ADD CONSTRAINT {name} {one.before};"
    return None


def _renamed(one: PropertyDifference, kind: str, table: str) -> str | None:
    """Return what gives a part its name back, where the other was given too."""
    names = [(word or "").removeprefix(f"{kind} ") for word in (one.before, one.after)]
    if any(f"{kind} {name}" != word or "(" in name for name, word in zip(names, (one.before, one.after), strict=True)):
        return None
    old, new = names
    if kind == "index":
        return f"ALTER INDEX {beside(table, new)} RENAME TO {quoted(old)};"
    if kind == "constraint":
        return f"ALTER TABLE {qualified(table)} RENAME CONSTRAINT {quoted(new)} TO {quoted(old)};"
    return f"ALTER {kind.upper()} {quoted(new)} ON {qualified(table)} RENAME TO {quoted(old)};"


def _fires(one: PropertyDifference, kind: str, table: str, name: str) -> str:
    ways = {"no": "DISABLE", "yes": "ENABLE", "replica": "ENABLE REPLICA", "always": "ENABLE ALWAYS"}
    return f"ALTER TABLE {table} {ways[str(one.before)]} {kind.upper()} {name};"


def _roles(one: PropertyDifference, policy: str, table: str) -> str:
    roles = ("PUBLIC" if role == "(everyone)" else quoted(role) for role in str(one.before).split(", "))
    return f"ALTER POLICY {policy} ON {table} TO {', '.join(roles)};"


def _rule(one: PropertyDifference, table: str) -> str | None:
    """Return what brings a constraint back whose name the server made up."""
    if one.property != "exists" or one.before is None:
        return None
    return f"ALTER TABLE {table} ADD {one.before};"


# Whole objects


def _of_whole(one: PropertyDifference, kind: str, name: str) -> str | None:
    at = _WHOLE[kind](name)
    if one.property == "comment":
        return f"COMMENT ON {kind.upper()} {at} IS {text(one.before)};"
    if one.property == "owner" and one.before is not None:
        return f"ALTER {kind.upper()} {at} OWNER TO {quoted(one.before)};"
    if one.property == "exists" and one.before is None and kind != "table":  # whose rows would be lost
        return f"DROP {kind.upper()} {at};"
    if way := _PROPERTIES.get(kind, {}).get(one.property):
        words = way(one)
        return f"ALTER {kind.upper()} {at} {words};" if words else None
    if one.property in ("options", "toast options") and kind in ("table", "view", "materialized view"):
        return _options(f"ALTER {kind.upper()} {at}", one, "toast." if one.property == "toast options" else "")
    return None


def _either(yes: str, no: str) -> Way:
    """Return a way for a property that is there or is not."""
    return lambda one: yes if one.before else no


def _as_was(words: str, *, without: str | None = None) -> Way:
    """Return a way that says the value that was; None: `without` says that there was none, if anything does."""
    return lambda one: without if one.before is None else words.format(one.before)


def _secured(one: PropertyDifference) -> str:
    enabled = "DISABLE" if one.before in (None, "off, forced when on") else "ENABLE"
    forced = "FORCE" if one.before in ("forced", "off, forced when on") else "NO FORCE"
    return f"{enabled} ROW LEVEL SECURITY, {forced} ROW LEVEL SECURITY"


def _identified(one: PropertyDifference) -> str | None:
    if one.before is not None and one.before.startswith("index "):
        return f"REPLICA IDENTITY USING INDEX {quoted(one.before.removeprefix('index '))}"
    known = {None: "DEFAULT", "full": "FULL", "nothing": "NOTHING"}
    return f"REPLICA IDENTITY {known[one.before]}" if one.before in known else None


def _persistent(one: PropertyDifference) -> str:
    return "SET UNLOGGED" if one.before == "unlogged" else "SET LOGGED"


_WHOLE: Mapping[str, Callable[[str], str]] = {
    "table": qualified,
    "view": qualified,
    "materialized view": qualified,
    "foreign table": qualified,
    "sequence": qualified,
    "type": qualified,
    "domain": qualified,
    "schema": quoted,
    "function": routine,
    "procedure": routine,
}
_FUNCTION: Mapping[str, Way] = {
    "volatility": _as_was("{}"),
    "strict": _either("STRICT", "CALLED ON NULL INPUT"),
    "leakproof": _either("LEAKPROOF", "NOT LEAKPROOF"),
    "security definer": _either("SECURITY DEFINER", "SECURITY INVOKER"),
    "parallel": _as_was("PARALLEL {}"),
    "cost": _as_was("COST {}"),
    "rows": _as_was("ROWS {}"),
    "support": _as_was("SUPPORT {}"),
}
_PROPERTIES: Mapping[str, Mapping[str, Way]] = {
    "table": {"row security": _secured, "replica identity": _identified, "persistence": _persistent},
    "sequence": {
        "increment": _as_was("INCREMENT BY {}"),
        "min": _as_was("MINVALUE {}"),
        "max": _as_was("MAXVALUE {}"),
        "start": _as_was("START WITH {}"),
        "cache": _as_was("CACHE {}"),
        "cycle": _either("CYCLE", "NO CYCLE"),
    },
    "domain": {
        "default": _as_was("SET DEFAULT {}", without="DROP DEFAULT"),
        "not null": _either("SET NOT NULL", "DROP NOT NULL"),
    },
    "function": _FUNCTION,
    "procedure": {"security definer": _FUNCTION["security definer"]},
}
