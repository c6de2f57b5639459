"""GRANT and REVOKE that bring rights back, from the words in which a snapshot tells them."""

from __future__ import annotations

import re

from rehearse.engines.mysql.client import named

_COLUMN = re.compile(r"table (?P<table>.+) column (?P<name>.+)")
_RELATION = re.compile(r"(table|view|sequence) (?P<name>.+)")
_ROUTINE = re.compile(r"(?P<kind>procedure|function) (?P<name>.+)")
_RIGHT = re.compile(
    r"(?P<who>\S+?)(?:@(?P<host>\S+))? (?P<right>[A-Za-z ,]+?)(?: \((?P<column>.+)\))?(?P<option> with grant option)?"
)
_BETWEEN = re.compile(r", (?=\S+ [A-Za-z])")


def mend(name: str, before: str | None, after: str | None) -> str | None:
    """Return what brings an object's rights back; None where the words can be read in more ways than one."""
    old, new = _read(before), _read(after)
    place = _place(name)
    if old is None or new is None or place is None:
        return None
    on, column = place
    gone = [_words("GRANT", one, on, "TO", column) for text, one in old.items() if text not in new]
    come = [_words("REVOKE", one, on, "FROM", column) for text, one in new.items() if text not in old]
    words = come + gone
    return " ".join(f"{one};" for one in words if one) if all(words) else None


def _read(words: str | None) -> dict[str, re.Match[str]] | None:
    texts = _BETWEEN.split(words) if words else []
    found = {text: _RIGHT.fullmatch(text) for text in texts}
    read = {text: one for text, one in found.items() if one}
    return read if len(read) == len(texts) else None


def _place(name: str) -> tuple[str, str] | None:
    """Return what stands after ON, and the column; None: not certain."""
    if name == "database":
        return "*", ""
    if found := _COLUMN.fullmatch(name):
        return named(found["table"]), found["name"]
    if found := _ROUTINE.fullmatch(name):
        return f"{found['kind'].upper()} {named(found['name'])}", ""
    found = _RELATION.fullmatch(name)
    return (named(found["name"]), "") if found else None


def _words(deed: str, one: re.Match[str], on: str, to: str, column: str) -> str | None:
    if one["option"]:  # which a second statement would have to take back
        return None
    rights = [right.strip().upper() for right in one["right"].split(",")]
    of = one["column"] or column
    listed = ", ".join(f"{right} ({named(of)})" if of else right for right in rights)
    host = f"@{named(one['host'])}" if one["host"] else ""
    return f"{deed} {listed} ON {on} {to} {named(one['who'])}{host}"
