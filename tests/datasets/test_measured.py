"""Shapes that a profile took from a database give rows with the figures that were measured."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rehearse import datasets
from rehearse.datasets import quantiles
from rehearse.errors import ScenarioMistake
from rehearse.profiles import Column, ForeignKey, Structure, TableStructure, Type
from rehearse.profiles.learning import PLACE, SampledColumn, learn
from rehearse.profiles.shapes import Histogram
from rehearse.reading import profile as reading

NUMBER = Type(kind="integer", declared="bigint")
TYPES = {
    "id": NUMBER,
    "a": NUMBER,
    "b": Type(kind="numeric", declared="numeric(12,2)", precision=12, scale=2),
    "status": Type(kind="text", declared="text"),
    "text": Type(kind="text", declared="text"),
    "yes": Type(kind="bool", declared="boolean"),
    "at": Type(kind="timestamp", declared="timestamptz", zoned=True),
    "later": Type(kind="timestamp", declared="timestamptz", zoned=True),
    "doc": Type(kind="json", declared="jsonb"),
    "texts": Type(kind="array", declared="text[]", element=Type(kind="text", declared="text")),
    "span": Type(kind="other", declared="int4range"),
    "parent_id": NUMBER,
}
STRUCTURE = Structure(
    {
        "t": TableStructure(
            name="t",
            columns={name: Column(name=name, type=kind, nullable=name != "id") for name, kind in TYPES.items()},
            primary_key=("id",),
            keys=(("id",),),
            foreign_keys=(ForeignKey(columns=("parent_id",), parent="t", parent_columns=("id",)),),
        )
    }
)
ROWS = 40_000


def rows(columns: dict[str, Any], *, scale: float = 1.0, count: int = ROWS, **table: Any) -> pa.Table:
    nothing = {name: {"kind": "value", "value": None} for name in TYPES if name not in ("id", "parent_id")}
    nothing["parent_id"] = {"kind": "parent", "null": 1.0}
    described = {"name": "p", "tables": {"t": {"rows": count, "columns": {**nothing, **columns}, **table}}}
    (made,) = datasets.open_tables(reading.parse(described), STRUCTURE, scale=scale, seed=4)
    return pa.Table.from_batches(list(made.chunks()))


def test_common_values_have_their_shares_and_the_others_their_quantiles() -> None:
    made = rows({"a": {"kind": "histogram", "bounds": [0, 100, 1000], "at": [0, 0.9, 1], "common": {"50": 0.3}}})["a"]
    values = made.to_numpy()
    assert (values == 50).mean() == pytest.approx(0.3 + 0.7 * 0.9 / 100, abs=0.01)
    assert (values[values != 50] <= 100).mean() == pytest.approx(0.9, abs=0.01)


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=20).map(sorted),
    st.dictionaries(st.integers(-10_000, 10_000).map(str), st.floats(0.001, 0.05), max_size=10),
)
@settings(deadline=None, max_examples=60)
@example(bounds=[-5e-324, 2.2250738585e-313], common={"0": 0.03125})
def test_a_curve_rises_and_meets_its_steps(bounds: list[float], common: dict[str, float]) -> None:
    curve = quantiles.curve(Histogram(bounds=bounds, common=common))
    assert (np.diff(curve.shares) >= -1e-12).all()
    drawn = curve.spread((np.arange(20_000) + 0.5) / 20_000, None)
    for value, share in common.items():
        assert (drawn == float(value)).mean() >= share - 1e-3


@pytest.mark.parametrize("distinct", [1, 40, 3000, 39_000])
def test_there_are_as_many_different_values_as_were_counted(distinct: int) -> None:
    made = rows({"b": {"kind": "histogram", "bounds": [0, 5000, 900_000], "at": [0, 0.5, 1], "distinct": distinct}})[
        "b"
    ]
    assert pc.count_distinct(made).as_py() == pytest.approx(distinct, rel=0.08)
    text = rows({"text": {"kind": "text", "lengths": [4, 30], "distinct": distinct, "empty": 0.0}})["text"]
    assert pc.count_distinct(text).as_py() == pytest.approx(distinct, rel=0.08)


def test_a_key_grows_with_the_rows_and_a_list_of_codes_does_not() -> None:
    shape = {"kind": "pattern", "pattern": "??-####", "distinct": 4000}
    fixed = {"kind": "text", "of": "word", "lengths": [8], "distinct": 12, "grows": False}
    made = rows({"text": shape, "status": fixed}, scale=0.1)
    assert pc.count_distinct(made["text"]).as_py() == pytest.approx(400, rel=0.1)
    assert pc.count_distinct(made["status"]).as_py() == 12


@pytest.mark.parametrize("correlation", [-0.9, 0.3, 0.95, 1.0])
def test_values_go_with_the_rows_places_as_told(correlation: float) -> None:
    made = rows({"a": {"kind": "histogram", "bounds": [0, 1_000_000], "correlation": correlation}})["a"].to_numpy()
    found = np.corrcoef(np.arange(ROWS), made)[0, 1]
    assert found == pytest.approx(6 / np.pi * np.arcsin(correlation / 2), abs=0.02)  # ranks, from normal scores


def test_columns_of_a_row_go_together() -> None:
    joint = {"columns": ["#", "a", "b", "yes"], "correlations": [[1], [0.2, 1], [0, 0.8, 1], [0, -0.6, -0.5, 1]]}
    columns = {
        "a": {"kind": "histogram", "bounds": [0, 1_000_000]},
        "b": {"kind": "histogram", "bounds": [0, 10, 5000]},
        "yes": {"kind": "bool", "true": 0.3},
    }
    made = rows(columns, joint=joint)
    a, b = made["a"].to_numpy(), made["b"].cast(pa.float64()).to_numpy()
    ranks = np.argsort(np.argsort(b))
    assert np.corrcoef(a, ranks)[0, 1] == pytest.approx(6 / np.pi * np.arcsin(0.4), abs=0.02)
    assert a[made["yes"].to_numpy(zero_copy_only=False)].mean() < a.mean() - 100_000
    assert made["yes"].to_numpy(zero_copy_only=False).mean() == pytest.approx(0.3, abs=0.01)


def test_nulls_and_values_go_by_another_column() -> None:
    columns = {
        "status": {"kind": "choice", "of": {"open": 50, "paid": 50}},
        "later": {"kind": "time"},
        "text": {
            "kind": "given", "of": "status", "otherwise": {"kind": "choice", "of": ["?"]},
            "cases": {"open": {"kind": "choice", "of": ["yes"]}, "paid": {"kind": "choice", "of": {"no": 3, "yes": 1}}},
        },
    }  # fmt: skip
    made = rows(columns, nulls={"later": {"of": "status", "shares": {"open": 1.0, "paid": 0.0}}})
    is_open = pc.equal(made["status"], "open").to_numpy(zero_copy_only=False)
    assert (pc.is_null(made["later"]).to_numpy(zero_copy_only=False) == is_open).all()
    words = np.array(made["text"].to_pylist())
    assert set(words[is_open]) == {"yes"}
    assert (words[~is_open] == "no").mean() == pytest.approx(0.75, abs=0.02)


def test_codes_change_along_the_table() -> None:
    slices = [[0.9, {"done": 1}], [0.98, {"done": 1, "sent": 1}], [1.0, {"new": 3, "sent": 1}]]
    shape = {"kind": "choice", "of": {"done": 90, "sent": 8, "new": 2}, "slices": slices}
    words = np.array(rows({"status": shape})["status"].to_pylist())
    assert set(words[: int(0.9 * ROWS)]) == {"done"}
    assert (words[int(0.9 * ROWS) : int(0.98 * ROWS)] == "sent").mean() == pytest.approx(0.5, abs=0.03)
    assert (words[int(0.98 * ROWS) :] == "new").mean() == pytest.approx(0.75, abs=0.05)


def test_a_list_gives_each_of_its_values_once() -> None:
    names = [f"c{one}" for one in range(500)]
    made = rows({"text": {"kind": "choice", "of": names, "each": True}}, count=500)["text"].to_pylist()
    assert sorted(made) == sorted(names)


def test_a_reference_is_null_by_another_column_too() -> None:
    columns = {
        "status": {"kind": "choice", "of": {"child": 1, "root": 3}},
        "parent_id": {"kind": "parent", "groups": [[0, 35_000], [2, 5000]], "null": 0.75},
    }
    made = rows(columns, nulls={"parent_id": {"of": "status", "shares": {"child": 0.0, "root": 1.0}}})
    is_root = pc.equal(made["status"], "root").to_numpy(zero_copy_only=False)
    is_null = pc.is_null(made["parent_id"]).to_numpy(zero_copy_only=False)
    assert (is_null[1:] == is_root[1:]).all()


def test_a_moment_follows_by_its_measured_delay() -> None:
    at = {"kind": "time", "since": "2024-01-01", "until": "2026-01-01"}
    seconds = rows({"at": at, "later": {"kind": "after", "of": "at", "delays": [0, 10, 3600], "open": True}})
    delays = pc.divide(pc.subtract(seconds["later"], seconds["at"]).cast(pa.int64()), 1_000_000).to_numpy()
    assert (delays.min(), np.median(delays), delays.max()) == (0, pytest.approx(10, abs=5), pytest.approx(3600, abs=5))
    parts = {"kind": "after", "of": "at", "parts": [0.5, 0.5], "until": "2026-01-01", "open": True}
    half = rows({"at": at, "later": parts})
    left = pc.subtract(pa.scalar(np.datetime64("2026-01-01", "us")).cast(half["at"].type), half["at"])
    ratio = pc.subtract(half["later"], half["at"]).cast(pa.int64()).to_numpy() / left.cast(pa.int64()).to_numpy()
    assert ratio[:-100] == pytest.approx(0.5, abs=0.001)


def test_texts_have_their_lengths_letters_and_frequent_ones() -> None:
    shape = {
        "kind": "text", "empty": 0.25, "lengths": [10, 20, 300], "letters": [0.5, 0.5, 0, 0, 0], "distinct": 5000,
        "shares": [0.4, 0.1], "widths": [3, 7],
    }  # fmt: skip
    made = rows({"text": shape})["text"]
    counts = Counter(made.to_pylist())
    assert {len(text) for text, _ in counts.most_common(3)} == {0, 3, 7}
    shares = sorted(count / ROWS for _, count in counts.most_common(3))
    assert shares == pytest.approx([0.075, 0.25, 0.3], abs=0.01)
    signs = Counter("".join(counts)[:200_000])
    assert sum(count for sign, count in signs.items() if sign.isdigit()) / signs.total() == pytest.approx(0.5, abs=0.05)
    assert max(map(len, counts)) == pytest.approx(300, abs=3)


def test_patterns_come_by_weight_and_unique_ones_never_twice() -> None:
    weights = {"##": 1, "AB-####": 2, "**#": 1}
    made = rows({"text": {"kind": "pattern", "pattern": weights, "empty": 0.5}})["text"].to_pylist()
    assert made.count("") / ROWS == pytest.approx(0.5, abs=0.01)
    assert sum(text.startswith("AB-") for text in made) / ROWS == pytest.approx(0.25, abs=0.01)
    few = rows({"text": {"kind": "pattern", "pattern": {"AB": 999, "CD": 1}, "empty": 0.5}}, count=64)["text"]
    assert set(few.to_pylist()) <= {"", "AB", "CD"}
    unique = rows({"text": {"kind": "pattern", "pattern": weights, "unique": True}})["text"]
    assert pc.count_distinct(unique).as_py() == ROWS


def test_keys_of_json_come_together() -> None:
    shape = {
        "kind": "json", "sets": {"x,y": 3, "z": 1},
        "keys": {
            "x": {"kind": "bool"}, "y": {"kind": "histogram", "bounds": [0.5, 2.5]},
            "z": {"kind": "items", "of": {"kind": "histogram", "bounds": [1, 9]}, "sizes": [0, 4]},
        },
    }  # fmt: skip
    made = [json.loads(text) for text in rows({"doc": shape}, count=2000)["doc"].to_pylist()]
    assert {tuple(sorted(one)) for one in made} == {("x", "y"), ("z",)}
    assert sum("z" in one for one in made) / 2000 == pytest.approx(0.25, abs=0.05)
    assert all(isinstance(item, int) for one in made for item in one.get("z", ()))
    assert all(0.5 <= one["y"] <= 2.5 for one in made if "y" in one)


def test_ranges_are_written_as_the_server_reads_them() -> None:
    made = rows({"span": {"kind": "range", "low": {"kind": "number", "low": 5, "high": 9}, "length": 3}}, count=500)
    low, high = zip(*(text.strip("[)").split(",") for text in made["span"].to_pylist()), strict=True)
    assert all(
        5 <= int(one) <= 9 < int(other) + 10 and int(one) < int(other) for one, other in zip(low, high, strict=True)
    )


def test_rows_of_a_tree_point_at_earlier_ones_with_their_fan_out() -> None:
    groups = [[0, 30_000], [3, 8000], [4, 2000]]
    made = rows({"parent_id": {"kind": "parent", "groups": groups, "null": 0.2}})
    known = made.filter(pc.is_valid(made["parent_id"]))
    assert pc.all(pc.less(known["parent_id"], known["id"])).as_py()
    assert known.num_rows / ROWS == pytest.approx(0.8, abs=0.01)
    counts = Counter(Counter(known["parent_id"].to_pylist()).values())
    assert counts[3] == pytest.approx(8000, rel=0.05)


def test_rows_lie_on_disk_in_another_order_than_they_came() -> None:
    made = rows({"a": {"kind": "histogram", "bounds": [0, 1_000_000], "correlation": 1.0}}, order=0.5)
    assert np.corrcoef(np.arange(ROWS), made["id"].to_numpy())[0, 1] == pytest.approx(0.5, abs=0.02)
    assert np.corrcoef(made["a"].to_numpy(), made["id"].to_numpy())[0, 1] > 0.999
    assert pc.count_distinct(made["id"]).as_py() == ROWS


@pytest.mark.parametrize(
    ("columns", "table", "says"),
    [
        ({"a": {"kind": "given", "of": "stat", "cases": {}, "otherwise": {"kind": "bool"}}}, {}, "mean 'status'"),
        ({}, {"nulls": {"later": {"of": "stat", "shares": {}}}}, "nulls.later: the table has no column 'stat'"),
        ({}, {"nulls": {"id": {"of": "status", "shares": {}}}}, "NOT NULL"),
        ({}, {"joint": {"columns": ["#", "aa"], "correlations": [[1], [0, 1]]}}, "joint.columns: .* no column 'aa'"),
        ({}, {"joint": {"columns": ["#", "a"], "correlations": [[1]]}}, "2 columns need as many rows"),
        (
            {"status": {"kind": "choice", "of": ["x"]}, "text": {"kind": "choice", "of": ["x"]}},
            {"nulls": {"status": {"of": "text", "shares": {"x": 1.0}}, "text": {"of": "status", "shares": {"x": 1.0}}}},
            "come from themselves",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(columns: dict[str, Any], table: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioMistake, match=says):
        rows(columns, **table)


def sampled(numbers: Any = None, codes: Any = None, kinds: tuple[str, ...] = (), **more: Any) -> SampledColumn:
    numbers = None if numbers is None else np.asarray(numbers, np.float64)
    is_null = np.isnan(numbers) if numbers is not None else np.asarray(codes) < 0
    return SampledColumn(is_null=is_null, numbers=numbers, codes=codes, kinds=kinds, **more)


def test_how_columns_go_together_is_learned_from_a_sample() -> None:
    random = np.random.default_rng(1)
    count = 5000
    x = random.normal(size=count)
    y = np.exp(0.8 * x + 0.6 * random.normal(size=count))
    city = random.integers(0, 6, count)
    country = city // 2
    paid = (random.uniform(size=count) < 0.7).astype(np.int64)
    start = np.sort(random.uniform(0, 1e15, count))
    fresh = np.where(np.arange(count) > 0.95 * count, random.integers(0, 2, count), 1)
    end = np.where(paid == 1, start + random.exponential(1e12, count), np.nan)
    found = learn(
        {
            "x": sampled(x), "y": sampled(y),
            "start": sampled(start, is_moment=True), "end": sampled(end, is_moment=True),
            "twin": sampled(x), "city": sampled(codes=city, kinds=tuple("abcdef")),
            "country": sampled(codes=country, kinds=tuple("ABC")), "paid": sampled(codes=paid, kinds=("false", "true")),
            "state": sampled(codes=fresh, kinds=("new", "done")),
        },
        np.linspace(0, 1, count),
        least=5,
    )  # fmt: skip
    together = dict(zip(found.columns, found.correlations, strict=True))
    assert together["y"][found.columns.index("x")] == pytest.approx(0.8, abs=0.03)
    assert together["start"][found.columns.index(PLACE)] > 0.99
    assert found.copies == {"twin": "x"}
    assert found.after["end"][0] == "start"
    assert found.given["country"] == ("city", {name: {"ABC"[at // 2]: 1.0} for at, name in enumerate("abcdef")})
    assert found.nulls["end"] == ("paid", {"null": 0.0, "false": 1.0, "true": 0.0})
    assert found.slices["state"][0] == (0.1, {"done": 1.0})
    assert found.slices["state"][-1][1]["new"] == pytest.approx(0.5, abs=0.15)


def test_values_of_json_may_be_no_objects() -> None:
    shape = {"kind": "json", "keys": {"n": {"kind": "number"}}, "other": {"kind": "text"}, "others": 0.3}
    values = list(map(json.loads, rows({"doc": shape})["doc"].to_pylist()))
    assert sum(isinstance(one, str) for one in values) / ROWS == pytest.approx(0.3, abs=0.01)
    assert all(isinstance(one, str | dict) for one in values)


def test_a_sign_that_stands_for_others_can_stand_for_itself() -> None:
    found = rows({"text": {"kind": "pattern", "pattern": r"\*\*\*\* ####"}})["text"].to_pylist()
    assert all(re.fullmatch(r"\*{4} \d{4}", one) for one in found)


def test_a_day_that_many_rows_share_is_theirs_unless_they_began_later() -> None:
    at = {"kind": "time", "since": "2024-01-01", "until": "2026-01-01"}
    shape = {"kind": "after", "of": "at", "delays": [5, 5], "common": {"2025-01-01": 0.5}, "open": True}
    made = rows({"at": at, "later": shape})
    is_shared = pc.equal(made["later"], pa.scalar(np.datetime64("2025-01-01", "us")).cast(made["later"].type))
    assert pc.mean(is_shared.cast(pa.int8())).as_py() == pytest.approx(0.25, abs=0.01)
    assert pc.all(pc.greater_equal(made["later"], made["at"])).as_py()


def test_texts_are_made_of_so_many_words_and_begin_alike() -> None:
    shape = {
        "kind": "text", "of": "street", "lengths": [30, 40, 60], "letters": [0.1, 0.6, 0.1, 0.2, 0], "words": 50,
        "heads": [[0.2, 0.3]],
    }  # fmt: skip
    made = sorted(rows({"text": shape})["text"].to_pylist())
    words = Counter(word.lower() for one in made for word in re.findall(r"[A-Za-z]+", one)[1:-1])
    assert len(words) < 2.5 * 50  # windows cut some in two
    head, count = Counter(one[:4] for one in made).most_common(1)[0]
    assert count / ROWS == pytest.approx(0.3, abs=0.05)
    assert sum(one < head for one in made) / ROWS == pytest.approx(0.2, abs=0.08)


def test_an_address_has_its_sign_however_short_it_is() -> None:
    shape = {"kind": "text", "of": "email", "lengths": [8, 12, 30], "letters": [0.2, 0.7, 0, 0, 0.1]}
    assert all(re.fullmatch(r"[a-z0-9.]+@[a-z0-9.-]+", one) for one in rows({"text": shape})["text"].to_pylist())


def test_items_of_random_bits_differ() -> None:
    shape = {"kind": "items", "of": {"kind": "random"}, "sizes": [2]}
    made = rows({"texts": shape})["texts"]
    assert pc.count_distinct(made.combine_chunks().flatten()).as_py() == 2 * ROWS


@pytest.mark.parametrize("share", [0.00005, 0.99995])
def test_a_value_that_two_rows_have_is_not_left_out_by_chance(share: float) -> None:
    made = rows({"yes": {"kind": "bool", "true": share}})["yes"].to_pylist()
    assert min(made.count(True), made.count(False)) == 2
