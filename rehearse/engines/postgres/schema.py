"""A snapshot of a PostgreSQL database: its schema in normal form, what the disk sees, and its tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import Connection

from rehearse.engines.postgres import checksum
from rehearse.engines.postgres.catalog import cluster, code, elsewhere, parts, rights, sequences, tables, whole
from rehearse.model import Snapshot
from rehearse.protocols import Role

Objects = dict[str, dict[str, str]]
Reading = tuple[str, Callable[[Iterable[Any]], Iterable[tuple[str, dict[str, Any]]]]]
_SIGHT = """
select has_table_privilege('pg_catalog.pg_subscription', 'select'),
    has_table_privilege('pg_catalog.pg_statistic', 'select'),
    exists (select from pg_seclabel) or exists (select from pg_shseclabel)
"""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a role may see of subscriptions' connection strings and of statistics, and whether there are labels."""

    connections: bool
    statistics: bool
    labels: bool


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
        schema = read_schema(connection) | read_cluster(connection)
        physical = read_physical(connection)
        states = checksum.states(connection)
        connection.execute("rollback")
    took = time.monotonic_ns() - began
    return Snapshot(name=name, at_ns=began, took_ns=took, schema=schema, physical=physical, tables=states)


def begin(connection: Connection[Any]) -> None:
    """Open the transaction that everything is read in; names in "public" come out without their schema."""
    connection.execute("begin transaction isolation level repeatable read read only")
    connection.execute("set local search_path = public")
    connection.execute("set local jit = off")


def read_schema(connection: Connection[Any]) -> Objects:
    """Return what has a meaning for the application or its owner. Costs about 40 queries, none of them by object."""
    return _read(connection, readings(connection.info.server_version, _sight(connection))) | dict(
        _plain(sequences.sequences(connection))
    )


def read_cluster(connection: Connection[Any]) -> Objects:
    """Return what a database shares with the others of its server; two servers need not agree in it."""
    return _read(connection, cluster_readings(connection.info.server_version, _sight(connection)))


def read_physical(connection: Connection[Any]) -> Objects:
    """Return what only the disk and the planner see."""
    return _read(connection, physical_readings(_sight(connection)))


def readings(version: int, sight: Sight) -> Iterator[Reading]:
    """Yield the queries of a schema but that for sequences, each with what makes objects of its rows."""
    plain = (*tables.SCHEMA, *code.SCHEMA, *parts.SCHEMA, *whole.schema(version), *rights.SCHEMA)
    yield from ((text, iter) for text in plain)
    yield tables.COLUMNS, tables.columns
    yield parts.CONSTRAINTS, parts.constraints
    yield parts.INDEXES, parts.indexes
    yield parts.STATISTICS, parts.statistics
    foreign = elsewhere.schema(version, sees_connections=sight.connections)
    yield from ((text, elsewhere.told) for text in foreign)
    if sight.labels:
        yield whole.LABELS, iter


def cluster_readings(version: int, sight: Sight) -> Iterator[Reading]:
    """Yield the queries of what the databases of a server share."""
    yield from ((text, iter) for text in cluster.schema(version))
    if sight.labels:
        yield cluster.LABELS, iter


def physical_readings(sight: Sight) -> Iterator[Reading]:
    """Yield the queries of what the disk and the planner see."""
    yield from ((text, iter) for text in tables.physical(all_statistics=sight.statistics))


def _sight(connection: Connection[Any]) -> Sight:
    return Sight(*connection.execute(_SIGHT).fetchall()[0])


def _read(connection: Connection[Any], asked: Iterable[Reading]) -> Objects:
    found: Objects = {}
    for text, words in asked:
        found.update(_plain(words(connection.execute(text))))
    return found


def _plain(rows: Iterable[Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield objects without their empty properties; of several with one name the second is called "… #2", and so on."""
    pairs = [
        (name, {key: str(value) for key, value in properties.items() if value is not None}) for name, properties in rows
    ]
    seen: dict[str, int] = {}
    for name, properties in sorted(pairs, key=lambda pair: (pair[0], sorted(pair[1].items()))):
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} #{seen[name]}"), properties
