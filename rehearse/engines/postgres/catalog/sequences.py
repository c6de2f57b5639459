"""Sequences, their next values, and whether one lags behind the column that draws from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import Connection, sql

from rehearse.engines.postgres.catalog.words import name, own, privileges, query, role
from rehearse.model.names import told
from rehearse.profiles.made_up import is_made_up

# The column's own highest value is asked only where an index makes that one page.
SEQUENCES = query(
    """
select n.nspname, c.relname, s.seqincrement, s.seqcycle, t.nspname, t.relname, t.attname,
    'table ' || $table_name,
    t.indexed, has_sequence_privilege(c.oid, 'select'), jsonb_build_object(
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
            and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
            and has_column_privilege(r.oid, a.attnum, 'select') as indexed
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
    values, edges = _values(connection, rows), _edges(connection, rows)
    for place, row in enumerate(rows):
        schema, own_name, step, cycles, _, table, column, owner, _, _, properties = row
        qualified = told(schema, own_name)
        if place in values:
            last, is_called = values[place]
            following, edge = last + step if is_called else last, edges.get(place)
            properties["value"] = str(following)
            if edge is not None and not cycles and (edge - following) * (1 if step > 0 else -1) >= 0:
                properties["behind"] = f"next is {following}, the column already has {edge}"
        if column is not None:
            if not is_made_up(own_name, table, [column], "seq"):
                properties["name"] = qualified
            yield f"{owner} column {column} sequence", properties
        else:
            yield f"sequence {qualified}", properties


# Two queries and not one: with a subquery in each part the planner's work grows with the square of the parts.
def _values(connection: Connection[Any], rows: Sequence[Sequence[Any]]) -> dict[int, tuple[int, bool]]:
    """Return (last_value, is_called) of each sequence that may be read, by its place."""
    part = sql.SQL("select {}::int, last_value, is_called from {}")
    asked = [
        part.format(sql.Literal(place), sql.Identifier(row[0], row[1])) for place, row in enumerate(rows) if row[9]
    ]
    return {place: (last, called) for place, last, called in _together(connection, asked)}


def _edges(connection: Connection[Any], rows: Sequence[Sequence[Any]]) -> dict[int, int | None]:
    """Return the outermost value of each owning column that has an index for it, by the sequence's place."""
    part = sql.SQL("select {}::int, {}({})::int8 from {}")
    asked = [
        part.format(
            sql.Literal(place),
            sql.SQL("max" if row[2] > 0 else "min"),
            sql.Identifier(row[6]),
            sql.Identifier(row[4], row[5]),
        )
        for place, row in enumerate(rows)
        if row[8]
    ]
    return dict(_together(connection, asked))


def _together(connection: Connection[Any], asked: Sequence[sql.Composable]) -> list[Any]:
    return connection.execute(sql.SQL(" union all ").join(asked)).fetchall() if asked else []
