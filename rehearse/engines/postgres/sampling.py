"""A bounded sample of rows, held in memory and nowhere else: what statistics cannot tell of a table.

Whole pages are sampled (TABLESAMPLE SYSTEM, repeatable), as many as fill the rows asked for on average; a table with no
more rows than that is read whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql

from rehearse.engines.postgres.aggregates import rows_of
from rehearse.engines.postgres.copy_out import batches
from rehearse.engines.postgres.statistics import Asking
from rehearse.profiles import sampled
from rehearse.profiles.learning import Joined
from rehearse.profiles.statistics import Query, Statistics, TableStatistics
from rehearse.profiles.structure import Column, Structure, Table

_SPARE = 1.5  # more rows than asked for on average end a sample; they would be those at the table's end
_PLACE = "rehearse place"  # the row's page, as the sample's first column
_NEWEST = 2000  # rows that came last, by a key that was counted up: those of which something is still to happen
_ROWS = "SELECT ({place})::float8, {columns} FROM {table} {sampled} LIMIT {rows}"
_PAGE = "(ctid::text::point)[0]"


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
                counter = sampled.counter(table, found)
                newest = _newest(asking, table, found, counter) if counter and found.rows > rows else None
        except (psycopg.Error, pa.ArrowInvalid) as error:
            unseen.append(f"a sample of {name}: {str(error).splitlines()[0]}")
            continue
        if taken.num_rows:
            tables[name] = sampled.seen(table, found, taken)
            learned[name] = sampled.learned(
                table, found, taken, _places(found, taken), newest, floor=floor, told=told.get(name, ())
            )
    more = replace(statistics, tables=tables, unseen=tuple(unseen), asked=tuple(asking.asked))
    return more, learned


def _taken(asking: Asking, table: Table, found: TableStatistics, rows: int) -> pa.Table:
    share = min(100.0, 100.0 * rows / found.rows)
    part = "" if share >= 100.0 else f"TABLESAMPLE SYSTEM ({share:.6f}) REPEATABLE (1)"
    return _read(asking, f"a sample of {table.name}", table, found, part=part, rows=round(_SPARE * rows))


def _newest(asking: Asking, table: Table, found: TableStatistics, counter: str) -> pa.Table:
    """Return the rows that came last, by the index of the key that was counted up."""
    last = sql.SQL("ORDER BY {} DESC").format(sql.Identifier(counter)).as_string(asking.connection)
    return _read(asking, f"the newest rows of {table.name}", table, found, part=last, rows=_NEWEST)


def _read(asking: Asking, what: str, table: Table, found: TableStatistics, *, part: str, rows: int) -> pa.Table:
    import time  # noqa: PLC0415

    names = [name for name in table.columns if name in found.columns]
    query = sql.SQL(_ROWS).format(
        place=sql.SQL(_PAGE),
        columns=sql.SQL(", ").join(_asked(table.columns[name]) for name in names),
        table=rows_of(table, found),
        sampled=sql.SQL(part),
        rows=sql.Literal(rows),
    )
    types = {_PLACE: pa.float64()} | {name: sampled.arrow_type(table.columns[name]) for name in names}
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


def _places(found: TableStatistics, taken: pa.Table) -> NDArray[np.float64]:
    if found.partitions:  # pages are counted anew in each; rows come partition by partition
        return np.linspace(0.0, 1.0, taken.num_rows)
    places: NDArray[np.float64] = taken[_PLACE].to_numpy() / max(1.0, float(found.pages))
    return places.clip(0.0, 1.0)
