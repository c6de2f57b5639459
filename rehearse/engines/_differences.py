"""What differs between two snapshots, property by property, and how much each matters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from rehearse.model import PropertyDifference, Snapshot

Objects = Mapping[str, Mapping[str, str]]

_ONLY = {
    "comment": "cosmetic",
    "comments of checks": "cosmetic",
    "name": "cosmetic",
    "not null name": "cosmetic",
    "not null comment": "cosmetic",
    "depends on extension": "cosmetic",
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
    "built": "performance",
    "kinds": "performance",
    "cost": "performance",
    "rows": "performance",
    "parallel": "performance",
    "support": "performance",
    "estimators": "performance",
    "column order": "behaviour",
    "dropped columns": "cosmetic",
    "toast table": "cosmetic",
    "privileges": "breaks",
    "security definer": "breaks",
    "type": "breaks",
    "kind": "breaks",
    "labels": "breaks",
    "attribute order": "breaks",
    "behind": "breaks",
    "identity": "breaks",
    "generated": "breaks",
    "populated": "breaks",
    "row security": "breaks",
    "persistence": "breaks",
    "superuser": "breaks",
    "bypasses row security": "breaks",
    "logs in": "breaks",
    "member of": "breaks",
    # MariaDB's and MySQL's
    "auto increment": "breaks",
    "broken": "breaks",
    "character set": "breaks",
    "definer": "breaks",
    "engine": "breaks",
    "invisible": "breaks",
    "members": "breaks",
    "parameters": "breaks",
    "returns": "breaks",
    "security": "breaks",
    "system versioning": "breaks",
    "client character set": "cosmetic",
    "display width": "cosmetic",
    "compressed": "performance",
    "engine attribute": "performance",
    "ignored": "performance",
    "row format": "performance",
    "secondary engine": "performance",
    "secondary engine attribute": "performance",
}
# What is right for a property of most objects and wrong for that of these: rights hang on them.
_WEIGHTIER = {
    ("policy", "command"): "breaks",
    ("policy", "roles"): "breaks",
    ("policy", "using"): "breaks",
    ("policy", "with check"): "breaks",
    ("view", "options"): "breaks",  # security_barrier, security_invoker, check_option
    ("view", "check option"): "breaks",
    ("history", "value"): "breaks",  # rows of a versioned table that are no more, and were kept
    ("event", "status"): "breaks",
    ("database", "character set"): "behaviour",  # of what will be made: what is there has its own
    ("table", "character set"): "behaviour",
}
# Properties that say nothing of their own where another one differs.
_FOLLOWING = {
    "collation": "character set",
    "connection collation": "client character set",
    "display width": "type",
}
DECLARED = "declared"  # a property that repeats the others in the server's own words, and what they lack
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
_FIRES = re.compile(r"(?P<when>BEFORE|AFTER|INSTEAD OF) (?P<events>.+?) ON .+? FOR EACH (?P<each>ROW|STATEMENT)\b")
_ORDER = " order"  # ends the properties that are names in an order
UNREAD = "not compared: "  # begins a content that was not read, and so differs from no other
_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_STORAGE = re.compile(rf" WITH \((?:{_QUOTED}|[^()'\"])*\)")
_TOKEN = re.compile(rf"{_QUOTED}|[()]|{_STORAGE.pattern}")


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
        if not _is_by_itself(one, after.physical[name])
    )
    return tuple(found)


def _is_by_itself(one: PropertyDifference, after: Mapping[str, str]) -> bool:
    """Say whether autovacuum could have made it: statistics that come, not those that a column or object lost."""
    if one.property == "built":
        return one.after == "yes"
    if one.property != "statistics":
        return False
    there = set(after.get("column order", "").split(", "))
    lost = set((one.before or "").split(", ")) - set((one.after or "").split(", "))
    return not lost & there


def _differences(before: Objects, after: Objects, *, later: bool) -> Iterator[PropertyDifference]:
    renamed, handed_over = dict(_renamed(before, after)), dict(_handed_over(before, after))
    moved = {*renamed.values(), *handed_over.values()}
    for name in sorted(before.keys() | after.keys()):
        if name in handed_over:
            yield from _of_sequence(name, before[name], after[handed_over[name]], later=later)
        elif name in renamed:
            one = _difference(name, "name", _last(name), _last(renamed[name]))
            yield replace(one, severity="behaviour") if _takes_another_turn(name, before, after, renamed) else one
        elif name in before and name in after:
            yield from _properties(name, before[name], after[name], later=later)
        elif name not in moved and not _parent_differs(name, before, after) and not _follows(name, before, after):
            yield _existence(name, before.get(name), after.get(name))


def _properties(
    name: str, before: Mapping[str, str], after: Mapping[str, str], *, later: bool = True
) -> Iterator[PropertyDifference]:
    if before == after:
        return
    keys = sorted(before.keys() | after.keys())
    if before.get("belongs to") != after.get("belongs to"):
        keys = ["belongs to"]  # of an extension's objects nothing else is told
    if before.get("enforced") != after.get("enforced"):
        keys = [key for key in keys if key != "validated"]  # what is not enforced is never valid
    if any(before.get(one) != after.get(one) for one in ("definition", "populated")):
        keys = [key for key in keys if key != "content"]  # which follows
    differing = {key for key in keys if before.get(key) != after.get(key)}
    for key in keys:
        if _follows_another(key, before, after, differing):
            continue
        old, new = before.get(key), after.get(key)
        if (
            old != new
            and not (later and key == "value" and _only_advanced(before, after))
            and not _alike(name, key, old, new)
        ):
            yield _difference(name, key, old, new, before)


def _follows_another(key: str, before: Mapping[str, str], after: Mapping[str, str], differing: set[str]) -> bool:
    if key == DECLARED:
        return differing != {DECLARED}
    if key == "character set" and None in (before.get(key), after.get(key)):
        return "type" in differing  # of which only texts have one
    return _FOLLOWING.get(key) in differing


def _alike(name: str, key: str, old: str | None, new: str | None) -> bool:
    """Say whether two texts differ only in what is told elsewhere: columns that come and go, options of an index."""
    if key.endswith(_ORDER):
        one, other = (old or "").split(", "), (new or "").split(", ")
        return [word for word in one if word in set(other)] == [word for word in other if word in set(one)]
    if old is None or new is None:
        return False
    if key.startswith("content"):
        return any(one.startswith(UNREAD) for one in (old, new))
    return key == "definition" and _family(name)[1] in ("index", "constraint") and _bare(old) == _bare(new)


def _bare(definition: str) -> str:
    """Return a definition without its WITH (…), which stands outside of all brackets and quotes."""
    depth = 0
    for token in _TOKEN.finditer(definition):
        if depth == 0 and _STORAGE.fullmatch(token[0]):
            return definition[: token.start()] + definition[token.end() :]
        depth += token[0].count("(") - token[0].count(")") if token[0] in "()" else 0
    return definition


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


def _takes_another_turn(name: str, before: Objects, after: Objects, renamed: Mapping[str, str]) -> bool:
    """Say whether a trigger of another name fires before another that it fired after, or after one that it was before.

    Triggers fire in the order of their names.
    """
    table, kind = _family(name)
    if kind != "trigger":
        return False
    others = (one for one in before if one.startswith(f"{table} trigger ") and one != name)
    pairs = ((one, renamed.get(one, one)) for one in others if _fire_together(before[name], before[one]))
    return any(new in after and (name < old) != (renamed[name] < new) for old, new in pairs)


def _fire_together(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    first, second = (_FIRES.match(trigger.get("definition", "")) for trigger in (one, other))
    if first is None or second is None or (first["when"], first["each"]) != (second["when"], second["each"]):
        return False
    events = [{event.split(" ")[0] for event in found["events"].split(" OR ")} for found in (first, second)]
    return bool(events[0] & events[1])


def _handed_over(before: Objects, after: Objects) -> Iterator[tuple[str, str]]:
    """Yield (old, new) of sequences that have another owner column, and so go by another name in words."""
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    there = {_name_of_sequence(name, after[name]): name for name in come}
    for name in gone:
        own = _name_of_sequence(name, before[name])
        if own is not None and own in there:
            yield name, there[own]


def _name_of_sequence(name: str, properties: Mapping[str, str]) -> str | None:
    """Return what a sequence is called in SQL; None: something else, or a sequence whose name was made up."""
    if name.startswith("sequence "):
        return name.removeprefix("sequence ")
    return properties.get("name") if name.endswith(" sequence") else None


def _of_sequence(
    name: str, before: Mapping[str, str], after: Mapping[str, str], *, later: bool
) -> Iterator[PropertyDifference]:
    return (one for one in _properties(name, before, after, later=later) if one.property != "name")


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return bool(one) and dict(one) == dict(other)


def _is_rule(name: str) -> bool:
    return any(word in f" {name} " for word in (*_PARTS, *_RULES))


def _family(name: str) -> tuple[str, str]:
    """Return the table and the kind of a part; a made-up name's kind counts as the named one's."""
    padded = f" {name} "
    if name.endswith(" index"):
        return name, "index"
    for word in (*_RULES, *_PARTS):
        if word in padded:
            kind = word.strip()
            named = kind in {"index", "trigger", "policy", "rule", "statistics"}
            return padded.split(word, 1)[0].strip(), kind if named else "constraint"
    return name, ""


def _last(name: str) -> str:
    owner, _ = _family(name)
    return name.removeprefix(owner).strip()


def _parent_differs(name: str, before: Objects, after: Objects) -> bool:
    """Say whether a larger object that this is a part of is itself gone or new, or became an extension's."""
    words = name.split(" ")
    parents = (" ".join(words[:count]) for count in range(1, len(words)))
    return any(_is_told(parent, before) != _is_told(parent, after) for parent in parents)


def _is_told(name: str, objects: Objects) -> bool:
    """Say whether an object is there with its parts; those of an extension's objects are not told."""
    return "belongs to" not in objects.get(name, {"belongs to": ""})


def _follows(name: str, before: Objects, after: Objects) -> bool:
    """Say whether an object came or went with another that is told: extension, table of statistics, operator class."""
    properties = before.get(name) or after.get(name) or {}
    if extension := properties.get("belongs to"):
        one, other = before.get(extension, {}), after.get(extension, {})
        return any(one.get(key) != other.get(key) for key in ("version", "schema"))
    others = {"operator class" + name.removeprefix("operator family")} if name.startswith("operator family ") else set()
    if name.startswith("statistics "):
        others = {f"table {properties.get('table')}"}
    return any((other in before) != (other in after) for other in others)


def _existence(name: str, before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> PropertyDifference:
    return PropertyDifference(
        object=name,
        property="exists",
        before=None if before is None else _summary(before),
        after=None if after is None else _summary(after),
        severity=_weight(name, before if before is not None else after or {}, is_lost=after is None),
    )


def _summary(properties: Mapping[str, str]) -> str:
    told = ("definition", "type", "labels", "value", "privileges")
    found = next((properties[key] for key in told if key in properties), "yes")
    unchecked = " NOT ENFORCED" if "enforced" in properties else " NOT VALID" if "validated" in properties else ""
    return found + unchecked


def _weight(name: str, properties: Mapping[str, str], *, is_lost: bool) -> str:
    if " index " in name or name.endswith(" index"):
        return "behaviour" if properties.get("unique") else "performance"
    if " policy " in name or name.startswith(("default privileges ", "system ", "parameter ")):
        return "breaks"  # rights are wider or narrower
    if any(word in f"{name} " for word in _RULES) or name.endswith((" partitions", " counter")):
        return "behaviour"
    if name.startswith("statistics "):
        return "performance"
    return "breaks" if is_lost else "behaviour"


def _difference(
    name: str, key: str, before: str | None, after: str | None, properties: Mapping[str, str] | None = None
) -> PropertyDifference:
    severity = _WEIGHTIER.get((_kind(name), key)) or _ONLY.get(key, "behaviour")
    if key == "definition" and _family(name)[1] in ("index", "statistics"):
        severity = _weight(name, properties or {}, is_lost=False)
    return PropertyDifference(object=name, property=key, before=before, after=after, severity=severity)


def _kind(name: str) -> str:
    """Return the kind of the object that a property is one of, as far as its weight hangs on it."""
    if name.endswith(" history"):
        return "history"
    return _family(name)[1] or ("column" if " column " in name else name.partition(" ")[0])
