"""When calls are due, and what values they get."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearse.errors import ScenarioMistake
from rehearse.model import Survey
from rehearse.workload.arrivals import BLOCK, Schedule, place
from rehearse.workload.draws import Calls, Pool
from rehearse.workload.values import Wanted, draws


def schedule(**changes: Any) -> Schedule:
    return Schedule(**{"seed": 1, "phase": 0, "rate": 500.0, "shares": [8.0, 2.0], "width": 3, **changes})


def drawn(value: Any, shop: Survey, *, calls: int = BLOCK) -> list[Any]:
    wanted = Wanted(shop, lambda table, column: "41")
    found = draws(["x"], {"x": value}, wanted, "workload.calls[0]")
    pools = [{"columns": [[f"{c}{n}" for n in range(50)] for c in cs], "skew": 0.8} for _, cs in wanted.pools]
    call = {"draws": found, "places": [[0]]}
    blocks = [schedule(shares=[1.0]).block(at) for at in range(-(-calls // BLOCK))]
    made = Calls([call], pools, seed=1)
    values = [one for block in blocks for one in made.values(block, np.arange(BLOCK), 1_700_000_000_000_000)]
    return [None if text is None else text.decode() for ((text,),) in values[:calls]]


@given(st.integers(-(2**63), 2**63), st.integers(0, 15), st.floats(0.1, 1e5), st.integers(0, 1000))
@settings(max_examples=30)
def test_blocks_follow_each_other_at_the_rate(seed: int, phase: int, rate: float, index: int) -> None:
    block = schedule(seed=seed, phase=phase, rate=rate).block(index)
    after = schedule(seed=seed, phase=phase, rate=rate).block(index + 1)
    assert (np.diff(block.due_ns) >= 0).all()
    assert block.due_ns[-1] <= after.due_ns[0]
    assert index * BLOCK / rate * 1e9 - 2 <= block.due_ns[0]


def test_gaps_between_arrivals_are_those_of_a_poisson_process() -> None:
    due = np.concatenate([schedule().block(at).due_ns for at in range(100)])
    gaps = np.diff(due) / 1e9 * 500
    assert gaps.mean() == pytest.approx(1, rel=0.01)
    assert gaps.std() == pytest.approx(1, rel=0.05)


def test_kinds_of_calls_come_by_their_shares() -> None:
    kinds = np.concatenate([schedule().block(at).kinds for at in range(40)])
    assert (kinds == 0).mean() == pytest.approx(0.8, abs=0.02)


def test_a_number_leads_back_to_its_block_and_place() -> None:
    blocks, places = place(schedule(phase=3).block(7).numbers)
    assert set(blocks) == {7}
    assert list(places) == list(range(BLOCK))


def test_phases_and_seeds_have_schedules_of_their_own() -> None:
    first = schedule().block(0).due_ns
    assert (first == schedule().block(0).due_ns).all()
    assert (first != schedule(phase=1).block(0).due_ns).any()
    assert (first != schedule(seed=2).block(0).due_ns).any()


def test_hot_keys_are_drawn_as_zipf_says_and_lie_anywhere() -> None:
    pool = Pool([[str(n) for n in range(1000)]], skew=1.0, seed=1)
    words = np.random.PCG64(1).random_raw(100_000)
    counts = Counter(pool.pick(words, 0)).most_common(3)
    harmonic = sum(1 / rank for rank in range(1, 1001))
    assert [count / 100_000 for _, count in counts] == pytest.approx([1 / r / harmonic for r in (1, 2, 3)], rel=0.1)
    assert counts[0][0] != b"0"


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"min": 1, "max": 3}, lambda text: text in ("1", "2", "3")),
        ({"min": 0.5, "max": 9.99}, lambda text: 0.5 <= float(text) <= 9.99 and len(text.partition(".")[2]) == 2),
        ({"min": "2024-01-01", "max": "2024-12-31"}, lambda text: text.startswith("2024-") and len(text) == 10),
        ({"choices": ["a", None]}, lambda text: text in ("a", None)),
        (["a", "b"], lambda text: text in ("a", "b")),
        ({"choices": ["a", "b"], "weights": [1, 0]}, lambda text: text == "a"),
        ({"text": "name"}, lambda text: " " in text),
        ({"text": "sentence", "length": 300}, lambda text: len(text) == 300),
        ({"uuid": True}, lambda text: uuid.UUID(text).version == 4),
        ({"constant": "orders.id"}, lambda text: text == "orders.id"),
        (7, lambda text: text == "7"),
        (True, lambda text: text == "true"),
        ("now", lambda text: text.startswith("2023-11-14 22:13:2") and text.endswith("+00:00")),
        ("orders.id", lambda text: text.startswith("id")),
        ("public.orders.note", lambda text: text.startswith("note")),
    ],
)
def test_a_value_is_what_it_was_asked_to_be(value: Any, fits: Any, shop: Survey) -> None:
    assert all(fits(text) for text in drawn(value, shop))


@pytest.mark.parametrize("value", [{"serial": 5}, {"serial": "orders.id"}, {"serial": 1, "format": "u{}@example.org"}])
def test_a_serial_never_comes_twice(value: Any, shop: Survey) -> None:
    texts = drawn(value, shop, calls=2000)
    assert len(set(texts)) == len(texts)


def test_a_serial_goes_on_from_the_greatest_value_there_is(shop: Survey) -> None:
    assert drawn({"serial": "orders.id"}, shop)[0] == "42"


def test_columns_of_one_key_are_of_one_row_and_a_column_named_twice_is_drawn_twice(shop: Survey) -> None:
    wanted = Wanted(shop, lambda table, column: None)
    values = {"o": "items.order_id", "l": "items.line", "other": "items.order_id", "q": "items.qty"}
    words = [one["word"] for one in draws(list(values), values, wanted, "workload.calls[0]")]
    assert words[0] == words[1]
    assert len({words[0], words[2], words[3]}) == 3


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"a": "orders.id"}, "workload.calls[3].values.a: the SQL has no :a"),
        ({}, 'workload.calls[3].values.id: :id has no value; write for example values = { id = "table.column" }'),
        ({"id": "order.id"}, "there is no table 'order'; did you mean 'orders'?"),
        ({"id": "orders.idd"}, "orders has no column 'idd'; did you mean 'id'?"),
        ({"id": "empty.id"}, "empty has no rows"),
        ({"id": "hello"}, 'neither "table.column" nor "now"'),
        ({"id": {"mni": 1, "max": 2}}, "values.id.mni: not a way to give a value; did you mean 'min'?"),
        ({"id": {"min": 5, "max": 2}}, "min is greater than max"),
        ({"id": {"min": 5}}, "min and max must be"),
        ({"id": {"text": "sentense"}}, "did you mean 'sentence'?"),
        ({"id": {"choices": []}}, "at least one value"),
        ({"id": {"choices": [1], "weights": [1, 2]}}, "a list of 1 numbers"),
        ({"id": {"serial": 1, "format": "x"}}, "must hold one {}"),
    ],
)
def test_a_mistake_names_call_key_and_the_way_out(values: Any, says: str, shop: Survey) -> None:
    with pytest.raises(ScenarioMistake) as raised:
        draws(["id"], values, Wanted(shop, lambda table, column: "1"), "workload.calls[3]")
    assert says in str(raised.value)


def test_a_skewed_range_draws_its_nth_number_as_the_power_law_says(shop: Survey) -> None:
    found = Counter(map(int, drawn({"min": 10, "max": 1009, "skew": 1.0}, shop, calls=40_000)))
    assert min(found) == 10 and max(found) <= 1009
    assert found[10] / 40_000 == pytest.approx(1 / sum(1 / n for n in range(1, 1001)), abs=0.01)
    even = Counter(map(int, drawn({"min": 1, "max": 4, "skew": 0}, shop, calls=8_000)))
    assert max(even.values()) / min(even.values()) < 1.2


def test_a_skew_that_is_no_number_is_a_mistake(shop: Survey) -> None:
    with pytest.raises(ScenarioMistake, match=r"x.skew: must be a number"):
        drawn({"min": 1, "max": 4, "skew": "much"}, shop)
