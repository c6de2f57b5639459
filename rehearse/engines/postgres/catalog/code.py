"""What a schema computes with: routines, types, casts, operators, text search, event triggers."""

from __future__ import annotations

from rehearse.engines.postgres.catalog.words import name, own, privileges, query, role, settings

_ROUTINES = query(
    """
select case p.prokind when 'p' then 'procedure ' when 'a' then 'aggregate ' else 'function ' end
    || $name || '(' || pg_get_function_identity_arguments(p.oid) || ')',
jsonb_build_object(
    'definition', case when p.prokind <> 'a' then pg_get_functiondef(p.oid) end,
    'result', pg_get_function_result(p.oid),
    'transition', (select concat_ws(' ', g.aggtransfn::text, g.aggtranstype::regtype::text, g.aggfinalfn::text,
        g.agginitval, g.aggcombinefn::text, g.aggserialfn::text, g.aggdeserialfn::text, g.aggmtransfn::text,
        g.aggminvtransfn::text, g.aggmfinalfn::text, g.aggminitval, nullif(g.aggsortop, 0)::regoperator::text)
        from pg_aggregate g where g.aggfnoid = p.oid),
    'owner', $owner,
    'privileges', $privileges,
    'comment', obj_description(p.oid, 'pg_proc'))
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where $USERS and $own
""",
    name=name("p.proname"),
    owner=role("p.proowner"),
    privileges=privileges("p.proacl", "f", "p.proowner"),
    own=own("pg_proc", "p.oid"),
)

# Row types of tables, arrays and multiranges come with the type that they are made for.
_TYPES = query(
    """
select case t.typtype when 'd' then 'domain ' else 'type ' end || $name, jsonb_build_object(
    'labels', (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
               from pg_enum e where e.enumtypid = t.oid),
    'type', case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end,
    'default', case when t.typtype = 'd' then t.typdefault end,
    'not null', case when t.typtype = 'd' and t.typnotnull then 'yes' end,
    'collation', case when t.typtype = 'd' and t.typcollation <>
        (select b.typcollation from pg_type b where b.oid = t.typbasetype) then t.typcollation::regcollation::text end,
    'checks', (select string_agg($check_name || pg_get_constraintdef(con.oid), '; '
                   order by $check_name || pg_get_constraintdef(con.oid))
               from pg_constraint con where con.contypid = t.oid and con.contype = 'c'),
    'comments of checks', (select string_agg(obj_description(con.oid, 'pg_constraint'), '; '
                               order by pg_get_constraintdef(con.oid))
                           from pg_constraint con where con.contypid = t.oid and con.contype = 'c'),
    'range', (select concat_ws(' ', format_type(r.rngsubtype, null), nullif(r.rngcollation, 0)::regcollation::text,
        (select opcname from pg_opclass o where o.oid = r.rngsubopc), nullif(r.rngcanonical::oid, 0)::regproc::text,
        nullif(r.rngsubdiff::oid, 0)::regproc::text, r.rngmultitypid::regtype::text)
        from pg_range r where r.rngtypid = t.oid),
    'functions', case when t.typtype = 'b' then concat_ws(' ', t.typinput::text, t.typoutput::text, t.typreceive::text,
        t.typsend::text, t.typmodin::text, t.typmodout::text, t.typanalyze::text, t.typlen::text, t.typalign::text,
        t.typstorage::text, t.typcategory::text) end,
    'owner', $owner,
    'privileges', $privileges,
    'comment', obj_description(t.oid, 'pg_type'))
from pg_type t join pg_namespace n on n.oid = t.typnamespace
where t.typtype <> 'm' and not exists (select from pg_type e where e.typarray = t.oid)
    and (t.typrelid = 0 or exists (select from pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
    and $USERS and $own
""",
    name=name("t.typname"),
    check_name="(case when con.conname ~ '_check[0-9]*$' then '' else quote_ident(con.conname) || ' ' end)",
    owner=role("t.typowner"),
    privileges=privileges("t.typacl", "T", "t.typowner"),
    own=own("pg_type", "t.oid"),
)

_EVENT_TRIGGERS = query(
    """
select 'event trigger ' || t.evtname, jsonb_build_object(
    'definition', t.evtevent || ' ' || t.evtfoid::regproc::text || coalesce(' when tag in ' || t.evttags::text, ''),
    'enabled', case t.evtenabled when 'D' then 'no' when 'R' then 'replica' when 'A' then 'always' else 'yes' end,
    'owner', $owner,
    'comment', obj_description(t.oid, 'pg_event_trigger'))
from pg_event_trigger t where $own
""",
    owner=role("t.evtowner"),
    own=own("pg_event_trigger", "t.oid"),
)

_CASTS = query(
    """
select 'cast ' || format_type(k.castsource, null) || ' to ' || format_type(k.casttarget, null), jsonb_build_object(
    'definition', concat_ws(' ', nullif(k.castfunc, 0)::regprocedure::text, k.castcontext::text, k.castmethod::text),
    'comment', obj_description(k.oid, 'pg_cast'))
from pg_cast k where k.oid >= 16384 and $own
""",
    own=own("pg_cast", "k.oid"),
)

_OPERATORS = query(
    """
select 'operator ' || $name || '(' || format_type(o.oprleft, null) || ', ' || format_type(o.oprright, null) || ')',
jsonb_build_object(
    'definition', concat_ws(' ', o.oprcode::text, o.oprrest::text, o.oprjoin::text,
        nullif(o.oprcom, 0)::regoperator::text, nullif(o.oprnegate, 0)::regoperator::text,
        o.oprcanhash::text, o.oprcanmerge::text),
    'owner', $owner,
    'comment', obj_description(o.oid, 'pg_operator'))
from pg_operator o join pg_namespace n on n.oid = o.oprnamespace where $USERS and $own
""",
    name=name("o.oprname"),
    owner=role("o.oprowner"),
    own=own("pg_operator", "o.oid"),
)

_OPERATOR_CLASSES = query(
    """
select 'operator class ' || $name || ' using ' || m.amname, jsonb_build_object(
    'definition', concat_ws(' ', format_type(o.opcintype, null), f.opfname, o.opcdefault::text,
        nullif(o.opckeytype, 0)::regtype::text,
        (select string_agg(s.amopstrategy || ' ' || s.amopopr::regoperator::text, ', '
            order by s.amopstrategy, s.amopopr::regoperator::text)
         from pg_amop s where s.amopfamily = f.oid),
        (select string_agg(s.amprocnum || ' ' || s.amproc::regprocedure::text, ', '
            order by s.amprocnum, s.amproc::regprocedure::text)
         from pg_amproc s where s.amprocfamily = f.oid)),
    'owner', $owner)
from pg_opclass o join pg_namespace n on n.oid = o.opcnamespace
join pg_am m on m.oid = o.opcmethod join pg_opfamily f on f.oid = o.opcfamily
where $USERS and $own
""",
    name=name("o.opcname"),
    owner=role("o.opcowner"),
    own=own("pg_opclass", "o.oid"),
)

_COLLATIONS = query(
    """
select 'collation ' || $name, jsonb_build_object(
    'definition', (to_jsonb(k) - array['oid', 'collname', 'collnamespace', 'collowner', 'collversion'])::text,
    'owner', $owner,
    'comment', obj_description(k.oid, 'pg_collation'))
from pg_collation k join pg_namespace n on n.oid = k.collnamespace where $USERS and $own
""",
    name=name("k.collname"),
    owner=role("k.collowner"),
    own=own("pg_collation", "k.oid"),
)

_TEXT_SEARCH = query(
    """
select 'text search configuration ' || $configuration, jsonb_build_object(
    'definition', (select p.prsname from pg_ts_parser p where p.oid = k.cfgparser) || ' '
        || (select string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary::text, ', '
                order by m.maptokentype, m.mapseqno)
            from pg_ts_config_map m where m.mapcfg = k.oid),
    'owner', $configuration_owner,
    'comment', obj_description(k.oid, 'pg_ts_config'))
from pg_ts_config k join pg_namespace n on n.oid = k.cfgnamespace where $USERS and $own_configuration
union all
select 'text search dictionary ' || $dictionary, jsonb_build_object(
    'definition', (select t.tmplname from pg_ts_template t where t.oid = k.dicttemplate)
        || coalesce(' ' || k.dictinitoption, ''),
    'owner', $dictionary_owner,
    'comment', obj_description(k.oid, 'pg_ts_dict'))
from pg_ts_dict k join pg_namespace n on n.oid = k.dictnamespace where $USERS and $own_dictionary
""",
    configuration=name("k.cfgname"),
    configuration_owner=role("k.cfgowner"),
    own_configuration=own("pg_ts_config", "k.oid"),
    dictionary=name("k.dictname"),
    dictionary_owner=role("k.dictowner"),
    own_dictionary=own("pg_ts_dict", "k.oid"),
)

_LANGUAGES = query(
    """
select 'language ' || l.lanname, jsonb_build_object(
    'owner', $owner,
    'privileges', $privileges,
    'trusted', l.lanpltrusted::text)
from pg_language l where l.oid >= 16384 and $own
""",
    owner=role("l.lanowner"),
    privileges=privileges("l.lanacl", "l", "l.lanowner"),
    own=own("pg_language", "l.oid"),
)

_FOREIGN = query(
    """
select 'foreign-data wrapper ' || w.fdwname, jsonb_build_object(
    'definition', concat_ws(' ', nullif(w.fdwhandler, 0)::regproc::text, nullif(w.fdwvalidator, 0)::regproc::text),
    'options', $wrapper_options, 'owner', $wrapper_owner, 'privileges', $wrapper_privileges)
from pg_foreign_data_wrapper w where $own_wrapper
union all
select 'server ' || s.srvname, jsonb_build_object(
    'definition', concat_ws(' ', (select w.fdwname from pg_foreign_data_wrapper w where w.oid = s.srvfdw),
        s.srvtype, s.srvversion),
    'options', $server_options, 'owner', $server_owner, 'privileges', $server_privileges)
from pg_foreign_server s where $own_server
union all
select 'user mapping ' || u.usename || ' on ' || u.srvname, jsonb_build_object('options', md5(u.umoptions::text))
from pg_user_mappings u
""",
    wrapper_options=settings("w.fdwoptions"),
    wrapper_owner=role("w.fdwowner"),
    wrapper_privileges=privileges("w.fdwacl", "F", "w.fdwowner"),
    own_wrapper=own("pg_foreign_data_wrapper", "w.oid"),
    server_options=settings("s.srvoptions"),
    server_owner=role("s.srvowner"),
    server_privileges=privileges("s.srvacl", "S", "s.srvowner"),
    own_server=own("pg_foreign_server", "s.oid"),
)

SCHEMA = (
    _ROUTINES,
    _TYPES,
    _EVENT_TRIGGERS,
    _CASTS,
    _OPERATORS,
    _OPERATOR_CLASSES,
    _COLLATIONS,
    _TEXT_SEARCH,
    _LANGUAGES,
    _FOREIGN,
)
