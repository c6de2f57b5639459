"""Tables as a comparison sees them, and the SQL that turns a value into its exact image, its hash and its text.

Two values have one image only if they are the same to the last bit: `hash_numeric` takes 1.0 for 1.00, the float
hash -0 for 0, bpchar ignores blanks, `hashint8extended` takes 4294967295 for -1, a nondeterministic collation 'a' for
'A', and a record's hash 1 month for 30 days. So those types are hashed by their wire form or their text.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from rehearse.model.names import told

# One row a column, of tables that are no partition: partitions are read through their root.
_TABLES = """
with tables as materialized (
    select c.oid, n.nspname, c.relname, c.relkind,
        case c.relkind when 'r' then pg_total_relation_size(c.oid)
            else (select coalesce(sum(pg_total_relation_size(p.relid)), 0)::int8 from pg_partition_tree(c.oid) p)
        end as size
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
        and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        and not exists (select from pg_depend x where x.classid = 'pg_class'::regclass and x.objid = c.oid
            and x.deptype = 'e'))
select c.nspname, c.relname, c.relkind::text, c.size, a.attname, format_type(a.atttypid, a.atttypmod), b.typname,
    bn.nspname = 'pg_catalog', b.typcategory::text,
    coalesce(e.typname, ''), coalesce(k.collisdeterministic, true), a.attgenerated <> '' or a.attidentity = 'a',
    case when b.typname in ('varchar', 'bpchar') and bn.nspname = 'pg_catalog'
        then b.typname else format_type(a.atttypid, a.atttypmod) end
from tables c
left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join lateral (
    with recursive base (oid, depth) as (
        select a.atttypid, 0
        union all
        select d.typbasetype, base.depth + 1 from base join pg_type d on d.oid = base.oid where d.typtype = 'd')
    select oid from base order by depth desc limit 1) root on true
left join pg_type b on b.oid = root.oid
left join pg_namespace bn on bn.oid = b.typnamespace
left join pg_type e on e.oid = b.typelem and b.typcategory = 'A' and e.oid < 16384 and e.typtype in ('b', 'e')
    and e.typsend <> 0::regproc
left join pg_collation k on k.oid = a.attcollation
order by 1, 2, a.attname collate "C"
"""

# Unique sets of columns that are never NULL, the primary key first, then the narrowest.
_KEYS = """
select n.nspname, c.relname,
    array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality k (attnum, place)
          join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
          where k.place <= i.indnkeyatts order by k.place)
from pg_index i join pg_class x on x.oid = i.indexrelid
join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
where i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
    and c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not exists (select from unnest(i.indkey::int2[]) with ordinality k (attnum, place)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
        where k.place <= i.indnkeyatts and not a.attnotnull)
order by 1, 2, i.indisprimary desc, i.indnkeyatts, x.relname
"""

INTEGERS = frozenset({"int2", "int4", "int8"})
_NUMBERS = INTEGERS | {"numeric"}
_FLOATS = frozenset({"float4", "float8"})
_TIMES = frozenset({"date", "timestamp", "timestamptz"})
_SENT = {
    "int8": "int8send",
    "numeric": "numeric_send",
    "float4": "float4send",
    "float8": "float8send",
    "timestamp": "timestamp_send",
    "timestamptz": "timestamptz_send",
    "time": "time_send",
    "timetz": "timetz_send",
    "interval": "interval_send",
    "bpchar": "bpcharsend",
}
_PLAIN = frozenset({"int2", "int4", "text", "varchar", "bool", "uuid", "bytea", "date"})
CODELESS = frozenset(_SENT.keys() - {"bpchar"}) | (_PLAIN - {"text", "varchar"})  # no value of these holds a character
_DIRECT = {"int2": "hashint2extended", "int4": "hashint4extended", "uuid": "uuid_hash_extended"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; `base` is the built-in type below its domains, "" for one that is not built in."""

    name: str
    type: str  # as declared, with its length
    base: str
    is_array: bool  # of a built-in type
    is_deterministic: bool
    is_generated: bool
    cast: str  # the type to read a written text as; without a length, which would cut

    @property
    def identifier(self) -> sql.Identifier:
        """The column's name, quoted."""
        return sql.Identifier(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table and its unique, never NULL sets of columns, the primary key first."""

    schema: str
    relation: str
    is_partitioned: bool
    size_bytes: int
    columns: dict[str, Column]
    keys: tuple[tuple[str, ...], ...] = ()

    @property
    def name(self) -> str:
        """The name with its schema unless that is "public"."""
        return told(self.schema, self.relation)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell a row; empty: none do."""
        return self.keys[0] if self.keys else ()

    @property
    def source(self) -> sql.Composed:
        """What to select from: partitions included, tables that inherit left out."""
        only = sql.SQL("" if self.is_partitioned else "only ")
        return sql.SQL("{}{}").format(only, sql.Identifier(self.schema, self.relation))


def read(connection: Connection[Any]) -> dict[str, Table]:
    """Return the user's tables by name."""
    columns: dict[tuple[str, str], dict[str, Column]] = {}
    facts: dict[tuple[str, str], tuple[bool, int]] = {}
    keys: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for schema, relation, kind, size, *column in connection.execute(_TABLES):
        facts[schema, relation] = (kind == "p", size)
        known = columns.setdefault((schema, relation), {})
        if column[0] is not None:
            known[column[0]] = _column(*column)
    for schema, relation, names in connection.execute(_KEYS):
        keys.setdefault((schema, relation), []).append(tuple(names))
    tables = (
        Table(
            schema=place[0],
            relation=place[1],
            is_partitioned=is_partitioned,
            size_bytes=size,
            columns=columns[place],
            keys=tuple(keys.get(place, ())),
        )
        for place, (is_partitioned, size) in facts.items()
    )
    return {table.name: table for table in tables}


def _column(  # noqa: PLR0917
    name: str,
    type_: str,
    base: str,
    is_builtin: bool,  # noqa: FBT001 - a row of the catalog
    category: str,
    element: str,
    is_deterministic: bool,  # noqa: FBT001
    is_generated: bool,  # noqa: FBT001
    cast: str,
) -> Column:
    return Column(
        name=name,
        type=type_,
        base=base if is_builtin else "",
        is_array=category == "A" and bool(element),
        is_deterministic=is_deterministic,
        is_generated=is_generated,
        cast=cast,
    )


def image(column: Column) -> sql.Composed:
    """Return SQL for a value's exact image, of a type that can be hashed within a record."""
    if column.base in _SENT:
        return sql.SQL("{}({})").format(sql.SQL(_SENT[column.base]), column.identifier)
    if column.is_array:
        return sql.SQL("array_send({})").format(column.identifier)
    if column.base in _PLAIN:
        return sql.SQL("{}" if column.is_deterministic else "textsend({}::text)").format(column.identifier)
    return sql.SQL("{}::text").format(column.identifier)


def hashed(column: Column, seed: sql.Composable) -> sql.Composed:
    """Return SQL for the 64-bit hash of a value under a seed, NULL for NULL; without a record where that is sound."""
    salted = sql.SQL("({} # {})").format(seed, sql.Literal(_salt(column.name)))
    if column.base in _DIRECT:
        return sql.SQL("{}({}, {})").format(sql.SQL(_DIRECT[column.base]), column.identifier, salted)
    if column.base == "bool":
        return sql.SQL("hashint4extended({}::int4, {})").format(column.identifier, salted)
    is_text = column.base not in _SENT and not column.is_array and column.base not in _PLAIN - {"text", "varchar"}
    if is_text and column.is_deterministic:
        return sql.SQL('hashtextextended({}::text collate "C", {})').format(column.identifier, salted)
    return sql.SQL("case when {} is not null then hash_record_extended(row({}), {}) end").format(
        column.identifier, image(column), salted
    )


def _salt(name: str) -> int:
    """Return a constant for a column, so that two columns that change places do not cancel out."""
    raw = name.encode()
    return (zlib.crc32(raw) << 31) ^ zlib.crc32(raw[::-1])


def row_hash(columns: list[Column], seed: sql.Composable) -> sql.Composed:
    """Return SQL for the hash of a whole row under a seed; a single row expression, so it costs one call."""
    return sql.SQL("hash_record_extended(row({}), {})").format(sql.SQL(", ").join(map(image, columns)), seed)


def key_hash(table: Table, key: tuple[str, ...]) -> sql.Composed:
    """Return SQL for the 64-bit number that stands for a row: its integer key itself, else the hash of its key.

    Without a key it is the hash of the whole row, so that equal rows have equal numbers.
    """
    columns = [table.columns[name] for name in key]
    if len(columns) == 1 and columns[0].base in INTEGERS:
        return sql.SQL("{}::int8").format(columns[0].identifier)
    return row_hash(columns or list(table.columns.values()), sql.SQL("0"))


def common(one: Column, other: Column) -> tuple[sql.Composed, sql.Composed]:
    """Return SQL for both columns' values as texts that are equal only if the values are.

    The same type: exactly equal, scale included (but for the blanks of a char, which mean nothing). Another type: equal
    by value, so that a change of type alone changes nothing.
    """
    form = value_form(one, other)
    return sql.SQL(form).format(one.identifier), sql.SQL(form).format(other.identifier)


def value_form(one: Column, other: Column) -> str:
    """Return the format of `common`, for values that stand elsewhere than in a column."""
    return "({})::text" if (one.type, one.base) == (other.type, other.base) else _by_value(one.base, other.base)


_TRUTH = "case ({0})::text when 'true' then '1' when 'false' then '0' else ({0})::text end"
# Two types -> the format in which equal values have equal texts; the first that holds both counts.
_BY_VALUE = (
    (_NUMBERS, "trim_scale(({})::numeric)::text"),
    (_FLOATS, "(({})::float8)::text"),
    (_NUMBERS | _FLOATS, "trim_scale((({})::text)::numeric)::text"),  # a float is what its text says: 0.1
    (_NUMBERS | {"bool"}, f"trim_scale(({_TRUTH})::numeric)::text"),
    (_TIMES, "(({})::timestamp)::text"),
    ({"json", "jsonb"}, "(({})::jsonb)::text"),
)


def _by_value(one: str, other: str) -> str:
    return next((form for some, form in _BY_VALUE if {one, other} <= some), "({})::text")
