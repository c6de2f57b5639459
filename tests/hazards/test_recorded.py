"""Hazards of a recorded migration: the rehearsal shows them, refutes them, or leaves them to the text."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rehearse.checks import by_code
from rehearse.events import StatementRan
from rehearse.hazards.recorded import recorded
from rehearse.judging import judge
from rehearse.model import EngineChoice, Recording, Snapshot, Status
from rehearse.registry import renderer
from rehearse.testing import recordings as hand

COLUMN = "ALTER TABLE orders ADD COLUMN token uuid DEFAULT my_token()"


def run(
    *statements: StatementRan, engine: str = "postgres", locks: tuple = (), schema: dict | None = None
) -> Recording:
    made = hand.recorded([hand.phase("forward", 10, 14, acted=(11, 12)), *statements, *locks])
    snapshots = {} if schema is None else {"start": snapshot(schema)}
    scenario = replace(made.scenario, engine=EngineChoice(name=engine))
    return replace(made, scenario=scenario, snapshots=snapshots)


def snapshot(schema: dict[str, dict[str, str]]) -> Snapshot:
    return Snapshot(name="start", at_ns=0, took_ns=0, schema=schema, physical={}, tables={})


def proofs(recording: Recording) -> dict[str, tuple[str, str]]:
    return {one.hazard.rule.code: (one.proof.status, one.proof.says) for one in recorded(recording)}


def test_a_rewrite_that_was_seen_is_measured_with_its_lock() -> None:
    ran = hand.statement(1, COLUMN, 11, 12, rewrites=("orders",))
    status, says = proofs(run(ran, locks=(hand.lock("orders", 11, 11, 12),)))["H101"]
    assert status == "measured"
    assert says == "it wrote orders anew; AccessExclusiveLock on orders was held for 1.00 s"


def test_a_rewrite_that_was_not_seen_is_refuted_and_has_no_say_in_the_remedy() -> None:
    ran = hand.statement(1, COLUMN, 11, 12, rewrites=())
    recording = run(ran, locks=(hand.lock("orders", 11, 11, 12),))
    assert proofs(recording)["H101"] == ("refuted", "it did not write orders anew")
    findings = by_code("L001")(recording)
    assert all("SET DEFAULT" not in one.remedy for one in findings)


def test_what_was_not_measured_is_told_by_the_text_alone() -> None:
    ran = hand.statement(1, COLUMN, 11, 12, rewrites=None)
    assert proofs(run(ran))["H101"] == ("static", "")


def test_the_algorithm_that_a_server_chose_wins() -> None:
    sql = "ALTER TABLE orders ADD CONSTRAINT c CHECK (n > 0)"
    for seen, status in (("COPY", "measured"), ("INSTANT", "refuted"), (None, "static")):
        ran = replace(hand.statement(1, sql, 11, 12, rewrites=None), algorithm=seen)
        assert proofs(run(ran, engine="mysql"))["H518"][0] == status


def test_what_a_block_of_code_did_is_told_by_the_rehearsal() -> None:
    ran = hand.statement(1, "DO $$ BEGIN EXECUTE 'x'; END $$", 11, 12, rewrites=("orders",))
    status, says = proofs(run(ran, locks=(hand.lock("orders", 11, 11, 12),)))["H001"]
    assert status == "measured"
    assert "it wrote orders anew" in says and "AccessExclusiveLock on orders" in says


@pytest.mark.parametrize(("was", "codes"), [("character varying(20)", set()), ("integer", {"H104"})])
def test_the_types_of_columns_come_from_the_snapshot(was: str, codes: set[str]) -> None:
    schema = {"table orders": {"owner": "me"}, "table orders column code": {"type": was}}
    ran = hand.statement(1, "ALTER TABLE orders ALTER code TYPE varchar(40)", 11, 12, rewrites=None)
    assert {code for code in proofs(run(ran, schema=schema)) if code < "H9"} == codes


def test_a_constraint_of_the_snapshot_spares_set_not_null_its_scan() -> None:
    schema = {
        "table orders": {},
        "table orders column code": {"type": "text"},
        "table orders constraint there": {"definition": "CHECK ((code IS NOT NULL))"},
    }
    ran = hand.statement(1, "ALTER TABLE orders ALTER code SET NOT NULL", 11, 12)
    assert "H106" not in proofs(run(ran, schema=schema))
    schema["table orders constraint there"]["validated"] = "no"
    assert "H106" in proofs(run(ran, schema=schema))


def test_a_hazard_that_the_text_alone_tells_fails_nothing_and_stands_in_the_report() -> None:
    recording = run(hand.statement(1, "ALTER TABLE orders DROP COLUMN code", 11, 11.1))
    verdict = judge(recording)
    assert all(answer.status != Status.FAILED for answer in verdict.answers if answer.rule.code.startswith("H"))
    assert not [one for one in verdict.findings if one.code.startswith("H")]
    for form in ("md", "html", "sarif", "terminal"):
        assert "H301" in renderer(form)(recording, verdict), form


def test_code_scanning_gets_each_hazard_at_its_line_and_a_refuted_one_as_a_note() -> None:
    ran = replace(hand.statement(1, COLUMN, 11, 12, rewrites=()), file="up.sql:7")
    recording = run(ran, locks=(hand.lock("orders", 11, 11, 12),))
    (told,) = json.loads(renderer("sarif")(recording, judge(recording)))["runs"]
    (found,) = [one for one in told["results"] if one["ruleId"] == "H101"]
    assert found["level"] == "note" and "refuted by the rehearsal" in found["message"]["text"]
    assert found["locations"][0]["physicalLocation"]["region"] == {"startLine": 7}
    assert told["tool"]["driver"]["rules"][found["ruleIndex"]]["id"] == "H101"


def test_what_a_comment_passes_over_stands_in_no_report() -> None:
    sql = "ALTER TABLE orders DROP COLUMN code"
    assert "H301" in proofs(run(hand.statement(1, sql, 11, 12)))
    assert "H301" not in proofs(run(replace(hand.statement(1, sql, 11, 12), ignored=("H301",))))


def test_the_report_says_that_the_rehearsal_refutes() -> None:
    recording = run(hand.statement(1, COLUMN, 11, 12, rewrites=()), locks=(hand.lock("orders", 11, 11, 12),))
    for form in ("md", "html"):
        assert "refuted by the rehearsal: it did not write orders anew" in renderer(form)(recording, judge(recording))


def test_a_backfill_of_many_batches_hides_nothing_that_comes_after_it() -> None:
    batches = [
        hand.statement(n, f"UPDATE orders SET code = 'x' WHERE id = {n}", 11 + n / 1e5, 11 + n / 1e5)
        for n in range(1, 3000)
    ]
    last = hand.statement(3000, COLUMN, 11.9, 12, rewrites=("orders",))
    (hazard,) = [one for one in recorded(run(*batches, last)) if one.hazard.rule.code == "H101"]
    assert hazard.ran is last
