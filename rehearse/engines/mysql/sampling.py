"""A bounded sample of rows, held in memory and nowhere else: what these servers' statistics cannot tell, mostly all.

A table with no more rows than asked for is read whole. Of others rows are drawn by chance in one pass of the table in
the order of its primary key, in which they lie; of a table that is too big for that (or if it takes too long) some rows
are read from each of many even steps of a whole-number key, which shows gaps in it as wide as they are.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pymysql
from numpy.typing import NDArray

from rehearse.engines.mysql.client import Row, named, words
from rehearse.engines.mysql.client import rows as answered
from rehearse.engines.mysql.statistics import OURS, Asking
from rehearse.profiles import sampled
from rehearse.profiles.learning import Joined
from rehearse.profiles.statistics import Query, Statistics, TableStatistics
from rehearse.profiles.structure import Column, Structure, Table

_SPARE = 1.5  # more rows than asked for on average end a sample
_NEWEST = 2000  # rows that came last, by a key that was counted up: those of which something is still to happen
_PASSED = 2 << 30  # bytes of a table that one pass reads in a few seconds
_STEP = 50  # rows read from each step of a key


def sample(
    asking: Asking,
    structure: Structure,
    statistics: Statistics,
    rows: int,
) -> tuple[Statistics, dict[str, pa.Table]]:
    """Return the statistics with those of a sample of about `rows` rows a table, and the samples."""
    tables, samples, unseen = dict(statistics.tables), {}, list(statistics.unseen)
    for name, found in statistics.tables.items():
        if found.rows < 1:
            continue
        try:
            taken = _taken(asking, structure.tables[name], found, rows, unseen)
        except (pymysql.err.MySQLError, pa.ArrowInvalid) as error:
            told = words(error) if isinstance(error, pymysql.err.MySQLError) else str(error).splitlines()[0]
            unseen.append(f"a sample of {name}: {told}")
            continue
        if taken.num_rows:
            tables[name] = _seen(structure.tables[name], found, taken)
            samples[name] = taken
    seen = [one for one in unseen if not one.endswith("--sample looks at rows instead")]
    return replace(statistics, tables=tables, unseen=tuple(seen), asked=tuple(asking.asked)), samples


def learned(
    asking: Asking,
    table: Table,
    found: TableStatistics,
    taken: pa.Table,
    *,
    floor: int,
    told: Collection[str],
) -> Joined:
    """Return how the columns of a sample go together; `told` are those whose values may be told."""
    by, newest = sampled.counter(table, found), None
    if by and found.rows > taken.num_rows:
        newest = _read(asking, f"the newest rows of {table.name}", table, f"ORDER BY {named(by)} DESC LIMIT {_NEWEST}")
    return sampled.learned(table, found, taken, _places(taken), newest, floor=floor, told=told)


def _places(taken: pa.Table) -> NDArray[np.float64]:
    return np.linspace(0.0, 1.0, taken.num_rows)


def _seen(table: Table, found: TableStatistics, taken: pa.Table) -> TableStatistics:
    """Return a table's statistics by its sample; where a column was counted, its counts stay."""
    places = _places(taken)
    columns = {}
    for name in taken.column_names:
        one = sampled.statistics(table.columns[name], taken[name], places, found.rows)
        counted = found.columns.get(name)
        columns[name] = replace(one, distinct=counted.distinct) if counted and counted.distinct > 0 else one
    return sampled.seen(table, replace(found, columns=columns, are_columns_seen=True), taken)


def _taken(asking: Asking, table: Table, found: TableStatistics, rows: int, unseen: list[str]) -> pa.Table:
    what, limit = f"a sample of {table.name}", round(_SPARE * rows)
    key = sampled.counter(table, replace(found, columns=dict.fromkeys(table.columns)))  # type: ignore[arg-type]
    if found.rows <= rows:
        return _read(asking, what, table, f"LIMIT {limit}")
    if found.size_bytes <= _PASSED or key is None:
        try:
            return _read(asking, what, table, f"WHERE rand(1) < {rows / found.rows:.9f} LIMIT {limit}")
        except pymysql.err.OperationalError as error:
            if key is None:
                raise
            unseen.append(f"{what} in one pass: {words(error)}; so it is read at even steps of {key}")
    return _stepped(asking, what, table, key, rows)


def _stepped(asking: Asking, what: str, table: Table, key: str, rows: int) -> pa.Table:
    ends = f"SELECT min({named(key)}), max({named(key)}) FROM {named(table.name)} {OURS}"
    ((low, high),) = asking.rows(f"the ends of {table.name}", ends)
    steps = np.unique(np.linspace(int(low), int(high), max(2, rows // _STEP) + 1).astype(np.int64))[:-1].tolist()
    parts = [
        _read(
            asking,
            what,
            table,
            f"WHERE {named(key)} >= {step} AND {named(key)} < {end} ORDER BY {named(key)} LIMIT {_STEP}",
        )
        for step, end in zip(steps, [*steps[1:], int(high) + 1], strict=True)
    ]
    return pa.concat_tables(parts)


def _read(asking: Asking, what: str, table: Table, part: str) -> pa.Table:
    columns = {name: one for name, one in table.columns.items() if not one.computed}
    query = f"SELECT {', '.join(map(_asked, columns.values()))} FROM {named(table.name)} {OURS} {part}"
    started = time.monotonic()
    found = answered(asking.connection, query)
    taken = pa.table(dict(_arrays(columns, found)))
    asking.asked.append(Query(what=what, sql=query, took_s=time.monotonic() - started, rows_read=len(found)))
    return taken


def _arrays(columns: Mapping[str, Column], found: Collection[Row]) -> Iterator[tuple[str, pa.Array]]:
    values = list(zip(*found, strict=True)) if found else [()] * len(columns)
    for (name, column), some in zip(columns.items(), values, strict=True):
        kind = sampled.arrow_type(column)
        read = float if pa.types.is_floating(kind) else int if pa.types.is_integer(kind) else _text
        yield name, pa.array([None if one is None else read(one) for one in some], kind)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


# How a column is asked for, by its kind: no number beyond 63 bits, and what is no text as its digits.
_ASKED: Mapping[str, str] = {
    **dict.fromkeys(("date", "timestamp"), "timestampdiff(MICROSECOND, '1970-01-01', nullif({name}, 0)) / 1e6"),
    "bool": "if({name} IS NULL, NULL, if({name}, 't', 'f'))",
    **dict.fromkeys(("numeric", "float"), "{name} + 0e0"),
    "integer": "least({name}, 9223372036854775807)",
    "bytes": "concat('\\\\x', hex({name}))",
    **dict.fromkeys(("text", "json", "enum", "time", "uuid", "inet"), "cast({name} AS char)"),
}


def _asked(column: Column) -> str:
    return _ASKED.get(column.type.kind, "hex({name})").format(name=named(column.name))
