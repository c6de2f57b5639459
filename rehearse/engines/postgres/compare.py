"""What differs between two states of a database, the traffic's acknowledged writes taken out, and each write verified.

Tables whose checksums agree are not read again. Others are streamed as (key, hash) from both sides and compared in
numpy; then the columns of the rows that differ, and the texts of a few. Rows that calls wrote are judged by themselves.
"""

from __future__ import annotations

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from rehearse.engines import _differences, _hidden
from rehearse.engines._table_comparison import Work, alone
from rehearse.engines._writes import by_table
from rehearse.engines.postgres import hidden, images, lagging
from rehearse.engines.postgres.mending import mend
from rehearse.engines.postgres.pairing import pair
from rehearse.engines.postgres.schema import Connects, begin
from rehearse.engines.postgres.table_rows import PostgresRows
from rehearse.model import Comparison, LostWrite, Snapshot, TableComparison
from rehearse.protocols import Role

if TYPE_CHECKING:
    import pandas


def compare(
    newer: Connects,
    older: Connects,
    before: Snapshot,
    after: Snapshot,
    writes: pandas.DataFrame,
    *,
    origin: Snapshot | None = None,
    known: Comparison | None = None,
    limit: int = 20,
) -> Comparison:
    """Return what differs between `older` (in state `before`) and `newer` (in state `after`).

    `origin` is the state that both grew from on ways of their own; columns that it lacks tell no rows apart. Writes
    that `known` found lost come last among the examples.

    Reads only, in one REPEATABLE READ transaction a side; holds about 60 bytes a row of the largest table, in slices of
    2 million rows. At most `limit` examples a column and a table.
    """
    began = time.monotonic_ns()
    lost = {table.table: table.lost or () for table in (known.tables if known else ())}
    with older.connect(Role.OWNER) as old, newer.connect(Role.OWNER) as new:
        begin(old)
        begin(new)
        tables = tuple(_tables(old, new, before, after, writes, origin=origin, lost=lost, limit=limit))
        old.execute("rollback")
        new.execute("rollback")
    return Comparison(
        before=before.name,
        after=after.name,
        took_ns=time.monotonic_ns() - began,
        schema=tuple(
            replace(one, mend=mend(one))
            for one in _differences.schema(before, after)
            if not lagging.is_by_traffic(one, writes)
        ),
        physical=_differences.physical(before, after),
        tables=tables,
    )


def _tables(
    old: Connection[Any],
    new: Connection[Any],
    before: Snapshot,
    after: Snapshot,
    writes: pandas.DataFrame,
    *,
    origin: Snapshot | None,
    lost: Mapping[str, Sequence[LostWrite]],
    limit: int,
) -> list[TableComparison]:
    olds, news, written = images.read(old), images.read(new), by_table(writes)
    names = sorted(olds.keys() | news.keys())
    others = _hidden.reached(names, written, hidden.triggers(old, new))
    return [
        Work(
            rows=PostgresRows(old=old, new=new, pairing=pair(olds[name], news[name], _known(origin, name))),
            before=before.tables[name],
            after=after.tables[name],
            limit=limit,
            known=frozenset((one.number, one.key) for one in lost.get(name, ())),
            others=others.get(name, _hidden.Others()),
        ).compare(written.get(name))
        if name in olds and name in news
        else alone(name, before.tables.get(name), after.tables.get(name), written.get(name))
        for name in names
    ]


def _known(origin: Snapshot | None, table: str) -> Container[str] | None:
    """Return the columns that a table had in the beginning; None: all that it has now."""
    first = origin.tables.get(table) if origin else None
    return first.columns if first else None
