"""Two versions of the application: which is live when, and what each of their calls does on each schema."""

from __future__ import annotations

import numpy as np
import pytest

from rehearse.errors import ScenarioMistake
from rehearse.model import CallChoice, WorkloadChoice
from rehearse.workload.arrivals import Schedule
from rehearse.workload.mix import check, flagged
from rehearse.workload.rollout import Deploy, shares, states
from rehearse.workload.worker import RollOut


def test_the_share_of_the_new_version_goes_along_a_line() -> None:
    rollout = RollOut(0.0)
    rollout.go(1.0, 1_000, 2_000)
    assert [rollout.share(at) for at in (0, 1_000, 2_000, 3_000, 9_000)] == [0.0, 0.0, 0.5, 1.0, 1.0]
    rollout.go(0.0, 2_000, 0)  # in the middle of it, at once
    assert [rollout.share(at) for at in (2_000, 2_001)] == [0.5, 0.0]


def test_each_version_has_its_own_kinds_at_the_same_times() -> None:
    schedule = Schedule(seed=1, phase=0, rate=100.0, shares=[3, 1, 0], new_shares=[0, 1, 3], width=2)
    block = schedule.block(0)
    assert set(block.kinds) == {0, 1}
    assert set(block.new_kinds) == {1, 2}
    assert block.luck.mean() == pytest.approx(0.5, abs=0.1)
    plain = Schedule(seed=1, phase=0, rate=100.0, shares=[3, 1, 0], width=2).block(0)
    assert (plain.due_ns == block.due_ns).all()
    assert (plain.new_kinds == plain.kinds).all()
    assert np.corrcoef(block.luck, block.kinds)[0, 1] == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize(
    ("deploy", "old", "new"),
    [
        ("after", ("start", "forward", "back"), ("forward",)),
        ("before", ("start", "back"), ("start", "forward", "back")),
        ("together", ("start", "forward", "back"), ("start", "forward", "back")),
    ],
)
def test_a_version_meets_the_schemas_that_are_there_while_it_is_live(
    deploy: Deploy, old: tuple[str, ...], new: tuple[str, ...]
) -> None:
    assert (states(deploy, "old"), states(deploy, "new")) == (old, new)
    assert states(deploy, None) == ("start", "forward", "back")


def test_going_back_the_new_code_goes_first_where_it_came_last() -> None:
    forward, back = shares("after", "forward"), shares("after", "back")
    assert (forward.led, forward.acting, forward.end) == (0.0, 0.0, 1.0)
    assert (back.start, back.led, back.acting, back.end) == (1.0, 0.0, 0.0, 0.0)
    forward, back = shares("before", "forward"), shares("before", "back")
    assert (forward.led, forward.acting, forward.end) == (1.0, 1.0, 1.0)
    assert (back.start, back.acting, back.end) == (1.0, 1.0, 0.0)


def test_a_canary_is_live_with_its_share_all_along() -> None:
    for phase in ("forward", "back", "again"):
        one = shares("together", phase, 0.05)
        assert (one.start, one.led, one.acting, one.end) == (0.05, 0.05, 0.05, 0.05)
    assert shares("together", "baseline", 0.05).start == 0.0


FLAGS = {"checkout2": 0.1, "dark": 0.0}


@pytest.mark.parametrize(
    ("flag", "share"), [(None, 1.0), ("checkout2", 0.1), ("not checkout2", 0.9), ("dark", 0.0), ("not dark", 1.0)]
)
def test_a_flag_is_a_named_share_of_the_users(flag: str | None, share: float) -> None:
    assert flagged(CallChoice(name="pay", sql="select 1", flag=flag), FLAGS, "here") == pytest.approx(share)


def test_a_flag_that_nobody_named_is_a_mistake() -> None:
    with pytest.raises(ScenarioMistake, match=r"workload.calls\[0\].flag: .*'chekout2'; did you mean 'not checkout2'"):
        check(WorkloadChoice(calls=[CallChoice(name="pay", sql="select 1", flag="not chekout2")], flags=FLAGS))


def test_a_flag_that_no_call_has_is_a_mistake() -> None:
    with pytest.raises(ScenarioMistake, match=r"workload.flags.dark: no call has this flag"):
        check(WorkloadChoice(calls=[CallChoice(name="pay", sql="select 1", flag="not checkout2")], flags=FLAGS))


def dues(seconds: float, **changes: object) -> np.ndarray:
    words = {"seed": 1, "phase": 0, "rate": 400.0, "shares": [1], "width": 1, **changes}
    schedule = Schedule(**words)  # type: ignore[arg-type]
    blocks, at = [], 0
    while not blocks or blocks[-1][-1] < seconds * 1e9:
        blocks.append(schedule.block(at).due_ns)
        at += 1
    found = np.concatenate(blocks) / 1e9
    assert (np.diff(found) >= 0).all()
    return found[found < seconds]


def test_even_calls_are_equally_far_apart() -> None:
    assert np.diff(dues(5.0, even=True)) == pytest.approx(1 / 400, abs=1e-6)


@pytest.mark.parametrize("even", [True, False])
def test_the_rate_follows_a_curve_again_and_again(even: bool) -> None:
    burst = [(0.0, 1.0), (1.0, 1.0), (1.0001, 4.0), (1.5, 4.0), (1.5001, 0.0), (2.0, 0.0)]
    found = dues(20.0, curve=burst, even=even)
    counts, _ = np.histogram(found % 2.0, bins=[0, 1, 1.5, 2.0])
    assert counts[:2] == pytest.approx([4000, 8000], rel=0.06)
    assert counts[2] < 10
    ramp = dues(20.0, curve=[(0.0, 0.0), (20.0, 2.0)], even=even)
    assert np.median(ramp) == pytest.approx(20 / 2**0.5, rel=0.03)
