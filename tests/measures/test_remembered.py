"""Measures that are asked for again and again."""

from __future__ import annotations

from dataclasses import replace

from rehearse.measures._remembered import remembered
from rehearse.model import Recording
from rehearse.testing.examples import clean


def test_a_measure_is_worked_out_once_for_each_question_and_recording() -> None:
    asked = []

    @remembered
    def measure(recording: Recording, phase: str) -> int:
        asked.append((recording.scenario.seed, phase))
        return len(asked)

    one = clean()
    assert [measure(one, "forward"), measure(one, "forward"), measure(one, "back")] == [1, 1, 2]
    other = replace(one, scenario=replace(one.scenario, seed=7))
    assert measure(other, "forward") == 3
    assert measure(one, "forward") == 4, "only the last recording is kept in mind"
    assert asked[2] == (7, "forward")
