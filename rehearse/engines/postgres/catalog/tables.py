"""Tables, views and their columns; and what only the disk and the planner see of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rehearse.engines.postgres.catalog import elsewhere
from rehearse.engines.postgres.catalog.words import (
    joined,
    name,
    needed,
    own,
    privileges,
    query,
    read_options,
    relation,
    role,
    settings,
    unless_member,
)

# Sequences are told by themselves; here are only those of extensions.
RELATIONS = query(
    """
select $object, $unless_member(
    'owner', $owner,
    'privileges', $privileges,
    'comment', obj_description(c.oid, 'pg_class'),
    'options', $options,
    'toast options', (select $toast_options from pg_class t where t.oid = c.reltoastrelid),
    'row security', case when c.relrowsecurity and c.relforcerowsecurity then 'forced'
        when c.relrowsecurity then 'on' when c.relforcerowsecurity then 'off, forced when on' end,
    'replica identity', case c.relreplident when 'f' then 'full' when 'n' then 'nothing' when 'i' then coalesce(
        (select 'index ' || x.relname from pg_index i join pg_class x on x.oid = i.indexrelid
         where i.indrelid = c.oid and i.indisreplident), 'an index that is gone') end,
    'persistence', case c.relpersistence when 'u' then 'unlogged' when 'p' then 'permanent' end,
    'kind', case c.relkind when 'p' then 'partitioned' end,
    'partition key', case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end,
    'partition bound', pg_get_expr(c.relpartbound, c.oid),
    'inherits', (select string_agg(h.inhparent::regclass::text, ', ' order by h.inhseqno)
                 from pg_inherits h where h.inhrelid = c.oid),
    'detach pending', (select 'yes' from pg_inherits h where h.inhrelid = c.oid and h.inhdetachpending limit 1),
    'tablespace', (select spcname from pg_tablespace s where s.oid = c.reltablespace),
    'access method', (select amname from pg_am m where m.oid = c.relam),
    'row type', nullif(c.reloftype, 0)::regtype::text,
    'definition', case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
    'populated', case when c.relkind = 'm' then c.relispopulated::text end,
    'depends on extension', case when c.relkind = 'm' then $needed end,
    'server', (select s.srvname from pg_foreign_table f join pg_foreign_server s on s.oid = f.ftserver
               where f.ftrelid = c.oid),
    'foreign options', (select $foreign_options from pg_foreign_table f where f.ftrelid = c.oid)) end
from pg_class c join pg_namespace n on n.oid = c.relnamespace $joined
where (c.relkind in ('r', 'p', 'v', 'm', 'f') or c.relkind = 'S' and ext.name is not null) and $USERS
""",
    object=relation(),
    owner=role("c.relowner"),
    privileges=privileges("c.relacl", "r", "c.relowner"),
    options=settings("c.reloptions"),
    toast_options=settings("t.reloptions"),
    foreign_options=read_options("f.ftoptions"),
    needed=needed("pg_class", "c.oid"),
    joined=joined("pg_class", "c.oid"),
    unless_member=unless_member(privileges("c.relacl", "r", "c.relowner")),
)

# A default that draws on the column's own sequence says so instead of naming it: its name may be made up anew.
COLUMNS = query(
    """
select $object, a.attname, jsonb_build_object(
    'type', format_type(a.atttypid, a.atttypmod),
    'default', case when a.attgenerated = '' then (
        select replace(pg_get_expr(d.adbin, d.adrelid),
            coalesce((select quote_literal(s.objid::regclass::text) from pg_depend s
                join pg_class q on q.oid = s.objid and q.relkind = 'S'
                where s.classid = 'pg_class'::regclass and s.refclassid = 'pg_class'::regclass
                    and s.refobjid = a.attrelid and s.refobjsubid = a.attnum and s.deptype = 'a'
                    and pg_get_expr(d.adbin, d.adrelid) like '%' || quote_literal(s.objid::regclass::text) || '%'
                limit 1), ''),
            'its own sequence')
        from pg_attrdef d where d.adrelid = a.attrelid and d.adnum = a.attnum) end,
    'generated', case a.attgenerated when 's' then 'stored: ' when 'v' then 'virtual: ' end || (
        select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d where d.adrelid = a.attrelid and d.adnum = a.attnum),
    'identity', case a.attidentity when 'a' then 'always' when 'd' then 'by default' end,
    'not null', case when a.attnotnull then
        case when nn.convalidated is false then 'yes, not valid' else 'yes' end
            || case when nn.connoinherit then ', no inherit' else '' end end,
    'not null name', case when nn.conislocal then nn.conname end,
    'not null comment', obj_description(nn.oid, 'pg_constraint'),
    'collation', case when a.attcollation <> t.typcollation then a.attcollation::regcollation::text end,
    'storage', case when a.attstorage <> t.typstorage then
        case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end end,
    'compression', case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end,
    'statistics target', nullif(a.attstattarget, -1)::text,
    'options', $options,
    'foreign options', $foreign_options,
    'inherited', case when a.attinhcount > 0 then a.attinhcount
        || case when a.attislocal then ', local too' else '' end end,
    'privileges', nullif($privileges, ''),
    'comment', col_description(a.attrelid, a.attnum))
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
left join pg_constraint nn on nn.conrelid = a.attrelid and nn.contype = 'n' and nn.conkey[1] = a.attnum
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and a.attnum > 0 and not a.attisdropped and $USERS and $own
""",
    object=relation(),
    options=settings("a.attoptions"),
    foreign_options=read_options("a.attfdwoptions"),
    privileges=privileges("a.attacl", None, "c.relowner"),
    own=own("pg_class", "c.oid"),
)

_MADE_UP = re.compile(r"_not_null\d*$")


def relations(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield tables, views and the like as objects from the rows of `RELATIONS`; no secret comes out."""
    for relation_name, properties in rows:
        yield relation_name, properties | {"foreign options": elsewhere.foreign(properties.get("foreign options"))}


def columns(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield columns as objects from the rows of `COLUMNS`; the name of NOT NULL is told where a user gave it.

    One that the server made up keeps the table's and column's names of that time, whatever they are called since.
    """
    for owner, column, properties in rows:
        if _MADE_UP.search(properties["not null name"] or ""):
            del properties["not null name"]
        properties["foreign options"] = elsewhere.foreign(properties["foreign options"])
        yield f"{owner} column {column}", properties


# Statistics are a superuser's to see, and those of columns that one may read.
_DISK = """
select $object, jsonb_build_object(
    'column order', (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
    'dropped columns', (select nullif(count(*), 0)::text from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and a.attisdropped),
    'toast table', case when c.reltoastrelid <> 0 then 'yes' end,
    'statistics', $statistics)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm', 'f') and $USERS and $own
"""
_ALL = """(select string_agg(quote_ident(a.attname), ', ' order by a.attname) from pg_attribute a
        join pg_statistic s on s.starelid = a.attrelid and s.staattnum = a.attnum and s.stainherit = (c.relkind = 'p')
        where a.attrelid = c.oid and not a.attisdropped)"""
_SHOWN = """(select string_agg(quote_ident(s.attname), ', ' order by s.attname) from pg_stats s
        where s.schemaname = n.nspname and s.tablename = c.relname and s.inherited = (c.relkind = 'p'))"""
_BUILT = query(
    """
select 'statistics ' || $name, jsonb_build_object(
    'built', case when exists (select from pg_statistic_ext_data d where d.stxoid = s.oid) then 'yes' else 'no' end)
from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where $USERS and $own
""",
    name=name("s.stxname"),
    own=own("pg_statistic_ext", "s.oid"),
)


def physical(*, all_statistics: bool) -> tuple[str, ...]:
    """Return the queries for what the disk and the planner see, by whether all statistics may be seen."""
    words = {"object": relation(), "own": own("pg_class", "c.oid")}
    if not all_statistics:
        return (query(_DISK, statistics=_SHOWN, **words),)
    return (query(_DISK, statistics=_ALL, **words), _BUILT)
