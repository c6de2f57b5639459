"""The tables of a database as changing them needs them, from the catalogs. Names in definitions bear their schema."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rehearse.engines.postgres.structure import OURS
from rehearse.model.names import told
from rehearse.profiles.blueprint import Blueprint, Column, Constraint, Grant, Index, Plan, Sequence, Trigger, View

if TYPE_CHECKING:
    from rehearse.engines.postgres.structure import Connects

# Those of a rehearsal's own roles come by default privileges, and are no part of what a user's text should say.
_GRANTS = """
    SELECT jsonb_agg(jsonb_build_object('privileges', what, 'to', who, 'grantable', is_grantable) ORDER BY who)
    FROM (
        SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS who, is_grantable,
               string_agg(privilege_type, ', ' ORDER BY privilege_type) AS what
        FROM aclexplode({acl})
        WHERE grantee <> {owner} AND (grantee = 0 OR pg_get_userbyid(grantee) !~ '^rehearse_')
        GROUP BY 1, 2) granted
"""
_TABLES = f"""
    SELECT c.oid, n.nspname, c.relname, pg_get_userbyid(c.relowner), obj_description(c.oid, 'pg_class'),
           (SELECT array_agg(format('%%s%%s=%%L', part, option_name, option_value))
            FROM (SELECT '' AS part, c.reloptions AS options
                  UNION ALL SELECT 'toast.', t.reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid) o,
                 pg_options_to_table(o.options)),
           c.relpersistence = 'u', CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
           ({_GRANTS.format(acl="c.relacl", owner="c.relowner")})
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND {OURS}
"""
# What a column has beside its type, as words behind ALTER COLUMN.
_COLUMNS = f"""
    SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
           CASE a.attgenerated WHEN '' THEN pg_get_expr(d.adbin, d.adrelid) END,
           CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
           CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
           col_description(a.attrelid, a.attnum),
           array_remove(ARRAY[
               CASE WHEN a.attstattarget >= 0 THEN 'SET STATISTICS ' || a.attstattarget END,
               CASE WHEN a.attstorage <> t.typstorage THEN 'SET STORAGE ' || CASE a.attstorage
                   WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,
               CASE a.attcompression WHEN 'p' THEN 'SET COMPRESSION pglz' WHEN 'l' THEN 'SET COMPRESSION lz4' END,
               'SET (' || (SELECT string_agg(o, ', ') FROM unnest(a.attoptions) o
                           WHERE o !~ '^pg_attver=') || ')'], NULL),
           a.attgenerated = 'v',
           ARRAY(SELECT b.attname::text FROM pg_depend e
                 JOIN pg_attribute b ON (b.attrelid, b.attnum) = (e.refobjid, e.refobjsubid)
                 WHERE a.attgenerated <> '' AND e.classid = 'pg_attrdef'::regclass AND e.objid = d.oid
                   AND e.refobjid = a.attrelid AND b.attnum <> a.attnum),
           ({_GRANTS.format(acl="a.attacl", owner="c.relowner")})
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    WHERE a.attrelid = ANY(%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum
"""
_SEQUENCES = f"""
    SELECT d.refobjid, a.attname, c.oid::regclass::text, format_type(s.seqtypid, NULL),
           format('INCREMENT BY %%s MINVALUE %%s MAXVALUE %%s START WITH %%s CACHE %%s%%s', s.seqincrement, s.seqmin,
                  CASE WHEN s.seqmax IN (32767, 2147483647, 9223372036854775807) THEN NULL ELSE s.seqmax END,
                  s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' END),
           CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
           ({_GRANTS.format(acl="c.relacl", owner="c.relowner")}), obj_description(c.oid, 'pg_class')
    FROM pg_depend d
    JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
    JOIN pg_sequence s ON s.seqrelid = c.oid
    JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.refobjid, d.refobjsubid)
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
      AND d.refobjid = ANY(%(tables)s)
"""
_NAMES = """ARRAY(
    SELECT b.attname::text FROM unnest({keys}) WITH ORDINALITY u (attnum, place)
    JOIN pg_attribute b ON b.attrelid = {table} AND b.attnum = u.attnum ORDER BY u.place)"""
# NOT NULL is told with the column.
_CONSTRAINTS = f"""
    SELECT k.conrelid, k.conname, k.contype, regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
           {_NAMES.format(keys="k.conkey", table="k.conrelid")}, n.nspname, p.relname,
           {_NAMES.format(keys="k.confkey", table="k.confrelid")}, x.relname, k.convalidated,
           obj_description(k.oid, 'pg_constraint')
    FROM pg_constraint k
    LEFT JOIN pg_class p ON p.oid = k.confrelid
    LEFT JOIN pg_namespace n ON n.oid = p.relnamespace
    LEFT JOIN pg_class x ON x.oid = k.conindid AND k.contype IN ('p', 'u', 'x')
    WHERE k.conrelid = ANY(%(tables)s) AND k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conparentid = 0
    ORDER BY k.conrelid, k.contype <> 'p', k.conname
"""
_INDEXES = """
    SELECT i.indrelid, x.relname, i.indisunique,
           regexp_replace(pg_get_indexdef(x.oid), '^CREATE (UNIQUE )?INDEX .*? ON (ONLY )?.*? USING ', 'USING '),
           ARRAY(SELECT DISTINCT a.attname::text FROM pg_depend d
                 JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.refobjid, d.refobjsubid)
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid AND d.refobjid = i.indrelid
                 UNION SELECT a.attname::text FROM pg_attribute a
                 WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)),
           ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = x.oid ORDER BY a.attnum),
           k.conname, obj_description(x.oid, 'pg_class'),
           array_remove(ARRAY[CASE WHEN i.indisclustered THEN 'CLUSTER' END,
                              CASE WHEN i.indisreplident THEN 'REPLICA IDENTITY' END], NULL)
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.contype IN ('p', 'u', 'x')
    WHERE i.indrelid = ANY(%(tables)s)
    ORDER BY i.indrelid, x.relname
"""
_TRIGGERS = f"""
    SELECT t.tgrelid, t.tgname, pg_get_triggerdef(t.oid), format(' ON %%I.%%I ', n.nspname, c.relname),
           CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS'
               ELSE 'ENABLE' END, obj_description(t.oid, 'pg_trigger'),
           {_NAMES.format(keys="t.tgattr::int2[]", table="t.tgrelid")}
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgrelid = ANY(%(tables)s)
    ORDER BY t.tgrelid, t.tgname
"""
# What a view has of its own, as statements that make it: defaults, triggers, rules, and what is said of these.
_ALSO = """ARRAY(
    SELECT format('ALTER VIEW %%I.%%I ALTER COLUMN %%I SET DEFAULT %%s', n.nspname, c.relname, a.attname,
                  pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attrdef d JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.adrelid, d.adnum) WHERE d.adrelid = c.oid
    UNION ALL
    SELECT told FROM pg_trigger t, unnest(ARRAY[
        pg_get_triggerdef(t.oid),
        format('COMMENT ON TRIGGER %%I ON %%I.%%I IS ', t.tgname, n.nspname, c.relname)
            || quote_literal(obj_description(t.oid, 'pg_trigger'))]) told
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND told IS NOT NULL
    UNION ALL
    SELECT told FROM pg_rewrite r, unnest(ARRAY[
        rtrim(pg_get_ruledef(r.oid), ';'),
        format('COMMENT ON RULE %%I ON %%I.%%I IS ', r.rulename, n.nspname, c.relname)
            || quote_literal(obj_description(r.oid, 'pg_rewrite'))]) told
    WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN' AND told IS NOT NULL)"""
# Views that read a table, to any depth; `level` is how far away the table is at most.
_VIEWS = f"""
    WITH RECURSIVE reading AS (
        SELECT DISTINCT d.refobjid AS root, r.ev_class AS view, 1 AS level
        FROM pg_depend d
        JOIN pg_rewrite r ON r.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
          AND d.refobjid = ANY(%(tables)s) AND r.ev_class <> d.refobjid
        UNION
        SELECT g.root, r.ev_class, g.level + 1
        FROM reading g
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
                        AND d.refobjid = g.view
        JOIN pg_rewrite r ON r.oid = d.objid
        WHERE r.ev_class <> g.view
    )
    SELECT g.root, n.nspname, c.relname, pg_get_viewdef(c.oid),
           ARRAY(SELECT DISTINCT a.attname::text FROM pg_depend d
                 JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class = c.oid
                 JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.refobjid, d.refobjsubid)
                 WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = g.root),
           (SELECT array_agg(format('%%s=%%L', option_name, option_value)) FROM pg_options_to_table(c.reloptions)),
           pg_get_userbyid(c.relowner), obj_description(c.oid, 'pg_class'),
           (SELECT jsonb_object_agg(a.attname, col_description(a.attrelid, a.attnum)) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND col_description(a.attrelid, a.attnum) IS NOT NULL),
           {_ALSO},
           (SELECT jsonb_object_agg(a.attname, ({_GRANTS.format(acl="a.attacl", owner="c.relowner")}))
            FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL),
           ({_GRANTS.format(acl="c.relacl", owner="c.relowner")})
    FROM (SELECT root, view, max(level) AS level FROM reading GROUP BY 1, 2) g
    JOIN pg_class c ON c.oid = g.view AND c.relkind = 'v'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    ORDER BY g.root, g.level, n.nspname, c.relname
"""
# What else hangs on a table, and on which of its columns: no way carries it along.
_HINDRANCES = f"""
    SELECT r.ev_class, 'rule ' || r.rulename, ARRAY[]::text[] FROM pg_rewrite r
    WHERE r.ev_class = ANY(%(tables)s)
    UNION ALL
    SELECT p.polrelid, 'policy ' || p.polname, ARRAY[]::text[] FROM pg_policy p WHERE p.polrelid = ANY(%(tables)s)
    UNION ALL
    SELECT c.oid, 'row security', ARRAY[]::text[] FROM pg_class c
    WHERE c.oid = ANY(%(tables)s) AND (c.relrowsecurity OR c.relforcerowsecurity)
    UNION ALL
    SELECT p.prrelid, 'publication ' || b.pubname, ARRAY[]::text[] FROM pg_publication_rel p
    JOIN pg_publication b ON b.oid = p.prpubid WHERE p.prrelid = ANY(%(tables)s)
    UNION ALL
    SELECT i.inhparent, 'table ' || i.inhrelid::regclass || ', which inherits from it', ARRAY[]::text[]
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent AND c.relkind = 'r' WHERE i.inhparent = ANY(%(tables)s)
    UNION ALL
    SELECT i.inhrelid, 'table ' || i.inhparent::regclass || ', from which it inherits', ARRAY[]::text[]
    FROM pg_inherits i WHERE i.inhrelid = ANY(%(tables)s)
    UNION ALL
    SELECT c.oid, 'replica identity', ARRAY[]::text[] FROM pg_class c
    WHERE c.oid = ANY(%(tables)s) AND c.relreplident <> 'd'
    UNION ALL
    SELECT s.stxrelid, 'statistics ' || s.stxname, {_NAMES.format(keys="s.stxkeys::int2[]", table="s.stxrelid")}
    FROM pg_statistic_ext s WHERE s.stxrelid = ANY(%(tables)s)
    UNION ALL
    SELECT DISTINCT d.refobjid, 'materialized view ' || c.oid::regclass, ARRAY[]::text[]
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = ANY(%(tables)s) AND c.relkind = 'm'
    UNION ALL
    SELECT d.refobjid, 'function ' || d.objid::regprocedure, ARRAY[]::text[]
    FROM pg_depend d
    WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY(%(tables)s)
    UNION ALL
    SELECT t.typrelid, 'function ' || d.objid::regprocedure, ARRAY[]::text[]
    FROM pg_depend d JOIN pg_type t ON t.oid = d.refobjid
    WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_type'::regclass AND t.typrelid = ANY(%(tables)s)
"""
_KINDS: Mapping[str, Any] = {
    "p": "primary key", "u": "unique", "f": "foreign key", "c": "check", "x": "exclusion",
}  # fmt: skip


def blueprint(database: Connects) -> Blueprint:
    """Return every table of the database; costs nine queries."""
    with database.connect(options="-c search_path=pg_catalog") as connection:
        tables = connection.execute(_TABLES, {}).fetchall()
        wanted = {"tables": [row[0] for row in tables]}
        asked = (_COLUMNS, _SEQUENCES, _CONSTRAINTS, _INDEXES, _TRIGGERS, _VIEWS, _HINDRANCES)
        columns, sequences, *parts = (_by_table(connection.execute(text, wanted)) for text in asked)
    found = {}
    for oid, *row in tables:
        numbered = {name: _sequence(rest) for name, *rest in sequences[oid]}
        plan = _plan(row, columns[oid], numbered, [part[oid] for part in parts])
        found[plan.name] = plan
    return Blueprint(found)


def _by_table(rows: Iterable[Any]) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for oid, *rest in rows:
        found[oid].append(rest)
    return found


def _plan(row: Any, columns: Any, numbered: Mapping[str, Sequence], parts: list[Any]) -> Plan:
    schema, own, owner, comment, options, unlogged, partitioned, grants = row
    constraints, indexes, triggers, views, hindrances = parts
    rights = [*_grants(grants), *(one for name, *_, given in columns for one in _grants(given, name))]
    return Plan(
        name=told(schema, own),
        schema=schema,
        own=own,
        columns={one[0]: _column(one, numbered.get(one[0])) for one in columns},
        constraints=tuple(map(_constraint, constraints)),
        indexes=tuple(map(_index, indexes)),
        triggers=tuple(map(_trigger, triggers)),
        views=tuple(map(_view, views)),
        grants=tuple(rights),
        owner=owner,
        comment=comment,
        options=tuple(options or ()),
        unlogged=unlogged,
        partitioned=partitioned,
        hindrances=tuple((says, tuple(about)) for says, about in hindrances),
    )


def _grants(found: list[dict[str, Any]] | None, column: str | None = None) -> list[Grant]:
    return [
        Grant(privileges=one["privileges"], to=one["to"], grantable=one["grantable"], column=column)
        for one in found or ()
    ]


def _sequence(row: Any) -> Sequence:
    name, declared, options, identity, grants, comment = row
    settled = options.replace("MAXVALUE  ", "")  # the type's own, which goes with it
    return Sequence(
        name=name, type=declared, options=settled, identity=identity, grants=tuple(_grants(grants)), comment=comment
    )


def _column(row: Any, sequence: Sequence | None) -> Column:
    name, declared, nullable, default, generated, collation, comment, settings, virtual, reads, _ = row
    return Column(
        name=name,
        type=declared,
        nullable=nullable,
        default=default,
        generated=generated,
        virtual=virtual,
        reads=tuple(reads),
        sequence=sequence,
        collation=collation,
        comment=comment,
        settings=tuple(settings),
    )


def _constraint(row: Any) -> Constraint:
    name, kind, definition, columns, schema, parent, theirs, index, valid, comment = row
    return Constraint(
        name=name,
        kind=_KINDS[kind],
        definition=definition,
        columns=tuple(columns),
        parent=None if parent is None else told(schema, parent),
        parent_columns=tuple(theirs),
        index=index,
        valid=valid,
        comment=comment,
    )


def _index(row: Any) -> Index:
    name, unique, definition, columns, words, constraint, comment, settings = row
    return Index(
        name=name,
        unique=unique,
        definition=definition,
        columns=tuple(columns),
        words=tuple(words),
        constraint=constraint,
        comment=comment,
        settings=tuple(settings),
    )


def _trigger(row: Any) -> Trigger:
    name, definition, on, enabled, comment, columns = row
    before, _, after = definition.partition(on)
    return Trigger(name=name, before=before, after=after, enabled=enabled, comment=comment, columns=tuple(columns))


def _view(row: Any) -> View:
    schema, own, definition, columns, options, owner, comment, column_comments, also, column_grants, grants = row
    rights = [*_grants(grants), *(one for name, given in (column_grants or {}).items() for one in _grants(given, name))]
    return View(
        name=told(schema, own),
        definition=re.sub(r";\s*$", "", definition),
        columns=tuple(columns),
        options=f"WITH ({', '.join(options)})" if options else "",
        owner=owner,
        comment=comment,
        column_comments=column_comments or {},
        also=tuple(also),
        grants=tuple(rights),
    )
