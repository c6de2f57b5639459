"""Rules that new columns were seen to follow: in words, and as the effect that declares them."""

from __future__ import annotations

import tomlkit

from rehearse import bookkeeping
from rehearse.events import RuleBroken, RuleInferred
from rehearse.model import Recording
from rehearse.reports._shape_fidelity import RuleBrokenSeen, RuleSeen
from rehearse.units import counted

_CODE = "I004"  # asks what `rule` of a declared effect demands
_SHOWN = 3
_LETTERS = 60


def rules(recording: Recording) -> list[RuleSeen]:
    """Return the rules, those that rows break first; the migration tool's own tables are left out."""
    own = bookkeeping.tables(recording)
    found = (_seen(recording, one) for one in recording.history.of(RuleInferred) if one.table not in own)
    return sorted(found, key=lambda one: not one.warns)


def _seen(recording: Recording, one: RuleInferred) -> RuleSeen:
    return RuleSeen(
        table=one.table,
        column=one.column,
        rule=one.rule,
        of_before=one.of_before,
        code=_CODE,
        warns=bool(one.broken),
        says=_says(recording, one),
        sampled=one.sampled,
        rows=one.rows,
        broken=one.broken,
        by_calls=one.by_calls,
        examples=[RuleBrokenSeen(key=row.key, found=row.found, ruled=row.ruled) for row in one.examples],
        others=list(one.others),
        effect=_effect(recording, one),
    )


def _says(recording: Recording, one: RuleInferred) -> str:
    others = f"; so does {' and '.join(one.others)}: the rows do not tell which is meant" if one.others else ""
    return f"{_equation(recording, one)} {_where(one)}{others}{_broken(one)}"


def _equation(recording: Recording, one: RuleInferred) -> str:
    name = f"{one.table}.{one.column}"
    if not one.of_before:
        return f"{name} = {one.rule} holds"
    start = recording.snapshots.get("start")
    known = start.tables[one.table].columns if start and one.table in start.tables else {}
    if one.rule.strip('"') in known:
        return f"renamed: {one.table}.{one.rule} -> {one.column}, values are equal"
    return f"{name} = {one.rule} of the start holds"


def _where(one: RuleInferred) -> str:
    if one.rows is None or one.broken is None:
        return f"in all {counted(one.sampled, 'sampled row')}; to ask all rows took too long"
    which = " that no call wrote" if one.of_before else ""
    kept = f"{one.rows - one.broken:,} of" if one.broken else "all"
    return f"in {kept} {counted(one.rows, 'row')}{which}"


def _broken(one: RuleInferred) -> str:
    if not one.broken:
        return ""
    rows = "; not in " + ", nor in ".join(map(_row, one.examples[:_SHOWN])) if one.examples else ""
    return rows + ("; calls wrote each of the rows that break it" if one.by_calls == one.broken else "")


def _row(one: RuleBroken) -> str:
    key = one.key if one.key.startswith("(") else f"key {one.key}"
    return f"{key} ({_cell(one.found)} is there, {_cell(one.ruled)} by the rule)"


def _cell(text: str | None) -> str:
    return "NULL" if text is None else repr(text if len(text) <= _LETTERS else f"{text[:_LETTERS]}…")


def _effect(recording: Recording, one: RuleInferred) -> str | None:
    """Return the block that declares the change; a new column needs it for its rule alone."""
    if one.of_before and not _is_retyped(recording, one):
        return None
    keys = {"table": one.table, "column": one.column, **({} if one.of_before else {"rule": one.rule})}
    width = max(map(len, keys))
    lines = (f"{key:<{width}} = {tomlkit.item(value).as_string()}" for key, value in keys.items())
    return "\n".join(["[[migration.effects]]", *lines])


def _is_retyped(recording: Recording, one: RuleInferred) -> bool:
    start = recording.snapshots.get("start")
    return start is not None and one.table in start.tables and one.column in start.tables[one.table].columns
