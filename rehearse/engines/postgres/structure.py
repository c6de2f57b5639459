"""The tables of a database as generating rows needs them, from the catalogs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from rehearse.profiles import Column, ForeignKey, Structure, TableStructure, Type

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection


class Connects(Protocol):
    """A database as loading sees it: one that can be connected to as its owner, in autocommit."""

    def connect(self, **options: Any) -> Connection:
        """Connect; `options` are libpq's and psycopg's."""
        ...


OURS = """
    n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend e
        WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
    )
"""
# A dot in a table's own name would be taken for the one behind a schema.
NAME = """CASE WHEN n.nspname = 'public' AND strpos(c.relname, '.') = 0
    THEN c.relname ELSE n.nspname || '.' || c.relname END"""
# Partitions are filled through the table that they are part of.
_TABLES = f"""
    SELECT c.oid, {NAME} AS name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND {OURS}
"""
# A domain's base type and modifier are looked up to any depth.
_COLUMNS = """
    WITH RECURSIVE based AS (
        SELECT a.attrelid, a.attnum, a.atttypid AS type, a.atttypmod AS modifier, a.attnotnull AS required
        FROM pg_attribute a
        WHERE a.attrelid = ANY(%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attrelid, b.attnum, t.typbasetype, t.typtypmod, b.required OR t.typnotnull
        FROM based b
        JOIN pg_type t ON t.oid = b.type
        WHERE t.typtype = 'd'
    )
    SELECT a.attrelid, a.attnum, a.attname, format_type(b.type, b.modifier), t.typname, b.modifier, t.typtype, t.oid,
           NOT b.required, a.atthasdef AND a.attgenerated = '', a.attidentity <> '', a.attgenerated <> '',
           pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%%', e.typname, e.typtype, e.oid
    FROM based b
    JOIN pg_type t ON t.oid = b.type AND t.typtype <> 'd'
    JOIN pg_attribute a ON (a.attrelid, a.attnum) = (b.attrelid, b.attnum)
    LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    ORDER BY a.attrelid, a.attnum
"""
_LABELS = "SELECT enumtypid, array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum GROUP BY enumtypid"
_CONSTRAINTS = """
    SELECT conrelid, contype, conkey, confrelid, confkey, pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE conrelid = ANY(%(tables)s) AND contype IN ('f', 'c') AND conparentid = 0
    ORDER BY conrelid, conname
"""
# A domain's conditions, and those of the domains it is made of, for each column that has it.
_DOMAINS = """
    WITH RECURSIVE based AS (
        SELECT a.attrelid, a.attname, a.atttypid AS type
        FROM pg_attribute a
        WHERE a.attrelid = ANY(%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attrelid, b.attname, t.typbasetype
        FROM based b
        JOIN pg_type t ON t.oid = b.type
        WHERE t.typtype = 'd'
    )
    SELECT b.attrelid, b.attname, pg_get_constraintdef(c.oid)
    FROM based b
    JOIN pg_constraint c ON c.contypid = b.type AND c.contype = 'c'
    ORDER BY b.attrelid, b.attname, c.conname
"""
_VALUE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\bVALUE\b""")
# Whole, plain unique indexes: those of constraints are among them; the primary key comes first.
_KEYS = """
    SELECT indrelid, indisprimary, (indkey::int2[])[0:indnkeyatts - 1]
    FROM pg_index
    WHERE indrelid = ANY(%(tables)s) AND indisunique AND indpred IS NULL AND indexprs IS NULL
    ORDER BY indrelid, NOT indisprimary, indexrelid
"""
_KINDS: Mapping[str, dict[str, Any]] = {
    "int2": {"kind": "integer", "bits": 16},
    "int4": {"kind": "integer", "bits": 32},
    "int8": {"kind": "integer"},
    "float4": {"kind": "float", "bits": 32},
    "float8": {"kind": "float"},
    "numeric": {"kind": "numeric"},
    "bool": {"kind": "bool"},
    "text": {"kind": "text"},
    "varchar": {"kind": "text"},
    "bpchar": {"kind": "text"},
    "citext": {"kind": "text"},
    "name": {"kind": "text", "length": 63},
    "char": {"kind": "text", "length": 1},
    "date": {"kind": "date"},
    "time": {"kind": "time"},
    "timestamp": {"kind": "timestamp"},
    "timestamptz": {"kind": "timestamp", "zoned": True},
    "uuid": {"kind": "uuid"},
    "json": {"kind": "json"},
    "jsonb": {"kind": "json"},
    "bytea": {"kind": "bytes"},
    "interval": {"kind": "interval"},
    "inet": {"kind": "inet"},
}


def structure(database: Connects) -> Structure:
    """Return every table of the database that takes rows of its own."""
    with database.connect() as connection:
        names = dict(connection.execute(_TABLES).fetchall())
        wanted = {"tables": list(names)}
        labels = dict(connection.execute(_LABELS).fetchall())
        columns = _by_table(connection.execute(_COLUMNS, wanted))
        constraints = _by_table(connection.execute(_CONSTRAINTS, wanted))
        domains = _by_table(connection.execute(_DOMAINS, wanted))
        keys = _by_table(connection.execute(_KEYS, wanted))
    numbered = {oid: {number: name for number, name, *_ in columns[oid]} for oid in names}
    return Structure(
        {
            name: TableStructure(
                name=name,
                columns={row[1]: _column(row, labels) for row in columns[oid]},
                primary_key=next((_named(key, numbered[oid]) for first, key in keys[oid] if first), None),
                keys=tuple(_named(key, numbered[oid]) for _, key in keys[oid]),
                foreign_keys=tuple(_foreign_keys(constraints[oid], names, numbered, numbered[oid])),
                checks=tuple(_checks(constraints[oid], domains[oid])),
            )
            for oid, name in names.items()
        }
    )


def _by_table(rows: Any) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for oid, *rest in rows:
        found[oid].append(rest)
    return found


def _named(numbers: list[int], names: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(names[number] for number in numbers)


def _foreign_keys(
    rows: list[Any], names: Mapping[int, str], numbered: Mapping[int, Mapping[int, str]], own: Mapping[int, str]
) -> list[ForeignKey]:
    return [
        ForeignKey(columns=_named(columns, own), parent=names[parent], parent_columns=_named(theirs, numbered[parent]))
        for kind, columns, parent, theirs, _ in rows
        if kind == "f" and parent in names
    ]


def _checks(constraints: list[Any], domains: list[Any]) -> Iterator[str]:
    """Yield what rows must hold; in a domain's conditions the column's name takes the place of VALUE."""
    for kind, _, _, _, text in constraints:
        if kind == "c" and not text.endswith(" NOT ENFORCED"):
            yield text
    for column, text in domains:
        name = '"' + column.replace('"', '""') + '"'
        yield _VALUE.sub(lambda found, name=name: name if found[0] == "VALUE" else found[0], text)  # type: ignore[misc]


def _column(row: Any, labels: Mapping[int, list[str]]) -> Column:
    _, name, declared, server_name, modifier, group, oid, *flags, element_name, element_group, element_oid = row
    nullable, has_default, identity, computed, serial = flags
    found = _type(server_name, declared, modifier, labels.get(oid, []) if group == "e" else None)
    if element_name is not None:
        inner_labels = labels.get(element_oid, []) if element_group == "e" else None
        inner = _type(element_name, declared.removesuffix("[]"), modifier, inner_labels)
        found = Type(kind="array", declared=declared, element=inner)
    return Column(
        name=name,
        type=found,
        nullable=nullable,
        has_default=has_default,
        numbered=bool(identity or serial),
        computed=computed,
    )


def _type(name: str, declared: str, modifier: int, labels: list[str] | None) -> Type:
    if labels is not None:
        return Type(kind="enum", declared=declared, labels=tuple(labels))
    known = dict(_KINDS.get(name, {"kind": "other"}))
    if name in ("varchar", "bpchar") and modifier > 4:
        known["length"] = modifier - 4
    if name == "numeric" and modifier > 4:
        known |= {"precision": (modifier - 4) >> 16, "scale": _scale((modifier - 4) & 0x7FF)}
    return Type(declared=declared, **known)


def _scale(bits: int) -> int:
    """Return a numeric's scale, which since PostgreSQL 15 may be negative and is kept in eleven bits."""
    return max(0, (bits ^ 1024) - 1024)
