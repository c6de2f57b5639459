"""I…: what differs from what should be, the migration's declared effect and the traffic's writes taken out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rehearse import bookkeeping
from rehearse.checks._check import cell, check, demand_compared, named, phase, rows, shown
from rehearse.errors import NotMeasured
from rehearse.events import AssertionTried
from rehearse.measures.fidelity import since_start
from rehearse.model import ColumnDifference, Comparison, Finding, Recording, Rule, TableComparison
from rehearse.units import counted

_DECLARE = (
    "These writes set NULL, and the migration filled it, as it fills the NULLs that were there. If that is meant, "
    "declare the effect: [[migration.effects]] with table and column; else let the backfill leave alone what is "
    "written meanwhile (by a time stamp of the row, or a trigger that marks it)."
)


def _comparisons(recording: Recording) -> list[Comparison]:
    """Return the comparisons with the start; raise NotMeasured where the migration ran and there is none."""
    found = since_start(recording)
    if not found:
        raise NotMeasured("the data was not compared: " + _why_not(recording))
    return found


def _why_not(recording: Recording) -> str:
    forward = phase(recording, "forward")
    return "the migration did not run" if forward is None else "no snapshot after it"


def _writes(recording: Recording, rule: Rule, kind: str) -> Iterator[Finding]:
    allowed = (recording.scenario.budget.lost_writes or 0) if kind == "lost" else 0
    for comparison in _comparisons(recording):
        for table in comparison.tables:
            count = table.lost_writes if kind == "lost" else table.phantom_writes
            if count > allowed:
                yield _wrong_writes(rule, comparison.after, table, kind=kind, allowed=allowed)


def _wrong_writes(rule: Rule, phase: str, table: TableComparison, *, kind: str, allowed: int) -> Finding:
    count = table.lost_writes if kind == "lost" else table.phantom_writes
    verb = "is" if count == 1 else "are"
    word = f"acknowledged and {verb} not there" if kind == "lost" else f"refused and {verb} there all the same"
    return Finding(
        code=rule.code,
        phase=phase,
        where=table.table,
        says=f"{_writes_to(table.table, count)} {word}{_example(table, kind)}",
        remedy=_DECLARE if kind == "lost" and count == _nulls_filled(table) else rule.remedy,
        measured=float(count),
        allowed=float(allowed),
    )


def _nulls_filled(table: TableComparison) -> int:
    return sum(one.writes for one in table.nulls_filled)


def _writes_to(table: str, count: int) -> str:
    return f"1 write to {table} was" if count == 1 else f"{count:,} writes to {table} were"


def _example(table: TableComparison, kind: str) -> str:
    first = next((one for one in table.wrong_writes if one.kind == kind), None)
    if first is None:
        return ""
    what = f"{first.column} = {cell(first.written)} was written, {cell(first.found)} is there"
    what = what if first.column else "the row"
    return f"; for example key {first.key}: {what}" + (f" (call {first.call!r})" if first.call else "")


@check(
    Rule(
        code="I001",
        name="lost writes",
        asks="Is a write that the application was told is done missing or overwritten afterwards?",
        harm="Customers' orders are gone, and nobody was told.",
        remedy="Let a backfill touch only rows and columns that nobody writes meanwhile, compute from the row as it is "
        "in the same statement, and keep both forms in step by trigger or dual write until the switch.",
    ),
    asked=lambda recording: recording.scenario.budget.lost_writes is not None,
)
def lost_writes(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each table that lost acknowledged writes."""
    yield from _writes(recording, rule, "lost")
    untold: dict[str, int] = {}
    for table in (table for comparison in _comparisons(recording) for table in comparison.tables):
        if table.writes_untold:
            untold[table.table] = max(table.writes_untold, untold.get(table.table, 0))
    if untold:
        where = ", ".join(f"{count:,} to {table}" for table, count in sorted(untold.items()))
        raise NotMeasured(
            f"writes whose rows are not known could not be verified: {where}; let the call name the key or return it"
        )


@check(
    Rule(
        code="I002",
        name="phantom writes",
        asks="Is a write there that the application was told has failed?",
        harm="A retry makes it twice: orders are charged double.",
        remedy="Look for triggers or rules that write outside the transaction that failed.",
    ),
)
def phantom_writes(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each table that holds refused writes."""
    yield from _writes(recording, rule, "phantom")


@check(
    Rule(
        code="I003",
        name="rows changed",
        asks="Did rows vanish, appear or change, in columns that stay, by other hands than the traffic's?",
        harm="Data that nobody meant to touch is not what it was.",
        remedy="If the change is meant, declare it: [[migration.effects]] with table and column (table alone for rows "
        "that come or go); else mend the migration.",
    ),
)
def rows_changed(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each table whose rows or kept columns changed on the way forward without being declared.

    The migration tool's own tables are left out: their rows are what it does, and no user's.
    """
    forward = recording.comparison("start", "forward")
    if forward is None:
        raise NotMeasured("the data was not compared: " + _why_not(recording))
    effects = recording.scenario.migration.effects
    declared = {f"{one.table}.{one.column}" if one.column else one.table for one in effects}
    own = bookkeeping.tables(recording)
    for table in forward.tables:
        if f"table {table.table}" in _gone(forward) or table.table in own:
            continue
        for says in _changes(table, declared):
            yield Finding(code=rule.code, phase="forward", where=table.table, says=says, remedy=rule.remedy)
    demand_compared(forward.tables, meant=declared | own)


def _gone(comparison: Comparison) -> set[str]:
    """Return the tables that the migration dropped or made: a schema change and not a loss of rows."""
    return {one.object for one in comparison.schema if one.property == "exists"}


def _changes(table: TableComparison, declared: set[str]) -> Iterator[str]:
    if table.rows_missing and table.table not in declared:
        yield f"{rows(table.rows_missing, table.table)} gone that no call deleted{named(table.examples_missing)}"
    if table.rows_unexpected and table.table not in declared:
        yield f"{rows(table.rows_unexpected, table.table)} there that no call made{named(table.examples_unexpected)}"
    for column in table.columns:
        name = f"{table.table}.{column.column}"
        if column.values_changed and name not in declared:
            yield f"{counted(column.values_changed, 'value')} of {name} changed{_filled(column)}{shown(column)}"


def _filled(column: ColumnDifference) -> str:
    """Say how many of the changed values were NULL before: of those nothing is lost."""
    if not column.values_filled:
        return ""
    if column.values_filled == column.values_changed:
        return " from NULL"
    return f", {column.values_filled:,} of them from NULL"


@check(
    Rule(
        code="I004",
        name="assertion broken",
        asks="Does every declared rule and every query of integrity.assert hold, in each state and while it acts?",
        harm="What the application takes for granted of its data is no longer so.",
        remedy="See the row that is shown: let the migration keep what must hold, or mend such rows itself.",
    ),
    asked=lambda recording: bool(recording.scenario.asserts),
)
def assertions(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each assertion that held before the migration and does not hold in a later state."""
    tried = recording.history.of(AssertionTried)
    before = {one.name: one for one in tried if one.state == "start" and not one.during}
    told: set[tuple[str, str]] = set()
    for one in sorted(tried, key=lambda one: one.during):  # what stays is told before what passes
        first = before.get(one.name)
        if one.rows and one.state != "start" and not (first and first.rows) and (one.state, one.name) not in told:
            told.add((one.state, one.name))
            yield _broken(rule, one)
    _demand_assertions(tried, {one.name for one in before.values() if one.rows})
    unasked = {one.name for one in recording.scenario.asserts} - {one.name for one in tried}
    if unasked:
        raise NotMeasured(f"{min(unasked)!r} was not asked: the migration did not come so far")


def _broken(rule: Rule, one: AssertionTried) -> Finding:
    count = f"{one.rows:,} rows" if (one.rows or 0) > 1 else "1 row"
    when = f"while {one.state} went on" if one.during else f"after {one.state}"
    at_least = "at least " if (one.rows or 0) >= 1_000 else ""
    return Finding(
        code=rule.code,
        phase=one.state,
        where=one.name,
        says=f"{one.name!r} does not hold {when}: {at_least}{count} must not be there; for example {one.example}",
        remedy=rule.remedy,
        measured=float(one.rows or 0),
        allowed=0,
    )


def _demand_assertions(tried: Sequence[AssertionTried], broken: set[str]) -> None:
    """Raise NotMeasured where a query failed, or did not hold before the migration."""
    refused = dict.fromkeys(
        f"{one.name!r} could not be asked after {one.state}: {one.error}" for one in tried if one.error
    )
    if refused:
        raise NotMeasured("; ".join(list(refused)[:5]))
    if broken:
        raise NotMeasured(f"{sorted(broken)[0]!r} did not hold before the migration began")


CHECKS = (lost_writes, phantom_writes, rows_changed, assertions)
