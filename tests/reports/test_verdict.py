"""The verdict in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rehearse.events import KINDS, CallBehaved, Event, InvariantTried, TableLoaded
from rehearse.judging import judge
from rehearse.model import Budget, ColumnDifference, Recording
from rehearse.recording.journal import Facts
from rehearse.registry import renderer
from rehearse.reports._document import document
from rehearse.testing import examples
from rehearse.testing import recordings as hand
from rehearse.testing.examples import harmful as harmful_recording
from tests.reports.conftest import Judged, judged


def sentence(example: Judged) -> str:
    return document(example.recording, example.verdict).verdict.says


def test_a_pass_says_how_long_how_closed_and_how_slow() -> None:
    says = sentence(judged("clean"))
    assert "forward took 20 ms" in says
    assert "no table was closed for longer than 20 ms (budget 500 ms)" in says
    assert "p99 was 1.0 × the baseline's" in says


def test_a_failure_says_the_gravest_first_and_how_many_more(harmful: Judged) -> None:
    says = sentence(harmful)
    assert says.startswith("4 writes to orders were acknowledged and are not there, on the way back; ")
    assert says.endswith(f"; {len(harmful.verdict.findings)} findings below.")


def changed(column: ColumnDifference) -> list[str]:
    """The codes of findings in their order, where the way forward changes a column without losing a write."""
    recording = harmful_recording()
    forward = recording.comparisons[0]
    tables = [replace(one, columns=(column,) if one.table == "orders" else (), lost_writes=0) for one in forward.tables]
    recording = replace(recording, comparisons=[replace(forward, tables=tuple(tables)), *recording.comparisons[1:]])
    return [one.code for one in document(recording, judge(recording)).findings]


def test_an_outage_comes_before_a_change_in_which_nothing_is_lost() -> None:
    kept = changed(ColumnDifference(column="note", values_changed=3, values_lost=0, values_filled=3))
    assert kept.index("L001") < kept.index("I003") < kept.index("F002")
    lost = changed(ColumnDifference(column="note", values_changed=3, values_lost=0, values_filled=2))
    assert lost.index("I003") < lost.index("L001")


def with_facts(recording: Recording, kind: type[Event], facts: Sequence[Event]) -> Recording:
    others = {one: recording.history.of(one) for one in KINDS if not one.dense}
    frames = {one: recording.history.frame(one) for one in KINDS if one.dense}
    return replace(recording, history=Facts({**others, kind: facts}, frames))


def test_a_closed_table_is_told_with_time_budget_and_statement() -> None:
    recording = with_facts(harmful_recording(), InvariantTried, [])
    scenario = replace(recording.scenario, budget=Budget(blocked=500_000_000, lost_writes=None, fidelity=None))
    recording = replace(recording, scenario=scenario, comparisons=())
    says = document(recording, judge(recording)).verdict.says
    assert says.startswith("orders was closed to reads and writes for 1.54 s (budget 500 ms) by statement 2 of forward")


def test_a_migration_that_stops_is_told_in_the_servers_words() -> None:
    says = sentence(judged("failed"))
    assert says.startswith('forward fails: up.sql:7: null value in column "status"')


def test_an_unknown_says_what_was_not_measured_and_why() -> None:
    assert "was not measured: the observer may not read pg_locks" in sentence(judged("unmeasured"))


def test_a_failure_on_empty_tables_says_that_too() -> None:
    loaded = [TableLoaded(at_ns=1, table="orders", rows=0, size_bytes=8192)]
    empty = with_facts(harmful_recording(), TableLoaded, loaded)
    says = document(empty, judge(empty)).verdict.says
    assert "findings below. Besides, the only table had 0 rows" in says


def test_no_form_ticks_answers_that_were_not_compared() -> None:
    silent = hand.behaved("back", reason="it reads items")
    none = with_facts(examples.clean(), CallBehaved, [silent])
    some = with_facts(examples.clean(), CallBehaved, [silent, hand.behaved("back", call="pay")])
    for recording, head in ((none, "fidelity not measured"), (some, "fidelity of what was compared")):
        page = renderer("html")(recording, judge(recording))
        assert head in page
        assert "✓ Behaviour" not in page
        assert "not compared: read order: it reads items" in page
        assert "Answers not compared: read order: it reads items" in renderer("md")(recording, judge(recording))
    assert "✓ Behaviour" in renderer("html")(examples.clean(), judge(examples.clean()))
