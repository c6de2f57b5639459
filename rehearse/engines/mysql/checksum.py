"""Checksums of tables, taken on the server: count, and the exact sum of the rows' 64-bit hashes.

Two different tables agree by chance in about one of 2^63 cases. Only whole rows are hashed, since each hash costs as
much as reading the row five to thirteen times: which columns differ is asked of the rows that do.
"""

from __future__ import annotations

import pymysql

from rehearse.engines.mysql import images
from rehearse.engines.mysql.client import Connection, rows
from rehearse.engines.mysql.flavour import Flavour
from rehearse.model import TableState

_UNREADABLE = {1264, 1292, 1365, 1690}  # a generated value that cannot be computed any more


def states(connection: Connection, flavour: Flavour) -> dict[str, TableState]:
    """Return the state of every table, in the transaction that is open."""
    return {name: state(connection, table) for name, table in images.read(connection, flavour).items()}


def state(connection: Connection, table: images.Table) -> TableState:
    """Return rows and checksum of one table; None where its values do not allow one."""
    whole = table.hashed(images.tagged(column.image for column in table.columns.values()))
    try:
        ((count, total),) = rows(connection, f"SELECT COUNT(*), {images.summed(whole)} FROM {table.source}")
    except pymysql.err.MySQLError as error:
        if not error.args or error.args[0] not in _UNREADABLE:
            raise
        ((count,),), total = rows(connection, f"SELECT COUNT(*) FROM {table.source}"), None
    return TableState(
        table=table.name,
        rows=int(count),
        size_bytes=table.size_bytes,
        key=table.key,
        checksum=None if total is None else str(total),
        columns=dict.fromkeys(table.columns),
    )
