"""Reads what likeness is measured on: rows, whole or sampled, in columns, and fan-outs counted by the server.

Everything happens in read-only transactions with a time limit, of one table each, so that production's vacuum is held
up by no more than that. Texts are not kept unless they are asked for: what is kept is a hash and a length of each, and
how many letters of which class the first signs have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql
from psycopg.pq import TransactionStatus

from rehearse.engines.postgres.copy_out import batches
from rehearse.engines.postgres.structure import Connects, structure
from rehearse.errors import ServerFailed
from rehearse.model.names import split
from rehearse.profiles import Column, ForeignKey, Structure, TableStructure
from rehearse.profiles.contents import LETTERS, Contents, FanOut, Part, Rows, Values

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

ROWS = 200_000
TIMEOUT_MS = 60_000
_SCANNED_ROWS = 10_000_000  # above, whole pages are sampled instead of rows: 0.02 more noise in what is in disk order
_SEED = 1
_LETTERED = 32  # signs of a text that are looked at for their class
_ROLLBACKS = 10
_TEXT_SIGNS = 200  # signs of a text that is asked for
_READ_ONLY = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Rows in disk order, from the first page and by one process; a policy that hides rows is an error.
_SETTINGS = {
    "lock_timeout": "5s",
    "synchronize_seqscans": "off",
    "max_parallel_workers_per_gather": "0",
    "row_security": "off",
    "extra_float_digits": "1",
}
_WAIT = "SET lock_timeout = '5s'"
_SET = "SELECT set_config(name, value, true) FROM unnest(%s::text[], %s::text[]) AS s (name, value)"
# A table and its parts, without a lock on them, for which pg_partition_tree() would wait. No page holds 300 rows: where
# there seem to be more, the planner was told of production's (injection.py), and the counters are believed.
_ESTIMATE = """
    WITH RECURSIVE parts AS (
        SELECT %s::regclass::oid AS oid
        UNION ALL
        SELECT i.inhrelid FROM pg_inherits i JOIN parts p ON p.oid = i.inhparent
    )
    SELECT coalesce(sum(CASE WHEN reltuples > 300.0 * relpages
                             THEN least(reltuples, nullif(pg_stat_get_live_tuples(oid), 0))
                             ELSE greatest(0, reltuples) END), 0)::bigint
    FROM pg_class JOIN parts USING (oid) WHERE relkind = 'r'
"""
_SECONDS = "extract(epoch FROM {column})::float8"
# least() and greatest() pass over nulls; a numeric may be greater than any float8.
_NUMERIC = "CASE WHEN {column} IS NOT NULL THEN least(greatest({column}, -1e300), 1e300)::float8 END"
_HASH = 'hashtextextended({column}::text COLLATE "C", 0)'
# A row a number of children: does it point at no parent, how many children, how many values of the key have so many.
_FAN_OUT = """
    WITH pointing AS (
        SELECT {columns}, count(*) AS children
        FROM {child}
        WHERE {given}
        GROUP BY {columns}
    )
    SELECT p.{first} IS NULL, c.children, count(*)
    FROM pointing c
    LEFT JOIN {parent} p ON {equal}
    GROUP BY 1, 2
"""
_NUMBERS = {"date": _SECONDS, "time": _SECONDS, "timestamp": _SECONDS, "interval": _SECONDS, "numeric": _NUMERIC}
_CODES = {
    "integer": "{column}::int8",
    "bool": "{column}::int::int8",
    "bytes": "hashtextextended(encode(sha256({column}), 'hex') COLLATE \"C\", 0)",
}
_LENGTHS = {
    "text": "length({column})",
    "json": "length({column}::text)",
    "bytes": "octet_length({column})",
    "array": "cardinality({column})",
    "other": "length({column}::text)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One thing that is read of a column."""

    column: str
    what: Part
    expression: str
    type: pa.DataType


def contents(
    database: Connects,
    *,
    rows: int = ROWS,
    parts: Mapping[str, Mapping[str, Collection[Part]]] | None = None,
    keys: Mapping[str, Sequence[ForeignKey]] | None = None,
    timeout_ms: int = TIMEOUT_MS,
) -> Contents:
    """Return the tables' rows, sampled where they are more than `rows`, and the fan-outs of their foreign keys.

    `parts` says which tables, columns and parts of them are wanted {table: {column: parts}} where not all are, and not
    the texts themselves; `keys` are references that the schema does not declare. What cannot be read in time, or for
    want of a right, is a gap and no error.
    """
    known = tables_of(database)
    wanted = [name for name in known.tables if parts is None or name in parts]
    found, gaps = {}, {}
    with database.connect() as connection:
        for name in wanted:
            try:
                found[name] = _rows(
                    connection, known.tables[name], rows, None if parts is None else parts[name], timeout_ms
                )
            except psycopg.Error as error:
                gaps[name] = _words(error)
        fan_outs = []
        for one, key in _keys(known, wanted, keys or {}):
            if one in found and key.parent in found:
                try:
                    fan_outs.append(_fan_out(connection, found[one], key, found[key.parent].rows, timeout_ms))
                except psycopg.Error as error:
                    gaps[f"{one} ({', '.join(key.columns)})"] = _words(error)
    return Contents(tables=found, fan_outs=tuple(fan_outs), gaps=gaps)


@dataclass(frozen=True, slots=True)
class _Impatient:
    """A database whose sessions wait for no lock longer than a reader does."""

    database: Connects

    def connect(self, **options: Any) -> Connection:
        connection = self.database.connect(**options)
        connection.execute(_WAIT)
        return connection


def tables_of(database: Connects) -> Structure:
    """Return the tables, or raise a ServerFailed where one of them is locked: its defaults cannot be read then."""
    try:
        return structure(_Impatient(database))
    except psycopg.errors.LockNotAvailable as error:
        raise ServerFailed(
            f"the tables cannot be read, since one of them is locked ({_words(error)}); try again when nobody alters it"
        ) from None


@contextmanager
def reading(connection: Connection, timeout_ms: int = TIMEOUT_MS, **settings: str) -> Iterator[None]:
    """Read in one read-only transaction, each statement of which has so much time."""
    given = {**_SETTINGS, "statement_timeout": str(timeout_ms), **settings}
    try:
        with connection.transaction():
            connection.execute(_READ_ONLY)
            connection.execute(_SET, [list(given), list(given.values())])
            yield
    finally:
        _rolled_back(connection)


def _rolled_back(connection: Connection) -> None:
    """End a transaction that the timeout kept from being rolled back: it holds for the ROLLBACK itself, too."""
    for _ in range(_ROLLBACKS):
        if connection.info.transaction_status is not TransactionStatus.INERROR:
            return
        with suppress(psycopg.errors.QueryCanceled):
            connection.rollback()


def identifier(table: str) -> sql.Identifier:
    """Return the table's quoted name with its schema."""
    schema, name = split(table)
    return sql.Identifier(schema or "public", name)


def _keys(
    known: Structure, wanted: Sequence[str], more: Mapping[str, Sequence[ForeignKey]]
) -> Iterator[tuple[str, ForeignKey]]:
    for name in wanted:
        for key in dict.fromkeys((*known.tables[name].foreign_keys, *more.get(name, ()))):
            yield name, key


def _words(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error).strip() or type(error).__name__
    return said.partition("\n")[0].removeprefix("ERROR:").strip()


def _rows(
    connection: Connection,
    table: TableStructure,
    most: int,
    wanted: Mapping[str, Collection[Part]] | None,
    timeout_ms: int,
) -> Rows:
    count = _count(connection, table.name, timeout_ms)
    columns = [column for column in table.columns.values() if wanted is None or column.name in wanted]
    parts = [part for column in columns for part in _parts(column, None if wanted is None else wanted[column.name])]
    read = None
    if parts:
        with reading(connection, timeout_ms):
            read = _table(connection, _query(table.name, parts, count, most), parts)
    return Rows(
        table=table.name,
        rows=count,
        columns={column.name: _values(column, parts, read) for column in columns} if read is not None else {},
        whole=count <= most,
        primary_key=table.primary_key or (),
    )


def _count(connection: Connection, table: str, timeout_ms: int) -> int:
    """Return the rows of a table: counted, or where that takes too long as many as the last ANALYZE thought."""
    name = identifier(table)
    try:
        with reading(connection, timeout_ms, max_parallel_workers_per_gather="2"):
            found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
    except psycopg.errors.QueryCanceled:
        with reading(connection, timeout_ms):
            found = connection.execute(_ESTIMATE, [name.as_string(connection)]).fetchone()
    assert found is not None
    return int(found[0])


def _query(table: str, parts: Sequence[_Part], count: int, most: int) -> sql.Composed:
    columns = sql.SQL(", ").join(sql.SQL(part.expression).format(column=sql.Identifier(part.column)) for part in parts)
    query = sql.SQL("SELECT {} FROM {}").format(columns, identifier(table))
    if count <= most:
        return query
    method = "BERNOULLI" if count <= _SCANNED_ROWS else "SYSTEM"
    share = sql.Literal(100.0 * most / count)
    return query + sql.SQL(" TABLESAMPLE {} ({}) REPEATABLE ({})").format(sql.SQL(method), share, sql.Literal(_SEED))


def _parts(column: Column, wanted: Collection[Part] | None) -> Iterator[_Part]:
    """Yield what is read of a column: what is wanted of what its type has, and at least whether it is null."""
    able = {part.what: part for part in _able(column)}
    asked = able.keys() - {"text", "present"} if wanted is None else able.keys() & set(wanted)
    yield from (able[what] for what in able if what in (asked or {"present"}))


def _able(column: Column) -> Iterator[_Part]:
    kind, name = column.type.kind, column.name
    if kind == "float" or kind in _NUMBERS:
        yield _Part(column=name, what="number", expression=_NUMBERS.get(kind, "{column}::float8"), type=pa.float64())
    else:
        yield _Part(column=name, what="code", expression=_CODES.get(kind, _HASH), type=pa.int64())
    if kind in _LENGTHS:
        yield _Part(column=name, what="length", expression=_LENGTHS[kind], type=pa.int64())
    if kind == "text":
        yield _Part(column=name, what="letters", expression=f"left({{column}}, {_LETTERED})", type=pa.string())
    yield _Part(column=name, what="text", expression=f"left({{column}}::text, {_TEXT_SIGNS})", type=pa.string())
    yield _Part(column=name, what="present", expression="CASE WHEN {column} IS NOT NULL THEN 1 END", type=pa.int64())


def _table(connection: Connection, query: sql.Composed, parts: Sequence[_Part]) -> pa.Table:
    schema = pa.schema([(str(place), part.type) for place, part in enumerate(parts)])
    return pa.Table.from_batches(batches(connection, query, {one.name: one.type for one in schema}), schema)


def _values(column: Column, parts: Sequence[_Part], read: pa.Table) -> Values:
    found = {part.what: read.column(place) for place, part in enumerate(parts) if part.column == column.name}
    present = next(iter(found.values())).is_valid().to_numpy()
    is_number = "number" in found or (column.type.kind == "integer" and "code" in found)
    numbers = _floats(found.get("number", found.get("code")), present) if is_number else None
    codes = _bits(numbers) if numbers is not None and "code" not in found else np.zeros(0, np.int64)
    return Values(
        kind=column.type.kind,
        present=present,
        codes=_integers(found["code"]) if "code" in found else codes,
        numbers=numbers,
        lengths=_floats(found["length"], present) if "length" in found else None,
        letters=_letters(found["letters"]) if "letters" in found else None,
        texts=found["text"].to_numpy() if "text" in found else None,
    )


def _floats(column: pa.ChunkedArray, present: NDArray[np.bool_]) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = column.cast(pa.float64(), safe=False).fill_null(0.0).to_numpy().astype(np.float64)
    return np.where(present, numbers, np.nan)


def _integers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = column.fill_null(0).to_numpy()
    return numbers


def _bits(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the numbers' bits; 0 and −0 are equal."""
    return (numbers + 0.0).view(np.int64)


def _letters(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Count the bytes of the texts by their class; what is outside ASCII is an other sign, each byte of it."""
    counts = np.zeros(256, np.int64)
    for chunk in column.chunks:
        plain = pa.concat_arrays([chunk])  # without the offset that a slice has
        _, offsets, content = plain.buffers()
        if content is None or not len(plain):
            continue
        ends = np.frombuffer(offsets, np.int32)[plain.offset : plain.offset + len(plain) + 1]
        counts += np.bincount(np.frombuffer(content, np.uint8)[ends[0] : ends[-1]], minlength=256)
    return np.bincount(_CLASSES, weights=counts, minlength=len(LETTERS)).astype(np.int64)


def _classes() -> NDArray[np.int64]:
    classes = np.full(256, LETTERS.index("other signs"), np.int64)
    for name, signs in (("digits", b"0123456789"), ("spaces", b" \t\n\r")):
        classes[list(signs)] = LETTERS.index(name)
    classes[ord("a") : ord("z") + 1] = LETTERS.index("small letters")
    classes[ord("A") : ord("Z") + 1] = LETTERS.index("capitals")
    return classes


_CLASSES = _classes()


def _fan_out(connection: Connection, child: Rows, key: ForeignKey, parents: int, timeout_ms: int) -> FanOut:
    pairs = list(zip(key.columns, key.parent_columns, strict=True))
    query = sql.SQL(_FAN_OUT).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, key.columns)),
        child=identifier(child.table),
        given=sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(one)) for one in key.columns),
        first=sql.Identifier(key.parent_columns[0]),
        parent=identifier(key.parent),
        equal=sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier("c", mine), sql.Identifier("p", theirs)) for mine, theirs in pairs
        ),
    )
    with reading(connection, timeout_ms, max_parallel_workers_per_gather="2"):
        found: list[tuple[bool, int, int]] = connection.execute(query).fetchall()
    groups = {int(children): int(count) for orphaned, children, count in found if not orphaned}
    orphans = sum(children * count for orphaned, children, count in found if orphaned)
    pointing = orphans + sum(children * count for children, count in groups.items())
    without = parents - sum(groups.values())
    return FanOut(
        table=child.table,
        key=key,
        groups=({0: without} if without > 0 else {}) | groups,
        orphans=orphans,
        unset=max(0, child.rows - pointing),
    )
