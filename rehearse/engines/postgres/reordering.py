"""Puts the rows of tables on disk in another order, so that an answer which depends on it shows.

Each row is deleted and inserted again, so that heap and indexes both have it at another place. Whoever calls this
rolls it back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from psycopg import Connection, sql

# By the earlier place. Reversed, no two rows keep their order; but values that read the same from both ends would.
ORDERS: Mapping[str, sql.SQL] = {
    "reversed": sql.SQL("part desc, place desc"),
    "shuffled": sql.SQL("md5(concat(part, place))"),
}
_COLUMNS = """
select n.nspname, c.relname, c.relkind = 'p',
    array(select a.attname::text from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '')
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't' and n.nspname !~ '^pg_'
    and n.nspname <> 'information_schema'
    and case when n.nspname = 'public' then '' else n.nspname || '.' end || c.relname = any(%s)
"""


def rewrite(connection: Connection[Any], tables: Collection[str], order: sql.SQL) -> None:
    """Write the rows of these tables anew in this order; triggers and foreign keys are to be off."""
    for schema, relation, is_partitioned, columns in connection.execute(_COLUMNS, [sorted(tables)]).fetchall():
        if columns:
            connection.execute(_rewriting(sql.Identifier(schema, relation), columns, order, is_whole=is_partitioned))


def _rewriting(table: sql.Identifier, columns: list[str], order: sql.SQL, *, is_whole: bool) -> sql.Composed:
    values = [sql.SQL("{} as v{}").format(sql.Identifier(name), sql.SQL(str(at))) for at, name in enumerate(columns)]
    return sql.SQL(
        "with gone as (delete from {only} {table} returning tableoid as part, ctid as place, {values})"
        " insert into {table} ({columns}) overriding system value select {taken} from gone order by {order}"
    ).format(
        only=sql.SQL("" if is_whole else "only"),
        table=table,
        values=sql.SQL(", ").join(values),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        taken=sql.SQL(", ").join(sql.SQL(f"v{at}") for at in range(len(columns))),
        order=order,
    )
