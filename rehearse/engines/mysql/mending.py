"""The SQL that brings a property back to what it was, where the older state's properties say all that it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rehearse.engines._differences import DECLARED
from rehearse.engines.mysql import granting
from rehearse.engines.mysql.client import named
from rehearse.model import PropertyDifference, Snapshot

Properties = Mapping[str, str]

_PART = re.compile(
    r"table (?P<table>.+?) (?P<kind>column|index|foreign key|check|trigger|counter|partitions)(?: (?P<name>.+))?"
)
_WHOLE = re.compile(r"(?P<kind>table|view|procedure|function|event|sequence) (?P<name>.+)")
_BY_COLUMN = {"default", "not null", "on update", "auto increment", "invisible", "comment", "display width", "check"}
_BY_COLUMN |= {"collation", DECLARED}
_VALUES = ("type", "character set", "generated", "compressed", "extra")  # to bring these back may change values
_OF_VIEW = {"definition", "security", "definer", "algorithm", "check option", "exists"}
_OF_SEQUENCE = {
    "increment": "INCREMENT BY {}",
    "min": "MINVALUE {}",
    "max": "MAXVALUE {}",
    "start": "START WITH {}",
    "cache": "CACHE {}",
    "value": "RESTART {}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A difference, the object's properties before and after it, and its names in SQL."""

    one: PropertyDifference
    old: Properties
    new: Properties
    is_mariadb: bool
    on: str
    name: str

    @property
    def is_lost(self) -> bool:
        """Say whether the whole object is gone."""
        return self.one.property == "exists" and self.one.after is None

    @property
    def is_new(self) -> bool:
        """Say whether the whole object was not there."""
        return self.one.property == "exists" and self.one.before is None


def mend(one: PropertyDifference, before: Snapshot, after: Snapshot, *, is_mariadb: bool) -> str | None:
    """Return the SQL that undoes the difference; None where more than one way would do, or values would be lost."""
    if one.property == "privileges":
        return granting.mend(one.object, one.before, one.after)
    old, new = before.schema.get(one.object, {}), after.schema.get(one.object, {})
    if one.object == "database":
        return _of_database(one, old)
    part, whole = _PART.fullmatch(one.object), _WHOLE.fullmatch(one.object)
    if part and f"table {part['table']}" in before.schema:
        names = {"on": named(part["table"]), "name": named(part["name"] or "")}
        way = _PARTS[part["kind"]]
    elif whole and not part:
        names = {"on": named(whole["name"]), "name": named(whole["name"])}
        way = _KINDS[whole["kind"]]
    else:
        return None
    return way(Case(one=one, old=old, new=new, is_mariadb=is_mariadb, **names))


def _of_database(one: PropertyDifference, old: Properties) -> str | None:
    if one.property in ("character set", "collation"):
        return f"ALTER DATABASE CHARACTER SET {old['character set']} COLLATE {old['collation']};"
    return f"ALTER DATABASE COMMENT {_text(one.before)};" if one.property == "comment" else None


def _text(words: str | None) -> str:
    return "'" + (words or "").replace("\\", "\\\\").replace("'", "''") + "'"


# Parts of a table


def _column(case: Case) -> str | None:
    """Return the column's whole declaration, where nothing in it would change values."""
    if case.one.property not in _BY_COLUMN or any(case.old.get(key) != case.new.get(key) for key in _VALUES):
        return None
    width = case.old.get("display width")
    kind = re.sub(r"^\w+", lambda word: f"{word[0]}({width})", case.old["type"]) if width else case.old["type"]
    declared, start = case.old[DECLARED], f"{case.name} {kind}"
    if not declared.startswith(start) or "compressed" in case.old:
        return None
    charset = f" CHARACTER SET {case.old['character set']} COLLATE {case.old['collation']}" if _is_text(case) else ""
    return f"ALTER TABLE {case.on} MODIFY {start}{charset}{declared.removeprefix(start)};"


def _is_text(case: Case) -> bool:
    return "character set" in case.old


def _index(case: Case) -> str | None:
    alter = f"ALTER TABLE {case.on}"
    drop = "DROP PRIMARY KEY" if case.name == "`PRIMARY`" else f"DROP KEY {case.name}"
    if case.is_new:
        return f"{alter} {drop};"
    if "WITHOUT OVERLAPS" in case.old["definition"]:
        return None  # of which period is not told
    if case.is_lost:
        return f"{alter} ADD {_indexed(case)};"
    # MySQL keeps the parser of one that is dropped and made again by one statement.
    both = f"{drop}; {alter} ADD" if "PARSER" in case.old.get("options", "") else f"{drop}, ADD"
    ways = {
        "name": f"RENAME KEY {named(str(case.one.after).removeprefix('index '))} TO {case.name}",
        "ignored": f"ALTER INDEX {case.name} {_seen(case)}",
        "valid": f"{'DISABLE' if case.one.before else 'ENABLE'} KEYS",
    }
    return f"{alter} {ways.get(case.one.property, f'{both} {_indexed(case)}')};"


def _seen(case: Case) -> str:
    hidden, seen = ("IGNORED", "NOT IGNORED") if case.is_mariadb else ("INVISIBLE", "VISIBLE")
    return hidden if case.old.get("ignored") else seen


def _indexed(case: Case) -> str:
    """Return an index as ADD needs it."""
    method, _, columns = case.old["definition"].partition(" ")
    kind = {"FULLTEXT": "FULLTEXT KEY", "SPATIAL": "SPATIAL KEY"}.get(method, "KEY")
    kind = "UNIQUE KEY" if case.old.get("unique") else kind
    named_so = "PRIMARY KEY" if case.name == "`PRIMARY`" else f"{kind} {case.name}"
    comment = f"COMMENT {_text(case.old['comment'])}" if "comment" in case.old else ""
    hidden = _seen(case) if case.old.get("ignored") else ""
    return " ".join(filter(None, [named_so, columns, case.old.get("options"), comment, hidden]))


def _foreign_key(case: Case) -> str | None:
    alter = f"ALTER TABLE {case.on}"
    is_named = not case.name.startswith("`(")
    add = f"{alter} ADD {f'CONSTRAINT {case.name} ' if is_named else ''}FOREIGN KEY {case.old.get('definition')};"
    if case.is_lost:
        return add
    if not is_named:
        return None
    gone = named(str(case.one.after).removeprefix("foreign key ")) if case.one.property == "name" else case.name
    drop = f"{alter} DROP FOREIGN KEY {gone};"
    return drop if case.is_new else f"{drop} {add}"


def _check(case: Case) -> str | None:
    alter = f"ALTER TABLE {case.on}"
    is_named = not case.name.startswith("`(")
    enforced = " NOT ENFORCED" if "enforced" in case.old else ""
    words = f"{f'CONSTRAINT {case.name} ' if is_named else ''}CHECK ({case.old.get('definition')}){enforced}"
    if case.is_lost:
        return f"{alter} ADD {words};"
    if not is_named:
        return None
    if case.one.property == "enforced":
        return f"{alter} ALTER CHECK {case.name}{enforced or ' ENFORCED'};"
    gone = named(str(case.one.after).removeprefix("check ")) if case.one.property == "name" else case.name
    drop = f"{alter} DROP CONSTRAINT {gone}"
    return f"{drop};" if case.is_new else f"{drop}, ADD {words};"


def _trigger(case: Case) -> str | None:
    return f"DROP TRIGGER {case.name};" if case.is_new else None


def _counter(case: Case) -> str | None:
    return f"ALTER TABLE {case.on} AUTO_INCREMENT = {case.one.before};" if case.one.property == "value" else None


# Whole objects


def _table(case: Case) -> str | None:
    alter, what = f"ALTER TABLE {case.on}", case.one.property
    if what == "comment":
        return f"{alter} COMMENT {_text(case.one.before)};"
    if what in ("character set", "collation"):
        return f"{alter} DEFAULT CHARACTER SET {case.old['character set']} COLLATE {case.old['collation']};"
    is_other = case.old.get("engine") != case.new.get("engine")  # whose rows have a form of their own
    if what == "engine" or (what == "row format" and not is_other):
        return f"{alter} {what.upper().replace(' ', '_')} = {case.one.before};"
    return _options(case) if what == "options" else None


def _options(case: Case) -> str | None:
    """Return what sets a table's options as they were; of one that was not there its default."""
    old, new = (dict(word.partition("=")[::2] for word in (words or "").split(", ")) for words in _both(case.one))
    words = {name: old.get(name, "DEFAULT") for name in old | new if name and old.get(name) != new.get(name)}
    if any(value == "DEFAULT" and not name.startswith("stats_") for name, value in words.items()):
        return None
    return f"ALTER TABLE {case.on} {' '.join(f'{name.upper()} = {value}' for name, value in words.items())};"


def _both(one: PropertyDifference) -> tuple[str | None, str | None]:
    return one.before, one.after


def _view(case: Case) -> str | None:
    if case.is_new:
        return f"DROP VIEW {case.name};"
    if case.one.property not in _OF_VIEW:
        return None
    user, _, host = case.old.get("definer", "").rpartition("@")
    words = [
        f"ALGORITHM = {case.old.get('algorithm', 'UNDEFINED')}",
        f"DEFINER = {named(user)}@{named(host)}" if user else "",
        f"SQL SECURITY {case.old['security']} VIEW {case.name} AS {case.old['definition']}",
        f"WITH {case.old['check option']} CHECK OPTION" if "check option" in case.old else "",
    ]
    return f"CREATE OR REPLACE {' '.join(filter(None, words))};"


def _routine(case: Case) -> str | None:
    kind = case.one.object.partition(" ")[0].upper()
    if case.is_new:
        return f"DROP {kind} {case.name};"
    ways = {
        "comment": f"COMMENT {_text(case.one.before)}",
        "security": f"SQL SECURITY {case.one.before}",
        "access": str(case.one.before),
    }
    return f"ALTER {kind} {case.name} {ways[case.one.property]};" if case.one.property in ways else None


def _event(case: Case) -> str | None:
    if case.is_new:
        return f"DROP EVENT {case.name};"
    ways = {
        "comment": f"COMMENT {_text(case.one.before)}",
        "status": str(case.one.before).removesuffix("D"),
        "on completion": f"ON COMPLETION {case.one.before}",
    }
    is_known = case.one.property in ways and case.one.before in (
        None,
        "ENABLED",
        "DISABLED",
        "PRESERVE",
        "NOT PRESERVE",
    )
    is_known = is_known or case.one.property == "comment"
    is_ours = "definer" not in case.old  # else ALTER would make whoever runs it the definer
    return f"ALTER EVENT {case.name} {ways[case.one.property]};" if is_known and is_ours else None


def _sequence(case: Case) -> str | None:
    if case.is_new:
        return f"DROP SEQUENCE {case.name};"
    if case.one.property == "cycle":
        return f"ALTER SEQUENCE {case.name} {'CYCLE' if case.one.before else 'NOCYCLE'};"
    words = _OF_SEQUENCE.get(case.one.property)
    return f"ALTER SEQUENCE {case.name} {words.format(case.one.before)};" if words and case.one.before else None


_PARTS: Mapping[str, Callable[[Case], str | None]] = {
    "column": _column,
    "index": _index,
    "foreign key": _foreign_key,
    "check": _check,
    "trigger": _trigger,
    "counter": _counter,
    "partitions": lambda _: None,
}
_KINDS: Mapping[str, Callable[[Case], str | None]] = {
    "table": _table,
    "view": _view,
    "procedure": _routine,
    "function": _routine,
    "event": _event,
    "sequence": _sequence,
}
