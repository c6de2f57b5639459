"""What differs between two states of a database, the traffic's acknowledged writes taken out, and each write verified.

Tables whose checksums agree are not read again. Of others (number, hash) of every row of both sides are compared in
numpy; then the columns of the rows that differ, and the texts of a few. Rows that calls wrote are judged by themselves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rehearse.engines import _differences, _hidden
from rehearse.engines._table_comparison import Work, alone
from rehearse.engines._writes import by_table
from rehearse.engines.mysql import images
from rehearse.engines.mysql.client import Connection, execute, rows
from rehearse.engines.mysql.flavour import Flavour
from rehearse.engines.mysql.mending import mend
from rehearse.engines.mysql.pairing import pair
from rehearse.engines.mysql.schema import begin
from rehearse.engines.mysql.table_rows import MysqlRows
from rehearse.model import Comparison, LostWrite, Snapshot, TableComparison
from rehearse.protocols import Role

if TYPE_CHECKING:
    import pandas

    from rehearse.engines.mysql.database import MysqlDatabase

_TRIGGERS = """
    SELECT event_object_table, concat('trigger ', trigger_name), action_statement
    FROM information_schema.triggers WHERE trigger_schema = database()
"""


def compare(
    newer: MysqlDatabase,
    older: MysqlDatabase,
    before: Snapshot,
    after: Snapshot,
    writes: pandas.DataFrame,
    *,
    origin: Snapshot | None = None,
    known: Comparison | None = None,
    limit: int = 20,
) -> Comparison:
    """Return what differs between `older` (in state `before`) and `newer` (in state `after`).

    Reads only, but for a temporary table of each connection. See `protocols.Comparable` for `origin` and `known`.
    """
    began = time.monotonic_ns()
    is_mariadb = newer.server.flavour.name == "mariadb"
    lost = {table.table: table.lost or () for table in (known.tables if known else ())}
    with older.connect(Role.OWNER) as old, newer.connect(Role.OWNER) as new:
        begin(old)
        begin(new)
        flavour = older.server.flavour
        tables = tuple(_tables(old, new, before, after, writes, flavour=flavour, origin=origin, lost=lost, limit=limit))
        execute(old, "ROLLBACK")
        execute(new, "ROLLBACK")
    return Comparison(
        before=before.name,
        after=after.name,
        took_ns=time.monotonic_ns() - began,
        schema=tuple(
            replace(one, mend=mend(one, before, after, is_mariadb=is_mariadb))
            for one in _differences.schema(before, after)
        ),
        physical=_differences.physical(before, after),
        tables=tables,
    )


def _tables(
    old: Connection,
    new: Connection,
    before: Snapshot,
    after: Snapshot,
    writes: pandas.DataFrame,
    *,
    flavour: Flavour,
    origin: Snapshot | None,
    lost: Mapping[str, Sequence[LostWrite]],
    limit: int,
) -> list[TableComparison]:
    olds, news, written = images.read(old, flavour), images.read(new, flavour), by_table(writes)
    names = sorted(olds.keys() | news.keys())
    others = _hidden.reached(names, written, _triggers(old, new))
    first = origin.tables if origin else {}
    return [
        Work(
            rows=MysqlRows(
                old=old,
                new=new,
                pairing=pair(olds[name], news[name], first[name].columns if name in first else None),
            ),
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


def _triggers(*connections: Connection) -> tuple[_hidden.Trigger, ...]:
    found = {_hidden.Trigger(*map(str, row)) for one in connections for row in rows(one, _TRIGGERS)}
    return tuple(sorted(found, key=lambda one: (one.table, one.name)))
