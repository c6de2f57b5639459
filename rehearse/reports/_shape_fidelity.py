"""The shape of report.json: what became of rows and schema, and what the way back restores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from rehearse.reports._told import told


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleCell:
    """A cell that differs."""

    key: Annotated[str, told("the row's key")]
    before: Annotated[str | None, told("the value before; null: NULL or no row")]
    after: Annotated[str | None, told("the value after; null: NULL or no row")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedColumn:
    """A column whose values differ, the traffic's own writes taken out."""

    column: Annotated[str, told("the column")]
    values_changed: Annotated[int, told("values that differ")]
    values_lost: Annotated[int, told("of them, values that are NULL or absent now")]
    examples: Annotated[list[ExampleCell], told("some of them")]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongWriteSeen:
    """A write whose trace is not as its outcome says."""

    kind: Annotated[str, told("lost: acknowledged and not there; phantom: refused and there")]
    key: Annotated[str, told("the row's key")]
    column: Annotated[str | None, told("the column; null: the row itself")]
    written: Annotated[str | None, told("the value that was written")]
    found: Annotated[str | None, told("the value that is there")]
    call: Annotated[str, told("the call that wrote it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableIntegrity:
    """A table before and after the way forward."""

    table: Annotated[str, told("the table")]
    rows_before: Annotated[int | None, told("rows at the start")]
    rows_after: Annotated[int | None, told("rows after the way forward")]
    rows_missing: Annotated[int | None, told("rows gone that no call deleted")]
    rows_unexpected: Annotated[int | None, told("rows there that no call made")]
    examples_missing: Annotated[
        list[str], told("keys of some rows gone; of a table without a key rows, in parentheses")
    ]
    examples_unexpected: Annotated[list[str], told("the same of rows that no call made")]
    columns: Annotated[list[ChangedColumn], told("columns whose values differ")]
    columns_gone: Annotated[list[str], told("columns that are no longer there")]
    columns_new: Annotated[list[str], told("columns that were not there")]
    writes_checked: Annotated[int, told("the traffic's writes that were verified")]
    lost_writes: Annotated[int, told("acknowledged writes that are not there")]
    phantom_writes: Annotated[int, told("refused writes that are there")]
    wrong_writes: Annotated[list[WrongWriteSeen], told("some of both")]
    not_measured: Annotated[list[str], told("what could not be compared, in words")]
    is_bookkeeping: Annotated[bool, told("whether it is the migration tool's own, whose rows are no finding")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBrokenSeen:
    """A row that does not follow a rule."""

    key: Annotated[str, told("the row's key; of a table without one the row, in parentheses")]
    found: Annotated[str | None, told("the value that is there")]
    ruled: Annotated[str | None, told("the value that the rule gives")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSeen:
    """A rule that a new column was seen to follow after the way forward, and that no effect declares."""

    table: Annotated[str, told("the table")]
    column: Annotated[str, told("the column")]
    rule: Annotated[str, told("SQL of the value")]
    of_before: Annotated[bool, told("whether the rule's columns are those of the start, not the row's as they are now")]
    code: Annotated[str, told("the check that would hold the data to the rule once it is declared")]
    warns: Annotated[bool, told("whether some rows break it; a rule that is only inferred never fails a run")]
    says: Annotated[str, told("what was found, in words")]
    sampled: Annotated[int, told("rows that it was inferred from")]
    rows: Annotated[int | None, told("rows that were asked; null: only the sample")]
    broken: Annotated[int | None, told("rows that do not follow it; null: not all were asked")]
    by_calls: Annotated[int | None, told("of these, rows that calls wrote; null: not known")]
    examples: Annotated[list[RuleBrokenSeen], told("some of them")]
    others: Annotated[list[str], told("rules as simple of which the same can be said")]
    effect: Annotated[str | None, told("what declares it, to paste into the scenario; null: nothing to declare")]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantSeen:
    """What the schema promises of its rows, where it is broken, in doubt, or could not be verified."""

    state: Annotated[str, told("after which way: forward, back or again")]
    kind: Annotated[str, told("foreign key, check, domain check, not null, unique, exclusion, sequence, index, heap")]
    name: Annotated[str, told("of the constraint, column, sequence, index or table")]
    table: Annotated[str, told("the table")]
    rows: Annotated[int | None, told("rows that break it; of a sequence, values that it is behind; 1: damaged")]
    rows_before: Annotated[int | None, told("the same at the start; null: it was not there, or nothing is broken now")]
    example: Annotated[str | None, told("one of them by its key, or what the server's own check says")]
    flaw: Annotated[str | None, told("NOT VALID, NOT ENFORCED or INVALID, as the server itself says")]
    is_new: Annotated[bool, told("whether the start had no such promise, or the server had no doubt of it")]
    error: Annotated[str | None, told("why it could not be verified")]
    rows_new: Annotated[int | None, told("rows that did not break it at the start, by their keys; null: not told")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How much of what the schema promises was verified from the rows in one state."""

    state: Annotated[str, told("after which way: forward, back or again")]
    verified: Annotated[int, told("constraints, indexes and sequences for which rows were read")]
    unchanged: Annotated[int, told("those that hold as at the start, since neither rows nor schema changed")]
    not_measured: Annotated[int, told("those that could not be verified")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Whether every write survived, and nothing else changed; null figures: not compared."""

    lost_writes: Annotated[int | None, told("acknowledged writes that are not there after any phase")]
    phantom_writes: Annotated[int | None, told("refused writes that are there after any phase")]
    tables: Annotated[list[TableIntegrity], told("by table, after the way forward")]
    rules: Annotated[list[RuleSeen], told("rules that new columns follow, inferred; those that rows break first")]
    verified: Annotated[list[Verified], told("how much of the schema's promises was verified from the rows, by state")]
    invariants: Annotated[list[InvariantSeen], told("those that are broken, in doubt or not verified; at most 500")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A property of the schema that differs."""

    object: Annotated[str, told("the object, in words")]
    property: Annotated[str, told("which of its properties")]
    before: Annotated[str | None, told("before; null: not there")]
    after: Annotated[str | None, told("after; null: not there")]
    severity: Annotated[str, told("breaks, behaviour, performance or cosmetic")]
    mend: Annotated[str | None, told("SQL that brings it back to what it was before; null: not certain")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a way forward that failed has left, for whoever cleans up."""

    statements: Annotated[int, told("its statements that went well, BEGIN and COMMIT too")]
    schema: Annotated[list[Difference], told("what of the schema is not as it was at the start")]
    rows: Annotated[list[str], told("which rows and values it changed, in words")]
    retried: Annotated[bool, told("whether it was run again, in quiet, on what is left")]
    retry_error: Annotated[str | None, told("why that failed; null: it went to its end, or was not tried")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLoss:
    """What a table or a column did not get back."""

    table: Annotated[str, told("the table")]
    column: Annotated[str | None, told("the column; null: whole rows")]
    values_lost: Annotated[int | None, told("values that are NULL or absent now")]
    values_changed: Annotated[int | None, told("values that differ, the lost ones included")]
    rows_lost: Annotated[int | None, told("rows that are gone")]
    rows_left_over: Annotated[int | None, told("rows that should not be there")]
    examples: Annotated[list[ExampleCell], told("some of the cells")]


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourSeen:
    """A call that does not behave as at the start, the rows that the traffic wrote taken out."""

    state: Annotated[str, told("back, or forward (for information)")]
    call: Annotated[str, told("the call")]
    what: Annotated[Literal["plan", "result", "error"], told("what is another; plans are not counted")]
    before: Annotated[str | None, told("at the start")]
    after: Annotated[str | None, told("in this state")]
    example: Annotated[str | None, told("values for which it is so; null for a plan")]
    cause: Annotated[str | None, told("why, where it is known")]
    is_meant: Annotated[bool, told("whether a declared effect changes what the call reads, so that it is not counted")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLatency:
    """A call's latency in the baseline and after the way back; where both have 100 calls at least."""

    call: Annotated[str, told("the call")]
    calls_before: Annotated[int, told("calls in the baseline")]
    calls_after: Annotated[int, told("calls after back had acted and before again did")]
    p50_before_ms: Annotated[float, told("median in the baseline")]
    p50_after_ms: Annotated[float, told("median after back")]
    p99_before_ms: Annotated[float, told("99th percentile in the baseline")]
    p99_after_ms: Annotated[float, told("99th percentile after back")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReturn:
    """From which acknowledged write on the way back loses some; null keys: it loses none."""

    says: Annotated[str, told("the answer in one sentence")]
    writes_lost: Annotated[int, told("acknowledged writes that the way back loses, and the way forward had not")]
    at_ms: Annotated[float | None, told("when the first was sent, since forward began to act; below 0: before that")]
    call: Annotated[str | None, told("the call that made it")]
    table: Annotated[str | None, told("its table")]
    key: Annotated[str | None, told("the key of its row")]
    column: Annotated[str | None, told("the column; null: the row itself")]
    written: Annotated[str | None, told("what was written")]
    found: Annotated[str | None, told("what is there after back; null: NULL, no row or no column")]
    not_told: Annotated[list[str], told("writes that could not be followed, and why")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsInTheWay:
    """What a statement of the way back asks of rows, and those that do not fit."""

    table: Annotated[str, told("the table")]
    rule: Annotated[str, told("what is asked, in words")]
    rows: Annotated[int | None, told("rows that do not fit; null: it could not be counted")]
    rows_before: Annotated[int | None, told("the same at the start")]
    keys: Annotated[list[str], told("the keys of some of them")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """A way back that failed on rows."""

    says: Annotated[str, told("the same in one sentence")]
    statement: Annotated[int, told("the statement that failed")]
    code: Annotated[str | None, told("its SQLSTATE or number")]
    error: Annotated[str, told("the server's words")]
    in_the_way: Annotated[list[RowsInTheWay], told("what it asks of rows; empty: that cannot be told from its text")]
    at_ms: Annotated[float | None, told("when the first write since forward began to act made one of these rows so")]
    call: Annotated[str | None, told("the call that made that write")]


@dataclass(frozen=True, slots=True, kw_only=True)
class IrreversibleLoss:
    """Something that did not come back, or is gone where there is no way back, and the statement that took it."""

    phase: Annotated[str | None, told("the way whose statement took it: forward or back; null: not told")]
    statement: Annotated[int | None, told("its number in that phase; null: the texts do not tell, see reason")]
    file: Annotated[str | None, told("where it stands, as file:line")]
    sql: Annotated[str | None, told("its text, cut to 400 characters")]
    does: Annotated[str | None, told("what of it took this, for example DROP COLUMN")]
    reason: Annotated[str | None, told("why the statement is not told, or how it is known")]
    what: Annotated[str, told("what is lost, in words")]
    by: Annotated[str, told("which statement took it, in words")]
    table: Annotated[str | None, told("the table whose rows or values are lost; null: it is the schema's")]
    column: Annotated[str | None, told("the column; null: whole rows")]
    values_lost: Annotated[int | None, told("values that are NULL or absent now; null: not measured, or no values")]
    values_changed: Annotated[int | None, told("values that differ, the lost ones included")]
    rows_lost: Annotated[int | None, told("rows that are gone")]
    object: Annotated[str | None, told("the object of the schema, in words; null: rows or values are lost")]
    property: Annotated[str | None, told("which of its properties; exists: the object itself")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Whether back leads back, and again goes again; null figures: not rehearsed or not compared."""

    fidelity: Annotated[float | None, told("the least of the four below, 0 to 1; 1 only where nothing differs")]
    schema_fidelity: Annotated[float | None, told("share of the schema's properties that came back")]
    data_fidelity: Annotated[float | None, told("share of rows and values that came back, of the worst table")]
    behaviour_fidelity: Annotated[float | None, told("share of the calls that answer as at the start, plans aside")]
    again_fidelity: Annotated[float | None, told("share of the schema that the second way forward made like the first")]
    schema: Annotated[list[Difference] | None, told("properties that did not come back")]
    data: Annotated[list[DataLoss] | None, told("rows and values that did not come back")]
    physical: Annotated[list[Difference] | None, told("what only disk and planner see: column order, dead columns")]
    again: Annotated[list[Difference] | None, told("differences between the first and the second way forward")]
    again_data: Annotated[list[DataLoss] | None, told("the same in rows and values")]
    behaviour: Annotated[list[BehaviourSeen] | None, told("calls that behave otherwise; null: not compared")]
    unanswered: Annotated[list[str], told("calls whose answers after back could not be compared, and why")]
    lost_statistics: Annotated[list[str], told("columns that had statistics for the planner and have none after back")]
    latency: Annotated[list[CallLatency], told("before and after back, of calls that are many; no verdict of its own")]
    point_of_no_return: Annotated[NoReturn | None, told("from which write on back loses some; null: not measured")]
    blocked: Annotated[Blocked | None, told("why back failed on rows; null: it did not")]
    irreversible: Annotated[
        list[IrreversibleLoss] | None,
        told("what did not come back (with back = false: what is gone), by statement; null: not measured"),
    ]
    accepted: Annotated[list[str], told("what stays after the way back and is not counted, since it was declared")]
