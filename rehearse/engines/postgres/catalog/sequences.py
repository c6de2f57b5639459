"""Sequences, their next values, and whether one lags behind the column that draws from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import Connection, sql

from rehearse.engines.postgres.catalog.names import is_made_up
from rehearse.engines.postgres.catalog.words import name, own, privileges, query, role

# The column's own highest value is asked only where an index makes that one page.
SEQUENCES = query(
    """
select n.nspname, c.relname, s.seqincrement, s.seqcycle, t.nspname, t.relname, t.attname,
    'table ' || $table_name,
    t.indexed, jsonb_build_object(
    'type', format_type(s.seqtypid, null), 'start', s.seqstart::text, 'increment', s.seqincrement::text,
    'min', s.seqmin::text, 'max', s.seqmax::text, 'cache', s.seqcache::text,
    'cycle', case when s.seqcycle then 'yes' end,
    'owner column', $table_name || '.' || t.attname,
    'identity', case when t.deptype = 'i' then 'yes' end,
    'persistence', case c.relpersistence when 'u' then 'unlogged' end,
    'owner', $owner, 'privileges', $privileges, 'comment', obj_description(c.oid, 'pg_class'))
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_sequence s on s.seqrelid = c.oid
left join lateral (
    select m.nspname, r.relname, r.relkind, a.attname, d.deptype,
        exists (select from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am b on b.oid = x.relam
            where i.indrelid = r.oid and i.indkey[0] = a.attnum and i.indpred is null and i.indisvalid
                and b.amname = 'btree')
            and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) as indexed
    from pg_depend d join pg_class r on r.oid = d.refobjid join pg_namespace m on m.oid = r.relnamespace
    join pg_attribute a on a.attrelid = r.oid and a.attnum = d.refobjsubid
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass
        and d.refobjsubid > 0 and d.deptype in ('a', 'i') limit 1) t on true
where $USERS and $own
""",
    table_name=name("t.relname", schema="t.nspname"),
    owner=role("c.relowner"),
    privileges=privileges("c.relacl", "s", "c.relowner"),
    own=own("pg_class", "c.oid"),
)


def sequences(connection: Connection[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield sequences as objects; "value" is the next that will be handed out, "behind" is there only where it lags."""
    rows = connection.execute(SEQUENCES).fetchall()
    for row, (last, is_called, edge) in zip(rows, _values(connection, rows), strict=True):
        schema, own_name, step, cycles, _, table, column, owner, _, properties = row
        following = last + step if is_called else last
        properties["value"] = str(following)
        qualified = own_name if schema == "public" else f"{schema}.{own_name}"
        if edge is not None and not cycles and (edge - following) * (1 if step > 0 else -1) >= 0:
            properties["behind"] = f"next is {following}, the column already has {edge}"
        if column is not None:
            if not is_made_up(own_name, table, [column], "seq"):
                properties["name"] = qualified
            yield f"{owner} column {column} sequence", properties
        else:
            yield f"sequence {qualified}", properties


def _values(connection: Connection[Any], rows: Sequence[Sequence[Any]]) -> list[tuple[int, bool, int | None]]:
    """Return (last_value, is_called, the owning column's outermost value or None) of each sequence, in one query."""
    if not rows:
        return []
    asked = [
        sql.SQL("select {}::int as place, last_value, is_called, {} as edge from {}").format(
            sql.Literal(place), _edge(row), sql.Identifier(row[0], row[1])
        )
        for place, row in enumerate(rows)
    ]
    return connection.execute(
        sql.SQL("select last_value, is_called, edge from ({}) s order by place").format(
            sql.SQL(" union all ").join(asked)
        )
    ).fetchall()


def _edge(row: Sequence[Any]) -> sql.Composable:
    if not row[8]:
        return sql.SQL("null::int8")
    outermost = sql.SQL("max" if row[2] > 0 else "min")
    return sql.SQL("(select {}({})::int8 from {})").format(
        outermost, sql.Identifier(row[6]), sql.Identifier(row[4], row[5])
    )
