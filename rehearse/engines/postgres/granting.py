"""GRANT and REVOKE that bring rights back, from the words in which a snapshot tells them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from rehearse.engines.postgres.sql_names import qualified, quoted, routine

_KINDS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "table": ("TABLE", qualified),
    "view": ("TABLE", qualified),
    "materialized view": ("TABLE", qualified),
    "foreign table": ("TABLE", qualified),
    "sequence": ("SEQUENCE", qualified),
    "function": ("FUNCTION", routine),
    "aggregate": ("FUNCTION", routine),
    "procedure": ("PROCEDURE", routine),
    "type": ("TYPE", qualified),
    "domain": ("DOMAIN", qualified),
    "schema": ("SCHEMA", quoted),
    "language": ("LANGUAGE", quoted),
    "foreign-data wrapper": ("FOREIGN DATA WRAPPER", quoted),
    "server": ("FOREIGN SERVER", quoted),
    "large object": ("LARGE OBJECT", str),
    "tablespace": ("TABLESPACE", quoted),
    "parameter": ("PARAMETER", str),
}
_PARTS = re.compile(r" (column|constraint|index|trigger|policy|rule) ")
_COLUMN = re.compile(r"(table|view|materialized view|foreign table) (?P<table>.+) column (?P<name>.+)")
_DEFAULT = re.compile(
    r"default privileges of (?P<role>.+?)(?: in (?P<schema>.+?))?"
    r" on (?P<kind>tables|sequences|functions|types|schemas|large objects)"
)
_GRANTEE = re.compile(r"(?P<who>.+): (?P<rights>[A-Z ]+\*?(?:, [A-Z ]+\*?)*)")
_OWNER, _EVERYONE = "(owner)", "(everyone)"
_USUAL = {"functions": "(everyone): EXECUTE", "types": "(everyone): USAGE"}

Rights = Mapping[str, Mapping[str, bool]]  # by grantee: each right, and whether it may be passed on


def mend(name: str, before: str | None, after: str | None) -> str | None:
    """Return what brings an object's rights back; None where whom they belong to is not told."""
    if found := _DEFAULT.fullmatch(name):
        return _of_default(found, before, after)
    old, new = _read(before or ""), _read(after or "")
    if old is None or new is None or old.get(_OWNER) != new.get(_OWNER):
        return None
    if found := _COLUMN.fullmatch(name):
        return _all(old, new, f"ON TABLE {qualified(found['table'])}", column=f" ({quoted(found['name'])})")
    kind = next((kind for kind in sorted(_KINDS, key=len, reverse=True) if name.startswith(f"{kind} ")), None)
    if kind is None or _PARTS.search(name) or name.endswith(" sequence"):
        return None
    word, written = _KINDS[kind]
    return _all(old, new, f"ON {word} {written(name.removeprefix(f'{kind} '))}")


def _of_default(found: re.Match[str], before: str | None, after: str | None) -> str | None:
    """Return it for objects to come; where nothing is said of them, the usual rights of their kind hold."""
    usual = "" if found["schema"] else _USUAL.get(found["kind"], "")
    old, new = (_read(usual if one is None else one) for one in (before, after))
    if old is None or new is None or (before and after and old.get(_OWNER) != new.get(_OWNER)):
        return None
    schema = f" IN SCHEMA {quoted(found['schema'])}" if found["schema"] else ""
    prefix = f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(found['role'])}{schema} "
    return _all(old, new, f"ON {found['kind'].upper()}", prefix=prefix)


def _read(text: str) -> Rights | None:
    """Return rights from their words; None where a role's name makes them unclear."""
    parts = [_GRANTEE.fullmatch(part) for part in text.split("; ")] if text else []
    read = [part for part in parts if part]
    if len(read) < len(parts):
        return None
    return {
        part["who"]: {right.rstrip("*"): right.endswith("*") for right in part["rights"].split(", ")} for part in read
    }


def _all(old: Rights, new: Rights, on: str, *, column: str = "", prefix: str = "") -> str | None:
    whom = sorted((old.keys() | new.keys()) - {_OWNER})
    statements = (
        f"{prefix}{deed} {', '.join(f'{right}{column}' for right in rights)} {on} {way} {_grantee(who)}{option};"
        for who in whom
        for deed, rights, way, option in _deeds(old.get(who, {}), new.get(who, {}))
    )
    return " ".join(statements) or None


def _grantee(who: str) -> str:
    return "PUBLIC" if who == _EVERYONE else quoted(who)


def _deeds(old: Mapping[str, bool], new: Mapping[str, bool]) -> Iterator[tuple[str, list[str], str, str]]:
    """Yield (deed, rights, FROM or TO, option) that make the new rights of a grantee the old ones."""
    choices = (
        ("REVOKE", [one for one in new if one not in old], "FROM", ""),
        ("REVOKE GRANT OPTION FOR", [one for one in new if new[one] and old.get(one) is False], "FROM", ""),
        ("GRANT", [one for one in old if one not in new and not old[one]], "TO", ""),
        ("GRANT", [one for one in old if old[one] and not new.get(one)], "TO", " WITH GRANT OPTION"),
    )
    return (one for one in choices if one[1])
