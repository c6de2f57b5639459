from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse.profiles import Column, ForeignKey, Profile, Structure, TableStructure, Type
from rehearse.profiles import shapes as sh
from rehearse.profiles.describing import Remark, describe
from rehearse.profiles.fanouts import binned, estimated_groups
from rehearse.profiles.figures import quantiles_of, score, simplified
from rehearse.profiles.privacy import Gate, moment, rounded, rounded_micros
from rehearse.profiles.queries import told
from rehearse.profiles.review import review
from rehearse.profiles.statistics import ColumnStatistics, FanoutCount, QueryStatistics, Statistics, TableStatistics
from rehearse.profiles.texts import patterns

ROWS = 100_000.0


def column(name: str, kind: str = "text", declared: str = "text", **more: Any) -> Column:
    return Column(name=name, type=Type(kind=kind, declared=declared), nullable=True, **more)  # type: ignore[arg-type]


def statistics(columns: dict[str, ColumnStatistics], **more: Any) -> Statistics:
    table = TableStatistics(
        rows=ROWS, pages=1000, visible_pages=900, size_bytes=8_192_000, index_bytes=0, toast_bytes=0, dead=5000,
        analyzed=datetime(2026, 11, 1, tzinfo=UTC), changed=0, columns=columns,
    )  # fmt: skip
    now = datetime(2026, 11, 2, tzinfo=UTC)
    return Statistics(server="PostgreSQL 18.6", taken_at=now, counted_since=None, tables={"t": table, **more})


def described(
    one: Column, found: ColumnStatistics, gate: Gate | None = None, keys: tuple[tuple[str, ...], ...] = ()
) -> sh.Shape:
    structure = Structure({"t": TableStructure(name="t", columns={one.name: one}, keys=keys)})
    profile, _ = describe(structure, statistics({one.name: found}), gate or Gate(), name="p")
    return profile.tables["t"].columns[one.name]


def codes(*values: tuple[str, float], distinct: float | None = None, null: float = 0.0) -> ColumnStatistics:
    return ColumnStatistics(null=null, distinct=distinct or len(values), width_bytes=8, common=values, correlation=0.0)


def test_a_column_of_codes_is_told_with_its_shares() -> None:
    shape = described(column("status"), codes(("paid", 0.6), ("open", 0.3), null=0.1))
    assert isinstance(shape, sh.Choice)
    assert shape.of == {"paid": pytest.approx(0.66667), "open": pytest.approx(0.33333)}
    assert shape.null == 0.1


def test_a_code_that_too_few_rows_share_is_told_as_another() -> None:
    shape = described(column("status"), codes(("paid", 0.9997), ("cancelled by phone", 0.0003)))
    assert isinstance(shape, sh.Choice)
    assert list(shape.of) == ["paid", "other 1"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "bob.smith@example.org"),
        ("status", "4111 1111 1111 1111"),
        ("status", "Zebulon Quackenbush"),
        ("first_name", "paid"),
        ("note", "paid"),
        ("code", "GB82 WEST 1234 5698 7654 32"),
    ],
)
def test_one_personal_value_closes_the_whole_column(name: str, value: str) -> None:
    shape = described(column(name), codes(("paid", 0.5), (value, 0.4), ("open", 0.1)))
    assert value not in str(shape)
    assert "paid" not in str(shape)


def test_a_column_that_the_user_vouched_for_is_told() -> None:
    found = codes(("Anna Smith", 0.5), ("Bob Jones", 0.5))
    assert not isinstance(described(column("desk_name"), found), sh.Choice)
    shape = described(column("desk_name"), found, Gate(public=("t.desk_*",)))
    assert isinstance(shape, sh.Choice)
    assert list(shape.of) == ["Anna Smith", "Bob Jones"]


def test_ids_of_others_are_told_by_no_number() -> None:
    found = ColumnStatistics(
        null=0.0, distinct=5000, width_bytes=8, common=(("424242", 0.2),), correlation=0.0,
        bounds=tuple(str(one) for one in range(0, 500_001, 5000)),
    )  # fmt: skip
    shape = described(column("customer_no", "integer", "bigint"), found)
    assert isinstance(shape, sh.Histogram)
    assert shape.common == {}
    assert 424242.0 not in shape.bounds


def test_amounts_are_told_by_rounded_quantiles_and_common_ones() -> None:
    found = ColumnStatistics(
        null=0.0, distinct=-0.4, width_bytes=8, common=(("9.99", 0.2),), correlation=0.7,
        bounds=tuple(str(100.0 + 12.345678 * one) for one in range(101)),
    )  # fmt: skip
    shape = described(column("price", "numeric", "numeric(10,2)"), found)
    assert isinstance(shape, sh.Histogram)
    assert shape.common == {"9.99": 0.2}
    assert shape.distinct == 39_999
    assert shape.bounds == [100.0, 1330.0]
    assert 0.6 < shape.correlation < 0.8


def test_a_birth_date_is_told_by_its_decade() -> None:
    bounds = tuple(date(1950 + one // 2, 3, 17).isoformat() for one in range(101))
    found = ColumnStatistics(null=0.0, distinct=-0.5, width_bytes=4, bounds=bounds, correlation=0.0)
    shape = described(column("birth_date", "date", "date"), found)
    assert shape == sh.Time(order="random", since=datetime(1950, 1, 1), until=datetime(2010, 1, 1), null=0.0)


def test_moments_are_told_to_the_day() -> None:
    bounds = tuple(f"{2020 + one // 20}-{one % 12 + 1:02}-17 13:14:15.161718+00" for one in range(101))
    found = ColumnStatistics(null=0.0, distinct=-1, width_bytes=8, bounds=tuple(sorted(bounds)), correlation=1.0)
    shape = described(column("created_at", "timestamp", "timestamptz"), found)
    assert isinstance(shape, sh.Histogram)
    assert all(type(one) is date for one in shape.bounds)
    assert shape.correlation == 1.0


def test_a_column_without_statistics_is_left_to_its_type() -> None:
    one = column("a")
    structure = Structure({"t": TableStructure(name="t", columns={"a": one})})
    profile, remarks = describe(structure, statistics({}), Gate(), name="p")
    assert profile.tables["t"].columns == {}
    assert Remark("t", "the statistics of its columns are not shown to this role", "unseen") in remarks


def test_stale_statistics_are_told() -> None:
    one = column("a")
    structure = Structure({"t": TableStructure(name="t", columns={"a": one})})
    seen = statistics({"a": codes(("x", 1.0))})
    stale = replace(seen, tables={"t": replace(seen.tables["t"], changed=50_000)})
    _, remarks = describe(structure, stale, Gate(), name="p")
    assert any("50% of its rows" in remark.says for remark in remarks)


def shop_profile(fanouts: tuple[FanoutCount, ...] = ()) -> Profile:
    number = Type(kind="integer", declared="bigint")
    child = TableStructure(
        name="t",
        columns={"owner": Column(name="owner", type=number, nullable=False)},
        foreign_keys=(ForeignKey(columns=("owner",), parent="owners", parent_columns=("id",)),),
    )
    parent = TableStructure(
        name="owners",
        columns={"id": Column(name="id", type=number, nullable=False)},
        primary_key=("id",),
        keys=(("id",),),
    )
    found = ColumnStatistics(null=0.0, distinct=-0.1, width_bytes=8, common=(("7", 0.05),), correlation=0.02)
    owners = TableStatistics(rows=20_000, pages=100, visible_pages=100, size_bytes=1, index_bytes=1, toast_bytes=0)
    seen = replace(statistics({"owner": found}, owners=owners), fanouts=fanouts)
    return describe(Structure({"t": child, "owners": parent}), seen, Gate(), name="p")[0]


def test_children_a_parent_are_estimated_from_the_common_ones() -> None:
    shape = shop_profile().tables["t"].columns["owner"]
    assert isinstance(shape, sh.Parent)
    assert sum(parents for _, parents in shape.groups) == 20_000
    assert sum(children * parents for children, parents in shape.groups) == pytest.approx(ROWS, rel=0.01)
    assert (5000, 1) in shape.groups


def test_children_a_parent_are_as_they_were_counted() -> None:
    counted = FanoutCount(
        table="t", columns=("owner",), parent="owners", parent_columns=("id",), groups=((0.0, 10), (3.0, 5)), null=0.0
    )
    shape = shop_profile((counted,)).tables["t"].columns["owner"]
    assert isinstance(shape, sh.Parent)
    assert shape.groups == [(0, 10), (3, 5)]


@given(st.lists(st.tuples(st.floats(0, 1e5), st.integers(1, 1000)), min_size=1, max_size=300))
def test_putting_groups_together_keeps_children_and_parents(groups: list[tuple[float, int]]) -> None:
    few = list(binned(tuple(groups)))
    assert len(few) <= 60
    assert sum(parents for _, parents in few) == sum(parents for _, parents in groups)
    children = sum(one * parents for one, parents in groups)
    assert sum(one * parents for one, parents in few) == pytest.approx(
        children, rel=1e-2, abs=len(groups) * 1000 * 5e-4
    )


def test_an_even_fan_out_is_estimated_as_one() -> None:
    found = ColumnStatistics(null=0.0, distinct=100.0, width_bytes=8)
    assert estimated_groups(found, 102.0, 100.0) == ((1.02, 100),)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=101).map(sorted))
def test_left_out_quantiles_lie_near_the_line(values: list[float]) -> None:
    at, kept = simplified(values)
    assert kept[0] == values[0]
    assert kept[-1] == values[-1]
    assert at == sorted(at)


def test_common_values_are_merged_into_the_quantiles() -> None:
    merged = quantiles_of([0.0, 100.0], 0.5, [(50.0, 0.5)])
    assert merged[0] == 0.0
    assert merged[-1] == pytest.approx(100.0)
    assert sum(one == 50.0 for one in merged) in range(49, 53)


def test_equal_values_alone_show_no_correlation() -> None:
    shares = (("a", 0.5), ("b", 0.5))
    found = ColumnStatistics(null=0.0, distinct=2, width_bytes=2, common=shares, correlation=0.5)
    assert score(found) == 0.0


def test_no_number_is_told_beyond_three_digits_or_a_thousandth_of_the_span() -> None:
    assert rounded([4111111111111111.0, 5500000000000004.0]) == [4110000000000000.0, 5500000000000000.0]
    assert rounded([1999.0, 2026.0]) == [1999.0, 2026.0]
    assert rounded([54.37, 98765.0]) == [54.4, 98800.0]


def test_moments_are_rounded_to_a_unit_that_fits_their_span() -> None:
    second = 1e6
    start, day = 1_700_000_123.4 * second, 86_400 * second
    assert [moment(one) for one in rounded_micros([start, start + 1000 * day])] == [
        date(2023, 11, 15),
        date(2026, 8, 11),
    ]
    assert moment(rounded_micros([start, start + 10 * day])[0]) == datetime(2023, 11, 14, 22, 15)


def test_texts_of_one_pattern_are_told_by_it() -> None:
    values = [(f"ORD-{one:05}", 1.0) for one in range(100)]
    assert patterns(values) == {"ORD-000##": 1.0}
    assert patterns(values, is_personal=True) == {"???-#####": 1.0}
    assert patterns([("delivered", 1.0)] * 50) == {}
    assert patterns([("**** 1234", 1.0)] * 50) == {r"\*\*\*\* 1234": 1.0}
    assert patterns([("**** 1234", 1.0)] * 50, rows=40) == {r"\*\*\*\* ####": 1.0}
    assert patterns([("OKONKWO-1234", 1.0)] * 50) == {"???????-####": 1.0}


def test_statements_are_told_without_comments_and_constants() -> None:
    assert (
        told("SELECT /* bob@x.org */ * FROM a WHERE id = $1 AND n='bob' -- tail")
        == "SELECT * FROM a WHERE id = $1 AND n='?'"
    )
    assert told("ALTER ROLE bob PASSWORD 'secret'") is None
    assert told("select 'unterminated") is None


def test_the_query_mix_is_told_by_rate() -> None:
    since = datetime(2026, 11, 1, tzinfo=UTC)
    query = QueryStatistics(text="select * from t where a = $1", calls=86_400, mean_ms=0.5, rows=86_400)
    structure = Structure({"t": TableStructure(name="t", columns={"a": column("a")})})
    seen = replace(statistics({"a": codes(("x", 1.0))}), queries=(query,), counted_since=since)
    profile, _ = describe(structure, seen, Gate(), name="p")
    assert [(one.sql, one.per_s, one.rows) for one in profile.queries] == [(query.text, 1.0, 1.0)]


def test_a_review_lists_every_literal_and_the_personal_ones_first() -> None:
    structure = Structure({"t": TableStructure(name="t", columns={"status": column("status")})})
    profile, _ = describe(structure, statistics({"status": codes(("paid", 0.5), ("open", 0.5))}), Gate(), name="p")
    assert [(one.where, one.kind, one.values) for one in review(profile)] == [("t.status", "values", ("paid", "open"))]
    added = replace(profile.tables["t"], columns={"mail": sh.Choice(of={"bob@example.org": 1.0})})
    found = review(replace(profile, tables={"t": added}))
    assert [(one.where, one.kind) for one in found] == [("t.mail", "personal")]
