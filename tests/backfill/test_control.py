"""The size of batches, by servers that are simulated."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse.backfill.control import Pace
from rehearse.units import NS_PER_MS

TARGET = 100 * NS_PER_MS
START = Pace(keys=1_000, target_ns=TARGET)


def driven(pace: Pace, takes_ns: Callable[[int], float], batches: int) -> list[Pace]:
    found = []
    for _ in range(batches):
        pace = pace.after(pace.keys, round(takes_ns(pace.keys)))
        found.append(pace)
    return found


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("best", [50, 3_000, 60_000])
def test_batches_come_to_take_their_time(exponent: float, best: int) -> None:
    def takes(keys: int) -> float:
        return float(TARGET * (keys / best) ** exponent)

    *_, last = driven(START, takes, 30)
    assert takes(last.keys) == pytest.approx(TARGET, rel=0.15)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_target_is_not_swung_about(exponent: float) -> None:
    sizes = [one.keys for one in driven(START, lambda keys: TARGET * (keys / 20_000) ** exponent, 40)]
    assert max(sizes) <= 20_000 * 1.1
    assert sizes == sorted(sizes)


def test_noise_moves_the_size_no_more_than_it_moves_the_time() -> None:
    random.seed(7)
    sizes = [one.keys for one in driven(START, lambda keys: TARGET * keys / 5_000 * random.uniform(0.5, 2), 400)][50:]
    assert 5_000 / 2 <= min(sizes) <= max(sizes) <= 5_000 * 2


def test_a_server_that_slows_down_is_given_way_within_a_few_batches() -> None:
    settled = driven(START, lambda keys: TARGET * keys / 10_000, 30)[-1]
    slowed = driven(settled, lambda keys: TARGET * keys / 500, 5)
    assert slowed[-1].keys < 700


def test_no_batch_takes_less_than_four_commits_of_the_usual_length() -> None:
    random.seed(9)
    pace, sizes = START, []
    for number in range(200):
        commit = 900 * NS_PER_MS if number % 20 == 7 else TARGET * random.uniform(0.8, 1.25)
        pace = pace.after(pace.keys, round(commit + TARGET * pace.keys / 10_000), round(commit))
        sizes.append(pace.keys)
    assert 20_000 < sum(sizes[50:]) / 150 < 40_000  # of four commits' time, three are for the rows
    assert min(sizes[50:]) > 10_000


def test_a_fixed_cost_above_the_target_ends_at_the_smallest_batch() -> None:
    assert driven(START, lambda keys: 3 * TARGET + keys, 40)[-1].keys == START.least


@given(
    keys=st.integers(10, 100_000),
    spanned=st.integers(0, 100_000),
    took_ns=st.integers(0, 10**12),
)
def test_one_batch_moves_the_size_the_right_way_and_within_bounds(keys: int, spanned: int, took_ns: int) -> None:
    pace = replace(START, keys=keys)
    after = pace.after(min(spanned, keys), took_ns)
    assert pace.least <= after.keys <= pace.most
    assert min(spanned, keys) * 0.25 - 1 <= after.keys <= keys * 1.5 + 1
    if took_ns > TARGET * 1.2:
        assert after.keys <= keys
    if spanned < keys:
        assert after.keys <= keys  # a short batch is no reason for a larger one


def test_without_a_target_all_batches_are_alike() -> None:
    pace = replace(START, target_ns=None)
    assert pace.after(1_000, 10 * TARGET) == pace


def test_a_refusal_halves_the_batch_down_to_the_least() -> None:
    pace = START
    for _ in range(20):
        pace = pace.after_refusal()
    assert START.after_refusal().keys == 500
    assert pace.keys == pace.least


def test_batches_are_eased_while_the_latency_is_above_its_budget_and_not_any_more_when_it_is_below() -> None:
    pace = START
    for window in range(1, 4):
        pace = pace.after_latency(1.5, window)
        assert pace.after_latency(1.5, window) == pace  # a window is heeded once, whoever asks again
    assert pace.ease == 0.125
    after = driven(pace, lambda keys: TARGET * keys / 8_000, 30)[-1]
    assert after.keys == pytest.approx(1_000, rel=0.15)  # an eighth of the target's time,
    assert after.rest_ns == pytest.approx(TARGET * 7 / 8, rel=0.15)  # and then seven of rest
    for window in range(4, 14):
        after = after.after_latency(0.5, window)
    assert after.ease == 1
    assert after.after(after.keys, TARGET).rest_ns == 0


def test_it_is_never_eased_to_a_standstill() -> None:
    pace = START
    for window in range(1, 50):
        pace = pace.after_latency(9.0, window)
    assert pace.after(pace.keys, TARGET).rest_ns == 15 * TARGET
