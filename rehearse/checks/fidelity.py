"""F…: whether back means back, and again means again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rehearse.checks._check import check, demand_compared, named, phase, rows, shown, went_back
from rehearse.errors import NotMeasured
from rehearse.measures import fidelity
from rehearse.measures.behaviour import Behaviour, behaviour
from rehearse.measures.irreversible import Irreversible, irreversible, taker
from rehearse.model import (
    ColumnDifference,
    Comparison,
    Finding,
    PropertyDifference,
    Recording,
    Rule,
    TableComparison,
)
from rehearse.units import counted

_LEFT_OVER = (
    "Let the way back delete the rows that the way forward made (by a key that tells them apart), or accept them: "
    "--budget fidelity=0.99, or fidelity in [budget], allows so small a share."
)
_FILLED = (
    "These values were NULL and stay filled: who had none is not known any more. If they may stay, say so: "
    "[[migration.effects]] with table, column and back = false; else let the way back set them to NULL again (in the "
    "rows that the way forward filled), or allow the share: --budget fidelity=0.99."
)
_OVERWRITTEN = (
    "Keep the values that the way forward overwrites (in a column or a table of their own), and let the way back copy "
    "them back; where the old ones need not come back, allow the share: --budget fidelity=0.99."
)


def _asked(recording: Recording) -> bool:
    return recording.scenario.budget.fidelity is not None and recording.scenario.migration.back is not False


def _back(recording: Recording) -> Comparison:
    went_back(recording)
    found = fidelity.went_back(recording)
    if found is None:
        raise NotMeasured("the state after the way back was not compared with the start")
    return found


def _strict(recording: Recording) -> bool:
    """Say whether every single loss breaks the budget, the usual case of fidelity = 1.0."""
    return (recording.scenario.budget.fidelity or 0) >= 1


def _say(one: PropertyDifference) -> str:
    if one.after is None:
        return f"{one.object}: {one.property} is lost (it was {one.before})"
    if one.before is None:
        return f"{one.object}: {one.property} is left over ({one.after})"
    return f"{one.object}: {one.property} was {one.before} and is {one.after}"


Place = tuple[str | None, str | None]  # object and property, or table and column


def _takers(recording: Recording) -> dict[Place, str]:
    """Return by which statement each thing was taken that did not come back, as words to stand behind a finding's."""
    found = irreversible(recording) or ()
    return {_place(one): f"; taken by {taker(one)}" for one in found}


def _place(one: Irreversible) -> Place:
    return (one.table, one.column) if one.object is None else (one.object, one.property)


def _schema_findings(
    differences: Iterable[PropertyDifference], rule: Rule, phase_name: str, takers: Mapping[Place, str]
) -> Iterator[Finding]:
    for one in differences:
        taken = takers.get((one.object, one.property), "")
        mended = f"; in SQL: {one.mend}" if one.mend and phase_name == "back" else ""
        says = _say(one) + taken + mended
        yield Finding(code=rule.code, phase=phase_name, where=one.object, says=says, remedy=rule.remedy)


@check(
    Rule(
        code="F001",
        name="schema not restored",
        asks="Is every property of the schema after the way back what it was at the start?",
        harm="The old application runs on a schema it was never tested with: a default, an index or a right is gone.",
        remedy="Put into the down-migration whatever the finding names: defaults, indexes, rights and comments are "
        "dropped with their column or table and do not come back by themselves.",
    ),
    asked=_asked,
)
def schema_restored(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each property that is lost, left over or another."""
    comparison = _back(recording)
    if not _within(recording, "schema"):
        yield from _schema_findings(comparison.schema, rule, "back", _takers(recording))


@check(
    Rule(
        code="F002",
        name="data not restored",
        asks="Is every row and value after the way back what it was at the start, or what the application wrote since?",
        harm="Rolling back destroys data; the backup is older than the orders.",
        remedy="Keep what the way forward would drop (rename the column or move the values to another table, drop a "
        "release later), and let the way back copy it back.",
    ),
    asked=_asked,
)
def data_restored(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each table and column with losses."""
    comparison = _back(recording)
    if _within(recording, "data"):
        return
    takers = _takers(recording)
    for table in comparison.tables:
        for says, remedy in _losses(table, takers):
            yield Finding(code=rule.code, phase="back", where=table.table, says=says, remedy=remedy or rule.remedy)
    demand_compared(comparison.tables)


def _losses(table: TableComparison, takers: Mapping[Place, str]) -> Iterator[tuple[str, str | None]]:
    """Yield what is lost, and its remedy; None: the rule's own."""
    taken = takers.get((table.table, None), "")
    if table.rows_before and table.rows_after is None:
        yield f"{rows(table.rows_before, table.table)} lost with the table{taken}", None
    if table.rows_missing:
        yield f"{rows(table.rows_missing, table.table)} lost{named(table.examples_missing)}{taken}", None
    for name, count in table.values_gone.items():
        if count:
            are, by = "is" if count == 1 else "are", takers.get((table.table, name), "")
            yield f"{counted(count, 'value')} of {table.table}.{name} {are} lost with the column{by}", None
    if table.rows_unexpected:
        yield f"{rows(table.rows_unexpected, table.table)} left over{named(table.examples_unexpected)}", _LEFT_OVER
    for column in table.columns:
        if column.values_changed:
            lost = f", {column.values_lost:,} of them lost" if column.values_lost else ""
            filled = f", {column.values_filled:,} of them were NULL" if column.values_filled else ""
            what = f"{counted(column.values_changed, 'value')} of {table.table}.{column.column} did not come back"
            by = takers.get((table.table, column.column), "")
            yield f"{what}{lost}{filled}{shown(column)}{by}", _remedy(column)


def _remedy(column: ColumnDifference) -> str | None:
    if column.values_filled == column.values_changed:
        return _FILLED
    return None if column.values_lost else _OVERWRITTEN


@check(
    Rule(
        code="F003",
        name="again differs",
        asks="Is the schema after the second way forward what it was after the first?",
        harm="Environments that were rolled back once are no longer like the others.",
        remedy="Let the way back remove just what the way forward makes; avoid IF NOT EXISTS, which hides leftovers.",
    ),
    asked=_asked,
)
def again_is_the_same(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield what differs between the first and the second way forward."""
    went_back(recording)
    again = phase(recording, "again")
    if again is None or again.error:
        raise NotMeasured("the second way forward did not run to its end")
    comparison = fidelity.went_again(recording)
    if comparison is None:
        raise NotMeasured("the two ways forward were not compared")
    yield from _schema_findings(comparison.schema, rule, "again", {})
    for table in comparison.tables:
        for says, _ in _losses(table, {}):
            yield Finding(code=rule.code, phase="again", where=table.table, says=says, remedy=rule.remedy)


@check(
    Rule(
        code="F004",
        name="answers differ",
        asks="Do the application's calls return the same after the way back as at the start?",
        harm="The old application gets other results or errors than before, and nobody changed its code.",
        remedy="See what the answer is made of: a default, a collation, a view, a function or values that the way back "
        "does not restore; F001 and F002 name them where they are the schema's or the rows'.",
    ),
    asked=lambda recording: _asked(recording) and behaviour(recording) is not None,
)
def answers_are_the_same(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each call whose answers are others, or that fails where it did not."""
    found = behaviour(recording)
    if found is None:
        return
    for one in found.differences if not _within(recording, "behaviour") else ():
        if one.state == "back" and one.what != "plan" and not one.is_meant:
            example = f" (for values {one.example})" if one.example else ""
            says = f"{one.call!r} answers otherwise{example}: it was {one.before}, and is {one.after}"
            yield Finding(code=rule.code, phase="back", where=one.call, says=says, remedy=rule.remedy)
    _demand_answers(found)


def _demand_answers(found: Behaviour) -> None:
    """Raise NotMeasured where answers of a call, or of all, were not compared."""
    if found.unmeasured:
        (call, reason), *more = found.unmeasured
        others = f"; nor those of {', '.join(repr(name) for name, _ in more)}" if more else ""
        raise NotMeasured(f"the answers of {call!r} could not be compared: {reason}{others}")
    if found.fidelity is None:
        raise NotMeasured("no call's answer after the way back was compared with the start")


def _within(recording: Recording, part: str) -> bool:
    """Say whether a part's fidelity is within a budget below 1; with a budget of 1 each loss counts."""
    if _strict(recording):
        return False
    measured = getattr(fidelity.rollback(recording), f"{part}_fidelity")
    return measured is not None and measured >= (recording.scenario.budget.fidelity or 0)


CHECKS = (schema_restored, data_restored, again_is_the_same, answers_are_the_same)
