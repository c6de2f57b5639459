"""What materialized views and large objects hold, as digests: no table has these rows, so no comparison reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import Connection, sql

from rehearse.engines._differences import UNREAD
from rehearse.engines.postgres.catalog.words import USERS, own, relation

_LARGEST = 1 << 30  # bytes of a materialized view, or of all large objects, that are read

_VIEWS = f"""
select {relation()}, n.nspname, c.relname, pg_table_size(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'm' and c.relispopulated and {USERS} and {own("pg_class", "c.oid")}
"""
# The text of a row, since not every type has a hash. Sums do not hang on the order of the rows.
_ROWS = """
select count(*), coalesce(sum(hashtextextended((("rehearse row".*)::text) collate "C", 0)), 0) from {} "rehearse row"
"""
_PAGES = """
select count(distinct loid), coalesce(sum(hash_record_extended(row(loid, pageno, data), 0)), 0)
from pg_catalog.pg_largeobject
"""


def materialized_views(connection: Connection[Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the content of each materialized view that is populated: its rows and a digest of them."""
    for name, schema, view, size in connection.execute(_VIEWS).fetchall():
        query = sql.SQL(_ROWS).format(sql.Identifier(schema, view))
        yield name, {"content": _digest(connection, query, "rows", size)}


def large_objects(connection: Connection[Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield, as the database's, how many large objects hold anything, and a digest of all."""
    (size,) = connection.execute("select pg_table_size('pg_catalog.pg_largeobject')").fetchall()[0]
    told = _digest(connection, sql.SQL(_PAGES), "that hold anything", size)
    yield "database", {"content of large objects": told}


def _digest(connection: Connection[Any], query: sql.SQL | sql.Composed, unit: str, size: int) -> str:
    if size > _LARGEST:
        return f"{UNREAD}larger than 1 GB"
    try:
        with connection.transaction():
            count, total = connection.execute(query).fetchall()[0]
    except (psycopg.errors.InsufficientPrivilege, psycopg.DataError) as refused:
        return f"{UNREAD}{refused.diag.message_primary or refused}"
    return f"{count} {unit}, digest {int(total) % (1 << 64):016x}"
