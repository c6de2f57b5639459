"""A bounded sample of rows, held in memory and nowhere else: what statistics cannot tell of a table.

Whole pages are sampled (TABLESAMPLE SYSTEM, repeatable), as many as fill the rows asked for on average; a table with no
more rows than that is read whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql

from rehearse.engines.postgres.aggregates import rows_of
from rehearse.engines.postgres.copy_out import batches
from rehearse.engines.postgres.statistics import Asking
from rehearse.profiles.learning import Joined, SampledColumn, learn
from rehearse.profiles.personal import by_name
from rehearse.profiles.slicing import Newest
from rehearse.profiles.statistics import ColumnStatistics, Query, Statistics, TableStatistics
from rehearse.profiles.structure import Column, Structure, Table

_SPARE = 1.5  # more rows than asked for on average end a sample; they would be those at the table's end
_FEW = 12  # so few different whole numbers are categories too
_MOST_KINDS = 50
_MOST_SEEN = 10_000
_LEAST = 5  # sampled rows that must share a pair of values, whatever the floor
_PLACE = "rehearse place"  # the row's page, as the sample's first column
_NEWEST = 2000  # rows that came last, by a key that was counted up: those of which something is still to happen
_ROWS = "SELECT ({place})::float8, {columns} FROM {table} {sampled} LIMIT {rows}"
_PAGE = "(ctid::text::point)[0]"
_TYPES: Mapping[str, pa.DataType] = {
    "integer": pa.int64(),
    "numeric": pa.float64(),
    "float": pa.float64(),
    "date": pa.date32(),
}


def sample(
    asking: Asking,
    structure: Structure,
    statistics: Statistics,
    rows: int,
    *,
    floor: int,
    told: Mapping[str, Collection[str]],
) -> tuple[Statistics, dict[str, Joined]]:
    """Return the statistics with what a sample of about `rows` rows a table adds, and how columns go together.

    `told` are the columns of each table whose values may be told: others go by no category, and no other by theirs.
    """
    tables, learned, unseen = dict(statistics.tables), {}, list(statistics.unseen)
    for name, found in statistics.tables.items():
        table = structure.tables.get(name)
        if table is None or found.rows < 1 or not found.columns:
            continue
        try:
            with asking.connection.transaction():
                taken = _taken(asking, table, found, rows)
                counter = _counter(table, found)
                newest = _newest(asking, table, found, counter) if counter and found.rows > rows else None
        except (psycopg.Error, pa.ArrowInvalid) as error:
            unseen.append(f"a sample of {name}: {str(error).splitlines()[0]}")
            continue
        if taken.num_rows:
            tables[name] = _seen(table, found, taken)
            learned[name] = _learned(table, found, taken, newest, floor, told.get(name, ()))
    more = replace(statistics, tables=tables, unseen=tuple(unseen), asked=tuple(asking.asked))
    return more, learned


def _taken(asking: Asking, table: Table, found: TableStatistics, rows: int) -> pa.Table:
    share = min(100.0, 100.0 * rows / found.rows)
    sampled = "" if share >= 100.0 else f"TABLESAMPLE SYSTEM ({share:.6f}) REPEATABLE (1)"
    return _read(asking, f"a sample of {table.name}", table, found, sampled=sampled, rows=round(_SPARE * rows))


def _newest(asking: Asking, table: Table, found: TableStatistics, counter: str) -> pa.Table:
    """Return the rows that came last, by the index of the key that was counted up."""
    last = sql.SQL("ORDER BY {} DESC").format(sql.Identifier(counter)).as_string(asking.connection)
    return _read(asking, f"the newest rows of {table.name}", table, found, sampled=last, rows=_NEWEST)


def _read(asking: Asking, what: str, table: Table, found: TableStatistics, *, sampled: str, rows: int) -> pa.Table:
    import time  # noqa: PLC0415

    names = [name for name in table.columns if name in found.columns]
    query = sql.SQL(_ROWS).format(
        place=sql.SQL(_PAGE),
        columns=sql.SQL(", ").join(_asked(table.columns[name]) for name in names),
        table=rows_of(table, found),
        sampled=sql.SQL(sampled),
        rows=sql.Literal(rows),
    )
    types = {_PLACE: pa.float64()} | {name: _arrow_type(table.columns[name]) for name in names}
    started = time.monotonic()
    taken = pa.Table.from_batches(list(batches(asking.connection, query, types)), pa.schema(list(types.items())))
    text = query.as_string(asking.connection)
    asking.asked.append(Query(what=what, sql=text, took_s=time.monotonic() - started, rows_read=taken.num_rows))
    return taken


def _asked(column: Column) -> sql.Composable:
    """Return a column as it is asked for; moments as seconds, since they may be infinite or before Christ."""
    name = sql.Identifier(column.name)
    if column.type.kind in ("timestamp", "date"):
        return sql.SQL("CASE WHEN isfinite({}) THEN extract(epoch FROM {})::float8 END").format(name, name)
    if column.type.kind in ("numeric", "float"):
        return sql.SQL("nullif(nullif({}::float8, 'infinity'), '-infinity')").format(name)
    return name


def _arrow_type(column: Column) -> pa.DataType:
    return pa.float64() if column.type.kind in ("timestamp", "date") else _TYPES.get(column.type.kind, pa.string())


def _seen(table: Table, found: TableStatistics, taken: pa.Table) -> TableStatistics:
    columns = {name: _column(table.columns[name], one, taken[name]) for name, one in found.columns.items()}
    return replace(found, columns=columns)


def _column(column: Column, found: ColumnStatistics, values: pa.ChunkedArray) -> ColumnStatistics:
    """Return a column's statistics with texts of the sample in place of those that the server's own sample shows."""
    if column.type.kind not in ("text", "json"):
        return found
    kept = pc.drop_null(values)
    kept = kept.take(pa.array(np.linspace(0, len(kept) - 1, min(len(kept), _MOST_SEEN)).astype(np.int64)))
    each = (1.0 - found.null) / max(1, len(kept))
    return replace(found, seen=tuple((value, each) for value in kept.to_pylist()))


def _learned(  # noqa: PLR0917 - what was read of one table
    table: Table, found: TableStatistics, taken: pa.Table, newest: pa.Table | None, floor: int, told: Collection[str]
) -> Joined:
    columns = _columns(table, found, taken, told)
    if found.partitions:  # pages are counted anew in each; rows come partition by partition
        places = np.linspace(0.0, 1.0, taken.num_rows)
    else:
        places = taken[_PLACE].to_numpy() / max(1.0, float(found.pages))
    least = max(_LEAST, floor * taken.num_rows / max(1.0, found.rows))
    counter = _counter(table, found)
    if counter is None:
        return learn(columns, places.clip(0.0, 1.0), least=least)
    fresh = None
    if newest is not None and newest.num_rows:
        fresh = Newest(
            columns=_columns(table, found, newest, told),
            places=1.0 - (np.arange(newest.num_rows) + 0.5) / found.rows,
            least=floor,
        )
    came = _came(taken[counter].to_numpy(), found.columns[counter].bounds)
    return learn(columns, places.clip(0.0, 1.0), least=least, counter=counter, came=came, newest=fresh)


def _counter(table: Table, found: TableStatistics) -> str | None:
    """Return the key that was counted up as rows came, as far as its type tells."""
    name = table.primary_key[0] if table.primary_key and len(table.primary_key) == 1 else None
    return name if name in found.columns and name is not None and table.columns[name].type.kind == "integer" else None


def _came(keys: NDArray[np.int64], bounds: Sequence[str]) -> NDArray[np.float64]:
    """Return the rows' places in the order of a key, 0 … 1, by the server's histogram of it, else by their ranks."""
    if len(bounds) < 2:
        return np.argsort(np.argsort(keys, kind="stable"), kind="stable") / max(1, len(keys))
    edges = np.array([float(one) for one in bounds])
    return np.interp(keys, edges, np.linspace(0.0, 1.0, len(edges)))


def _columns(table: Table, found: TableStatistics, taken: pa.Table, told: Collection[str]) -> dict[str, SampledColumn]:
    pointing = {column for key in table.foreign_keys for column in key.columns}
    few = {name for name in pointing & set(found.columns) if 0 < found.columns[name].distinct <= _MOST_KINDS}
    keys = (pointing - few) | {key[0] for key in table.keys if len(key) == 1}
    return {
        name: _untold(
            _sampled(table.columns[name], taken[name].combine_chunks(), is_key=name in keys, is_list=name in few),
            is_told=name in told,
        )
        for name in found.columns
        if not table.columns[name].computed
    }


def _untold(column: SampledColumn, *, is_told: bool) -> SampledColumn:
    return column if is_told else replace(column, codes=None, kinds=())


def _sampled(column: Column, values: pa.Array, *, is_key: bool, is_list: bool) -> SampledColumn:
    is_null = pc.is_null(values).to_numpy(zero_copy_only=False)
    kind = column.type.kind
    if is_list:  # the keys of a short list are its words, and no amounts
        listed, words = _codes(pc.cast(values, pa.string()))
        return SampledColumn(is_null=is_null, codes=listed, kinds=words)
    if kind in ("integer", "numeric", "float", "date", "timestamp"):
        numbers = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
        moments = kind in ("date", "timestamp") and by_name(column.name) != "birth date"  # which says nothing of others
        few = kind == "integer" and not is_key and pc.count_distinct(values).as_py() <= _FEW
        codes, kinds = _codes(pc.cast(values, pa.string())) if few else (None, ())
        scale = 1e6 if kind in ("date", "timestamp") else 1.0
        return SampledColumn(
            is_null=is_null, numbers=numbers * scale, codes=codes, kinds=kinds, is_moment=moments, is_key=is_key
        )
    if kind == "bool":
        values = pc.if_else(pc.equal(values, "t"), "true", "false")
    if kind in ("bool", "enum", "text") and not is_key and pc.count_distinct(values).as_py() <= _MOST_KINDS:
        codes, kinds = _codes(values)
        return SampledColumn(is_null=is_null, codes=codes, kinds=kinds)
    return SampledColumn(is_null=is_null, is_key=is_key)


def _codes(values: pa.Array) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    coded = pc.dictionary_encode(values)
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, tuple(coded.dictionary.to_pylist())
