"""A snapshot of a database: its schema in normal form, what only the disk sees, and its tables."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from itertools import chain
from typing import TYPE_CHECKING

from rehearse.engines.mysql import checksum
from rehearse.engines.mysql.catalog import code, parts, rights, tables
from rehearse.engines.mysql.catalog.declared import declared
from rehearse.engines.mysql.catalog.words import Scope
from rehearse.engines.mysql.client import Connection, execute, rows
from rehearse.model import Snapshot
from rehearse.protocols import Role

if TYPE_CHECKING:
    from rehearse.engines.mysql.database import MysqlDatabase

Objects = dict[str, dict[str, str]]

_KINDS = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = database()"


def take(database: MysqlDatabase, name: str) -> Snapshot:
    """Return the snapshot of this name; reads every row, in one transaction that stops nobody."""
    began = time.monotonic_ns()
    with database.connect(Role.OWNER) as connection:
        begin(connection)
        schema, physical = read(connection, database.name, database.server.users, content=True)
        states = checksum.states(connection, database.server.flavour)
        execute(connection, "ROLLBACK")
    took = time.monotonic_ns() - began
    return Snapshot(name=name, at_ns=began, took_ns=took, schema=schema, physical=physical, tables=states)


def begin(connection: Connection) -> None:
    """Open the transaction that everything is read in."""
    execute(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    execute(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")


def read(
    connection: Connection, database: str, ours: Collection[str] = (), *, content: bool = False
) -> tuple[Objects, Objects]:
    """Return what has a meaning for the application or its owner, and what only the disk sees.

    `ours` are the users of the rehearsal's own accounts, whose rights are no property. `content`: with how much history
    versioned tables have, which reads it.
    """
    kinds = {str(name): str(kind) for name, kind in rows(connection, _KINDS)}
    scope = Scope(connection=connection, database=database, kinds=kinds, ours=frozenset(ours))
    own = {name: declared(scope, name) for name in kinds if scope.is_table(name)}
    of_tables = (part(scope, own) for part in (tables.tables, tables.columns, tables.checks, tables.partitions))
    of_parts = (parts.indexes(scope, own), parts.foreign_keys(scope, own), parts.triggers(scope))
    of_code = (part(scope) for part in (code.views, code.routines, code.libraries, code.events, code.sequences))
    schema = _objects(
        chain(
            tables.database(scope),
            *of_tables,
            tables.extensions(scope),
            *of_parts,
            *of_code,
            tables.counters(scope, own),
        )
    )
    schema |= dict(tables.histories(scope)) if content else {}
    for name, privileges in rights.rights(scope):
        if name in schema:  # rights outlive what they are on
            schema[name] |= privileges
    schema |= dict(rights.roles(scope))
    return schema, _objects(tables.order(scope))


def _objects(pairs: Iterable[tuple[str, dict[str, str]]]) -> Objects:
    """Return objects by name, the properties of one name together."""
    found: Objects = {}
    for name, properties in pairs:
        found.setdefault(name, {}).update(properties)
    return found
