"""What is done to each column of a copy: by the user's rules, by its name, by what stands in it, or else masked.

A text of which nothing is known is masked. What is kept needs a reason: numbers and moments that no name calls
personal, enums, bools, a CHECK that lists the values, a table that is partitioned by them, or few values of many rows
each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rehearse.datasets.listing import listed
from rehearse.datasets.pseudonyms import Form
from rehearse.errors import ScenarioMistake, near_miss
from rehearse.profiles import Column, Structure, TableStructure, Type
from rehearse.profiles.personal import Personal, by_name

Why = Literal[
    "rule", "option", "name", "content", "default", "type", "check", "codes", "partition key", "reference", "computed"
]
Partitioning = Literal["hash", "list", "range"]
Spot = tuple[str, str]  # table and column
FEWEST_ROWS = 50  # that must share each value of a column of codes
MOST_CODES = 64

_FORMS: Mapping[Personal, Form] = {
    "email": "email",
    "phone": "phone",
    "name": "words",
    "address": "words",
    "iban": "iban",
    "card": "card",
    "ip": "ip",
    "national id": "text",
    "free text": "free text",
    "birth date": "day",
    "user name": "text",
    "url": "url",
    "secret": "text",
    "location": "place",
}
WORDS = ("keep", "null", "text", "number", "shift", "round", "mailbox", *_FORMS)
_HARMLESS = """int4range int8range numrange tsrange tstzrange daterange int4multirange int8multirange nummultirange
    tsmultirange tstzmultirange datemultirange money bit varbit oid pg_lsn""".split()  # noqa: SIM905
_SHIFT = re.compile(r"shift (\d{1,5})\s?d")
_ROUND = re.compile(r"round (\d{1,2}|month|year)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One deed. `form` for pseudonyms; `days` and `digits` for shift and round; none of them: keep or null."""

    word: str
    form: Form | None = None
    days: int | None = None
    digits: str | None = None

    @property
    def keeps(self) -> bool:
        """Whether values stay what they are."""
        return self.word == "keep"


KEEP, NULL = Rule("keep"), Rule("null")


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to a column, and why; `paths` are the rules for places in a document, by their keys with dots."""

    rule: Rule
    why: Why
    paths: Mapping[str, Rule] = field(default_factory=dict)
    value_keys: frozenset[str] = frozenset()  # the places in documents whose keys are values themselves


@dataclass(frozen=True, slots=True)
class Found:
    """What a sample of a column told. `paths` and `value_keys` are those in documents.

    `are_codes`: each value is short, there are few, and many rows have each; `may_be_codes`: as far as a sample tells,
    all of that but the last.
    """

    personal: Personal | None = None
    are_codes: bool = False
    may_be_codes: bool = False
    paths: Mapping[str, Personal] = field(default_factory=dict)
    value_keys: frozenset[str] = frozenset()


def treatments(
    structure: Structure,
    found: Mapping[Spot, Found],
    rules: Mapping[str, str],
    *,
    partitioned_by: Mapping[Spot, Partitioning] | None = None,
    shift_days: int | None = None,
) -> dict[Spot, Treatment]:
    """Return what is done to every column; raises ScenarioMistake for a rule that fits no column or not its type.

    `shift_days` moves all dates and timestamps that would be kept by up to so many days, but for those that partition.
    """
    explicit, paths = resolve(structure, rules)
    keys = {spot: how for spot, how in (partitioned_by or {}).items() if how != "hash"}
    seen = _without_numbered(structure, found)
    decided: dict[Spot, Treatment] = {}
    for table in structure.tables.values():
        for column in table.columns.values():
            spot = table.name, column.name
            if column.computed:
                decided[spot] = Treatment(KEEP, "computed")
            elif spot in explicit:
                decided[spot] = _explicit(table, column, explicit[spot])
            elif spot in keys:
                decided[spot] = _of_partition_key(table, column, seen.get(spot), keys[spot])
            else:
                decided[spot] = _shifted(column, _decided(table, column, seen.get(spot, Found())), shift_days)
            if column.type.kind == "json" and not decided[spot].rule.keeps:
                decided[spot] = _of_documents(decided[spot], seen.get(spot, Found()), paths.get(spot, {}))
    _agree(structure, decided, explicit)
    return decided


def _without_numbered(structure: Structure, found: Mapping[Spot, Found]) -> dict[Spot, Found]:
    """Return what was found, but for numbers that a sequence draws, or that point at such: they look like any."""
    columns = {(table.name, name): one for table in structure.tables.values() for name, one in table.columns.items()}
    drawn = {spot for spot, column in columns.items() if column.numbered}
    tied = {spot for group in _groups(structure) if drawn.intersection(group) for spot in group}
    tied |= {
        (table.name, key.columns[0])
        for table in structure.tables.values()
        for key in structure.undeclared(table)
        if (key.parent, key.parent_columns[0]) in drawn | tied
    }
    return {spot: Found() if spot in drawn | tied else one for spot, one in found.items()}


def _of_documents(treatment: Treatment, seen: Found, rules: Mapping[str, Rule]) -> Treatment:
    inner = {path: _form_rule(kind) for path, kind in seen.paths.items()}
    return Treatment(treatment.rule, treatment.why, inner | dict(rules), seen.value_keys)


def _of_partition_key(table: TableStructure, column: Column, seen: Found | None, how: Partitioning) -> Treatment:
    """Return that a key by which rows find their part is kept; raises where it tells of a person, or may."""
    treatment = _decided(table, column, seen or Found())
    harmless = treatment.rule.keeps or seen is None or (treatment.why == "default" and seen.may_be_codes)
    is_told = treatment.why == "name" or (treatment.why == "content" and column.type.kind == "text")
    if is_told or not (harmless or column.type.kind != "text"):
        spot = f"{table.name}.{column.name}"
        word = f"looks like {treatment.rule.word!r}" if treatment.why != "default" else "is no list of codes"
        raise ScenarioMistake(
            f"{spot}: the table is partitioned by {how} of it, so its values would be kept, and it {word}; say what is "
            f'done to it: --rules FILE with [columns] "{spot}" = "keep" if it may be told, or another rule '
            '(such as "text") if --into has parts for any value'
        )
    return Treatment(KEEP, "partition key")


def _shifted(column: Column, treatment: Treatment, days: int | None) -> Treatment:
    kind = column.type.element or column.type
    is_moment = kind.kind in ("date", "timestamp")
    return Treatment(Rule("shift", days=days), "option") if days and is_moment and treatment.rule.keeps else treatment


def parse(text: str, where: str) -> Rule:
    """Return the rule that a text such as "email", "keep", "shift 30d" or "round 2" asks for."""
    if found := _SHIFT.fullmatch(text):
        return Rule("shift", days=int(found[1]))
    if found := _ROUND.fullmatch(text):
        return Rule("round", digits=found[1])
    if text in ("keep", "null"):
        return Rule(text)
    if text in ("text", "number", "mailbox"):
        return Rule(text, form=text)  # type: ignore[arg-type]
    if text in _FORMS:
        return Rule(text, form=_FORMS[text])  # type: ignore[index]
    raise ScenarioMistake(
        f"{where} = {text!r}: no such rule{near_miss(text, WORDS)}; write for example email, keep, null, "
        "'shift 30d', 'round 2' or 'round month'"
    )


def resolve(structure: Structure, rules: Mapping[str, str]) -> tuple[dict[Spot, Rule], dict[Spot, dict[str, Rule]]]:
    """Return the rules by column, and those for places in documents; raises ScenarioMistake for what is not there."""
    columns: dict[Spot, Rule] = {}
    paths: dict[Spot, dict[str, Rule]] = {}
    for name, text in rules.items():
        table, column, path = _resolved(structure, name)
        rule = parse(text, f"rules: columns.{name!r}")
        if not path:
            columns[table, column] = rule
        elif structure.tables[table].columns[column].type.kind == "json":
            paths.setdefault((table, column), {})[path] = rule
        else:
            raise ScenarioMistake(f"rules: columns.{name!r}: {table}.{column} holds no documents, so has no {path!r}")
    return columns, paths


def _resolved(structure: Structure, name: str) -> tuple[str, str, str]:
    """Return table, column and path of `customers.email`, `audit.log.entry` or `customers.profile.address.street`."""
    words = name.split(".")
    tables = [".".join(words[:count]) for count in range(len(words) - 1, 0, -1)]
    table = next((one for one in tables if one in structure.tables), None)
    if table is None:
        raise ScenarioMistake(
            f"rules: columns.{name!r}: there is no such table"
            f"{near_miss(tables[-1] if tables else name, structure.tables)}; write 'table.column'"
        )
    rest = words[table.count(".") + 1 :]
    columns = structure.tables[table].columns
    if rest[0] not in columns:
        raise ScenarioMistake(
            f"rules: columns.{name!r}: {table} has no column {rest[0]!r}{near_miss(rest[0], columns)}"
        )
    return table, rest[0], ".".join(rest[1:])


def _explicit(table: TableStructure, column: Column, rule: Rule) -> Treatment:
    where = f"rules: columns.'{table.name}.{column.name}' = {rule.word!r}"
    kind = column.type.element if column.type.element else column.type
    if rule.word == "null" and not column.nullable:
        raise ScenarioMistake(f"{where}: the column is NOT NULL; write text, or another rule that gives a value")
    if rule.word == "shift" and kind.kind not in ("date", "timestamp"):
        raise ScenarioMistake(f"{where}: it is for dates and timestamps, and the column is {column.type.declared}")
    numbers = ("integer", "numeric", "float")
    fits = numbers if rule.digits and rule.digits.isdigit() else ("date", "timestamp")
    if rule.word == "round" and kind.kind not in fits:
        raise ScenarioMistake(f"{where} {rule.digits}: it does not suit {column.type.declared}")
    if rule.form is None:
        return Treatment(rule, "rule")
    form = _form(rule.form, kind)
    if form is None:
        raise ScenarioMistake(f"{where}: it does not suit {column.type.declared}; write keep or null")
    return Treatment(Rule(rule.word, form=form), "rule")


def _decided(table: TableStructure, column: Column, seen: Found) -> Treatment:
    kind = column.type.element if column.type.element else column.type
    if kind.kind in ("bool", "enum", "time", "interval") or kind.declared.partition("(")[0] in _HARMLESS:
        return Treatment(KEEP, "type")
    # Whatever its name: the table takes no other values, and they are told by the schema, which is looked at.
    if kind.kind == "text" and listed(table, column.name):
        return Treatment(KEEP, "check")
    named = by_name(column.name)
    personal = named or seen.personal
    if personal is None or (kind.kind in ("date", "timestamp") and personal != "birth date"):
        return _unknown(table, column, kind, seen)
    rule = _form_rule(personal)
    form = _form(rule.form, kind) if rule.form else None
    if form is None:
        return _formless(table, column)
    if form == "free text" and any(column.name in key for key in table.keys):
        form = "text"  # which keeps different texts different
    return Treatment(Rule(rule.word, form=form), "name" if named else "content")


def _unknown(table: TableStructure, column: Column, kind: Type, seen: Found) -> Treatment:
    if kind.kind in ("integer", "numeric", "float", "date", "timestamp"):
        return Treatment(KEEP, "type")
    if kind.kind == "text" and seen.are_codes:
        return Treatment(KEEP, "codes")
    form = _form("text", kind)
    return _formless(table, column) if form is None else Treatment(Rule("text", form=form), "default")


def _formless(table: TableStructure, column: Column) -> Treatment:
    """Return what is done to a type of which no pseudonym is known."""
    if column.nullable:
        return Treatment(NULL, "default")
    raise ScenarioMistake(
        f"{table.name}.{column.name}: nothing is known of type {column.type.declared}, and the column is NOT NULL; "
        f"give it a rule: --rules FILE with [columns] '{table.name}.{column.name}' = 'keep' if it tells of nobody"
    )


def form_for(personal: Personal) -> Form:
    """Return the form of pseudonyms for a kind of personal value in a text."""
    return "text" if _FORMS[personal] == "place" else _FORMS[personal]


def _form_rule(personal: Personal) -> Rule:
    return Rule(personal, form=_FORMS[personal])


def _form(form: Form, kind: Type) -> Form | None:  # noqa: PLR0911 - one answer a type
    """Return the form of pseudonyms that a type can hold."""
    match kind.kind:
        case "text":
            return "text" if form == "place" else form
        case "integer":
            return {16: "int16", 32: "int32"}.get(kind.bits, "int64")  # type: ignore[return-value]
        case "numeric" | "float":
            return "place" if form == "place" else "number"
        case "date" | "timestamp":
            return "day"
        case "uuid" | "bytes" | "json":
            return {"uuid": "uuid", "bytes": "bytes", "json": "text"}[kind.kind]  # type: ignore[return-value]
        case "inet":
            return "ip"
    bare = kind.declared.partition("(")[0]
    return {"cidr": "ip", "macaddr": "mac", "macaddr8": "mac"}.get(bare)  # type: ignore[return-value]


def _agree(structure: Structure, decided: dict[Spot, Treatment], explicit: Mapping[Spot, Rule]) -> None:
    """Give all columns that refer to each other the same rule: what is asked for, else what masks."""
    for group in _groups(structure):
        asked = sorted(spot for spot in group if spot in explicit and explicit[spot].word != "null")
        rules = {decided[spot].rule for spot in asked}
        if len(rules) > 1:
            names = ", ".join(f"'{table}.{column}' = {decided[table, column].rule.word!r}" for table, column in asked)
            raise ScenarioMistake(f"rules: columns that refer to each other need the same rule: {names}")
        masked = [rule for spot in group if (rule := decided[spot].rule).form or rule.word == "shift"]
        if not asked and not masked:
            continue
        pinned = [spot for spot in group if decided[spot].why == "partition key" and decided[spot].rule.keeps]
        if pinned and not asked:
            _refuse_pinned(pinned[0], group, decided)
        rule = decided[asked[0]].rule if asked else KEEP if pinned else _strictest(masked)
        for spot in group:
            if decided[spot].rule != rule and decided[spot].rule.word != "null" and spot not in explicit:
                decided[spot] = Treatment(rule, "reference")


def _refuse_pinned(key: Spot, group: list[Spot], decided: Mapping[Spot, Treatment]) -> None:
    """Raise where a partition key, which is kept, refers to what tells of a person."""
    for table, column in sorted(spot for spot in group if decided[spot].why in ("name", "content")):
        raise ScenarioMistake(
            f"{key[0]}.{key[1]}: the table is partitioned by it, so its values would be kept, and it goes with "
            f"{table}.{column}, which looks like {decided[table, column].rule.word!r}; say what is done to them: "
            f'--rules FILE with [columns] "{table}.{column}" = "keep", or another rule'
        )


def _strictest(rules: list[Rule]) -> Rule:
    """Return one rule for all, of a form that keeps different values different."""
    named = sorted(
        (rule for rule in rules if rule.form not in ("text", "free text", "ip")), key=lambda rule: not rule.form
    )
    ints = sorted(
        (rule for rule in rules if rule.form and rule.form.startswith("int")), key=lambda rule: str(rule.form)
    )
    if ints:
        return ints[0]  # the narrowest holds for all
    return named[0] if named else Rule("text", form=rules[0].form if rules[0].form == "ip" else "text")


def _groups(structure: Structure) -> Iterator[list[Spot]]:
    """Yield the columns that foreign keys tie together, directly or through others."""
    root: dict[Spot, Spot] = {}

    def top(spot: Spot) -> Spot:
        while root.setdefault(spot, spot) != spot:
            spot = root[spot]
        return spot

    for table in structure.tables.values():
        for key in table.foreign_keys:
            for mine, theirs in zip(key.columns, key.parent_columns, strict=True):
                root[top((table.name, mine))] = top((key.parent, theirs))
    groups: dict[Spot, list[Spot]] = {}
    for spot in list(root):
        groups.setdefault(top(spot), []).append(spot)
    yield from groups.values()
