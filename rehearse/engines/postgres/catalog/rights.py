"""Rights that belong to no object of the user's: those of objects to come, and those on what the server brought."""

from __future__ import annotations

from rehearse.engines.postgres.catalog.words import privileges, query, role

_DEFAULT_PRIVILEGES = query(
    """
select 'default privileges of ' || $role || coalesce(' in ' || n.nspname, '') || ' on '
    || case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
        when 'T' then 'types' when 'n' then 'schemas' when 'L' then 'large objects' else d.defaclobjtype::text end,
    jsonb_build_object('privileges', $privileges)
from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace
""",
    role=role("d.defaclrole"),
    privileges=privileges("d.defaclacl", None, "d.defaclrole"),
)

# Told only where they are no longer what initdb gave, the same in another order or not. The information schema is left
# out: it shows to everybody what is theirs.
OF_THE_SERVER = query(
    """
select 'system ' || x.kind || ' ' || x.name, jsonb_build_object('privileges', $privileges) from (
    select 'pg_proc'::regclass as class, p.oid, 0 as part, p.proowner as owner, p.proacl as acl,
        acldefault('f', p.proowner) as usual,
        'function' as kind, p.proname || '(' || oidvectortypes(p.proargtypes) || ')' as name
    from pg_proc p where p.oid < 16384 and p.proacl is not null
    union all
    select 'pg_class'::regclass, c.oid, 0, c.relowner, c.relacl, acldefault('r', c.relowner),
        case c.relkind when 'v' then 'view' else 'table' end, c.relname
    from pg_class c where c.relnamespace = 'pg_catalog'::regnamespace and c.relacl is not null
    union all
    select 'pg_class'::regclass, a.attrelid, a.attnum, c.relowner, a.attacl, null,
        'column', c.relname || '.' || a.attname
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'pg_catalog'::regnamespace and a.attacl is not null
    union all
    select 'pg_type'::regclass, t.oid, 0, t.typowner, t.typacl, acldefault('T', t.typowner), 'type', t.typname
    from pg_type t where t.oid < 16384 and t.typacl is not null
    union all
    select 'pg_language'::regclass, l.oid, 0, l.lanowner, l.lanacl, acldefault('l', l.lanowner), 'language', l.lanname
    from pg_language l where not l.lanispl and l.lanacl is not null
    union all
    select 'pg_namespace'::regclass, n.oid, 0, n.nspowner, n.nspacl, acldefault('n', n.nspowner), 'schema', n.nspname
    from pg_namespace n where n.nspname = 'pg_catalog' and n.nspacl is not null) x
left join pg_init_privs i on i.classoid = x.class and i.objoid = x.oid and i.objsubid = x.part
where x.acl::text is distinct from i.initprivs::text and $privileges <> $first
""",
    privileges=privileges("x.acl", None, "x.owner"),
    first=privileges("coalesce(i.initprivs, x.usual)", None, "x.owner"),
)

RARE = {"pg_default_acl": _DEFAULT_PRIVILEGES}
