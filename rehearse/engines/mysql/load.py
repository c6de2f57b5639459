"""Fills tables by LOAD DATA LOCAL from a pipe: rows as text, made in columns; foreign keys are proved afterwards.

LOAD DATA LOCAL turns every error into a warning, and drops or changes the row: so no warning is allowed, and the rows
are counted. Triggers would fire for each row: in a database of ours those of a table are taken away while it is
filled, and made again as they were written. In a user's nothing is dropped, and no row that we did not load.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pymysql

from rehearse.engines.mysql.client import Connection, Row, execute, named, rows, words
from rehearse.engines.mysql.copies import as_it_was
from rehearse.engines.mysql.structure import FOREIGN_KEYS, foreign_keys
from rehearse.errors import ScenarioMistake, ServerFailed, full, near_miss
from rehearse.events import Journal
from rehearse.protocols import TableData

if TYPE_CHECKING:
    from rehearse.engines.mysql.statistics import Connects

_TRIGGERS = """
    SELECT trigger_name FROM information_schema.triggers
    WHERE trigger_schema = database() AND event_object_table = %s
    ORDER BY action_timing, event_manipulation, action_order
"""
_TYPES = """
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = database() AND table_name = %s
"""
_NAMES = "SELECT table_name FROM information_schema.tables WHERE table_schema = database()"
# What the text of a value goes through, by the column's type.
_MADE: Mapping[str, str] = {
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "UNHEX({})"),
    "bit": "CAST({} AS UNSIGNED)",
    **dict.fromkeys(
        (
            "geometry",
            "point",
            "linestring",
            "polygon",
            "multipoint",
            "multilinestring",
            "multipolygon",
            "geometrycollection",
            "geomcollection",
        ),
        "ST_GeomFromText({})",
    ),
}
_UNIQUE = """
    SELECT index_name, column_name, sub_part FROM information_schema.statistics
    WHERE table_schema = database() AND table_name = %s AND non_unique = 0 AND index_name <> 'PRIMARY'
    ORDER BY index_name, seq_in_index
"""
_NOT_COMMITTED = "ERROR 1180"  # how MariaDB says that rows which it took in bulk share a key
_SHOWN = 3
_AHEAD = 1 << 20  # bytes


def load(database: Connects, tables: Iterable[TableData], _journal: Journal) -> None:
    """Fill tables of a database of ours; what stood in them before is replaced."""
    with database.connect() as connection:
        for table in _filled(connection, tables):
            with _without_triggers(database, connection, table.table):
                _fill_unchecked(connection, table)


def load_empty(database: Connects, tables: Iterable[TableData], where: str) -> None:
    """Fill empty tables without INSERT triggers of a user's database; raise NotDisposable where others wrote rows.

    `where` says for an error how the database was named.
    """
    with database.connect() as connection:
        for table in _filled(connection, tables):
            _fill_unchecked(connection, table, whose=where)


def _filled(connection: Connection, tables: Iterable[TableData]) -> Iterator[TableData]:
    """Yield each table for the caller to fill, without checks of foreign keys; afterwards these are proved."""
    known = [str(name) for (name,) in rows(connection, _NAMES)]
    execute(connection, "SET SESSION foreign_key_checks = 0")
    filled = []
    for table in tables:
        if table.table not in known:
            raise ScenarioMistake(f"there is no table {table.table!r} to load{near_miss(table.table, known)}")
        yield table
        filled.append(table.table)
    execute(connection, "SET SESSION foreign_key_checks = 1")
    for name in filled:
        _prove(connection, name)
        rows(connection, f"ANALYZE TABLE {named(name)} /*M! PERSISTENT FOR COLUMNS () INDEXES () */")


@contextmanager
def _without_triggers(database: Connects, connection: Connection, table: str) -> Iterator[None]:
    """Take a table's triggers away; make them again, by another connection where an interruption closed this one."""
    found = [str(name) for (name,) in rows(connection, _TRIGGERS, (table,))]
    made = [rows(connection, f"SHOW CREATE TRIGGER {named(name)}")[0] for name in found]
    try:
        for name in found:
            execute(connection, f"DROP TRIGGER {named(name)}")
        yield
    finally:
        if made and connection.open:
            _make_triggers(connection, made)
        elif made:
            with suppress(pymysql.err.MySQLError), database.connect() as another:  # the error under way is to be told
                with suppress(pymysql.err.MySQLError):  # it may still wait, or hold the table
                    execute(another, f"KILL {connection.thread_id()}")
                _make_triggers(another, made)


def _make_triggers(connection: Connection, made: Iterable[Row]) -> None:
    ((database,),) = rows(connection, "SELECT database()")
    for row in made:
        name, mode, text, client, collation, default = map(str, row[:6])
        execute(connection, f"DROP TRIGGER IF EXISTS {named(name)}")
        as_it_was(connection, str(database), text, (mode, "+00:00", client, collation, default))


def _fill_unchecked(connection: Connection, table: TableData, *, whose: str | None = None) -> None:
    """Fill a table without checks of its unique keys, and prove them; with checks where one is broken, for the words.

    Indexes are then built from sorted rows: a table with three of them loads in two fifths of the time.
    """
    _empty(connection, table.table, whose)
    unique = _unique_keys(connection, table.table)
    execute(connection, f"SET SESSION unique_checks = {int(unique is None)}")
    loaded = 0
    try:
        loaded = _fill(connection, table)
        is_sound = not any(rows(connection, query) for query in _duplicates(table.table, unique or {}))
    except ServerFailed as failed:
        if _NOT_COMMITTED not in str(failed):
            raise
        is_sound = False
    finally:
        if connection.open:
            execute(connection, "SET SESSION unique_checks = 1")
    if not is_sound:
        _empty(connection, table.table, whose, loaded=loaded)
        _fill(connection, table)


def _empty(connection: Connection, table: str, whose: str | None, *, loaded: int = 0) -> None:
    """Remove what stands in a table; in a user's database only what we have loaded: raise NotDisposable for more."""
    if whose and rows(connection, f"SELECT 1 FROM {named(table)} LIMIT {loaded}, 1"):
        raise full(whose, table)
    if loaded or (not whose and rows(connection, f"SELECT 1 FROM {named(table)} LIMIT 1")):
        execute(connection, f"TRUNCATE TABLE {named(table)}")


def _unique_keys(connection: Connection, table: str) -> dict[str, list[str]] | None:
    """Return what each unique key but the primary one is made of; None: one is made of more than columns."""
    keys: dict[str, list[str]] = {}
    for key, column, length in rows(connection, _UNIQUE, (table,)):
        if column is None:
            return None
        keys.setdefault(str(key), []).append(named(column) if length is None else f"left({named(column)}, {length})")
    return keys


def _duplicates(table: str, keys: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield for each key a query that returns a row where two rows share it."""
    for parts in keys.values():
        given = " AND ".join(f"{part} IS NOT NULL" for part in parts)
        yield f"SELECT 1 FROM {named(table)} WHERE {given} GROUP BY {', '.join(parts)} HAVING count(*) > 1 LIMIT 1"


def _fill(connection: Connection, table: TableData) -> int:
    """Fill an empty table and return its rows."""
    types = {str(column): str(kind) for column, kind in rows(connection, _TYPES, (table.table,))}
    columns, batches = _peeked(table)
    if columns is None:
        return 0
    _demand_columns(table.table, columns, types)
    source, sink = _pipe()
    statement = _statement(table.table, f"/dev/fd/{source}", columns, types)
    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(_write, sink, batches, types)
        try:
            loaded = execute(connection, statement)
        except pymysql.err.MySQLError as error:
            raise ServerFailed(f"loading {table.table}: {words(error)}") from None
        finally:
            os.close(source)  # without a reader the writer ends
        sent = written.result()
    _demand_whole(connection, table.table, sent, loaded)
    return loaded


def _pipe() -> tuple[int, int]:
    """Return a pipe, of such a size that rows are made ahead while the server takes what is there."""
    source, sink = os.pipe()
    with suppress(AttributeError, OSError):  # Linux alone has it, up to a limit of the user's
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, _AHEAD)
    return source, sink


def _peeked(table: TableData) -> tuple[list[str] | None, Iterator[Any]]:
    """Return the columns, None where there is no row, and the batches."""
    batches = iter(table.chunks())
    first = next(batches, None)
    if first is None:
        return None, iter(())
    return list(first.schema.names), _chained(first, batches)


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _demand_columns(table: str, columns: Sequence[str], types: Mapping[str, str]) -> None:
    missing = [column for column in columns if column not in types]
    if missing:
        raise ScenarioMistake(f"{table} has no column {missing[0]!r}{near_miss(missing[0], list(types))}")


def _statement(table: str, source: str, columns: Sequence[str], types: Mapping[str, str]) -> str:
    """Return LOAD DATA; what is no text comes in variables, bytes as hexadecimal digits."""
    variables = {column: f"@v{place}" for place, column in enumerate(columns) if types[column] in _MADE}
    listed = ", ".join(variables.get(column, named(column)) for column in columns)
    made = ", ".join(f"{named(column)} = {_MADE[types[column]].format(one)}" for column, one in variables.items())
    return (
        f"LOAD DATA LOCAL INFILE '{source}' INTO TABLE {named(table)} CHARACTER SET utf8mb4 "
        r"FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' "
        f"({listed}){f' SET {made}' if made else ''}"
    )


def _write(sink: int, batches: Iterable[Any], types: Mapping[str, str]) -> int:
    """Write rows as text until there are none; returns how many."""
    count = 0
    with suppress(BrokenPipeError), open(sink, "wb") as out:
        for batch in batches:
            out.write(as_lines(batch, types))
            count += batch.num_rows
    return count


def as_lines(batch: pa.RecordBatch, types: Mapping[str, str]) -> bytes:
    r"""Return rows as LOAD DATA reads them: tabs between, \N for NULL, a line's end after each."""
    if not batch.num_rows:
        return b""
    columns = [_text(batch.column(place), types[name]) for place, name in enumerate(batch.schema.names)]
    lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*columns, "\t"), "", "\n")
    _, offsets, content = lines.buffers()  # the texts lie one behind the other
    return bytes(content[: np.frombuffer(offsets, np.int32)[len(lines)]])


def _text(values: pa.Array, kind: str) -> pa.Array:
    wanted = values.type
    if pa.types.is_dictionary(wanted):
        values, wanted = values.dictionary_decode(), wanted.value_type
    if pa.types.is_boolean(wanted):
        values = values.cast(pa.int8())
    elif pa.types.is_timestamp(wanted) and wanted.tz is not None:
        values = values.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    elif pa.types.is_binary(wanted) or pa.types.is_fixed_size_binary(wanted):
        values = pa.array([None if one is None else one.hex() for one in values.to_pylist()], pa.string())
    elif pa.types.is_list(wanted) or pa.types.is_duration(wanted):
        raise ScenarioMistake(f"values of {wanted} cannot be loaded into a column of type {kind}")
    text = values.cast(pa.string())
    if pa.types.is_string(wanted) or pa.types.is_large_string(wanted):
        for found, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\0", "\\0")):
            text = pc.replace_substring(text, found, escaped)
    return pc.fill_null(text, r"\N")


def _demand_whole(connection: Connection, table: str, sent: int, loaded: int) -> None:
    """Raise ServerFailed where a row was dropped or a value changed, in the server's words."""
    warned = [f"{code}: {text}" for _, code, text in rows(connection, "SHOW WARNINGS")]
    if warned or sent != loaded:
        shown = "; ".join(warned[:_SHOWN]) or "no warning says why"
        raise ServerFailed(f"loading {table}: {sent:,} rows were sent and {loaded:,} are there: {shown}")


def _prove(connection: Connection, table: str) -> None:
    """Raise ServerFailed for a row whose parent is not there: checks were off while it came."""
    found = [row[1:] for row in rows(connection, FOREIGN_KEYS) if row[0] == table]
    for key in foreign_keys(found):
        pairs = list(zip(key.columns, key.parent_columns, strict=True))
        joined = " AND ".join(f"p.{named(theirs)} = c.{named(own)}" for own, theirs in pairs)
        given = " AND ".join(f"c.{named(own)} IS NOT NULL" for own, _ in pairs)
        query = (
            f"SELECT {', '.join(f'c.{named(own)}' for own, _ in pairs)} FROM {named(table)} c "
            f"LEFT JOIN {named(key.parent)} p ON {joined} WHERE {given} AND p.{named(pairs[0][1])} IS NULL LIMIT 1"
        )
        for orphan in rows(connection, query):
            where = f"{table} ({', '.join(key.columns)})"
            raise ServerFailed(f"loading {table}: {where} = {orphan} points at no row of {key.parent}")
