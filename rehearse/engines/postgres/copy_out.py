"""Rows out of a database as Arrow record batches: COPY … TO STDOUT as CSV, parsed by Arrow as it comes.

CSV tells a null (nothing) from an empty text (""), serves every type, and needs no Python per row. Memory is that of
one block, whatever the table's size.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
from psycopg import sql
from pyarrow import csv

if TYPE_CHECKING:
    from psycopg import Copy

    from rehearse.engines.postgres.roles import Connection

BLOCK_BYTES = 4 << 20
_ROWS_A_BLOCK = 8192


def batches(
    connection: Connection, query: sql.Composable, types: Mapping[str, pa.DataType]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a query, whose columns bear the names in `types`, in that order.

    `types` are Arrow's: pa.string() gives a value as the server writes it; numbers, dates, bools and timestamps are
    parsed. Nothing is yielded where there are no rows.
    """
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)
    # Arrow takes "t" and "f" for bools as the server writes them, and needs to be told that "" is no null.
    convert = csv.ConvertOptions(
        column_types=dict(types),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    read = csv.ReadOptions(column_names=list(types), block_size=BLOCK_BYTES, use_threads=False)
    parse = csv.ParseOptions(newlines_in_values=True)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        stream = _Stream(copy)
        if not stream.starts():
            return
        yield from csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert)


class _Stream(io.RawIOBase):
    """What a COPY sends, a message a row, as a file."""

    def __init__(self, copy: Copy) -> None:
        self._rows = iter(copy)
        self._block = self._next()
        self._at = 0

    def starts(self) -> bool:
        """Say whether there is any row."""
        return bool(self._block)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; nothing at the end only."""
        if self._at == len(self._block):
            self._block, self._at = self._next(), 0
        part = self._block[self._at : self._at + size] if size >= 0 else self._block[self._at :]
        self._at += len(part)
        return part

    def _next(self) -> bytes:
        return b"".join(islice(self._rows, _ROWS_A_BLOCK))
