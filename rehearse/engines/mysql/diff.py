"""What differs between two databases that nobody writes to for us: of one server or of two, both only read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pymysql

from rehearse.engines import _differences
from rehearse.engines._asked import Asked, Told, chosen, of_tables, without_values
from rehearse.engines._table_comparison import Work, alone
from rehearse.engines.mysql import images
from rehearse.engines.mysql.client import Connection, execute, is_mariadb, rows, words
from rehearse.engines.mysql.flavour import MYSQL, Flavour
from rehearse.engines.mysql.mending import mend
from rehearse.engines.mysql.pairing import pair
from rehearse.engines.mysql.schema import read
from rehearse.engines.mysql.table_rows import MysqlRows
from rehearse.errors import ScenarioMistake, ServerFailed
from rehearse.model import Comparison, Snapshot, TableComparison, TableState

_WAIT_S = 2  # whoever waits for a lock has others wait behind
_BEGIN = (
    f"SET SESSION lock_wait_timeout = {_WAIT_S}, innodb_lock_wait_timeout = {_WAIT_S}",
    "SET SESSION /*M! max_statement_time */ /*!80000 max_execution_time */ = 0",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_LOCKED = {1205}  # waited too long for a lock, of rows or of a table's definition


class Opens(Protocol):
    """A database of the user's."""

    def connect(self, **options: Any) -> AbstractContextManager[Connection]:
        """Return a connection in autocommit."""
        ...


def difference(first: Opens, second: Opens, asked: Asked, told: Told = lambda _: None) -> Comparison:
    """Return what differs between two databases of one kind of server, each read in one snapshot, side by side.

    A table's rows are hashed once, of rows that differ the columns and the texts of a few. `told` hears what is read.
    """
    began = time.monotonic_ns()
    with _reading(first) as old, _reading(second) as new:
        flavours = [_flavour(one) for one in (old, new)]
        if flavours[0] != flavours[1]:
            raise ScenarioMistake("one of the two is a MariaDB, the other a MySQL; diff compares two of one kind")
        with _unlocked():
            mine, theirs = images.read(old, flavours[0]), images.read(new, flavours[0])
            names = chosen(mine, theirs, asked.tables)
            told("schemas")
            with _passing(old), _passing(new):
                before, after = (_snapshot(one, word, names, asked) for one, word in ((old, "first"), (new, "second")))
        tables = []
        for name in names if asked.data else ():
            told(name)
            tables.append(_Pair(old, new, mine.get(name), theirs.get(name)).compared(name, asked.examples))
    return Comparison(
        before="first",
        after="second",
        took_ns=time.monotonic_ns() - began,
        schema=tuple(
            replace(one, mend=mend(one, before, after, is_mariadb=flavours[0] != MYSQL))
            for one in _differences.schema(before, after, later=False)
        ),
        physical=_differences.physical(before, after),
        tables=tuple(tables),
    )


@contextmanager
def _reading(database: Opens) -> Iterator[Connection]:
    """Yield a connection in a snapshot, in which nothing can be written."""
    with database.connect() as connection:
        for statement in _BEGIN:
            execute(connection, statement)
        yield connection
        if connection.open:
            execute(connection, "ROLLBACK")


def _flavour(connection: Connection) -> Flavour:
    """Return how rows are read: as of MySQL, but for the name of InnoDB's files in MariaDB."""
    return replace(MYSQL, name="mariadb", innodb="innodb_sys_") if is_mariadb(connection) else MYSQL


def _snapshot(connection: Connection, name: str, tables: Sequence[str], asked: Asked) -> Snapshot:
    ((database,),) = rows(connection, "SELECT database()")
    schema, physical = read(connection, str(database), content=asked.data) if asked.schema else ({}, {})
    if asked.tables:
        schema, physical = of_tables(schema, tables), of_tables(physical, tables)
    return Snapshot(name=name, at_ns=time.monotonic_ns(), took_ns=0, schema=schema, physical=physical, tables={})


@dataclass(frozen=True, slots=True)
class _Pair:
    """A table on both sides; None: it is not there."""

    old: Connection
    new: Connection
    first: images.Table | None
    second: images.Table | None

    def compared(self, name: str, examples: int) -> TableComparison:
        try:
            with _passing(self.old), _passing(self.new):
                return self._compared(name, examples)
        except pymysql.err.MySQLError as refused:
            if not (self.old.open and self.new.open):
                raise ServerFailed(f"table {name}: a connection was lost: {words(refused)}") from None
            return TableComparison(
                table=name,
                rows_before=None,
                rows_after=None,
                rows_missing=None,
                rows_unexpected=None,
                unmeasured=(words(refused),),
            )

    def _compared(self, name: str, examples: int) -> TableComparison:
        before, after = _state(self.old, self.first), _state(self.new, self.second)
        if self.first is None or self.second is None:
            return alone(name, before, after, None)
        assert before is not None
        assert after is not None
        pairing = pair(self.first, self.second)
        both = MysqlRows(old=self.old, new=self.new, pairing=pairing)
        work = Work(rows=both, before=before, after=after, limit=max(1, examples))
        found = work.compare(None)
        return found if examples else without_values(found)


def _state(connection: Connection, table: images.Table | None) -> TableState | None:
    """Return what is known of a table without checksums."""
    if table is None:
        return None
    ((count,),) = rows(connection, f"SELECT COUNT(*) FROM {table.source}")
    return TableState(
        table=table.name, rows=int(count), size_bytes=table.size_bytes, key=table.key, checksum=None, columns={}
    )


@contextmanager
def _unlocked() -> Iterator[None]:
    """Say in words that a table is locked."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        if error.args[0] not in _LOCKED:
            raise
        raise ServerFailed(
            f"a table was locked by DDL for more than {_WAIT_S} s; try again when none runs there"
        ) from None


@contextmanager
def _passing(connection: Connection) -> Iterator[None]:
    """Let go of every lock on a table's definition that the block took."""
    execute(connection, "SAVEPOINT rehearse")
    try:
        yield
    finally:
        if connection.open:
            execute(connection, "ROLLBACK TO SAVEPOINT rehearse")
