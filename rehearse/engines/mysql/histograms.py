"""Histograms of columns as these servers keep them, where somebody had them made.

MariaDB (ANALYZE TABLE … PERSISTENT FOR ALL): a share of each value's place between the least and the greatest, or JSON.
MySQL (ANALYZE TABLE … UPDATE HISTOGRAM): JSON of single values or of buckets of equal height.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rehearse.profiles.figures import micros
from rehearse.profiles.sampled import as_text
from rehearse.profiles.statistics import ColumnStatistics
from rehearse.profiles.structure import Column, Structure

if TYPE_CHECKING:
    from rehearse.engines.mysql.statistics import Asking

_MARIADB = """
    SELECT table_name, column_name, min_value, max_value, nulls_ratio, avg_length, avg_frequency,
           hist_type, decode_histogram(hist_type, histogram)
    FROM mysql.column_stats
    WHERE db_name = database()
"""
_MYSQL = """
    SELECT table_name, column_name, histogram FROM information_schema.column_statistics WHERE schema_name = database()
"""
_STEPS = 100
_NUMBERS = ("integer", "numeric", "float")
_MOMENTS = ("date", "timestamp")
Bucket = tuple[str, str, float, float]  # the first value, the last, the share of the rows that are not null, values


def read(asking: Asking, structure: Structure, unseen: list[str]) -> dict[str, dict[str, ColumnStatistics]]:
    """Return what is kept of each table's columns."""
    found: defaultdict[str, dict[str, ColumnStatistics]] = defaultdict(dict)
    for name, column, *row in asking.tried("column statistics", _MARIADB if asking.is_mariadb else _MYSQL, unseen):
        known = structure.tables.get(name)
        if known and column in known.columns:
            made = (_of_mariadb if asking.is_mariadb else _of_mysql)(known.columns[column], row)
            found[name][column] = made
    return dict(found)


def _of_mariadb(column: Column, row: Sequence[Any]) -> ColumnStatistics:
    least, most, null, width, frequency, kind, told = (_plain(one) for one in row)
    filled, buckets = 1.0 - float(null or 0.0), list[Bucket]()
    if kind == "JSON_HB":
        buckets = list(_json_buckets(json.loads(told)))
    elif told and least is not None and most is not None:
        buckets = list(_placed_buckets(column, least, most, [float(one) for one in told.split(",")]))
    elif least is not None and most is not None:
        buckets = [(least, most, 1.0, 2.0 if least != most else 1.0)]
    return _column(column, buckets, filled, float(width or 0.0), _distinct(float(frequency or 0.0), filled))


def _distinct(frequency: float, filled: float) -> float | None:
    """Return minus the share of the rows that has a value of its own, which the rows that share one tell."""
    return -filled / frequency if frequency else None


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _json_buckets(told: Mapping[str, Any]) -> Iterator[Bucket]:
    buckets = told["histogram_hb"]
    if not all("start" in one for one in buckets):  # binary values, of which lengths would be told and are not
        return
    for at, one in enumerate(buckets):
        end = one["end"] if "end" in one else buckets[at + 1]["start"]
        kinds = float(one.get("ndv", 1))
        yield str(one["start"]), str(end) if kinds > 1 else str(one["start"]), float(one["size"]), kinds


def _placed_buckets(column: Column, least: str, most: str, widths: Sequence[float]) -> Iterator[Bucket]:
    """Yield buckets of equal weight, whose ends are told as shares of the way from the least value to the greatest.

    Only of what is a number to the server: a moment is one of its digits, a label that of its place.
    """
    ends = (_number(column, least), _number(column, most))
    if None in ends:
        return
    low, high = (float(one or 0.0) for one in ends)
    places = low + np.concatenate([[0.0], np.cumsum(widths)]).clip(0.0, 1.0) * (high - low)
    values = [_value(column, one) for one in places.tolist()]
    values[0], values[-1] = least, most
    seen = Counter(values[1:])
    for first, last in itertools.pairwise(values):
        yield first, last, 1.0 / len(widths), 1.0 if first == last or seen[last] > 1 else 2.0


def _number(column: Column, value: str) -> float | None:
    """Return the number that a value is to the server."""
    if column.type.kind in _NUMBERS or column.type.kind == "bool":
        return float(value)
    if column.type.kind in _MOMENTS:
        digits = "".join(one for one in value.partition(".")[0] if one.isdigit())
        return float(digits)
    if column.type.kind == "enum" and value in column.type.labels:
        return float(column.type.labels.index(value) + 1)
    return None


def _value(column: Column, number: float) -> str:
    if column.type.kind == "enum":
        return column.type.labels[min(len(column.type.labels), max(1, round(number))) - 1]
    if column.type.kind in _MOMENTS:
        return _moment(round(number), is_date=column.type.kind == "date")
    if column.type.kind in ("integer", "bool"):
        return str(round(number))
    return str(round(number, column.type.scale)) if column.type.kind == "numeric" else repr(number)


def _moment(digits: int, *, is_date: bool) -> str:
    """Return the moment nearest to a number of its digits, many of which are none (the 73rd of a month)."""
    text = f"{digits:08d}000000" if is_date else f"{digits:014d}"
    year, month, day = int(text[:4]), min(12, max(1, int(text[4:6]))), min(28, max(1, int(text[6:8])))
    if int(text[4:6]) > 12:
        day = 28
    if is_date:
        return f"{year:04d}-{month:02d}-{day:02d}"
    hour, minute, second = min(23, int(text[8:10])), min(59, int(text[10:12])), min(59, int(text[12:14]))
    return f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d}"


def _of_mysql(column: Column, row: Sequence[Any]) -> ColumnStatistics:
    told = json.loads(_plain(row[0]))
    null = float(told.get("null-values", 0.0))
    buckets, upto = list[Bucket](), 0.0
    for one in told["buckets"]:
        single = len(one) == 2
        first, last, cumulative = (one[0], one[0], one[1]) if single else one[:3]
        kinds = 1.0 if single or first == last else float(one[3])
        buckets.append(
            (_decoded(column, first), _decoded(column, last), (cumulative - upto) / max(1e-9, 1.0 - null), kinds)
        )
        upto = cumulative
    wide = [len(first.encode()) for first, *_ in buckets] if column.type.kind in ("text", "json") else []
    width = float(np.mean(wide)) + 1.0 if wide else column.type.bits / 8
    return _column(column, buckets, 1.0 - null, width, None)


def _decoded(column: Column, value: Any) -> str:
    """Return a value of a histogram as the server writes it elsewhere; a label is its place there."""
    if column.type.declared.startswith("enum") and isinstance(value, int):
        return column.type.labels[value - 1] if 0 < value <= len(column.type.labels) else ""
    text = str(value)
    if text.startswith("base64:"):
        return base64.b64decode(text.rpartition(":")[2]).decode("utf-8", "replace")
    return text.removesuffix(".000000")


def _column(
    column: Column, buckets: Sequence[Bucket], filled: float, width: float, distinct: float | None
) -> ColumnStatistics:
    """Return a column's statistics from its buckets; those of one value are common values."""
    shares: Counter[str] = Counter()
    for first, _, share, kinds in buckets:
        if kinds <= 1.0:
            shares[first] += share  # type: ignore[assignment]
    if column.type.kind == "bool":
        shares = Counter({"f" if value == "0" else "t": share for value, share in shares.items()})
    others = [one for one in buckets if one[3] > 1.0]
    counted = len(shares) + sum(one[3] for one in others)
    return ColumnStatistics(
        null=1.0 - filled,
        distinct=float(counted) if distinct is None or not others else distinct,
        width_bytes=width,
        common=tuple((value, share * filled) for value, share in shares.most_common()),
        bounds=tuple(_bounds(column, others)),
    )


def _bounds(column: Column, buckets: Sequence[Bucket]) -> list[str]:
    """Return values at equal steps of buckets that may have any weight."""
    if not buckets:
        return []
    edges = [buckets[0][0], *(last for _, last, *_ in buckets)]
    upto = np.concatenate([[0.0], np.cumsum([share for *_, share, _ in buckets])])
    steps = np.linspace(0.0, upto[-1], _STEPS + 1)
    numbers = [_scale(column, one) for one in edges]
    if all(one is not None for one in numbers) and numbers:
        found = np.interp(steps, upto, np.array(numbers, np.float64)).tolist()
        return [edges[0], *(_unscaled(column, one) for one in found[1:-1]), edges[-1]]
    nearest = np.abs(upto[None, :] - steps[:, None]).argmin(axis=1)
    return [edges[int(at)] for at in nearest]


def _scale(column: Column, value: str) -> float | None:
    if column.type.kind in _NUMBERS:
        return float(value)
    at = micros(value) if column.type.kind in _MOMENTS else None
    return at / 1e6 if at is not None else None


def _unscaled(column: Column, value: float) -> str:
    if column.type.kind in _MOMENTS:
        return as_text(column, value)
    return str(round(value)) if column.type.kind == "integer" else repr(value)
