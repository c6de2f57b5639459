"""A database's rows read in one snapshot, by several streams, to be written elsewhere; the source is only ever read.

What reads is a REPEATABLE READ, READ ONLY transaction, whose snapshot is shared: all tables are of one moment, and no
lock stronger than that of a SELECT is taken, nor waited for longer than `LOCK_TIMEOUT`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import psycopg
import pyarrow as pa
from psycopg import sql

from rehearse.engines.postgres import given
from rehearse.engines.postgres.abreast import ahead
from rehearse.engines.postgres.copy_out import batches
from rehearse.engines.postgres.structure import NAME, structure
from rehearse.errors import NotDisposable, ScenarioMistake, ServerFailed, near_miss
from rehearse.model.names import split
from rehearse.profiles import Structure, TableStructure

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

LOCK_TIMEOUT = "2s"
# A row that a policy hides would be missed without a word; text must be read alike on both sides.
_SETTINGS = (
    f"lock_timeout={LOCK_TIMEOUT}",
    "row_security=off",
    "statement_timeout=0",
    "timezone=UTC",
    "datestyle=ISO",
    "intervalstyle=postgres",
    "extra_float_digits=1",
    "bytea_output=hex",
    "xmloption=content",
)
Strategy = Literal["hash", "list", "range"]
COUNTING_MS = 60_000  # the longest that one statement may count
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Estimates only: a table that was never analysed says -1. Any version.
_ROWS = f"""
    SELECT {NAME}, c.relkind = 'p',
           greatest(0, coalesce((SELECT sum(p.reltuples) FROM pg_partition_tree(c.oid) t
                                 JOIN pg_class p ON p.oid = t.relid WHERE t.isleaf), c.reltuples))::bigint
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
# By the root, whatever part of it is partitioned again. A column that a key's expressions read depends, as those of a
# key do, on its own table; from 12.
_PARTITIONED_BY = f"""
    SELECT DISTINCT {NAME}, a.attname, p.partstrat::text
    FROM pg_partitioned_table p
    JOIN pg_class c ON c.oid = pg_partition_root(p.partrelid)
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = p.partrelid
    WHERE a.attnum = ANY(p.partattrs::int2[])
       OR EXISTS (
            SELECT FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = p.partrelid AND d.objsubid = a.attnum
              AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.partrelid AND d.refobjsubid = 0
              AND d.deptype = 'i'
       )
"""
_STRATEGIES: Mapping[str, Strategy] = {"h": "hash", "l": "list", "r": "range"}
_COLUMNS_IN = """
    SELECT a.attname
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(k.conkey)
    WHERE n.nspname = %s AND c.relname = %s AND k.conname = %s
    ORDER BY a.attnum
"""
_TABLES = f"SELECT EXISTS ({_ROWS})"
# Names of applications are shown to everybody who looks at the same server.
_SAME = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = %s AND datname = current_database())"


class TookTooLong(ServerFailed):
    """A statement was stopped by its timeout."""


Mask = Callable[[str, pa.RecordBatch], pa.RecordBatch]


class Part(Protocol):
    """Some of a table's rows."""

    def parts(self, connection: Connection) -> Iterator[tuple[sql.Identifier, sql.Composable]]:
        """Yield relations and conditions that together give the rows."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A database of the user's that is read and never written, in one snapshot."""

    url: str = field(repr=False)  # it may hold a password
    mark: str  # the application's name of the connection that holds the snapshot
    snapshot: str
    structure: Structure
    rows: Mapping[str, int]  # as the statistics have it
    partitioned: frozenset[str]
    partitioned_by: Mapping[tuple[str, str], Strategy]  # by table and column
    counting_ms: int = COUNTING_MS
    chosen: Mapping[str, Part] = field(default_factory=dict)  # of tables that are not copied whole

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Connect for reading in the snapshot."""
        with _connected(self.url) as connection:
            connection.execute(_BEGIN)
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(self.snapshot)))
            yield connection

    def query(self, table: str, columns: Sequence[str], as_json: frozenset[str] = frozenset()) -> sql.Composed:
        """Return the query that reads all rows of a table.

        Arrays in `as_json` come as JSON. A table that others inherit from gives its own rows only.
        """
        only = sql.SQL("" if table in self.partitioned else "ONLY ")
        return sql.SQL("SELECT {} FROM {}{}").format(_selected(columns, as_json), only, identifier(table))

    def queries(
        self, connection: Connection, table: str, columns: Sequence[str], as_json: frozenset[str] = frozenset()
    ) -> Iterator[sql.Composed]:
        """Yield queries that together read a table's rows: the one place for a condition on which of them."""
        if table not in self.chosen:
            yield self.query(table, columns, as_json)
            return
        selected = _selected(columns, as_json)
        for relation, condition in self.chosen[table].parts(connection):
            yield sql.SQL("SELECT {} FROM ONLY {} WHERE {}").format(selected, relation, condition)

    def sample(self, table: str, columns: Sequence[str], as_json: frozenset[str], rows: int) -> pa.Table | None:
        """Return some rows of a table as texts, None where there are none; reads a few times as many at the most."""
        query = self.query(table, columns, as_json)
        estimate = self.rows.get(table, 0)
        if estimate > 10 * rows:
            percent = min(100.0, 200.0 * rows / estimate)
            query += sql.SQL(" TABLESAMPLE SYSTEM ({}) REPEATABLE (1)").format(sql.Literal(percent))
        query += sql.SQL(" LIMIT {}").format(sql.Literal(rows))
        with self.connect() as connection, refusals(table):
            found = list(batches(connection, query, {name: pa.string() for name in columns}))
        return pa.Table.from_batches(found).combine_chunks() if found else None

    def fewest_rows(self, table: str, column: str) -> tuple[int, list[str]]:
        """Return how many rows the rarest value of a column has, and all its values; reads the whole table.

        What takes longer than `counting_ms` is given up, as if a value were one row's alone.
        """
        query = sql.SQL("SELECT {0}::text, count(*) FROM {1} WHERE {0} IS NOT NULL GROUP BY 1 ORDER BY 2").format(
            sql.Identifier(column), identifier(table)
        )
        try:
            with self.connect() as connection, refusals(table):
                connection.execute(f"SET LOCAL statement_timeout = {self.counting_ms}")
                found = connection.execute(query).fetchall()
        except TookTooLong:
            return 0, []
        return (found[0][1] if found else 0), [value for value, _ in found]


@contextmanager
def opened(url: str, where: str, *, counting_ms: int = COUNTING_MS) -> Iterator[Source]:
    """Open a source: its snapshot is held until the block ends. No statement counts for longer than `counting_ms`."""
    with _connected(url, where) as connection:
        mark = f"rehearse-{secrets.token_hex(12)}"
        connection.execute("SELECT set_config('application_name', %s, false)", [mark])
        connection.execute(_BEGIN)
        found = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert found is not None
        sizes = connection.execute(_ROWS).fetchall()
        yield Source(
            url=url,
            mark=mark,
            snapshot=found[0],
            structure=structure(_Reading(url, where)),
            rows={name: rows for name, _, rows in sizes},
            partitioned=frozenset(name for name, is_parent, _ in sizes if is_parent),
            partitioned_by=_partitioned_by(connection.execute(_PARTITIONED_BY).fetchall()),
            counting_ms=counting_ms,
        )


def _partitioned_by(rows: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], Strategy]:
    """Return how each column partitions; where one does so by its hash and otherwise, too, otherwise."""
    ordered = sorted(rows, key=lambda row: row[2] != "h")
    return {(table, column): _STRATEGIES[letter] for table, column, letter in ordered}


@dataclass(slots=True)
class Copied:
    """A table of the source on its way: a TableData of texts, whose `rows` are an estimate until they were read."""

    source: Source
    table: str
    mask: Mask
    as_json: frozenset[str] = frozenset()
    read: int | None = None
    is_text: Literal[True] = field(default=True, init=False)

    @property
    def rows(self) -> int:
        """How many rows there are: as the statistics have it, or, once they were read, exactly."""
        return self.source.rows.get(self.table, 0) if self.read is None else self.read

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows, masked, from the source's snapshot; computed columns are left to the server."""
        columns = columns_of(self.source.structure.tables[self.table])
        types = {name: pa.string() for name in columns}
        read = 0
        with self.source.connect() as connection, refusals(self.table):
            queries = self.source.queries(connection, self.table, columns, self.as_json)
            for batch in ahead(batch for query in queries for batch in batches(connection, query, types)):
                yield self.mask(self.table, batch)
                read += len(batch)
        self.read = read


def _selected(columns: Sequence[str], as_json: frozenset[str]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("array_to_json({0}) AS {0}" if name in as_json else "{0}").format(sql.Identifier(name))
        for name in columns
    )


def columns_of(table: TableStructure) -> list[str]:
    """Return the columns of which rows are made."""
    return [column.name for column in table.columns.values() if not column.computed]


def identifier(table: str) -> sql.Identifier:
    """Return a table's name, quoted."""
    schema, name = split(table)
    return sql.Identifier(schema or "public", name)


def columns_in(
    connection: Connection, schema: str | None, table: str | None, constraint: str | None, column: str | None
) -> list[str]:
    """Return the columns of what an error names: the one column, or those of the constraint."""
    if column:
        return [column]
    return [name for (name,) in connection.execute(_COLUMNS_IN, [schema, table, constraint]).fetchall()]


def has_tables(url: str, where: str) -> bool:
    """Say whether a database has any table."""
    with given.connect(url, where) as connection:
        found = connection.execute(_TABLES).fetchone()
    return bool(found and found[0])


def refuse_itself(source: Source, into: str, where: str) -> None:
    """Raise NotDisposable where the target is the source."""
    with given.connect(into, where) as connection:
        found = connection.execute(_SAME, [source.mark]).fetchone()
    if found and found[0]:
        raise NotDisposable(f"{where}: that is the database to be copied; name another, empty one")


def refuse_other_tables(source: Source, target: Structure, where: str) -> None:
    """Raise a ScenarioMistake where a table of the source has no place in the target."""
    for table in source.structure.tables.values():
        if table.name not in target.tables:
            raise ScenarioMistake(
                f"{where}: there is no table {table.name!r}{near_miss(table.name, target.tables)}; "
                "name a database without tables, and the schema is copied too"
            )
        theirs = target.tables[table.name].columns
        for name in columns_of(table):
            if name not in theirs:
                raise ScenarioMistake(f"{where}: table {table.name} has no column {name!r}{near_miss(name, theirs)}")


@dataclass(frozen=True, slots=True)
class _Reading:
    """A database to look at the catalogs of."""

    url: str = field(repr=False)
    where: str

    def connect(self, **options: Any) -> Connection:
        return given.connect(self.url, self.where, **options)


def _connected(url: str, where: str = "URL") -> Connection:
    """Connect with the settings that reading needs, added to what the URL asks for."""
    return given.connect(url, where, options=" ".join(f"-c {one}" for one in _SETTINGS))


@contextmanager
def refusals(table: str) -> Iterator[None]:
    """Tell of what keeps a table from being read."""
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise ServerFailed(
            f"{table}: somebody holds a lock on it for more than {LOCK_TIMEOUT}, and nobody is kept waiting; run again"
        ) from None
    except psycopg.errors.QueryCanceled as error:
        raise TookTooLong(f"{table}: the source stopped reading: {str(error).strip()}") from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise ScenarioMistake(
            f"{table}: it may not be read whole: {str(error).strip()}; connect as a role that may SELECT from it, and "
            "whom row security does not hold (BYPASSRLS, or the owner)"
        ) from None
    except psycopg.Error as error:
        raise ServerFailed(f"{table}: the source stopped reading: {str(error).strip()}") from None
