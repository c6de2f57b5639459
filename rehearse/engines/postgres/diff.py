"""What differs between two databases that nobody writes to for us: of one server or of two, both only read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import psycopg
from psycopg import Connection, sql

from rehearse.engines import _differences
from rehearse.engines._asked import Asked, Told, chosen, of_tables, without_values
from rehearse.engines._table_comparison import Work, alone
from rehearse.engines.postgres import buckets, images, table_rows
from rehearse.engines.postgres.mending import mend
from rehearse.engines.postgres.pairing import Pairing, pair
from rehearse.engines.postgres.schema import begin, read_physical, read_schema
from rehearse.engines.postgres.table_rows import PostgresRows
from rehearse.errors import ServerFailed
from rehearse.model import Comparison, Snapshot, TableComparison, TableState

_Connections = Sequence[Connection[Any]]
_UNENDED = "-c statement_timeout=0"  # as the session begins: a database's own may end even the SET that would lift it
_SMALL = 16 * 2**20  # bytes of a table that is streamed at once
_ALIKE = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "lc_monetary": "C",
    "lock_timeout": "2s",  # whoever waits for a lock has others wait behind
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
_ROW = 150  # bytes, about: to guess how many rows a table has


class Opens(Protocol):
    """A database of the user's."""

    def connect(self, **options: Any) -> Connection[Any]:
        """Return a connection in autocommit."""
        ...


def difference(first: Opens, second: Opens, asked: Asked, told: Told = lambda _: None) -> Comparison:
    """Return what differs between two databases, each read in one snapshot, side by side.

    A table's rows are hashed once, in buckets by key; only buckets that differ are streamed, as keys and hashes, and of
    rows that differ the columns and the texts of a few. Holds at most a million rows a side (about 60 bytes each).
    `told` hears what is being read.
    """
    began = time.monotonic_ns()
    with _reading(first, asked.jobs) as mine, _reading(second, asked.jobs) as theirs:
        old, new = mine[0], theirs[0]
        with _unlocked():
            sides = images.read(old), images.read(new)
        names = chosen(*sides, [one.removeprefix("public.") for one in asked.tables])
        told("schemas")
        with _unlocked(), _passing(old), _passing(new):
            before, after = (_snapshot(one, word, names, asked) for one, word in ((old, "first"), (new, "second")))
        tables = []
        for name in names if asked.data else ():
            told(name)
            tables.append(_Pair(mine, theirs, sides[0].get(name), sides[1].get(name)).compared(name, asked.examples))
    return Comparison(
        before="first",
        after="second",
        took_ns=time.monotonic_ns() - began,
        schema=tuple(replace(one, mend=mend(one)) for one in _differences.schema(before, after, later=False)),
        physical=_differences.physical(before, after),
        tables=tuple(tables),
    )


@contextmanager
def _reading(database: Opens, jobs: int) -> Iterator[list[Connection[Any]]]:
    """Yield so many connections that all see one snapshot; fewer where the server exports none."""
    with ExitStack() as opened:
        first = opened.enter_context(database.connect(options=_UNENDED))
        _begin(first)
        connections = [first]
        snapshot = _exported(first) if jobs > 1 else None
        for _ in range(1, jobs if snapshot else 1):
            another = opened.enter_context(database.connect(options=_UNENDED))
            _begin(another, snapshot)
            connections.append(another)
        yield connections
        for one in connections:
            one.execute("rollback")


def _begin(connection: Connection[Any], snapshot: str | None = None) -> None:
    """Open the transaction that is read in; what servers and roles may have set otherwise changes no text."""
    begin(connection, snapshot)
    for name, value in _ALIKE.items():
        connection.execute(sql.SQL("set local {} = {}").format(sql.Identifier(name), sql.Literal(value)))


def _exported(connection: Connection[Any]) -> str | None:
    try:
        with connection.transaction():
            found = connection.execute("select pg_export_snapshot()").fetchone()
    except psycopg.Error:
        return None
    return str(found[0]) if found else None


def _snapshot(connection: Connection[Any], name: str, tables: Sequence[str], asked: Asked) -> Snapshot:
    schema = read_schema(connection, content=asked.data) if asked.schema else {}
    physical = read_physical(connection) if asked.schema else {}
    if asked.tables:
        schema, physical = of_tables(schema, tables), of_tables(physical, tables)
    return Snapshot(name=name, at_ns=time.monotonic_ns(), took_ns=0, schema=schema, physical=physical, tables={})


@dataclass(frozen=True, slots=True)
class _Pair:
    """A table on both sides; None: it is not there."""

    old: _Connections
    new: _Connections
    first: images.Table | None
    second: images.Table | None

    def compared(self, name: str, examples: int) -> TableComparison:
        try:
            with _passing(self.old[0]), _passing(self.new[0]):
                return self._compared(name, examples)
        except psycopg.Error as refused:
            if any(one.closed for one in (*self.old, *self.new)):
                raise ServerFailed(f"table {name}: a connection was lost: {str(refused).strip()}") from None
            says = refused.diag.message_primary or str(refused)
            return TableComparison(
                table=name,
                rows_before=None,
                rows_after=None,
                rows_missing=None,
                rows_unexpected=None,
                unmeasured=(says,),
            )

    def _compared(self, name: str, examples: int) -> TableComparison:
        if self.first is None or self.second is None:
            return alone(name, _state(self.old, self.first), _state(self.new, self.second), None)
        codes = [side[0].info.parameter_status("server_encoding") for side in (self.old, self.new)]
        pairing = pair(self.first, self.second, is_recoded=codes[0] != codes[1])
        counted = self._counted(pairing)
        work = Work(
            rows=PostgresRows(old=self.old[0], new=self.new[0], pairing=pairing, differing=counted.parts),
            before=_known(self.first, counted.before),
            after=_known(self.second, counted.after),
            limit=max(1, examples),
        )
        found = work.compare(None)
        return found if examples else without_values(found)

    def _counted(self, pairing: Pairing) -> buckets.Counted:
        """Return the rows of both sides and the parts that may differ: all of a small table."""
        size = max(pairing.older.size_bytes, pairing.newer.size_bytes)
        if size > _SMALL and pairing.columns:
            rows = size // _ROW
            return buckets.counted(self.old, self.new, pairing, rows=rows, limit=table_rows.SLICE)
        before, after = _rows(self.old, pairing.older), _rows(self.new, pairing.newer)
        return buckets.Counted(before, after, buckets.whole(max(before, after)))


@contextmanager
def _unlocked() -> Iterator[None]:
    """Say in words that a table is locked."""
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        seconds = _ALIKE["lock_timeout"]
        raise ServerFailed(
            f"a table was locked by DDL for more than {seconds}; try again when none runs there"
        ) from None


@contextmanager
def _passing(connection: Connection[Any]) -> Iterator[None]:
    """Let go of every lock that the block took."""
    with connection.transaction(force_rollback=True):
        yield


def _state(connections: _Connections, table: images.Table | None) -> TableState | None:
    return None if table is None else _known(table, _rows(connections, table))


def _rows(connections: _Connections, table: images.Table) -> int:
    found = connections[0].execute(sql.SQL("select count(*) from {}").format(table.source)).fetchone()
    assert found is not None, "an aggregate returns one row"
    return int(found[0])


def _known(table: images.Table, rows: int) -> TableState:
    """Return what is known of a table without checksums."""
    return TableState(
        table=table.name, rows=rows, size_bytes=table.size_bytes, key=table.key, checksum=None, columns={}
    )
