"""Parts of tables: constraints, indexes, triggers, policies, rules. Made-up names are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rehearse.engines.postgres.catalog.words import enabled, name, needed, own, query, relation, role, settings
from rehearse.profiles.made_up import is_made_up

# A foreign key of a partitioned table, or to one, has rows of its own for each partition: they follow from the first.
# NOT NULL (a constraint since PostgreSQL 18) is told with the column; constraint triggers are told as triggers.
CONSTRAINTS = query(
    """
select $object as owner, c.relname, con.conname, con.contype::text,
    array(select a.attname::text from unnest(con.conkey) with ordinality k (attnum, place)
          join pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.attnum order by k.place),
    jsonb_build_object(
    'definition', replace(replace(pg_get_constraintdef(con.oid), ' NOT VALID', ''), ' NOT ENFORCED', ''),
    'validated', case when con.convalidated then null else 'no' end,
    'enforced', case when to_jsonb(con) ->> 'conenforced' = 'false' then 'no' end,
    'inherited', case when con.coninhcount > 0 then con.coninhcount
        || case when con.conislocal then ', local too' else '' end end,
    'triggers', (select string_agg(distinct
            case t.tgenabled when 'D' then 'disabled' when 'R' then 'replica' else 'always' end, ', ')
        from pg_trigger t where t.tgconstraint = con.oid and t.tgenabled <> 'O'),
    'comment', obj_description(con.oid, 'pg_constraint'))
from pg_constraint con join pg_class c on c.oid = con.conrelid join pg_namespace n on n.oid = c.relnamespace
where con.contype in ('c', 'f', 'p', 'u', 'x') and $USERS and $own
    and not exists (select from pg_constraint p where p.oid = con.conparentid and p.conrelid = con.conrelid)
union all
select 'domain ' || $domain, t.typname, con.conname, con.contype::text, array[]::text[], jsonb_build_object(
    'definition', replace(pg_get_constraintdef(con.oid), ' NOT VALID', ''),
    'validated', case when con.convalidated then null else 'no' end,
    'comment', obj_description(con.oid, 'pg_constraint'))
from pg_constraint con join pg_type t on t.oid = con.contypid join pg_namespace n on n.oid = t.typnamespace
where con.contype = 'c' and $USERS and $own_domain
""",
    object=relation(),
    own=own("pg_class", "c.oid"),
    domain=name("t.typname"),
    own_domain=own("pg_type", "t.oid"),
)

INDEXES = query(
    """
select $object as owner, c.relname, x.relname, con.conname, con.contype::text,
    array(select a.attname::text from pg_attribute a where a.attrelid = x.oid order by a.attnum) as words,
    array(select a.attname::text from unnest(con.conkey) with ordinality k (attnum, place)
          join pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.attnum order by k.place),
    jsonb_build_object(
    'definition', regexp_replace(pg_get_indexdef(x.oid), '^CREATE (UNIQUE )?INDEX .*? ON (ONLY )?.*? USING ', 'USING '),
    'unique', case when i.indisunique then 'yes' end,
    'options', $options,
    'valid', case when i.indisvalid and i.indisready and i.indislive then 'yes' else 'no' end,
    'clustered', case when i.indisclustered then 'yes' end,
    'tablespace', (select spcname from pg_tablespace s where s.oid = x.reltablespace),
    'statistics target', (select string_agg(a.attname || ' ' || a.attstattarget, ', ' order by a.attnum)
        from pg_attribute a where a.attrelid = x.oid and a.attstattarget >= 0),
    'attached to', (select h.inhparent::regclass::text from pg_inherits h where h.inhrelid = x.oid),
    'depends on extension', $needed,
    'comment', obj_description(x.oid, 'pg_class'))
from pg_index i join pg_class x on x.oid = i.indexrelid
join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
left join pg_constraint con on con.conindid = x.oid and con.contype in ('p', 'u', 'x')
where $USERS and $own
""",
    object=relation(),
    options=settings("x.reloptions"),
    needed=needed("pg_class", "x.oid"),
    own=own("pg_class", "c.oid"),
)

# Since PostgreSQL 16 the server makes up names that end in _stat.
STATISTICS = query(
    """
select $name, $table, c.relname, s.stxname,
    array(select a.attname::text from unnest(s.stxkeys::int2[]) with ordinality k (attnum, place)
        join pg_attribute a on a.attrelid = s.stxrelid and a.attnum = k.attnum order by k.place)
    || array(select 'expr' from unnest(pg_get_statisticsobjdef_expressions(s.oid))),
    jsonb_build_object(
    'table', $table,
    'definition', pg_get_statisticsobjdef_columns(s.oid),
    'kinds', (select string_agg(case k when 'd' then 'ndistinct' when 'f' then 'dependencies' when 'm' then 'mcv'
        else k::text end, ', ' order by k) from unnest(s.stxkind) k where k <> 'e'),
    'statistics target', nullif(s.stxstattarget, -1)::text,
    'owner', $owner,
    'comment', obj_description(s.oid, 'pg_statistic_ext'))
from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace
join pg_class c on c.oid = s.stxrelid join pg_namespace m on m.oid = c.relnamespace where $USERS and $own
""",
    name=name("s.stxname"),
    table=name("c.relname", schema="m.nspname"),
    owner=role("s.stxowner"),
    own=own("pg_statistic_ext", "s.oid"),
)

_TRIGGERS = query(
    """
select $object || ' trigger ' || t.tgname, jsonb_build_object(
    'definition', substr(pg_get_triggerdef(t.oid), strpos(pg_get_triggerdef(t.oid), 'TRIGGER ')
        + 9 + length(quote_ident(t.tgname))),
    'enabled', $enabled,
    'depends on extension', $needed,
    'comment', obj_description(t.oid, 'pg_trigger'))
from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
where not t.tgisinternal and $USERS and $own
""",
    object=relation(),
    enabled=enabled("t.tgenabled"),
    needed=needed("pg_trigger", "t.oid"),
    own=own("pg_class", "c.oid"),
)

_POLICIES = query(
    """
select $object || ' policy ' || p.polname, jsonb_build_object(
    'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert'
        when 'w' then 'update' when 'd' then 'delete' else 'all' end,
    'kind', case when p.polpermissive then 'permissive' else 'restrictive' end,
    'roles', (select string_agg(case r when 0 then '(everyone)' else pg_get_userbyid(r) end, ', '
                order by pg_get_userbyid(r))
              from unnest(p.polroles) r),
    'using', pg_get_expr(p.polqual, p.polrelid),
    'with check', pg_get_expr(p.polwithcheck, p.polrelid),
    'comment', obj_description(p.oid, 'pg_policy'))
from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
where $USERS and $own
""",
    object=relation(),
    own=own("pg_class", "c.oid"),
)

_RULES = query(
    """
select $object || ' rule ' || r.rulename, jsonb_build_object(
    'definition', substr(pg_get_ruledef(r.oid), 17 + length(quote_ident(r.rulename))),
    'enabled', $enabled,
    'comment', obj_description(r.oid, 'pg_rewrite'))
from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
where r.rulename <> '_RETURN' and $USERS and $own
""",
    object=relation(),
    enabled=enabled("r.ev_enabled"),
    own=own("pg_class", "c.oid"),
)

# By the catalog that holds them.
RARE = {"pg_trigger": _TRIGGERS, "pg_policy": _POLICIES, "pg_rewrite": _RULES}

_KINDS = {"p": "primary key", "u": "unique", "f": "foreign key", "c": "check", "x": "exclusion"}
_LABELS = {"p": "pkey", "u": "key", "f": "fkey", "c": "check", "x": "excl"}

Named = tuple[str, dict[str, Any]]


def constraint(owner: str, table: str, given: str, kind: str, columns: Sequence[str]) -> str:
    """Return a constraint in words: by name, or by kind and columns where the server made up the name."""
    choices: list[Sequence[str]] = [[]] if kind == "p" else [columns, []] if kind == "c" else [columns]
    if any(is_made_up(given, table, choice, _LABELS[kind]) for choice in choices):
        on = "" if kind == "p" or owner.startswith("domain ") else f" ({', '.join(columns)})"
        return f"{owner} {_KINDS[kind]}{on}"
    return f"{owner} constraint {given}"


def constraints(rows: Iterable[Sequence[Any]]) -> Iterator[Named]:
    """Yield constraints as objects from the rows of `CONSTRAINTS`."""
    for owner, table, given, kind, columns, properties in rows:
        yield constraint(owner, table, given, kind, columns), properties


def indexes(rows: Iterable[Sequence[Any]]) -> Iterator[Named]:
    """Yield indexes as objects from the rows of `INDEXES`; the index of a constraint goes by the constraint."""
    for owner, table, given, con, kind, words, columns, properties in rows:
        if con is not None:
            yield f"{constraint(owner, table, con, kind, columns)} index", properties
        elif is_made_up(given, table, words, "idx"):
            yield f"{owner} index ({', '.join(words)})", properties
        else:
            yield f"{owner} index {given}", properties


def statistics(rows: Iterable[Sequence[Any]]) -> Iterator[Named]:
    """Yield statistics objects from the rows of `STATISTICS`; one whose name was made up goes by what it is of."""
    for qualified, table, relation_name, given, words, properties in rows:
        if is_made_up(given, relation_name, words, "stat"):
            yield f"statistics ({', '.join(words)}) of {table}", properties
        else:
            yield f"statistics {qualified}", properties
