"""What the traffic must know of a database: tables, keys, references, rows that exist; and whether a call is sound."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import pq, sql

from rehearse.engines.postgres import functions
from rehearse.model import ForeignKey, Survey, TableFacts
from rehearse.model.names import told

# Catalogs only, milliseconds. A partition is seen through its parent. The planner may have been told of more rows than
# there are; counters may have been reset.
_TABLES = """
SELECT c.oid, n.nspname, c.relname,
       coalesce((SELECT sum(least(greatest(l.reltuples, 0), nullif(pg_stat_get_live_tuples(l.oid), 0)))
                   FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf),
                least(c.reltuples, nullif(pg_stat_get_live_tuples(c.oid), 0)))::bigint,
       coalesce((SELECT sum(pg_total_relation_size(t.relid)) FROM pg_partition_tree(c.oid) t),
                pg_total_relation_size(c.oid))::bigint
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
 ORDER BY n.nspname, c.relname
"""
_COLUMNS = """
SELECT a.attrelid, a.attnum, a.attname, a.attgenerated <> '', t.typcategory,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND a.attnum = ANY (i.indkey)),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND a.attnum = ANY (i.indkey)),
       EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype IN ('c', 'x')
                  AND a.attnum = ANY (k.conkey) AND cardinality(k.conkey) > 1),
       EXISTS (SELECT FROM pg_partitioned_table p WHERE p.partrelid = a.attrelid AND a.attnum = ANY (p.partattrs))
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY (%s)
 ORDER BY a.attrelid, a.attnum
"""
_KEYS = """
SELECT DISTINCT ON (i.indrelid) i.indrelid,
       (SELECT array_agg(k ORDER BY n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (k, n) WHERE n <= i.indnkeyatts)
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = ANY (%s) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
   AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                      AND NOT a.attnotnull)
 ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, c.relname
"""
_REFERENCES = """
SELECT conrelid, confrelid, confdeltype IN ('c', 'n', 'd')
  FROM pg_constraint
 WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY (%s) AND confrelid = ANY (%s)
"""
# tgtype: bit 0 is FOR EACH ROW, bit 1 BEFORE, bit 2 INSERT, bit 4 UPDATE
_TRIGGERS = """
SELECT t.tgrelid, l.lanname, p.prosrc
  FROM pg_trigger t
  JOIN pg_proc p ON p.oid = t.tgfoid
  JOIN pg_language l ON l.oid = p.prolang
 WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgrelid = ANY (%s)
"""
_VIEWS = """
WITH RECURSIVE below (view, relation) AS (
    SELECT r.ev_class, d.refobjid
      FROM pg_rewrite r
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                      AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
     WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = r.ev_class AND c.relkind = 'v')
    UNION
    SELECT b.view, d.refobjid
      FROM below b
      JOIN pg_rewrite r ON r.ev_class = b.relation
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                      AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> b.relation
)
SELECT n.nspname, c.relname, array_agg(DISTINCT b.relation)
  FROM below b
  JOIN pg_class c ON c.oid = b.view
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE b.relation = ANY (%s) AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
 GROUP BY 1, 2
"""
# Kinds of types in the order in which a small update likes them: text, numbers, times, booleans, enums.
_LIKED = "SNDBE"
_SCANNED_BYTES = 4 << 30  # a sample reads about so much of a table at most

_ASSIGNS = re.compile(r"\bnew\.(\w+|\"[^\"]+\")\s*:?=(?!=)")
_WHOLE = re.compile(r"\bnew\s*:?=|\binto\s+(?:strict\s+)?new\b", re.IGNORECASE)

Columns = list[tuple[Any, ...]]


def survey(url: str) -> Survey:
    """Return the tables, references and views of a database; reads catalogs, and counts tables never analyzed."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(_TABLES).fetchall()
        names = {oid: told(schema, name) for oid, schema, name, _, _ in found}
        oids = list(names)
        columns = _grouped(connection.execute(_COLUMNS, [oids]).fetchall())
        keys: dict[int, list[int]] = dict(connection.execute(_KEYS, [oids]).fetchall())
        triggers = _grouped(connection.execute(_TRIGGERS, [oids]).fetchall())
        tables = [
            _facts(
                (schema, name, rows if rows >= 0 else _counted(connection, schema, name), size),
                columns[oid],
                keys.get(oid, ()),
                _assigned(triggers[oid]),
            )
            for oid, schema, name, rows, size in found
        ]
        references = connection.execute(_REFERENCES, [oids, oids]).fetchall()
        views = connection.execute(_VIEWS, [oids]).fetchall()
        writing = functions.writing(connection, names.values())
    return Survey(
        tables={one.table: one for one in tables},
        references=tuple(ForeignKey(table=names[a], references=names[b], cascades=c) for a, b, c in references),
        views={told(schema, name): tuple(sorted(names[oid] for oid in below)) for schema, name, below in views},
        functions=writing,
    )


def _grouped(rows: Sequence[tuple[Any, ...]]) -> defaultdict[Any, Columns]:
    groups: defaultdict[Any, Columns] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row[1:])
    return groups


def _counted(connection: psycopg.Connection, schema: str, name: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name))).fetchone()
    assert row is not None
    return int(row[0])


def _facts(
    found: tuple[str, str, int, int], columns: Columns, key: Sequence[int], assigned: set[str] | None
) -> TableFacts:
    schema, name, rows, size = found
    names = {number: str(column) for number, column, *_ in columns}
    keyed = tuple(names[number] for number in key)
    return TableFacts(
        table=told(schema, name),
        schema=schema,
        name=name,
        rows=rows,
        size_bytes=size,
        columns=tuple(names.values()),
        key=keyed,
        unclear=tuple(
            str(column)
            for _, column, generated, *_ in columns
            if generated or (column not in keyed and (assigned is None or column in assigned))
        ),
        plain=_plain(columns, keyed),
    )


def _assigned(triggers: Columns) -> set[str] | None:
    """Return the columns of NEW that BEFORE triggers assign, by their source; None where that cannot be read."""
    found: set[str] = set()
    for language, source in triggers:
        if language != "plpgsql" or _WHOLE.search(str(source)):
            return None
        found |= {name.strip('"') for name in _ASSIGNS.findall(str(source).lower())}
    return found


def _plain(columns: Columns, key: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that take any value they hold already: not unique, generated or checked together."""
    fit = [
        (bool(indexed), _LIKED.index(str(category)), number, str(column))
        for number, column, generated, category, indexed, unique, checked, partitioning in columns
        if not (generated or unique or checked or partitioning or column in key) and str(category) in _LIKED
    ]
    return tuple(column for *_, column in sorted(fit))


def sample(url: str, table: TableFacts, columns: Sequence[str], *, limit: int, seed: int) -> list[list[str | None]]:
    """Return at most about `limit` rows of some columns as text, column by column, spread evenly over the table.

    Tables up to 4 GB are read whole; of larger ones every so many pages. The same rows for the same seed and bytes.
    """
    share = min(1.0, 1.05 * limit / table.rows) if table.rows > limit else 1.0
    pages = min(1.0, _SCANNED_BYTES / max(1, table.size_bytes))
    query = sql.SQL("SELECT {} FROM {} {} LIMIT {}").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns),
        sql.Identifier(table.schema, table.name),
        _sampling(share, pages, seed),
        sql.Literal(limit),
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT set_config('synchronize_seqscans', 'off', false), setseed(0.5)")
        rows = sorted(connection.execute(query).fetchall(), key=repr)  # an update moves a row, and changes no draw
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in columns]


def _sampling(share: float, pages: float, seed: int) -> sql.Composable:
    if share >= 1.0:
        return sql.SQL("")
    if pages >= 1.0:
        return sql.SQL("TABLESAMPLE BERNOULLI ({}) REPEATABLE ({})").format(100 * share, seed)
    pages = max(pages, share)
    return sql.SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE ({}) WHERE random() < {}").format(
        100 * pages, seed, share / pages
    )


def greatest(url: str, table: TableFacts, column: str) -> str | None:
    """Return the greatest value of a column as text; None for an empty table. Quick where an index leads with it."""
    query = sql.SQL("SELECT max({})::text FROM {}").format(
        sql.Identifier(column), sql.Identifier(table.schema, table.name)
    )
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


def refusals(url: str, statements: Sequence[str], settings: Mapping[str, str]) -> list[str | None]:
    """Return for each statement what the server says against preparing it, or None."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        return [_refusal(connection, statement) for statement in statements]


def _refusal(connection: psycopg.Connection, statement: str) -> str | None:
    result = connection.pgconn.prepare(b"", statement.encode())
    if result.status == pq.ExecStatus.COMMAND_OK:
        return None
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    hint = result.error_field(pq.DiagnosticField.MESSAGE_HINT)
    return message.decode("utf-8", "replace") + (f" ({hint.decode('utf-8', 'replace')})" if hint else "")
