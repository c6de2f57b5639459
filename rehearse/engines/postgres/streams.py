"""Rows as numbers: keys and hashes, fetched in binary.

The server packs each column of numbers into one value, so a row costs 8 bytes a column on the way and in memory, and
the client does nothing by row; the time does not depend on how many differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from psycopg import Connection, sql

from rehearse.engines._numbered import Numbers


def read(connection: Connection[Any], columns: Sequence[sql.Composable], rows: sql.Composable) -> Numbers:
    """Return int8 columns, never NULL, of rows ("table where …"); all in one order, which is nobody's choice."""
    packed = sql.SQL(", ").join(sql.SQL("string_agg(int8send({}), '')").format(one) for one in columns)
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(sql.SQL("select {} from {}").format(packed, rows)).fetchone()
    assert found is not None, "an aggregate returns one row"
    return np.array([np.frombuffer(one or b"", dtype=">i8") for one in found], dtype=np.int64)


def chosen(number: sql.Composable, numbers: Numbers) -> sql.Composed:
    """Return the condition for rows with these numbers (sorted); a dense run is asked as a range, which holds more."""
    if len(numbers) and int(numbers[-1]) - int(numbers[0]) < 4 * len(numbers):
        return sql.SQL("{} between {} and {}").format(
            number, sql.Literal(int(numbers[0])), sql.Literal(int(numbers[-1]))
        )
    listed = sql.SQL("'{" + ",".join(map(str, numbers.tolist())) + "}'::int8[]")
    return sql.SQL("{} = any({})").format(number, listed)
