"""What belongs to the database as a whole: schemas, extensions, publications, settings, large objects."""

from __future__ import annotations

from rehearse.engines.postgres.catalog.words import joined, privileges, query, role, unless_member

_SCHEMAS = query(
    """
select 'schema ' || n.nspname, $unless_member(
    'owner', $owner,
    'privileges', $privileges,
    'comment', obj_description(n.oid, 'pg_namespace')) end
from pg_namespace n $joined where $USERS
""",
    owner=role("n.nspowner"),
    privileges=privileges("n.nspacl", "n", "n.nspowner"),
    joined=joined("pg_namespace", "n.oid"),
    unless_member=unless_member(privileges("n.nspacl", "n", "n.nspowner")),
)

_EXTENSIONS = query(
    """
select 'extension ' || x.extname, jsonb_build_object(
    'version', x.extversion,
    'schema', n.nspname,
    'owner', $owner,
    'comment', obj_description(x.oid, 'pg_extension'))
from pg_extension x join pg_namespace n on n.oid = x.extnamespace
""",
    owner=role("x.extowner"),
)

_PUBLICATIONS = """
select 'publication ' || p.pubname, jsonb_build_object(
    'publishes', concat_ws(', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
        case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end),
    'all tables', case when p.puballtables then 'yes' end,
    'by the root', case when p.pubviaroot then 'yes' end,
    'generated columns', case to_jsonb(p) ->> 'pubgencols' when 's' then 'stored' end,
    $published,
    'owner', $owner,
    'comment', obj_description(p.oid, 'pg_publication'))
from pg_publication p
"""
_PUBLISHED = """'tables', (select string_agg(r.prrelid::regclass::text
        || coalesce(' where ' || pg_get_expr(r.prqual, r.prrelid), '')
        || coalesce(' columns ' || (select string_agg(a.attname, ', ' order by a.attname) from pg_attribute a
            where a.attrelid = r.prrelid and a.attnum = any (r.prattrs::int2[])), ''), '; '
            order by r.prrelid::regclass::text)
        from pg_publication_rel r where r.prpubid = p.oid),
    'schemas', (select string_agg(r.pnnspid::regnamespace::text, ', ' order by r.pnnspid::regnamespace::text)
        from pg_publication_namespace r where r.pnpubid = p.oid)"""

# PostgreSQL 14 publishes neither rows by condition, nor columns, nor schemas.
_PUBLISHED_14 = """'tables', (select string_agg(r.prrelid::regclass::text, '; ' order by r.prrelid::regclass::text)
        from pg_publication_rel r where r.prpubid = p.oid)"""

# Large objects are many and alike: counted by owner; those with rights or a comment of their own are told by number,
# which is how an application knows them. Their content belongs to the data.
_DATABASE = query(
    """
select 'database', jsonb_build_object(
    'owner', $owner,
    'privileges', $privileges,
    'comment', shobj_description(d.oid, 'pg_database'),
    'connection limit', nullif(d.datconnlimit, -1)::text,
    'encoding', pg_encoding_to_char(d.encoding),
    'collation', d.datcollate,
    'character type', d.datctype,
    'locale provider', case to_jsonb(d) ->> 'datlocprovider' when 'i' then 'icu' when 'b' then 'builtin' end,
    'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
    'icu rules', to_jsonb(d) ->> 'daticurules',
    'template', case when d.datistemplate then 'yes' end,
    'allows connections', case when not d.datallowconn then 'no' end,
    'tablespace', (select nullif(s.spcname, 'pg_default') from pg_tablespace s where s.oid = d.dattablespace),
    'large objects', (select string_agg(who || ': ' || many, ', ' order by who) from (
        select $large_owner as who, count(*) as many from pg_largeobject_metadata l group by 1) o))
from pg_database d where d.datname = current_database()
""",
    owner=role("d.datdba"),
    privileges=privileges("d.datacl", "d", "d.datdba"),
    large_owner=role("l.lomowner"),
)

_LARGE_OBJECTS = query(
    """
select 'large object ' || l.oid, jsonb_build_object(
    'privileges', $privileges,
    'comment', c.description)
from pg_largeobject_metadata l
left join pg_description c on c.classoid = 'pg_largeobject'::regclass and c.objoid = l.oid
where l.lomacl is not null or c.description is not null
""",
    privileges=privileges("l.lomacl", "L", "l.lomowner"),
)

# Rows for `elsewhere.settings`.
SETTINGS = query(
    """
select 'database setting ' || split_part(o, '=', 1) || case when s.setrole = 0 then '' else ' of ' || $role end,
    split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)
from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) o
where d.datname = current_database()
""",
    role=role("s.setrole"),
)


# The view costs milliseconds to plan, so it is asked only where there are labels.
LABELS = """
select 'security label of ' || l.objtype || case l.objtype when 'database' then '' else ' ' || l.objname end
    || ' by ' || l.provider, jsonb_build_object('label', l.label)
from pg_seclabels l where l.objtype not in ('database', 'role', 'tablespace')
    or l.objtype = 'database' and l.objoid = (select oid from pg_database where datname = current_database())
"""


SCHEMA = (_SCHEMAS, _EXTENSIONS, _DATABASE)


def rare(version: int) -> dict[str, str]:
    """Return queries by the catalog that holds their objects, for a server's version number, for example 180006."""
    published = _PUBLISHED if version >= 150000 else _PUBLISHED_14
    publications = query(_PUBLICATIONS, owner=role("p.pubowner"), published=published)
    return {"pg_publication": publications, "pg_largeobject_metadata": _LARGE_OBJECTS}
