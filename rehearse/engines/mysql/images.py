"""SQL for values, rows and keys as bytes that are equal only if the values are, and for 64-bit hashes of them.

A row's image is its columns' images in the order of their names, each with its length before it and NULL told apart, so
that no two rows share one. Its hash is the first 64 bits of SHA-1 or SHA-2: the server's CRC is linear, and a sum or
XOR of CRCs does not see values that changed places. An image holds the key, so a sum of hashes does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pymysql

from rehearse.engines.mysql.client import Connection, named, rows
from rehearse.engines.mysql.flavour import Flavour
from rehearse.engines.mysql.survey import KEYS, whole_keys

_TABLES = """
    SELECT table_name, coalesce(data_length + index_length, 0)
    FROM information_schema.tables
    WHERE table_schema = database() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
    ORDER BY table_name
"""
# The statistics' sizes are those of the last ANALYZE, those of the files are now. Partitions have files of their own.
_FILES = """
    SELECT substring_index(substring(name, 1 + locate('/', name)), '#', 1), sum(file_size)
    FROM information_schema.{innodb}tablespaces
    WHERE name LIKE concat(replace(database(), '_', '\\_'), '/%')
    GROUP BY 1
"""
_NO_RIGHT = 1227  # to see files one needs PROCESS
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
_WHOLE_CHARSETS = frozenset(  # each of whose texts UTF-8 has
    {"utf8", "utf8mb3", "utf8mb4", "utf16", "utf16le", "utf32", "ucs2", "latin1", "ascii"}
)
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
        """Return SQL for the value's bytes; NULL for NULL.

        Two labels of an enum, and of some character sets two bytes, may be the same text.
        """
        name = named(self.name)
        if self.base == "vector":  # which MySQL joins with nothing
            return f"UNHEX(HEX({name}))"
        if self.base in _BYTES:
            return name
        if self.base == "enum":
            return f"CONCAT({name} + 0, ':', CAST({name} AS BINARY))"
        if self.charset and self.base != "set":
            return f"CAST({name} AS BINARY)"
        if self.base in _SHAPES:
            return f"CONCAT(ST_SRID({name}), ':', ST_AsBinary({name}))"
        return f"CAST({self.text} AS BINARY)"

    @property
    def text(self) -> str:
        """Return SQL for the value as a text that tells it exactly: FLOAT's own has six digits of its seven."""
        name = named(self.name)
        if self.base in _BYTES:
            return f"CONCAT('0x', HEX({name}))"
        if self.base in _SHAPES:
            return f"CONCAT(ST_AsText({name}), IF(ST_SRID({name}), CONCAT(' in ', ST_SRID({name})), ''))"
        if self.base == "bit":
            return f"CAST({name} + 0 AS CHAR CHARACTER SET utf8mb4)"
        if self.base == "float":
            return f"CAST(CAST({name} AS DOUBLE) AS CHAR CHARACTER SET utf8mb4)"
        return f"CONVERT({name} USING utf8mb4)" if self.charset else f"CAST({name} AS CHAR CHARACTER SET utf8mb4)"

    @property
    def exact(self) -> str:
        """Return SQL for a text that no other value of the column has."""
        name = named(self.name)
        if self.base == "enum":
            return f"IF({name} + 0, {self.text}, '(no label)')"
        if self.charset is None or self.charset in _WHOLE_CHARSETS:
            return self.text
        again = f"CAST(CONVERT({self.text} USING {self.charset}) AS BINARY)"
        return f"IF({again} = CAST({name} AS BINARY), {self.text}, CONCAT('0x', HEX({name})))"


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
    files = _files(connection, flavour)
    return {
        name: Table(
            name=name,
            size_bytes=files.get(name, int(size)),
            digest=flavour.digest,
            columns=columns[name],
            keys=tuple(whole_keys(indexes[name])),
        )
        for name, size in rows(connection, _TABLES)
    }


def _files(connection: Connection, flavour: Flavour) -> dict[str, int]:
    """Return the bytes of each table's files; of none where they are not to be seen."""
    try:
        return {str(name): int(size) for name, size in rows(connection, _FILES.format(innodb=flavour.innodb))}
    except pymysql.err.MySQLError as error:
        if error.args[0] != _NO_RIGHT:
            raise
        return {}


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
        return older.exact, newer.exact
    if both <= {*INTEGERS, "decimal"} and "decimal" in both:
        return _trimmed(older), _trimmed(newer)
    if older.charset and newer.charset and older.charset != newer.charset:
        return _converted(older), _converted(newer)
    if both <= _REALS:
        return tuple(f"CAST(CAST({named(one.name)} AS DOUBLE) AS CHAR)" for one in (older, newer))  # type: ignore[return-value]
    if both <= _TIMES:
        return tuple(f"CAST(CAST({named(one.name)} AS DATETIME(6)) AS CHAR)" for one in (older, newer))  # type: ignore[return-value]
    return older.text, newer.text


def _converted(column: Column) -> str:
    """Return SQL for a text in UTF-8; its bytes where some are of no character, and so would become '?' or U+FFFD."""
    if column.charset in _WHOLE_CHARSETS:
        return column.text
    name, mark = named(column.name), f"CONVERT('?' USING {column.charset})"
    lost = f"CHAR_LENGTH(REPLACE({column.text}, '?', '')) < CHAR_LENGTH(REPLACE({name}, {mark}, ''))"
    return f"IF({lost} OR LOCATE(_utf8mb4 x'EFBFBD', {column.text}), CONCAT('0x', HEX({name})), {column.text})"


def _trimmed(column: Column) -> str:
    """Return SQL for a decimal without the zeros that only its scale asks for."""
    if column.base in INTEGERS:
        return column.text
    text = column.text
    bare = f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {text}))"
    return f"IF(LOCATE('.', {text}), {bare}, {text})"
