"""Whether indexes and tables are whole, by PostgreSQL's own amcheck: each row is in its index, and in its order.

The extension is made in a transaction that is rolled back, so that nothing of it stays.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import psycopg
from psycopg import Connection, sql

from rehearse.engines.postgres.catalog.words import name as named
from rehearse.engines.postgres.schema import Connects
from rehearse.events import InvariantTried
from rehearse.protocols import Role

_SCHEMA = "rehearse_amcheck"
_MADE_BY = """
select n.nspname
from pg_extension e
join pg_namespace n on n.oid = e.extnamespace
where e.extname = 'amcheck'
"""
# A copy of a database keeps the numbers of its files, so that another number means that the file was written anew.
_FILES = f"""
select c.oid::int8, c.relkind::text, coalesce(a.amname, ''), c.relname, c.relfilenode::int8,
    {named("r.relname")},
    {named("t.relname", schema="top.nspname")},
    exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and c.relkind = 'i'
        and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass))
from pg_class c
left join pg_index i on i.indexrelid = c.oid
left join pg_am a on a.oid = c.relam
join pg_class r on r.oid = coalesce(i.indrelid, c.oid)
join pg_namespace n on n.oid = r.relnamespace
join pg_class t on t.oid = coalesce(pg_partition_root(r.oid), r.oid)
join pg_namespace top on top.oid = t.relnamespace
where (c.relkind = 'r' or (c.relkind = 'i' and i.indisvalid and i.indisready)) and r.relkind = 'r'
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and r.relpersistence <> 't'
order by c.oid
"""
_DAMAGED = ("XX001", "XX002")  # data_corrupted, index_corrupted


class Clock(Protocol):
    """Tells the time that is left."""

    @property
    def left_ms(self) -> int:
        """Return the milliseconds that are left."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """An index or a table, and the table that it is a part of."""

    oid: int
    kind: str  # "index" | "heap"
    method: str
    name: str
    table: str
    is_built: bool  # its file was not there at the start
    is_doubted: bool  # each row must be looked up: it was built, or what it computes may be another now


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What amcheck said of a relation; `says` None: it is whole. `error`: it could not be asked."""

    relation: Relation
    says: str | None = None
    error: str | None = None
    was_damaged: bool | None = None  # at the start; None: not asked
    error_before: str | None = None  # why the start could not tell

    def event(self, state: str, began: int) -> InvariantTried:
        """Return the fact to write down."""
        return InvariantTried(
            at_ns=began,
            ended_ns=time.monotonic_ns(),
            state=state,
            kind=self.relation.kind,
            name=self.relation.name,
            table=self.relation.table,
            rows=None if self.error is not None else int(self.says is not None),
            rows_before=None if self.was_damaged is None else int(self.was_damaged),
            example=None if self.says is None else f"amcheck says: {self.says}",
            is_new=self.relation.is_built,
            error=self.error,
            error_before=self.error_before,
        )


@dataclass(frozen=True, slots=True)
class Sides:
    """The database with a connection that reads it, and the same of its copy from the start, where there is one."""

    database: Connects
    now: Connection[Any]
    start: Connects | None
    before: Connection[Any] | None


def damages(sides: Sides, unchanged: Collection[str], clock: Clock) -> list[Damage]:
    """Return what amcheck says of the B-trees that the migration built or whose rows or functions may be others.

    In those that it built, and those that call functions, each row of the table is looked up; of the others the order
    is verified, where amcheck can be had: the server itself kept them. Tables are where their file was written anew.
    What is damaged, and was not built since the start, is asked of the start too.
    """
    relations = _relations(sides.now, sides.before, unchanged)
    found = _asked(sides.database, sorted(relations, key=lambda one: not one.is_doubted), clock)
    doubted = [one.relation for one in found if one.says is not None and not one.relation.is_built]
    if not doubted or sides.start is None:
        return found
    before = {one.relation: one for one in _asked(sides.start, doubted, clock)}
    return [_beside(one, before.get(one.relation)) if one.relation in doubted else one for one in found]


def _beside(one: Damage, before: Damage | None) -> Damage:
    if before is None or before.error is not None:
        return replace(one, error_before=before.error if before else "amcheck could not be had")
    return replace(one, was_damaged=before.says is not None)


def _asked(database: Connects, relations: Sequence[Relation], clock: Clock) -> list[Damage]:
    if not relations:
        return []
    with database.connect(Role.OWNER) as connection:
        connection.execute("begin")
        try:
            schema = _extension(connection)
            return [_damage(connection, schema, one, clock) for one in relations]
        except psycopg.Error as refused:
            why = f"amcheck could not be had: {refused.diag.message_primary or type(refused).__name__}"
            return [Damage(relation=one, error=why) for one in relations if one.is_doubted]
        finally:
            connection.execute("rollback")


def _relations(now: Connection[Any], before: Connection[Any] | None, unchanged: Collection[str]) -> Iterator[Relation]:
    old = {row[0]: row[4] for row in before.execute(_FILES)} if before is not None else {}
    for oid, kind, method, name, file, table, root, calls_functions in now.execute(_FILES):
        is_built = old.get(oid) != file
        relation = Relation(
            oid=oid,
            kind="index" if kind == "i" else "heap",
            method=method,
            name=name,
            table=table,
            is_built=is_built,
            is_doubted=is_built or calls_functions,
        )
        if kind == "r" and is_built and method == "heap":
            yield relation
        if kind == "i" and method == "btree" and (is_built or calls_functions or root not in unchanged):
            yield relation


def _extension(connection: Connection[Any]) -> str:
    """Return the schema that amcheck is in; where it is not there it is made."""
    found = connection.execute(_MADE_BY).fetchone()
    if found is not None:
        return str(found[0])
    connection.execute("set local session_replication_role = replica")  # no event trigger of the user's is to see it
    connection.execute(sql.SQL("create schema {}").format(sql.Identifier(_SCHEMA)))
    connection.execute(sql.SQL("create extension amcheck schema {}").format(sql.Identifier(_SCHEMA)))
    return _SCHEMA


def _damage(connection: Connection[Any], schema: str, one: Relation, clock: Clock) -> Damage:
    if not clock.left_ms:
        return Damage(relation=one, error="the time for it was over")
    if one.kind == "index":
        query = sql.SQL("select {}.bt_index_check(%s::oid::regclass, {})::text").format(
            sql.Identifier(schema), sql.Literal(one.is_doubted)
        )
    else:
        query = sql.SQL("select min(msg) from {}.verify_heapam(%s::oid::regclass)").format(sql.Identifier(schema))
    try:
        with connection.transaction():
            connection.execute("select set_config('statement_timeout', %s, true)", [f"{clock.left_ms}ms"])
            found = connection.execute(query, [one.oid]).fetchone()
    except psycopg.Error as refused:
        says = refused.diag.message_primary or type(refused).__name__
        if refused.sqlstate in _DAMAGED:
            return Damage(relation=one, says=says)
        return Damage(relation=one, error=says)
    return Damage(relation=one, says=found[0] if found and one.kind == "heap" else None)
