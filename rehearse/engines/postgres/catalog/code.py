"""What a schema computes with: routines, types, casts, operators, text search, event triggers."""

from __future__ import annotations

from rehearse.engines.postgres.catalog.words import (
    enabled,
    joined,
    name,
    needed,
    privileges,
    query,
    role,
    settings,
    unless_member,
)

_ROUTINES = query(
    """
select case p.prokind when 'p' then 'procedure ' when 'a' then 'aggregate ' else 'function ' end
    || $name || '(' || oidvectortypes(p.proargtypes) || ')', $unless_member(
    'definition', case when p.prokind <> 'a' then concat_ws(' in ', coalesce(pg_get_function_sqlbody(p.oid), p.prosrc),
        p.probin) end,
    'arguments', nullif(pg_get_function_arguments(p.oid), ''),
    'result', pg_get_function_result(p.oid),
    'kind', case p.prokind when 'w' then 'window' end,
    'language', case when p.prokind <> 'a' then l.lanname end,
    'volatility', case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
    'strict', case when p.proisstrict then 'yes' end,
    'leakproof', case when p.proleakproof then 'yes' end,
    'security definer', case when p.prosecdef then 'yes' end,
    'parallel', case p.proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end,
    'cost', p.procost::text,
    'rows', nullif(p.prorows, 0)::text,
    'support', nullif(p.prosupport, 0)::regproc::text,
    'transforms', (select string_agg(format_type(t, null), ', ' order by format_type(t, null))
        from unnest(p.protrftypes) t),
    'settings', $settings,
    'aggregate', (select (to_jsonb(g) - array['aggfnoid', 'aggsortop', 'aggtranstype', 'aggmtranstype']
            || jsonb_build_object('state', format_type(nullif(g.aggtranstype, 0), null),
                'moving state', format_type(nullif(g.aggmtranstype, 0), null),
                'sort', nullif(g.aggsortop, 0)::regoperator::text))::text
        from pg_aggregate g where g.aggfnoid = p.oid),
    'depends on extension', $needed,
    'owner', $owner,
    'privileges', $privileges,
    'comment', obj_description(p.oid, 'pg_proc')) end
from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang $joined
where $USERS
""",
    name=name("p.proname"),
    owner=role("p.proowner"),
    settings=settings("p.proconfig"),
    privileges=privileges("p.proacl", "f", "p.proowner"),
    needed=needed("pg_proc", "p.oid"),
    joined=joined("pg_proc", "p.oid"),
    unless_member=unless_member(privileges("p.proacl", "f", "p.proowner")),
)

# Row types of tables, arrays and multiranges come with the type that they are made for.
_TYPES = query(
    """
select case t.typtype when 'd' then 'domain ' else 'type ' end || $name, $unless_member(
    'labels', (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
               from pg_enum e where e.enumtypid = t.oid),
    'attribute order', (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
        where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped),
    'type', case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end,
    'default', t.typdefault,
    'not null', case when t.typtype = 'd' and t.typnotnull then 'yes' end,
    'collation', case when t.typtype = 'd' and t.typcollation <>
        (select b.typcollation from pg_type b where b.oid = t.typbasetype) then t.typcollation::regcollation::text end,
    'range', (select concat_ws(' ', format_type(r.rngsubtype, null), nullif(r.rngcollation, 0)::regcollation::text,
        (select opcname from pg_opclass o where o.oid = r.rngsubopc), nullif(r.rngcanonical::oid, 0)::regproc::text,
        nullif(r.rngsubdiff::oid, 0)::regproc::text, r.rngmultitypid::regtype::text)
        from pg_range r where r.rngtypid = t.oid),
    'functions', case when t.typtype = 'b' then concat_ws(' ', t.typinput::text, t.typoutput::text, t.typreceive::text,
        t.typsend::text, t.typmodin::text, t.typmodout::text, t.typanalyze::text, t.typsubscript::text) end,
    'layout', case when t.typtype = 'b' then concat_ws(' ', t.typlen::text, t.typbyval::text, t.typalign::text,
        t.typcategory::text, t.typispreferred::text, t.typdelim::text, format_type(nullif(t.typelem, 0), null),
        nullif(t.typcollation, 0)::regcollation::text) end,
    'storage', case when t.typtype = 'b' then t.typstorage::text end,
    'defined', case when not t.typisdefined then 'no' end,
    'owner', $owner,
    'privileges', $privileges,
    'comment', obj_description(t.oid, 'pg_type')) end
from pg_type t join pg_namespace n on n.oid = t.typnamespace $joined
where t.typtype <> 'm' and not exists (select from pg_type e where e.typarray = t.oid)
    and (t.typrelid = 0 or exists (select from pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
    and $USERS
""",
    name=name("t.typname"),
    owner=role("t.typowner"),
    privileges=privileges("t.typacl", "T", "t.typowner"),
    joined=joined("pg_type", "t.oid"),
    unless_member=unless_member(privileges("t.typacl", "T", "t.typowner")),
)

_EVENT_TRIGGERS = query(
    """
select 'event trigger ' || t.evtname, $unless_member(
    'definition', t.evtevent || ' ' || t.evtfoid::regproc::text || coalesce(' when tag in ' || t.evttags::text, ''),
    'enabled', $enabled,
    'owner', $owner,
    'comment', obj_description(t.oid, 'pg_event_trigger')) end
from pg_event_trigger t $joined
""",
    owner=role("t.evtowner"),
    enabled=enabled("t.evtenabled"),
    joined=joined("pg_event_trigger", "t.oid"),
    unless_member=unless_member(),
)

_CASTS = query(
    """
select 'cast ' || format_type(k.castsource, null) || ' to ' || format_type(k.casttarget, null), $unless_member(
    'definition', concat_ws(' ', nullif(k.castfunc, 0)::regprocedure::text,
        case k.castmethod when 'b' then 'binary' when 'i' then 'by text' end,
        case k.castcontext when 'i' then 'implicit' when 'a' then 'in assignment' else 'explicit' end),
    'comment', obj_description(k.oid, 'pg_cast')) end
from pg_cast k $joined where k.oid >= 16384
""",
    joined=joined("pg_cast", "k.oid"),
    unless_member=unless_member(),
)

_TRANSFORMS = query(
    """
select 'transform for ' || format_type(k.trftype, null) || ' language ' || l.lanname, $unless_member(
    'definition', concat_ws(' ', 'from ' || nullif(k.trffromsql::oid, 0)::regprocedure::text,
        'to ' || nullif(k.trftosql::oid, 0)::regprocedure::text),
    'comment', obj_description(k.oid, 'pg_transform')) end
from pg_transform k join pg_language l on l.oid = k.trflang $joined
""",
    joined=joined("pg_transform", "k.oid"),
    unless_member=unless_member(),
)

_OPERATORS = query(
    """
select 'operator ' || $name || '(' || concat_ws(', ', format_type(nullif(o.oprleft, 0), null),
    format_type(o.oprright, null)) || ')', $unless_member(
    'definition', o.oprcode::text || ' returns ' || format_type(o.oprresult, null),
    'estimators', nullif(concat_ws(' ', nullif(o.oprrest::oid, 0)::regproc::text, 'join '
        || nullif(o.oprjoin::oid, 0)::regproc::text), ''),
    'commutator', nullif(o.oprcom, 0)::regoperator::text,
    'negator', nullif(o.oprnegate, 0)::regoperator::text,
    'hashes', case when o.oprcanhash then 'yes' end,
    'merges', case when o.oprcanmerge then 'yes' end,
    'owner', $owner,
    'comment', obj_description(o.oid, 'pg_operator')) end
from pg_operator o join pg_namespace n on n.oid = o.oprnamespace $joined where $USERS
""",
    name=name("o.oprname"),
    owner=role("o.oprowner"),
    joined=joined("pg_operator", "o.oid"),
    unless_member=unless_member(),
)

_OPERATOR_CLASSES = query(
    """
select 'operator class ' || $name || ' using ' || m.amname, $unless_member(
    'type', format_type(o.opcintype, null),
    'family', f.opfname,
    'default', case when o.opcdefault then 'yes' end,
    'stored as', nullif(o.opckeytype, 0)::regtype::text,
    'owner', $owner,
    'comment', obj_description(o.oid, 'pg_opclass')) end
from pg_opclass o join pg_namespace n on n.oid = o.opcnamespace
join pg_am m on m.oid = o.opcmethod join pg_opfamily f on f.oid = o.opcfamily $joined
where $USERS
""",
    name=name("o.opcname"),
    owner=role("o.opcowner"),
    joined=joined("pg_opclass", "o.oid"),
    unless_member=unless_member(),
)

# What an operator class holds is its family's: an ALTER OPERATOR FAMILY adds to it and takes away.
_OPERATOR_FAMILIES = query(
    """
select 'operator family ' || $name || ' using ' || m.amname, $unless_member(
    'operators', (select string_agg(concat_ws(' ', s.amopstrategy::text, s.amopopr::regoperator::text,
            format_type(s.amoplefttype, null), format_type(s.amoprighttype, null),
            case s.amoppurpose when 'o' then 'for order by '
                || (select b.opfname from pg_opfamily b where b.oid = s.amopsortfamily) end), ', '
            order by s.amopstrategy, s.amopopr::regoperator::text)
        from pg_amop s where s.amopfamily = f.oid),
    'functions', (select string_agg(concat_ws(' ', s.amprocnum::text, s.amproc::regprocedure::text,
            format_type(s.amproclefttype, null), format_type(s.amprocrighttype, null)), ', '
            order by s.amprocnum, s.amproc::regprocedure::text)
        from pg_amproc s where s.amprocfamily = f.oid),
    'owner', $owner,
    'comment', obj_description(f.oid, 'pg_opfamily')) end
from pg_opfamily f join pg_namespace n on n.oid = f.opfnamespace join pg_am m on m.oid = f.opfmethod $joined
where $USERS
""",
    name=name("f.opfname"),
    owner=role("f.opfowner"),
    joined=joined("pg_opfamily", "f.oid"),
    unless_member=unless_member(),
)

_ACCESS_METHODS = query(
    """
select 'access method ' || m.amname, $unless_member(
    'definition', case m.amtype when 'i' then 'index' else 'table' end || ' ' || m.amhandler::text,
    'comment', obj_description(m.oid, 'pg_am')) end
from pg_am m $joined where m.oid >= 16384
""",
    joined=joined("pg_am", "m.oid"),
    unless_member=unless_member(),
)

_CONVERSIONS = query(
    """
select 'conversion ' || $name, $unless_member(
    'definition', concat_ws(' ', pg_encoding_to_char(k.conforencoding), 'to', pg_encoding_to_char(k.contoencoding),
        'by', k.conproc::text),
    'default', case when k.condefault then 'yes' end,
    'owner', $owner,
    'comment', obj_description(k.oid, 'pg_conversion')) end
from pg_conversion k join pg_namespace n on n.oid = k.connamespace $joined where $USERS
""",
    name=name("k.conname"),
    owner=role("k.conowner"),
    joined=joined("pg_conversion", "k.oid"),
    unless_member=unless_member(),
)

# The version of a collation is the operating system's and not of the schema.
_COLLATIONS = query(
    """
select 'collation ' || $name, $unless_member(
    'definition', (to_jsonb(k) - array['oid', 'collname', 'collnamespace', 'collowner', 'collversion'])::text,
    'owner', $owner,
    'comment', obj_description(k.oid, 'pg_collation')) end
from pg_collation k join pg_namespace n on n.oid = k.collnamespace $joined where $USERS
""",
    name=name("k.collname"),
    owner=role("k.collowner"),
    joined=joined("pg_collation", "k.oid"),
    unless_member=unless_member(),
)

_TEXT_SEARCH_CONFIGURATIONS = query(
    """
select 'text search configuration ' || $name, $unless_member(
    'parser', (select p.prsname from pg_ts_parser p where p.oid = k.cfgparser),
    'mappings', (select string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary::text, ', '
            order by m.maptokentype, m.mapseqno)
        from pg_ts_config_map m where m.mapcfg = k.oid),
    'owner', $owner,
    'comment', obj_description(k.oid, 'pg_ts_config')) end
from pg_ts_config k join pg_namespace n on n.oid = k.cfgnamespace $joined where $USERS
""",
    name=name("k.cfgname"),
    owner=role("k.cfgowner"),
    joined=joined("pg_ts_config", "k.oid"),
    unless_member=unless_member(),
)

_TEXT_SEARCH_DICTIONARIES = query(
    """
select 'text search dictionary ' || $name, $unless_member(
    'template', (select t.tmplname from pg_ts_template t where t.oid = k.dicttemplate),
    'settings', k.dictinitoption,
    'owner', $owner,
    'comment', obj_description(k.oid, 'pg_ts_dict')) end
from pg_ts_dict k join pg_namespace n on n.oid = k.dictnamespace $joined where $USERS
""",
    name=name("k.dictname"),
    owner=role("k.dictowner"),
    joined=joined("pg_ts_dict", "k.oid"),
    unless_member=unless_member(),
)

_TEXT_SEARCH_PARSERS = query(
    """
select 'text search parser ' || $name, $unless_member(
    'definition', concat_ws(' ', k.prsstart::text, k.prstoken::text, k.prsend::text, k.prsheadline::text,
        k.prslextype::text),
    'comment', obj_description(k.oid, 'pg_ts_parser')) end
from pg_ts_parser k join pg_namespace n on n.oid = k.prsnamespace $joined where $USERS
""",
    name=name("k.prsname"),
    joined=joined("pg_ts_parser", "k.oid"),
    unless_member=unless_member(),
)

_TEXT_SEARCH_TEMPLATES = query(
    """
select 'text search template ' || $name, $unless_member(
    'definition', concat_ws(' ', k.tmplinit::text, k.tmpllexize::text),
    'comment', obj_description(k.oid, 'pg_ts_template')) end
from pg_ts_template k join pg_namespace n on n.oid = k.tmplnamespace $joined where $USERS
""",
    name=name("k.tmplname"),
    joined=joined("pg_ts_template", "k.oid"),
    unless_member=unless_member(),
)

_LANGUAGES = query(
    """
select 'language ' || l.lanname, $unless_member(
    'definition', concat_ws(' ', nullif(l.lanplcallfoid, 0)::regproc::text, nullif(l.laninline, 0)::regproc::text,
        nullif(l.lanvalidator, 0)::regproc::text),
    'owner', $owner,
    'privileges', $privileges,
    'trusted', l.lanpltrusted::text,
    'comment', obj_description(l.oid, 'pg_language')) end
from pg_language l $joined where l.lanispl
""",
    owner=role("l.lanowner"),
    privileges=privileges("l.lanacl", "l", "l.lanowner"),
    joined=joined("pg_language", "l.oid"),
    unless_member=unless_member(privileges("l.lanacl", "l", "l.lanowner")),
)

SCHEMA = (_ROUTINES, _TYPES, _LANGUAGES)

# By the catalog that holds them.
RARE = {
    "pg_event_trigger": _EVENT_TRIGGERS,
    "pg_cast": _CASTS,
    "pg_transform": _TRANSFORMS,
    "pg_operator": _OPERATORS,
    "pg_opclass": _OPERATOR_CLASSES,
    "pg_opfamily": _OPERATOR_FAMILIES,
    "pg_am": _ACCESS_METHODS,
    "pg_conversion": _CONVERSIONS,
    "pg_collation": _COLLATIONS,
    "pg_ts_config": _TEXT_SEARCH_CONFIGURATIONS,
    "pg_ts_dict": _TEXT_SEARCH_DICTIONARIES,
    "pg_ts_parser": _TEXT_SEARCH_PARSERS,
    "pg_ts_template": _TEXT_SEARCH_TEMPLATES,
}
