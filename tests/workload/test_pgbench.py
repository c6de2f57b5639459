r"""Calls from pgbench's scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearse.errors import ScenarioMistake
from rehearse.model import CallChoice, WorkloadChoice
from rehearse.workload.pgbench import expanded

TPCB = r"""
\set aid random(1, 100000 * :scale)
\set bid random(1, 1 * :scale)
\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
\sleep 4 ms
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
END;
"""


def calls(folder: Path, text: str, named: str = "own.sql", **variables: float) -> list[CallChoice]:
    (folder / "own.sql").write_text(text, encoding="utf-8")
    return expanded(WorkloadChoice(pgbench=[named], pgbench_variables=variables), folder).calls


def test_a_transaction_is_one_call_with_its_values_its_weight_and_its_pauses(tmp_path: Path) -> None:
    (call,) = calls(tmp_path, TPCB, "own.sql@3", scale=10)
    assert (call.name, call.share, len(call.sql)) == ("own", 3.0, 3)
    assert call.values["aid"] == {"min": 1, "max": 1_000_000}
    assert call.values["delta"] == {"min": -5000, "max": 5000}
    assert call.think == 2_000_000, "4 ms, in the two places between three statements"


def test_statements_without_a_transaction_are_calls_of_their_own(tmp_path: Path) -> None:
    one, two = calls(tmp_path, "\\set id random_zipfian(1, 100, 1.07)\nSELECT :id;\n\\sleep 1\nSELECT :id + 1;\n")
    assert (one.name, two.name) == ("own 1", "own 2")
    assert one.values["id"] == {"min": 1, "max": 100, "skew": 1.07}
    assert (one.think, two.think) == (0, 0)


def test_a_comment_before_a_control_word_tears_no_transaction_apart(tmp_path: Path) -> None:
    text = "-- deposit\n\nBEGIN;\n/* one */ UPDATE a SET n = 1;\nUPDATE b SET n = 1;\n-- and done\nEND;\nSELECT 1;"
    one, two = calls(tmp_path, text)
    assert (len(one.sql), two.sql) == (2, ["SELECT 1"])


def test_a_variable_has_the_value_that_it_had_when_its_statement_was_sent(tmp_path: Path) -> None:
    one, two = calls(tmp_path, "\\set a 1\nSELECT :a\n\\set a 2\n\\set d 3\nSELECT :a;\n\\sleep :d ms\n")
    assert (one.values, two.values) == ({"a": {"constant": 1}}, {"a": {"constant": 2}})


def test_arithmetic_is_that_of_pgbench(tmp_path: Path) -> None:
    (call,) = calls(tmp_path, "\\set n (7 + -3 * :s) / 2 % 5\nSELECT :n;", s=4)
    assert call.values["n"] == {"constant": -2}


def test_a_colon_in_a_text_is_no_variable(tmp_path: Path) -> None:
    (call,) = calls(tmp_path, "SELECT '10:30'::time, ':none';")
    assert call.values == {}


def test_scripts_stand_beside_calls_and_a_weight_of_0_leaves_one_out(tmp_path: Path) -> None:
    (tmp_path / "own.sql").write_text("SELECT 1;", encoding="utf-8")
    own = CallChoice(name="read", sql="select 2")
    assert expanded(WorkloadChoice(calls=[own], pgbench=["own.sql@0"]), tmp_path).calls == [own]
    assert len(expanded(WorkloadChoice(calls=[own], pgbench=["own.sql"]), tmp_path).calls) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\\set a random(1, 5)\n\\set b :a * 2\nSELECT :b;", "own.sql:2: :a is random"),
        ("\\set a random_gaussian(1, 5, 2)\nSELECT :a;", "own.sql:1: random_gaussian() with 3 values is not known"),
        ("\\if 1\nSELECT 1;\n\\endif", "own.sql:1: \\if has no place here"),
        ("\\set a 1 / 0\nSELECT :a;", "own.sql:1: it divides by zero"),
        ("\\set a :b\nSELECT :a;", "own.sql:1: :b is not set before"),
        ("SELECT :b;", ":b is never set"),
        ("\\set a __import__('os')\nSELECT :a;", "is not understood"),
        ("\\set a 2 ** 9999\nSELECT :a;", "is not understood"),
        ("SELECT 1 WHERE id = $1;", "parameter $1"),
        ("BEGIN;\n\\set a 1\nSELECT :a;\n\\set a 2\nSELECT :a;\nEND;", ":a is set anew in the middle"),
        ("BEGIN;\nSELECT 1;\n\\sleep 5 ms\nEND;", "a transaction of one statement has no place for"),
        ("\\sleep :d ms\nSELECT 1;", "own.sql:1: \\sleep :d: write a number"),
    ],
)
def test_what_has_no_place_is_a_mistake_that_names_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ScenarioMistake) as mistake:
        calls(tmp_path, text)
    assert says in str(mistake.value)


def test_a_script_without_a_statement_and_a_weight_that_is_no_number_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ScenarioMistake, match="there is no statement in"):
        calls(tmp_path, "-- nothing here\n\\set a 1\n")
    with pytest.raises(ScenarioMistake, match="the weight after @ must be a number"):
        calls(tmp_path, "SELECT 1;", "own.sql@x")


def test_a_script_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ScenarioMistake, match=r"workload.pgbench\[0\]: .*none.sql cannot be read"):
        expanded(WorkloadChoice(pgbench=["none.sql"]), tmp_path)
