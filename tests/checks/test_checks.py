"""Each check on recordings made by hand: one that it passes, one that it fails, one that it cannot judge."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from rehearse.checks import CHECKS, by_code
from rehearse.errors import Mistake
from rehearse.events import (
    KINDS,
    AssertionTried,
    CallBehaved,
    CallTried,
    CompanyKept,
    Outcome,
    Remarked,
    RetryTried,
    Sampled,
    TableLoaded,
)
from rehearse.judging import answer, judge
from rehearse.measures.fidelity import integrity, rollback
from rehearse.model import (
    AssertChoice,
    Budget,
    ColumnDifference,
    Effect,
    EngineChoice,
    Example,
    IntegrityChoice,
    NullsFilled,
    PropertyDifference,
    Recording,
    Status,
    TableComparison,
    WrongWrite,
)
from rehearse.recording.journal import Facts
from rehearse.testing import examples
from rehearse.testing import recordings as hand
from rehearse.units import NS_PER_MS, NS_PER_S

TABLES = {"orders": 1000}
TABLES_OF_CLEAN = examples.clean().comparisons[0].tables


def status(code: str, recording: Recording) -> Status:
    return answer(by_code(code), recording).status


def forward(*events: object, **words: object) -> Recording:
    """A baseline and a forward from second 10 to 14 that acted from 11 to 13."""
    return hand.recorded(
        [hand.phase("baseline", 4, 9), hand.phase("forward", 10, 14, acted=(11, 13)), *events],  # type: ignore[list-item]
        frames=words.pop("frames", [hand.traffic(4, 9), hand.traffic(10, 14, seed=2, first_number=2001)]),  # type: ignore[arg-type]
        **words,  # type: ignore[arg-type]
    )


def held(
    seconds: float, *, stops: tuple[str, ...] = ("reads", "writes"), mode: str = "AccessExclusiveLock"
) -> Recording:
    return forward(
        hand.statement(1, "alter table orders alter id type bigint", 11, 11 + seconds, file="up.sql:1"),
        hand.lock("orders", 11, 11.001, 11 + seconds, stops=stops, mode=mode),
    )


def held_idly(seconds: float) -> Recording:
    return forward(
        hand.statement(1, "alter table orders add note text", 11, 11.05, transaction=1),
        hand.statement(2, "select 1", 11.05 + seconds / 2, 11.06 + seconds / 2, transaction=1),
        hand.statement(3, "commit", 11.1 + seconds, 11.11 + seconds, transaction=1),
        hand.lock("orders", 11, 11.001, 11.11 + seconds),
    )


def rows_held(seconds: float, *events: object) -> Recording:
    update = hand.statement(1, "update orders set note = ''", 11, 12.9)
    return forward(update, hand.waited(None, 11.1, 11.1 + seconds, mode="ShareLock"), *events)


def beside(*, others: float, queued: float, ours: float = 0.3) -> Recording:
    """Return a rehearsal on two cores beside other work; figures in cores."""
    rates = {"server cpu": ours, "client cpu": ours, "client queued": queued, "machine cpu": 2 * ours + others}
    moments = [4 + step / 4 for step in range(44)]
    samples = [
        Sampled(at_ns=hand.at(second), name=name, value=rate * second)
        for name, rate in rates.items()
        for second in moments
    ]
    samples += [Sampled(at_ns=hand.at(second), name="machine cores", value=2.0) for second in moments]
    return forward(*samples)


def tried(state: str, rows: int | None, *, during: bool = False, error: str | None = None) -> AssertionTried:
    at = hand.at(12)
    return AssertionTried(
        at_ns=at, ended_ns=at, state=state, name="totals add up", during=during, rows=rows, example="(7,a)", error=error
    )


def asserted(*events: AssertionTried) -> Recording:
    recording = forward(*events)
    one = AssertChoice(name="totals add up", sql="select 1")
    return replace(recording, scenario=replace(recording.scenario, integrity=IntegrityChoice(asserts=[one])))


def traffic_with(**words: object) -> Recording:
    calm = hand.traffic(4, 9)
    return forward(frames=[calm, hand.traffic(10, 14, seed=2, first_number=2001, **words)])  # type: ignore[arg-type]


def compared(change: Callable[[TableComparison], TableComparison], *, after: str = "forward") -> Recording:
    clean = examples.clean()
    comparisons = [
        replace(one, tables=tuple(change(table) for table in one.tables)) if one.after == after else one
        for one in clean.comparisons
    ]
    return replace(clean, comparisons=comparisons)


def behaving(*events: CallBehaved, effects: list[Effect] | None = None) -> Recording:
    """A rehearsal whose way back ran, with calls that were asked in some states."""
    made = with_error("again")
    migration = replace(made.scenario.migration, effects=effects or [])
    made = replace(made, scenario=replace(made.scenario, migration=migration))
    facts = {kind: made.history.of(kind) for kind in KINDS if not kind.dense}
    frames = {kind: made.history.frame(kind) for kind in KINDS if kind.dense}
    return replace(made, history=Facts({**facts, CallBehaved: events}, frames))


def with_difference(after: str) -> Recording:
    clean = examples.clean()
    lost = PropertyDifference(object="table orders column status", property="default", before="'new'", after=None)
    comparisons = [replace(one, schema=(lost,)) if one.after == after else one for one in clean.comparisons]
    return replace(clean, comparisons=comparisons)


def with_error(name: str) -> Recording:
    events = [
        hand.phase("baseline", 4, 9),
        hand.phase("forward", 10, 12, acted=(11, 12), error="up.sql:1: boom" if name == "forward" else None),
        hand.phase("back", 13, 15, acted=(14, 15), error="down.sql:1: boom" if name == "back" else None),
        hand.phase("again", 16, 18, acted=(17, 18), error="up.sql:1: boom" if name == "again" else None),
    ]
    return hand.recorded(events, frames=[hand.traffic(4, 9)])


def lost(table: TableComparison) -> TableComparison:
    wrong = WrongWrite(
        kind="lost", table=table.table, key="7", column="note", written="b", found="a", call="write", at_ns=hand.at(11)
    )
    return replace(table, lost_writes=1, wrong_writes=(wrong,))


def changed(table: TableComparison) -> TableComparison:
    example = Example(key="7", before="a", after=None)
    column = ColumnDifference(column="note", values_changed=3, values_lost=2, examples=(example,))
    return replace(table, columns=(column,))


def on_empty_tables(*empty: str, tables: tuple[str, ...] = ("orders",), **words: object) -> Recording:
    """A way forward that rewrites orders, on tables of which some hold no row."""
    loaded = [
        TableLoaded(at_ns=hand.at(1), table=name, rows=0 if name in empty else 9, size_bytes=8192) for name in tables
    ]
    change = hand.statement(1, "alter table orders alter id type bigint", 11, 11.1, rewrites=("orders",))
    lock = hand.lock("orders", 11, 11.001, 11.1)
    return forward(*loaded, change, lock, **words)


def with_budget(recording: Recording, **values: object) -> Recording:
    budget = replace(recording.scenario.budget, **values)  # type: ignore[arg-type]
    return replace(recording, scenario=replace(recording.scenario, budget=budget))


def tried_by_versions(*tried: CallTried) -> Recording:
    clean = examples.clean()
    old, *rest = clean.calls
    return replace(forward(*tried), calls=(replace(old, name="read old", version="old"), *rest))


BAD: dict[str, Callable[[], Recording]] = {
    "L001": lambda: held(0.8),
    "L002": lambda: held(0.8, stops=("writes",), mode="ShareLock"),
    "L003": lambda: traffic_with(
        refusals=[hand.Refusal(begin=11, end=12, code="40P01", message="deadlock detected", most=1)]
    ),
    "L004": lambda: rows_held(0.8),
    "L005": lambda: held_idly(0.9),
    "C001": lambda: tried_by_versions(
        CallTried(at_ns=hand.at(5), state="start", call="read old", columns="note text"),
        CallTried(at_ns=hand.at(15), state="forward", call="read old", code="42703", message="no column note"),
    ),
    "D001": lambda: with_budget(examples.clean(), duration=1),
    "D002": lambda: with_error("forward"),
    "D003": lambda: with_error("back"),
    "D004": lambda: with_error("again"),
    "I001": lambda: compared(lost),
    "I002": lambda: compared(lambda table: replace(table, phantom_writes=2)),
    "I003": lambda: compared(changed),
    "I004": lambda: asserted(tried("start", 0), tried("forward", 3)),
    "I005": lambda: forward(hand.promise("forward", 3, before=1)),
    "I006": lambda: forward(hand.promise("forward", 0, kind="index", flaw="INVALID", is_new=True)),
    "I007": lambda: forward(hand.promise("forward", 7, kind="sequence", name="orders_id_seq")),
    "F001": lambda: with_difference("back"),
    "F002": lambda: compared(changed, after="back"),
    "F003": lambda: with_difference("again"),
    "F004": lambda: behaving(hand.behaved("back", differs="result")),
    "T001": lambda: traffic_with(stalls=[hand.Stall(begin=11, end=12.5)]),
    "T002": lambda: traffic_with(refusals=[hand.Refusal(begin=11, end=12, code="42703", message="no column", most=9)]),
    "T003": lambda: with_budget(traffic_with(misses=[hand.Stall(begin=11, end=11.5)]), missed=0),
}
UNSURE: dict[str, Callable[[], Recording]] = {
    "C001": tried_by_versions,
    "R001": lambda: forward(frames=[hand.traffic(4, 9, late_ms=20), hand.traffic(10, 14)]),
    "R002": lambda: forward(
        frames=[
            hand.traffic(4, 9, refusals=[hand.Refusal(begin=4, end=9, code="42P01", message="no table")]),
            hand.traffic(10, 14),
        ]
    ),
    "R005": lambda: forward(
        frames=[
            hand.traffic(4, 6.5),
            hand.traffic(6.5, 9, usual_ms=9, seed=3, first_number=900),
            hand.traffic(10, 14, seed=2, first_number=2001),
        ]
    ),
    "R004": lambda: on_empty_tables("orders"),
    "R006": lambda: beside(others=1.6, queued=0.5),
    "R003": lambda: forward(Remarked(at_ns=hand.at(11), source="locks", says="a gap of 80 ms", weakens=True)),
}


def clean() -> Recording:
    return with_budget(examples.clean(), missed=0)


@pytest.mark.parametrize("code", [check.rule.code for check in CHECKS])
def test_every_check_passes_a_clean_recording_and_not_a_bad_one(code: str) -> None:
    assert status(code, clean()) == Status.PASSED, answer(by_code(code), clean())
    if code in BAD:
        found = answer(by_code(code), BAD[code]())
        assert found.status == Status.FAILED, found
        assert all(one.code == code and one.says and one.remedy for one in found.findings)
    else:
        found = answer(by_code(code), UNSURE[code]())
        assert found.status == Status.UNKNOWN, found
        assert found.reason


def test_a_wait_for_rows_within_the_budget_or_for_others_is_none_of_the_migration() -> None:
    assert status("L004", rows_held(0.4)) == Status.PASSED
    others = hand.waited(None, 11.1, 12.9, mode="ShareLock", blocked_by=(4711,))
    assert status("L004", rows_held(0.4, others)) == Status.PASSED


@pytest.mark.parametrize(
    ("code", "status_"), [("42601", Status.UNKNOWN), ("57014", Status.PASSED), (None, Status.PASSED)]
)
def test_company_that_fails_before_the_migration_makes_no_sound_baseline(code: str | None, status_: Status) -> None:
    kept = CompanyKept(at_ns=hand.at(5), ended_ns=hand.at(6), name="report", session=9, code=code, message="no")
    assert status("R002", traffic_with_company(kept)) == status_


def traffic_with_company(kept: CompanyKept) -> Recording:
    return forward(kept, frames=[hand.traffic(4, 9), hand.traffic(10, 14, seed=2, first_number=2001)])


def test_other_work_is_no_matter_while_ours_finds_a_core() -> None:
    assert status("R006", beside(others=1.6, queued=0.01)) == Status.PASSED
    assert status("R006", beside(others=0.4, queued=0.5)) == Status.PASSED


def test_an_assertion_says_when_it_broke_and_shows_a_row() -> None:
    (one,) = answer(by_code("I004"), asserted(tried("start", 0), tried("forward", 3), tried("forward", 2))).findings
    assert one.says == "'totals add up' does not hold after forward: 3 rows must not be there; for example (7,a)"
    (one,) = answer(by_code("I004"), asserted(tried("start", 0), tried("back", 1, during=True))).findings
    assert "while back went on: 1 row" in one.says


def test_an_assertion_that_was_broken_before_or_cannot_be_asked_is_no_word_on_the_migration() -> None:
    found = answer(by_code("I004"), asserted(tried("start", 2), tried("forward", 2)))
    assert (found.status, found.findings) == (Status.UNKNOWN, ())
    assert "did not hold before" in (found.reason or "")
    found = answer(by_code("I004"), asserted(tried("start", 0), tried("forward", None, error="no column")))
    assert found.status == Status.UNKNOWN
    assert "no column" in (found.reason or "")
    assert answer(by_code("I004"), asserted(tried("start", 0), tried("forward", 0))).status == Status.PASSED


def test_an_assertion_that_was_never_asked_is_not_passed() -> None:
    found = answer(by_code("I004"), asserted())
    assert (found.status, found.reason) == (
        Status.UNKNOWN,
        "'totals add up' was not asked: the migration did not come so far",
    )


def test_a_promise_that_was_broken_before_as_much_is_no_word_on_the_migration() -> None:
    as_before = hand.promise("forward", 3, before=3)
    doubted = hand.promise("forward", 0, flaw="NOT VALID", is_new=True)
    invalid_before = hand.promise("forward", 0, kind="index", flaw="INVALID")
    sequence = hand.promise("forward", 9, kind="sequence", before=2)
    for code in ("I005", "I006", "I007"):
        assert status(code, forward(as_before, doubted, invalid_before, sequence)) == Status.PASSED


def test_the_first_of_two_steps_is_no_broken_promise_unless_rows_suffer_from_it() -> None:
    first_step = hand.promise("forward", 3, flaw="NOT VALID", is_new=True)
    told_only = hand.promise("forward", 3, kind="check", name="positive", flaw="NOT ENFORCED", is_new=True)
    assert status("I005", forward(first_step, told_only)) == Status.PASSED
    hurts = hand.promise("forward", 3, kind="check", name="positive", flaw="NOT VALID", is_new=True)
    was_whole = hand.promise("forward", 3, before=0, flaw="NOT VALID", is_new=True)
    assert status("I005", forward(hurts)) == Status.FAILED
    assert status("I005", forward(was_whole)) == Status.FAILED


def test_a_broken_promise_names_rows_rule_and_an_example_and_is_not_told_again() -> None:
    found = hand.promise("forward", 3, before=1, example="7 (customer_id = 9)", flaw="NOT VALID")
    (one,) = answer(by_code("I005"), forward(found, hand.promise("again", 3, before=1))).findings
    assert one.says == (
        "3 rows of orders break foreign key orders_customer_id_fkey, which is NOT VALID (1 at the start); "
        "for example key 7 (customer_id = 9)"
    )


def test_a_row_that_breaks_a_promise_anew_is_found_though_another_was_mended() -> None:
    (one,) = answer(by_code("I005"), forward(hand.promise("forward", 2, before=2, new=1, example="7"))).findings
    assert one.says.startswith("2 rows of orders break")
    assert "(2 at the start; 1 did not break it then); for example key 7" in one.says
    assert (one.measured, one.allowed) == (1.0, 0.0)
    assert status("I005", forward(hand.promise("forward", 2, before=2, new=0))) == Status.PASSED


def test_a_start_that_could_not_be_asked_is_unknown_and_not_zero() -> None:
    for code, kind in (("I005", "check"), ("I006", "index"), ("I007", "sequence")):
        found = answer(by_code(code), forward(hand.promise("forward", 2, kind=kind, error_before="timeout")))
        assert found.status == Status.UNKNOWN
        assert "at the start it could not be asked: timeout" in (found.reason or "")


def test_a_promise_that_no_one_verified_is_unknown_where_the_migration_made_it() -> None:
    domain = hand.promise("forward", None, kind="domain check", error="not verified", is_new=True)
    assert status("I005", forward(domain)) == Status.UNKNOWN
    assert status("I005", forward(replace(domain, is_new=False))) == Status.PASSED
    assert status("I005", forward(replace(domain, kind="exclusion"))) == Status.PASSED


@pytest.mark.parametrize(
    ("code", "kind"),
    [("I005", "foreign key"), ("I005", "check"), ("I006", "index"), ("I006", "heap"), ("I007", "sequence")],
)
def test_a_promise_that_could_not_be_verified_is_unknown_unless_another_is_broken(code: str, kind: str) -> None:
    unasked = hand.promise("forward", None, kind=kind, name="a", error="timeout")
    found = answer(by_code(code), forward(unasked, unasked, hand.promise("forward", 0, kind=kind)))
    assert (found.status, found.reason) == (
        Status.UNKNOWN,
        f"{kind} a of orders could not be verified, nor 1 more: timeout",
    )
    assert status(code, forward(unasked, hand.promise("forward", 1, kind=kind, example="x"))) == Status.FAILED
    assert {status(one, forward(unasked)) for one in {"I005", "I006", "I007"} - {code}} == {Status.PASSED}


def test_answers_that_are_others_are_told_and_plans_and_forward_are_not_counted() -> None:
    plan = hand.behaved("back", plans=("Index Scan", "Seq Scan"))
    assert status("F004", behaving(plan, hand.behaved("forward", differs="result"))) == Status.PASSED
    (one,) = answer(by_code("F004"), behaving(hand.behaved("back", differs="error"))).findings
    assert one.says == "'read order' answers otherwise (for values 17): it was 1 row: paid, and is 1 row: new"
    assert not by_code("F004").asked(behaving())


def test_answers_that_were_not_compared_are_unknown_and_what_differs_outweighs_them() -> None:
    silent, other = (hand.behaved("back", call=call, reason="it reads items") for call in ("read order", "pay"))
    found = answer(by_code("F004"), behaving(silent, other))
    assert (found.status, found.reason) == (
        Status.UNKNOWN,
        "the answers of 'read order' could not be compared: it reads items; nor those of 'pay'",
    )
    assert status("F004", behaving(hand.behaved("back"), other)) == Status.UNKNOWN
    assert status("F004", behaving(hand.behaved("back", differs="result"), other)) == Status.FAILED
    untried = answer(by_code("F004"), behaving(hand.behaved("back", call="place order", asked=0)))
    assert (untried.status, untried.reason) == (
        Status.UNKNOWN,
        "no call's answer after the way back was compared with the start",
    )
    assert rollback(behaving(silent, other)).fidelity is None


def test_an_answer_that_a_declared_effect_changes_is_no_finding() -> None:
    kept = [Effect(table="orders", column="status", back=False)]
    assert status("F004", behaving(hand.behaved("back", differs="result"), effects=kept)) == Status.PASSED
    undone = [Effect(table="orders", column="status")]
    assert status("F004", behaving(hand.behaved("back", differs="result"), effects=undone)) == Status.FAILED


def test_a_deadlock_says_who_waited_for_what() -> None:
    calls = hand.traffic(10, 14, rate=20)
    victim = calls.index[calls["at_ns"] > hand.at(11)][0]
    calls.loc[victim, ["done_ns", "outcome", "code"]] = [hand.at(12.1), "failed", "40P01"]
    session, begin = int(calls.loc[victim, "session"]), (int(calls.loc[victim, "sent_ns"]) - hand.at(0)) / 1e9
    theirs = hand.waited("orders", begin + 0.01, 12.1, session=session)
    mine = replace(
        hand.waited(None, 11.2, 12.1, session=hand.MIGRATION, role="migration", blocked_by=(session,)), on="transaction"
    )
    (finding,) = answer(by_code("L003"), forward(theirs, mine, frames=[hand.traffic(4, 9), calls])).findings
    name = calls.loc[victim, "call"]
    assert (
        f": {name} waited for orders, and the migration for a row that another transaction had changed" in finding.says
    )


def test_deadlocks_of_calls_fail_beyond_the_budget_of_errors_and_beyond_what_the_application_does_to_itself() -> None:
    few = [hand.Refusal(begin=11, end=12, code="40P01", message="deadlock detected", most=2)]
    assert status("L003", with_budget(traffic_with(refusals=few), errors=1)) == Status.FAILED
    assert status("L003", with_budget(traffic_with(refusals=few), errors=2)) == Status.PASSED
    assert status("L003", with_budget(traffic_with(refusals=few), errors=None)) == Status.FAILED
    before = [hand.Refusal(begin=4, end=9, code="40P01", message="deadlock detected", most=3)]
    its_own = forward(frames=[hand.traffic(4, 9, refusals=before), hand.traffic(10, 14, refusals=few)])
    assert status("L003", its_own) == Status.PASSED


def test_a_deadlock_that_ends_the_migration_fails_whatever_may_fail() -> None:
    ended = replace(hand.statement(1, "alter table orders add a int", 11, 12), code="40P01", error="deadlock detected")
    assert status("L003", with_budget(forward(ended), errors=100)) == Status.FAILED


def test_a_wait_at_a_closed_table_is_told_once() -> None:
    lock = hand.lock("orders", 11, 11.001, 12.9, stops=("reads", "writes"), mode="AccessExclusiveLock")
    at_table = forward(hand.statement(1, "lock orders", 11, 12.9), lock, hand.waited("orders", 11.1, 12.9))
    assert status("L001", at_table) == Status.FAILED
    assert status("L004", at_table) == Status.PASSED


@pytest.mark.parametrize("code", ["L001", "L002", "L004"])
def test_locks_that_nobody_looked_for_are_unknown(code: str) -> None:
    assert status(code, forward()) == Status.UNKNOWN
    gap = Remarked(at_ns=hand.at(11), source="locks", says="a gap", weakens=True)
    assert status(code, forward(gap, hand.statement(1, "select 1", 11, 11.1))) == Status.UNKNOWN
    assert status(code, forward(hand.statement(1, "select 1", 11, 11.1))) == Status.PASSED


@pytest.mark.parametrize("code", ["L001", "L002", "L004", "L005"])
def test_a_long_change_of_which_no_lock_was_seen_is_unknown_whatever_else_was_locked(code: str) -> None:
    of_another = (
        hand.statement(1, "alter table a add b int", 11, 11.001),
        hand.lock("a", 11, 11, 11.001),
    )
    build = hand.statement(2, "alter table orders add index x (y)", 11.1, 12.9)
    assert status(code, forward(*of_another, build)) == Status.UNKNOWN
    its_own = hand.lock("orders", 12, 12, 12.5, mode="ShareUpdateExclusiveLock", stops=(), by=None)
    assert status(code, forward(*of_another, build, its_own)) == Status.PASSED
    theirs = replace(its_own, session=hand.MIGRATION + 1)
    assert status(code, forward(*of_another, build, theirs)) == Status.UNKNOWN


@pytest.mark.parametrize(
    ("made", "change", "expected"),
    [
        ("create table copy (id int)", "create index on copy (id)", Status.PASSED),
        ("create table copy (id int)", "create index on orders (id)", Status.UNKNOWN),
        ("create table if not exists copy (id int)", "create index on copy (id)", Status.UNKNOWN),
        ("create table copy (id int)", "alter table copy add foreign key (id) references orders", Status.UNKNOWN),
        ("select 1", "create extension postgis", Status.PASSED),
    ],
)
def test_a_long_change_of_a_table_that_its_transaction_made_needs_no_lock(
    made: str, change: str, expected: Status
) -> None:
    ran = hand.statement(1, made, 11, 11.1), hand.statement(2, change, 11.1, 12.9)
    assert status("L001", forward(*ran)) == expected


@pytest.mark.parametrize("code", ["L003", "D003", "I001", "I003", "F001", "F002", "F003", "T001", "T002"])
def test_a_check_that_could_not_look_is_unknown_and_never_passed(code: str) -> None:
    assert status(code, examples.unmeasured()) == Status.UNKNOWN, answer(by_code(code), examples.unmeasured())


def test_the_finding_names_statement_file_and_waiting_calls() -> None:
    (finding,) = answer(by_code("L001"), held(0.8)).findings
    assert "statement 1, up.sql:1: alter table orders" in finding.says
    assert "AccessExclusiveLock" in finding.says
    assert finding.where == "orders"
    assert finding.measured == pytest.approx(800, abs=5)


def test_a_lock_that_is_still_waited_for_closes_the_table_too() -> None:
    queue = forward(
        hand.statement(1, "alter table orders add a int", 11, 11.9),
        hand.lock("orders", 11, 11.89, 11.9),
    )
    assert status("L001", queue) == Status.FAILED


def test_weak_locks_close_nothing() -> None:
    assert status("L002", held(2.0, stops=(), mode="ShareUpdateExclusiveLock")) == Status.PASSED


def test_findings_outweigh_what_was_not_measured() -> None:
    gap = Remarked(at_ns=hand.at(11), source="locks", says="a gap", weakens=True)
    bad = forward(
        gap,
        hand.statement(1, "alter table orders add a int", 11, 11.8),
        hand.lock("orders", 11, 11.001, 11.8),
    )
    found = answer(by_code("L001"), bad)
    assert found.status == Status.FAILED
    assert found.reason == "a gap"


def test_a_broken_check_answers_unknown() -> None:
    class Broken:
        rule = by_code("L001").rule

        def asked(self, _recording: Recording, /) -> bool:
            return True

        def __call__(self, _recording: Recording, /) -> list[object]:
            raise ZeroDivisionError("a mistake of ours")

    found = answer(Broken(), examples.clean())  # type: ignore[arg-type]
    assert found.status == Status.UNKNOWN
    assert "a mistake of ours" in (found.reason or "")


def test_what_is_not_asked_is_not_answered() -> None:
    asked = {one.rule.code for one in judge(with_budget(examples.clean(), slowdown=None, blocked=None)).answers}
    assert not asked & {"T001", "L001", "L002"}


def test_an_accepted_one_way_change_asks_nothing_of_the_way_back() -> None:
    recording = replace(examples.clean(), scenario=hand.scenario(back=False))
    asked = {one.rule.code for one in judge(recording).answers}
    assert not asked & {"D003", "F001", "F002", "F003"}


def test_a_declared_effect_is_no_finding() -> None:
    bad = compared(changed)
    effects = [
        Effect(table=name, column="note", back=False) for name in ("orders", "payments", "customers", "order_items")
    ]
    migration = replace(bad.scenario.migration, effects=effects)
    declared = replace(bad, scenario=replace(bad.scenario, migration=migration))
    assert status("I003", bad) == Status.FAILED
    assert status("I003", declared) == Status.PASSED


def test_errors_that_the_baseline_has_too_are_not_the_migrations() -> None:
    always = [hand.Refusal(begin=0, end=99, code="23505", message="duplicate", calls=("place order",), most=20)]
    calm = hand.traffic(4, 9, refusals=always)
    recording = forward(
        frames=[calm, hand.traffic(10, 14, seed=2, first_number=2001, refusals=[replace(always[0], most=16)])]
    )
    assert status("T002", recording) == Status.PASSED


def test_a_fidelity_budget_below_one_bears_a_small_loss() -> None:
    bad = compared(changed, after="back")
    assert status("F002", bad) == Status.FAILED
    assert status("F002", with_budget(bad, fidelity=0.5)) == Status.PASSED


def test_the_worst_answer_is_the_verdict() -> None:
    assert judge(clean()).status == Status.PASSED
    assert judge(examples.harmful()).status == Status.FAILED
    assert judge(UNSURE["R001"]()).status == Status.UNKNOWN


def test_an_unknown_code_is_a_mistake() -> None:
    with pytest.raises(Mistake, match="did you mean 'L001'"):
        by_code("L01")


def test_budgets_are_in_the_units_that_the_findings_say() -> None:
    budget = Budget(blocked=500 * NS_PER_MS, duration=60 * NS_PER_S)
    assert budget.blocked == 500_000_000
    (finding,) = answer(by_code("L002"), BAD["L002"]()).findings
    assert finding.allowed == 500
    assert Outcome.MISSED == "missed"


@pytest.mark.parametrize("words", [{"rows_missing": None}, {"rows_unexpected": None}, {"columns_unmeasured": ("v",)}])
def test_a_table_whose_differences_are_nobodys_for_sure_is_never_passed(words: dict[str, object]) -> None:
    def unsure(table: TableComparison) -> TableComparison:
        return replace(table, unmeasured=("who wrote it cannot be told",), **words)  # type: ignore[arg-type]

    assert status("I003", compared(unsure)) == Status.UNKNOWN
    assert status("F002", compared(unsure, after="back")) == Status.UNKNOWN


def test_a_table_that_is_declared_need_not_be_compared() -> None:
    clean = compared(lambda table: replace(table, rows_missing=None))
    effects = [Effect(table=one.table) for one in clean.comparisons[0].tables]
    migration = replace(clean.scenario.migration, effects=effects)
    assert status("I003", replace(clean, scenario=replace(clean.scenario, migration=migration))) == Status.PASSED


def failed_half_way(*events: object) -> Recording:
    clean = examples.clean()
    new = PropertyDifference(object="table orders column tag", property="exists", before=None, after="int")
    left = replace(clean.comparisons[0], before="start", after="forward", schema=(new,))
    ran = hand.recorded(
        [
            hand.phase("baseline", 4, 9),
            hand.phase("forward", 10, 13, acted=(11, 12), error="up.sql:2: no"),
            hand.statement(1, "alter table orders add column tag int", 11, 11.1),
            hand.statement(2, "alter table orders add index (note), lock=none", 11.1, 11.2, error="no", code="1846"),
            *events,
        ],
        frames=[hand.traffic(4, 9)],
    )
    return replace(ran, comparisons=(left,), snapshots=clean.snapshots)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((), "was not tried"),
        ((RetryTried(at_ns=hand.at(14), ended_ns=hand.at(15), error="1060: tag is there"),), "it fails: 1060"),
        ((RetryTried(at_ns=hand.at(14), ended_ns=hand.at(15)),), "it goes to its end"),
    ],
)
def test_what_a_failed_way_forward_left_is_a_finding_of_its_own(events: tuple[object, ...], words: str) -> None:
    failed, left = answer(by_code("D002"), failed_half_way(*events)).findings
    assert "ALGORITHM or LOCK" in (failed.remedy or ""), "the code says why"
    assert left.where == "what is left"
    assert "table orders column tag" in left.says and words in left.says


def test_an_index_that_the_way_forward_leaves_invalid_is_a_failure() -> None:
    clean = examples.clean()
    broken = {"table orders index by_status": {"definition": "USING btree (status)", "valid": "no"}}
    after = replace(clean.snapshots["forward"], schema={**clean.snapshots["forward"].schema, **broken})
    bad = replace(clean, snapshots={**clean.snapshots, "forward": after})
    (finding,) = answer(by_code("D002"), bad).findings
    assert finding.where == "table orders index by_status"
    assert "INVALID" in finding.says
    before = replace(clean.snapshots["start"], schema={**clean.snapshots["start"].schema, **broken})
    assert status("D002", replace(bad, snapshots={**bad.snapshots, "start": before})) == Status.PASSED


def test_writes_that_nobody_could_verify_are_not_said_to_be_there() -> None:
    untold = compared(lambda table: replace(table, writes_untold=3))
    assert status("I001", untold) == Status.UNKNOWN
    assert "3 to orders" in str(answer(by_code("I001"), untold).reason)


def test_a_prepared_statement_that_no_longer_fits_has_a_remedy_of_its_own() -> None:
    words = "cached plan must not change result type"
    bad = traffic_with(refusals=[hand.Refusal(begin=11, end=12, code="0A000", message=words, most=8)])
    (finding,) = answer(by_code("T002"), bad).findings
    assert "name the columns" in finding.remedy


def test_a_migration_of_empty_tables_alone_tells_nothing_of_its_locks() -> None:
    assert judge(on_empty_tables("orders")).status == Status.UNKNOWN
    assert "data.tables = { orders = 0 }" in str(
        answer(by_code("R004"), on_empty_tables("orders", tables=("orders", "customers"))).reason
    )
    assert status("R004", on_empty_tables(tables=("orders", "customers"))) == Status.PASSED
    assert status("R004", on_empty_tables("customers", tables=("orders", "customers"))) == Status.PASSED
    assert status("R004", on_empty_tables(tables=("made later",))) == Status.PASSED


def test_a_table_that_is_said_to_be_empty_may_be_empty() -> None:
    empty = on_empty_tables("orders", tables=("orders", "customers"))
    meant = replace(empty.scenario, data=replace(empty.scenario.data, tables={"orders": 0}))
    assert status("R004", replace(empty, scenario=meant)) == Status.PASSED


def filled(table: TableComparison, *, overwritten: int = 0) -> TableComparison:
    """The table with 3 values that were NULL and are not, and some that were others."""
    examples = (Example(key="7", before=None, after="new"),)
    column = ColumnDifference(
        column="note", values_changed=3 + overwritten, values_lost=0, values_filled=3, examples=examples
    )
    return replace(table, columns=(column,))


def declared(recording: Recording) -> Recording:
    tables = {table.table for one in recording.comparisons for table in one.tables}
    effects = [Effect(table=name, column="note", back=False) for name in sorted(tables)]
    migration = replace(recording.scenario.migration, effects=effects)
    return replace(recording, scenario=replace(recording.scenario, migration=migration))


def test_a_declared_backfill_of_nulls_may_stay_after_the_way_back() -> None:
    stays = compared(filled, after="back")
    (finding, *_) = answer(by_code("F002"), stays).findings
    assert "NULL became 'new'" in finding.says
    assert "[[migration.effects]]" in finding.remedy
    assert status("F002", declared(stays)) == Status.PASSED
    assert rollback(stays).fidelity != 1.0
    assert rollback(declared(stays)).fidelity == 1.0


def test_a_declared_backfill_that_overwrote_values_is_still_a_loss() -> None:
    stays = declared(compared(lambda table: filled(table, overwritten=2), after="back"))
    (finding, *_) = answer(by_code("F002"), stays).findings
    assert finding.says.startswith("2 values of orders.note did not come back")
    assert "copy them back" in finding.remedy


def test_values_of_which_it_is_not_known_whether_they_were_null_are_not_excused() -> None:
    old = compared(changed, after="back")
    assert status("F002", declared(old)) == Status.FAILED


@pytest.mark.parametrize(
    ("sql", "rewrites", "words"),
    [
        ("ALTER TABLE orders ADD COLUMN t uuid NOT NULL DEFAULT gen_random_uuid()", ("orders",), "then SET DEFAULT"),
        ("alter table orders add t bigserial", ("orders",), "nextval"),
        ("alter table orders alter column id type bigint", ("orders",), "column of the new type"),
        ("alter table orders alter id set data type bigint", ("orders",), "column of the new type"),
        ("alter table orders alter note set not null", (), "IS NOT NULL) NOT VALID"),
        ("alter table orders add constraint k unique (note)", (), "USING INDEX"),
        ("alter table orders add foreign key (c) references customers", (), "FOREIGN KEY … NOT VALID"),
        ("alter table orders add constraint c check (id > 0)", (), "CHECK (…) NOT VALID"),
        ("-- why\ncreate unique index i on orders (id)", (), "CREATE INDEX CONCURRENTLY"),
        ("vacuum (full, verbose) orders", ("orders",), "pg_repack"),
        ("lock table orders", (), "FOR UPDATE"),
    ],
)
def test_the_remedy_fits_the_statement_that_locks(sql: str, rewrites: tuple[str, ...], words: str) -> None:
    bad = forward(hand.statement(1, sql, 11, 11.8, rewrites=rewrites), hand.lock("orders", 11, 11.001, 11.8))
    (finding,) = answer(by_code("L001"), bad).findings
    assert words in finding.remedy


def test_a_statement_that_is_none_of_these_has_the_rules_remedy() -> None:
    for sql in ("alter table orders add t int", "alter table orders add t int default 1"):
        bad = forward(hand.statement(1, sql, 11, 11.8), hand.lock("orders", 11, 11.001, 11.8))
        assert [one.remedy for one in answer(by_code("L001"), bad).findings] == [by_code("L001").rule.remedy]


def test_a_lock_that_a_later_statement_holds_on_names_that_statement() -> None:
    bad = forward(
        hand.statement(1, "alter table orders add t int", 11, 11.01),
        hand.statement(2, "update orders set t = 1", 11.01, 11.9),
        hand.statement(3, "commit", 11.9, 11.901),
        hand.lock("orders", 11, 11.001, 11.901),
    )
    (finding,) = answer(by_code("L001"), bad).findings
    assert "lasts until COMMIT" in finding.remedy
    assert "statement 2 (890 ms)" in finding.remedy


def test_a_lock_that_is_waited_for_asks_for_a_time_out() -> None:
    bad = forward(hand.statement(1, "alter table orders add t int", 11, 11.9), hand.lock("orders", 11, 11.89, 11.9))
    (finding,) = answer(by_code("L001"), bad).findings
    assert "lock_timeout" in finding.remedy


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_no_remedy_on_mysql_names_what_only_postgresql_has(engine: str) -> None:
    calls = [hand.traffic(4, 9), hand.traffic(10, 14, first_number=2001, stalls=[hand.Stall(begin=12, end=13)])]
    slow = with_budget(forward(frames=calls), slowdown=2.0)
    for code, bad in (("L005", held_idly(0.9)), ("T001", slow)):
        theirs = replace(bad, scenario=replace(bad.scenario, engine=EngineChoice(name=engine)))
        (finding,) = answer(by_code(code), theirs).findings
        assert not re.search(r"\b(lock_timeout|idle_in_transaction_session_timeout|WAL)\b", finding.remedy)
        (ours,) = answer(by_code(code), bad).findings
        assert finding.remedy != ours.remedy
        assert re.search(r"\b(idle_in_transaction_session_timeout|WAL)\b", ours.remedy)


def nulls_filled(table: TableComparison) -> TableComparison:
    """The table with 3 lost writes, of which 2 set a column to NULL that holds a value now."""
    wrong = WrongWrite(
        kind="lost", table=table.table, key="7", column="note", written=None, found="a", call="write", at_ns=hand.at(11)
    )
    other = replace(wrong, key="8", written="b")
    filled = (NullsFilled(columns=("note",), writes=2),)
    return replace(table, lost_writes=3, wrong_writes=(wrong, other), nulls_filled=filled)


def test_a_null_that_a_declared_backfill_fills_is_no_lost_write() -> None:
    lost = compared(nulls_filled)
    assert answer(by_code("I001"), lost).findings[0].says.startswith("3 writes to orders were")
    (finding, *_) = answer(by_code("I001"), declared(lost)).findings
    assert finding.says.startswith("1 write to orders was")
    assert "'b' was written" in finding.says
    assert integrity(declared(lost)).lost_writes == integrity(lost).lost_writes - 2 * len(TABLES_OF_CLEAN)
    only = compared(lambda table: replace(nulls_filled(table), lost_writes=2))
    assert "[[migration.effects]]" in answer(by_code("I001"), only).findings[0].remedy
    assert status("I001", declared(only)) == Status.PASSED


def test_the_longest_pause_of_a_lock_is_named() -> None:
    (finding,) = answer(by_code("L005"), held_idly(0.9)).findings
    assert "and for 940 ms of it no statement of the migration ran, longest after statement 2 (490 ms)" in finding.says
    assert answer(by_code("L005"), held(0.9)).findings == ()


def test_a_baseline_of_one_level_is_steady_however_it_scatters() -> None:
    for seed in range(20):
        recording = forward(frames=[hand.traffic(4, 9, seed=seed, usual_ms=4), hand.traffic(10, 14, first_number=2001)])
        assert status("R005", recording) == Status.PASSED


@pytest.mark.parametrize(
    ("sql", "took_ns", "is_known"),
    [
        ("-- slow\nALTER TABLE orders ADD COLUMN x int", 900 * 10**6, False),
        ("/* quick */ ALTER TABLE orders ADD COLUMN x int", 3 * 10**6, True),
        ("UPDATE orders SET note = 'x'", 900 * 10**6, True),
    ],
)
def test_a_long_statement_of_which_no_lock_was_seen_is_no_pass(sql: str, took_ns: int, *, is_known: bool) -> None:
    recording = forward(hand.statement(1, sql, 11, 11 + took_ns / 1e9))
    assert status("L001", recording) == (Status.PASSED if is_known else Status.UNKNOWN)
    assert status("L002", recording) == status("L001", recording)
