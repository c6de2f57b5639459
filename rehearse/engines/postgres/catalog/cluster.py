"""What all databases of a server share: roles, their settings and memberships, tablespaces, rights on parameters."""

from __future__ import annotations

from rehearse.engines.postgres.catalog.words import privileges, query, role, settings

# Not pg_authid, which is a superuser's to see: passwords never come out.
_ROLES = """
select 'role ' || r.rolname, jsonb_build_object(
    'superuser', case when r.rolsuper then 'yes' end,
    'inherits', case when not r.rolinherit then 'no' end,
    'creates roles', case when r.rolcreaterole then 'yes' end,
    'creates databases', case when r.rolcreatedb then 'yes' end,
    'logs in', case when r.rolcanlogin then 'yes' end,
    'replicates', case when r.rolreplication then 'yes' end,
    'bypasses row security', case when r.rolbypassrls then 'yes' end,
    'connection limit', nullif(r.rolconnlimit, -1)::text,
    'valid until', r.rolvaliduntil::text,
    'member of', (select string_agg(concat_ws(' ', pg_get_userbyid(m.roleid),
            case when m.admin_option then '(admin)' end,
            case when to_jsonb(m) ->> 'inherit_option' = 'false' then '(without inherit)' end,
            case when to_jsonb(m) ->> 'set_option' = 'false' then '(without set)' end), ', '
            order by pg_get_userbyid(m.roleid), m.admin_option)
        from pg_auth_members m where m.member = r.oid),
    'comment', shobj_description(r.oid, 'pg_authid'))
from pg_roles r where r.rolname !~ '^pg_'
"""

# Rows for `elsewhere.settings`.
SETTINGS = query(
    """
select 'role setting ' || split_part(o, '=', 1) || ' of ' || case when s.setrole = 0 then 'all' else $role end,
    split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)
from pg_db_role_setting s, unnest(s.setconfig) o where s.setdatabase = 0
""",
    role=role("s.setrole"),
)

_TABLESPACES = query(
    """
select 'tablespace ' || t.spcname, jsonb_build_object(
    'options', $options,
    'location', pg_tablespace_location(t.oid),
    'owner', $owner,
    'privileges', $privileges,
    'comment', shobj_description(t.oid, 'pg_tablespace'))
from pg_tablespace t
""",
    options=settings("t.spcoptions"),
    owner=role("t.spcowner"),
    privileges=privileges("t.spcacl", "t", "t.spcowner"),
)

# Since PostgreSQL 15.
_PARAMETERS = query(
    """
select 'parameter ' || p.parname, jsonb_build_object('privileges', $privileges) from pg_parameter_acl p
""",
    privileges=privileges("p.paracl", None, "10"),
)


LABELS = """
select 'security label of ' || l.objtype || ' ' || l.objname || ' by ' || l.provider,
    jsonb_build_object('label', l.label)
from pg_seclabels l where l.objtype in ('role', 'tablespace')
"""


def schema(version: int) -> tuple[str, ...]:
    """Return the queries for a server's version number, for example 180006."""
    return (_ROLES, _TABLESPACES, *([_PARAMETERS] if version >= 150000 else []))
