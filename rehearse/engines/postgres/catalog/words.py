"""Pieces of SQL that the catalog queries share: which objects are a user's, and how they are named."""

from __future__ import annotations

from string import Template

# n is pg_namespace in every query. Our own sessions' temporary schemas are pg_temp_… and so left out too.
USERS = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"


def own(catalog: str, oid: str) -> str:
    """Return the condition that an object belongs to no extension."""
    return (
        f"not exists (select from pg_depend e where e.classid = 'pg_catalog.{catalog}'::regclass"
        f" and e.objid = {oid} and e.deptype = 'e')"
    )


def joined(catalog: str, oid: str) -> str:
    """Return a join with the extension that an object belongs to; ext.name is null where it belongs to none."""
    return (
        "left join (select e.objid, 'extension ' || x.extname as name from pg_depend e"
        " join pg_extension x on x.oid = e.refobjid and e.refclassid = 'pg_catalog.pg_extension'::regclass"
        f" where e.classid = 'pg_catalog.{catalog}'::regclass and e.deptype = 'e') ext on ext.objid = {oid}"
    )


def unless_member(rights: str = "null") -> str:
    """Return what begins a case: of an extension's object only whose it is and its rights are told; needs `joined`."""
    return (
        "case when ext.name is not null then jsonb_build_object("
        f"'belongs to', ext.name, 'privileges', {rights}) else jsonb_build_object"
    )


def needed(catalog: str, oid: str) -> str:
    """Return SQL for the extensions that an object says to depend on (ALTER … DEPENDS ON EXTENSION); null for none."""
    return (
        "(select string_agg(needs.extname, ', ' order by needs.extname) from pg_depend e join pg_extension needs"
        " on needs.oid = e.refobjid and e.refclassid = 'pg_catalog.pg_extension'::regclass"
        f" where e.classid = 'pg_catalog.{catalog}'::regclass and e.objid = {oid} and e.deptype = 'x')"
    )


def name(column: str, *, schema: str = "n.nspname") -> str:
    """Return SQL for a name with its schema, unless that is "public"; of the form of `rehearse.model.names`."""
    return f"(case {schema} when 'public' then '' else {_told(schema)} || '.' end || {_told(column)})"


def _told(part: str) -> str:
    return f"""case when {part} ~ '[."]' then '"' || replace({part}, '"', '""') || '"' else {part} end"""


def relation(alias: str = "c") -> str:
    """Return SQL for a relation in words, for example "table orders"."""
    return f"""(case {alias}.relkind when 'v' then 'view ' when 'm' then 'materialized view '
        when 'f' then 'foreign table '
        when 'c' then 'type ' when 'S' then 'sequence ' else 'table ' end || {name(alias + ".relname")})"""


_PRIVILEGES = Template("""(select coalesce(string_agg(x.who || ': ' || x.what, '; ' order by x.who), '') from (
    select case e.grantee when $owner then '(owner)' when 0 then '(everyone)'
            else pg_get_userbyid(e.grantee) end as who,
        string_agg(distinct e.privilege_type || case when e.is_grantable then '*' else '' end, ', ') as what
    from aclexplode($acl) e group by 1) x)""")


def privileges(acl: str, kind: str | None, owner: str) -> str:
    """Return SQL for an ACL in normal form; an ACL that was never set is the default of its kind (None: empty)."""
    known = acl if kind is None else f"coalesce({acl}, acldefault('{kind}', {owner}))"
    return _PRIVILEGES.substitute(acl=known, owner=owner)


def settings(options: str) -> str:
    """Return SQL for an array of options as sorted text; null where there are none.

    The minor releases of November 2026 note a change of a column among its options, for themselves (15.20).
    """
    return f"(select string_agg(o, ', ' order by o) from unnest({options}) o where o !~ '^pg_attver=')"


def read_options(options: str) -> str:
    """Return SQL for an array of options as a JSON object; null where there are none."""
    return f"(select jsonb_object_agg(o.option_name, o.option_value) from pg_options_to_table({options}) o)"


def role(oid: str) -> str:
    """Return SQL for the name of a role."""
    return f"pg_get_userbyid({oid})"


def enabled(column: str) -> str:
    """Return SQL for whether a trigger or rule fires."""
    return f"case {column} when 'D' then 'no' when 'R' then 'replica' when 'A' then 'always' else 'yes' end"


def query(text: str, **parts: str) -> str:
    """Fill $-marked parts of a query."""
    return Template(text).substitute(USERS=USERS, **parts)
