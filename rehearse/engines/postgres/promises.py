"""What a schema promises of its rows, each promise with a query that finds the rows which break it.

The queries read the rows themselves: what an index, a constraint or the planner takes for granted is not believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import Connection, sql

from rehearse.engines.postgres import images
from rehearse.model.names import told

_OURS = """n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and r.relpersistence <> 't'
    and not exists (select from pg_depend x where x.classid = 'pg_class'::regclass and x.objid = r.oid
        and x.deptype = 'e')"""

# Promises that a partition has from its table are asked of the table. `conenforced` and `conperiod` are there from 18.
_CONSTRAINTS = f"""
select c.oid::int8, c.contype::text, c.conname, n.nspname, r.relname, r.relkind = 'p', c.convalidated,
    coalesce((to_jsonb(c) ->> 'conenforced')::bool, true), coalesce((to_jsonb(c) ->> 'conperiod')::bool, false),
    pg_get_constraintdef(c.oid), pg_get_expr(c.conbin, c.conrelid), c.confmatchtype = 'f', pn.nspname, p.relname,
    p.relkind = 'p',
    array(select row_to_json(k) from (
        select a.attname as child, b.attname as parent, o.oprname as operator, oc.nspname as operator_schema,
            case when a.attcollation <> b.attcollation then array[ln.nspname, l.collname] end as collation
        from unnest(c.conkey, c.confkey, c.conpfeqop) with ordinality u (child, parent, operator, place)
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = u.child
        join pg_attribute b on b.attrelid = c.confrelid and b.attnum = u.parent
        join pg_operator o on o.oid = u.operator
        join pg_namespace oc on oc.oid = o.oprnamespace
        left join pg_collation l on l.oid = b.attcollation
        left join pg_namespace ln on ln.oid = l.collnamespace
        order by u.place) k),
    exists (select from pg_depend d where d.classid = 'pg_constraint'::regclass and d.objid = c.oid
        and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass))
from pg_constraint c
join pg_class r on r.oid = c.conrelid
join pg_namespace n on n.oid = r.relnamespace
left join pg_class p on p.oid = c.confrelid
left join pg_namespace pn on pn.oid = p.relnamespace
where c.conparentid = 0 and r.relkind in ('r', 'p') and (not r.relispartition or c.conislocal)
    and c.contype in ('f', 'c') and {_OURS}
order by c.oid
"""
_NOT_NULL = f"""
select a.attrelid::int8 * 10000 + a.attnum, n.nspname, r.relname, r.relkind = 'p', a.attname,
    exists (select from pg_constraint c where c.conrelid = a.attrelid and c.contype = 'n' and not c.convalidated
        and c.conkey[1] = a.attnum)
from pg_attribute a
join pg_class r on r.oid = a.attrelid
join pg_namespace n on n.oid = r.relnamespace
where a.attnum > 0 and a.attnotnull and not a.attisdropped and r.relkind in ('r', 'p') and not r.relispartition
    and {_OURS}
order by a.attrelid, a.attnum
"""
_INDEXES = f"""
select i.indexrelid::int8, x.relname, n.nspname, r.relname, r.relkind = 'p', i.indisvalid and i.indisready,
    i.indisexclusion, i.indisunique and not i.indisexclusion,
    pg_get_indexdef(i.indexrelid) || coalesce(x.relfilenode::text, ''), pg_get_expr(i.indpred, i.indrelid),
    coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false),
    array(select pg_get_indexdef(i.indexrelid, place, false)
        || coalesce((select format(' collate %I.%I', ln.nspname, l.collname) from pg_collation l
           join pg_namespace ln on ln.oid = l.collnamespace where l.oid = i.indcollation[place - 1]), '')
        from generate_series(1, i.indnkeyatts) place),
    exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
        and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass))
from pg_index i
join pg_class x on x.oid = i.indexrelid
join pg_class r on r.oid = i.indrelid
join pg_namespace n on n.oid = r.relnamespace
where r.relkind in ('r', 'p') and not exists (select from pg_inherits h where h.inhrelid = i.indexrelid)
    and not r.relispartition and (i.indisunique or i.indisexclusion or not (i.indisvalid and i.indisready)) and {_OURS}
order by i.indexrelid
"""

# Sequences that a column owns (serial, identity) or only takes its default from; `s.seqcycle` begins anew anyway.
_SEQUENCES = f"""
select distinct on (a.attrelid, a.attnum) a.attrelid::int8 * 10000 + a.attnum, n.nspname, r.relname, r.relkind = 'p',
    a.attname, sn.nspname, q.relname, s.seqincrement
from pg_sequence s
join pg_class q on q.oid = s.seqrelid
join pg_namespace sn on sn.oid = q.relnamespace
join (
    select d.objid as sequence, d.refobjid as relation, d.refobjsubid as attribute
    from pg_depend d
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
        and d.refobjsubid > 0
    union
    select d.refobjid, e.adrelid, e.adnum
    from pg_depend d
    join pg_attrdef e on d.classid = 'pg_attrdef'::regclass and e.oid = d.objid
    where d.refclassid = 'pg_class'::regclass) uses on uses.sequence = s.seqrelid
join pg_class r on r.oid = uses.relation
join pg_namespace n on n.oid = r.relnamespace
join pg_attribute a on a.attrelid = r.oid and a.attnum = uses.attribute
where not s.seqcycle and r.relkind in ('r', 'p') and not r.relispartition and a.atttypid in (20, 21, 23, 1700)
    and {_OURS}
order by a.attrelid, a.attnum, q.relname
"""

# What a domain promises of rows that were there before it, which the server has not verified either.
_DOMAINS = f"""
select c.oid::int8, t.typname || '.' || c.conname, pg_get_constraintdef(c.oid),
    array(select distinct case when n.nspname = 'public' then '' else n.nspname || '.' end || r.relname
        from pg_attribute a
        join pg_class r on r.oid = a.attrelid
        join pg_namespace n on n.oid = r.relnamespace
        where a.atttypid = t.oid and a.attnum > 0 and not a.attisdropped and r.relkind in ('r', 'p')
            and not r.relispartition and {_OURS}
        order by 1)
from pg_constraint c
join pg_type t on t.oid = c.contypid
where c.contype = 'c' and not c.convalidated
order by c.oid
"""

Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promise. `identity` is the server's number of it, which a copy of the database keeps.

    Either `breaks` is a condition for the rows of `source` that break it, or `query` returns their number and an
    example; both are None where it cannot be asked in SQL (`unasked` says why). `breaking` returns what tells each row
    that breaks it, to be compared with another state's where `told_by` is the same; None: nothing does.
    """

    kind: str
    name: str
    table: str
    identity: int
    definition: str
    tables: tuple[str, ...]  # that it is about
    source: sql.Composable
    example: sql.Composable
    breaks: sql.Composable | None = None
    query: sql.Composed | None = None
    flaw: str | None = None
    calls_functions: bool = False
    column: str | None = None
    unasked: str | None = None
    breaking: sql.Composed | None = None
    told_by: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """Tell it from all others of its database."""
        return self.kind, self.identity


def read(connection: Connection[Any]) -> list[Promise]:
    """Return every promise of the users' tables; reads the catalogs only."""
    tables = images.read(connection)
    keys = {name: table.key for name, table in tables.items()}
    types = {name: _told_by(table) for name, table in tables.items()}
    found = [
        *_constraints(connection, keys),
        *_domains(connection),
        *_not_null(connection, keys),
        *_indexes(connection, keys),
        *_sequences(connection),
    ]
    return [replace(one, told_by=one.told_by or types.get(one.table, ())) for one in found]


def _told_by(table: images.Table) -> tuple[str, ...]:
    """Return the key's columns with their types, of which a wider integer is no other."""
    columns = (table.columns[name] for name in table.key)
    return tuple(f"{one.name} {'integer' if one.base in images.INTEGERS else one.cast}" for one in columns)


def _constraints(connection: Connection[Any], keys: Mapping[str, Sequence[str]]) -> Iterator[Promise]:
    for row in connection.execute(_CONSTRAINTS):
        identity, kind, name, schema, relation, parted, valid, enforced, period, text, condition, full, *more = row
        parent_schema, parent, parent_parted, columns, functions = more
        table, flaw = named(schema, relation), None if valid else "NOT VALID" if enforced else "NOT ENFORCED"
        key = told_by(keys.get(table, ()))
        source = rows_of(schema, relation, is_partitioned=parted)
        said: dict[str, Any] = {"name": name, "table": table, "identity": identity, "definition": text, "flaw": flaw}
        if kind == "c":
            breaks = sql.SQL("({}) is false").format(sql.SQL(condition))
            yield Promise(
                kind="check",
                tables=(table,),
                source=source,
                example=key,
                breaks=breaks,
                breaking=_breaking(key, source, breaks, is_keyed=bool(keys.get(table))),
                calls_functions=functions,
                **said,
            )
        elif kind == "f":
            parent_source = rows_of(parent_schema, parent, is_partitioned=parent_parted)
            orphaned = _orphaned(parent_source, columns, is_full=full)
            child = sql.SQL("{} c").format(source)
            yield Promise(
                kind="foreign key",
                tables=(table, named(parent_schema, parent)),
                source=source,
                example=key,
                query=None if period else _orphans(child, orphaned, columns, key),
                breaking=None if period else _breaking(key, child, orphaned, is_keyed=bool(keys.get(table))),
                unasked="a foreign key over periods of time is not verified" if period else None,
                **said,
            )


def _breaking(
    key: sql.Composable, source: sql.Composable, breaks: sql.Composable, *, is_keyed: bool
) -> sql.Composed | None:
    """Return the query for the keys of the rows that break a condition; None: they have none."""
    return sql.SQL("select {} from {} where {}").format(key, source, breaks) if is_keyed else None


def _orphaned(parent: sql.Composable, columns: Sequence[Mapping[str, Any]], *, is_full: bool) -> sql.Composed:
    """Return the condition of rows `c` whose reference leads to no row; MATCH FULL allows none that is NULL in part."""
    mine = [sql.SQL("c.{}").format(sql.Identifier(one["child"])) for one in columns]
    every = sql.SQL("num_nulls({}) = 0").format(sql.SQL(", ").join(mine))
    found = sql.SQL("exists (select from {} p where {})").format(
        parent, sql.SQL(" and ").join(_equal(one) for one in columns)
    )
    breaks = sql.SQL("({} and not {})").format(every, found)
    if is_full and len(mine) > 1:
        partly = sql.SQL("num_nulls({}) between 1 and {}").format(sql.SQL(", ").join(mine), sql.Literal(len(mine) - 1))
        breaks = sql.SQL("({} or {})").format(breaks, partly)
    return breaks


def _orphans(
    child: sql.Composable, orphaned: sql.Composable, columns: Sequence[Mapping[str, Any]], key: sql.Composable
) -> sql.Composed:
    """Return the query for the number of orphans, with one and what it refers to."""
    refers = [
        sql.SQL("{} || coalesce(c.{}::text, 'NULL')").format(
            sql.Literal(f"{one['child']} = "), sql.Identifier(one["child"])
        )
        for one in columns
    ]
    example = sql.SQL("concat({}, ' (', concat_ws(', ', {}), ')')").format(key, sql.SQL(", ").join(refers))
    return sql.SQL("select count(*), min({}) from {} where {}").format(example, child, orphaned)


def _equal(one: Mapping[str, Any]) -> sql.Composed:
    collation = sql.SQL(" collate {}").format(sql.Identifier(*one["collation"])) if one["collation"] else sql.SQL("")
    return sql.SQL("p.{} operator({}.{}) c.{}{}").format(
        sql.Identifier(one["parent"]),
        sql.Identifier(one["operator_schema"]),
        sql.SQL(one["operator"]),
        sql.Identifier(one["child"]),
        collation,
    )


def _not_null(connection: Connection[Any], keys: Mapping[str, Sequence[str]]) -> Iterator[Promise]:
    for identity, schema, relation, parted, column, doubted in connection.execute(_NOT_NULL):
        table = named(schema, relation)
        source, key = rows_of(schema, relation, is_partitioned=parted), told_by(keys.get(table, ()))
        # As a function: the planner takes IS NULL for false where the catalog says NOT NULL (17 and later).
        breaks = sql.SQL("num_nonnulls({}) = 0").format(sql.Identifier(column))
        yield Promise(
            kind="not null",
            name=column,
            table=table,
            identity=identity,
            definition="not null",
            tables=(table,),
            source=source,
            example=key,
            breaks=breaks,
            breaking=_breaking(key, source, breaks, is_keyed=bool(keys.get(table))),
            flaw="NOT VALID" if doubted else None,
            column=column,
        )


def _indexes(connection: Connection[Any], keys: Mapping[str, Sequence[str]]) -> Iterator[Promise]:
    for row in connection.execute(_INDEXES):
        identity, name, schema, relation, parted, valid, excludes, unique, definition, *more = row
        condition, nulls_equal, parts, functions = more
        table, source = named(schema, relation), rows_of(schema, relation, is_partitioned=parted)
        doubles = _doubles(source, parts, condition, nulls_equal=nulls_equal)
        yield Promise(
            kind="unique" if unique else "exclusion" if excludes else "index",
            name=name,
            table=table,
            identity=identity,
            definition=definition,
            tables=(table,),
            source=source,
            example=told_by(keys.get(table, ())),
            query=_number(doubles) if unique else None,
            breaking=sql.SQL("select shown from ({}) d").format(doubles) if unique else None,
            told_by=(*parts, condition or ""),
            unasked="which rows exclude each other is not verified" if excludes else None,
            flaw=None if valid else "INVALID",
            calls_functions=functions,
        )


def _doubles(source: sql.Composable, parts: Sequence[str], condition: str | None, *, nulls_equal: bool) -> sql.Composed:
    """Return the query for what several rows have in common (`shown`), with their number `n`."""
    values = [sql.SQL("({}) as v{}").format(sql.SQL(part), sql.SQL(str(at))) for at, part in enumerate(parts)]
    names = [sql.SQL(f"v{at}") for at in range(len(parts))]
    listed = sql.SQL(", ").join(names)
    rows = sql.SQL("select {} from {} {}").format(
        sql.SQL(", ").join(values), source, sql.SQL(f"where {condition}" if condition else "")
    )
    shown = sql.SQL(", ").join(sql.SQL("coalesce({}::text, 'NULL')").format(name) for name in names)
    return sql.SQL(
        "select concat_ws(', ', {shown}) as shown, count(*) as n"
        " from ({rows} offset 0) r {kept} group by {listed} having count(*) > 1"
    ).format(
        shown=shown,
        listed=listed,
        rows=rows,
        kept=sql.SQL("") if nulls_equal else sql.SQL("where num_nulls({}) = 0").format(listed),
    )


def _number(doubles: sql.Composed) -> sql.Composed:
    """Return the query for the number of rows too many: of three with one key two are."""
    return sql.SQL("select coalesce(sum(n - 1), 0)::int8, min(shown) from ({}) d").format(doubles)


def _domains(connection: Connection[Any]) -> Iterator[Promise]:
    for identity, name, definition, tables in connection.execute(_DOMAINS):
        if tables:
            yield Promise(
                kind="domain check",
                name=name,
                table=tables[0],
                identity=identity,
                definition=definition,
                tables=tuple(tables),
                source=sql.SQL(""),
                example=sql.SQL(""),
                flaw="NOT VALID",
                unasked="a domain's check that is NOT VALID is not verified",
            )


def _sequences(connection: Connection[Any]) -> Iterator[Promise]:
    for identity, schema, relation, parted, column, at_schema, name, step in connection.execute(_SEQUENCES):
        table, source = named(schema, relation), rows_of(schema, relation, is_partitioned=parted)
        sequence, way = sql.Identifier(at_schema, name), sql.SQL("max" if step > 0 else "min")
        # How many steps the next value lies before the one after the furthest; NULL in an empty table.
        query = sql.SQL(
            "select greatest(0, coalesce(ceil((top.value + {step} - next.value) / {step}::numeric), 0))::int8,"
            " concat('the next value is ', next.value, ', and ', {column}, ' = ', top.value, ' is there')"
            " from (select {way}({name})::numeric as value from {source}) top,"
            " (select last_value::numeric + case when is_called then {step} else 0 end as value from {sequence}) next"
        ).format(
            step=sql.Literal(step),
            column=sql.Literal(column),
            name=sql.Identifier(column),
            way=way,
            source=source,
            sequence=sequence,
        )
        yield Promise(
            kind="sequence",
            name=named(at_schema, name),
            table=table,
            identity=identity,
            definition=f"{at_schema}.{name} by {step}",
            tables=(),  # it goes on without a row being written, too
            source=source,
            example=sql.SQL("''"),
            query=query,
            column=column,
        )


def named(schema: str, relation: str) -> str:
    """Return a table's name, with its schema unless that is "public"."""
    return told(schema, relation)


def rows_of(schema: str, relation: str, *, is_partitioned: bool) -> sql.Composed:
    """Return what to select a table's own rows from: partitions included, tables that inherit left out."""
    only = sql.SQL("" if is_partitioned else "only ")
    return sql.SQL("{}{}").format(only, sql.Identifier(schema, relation))


def told_by(columns: Sequence[str]) -> sql.Composable:
    """Return SQL that tells a row by its key; a row without one by its place."""
    if not columns:
        return sql.SQL("ctid::text")
    if len(columns) == 1:
        return sql.SQL("{}::text").format(sql.Identifier(columns[0]))
    parts = [sql.SQL("{} || {}::text").format(sql.Literal(f"{one} = "), sql.Identifier(one)) for one in columns]
    return sql.SQL("concat_ws(', ', {})").format(sql.SQL(", ").join(parts))
