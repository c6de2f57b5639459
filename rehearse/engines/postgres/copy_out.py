"""Rows out of a database as Arrow record batches: COPY … TO STDOUT as CSV, parsed by Arrow as it comes.

CSV tells a null (nothing) from an empty text (""), serves every type, and needs no Python per row but the call that
takes it from libpq. Memory is that of one block, whatever the table's size.
"""

from __future__ import annotations

import io
import select
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from pyarrow import csv

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from rehearse.engines.postgres.roles import Connection

BLOCK_BYTES = 4 << 20


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
    stream = _Stream(connection, statement)
    try:
        if stream.starts():
            yield from csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert)
    finally:
        stream.close()


def binary_blocks(connection: Connection, query: sql.Composable) -> Iterator[bytes]:
    """Yield the rows of a query as COPY's binary format has them, header and trailer included, in whole messages."""
    stream = _Stream(connection, sql.SQL("COPY (\n{}\n) TO STDOUT (FORMAT binary)").format(query))
    try:
        while block := stream.read():
            yield block
    finally:
        stream.close()


class _Stream(io.RawIOBase):
    """What a COPY sends, a message a row, as a file.

    libpq is asked for each row directly, which is copied and let go at once: psycopg's own loop costs a third more a
    row, and to keep 8192 rows and join them four times as much, for their memory is then out of the core's cache.
    """

    def __init__(self, connection: Connection, statement: sql.Composable) -> None:
        self._connection = connection
        self._ended = False
        if not connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE:
            connection.execute("")  # begins the transaction, which psycopg would do before its own statements
        result = connection.pgconn.exec_(statement.as_string(connection).encode(connection.info.encoding))
        if result.status != ExecStatus.COPY_OUT:
            self._ended = True
            raise psycopg.errors.lookup(_code(result))(_message(result.error_message))
        self._held = bytearray()
        self._fill(1)

    def starts(self) -> bool:
        """Say whether there is any row."""
        return bool(self._held)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; nothing at the end only."""
        self._fill(size if size >= 0 else sys.maxsize)
        part = bytes(self._held[:size] if size >= 0 else self._held)
        del self._held[: len(part)]
        return part

    def close(self) -> None:
        """Stop the COPY if it has not ended, and take what is left of it, so that the connection is free again."""
        if not self.closed and not self._ended:
            self._connection.cancel_safe(timeout=5.0)
            while self._row() is not None:
                pass
        super().close()

    def _fill(self, size: int) -> None:
        """Have so many bytes, or all that there are: Arrow makes a batch of what it is given at once."""
        while len(self._held) < size and not self._ended and (row := self._row(fail=True)) is not None:
            self._held += row

    def _row(self, *, fail: bool = False) -> memoryview | bytes | None:
        """Return the next row, None at the end."""
        server = self._connection.pgconn
        while True:
            size, row = server.get_copy_data(1)  # never waits, which it would do without letting other threads run
            if size > 0:
                return row
            if size < 0:
                self._end(fail=fail)
                return None
            select.select([server.socket], [], [])
            server.consume_input()

    def _end(self, *, fail: bool) -> None:
        """Take all results, so that the connection is free again, and raise the error among them."""
        self._ended = True
        results = list(iter(self._connection.pgconn.get_result, None))
        failed = next((one for one in results if one.status == ExecStatus.FATAL_ERROR), None)
        if fail and failed is not None:
            raise psycopg.errors.lookup(_code(failed))(_message(failed.error_message))


def _code(result: PGresult) -> str:
    return (result.error_field(DiagnosticField.SQLSTATE) or b"XX000").decode()


def _message(text: bytes) -> str:
    return text.decode(errors="replace").strip()
