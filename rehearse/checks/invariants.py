"""I005 to I007: what the schema promises of its rows, verified by reading them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rehearse.checks._check import check
from rehearse.errors import NotMeasured
from rehearse.events import InvariantTried
from rehearse.measures import invariants
from rehearse.model import Finding, Recording, Rule
from rehearse.units import counted

_MENDS = {
    "foreign key": "Let the migration delete these rows, or make those that they refer to, before it ends, and keep "
    "the constraint's triggers on: DISABLE TRIGGER ALL and session_replication_role = replica let orphans in unseen.",
    "check": "Let the migration mend these rows, then VALIDATE CONSTRAINT: until then each update of such a row "
    "fails, also one of other columns.",
    "not null": "Let the migration fill these rows before the column is declared NOT NULL.",
    "unique": "Let the migration merge or delete the rows too many, then build the index anew (DROP INDEX "
    "CONCURRENTLY, CREATE UNIQUE INDEX CONCURRENTLY) and see that it is valid.",
}
_MYSQL_MENDS = {
    "foreign key": "Let the migration delete these rows, or make those that they refer to, before it ends, and leave "
    "foreign_key_checks on: while it is 0 orphans come in, and switching it on again looks at none of them.",
    "check": "Let the migration mend these rows; then each update of such a row will not fail. MariaDB: leave "
    "check_constraint_checks on. MySQL: ALTER TABLE … ALTER CHECK … ENFORCED reads every row.",
    "unique": "Let the migration merge or delete the rows too many, and leave unique_checks on; then DROP and ADD the "
    "index.",
}
_MENDS_OF = {"mariadb": _MYSQL_MENDS, "mysql": _MYSQL_MENDS}
_DAMAGED = "Build the table anew (ALTER TABLE … FORCE), and look for what damaged it before production sees it."
_INVALID = (
    "CREATE INDEX CONCURRENTLY that fails leaves its index behind: no query uses it and every write pays for it. DROP "
    "INDEX CONCURRENTLY and build it again, or REINDEX INDEX CONCURRENTLY, and end with an error if it "
    "is not valid."
)


def _asked(recording: Recording) -> bool:
    return bool(invariants.tried(recording))


def _before(one: InvariantTried) -> str:
    new = f"; {one.rows_new:,} did not break it then" if one.rows_new else ""
    return f" ({one.rows_before:,} at the start{new})" if one.rows_before else ""


def _example(one: InvariantTried) -> str:
    return f"; for example key {one.example}" if one.example else ""


@check(
    Rule(
        code="I005",
        name="constraint broken",
        asks="Do the rows keep every foreign key, check, NOT NULL and unique index, by the rows and not the catalog?",
        harm="The application and the planner rely on what is not so; a dump cannot be restored.",
        remedy="Let the migration mend these rows before it ends, and keep the constraints' triggers on meanwhile.",
    ),
    asked=_asked,
)
def constraints_kept(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each constraint that more rows break than at the start, and those of a new one."""
    for one in invariants.broken(recording):
        if one.kind in invariants.CONSTRAINTS:
            flaw = f", which is {one.flaw}" if one.flaw else ""
            what = f"{one.kind} {one.name}" if one.kind != "not null" else f"NOT NULL of {one.name}"
            what = "unique index " + one.name if one.kind == "unique" else what
            verb = "breaks" if one.rows == 1 else "break"
            says = f"{counted(one.rows or 0, 'row')} of {one.table} {verb} {what}{flaw}{_before(one)}{_example(one)}"
            mends = _MENDS_OF.get(recording.scenario.engine.name, _MENDS)
            yield _finding(rule, one, says, mends.get(one.kind, rule.remedy))
    _demand_asked(recording, invariants.CONSTRAINTS, also=("domain check",))


def _demand_asked(recording: Recording, kinds: Collection[str], also: Collection[str] = ()) -> None:
    """Raise NotMeasured where a promise of these kinds, or a new one of `also`, could not be verified.

    What is proven unchanged needs not be. What the server itself keeps without exception, an exclusion, is only told.
    """
    unasked = invariants.unasked(recording)
    found = [one for one in unasked if one.kind in kinds or (one.kind in also and one.is_new)]
    if found:
        one, others = found[0], f", nor {len(found) - 1} more" if len(found) > 1 else ""
        raise NotMeasured(
            f"{one.kind} {one.name} of {one.table} could not be verified{others}: {invariants.why_unasked(one)}"
        )


@check(
    Rule(
        code="I006",
        name="index unsound",
        asks="Is every index, and every table that was written anew, valid and undamaged?",
        harm="An INVALID index slows every write and serves no query; a damaged one hides rows, or lets doubles in.",
        remedy="REINDEX INDEX CONCURRENTLY in a step of its own, outside any transaction: an index over an expression "
        "or a collation must be built anew when what it computes changes.",
    ),
    asked=_asked,
)
def indexes_whole(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each index that is INVALID and was not, and what a check of the server's own found damaged."""
    for one in invariants.invalid(recording):
        yield _finding(rule, one, f"index {one.name} of {one.table} is INVALID", _INVALID)
    for one in invariants.broken(recording):
        if one.kind in {"index", "heap"}:
            what = f"index {one.name} of {one.table}" if one.kind == "index" else f"table {one.table}"
            remedy = _DAMAGED if recording.scenario.engine.name in _MENDS_OF else rule.remedy
            yield _finding(rule, one, f"{what} is damaged; {one.example}", remedy)
    _demand_asked(recording, ("index", "heap"))


@check(
    Rule(
        code="I007",
        name="sequence behind",
        asks="Is each sequence's next value beyond those that its column holds?",
        harm="The next insertions fail with a duplicate key, or rows get a number that is there already.",
        remedy="End with setval('sequence', (SELECT max(column) FROM table)), under a lock that stops inserts.",
    ),
    asked=_asked,
)
def sequences_ahead(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each sequence that would give out values which are there, unless it would have at the start."""
    for one in invariants.broken(recording):
        if one.kind == "sequence" and not one.rows_before:
            says = f"sequence {one.name} is {counted(one.rows or 0, 'value')} behind {one.table}: {one.example}"
            yield _finding(rule, one, says, rule.remedy)
    _demand_asked(recording, ("sequence",))


def _finding(rule: Rule, one: InvariantTried, says: str, remedy: str) -> Finding:
    return Finding(
        code=rule.code,
        phase=one.state,
        where=one.table,
        says=says,
        remedy=remedy,
        measured=None if one.rows is None else float(one.rows if one.rows_new is None else one.rows_new),
        allowed=float(one.rows_before or 0) if one.rows_new is None else 0.0,
    )


CHECKS = (constraints_kept, indexes_whole, sequences_ahead)
