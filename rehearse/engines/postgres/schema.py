"""A snapshot of a PostgreSQL database: its schema in normal form, what the disk sees, and its tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from psycopg import Connection, sql

from rehearse.engines.postgres import checksum
from rehearse.engines.postgres.catalog import code, parts, sequences, tables, whole
from rehearse.model import Snapshot
from rehearse.protocols import Role

Objects = dict[str, dict[str, str]]


class Connects(Protocol):
    """A database that can be connected to by role."""

    name: str

    def connect(self, role: Role, /) -> Connection[Any]:
        """Return a connection in autocommit mode."""
        ...


def take(database: Connects, name: str) -> Snapshot:
    """Return the snapshot of this name; reads every row, in one transaction that stops nobody."""
    began = time.monotonic_ns()
    with database.connect(Role.OWNER) as connection:
        begin(connection)
        schema, physical = read_schema(connection), read_physical(connection)
        states = checksum.states(connection)
        connection.execute("rollback")
    took = time.monotonic_ns() - began
    return Snapshot(name=name, at_ns=began, took_ns=took, schema=schema, physical=physical, tables=states)


def begin(connection: Connection[Any], snapshot: str | None = None) -> None:
    """Open the transaction that everything is read in, of an exported snapshot if one is given.

    Names in "public" come out without their schema.
    """
    connection.execute("begin transaction isolation level repeatable read read only")
    if snapshot is not None:
        connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
    connection.execute("set local search_path = public")
    connection.execute("set local jit = off")


def read_schema(connection: Connection[Any]) -> Objects:
    """Return what has a meaning for the application or its owner. Costs about 20 queries, none of them by object."""
    found: Objects = {}
    queries = (*tables.SCHEMA, *code.SCHEMA, *parts.SCHEMA, *whole.schema(connection.info.server_version))
    for text in queries:
        found.update(_plain(connection.execute(text)))
    found.update(_plain(parts.constraints(connection.execute(parts.CONSTRAINTS))))
    found.update(_plain(parts.indexes(connection.execute(parts.INDEXES))))
    found.update(_plain(sequences.sequences(connection)))
    return found


def read_physical(connection: Connection[Any]) -> Objects:
    """Return what only the disk and the planner see."""
    return dict(_plain(row for text in tables.PHYSICAL for row in connection.execute(text)))


def _plain(rows: Iterable[Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield objects without their empty properties; of several with one name the second is called "… #2", and so on."""
    pairs = [
        (name, {key: str(value) for key, value in properties.items() if value is not None}) for name, properties in rows
    ]
    seen: dict[str, int] = {}
    for name, properties in sorted(pairs, key=lambda pair: (pair[0], sorted(pair[1].items()))):
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} #{seen[name]}"), properties
