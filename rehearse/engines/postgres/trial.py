"""A few rows of each table are tried on the server before any is loaded: what it refuses is told at once.

They go into a temporary table with the target's conditions, defaults and computed columns, and are gone with the
transaction; nothing else is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
from psycopg import sql

from rehearse.profiles import TableStructure

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

ROWS = 300
_WAY_OUT = "give a shape in the profile that the table allows"
TABLE = sql.Identifier("pg_temp", "rehearse_trial")
_MAKE = """
    CREATE TEMP TABLE rehearse_trial (
        LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING IDENTITY
    )
"""
_COLUMNS_OF_CONSTRAINT = """
    SELECT pg_get_constraintdef(c.oid), ARRAY(
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = c.conrelid AND attnum = ANY(c.conkey)
        ORDER BY attnum
    )
    FROM pg_constraint c
    WHERE c.conrelid = %s AND c.conname = %s
"""
_COLUMNS_OF_DOMAIN = """
    SELECT pg_get_constraintdef(c.oid), ARRAY(
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = %s AND atttypid = t.oid AND NOT attisdropped
        ORDER BY attnum
    )
    FROM pg_type t
    JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_constraint c ON c.contypid = t.oid AND c.conname = %s
    WHERE n.nspname = %s AND t.typname = %s
"""
# A trigger before the row may fill in what a condition asks for.
_CHANGES_ROWS = """
    SELECT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = %s AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 1 = 1 AND tgtype & 2 = 2
    )
"""


@dataclass(frozen=True, slots=True)
class SampleRows:
    """A few rows in one chunk, as a table's data."""

    table: str
    batch: pa.RecordBatch

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.batch)

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """Yield them."""
        yield self.batch


def changes_rows(connection: Connection, oid: int) -> bool:
    """Say whether a trigger of the table may change a row before its conditions are looked at."""
    found = connection.execute(_CHANGES_ROWS, [oid]).fetchone()
    return bool(found and found[0])


def complaint(
    connection: Connection, known: TableStructure, oid: int, name: sql.Identifier, fill: Callable[[], None]
) -> str | None:
    """Return what the server does not take of the rows that `fill` sends to TABLE; None: it takes them, or cannot try.

    `fill` works on this connection, in a transaction that is rolled back.
    """
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL(_MAKE).format(name))
            fill()
    except (psycopg.errors.IntegrityError, psycopg.errors.DataError) as error:
        return _told(connection, known, oid, error)
    except psycopg.errors.InsufficientPrivilege:
        return None  # no temporary tables here: the load itself will tell
    return None


def _told(connection: Connection, known: TableStructure, oid: int, error: psycopg.Error) -> str:
    diag, where = error.diag, f"tables.{known.name}.columns"
    if isinstance(error, psycopg.errors.NotNullViolation) and diag.column_name:
        return f"{where}.{diag.column_name}: NOT NULL, and the generated rows have no value here; {_WAY_OUT}"
    found = None
    if diag.datatype_name:
        values = [oid, diag.constraint_name, diag.schema_name, diag.datatype_name]
        found = connection.execute(_COLUMNS_OF_DOMAIN, values).fetchone()
    elif diag.constraint_name:
        found = connection.execute(_COLUMNS_OF_CONSTRAINT, [oid, diag.constraint_name]).fetchone()
    words = " — ".join(part for part in (diag.message_primary, diag.message_detail) if part)
    if found is None:
        place = f"{where}.{column}" if (column := _column_of(error, known)) else f"tables.{known.name}"
        return f"{place}: the server refuses the generated rows: {words}; {_WAY_OUT}"
    condition, columns = found
    return f"{where}.{' and '.join(columns)}: the generated rows break {condition or words}; {_WAY_OUT}"


def _column_of(error: psycopg.Error, known: TableStructure) -> str | None:
    """Return the column that COPY's context names: "COPY rehearse_trial, line 1, column price: …"."""
    _, found, rest = (error.diag.context or "").partition(", column ")
    name = rest.partition(":")[0].strip()
    return name if found and name in known.columns else None
