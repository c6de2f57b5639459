"""Rows of a source found by where they lie (ctid), which within one snapshot is a name for any row of any table.

Only SELECT, COPY … TO STDOUT and the lock of a SELECT are used: a standby or a role that may make nothing will do. A
table is read from end to end and sifted on this side, some 10 bytes a column and row on the wire, unless an index
leads to so few rows that it is cheaper; the chosen rows are then fetched by TID scans, in the order in which they lie.
That serves tables without a key, and keys of any type; it takes no memory of the server's, and scales with the table
read once or twice, never with joins that spill to its disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.pq import ExecStatus

from rehearse.engines.postgres.copy_out import binary_blocks
from rehearse.engines.postgres.copying import Source, identifier, refusals
from rehearse.engines.postgres.structure import NAME
from rehearse.errors import ScenarioMistake, ServerFailed, near_miss
from rehearse.model.names import split
from rehearse.profiles import Structure

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

Numbers = NDArray[np.int64]
Expression = tuple[tuple[str, ...], tuple[str, ...]]  # columns, and the types that they are compared as
Sift = Callable[[Iterable[Numbers], Mapping[int, Numbers]], Iterator[Numbers]]

_NOTHING = sql.SQL("'-9223372036854775808'::int8")
_WHOLE_NUMBERS = ("smallint", "integer", "bigint")
_HEADER_BYTES = 19
_BATCH = 20_000  # places or keys in one query: 300 kB of SQL
_LOOKED_UP_SHARE = 0.02  # of a table's rows: above, reading all in their order is quicker than an index
# What a table's rows lie in: itself, or its parts to any depth. The file changes when a table is rewritten. From 12.
_RELATIONS = f"""
    SELECT {NAME}, c.relkind,
           l.oid, ln.nspname, l.relname, l.relkind, pg_relation_filenode(l.oid), pg_table_size(l.oid)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT c.oid WHERE c.relkind = 'r'
        UNION
        SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf AND c.relkind = 'p'
    ) leaf
    JOIN pg_class l ON l.oid = leaf.oid
    JOIN pg_namespace ln ON ln.oid = l.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY 1, 4, 5
"""
# The columns by whose value a row is found in an index.
_LEADING = f"""
    SELECT {NAME}, a.attname
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_am m ON m.oid = x.relam
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
"""
_FILE = "SELECT pg_relation_filenode(%s::oid)"
_QUOTED = re.compile(r'"([^"]+)"')


class First(Protocol):
    """The rows that a table starts with: those of which all conditions hold and whose key's hash is in the share."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """What the server must hold true."""
        ...

    @property
    def share(self) -> float:
        """From 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, or a part of one, with a file of its own."""

    oid: int
    schema: str
    name: str
    file: int
    size_bytes: int  # with what lies beside it (TOAST), without indexes

    @property
    def identifier(self) -> sql.Identifier:
        """Its name, quoted."""
        return sql.Identifier(self.schema, self.name)

    def keep(self, connection: Connection) -> None:
        """Keep the relation from being rewritten until the transaction ends; raise if it was: rows lie elsewhere."""
        connection.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(self.identifier))
        found = connection.execute(_FILE, [self.oid]).fetchone()
        if not found or found[0] != self.file:
            raise ServerFailed(
                f"{self.schema}.{self.name} was rewritten (VACUUM FULL or the like) meanwhile; run again"
            )


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chosen rows of a table, by their places, sorted."""

    relations: tuple[Relation, ...]
    places: Numbers

    def parts(self, connection: Connection) -> Iterator[tuple[sql.Identifier, sql.Composable]]:
        """Yield relations and conditions that together give the rows, in the order in which they lie."""
        # Reckoning with a page a row, the planner would rather read the whole table for each of many batches.
        connection.execute("SET LOCAL enable_seqscan = off")
        numbers = self.places >> 48
        for number, relation in enumerate(self.relations):
            places = self.places[slice(*np.searchsorted(numbers, [number, number + 1]))]
            for start in range(0, len(places), _BATCH):
                if not start:
                    relation.keep(connection)
                yield relation.identifier, _lying_at(places[start : start + _BATCH])


def _lying_at(places: Numbers) -> sql.Composable:
    blocks, offsets = (places >> 16 & 0xFFFFFFFF).tolist(), (places & 0xFFFF).tolist()
    listed = ",".join([f'"({block},{offset})"' for block, offset in zip(blocks, offsets, strict=True)])
    return sql.SQL("ctid = ANY('{" + listed + "}'::tid[])")


def relations(source: Source) -> dict[str, tuple[Relation, ...]]:
    """Return what the rows of each table lie in; raise where a part of a table lies on another server."""
    found: dict[str, list[Relation]] = {name: [] for name in source.structure.tables}
    with source.connect() as connection:
        for table, _, oid, schema, name, kind, file, size in connection.execute(_RELATIONS).fetchall():
            if table in found and kind != "r":
                raise ScenarioMistake(f"{table}: its part {schema}.{name} lies on another server; copy without --share")
            if table in found:
                found[table].append(Relation(oid, schema, name, file, size))
    return {name: tuple(ones) for name, ones in found.items()}


def row_counts(source: Source, lying_in: Mapping[str, Sequence[Relation]]) -> dict[str, int]:
    """Return how many rows each table has: as the statistics have it, counted where there are none."""
    with source.connect() as connection:
        return {
            name: source.rows.get(name) or _count(connection, source, name)
            for name, ones in lying_in.items()
            if any(one.size_bytes for one in ones)
        }


def is_small(source: Source, table: str, rows: int) -> bool:
    """Say whether a table has no more than so many rows; reads no more than one row more."""
    with source.connect() as connection, refusals(table):
        return _count(connection, source, table, limit=rows + 1) <= rows


def _count(connection: Connection, source: Source, table: str, *, limit: int | None = None) -> int:
    query = sql.SQL("SELECT count(*) FROM ({} LIMIT {}) t").format(source.query(table, []), sql.Literal(limit))
    found = connection.execute(query).fetchone()
    assert found is not None
    return int(found[0])


def refuse_conditions(source: Source, where: Mapping[str, Sequence[str]]) -> None:
    """Raise ScenarioMistake for a condition that the server cannot read, or that is more than one condition.

    A statement that is prepared is one statement: what begins in a condition ends in it.
    """
    for table, conditions in where.items():
        for condition in conditions:
            query = sql.SQL("SELECT FROM {} WHERE {}").format(_called(identifier(table), table), _inside(condition))
            with source.connect() as connection:
                text = query.as_string(connection).encode(connection.info.encoding)
                result = connection.pgconn.prepare(b"", text)
                if result.status != ExecStatus.COMMAND_OK:
                    raise _bad(source.structure, table, condition, psycopg.errors.error_from_result(result))


def _bad(structure: Structure, table: str, condition: str, error: psycopg.Error) -> ScenarioMistake:
    words = error.diag.message_primary or str(error).strip()
    near = ""
    if isinstance(error, psycopg.errors.UndefinedColumn) and (named := _QUOTED.search(words)):
        near = near_miss(named[1], structure.tables[table].columns)
    elif isinstance(error, psycopg.errors.UndefinedColumn):  # the server quotes no name that has a table before it
        near = f"; known are {', '.join(sorted(structure.tables[table].columns))}"
    return ScenarioMistake(f"--where '{table}: {condition}': {words}{near}")


def _inside(condition: str) -> sql.Composable:
    """Return a condition in brackets, on lines of its own: it may end in a comment."""
    return sql.SQL("(\n{}\n)").format(sql.SQL(condition))


def _called(relation: sql.Composable, table: str) -> sql.Composed:
    """Return a relation that conditions may call by the table's name."""
    return sql.SQL("{} AS {}").format(relation, sql.Identifier(split(table)[1]))


class Places:
    """A source's rows as numbers: where each lies, and what the columns hold by which tables are joined."""

    def __init__(
        self,
        source: Source,
        lying_in: Mapping[str, tuple[Relation, ...]],
        columns: Mapping[str, Sequence[Expression]],
        sift: Sift,
        *,
        rows: Mapping[str, int],
        seed: int,
        looked_at: Callable[[str, int], None] = lambda table, rows: None,
    ) -> None:
        """Look up what can be looked up in an index.

        `columns` are those read of each table; `sift` keeps of blocks of rows those that hold wanted numbers; `rows`
        are estimates; `seed` is what a share hangs on; `looked_at` is called with a table and how many rows were read.
        """
        self._source, self._lying_in, self._columns, self._sift = source, lying_in, columns, sift
        self._rows, self._seed, self._looked_at = rows, seed, looked_at
        with source.connect() as connection:
            self._leading = frozenset(connection.execute(_LEADING).fetchall())
        types = {one for table in columns.values() for _, ones in table for one in ones} - {*_WHOLE_NUMBERS}
        self._as_text = frozenset(one for one in types if not self._has_hash(one))

    def first(self, table: str, first: First) -> Numbers:
        """Return the rows that a table starts with."""
        conditions = [_inside(one) for one in first.conditions]
        if first.share < 1:
            conditions.append(_in_share(self._source.structure, table, first.share, self._seed))
        with refusals(table), _conditions_told(table, first.conditions):
            return self._joined(table, self._read(table, conditions))

    def holding(self, table: str, wanted: Mapping[int, Numbers]) -> Numbers:
        """Return the rows that hold one of the wanted numbers in the column with that place; a row may come twice."""
        limit = max(_BATCH, int(_LOOKED_UP_SHARE * self._rows.get(table, 0)))
        with refusals(table):
            if sum(map(len, wanted.values())) <= limit and all(self._is_indexed(table, place) for place in wanted):
                return self._joined(table, self._looked_up(table, wanted))
            return self._joined(table, self._sift(self._read(table, []), wanted))

    def all(self, table: str) -> Numbers:
        """Return all rows."""
        with refusals(table):
            return self._joined(table, self._read(table, []))

    def _looked_up(self, table: str, wanted: Mapping[int, Numbers]) -> Iterator[Numbers]:
        for place, numbers in wanted.items():
            column = sql.Identifier(self._columns[table][place][0][0])
            for start in range(0, len(numbers), _BATCH):
                listed = ",".join(map(str, numbers[start : start + _BATCH].tolist()))
                condition = sql.SQL("{} = ANY('{{" + listed + "}}'::int8[])").format(column)
                yield from self._read(table, [condition])

    def _is_indexed(self, table: str, place: int) -> bool:
        names, types = self._columns[table][place]
        columns = self._source.structure.tables[table].columns
        are_whole = len(types) == 1 and {types[0], columns[names[0]].type.declared} <= {*_WHOLE_NUMBERS}
        return are_whole and (table, names[0]) in self._leading

    def _joined(self, table: str, blocks: Iterable[Numbers]) -> Numbers:
        return np.concatenate([np.empty((len(self._columns[table]) + 1, 0), np.int64), *blocks], axis=1)

    def _read(self, table: str, conditions: Sequence[sql.Composable]) -> Iterator[Numbers]:
        wanted = [sql.SQL("ctid"), *(self._number(names, types) for names, types in self._columns[table])]
        where = sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(conditions)) if conditions else sql.SQL("")
        for number, relation in enumerate(self._lying_in[table]):
            query = sql.SQL("SELECT {} FROM ONLY {}{}").format(
                sql.SQL(", ").join(wanted), _called(relation.identifier, table), where
            )
            with self._source.connect() as connection:
                relation.keep(connection)
                for rows in _unpacked(binary_blocks(connection, query), len(wanted) - 1):
                    self._looked_at(table, rows.shape[1])
                    rows[0] |= number << 48
                    yield rows

    def _number(self, names: tuple[str, ...], types: tuple[str, ...]) -> sql.Composable:
        """Return columns as one whole number, the least there is where one of them is null."""
        columns = [sql.Identifier(name) for name in names]
        if len(types) == 1 and types[0] in _WHOLE_NUMBERS:
            return sql.SQL("coalesce({}::int8, {})").format(columns[0], _NOTHING)
        number: sql.Composable = sql.SQL("0")
        for column, kind in zip(columns, types, strict=True):
            number = self._hash(column, kind, number)
        return sql.SQL("CASE WHEN num_nulls({}) = 0 THEN {} ELSE {} END").format(
            sql.SQL(", ").join(columns), number, _NOTHING
        )

    def _hash(self, column: sql.Composable, kind: str, seed: sql.Composable) -> sql.Composable:
        """Return a value's hash: that of its type, so that equal values (1.0 and 1.00) have equal ones."""
        if kind in self._as_text:
            form = "hashtextextended({column}::{kind}::text, {seed})"
        elif kind.startswith("numeric"):  # its hash knows no sign (18)
            form = "hash_array_extended(ARRAY[{column}::{kind}], {seed} + ({column} < 0)::int)"
        else:
            form = "hash_array_extended(ARRAY[{column}::{kind}], {seed})"
        return sql.SQL(form).format(column=column, kind=sql.SQL(kind), seed=seed)

    def _has_hash(self, kind: str) -> bool:
        with self._source.connect() as connection:
            try:
                connection.execute(sql.SQL("SELECT hash_array_extended(ARRAY[NULL::{}], 0)").format(sql.SQL(kind)))
            except psycopg.errors.UndefinedFunction:
                return False
        return True


@contextmanager
def _conditions_told(table: str, conditions: Sequence[str]) -> Iterator[None]:
    """Tell of what goes wrong with a row's values as of a mistake in the conditions."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege):
        raise
    except psycopg.Error as error:
        if not conditions:
            raise
        raise ScenarioMistake(f"--where '{table}: {' AND '.join(conditions)}': {str(error).strip()}") from None


def _in_share(structure: Structure, table: str, share: float, seed: int) -> sql.Composed:
    """Return a condition that holds for a share of the rows, by their key: the same of tables with the same keys."""
    if not share:
        return sql.Composed([sql.SQL("false")])
    found = structure.tables[table]
    keys = [key for key in found.keys if not any(found.columns[name].nullable for name in key)]
    key = found.primary_key or next(iter(keys), tuple(found.columns))
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in key)
    return sql.SQL('(hashtextextended(concat_ws(chr(31), {}) COLLATE "C", {}) & 9223372036854775807) < {}').format(
        texts, sql.Literal(seed), sql.Literal(min(int(share * 2**63), 2**63 - 1))
    )


def _unpacked(blocks: Iterable[bytes], columns: int) -> Iterator[Numbers]:
    """Yield rows of a place and int8 columns from a COPY in binary."""
    cells = [(f"{part}{n}", kind) for n in range(columns) for part, kind in (("size", ">i4"), ("value", ">i8"))]
    record = np.dtype([("fields", ">i2"), ("size", ">i4"), ("block", ">u4"), ("offset", ">u2"), *cells])
    rest, skipped = b"", _HEADER_BYTES
    for block in blocks:
        rest += block
        count = max(0, len(rest) - skipped) // record.itemsize
        if count:
            packed = np.frombuffer(rest, record, count, skipped)
            rest, skipped = rest[skipped + count * record.itemsize :], 0
            rows = np.empty((columns + 1, count), np.int64)
            rows[0] = packed["block"].astype(np.int64) << 16 | packed["offset"]
            for n in range(columns):
                rows[n + 1] = packed[f"value{n}"]
            yield rows
