"""SQL for values, rows and keys as bytes that are equal only if the values are, and for 64-bit hashes of them.

A row's image is its columns' images in the order of their names, each with its length before it and NULL told apart, so
that no two rows share one. Its hash is the first 64 bits of SHA-1 or SHA-2: the server's CRC is linear, and a sum or
XOR of CRCs does not see values that changed places. An image holds the key, so a sum of hashes does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rehearse.engines.mysql.client import Connection, named, rows
from rehearse.engines.mysql.flavour import Flavour
from rehearse.engines.mysql.survey import KEYS, whole_keys

# The statistics' sizes are those of the last ANALYZE, those of the files are now.
_TABLES = """
    SELECT t.table_name, coalesce(
               (SELECT sum(f.file_size) FROM information_schema.{innodb}tablespaces f
                WHERE f.name = concat(t.table_schema, '/', t.table_name)
                   OR f.name LIKE concat(t.table_schema, '/', t.table_name, '#p#%')),
               t.data_length + t.index_length, 0)
    FROM information_schema.tables t
    WHERE t.table_schema = database() AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
    ORDER BY t.table_name
"""
_COLUMNS = """
    SELECT table_name, column_name, data_type, column_type, character_set_name, collation_name,
           COALESCE(generation_expression, '') <> ''
    FROM information_schema.columns
    WHERE table_schema = database()
    ORDER BY table_name, column_name
"""
INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"})
_REALS = frozenset({"float", "double"})
_TIMES = frozenset({"date", "datetime", "timestamp"})
_SHAPES = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"}
    | {"geometrycollection", "geomcollection"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. `base` is its type without length and attributes, `type` the whole."""

    name: str
    base: str
    type: str
    charset: str | None
    collation: str | None
    is_generated: bool

    @property
    def declaration(self) -> str:
        """Return the type as a temporary table needs it."""
        return f"{self.type} COLLATE {self.collation}" if self.collation else self.type

    @property
    def image(self) -> str:
        """Return SQL for the value's bytes; NULL for NULL."""
        if self.base == "vector":  # which MySQL joins with nothing
            return f"UNHEX(HEX({named(self.name)}))"
        if self.base in _BYTES:
            return named(self.name)
        if self.base in _SHAPES:
            return f"CONCAT(ST_SRID({named(self.name)}), ':', ST_AsBinary({named(self.name)}))"
        return f"CAST({self.text} AS BINARY)"

    @property
    def text(self) -> str:
        """Return SQL for the value as a text that tells it exactly: FLOAT's own has six digits of its seven."""
        name = named(self.name)
        if self.base in _BYTES:
            return f"CONCAT('0x', HEX({name}))"
        if self.base in _SHAPES:
            return f"ST_AsText({name})"
        if self.base == "bit":
            return f"CAST({name} + 0 AS CHAR CHARACTER SET utf8mb4)"
        if self.base == "float":
            return f"CAST(CAST({name} AS DOUBLE) AS CHAR CHARACTER SET utf8mb4)"
        return f"CONVERT({name} USING utf8mb4)" if self.charset else f"CAST({name} AS CHAR CHARACTER SET utf8mb4)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table, its columns in the order of their names, and its keys, the primary one first."""

    name: str
    size_bytes: int
    digest: str  # the flavour's
    columns: Mapping[str, Column]
    keys: tuple[tuple[str, ...], ...]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the first key; empty where there is none."""
        return self.keys[0] if self.keys else ()

    @property
    def source(self) -> str:
        """The table's name in SQL."""
        return named(self.name)

    def hashed(self, image: str) -> str:
        """Return SQL for the hash of an image as 16 hexadecimal digits."""
        return f"LEFT({self.digest.format(image)}, 16)"


def read(connection: Connection, flavour: Flavour) -> dict[str, Table]:
    """Return the tables of the connection's database by name."""
    columns: defaultdict[str, dict[str, Column]] = defaultdict(dict)
    for table, name, base, kind, charset, collation, is_generated in rows(connection, _COLUMNS):
        columns[table][name] = Column(
            name=name, base=base, type=kind, charset=charset, collation=collation, is_generated=bool(is_generated)
        )
    indexes = defaultdict(list)
    for table, *rest in rows(connection, KEYS):
        indexes[table].append(rest)
    return {
        name: Table(
            name=name,
            size_bytes=int(size),
            digest=flavour.digest,
            columns=columns[name],
            keys=tuple(whole_keys(indexes[name])),
        )
        for name, size in rows(connection, _TABLES.format(innodb=flavour.innodb))
    }


def tagged(images: Iterable[str]) -> str:
    """Return SQL for several images as one, each with its length before it, NULL as N."""
    parts = (f"IFNULL(CONCAT(LENGTH({one}), ':', {one}), 'N')" for one in images)
    return f"CONCAT({', '.join(parts)})"


def summed(hexadecimal: str) -> str:
    """Return SQL for the exact sum of such hashes; NULL where one could not be computed."""
    number = f"CAST(CONV({hexadecimal}, 16, 10) AS UNSIGNED)"
    return f"IF(COUNT({hexadecimal}) = COUNT(*), COALESCE(SUM({number}), 0), NULL)"


def common(older: Column, newer: Column) -> tuple[str, str]:
    """Return SQL for a value on both sides; the texts are equal if the values are, though the types differ."""
    both = {older.base, newer.base}
    if older.type == newer.type and older.charset == newer.charset:
        return older.text, newer.text
    if both <= {*INTEGERS, "decimal"} and "decimal" in both:
        return _trimmed(older), _trimmed(newer)
    if both <= _REALS:
        return tuple(f"CAST(CAST({named(one.name)} AS DOUBLE) AS CHAR)" for one in (older, newer))  # type: ignore[return-value]
    if both <= _TIMES:
        return tuple(f"CAST(CAST({named(one.name)} AS DATETIME(6)) AS CHAR)" for one in (older, newer))  # type: ignore[return-value]
    return older.text, newer.text


def _trimmed(column: Column) -> str:
    """Return SQL for a decimal without the zeros that only its scale asks for."""
    if column.base in INTEGERS:
        return column.text
    text = column.text
    bare = f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {text}))"
    return f"IF(LOCATE('.', {text}), {bare}, {text})"
