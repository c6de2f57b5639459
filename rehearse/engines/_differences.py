"""What differs between two snapshots, property by property, and how much each matters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rehearse.model import PropertyDifference, Snapshot

Objects = Mapping[str, Mapping[str, str]]

_ONLY = {
    "comment": "cosmetic",
    "comments of checks": "cosmetic",
    "name": "cosmetic",
    "statistics target": "performance",
    "storage": "performance",
    "compression": "performance",
    "options": "performance",
    "toast options": "performance",
    "clustered": "performance",
    "tablespace": "performance",
    "access method": "performance",
    "cache": "performance",
    "valid": "performance",
    "statistics": "performance",
    "column order": "behaviour",
    "dropped columns": "cosmetic",
    "toast table": "cosmetic",
    "privileges": "breaks",
    "type": "breaks",
    "kind": "breaks",
    "labels": "breaks",
    "behind": "breaks",
    "identity": "breaks",
    "generated": "breaks",
    "populated": "breaks",
    "row security": "breaks",
    "persistence": "breaks",
}
_PARTS = (" index ", " statistics ")
_RULES = (
    " constraint ",
    " check ",
    " foreign key ",
    " unique ",
    " primary key",
    " exclusion ",
    " trigger ",
    " policy ",
    " rule ",
)


def schema(before: Snapshot, after: Snapshot, *, later: bool = True) -> tuple[PropertyDifference, ...]:
    """Return what differs in meaning. Parts of an object that is gone or new are not told one by one.

    Where `after` is a later state of the same database, a sequence that has moved on is no difference.
    """
    return tuple(_differences(before.schema, after.schema, later=later))


def physical(before: Snapshot, after: Snapshot) -> tuple[PropertyDifference, ...]:
    """Return what only the disk and the planner see, for objects that both have."""
    shared = before.physical.keys() & after.physical.keys()
    found = (
        one
        for name in sorted(shared)
        for one in _properties(name, before.physical[name], after.physical[name])
        if one.property != "statistics" or _loses_statistics(one, after.physical[name])
    )
    return tuple(found)


def _loses_statistics(one: PropertyDifference, after: Mapping[str, str]) -> bool:
    """Say whether a column that is still there lost its statistics; ones that come are the autovacuum's work."""
    there = set(after.get("column order", "").split(", "))
    lost = set((one.before or "").split(", ")) - set((one.after or "").split(", "))
    return bool(lost & there)


def _differences(before: Objects, after: Objects, *, later: bool) -> Iterator[PropertyDifference]:
    renamed = dict(_renamed(before, after))
    moved = set(renamed.values())
    for name in sorted(before.keys() | after.keys()):
        if name in renamed:
            yield _difference(name, "name", _last(name), _last(renamed[name]))
        elif name in before and name in after:
            yield from _properties(name, before[name], after[name], later=later)
        elif name not in moved and not _parent_differs(name, before, after):
            yield _existence(name, before.get(name), after.get(name))


def _properties(
    name: str, before: Mapping[str, str], after: Mapping[str, str], *, later: bool = True
) -> Iterator[PropertyDifference]:
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old != new and not (later and key == "value" and _only_advanced(before, after)):
            yield _difference(name, key, old, new)


def _only_advanced(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Say whether a sequence moved on only: traffic and migrations draw from it, and nothing draws backwards."""
    if "increment" not in before or "value" not in before or "value" not in after:
        return False
    moved = int(after["value"]) - int(before["value"])
    return before.get("cycle") == "yes" or moved * int(before["increment"]) >= 0


def _renamed(before: Objects, after: Objects) -> Iterator[tuple[str, str]]:
    """Yield (old, new) of parts that differ in nothing but their names: constraints, indexes, triggers of one table."""
    come = {name for name in after.keys() - before.keys() if _is_rule(name)}
    for name in sorted(before.keys() - after.keys()):
        if _is_rule(name):
            match = next(
                (one for one in sorted(come) if _family(one) == _family(name) and _same(before[name], after[one])), None
            )
            if match is not None:
                come.discard(match)
                yield name, match


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return "definition" in one and dict(one) == dict(other)


def _is_rule(name: str) -> bool:
    return any(word in name for word in (*_PARTS, *_RULES))


def _family(name: str) -> tuple[str, str]:
    """Return the table and the kind of a part; a made-up name's kind counts as the named one's."""
    for word in (*_RULES, *_PARTS):
        if word in name:
            kind = word.strip()
            named = kind in {"index", "trigger", "policy", "rule", "statistics"}
            return name.split(word, 1)[0], kind if named else "constraint"
    return name, ""


def _last(name: str) -> str:
    owner, _ = _family(name)
    return name.removeprefix(owner).strip()


def _parent_differs(name: str, before: Objects, after: Objects) -> bool:
    """Say whether a larger object that this is a part of is itself gone or new."""
    words = name.split(" ")
    parents = (" ".join(words[:count]) for count in range(1, len(words)))
    return any((parent in before) != (parent in after) for parent in parents)


def _existence(name: str, before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> PropertyDifference:
    return PropertyDifference(
        object=name,
        property="exists",
        before=None if before is None else _summary(before),
        after=None if after is None else _summary(after),
        severity=_weight(name, before if before is not None else after or {}, is_lost=after is None),
    )


def _summary(properties: Mapping[str, str]) -> str:
    return next((properties[key] for key in ("definition", "type", "labels", "value") if key in properties), "yes")


def _weight(name: str, properties: Mapping[str, str], *, is_lost: bool) -> str:
    if " index " in name or name.endswith(" index"):
        return "behaviour" if properties.get("unique") else "performance"
    if any(word in f"{name} " for word in _RULES):
        return "behaviour"
    if name.startswith("statistics "):
        return "performance"
    return "breaks" if is_lost else "behaviour"


def _difference(name: str, key: str, before: str | None, after: str | None) -> PropertyDifference:
    return PropertyDifference(
        object=name, property=key, before=before, after=after, severity=_ONLY.get(key, "behaviour")
    )
