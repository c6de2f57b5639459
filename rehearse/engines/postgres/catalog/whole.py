"""What belongs to the database as a whole: schemas, extensions, publications, default privileges, settings."""

from __future__ import annotations

from rehearse.engines.postgres.catalog.words import name, own, privileges, query, role

_SCHEMAS = query(
    """
select 'schema ' || n.nspname, jsonb_build_object(
    'owner', $owner,
    'privileges', $privileges,
    'comment', obj_description(n.oid, 'pg_namespace'))
from pg_namespace n where $USERS and $own
""",
    owner=role("n.nspowner"),
    privileges=privileges("n.nspacl", "n", "n.nspowner"),
    own=own("pg_namespace", "n.oid"),
)

_EXTENSIONS = query(
    """
select 'extension ' || x.extname, jsonb_build_object(
    'version', x.extversion,
    'schema', n.nspname,
    'owner', $owner)
from pg_extension x join pg_namespace n on n.oid = x.extnamespace
""",
    owner=role("x.extowner"),
)

_PUBLICATIONS = query(
    """
select 'publication ' || p.pubname, jsonb_build_object(
    'definition', (to_jsonb(p) - array['oid', 'pubname', 'pubowner'])::text,
    'tables', (select string_agg(r.prrelid::regclass::text
        || coalesce(' where ' || pg_get_expr(r.prqual, r.prrelid), '')
        || coalesce(' columns ' || (select string_agg(a.attname, ', ' order by a.attname) from pg_attribute a
            where a.attrelid = r.prrelid and a.attnum = any (r.prattrs::int2[])), ''), '; '
            order by r.prrelid::regclass::text)
        from pg_publication_rel r where r.prpubid = p.oid),
    'schemas', (select string_agg(r.pnnspid::regnamespace::text, ', ' order by r.pnnspid::regnamespace::text)
        from pg_publication_namespace r where r.pnpubid = p.oid),
    'owner', $owner,
    'comment', obj_description(p.oid, 'pg_publication'))
from pg_publication p
""",
    owner=role("p.pubowner"),
)

# PostgreSQL 14 publishes neither rows by condition, nor columns, nor schemas.
_PUBLICATIONS_14 = query(
    """
select 'publication ' || p.pubname, jsonb_build_object(
    'definition', (to_jsonb(p) - array['oid', 'pubname', 'pubowner'])::text,
    'tables', (select string_agg(r.prrelid::regclass::text, '; ' order by r.prrelid::regclass::text)
        from pg_publication_rel r where r.prpubid = p.oid),
    'owner', $owner,
    'comment', obj_description(p.oid, 'pg_publication'))
from pg_publication p
""",
    owner=role("p.pubowner"),
)

_DEFAULT_PRIVILEGES = query(
    """
select 'default privileges of ' || $role || coalesce(' in ' || n.nspname, '') || ' on '
    || case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
        when 'T' then 'types' when 'n' then 'schemas' else d.defaclobjtype::text end,
    jsonb_build_object('privileges', $privileges)
from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace
""",
    role=role("d.defaclrole"),
    privileges=privileges("d.defaclacl", None, "d.defaclrole"),
)

# A large object's content belongs to the data; only how many there are is told here.
_DATABASE = query(
    """
select 'database', jsonb_build_object(
    'owner', $owner,
    'privileges', $privileges,
    'comment', shobj_description(d.oid, 'pg_database'),
    'connection limit', nullif(d.datconnlimit, -1)::text,
    'large objects', (select nullif(count(*), 0)::text from pg_largeobject_metadata))
from pg_database d where d.datname = current_database()
union all
select 'database setting ' || split_part(o, '=', 1) || case when s.setrole = 0 then '' else ' of ' || $role end,
    jsonb_build_object('value', substr(o, strpos(o, '=') + 1))
from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) o
where d.datname = current_database()
union all
select 'security label of ' || l.objtype || ' ' || l.objname || ' by ' || l.provider,
    jsonb_build_object('label', l.label)
from pg_seclabels l where l.objtype not in ('database', 'role', 'tablespace')
""",
    owner=role("d.datdba"),
    privileges=privileges("d.datacl", "d", "d.datdba"),
    role=role("s.setrole"),
)

_STATISTICS = query(
    """
select 'statistics ' || $name, jsonb_build_object(
    'definition', regexp_replace(pg_get_statisticsobjdef(s.oid), '^CREATE STATISTICS \\S+ ', ''),
    'statistics target', nullif(s.stxstattarget, -1)::text,
    'owner', $owner,
    'comment', obj_description(s.oid, 'pg_statistic_ext'))
from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where $USERS and $own
""",
    name=name("s.stxname"),
    owner=role("s.stxowner"),
    own=own("pg_statistic_ext", "s.oid"),
)


def schema(version: int) -> tuple[str, ...]:
    """Return the queries for a server's version number, for example 180006."""
    publications = _PUBLICATIONS if version >= 150000 else _PUBLICATIONS_14
    return (_SCHEMAS, _EXTENSIONS, publications, _DEFAULT_PRIVILEGES, _DATABASE, _STATISTICS)
