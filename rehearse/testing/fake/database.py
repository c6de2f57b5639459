"""A fake's database: a file of SQLite."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rehearse.errors import ServerFailed
from rehearse.events import Journal
from rehearse.model import Snapshot, TableState
from rehearse.protocols import Role, TableData
from rehearse.testing.fake import connection as fake
from rehearse.testing.fake.connection import FakeConnection

_TABLES = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name"
_OBJECTS = "select type, name, tbl_name, sql from sqlite_master where type <> 'table' and sql is not null order by name"
_COLUMN = ("type", "not null", "default", "place in the key")


@dataclass(frozen=True, slots=True)
class FakeDatabase:
    """One database."""

    name: str
    path: Path

    def url(self, role: Role) -> str:
        """Return a URL for `rehearse.testing.fake.connection.connect`."""
        return fake.url(self.path, role)

    def connect(self, role: Role = Role.OWNER) -> closing[FakeConnection]:
        """Connect as a role."""
        return closing(fake.connect(self.url(role)))

    def create(self) -> None:
        """Make the file, for a rollback journal: what a reader reads, no writer changes meanwhile."""
        self.path.touch(mode=0o600, exist_ok=False)

    def grant(self) -> None:
        """Do nothing: a role's rights are those of its connections."""

    def end_sessions(self, role: Role) -> None:
        """Interrupt what a role still runs in this process."""
        fake.interrupt(self.path, role)

    def drop(self) -> None:
        """Remove the file and what SQLite keeps beside it."""
        for role in Role:
            fake.interrupt(self.path, role)
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink(missing_ok=True)

    def fork(self, name: str) -> FakeDatabase:
        """Return a copy."""
        copy = FakeDatabase(name, self.path.with_name(f"{name}.sqlite"))
        copy.create()
        with self.connect() as source, copy.connect() as target:
            source.backup(target)
        return copy

    def load(self, tables: Iterable[TableData], journal: Journal) -> None:
        """Fill tables; foreign keys are proved afterwards."""
        with self.connect() as connection:
            connection.execute("pragma foreign_keys = off")
            for table in tables:
                _fill(connection, table)
            for child, row, parent, _ in connection.execute("pragma foreign_key_check"):
                raise ServerFailed(f"loading {child}: row {row} points at no row of {parent}")

    def snapshot(self, name: str) -> Snapshot:
        """Return schema, rows and checksums; reads every row."""
        began = time.monotonic_ns()
        with self.connect() as connection:
            tables = [table for (table,) in connection.execute(_TABLES)]
            return Snapshot(
                name=name,
                at_ns=began,
                schema=dict(_schema(connection, tables)),
                physical={},
                tables={table: _state(connection, table) for table in tables},
                took_ns=time.monotonic_ns() - began,
            )


def _fill(connection: FakeConnection, table: TableData) -> None:
    connection.execute("begin")
    connection.execute(f"delete from {_named(table.table)}")
    for batch in table.chunks():
        columns = ", ".join(map(_named, batch.schema.names))
        marks = ", ".join("?" * batch.num_columns)
        rows = zip(*(map(_plain, column.to_pylist()) for column in batch.columns), strict=True)
        connection.executemany(f"insert into {_named(table.table)} ({columns}) values ({marks})", rows)
    connection.execute("commit")


def _plain(value: object) -> object:
    """Return a value as SQLite keeps it: what is no number, text or bytes becomes text."""
    return value if value is None or isinstance(value, int | float | str | bytes) else str(value)


def _schema(connection: FakeConnection, tables: list[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield objects and their properties."""
    for table in tables:
        ((text,),) = connection.execute("select sql from sqlite_master where type = 'table' and name = ?", (table,))
        yield f"tables {table}", {"definition": str(text)}
        for _, column, *found in connection.execute(f"pragma table_info({_named(table)})"):
            yield f"tables {table} column {column}", dict(zip(_COLUMN, map(str, found), strict=True))
        for key in connection.execute(f"pragma foreign_key_list({_named(table)})"):
            yield f"tables {table} foreign key {key[0]} {key[3]}", {"references": " ".join(map(str, key[2:]))}
    for kind, name, table, text in connection.execute(_OBJECTS):
        yield f"{kind} {name} of {table}", {"definition": str(text)}


def _state(connection: FakeConnection, table: str) -> TableState:
    """Return a table's rows and the sums of their hashes, of each row and of each column beside the key."""
    described = connection.execute(f"pragma table_info({_named(table)})").fetchall()
    columns = [name for _, name, *_ in described]
    key = [name for _, name, *_, place in sorted(described, key=lambda one: one[-1]) if place]
    rows = connection.execute(f"select {', '.join(map(_named, columns))} from {_named(table)}").fetchall()
    keys = [[row[columns.index(name)] for name in key] for row in rows]
    return TableState(
        table=table,
        rows=len(rows),
        size_bytes=sum(len(repr(row)) for row in rows),
        key=tuple(key),
        checksum=_sum(rows),
        columns={
            name: _sum([(of, row[n]) for of, row in zip(keys, rows, strict=True)]) for n, name in enumerate(columns)
        },
    )


def _sum(values: Iterable[object]) -> str:
    """Return the exact sum of hashes of 256 bits: no order is in it, and no two differences cancel out."""
    return str(sum(int.from_bytes(hashlib.sha256(repr(one).encode()).digest(), "big") for one in values))


def _named(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
