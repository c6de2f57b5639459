"""A snapshot of a PostgreSQL database: its schema in normal form, what the disk sees, and its tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import compress
from typing import Any, Protocol

import psycopg
from psycopg import Connection, sql

from rehearse.engines.postgres import checksum
from rehearse.engines.postgres.catalog import cluster, code, elsewhere, parts, rights, sequences, tables, whole
from rehearse.engines.postgres.catalog import content as contents
from rehearse.engines.postgres.catalog.forms import settled
from rehearse.errors import ScenarioMistake
from rehearse.model import Snapshot
from rehearse.protocols import Role

Objects = dict[str, dict[str, str]]
Reading = tuple[str, Callable[[Iterable[Any]], Iterable[tuple[str, dict[str, Any]]]]]
# Most databases hold nothing in these: a look at each costs less than to plan a query that finds nothing.
_RARE = (
    *(*code.RARE, *parts.RARE, "pg_statistic_ext", "pg_publication", "pg_default_acl", "pg_subscription"),
    *("pg_foreign_data_wrapper", "pg_foreign_server"),
)
_SIGHT = """
select has_table_privilege('pg_catalog.pg_subscription', 'select'),
    has_table_privilege('pg_catalog.pg_statistic', 'select'),
    exists (select from pg_seclabel) or exists (select from pg_shseclabel),
    exists (select from pg_user_mappings), exists (select from pg_largeobject_metadata), {}
""".format(", ".join(f"exists (select from {catalog} where oid >= 16384)" for catalog in _RARE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a role may see of subscriptions' connection strings and of statistics, and which catalogs hold anything."""

    connections: bool
    statistics: bool
    labels: bool
    held: Container[str]


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
        schema = read_schema(connection, content=True) | read_cluster(connection)
        physical = read_physical(connection)
        try:
            states = checksum.states(connection)
        except psycopg.errors.InsufficientPrivilege as refused:  # half of the rows would be worse than none
            raise ScenarioMistake(f"engine.url: {str(refused).strip()}; give that role BYPASSRLS") from None
        connection.execute("rollback")
    took = time.monotonic_ns() - began
    return Snapshot(name=name, at_ns=began, took_ns=took, schema=schema, physical=physical, tables=states)


# Values come out whole and in one form, and rows are read or refused, never left out unseen.
_ALIKE = {
    "jit": "off",
    "row_security": "off",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "intervalstyle": "postgres",
}


def begin(connection: Connection[Any], snapshot: str | None = None) -> None:
    """Open the transaction that everything is read in, of an exported snapshot if one is given.

    Names in "public" come out without their schema.
    """
    connection.execute("begin transaction isolation level repeatable read read only")
    if snapshot is not None:
        connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
    connection.execute("set local search_path = public")
    for name, value in _ALIKE.items():
        connection.execute(sql.SQL("set local {} = {}").format(sql.Identifier(name), sql.Literal(value)))


def read_schema(connection: Connection[Any], *, content: bool = False) -> Objects:
    """Return what has a meaning for the application or its owner. Costs about 40 queries, none of them by object.

    `content`: with digests of what materialized views and large objects hold, which reads them.
    """
    sight = _sight(connection)
    found = _read(connection, readings(connection.info.server_version, sight))
    found |= dict(_plain(sequences.sequences(connection)))
    for name, held in _contents(connection, sight) if content else ():
        found[name] = found.get(name, {}) | held
    return found


def _contents(connection: Connection[Any], sight: Sight) -> Iterator[tuple[str, dict[str, str]]]:
    yield from contents.materialized_views(connection)
    if "pg_largeobject_metadata" in sight.held:
        yield from contents.large_objects(connection)


def read_cluster(connection: Connection[Any]) -> Objects:
    """Return what a database shares with the others of its server; two servers need not agree in it."""
    return _read(connection, cluster_readings(connection.info.server_version, _sight(connection)))


def read_physical(connection: Connection[Any]) -> Objects:
    """Return what only the disk and the planner see."""
    return _read(connection, physical_readings(_sight(connection)))


def readings(version: int, sight: Sight) -> Iterator[Reading]:
    """Yield the queries of a schema but that for sequences, each with what makes objects of its rows."""
    yield from ((text, iter) for text in (*code.SCHEMA, *whole.SCHEMA, rights.OF_THE_SERVER))
    yield tables.RELATIONS, tables.relations
    yield whole.SETTINGS, elsewhere.settings
    yield tables.COLUMNS, tables.columns
    yield parts.CONSTRAINTS, parts.constraints
    yield parts.INDEXES, parts.indexes
    rare = code.RARE | parts.RARE | whole.rare(version) | rights.RARE
    yield from ((text, iter) for catalog, text in rare.items() if catalog in sight.held)
    foreign = elsewhere.rare(version, sees_connections=sight.connections)
    yield from ((text, elsewhere.told) for catalog, text in foreign.items() if catalog in sight.held)
    if "pg_statistic_ext" in sight.held:
        yield parts.STATISTICS, parts.statistics
    if sight.labels:
        yield whole.LABELS, iter


def cluster_readings(version: int, sight: Sight) -> Iterator[Reading]:
    """Yield the queries of what the databases of a server share."""
    yield from ((text, iter) for text in cluster.schema(version))
    yield cluster.SETTINGS, elsewhere.settings
    if sight.labels:
        yield cluster.LABELS, iter


def physical_readings(sight: Sight) -> Iterator[Reading]:
    """Yield the queries of what the disk and the planner see."""
    yield from ((text, iter) for text in tables.physical(all_statistics=sight.statistics))


def _sight(connection: Connection[Any]) -> Sight:
    connections, statistics, labels, *found = connection.execute(_SIGHT.encode()).fetchall()[0]
    held = compress(("pg_user_mappings", "pg_largeobject_metadata", *_RARE), found)
    return Sight(connections=connections, statistics=statistics, labels=labels, held=frozenset(held))


def _read(connection: Connection[Any], asked: Iterable[Reading]) -> Objects:
    found: Objects = {}
    for text, words in asked:
        found.update(_plain(words(connection.execute(text))))
    return found


def _plain(rows: Iterable[Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield objects without their empty properties; of several with one name the second is called "… #2", and so on."""
    pairs = [
        (name, {key: settled(str(value)) for key, value in properties.items() if value is not None})
        for name, properties in rows
    ]
    seen: dict[str, int] = {}
    for name, properties in sorted(pairs, key=lambda pair: (pair[0], sorted(pair[1].items()))):
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} #{seen[name]}"), properties
