"""The tables of a database as generating rows needs them, from the information schema."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rehearse.engines.mysql.client import Row, rows
from rehearse.profiles import Column, ForeignKey, Structure, TableStructure, Type

if TYPE_CHECKING:
    from rehearse.engines.mysql.statistics import Connects

_COLUMNS = """
    SELECT c.table_name, c.column_name, c.data_type, c.column_type, c.is_nullable = 'YES',
           c.column_default IS NOT NULL AND c.column_default <> 'NULL', c.extra LIKE '%auto_increment%',
           COALESCE(c.generation_expression, '') <> '', c.character_maximum_length, c.numeric_precision, c.numeric_scale
    FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = database() AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
    ORDER BY c.table_name, c.ordinal_position
"""
# Whole unique indexes, of columns that may be NULL too; the primary one first.
_KEYS = """
    SELECT table_name, index_name, column_name, sub_part IS NULL AND column_name IS NOT NULL
    FROM information_schema.statistics
    WHERE table_schema = database() AND non_unique = 0
    ORDER BY table_name, index_name <> 'PRIMARY', index_name, seq_in_index
"""
FOREIGN_KEYS = """
    SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name
    FROM information_schema.key_column_usage
    WHERE table_schema = database() AND referenced_table_schema = database()
    ORDER BY table_name, constraint_name, ordinal_position
"""
# MariaDB's names of checks are unique in their table only, MySQL's in the whole database.
CHECKS = """
    SELECT /*M! c.table_name */ /*!80000 t.table_name */, c.check_clause
    FROM information_schema.check_constraints c
    /*!80000 JOIN information_schema.table_constraints t
        ON t.constraint_schema = c.constraint_schema AND t.constraint_name = c.constraint_name
       AND t.constraint_type = 'CHECK' */
    WHERE c.constraint_schema = database()
"""
_IS_JSON = re.compile(r"json_valid\(`((?:[^`]|``)*)`\)", re.IGNORECASE)
_SPATIAL = ("point", "geometry", "linestring", "polygon")
_MOST_SUBSETS = 256
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_KINDS: Mapping[str, dict[str, Any]] = {
    "tinyint": {"kind": "integer", "bits": 8},
    "smallint": {"kind": "integer", "bits": 16},
    "mediumint": {"kind": "integer", "bits": 24},
    "int": {"kind": "integer", "bits": 32},
    "bigint": {"kind": "integer"},
    "year": {"kind": "integer", "bits": 16},
    "float": {"kind": "float", "bits": 32},
    "double": {"kind": "float"},
    "decimal": {"kind": "numeric"},
    **{name: {"kind": "text"} for name in ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")},
    **{name: {"kind": "bytes"} for name in ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")},
    "bit": {"kind": "integer"},
    "date": {"kind": "date"},
    "time": {"kind": "time"},
    "datetime": {"kind": "timestamp"},
    "timestamp": {"kind": "timestamp", "zoned": True},
    "json": {"kind": "json"},
    "uuid": {"kind": "uuid"},
    **{name: {"kind": "inet"} for name in ("inet4", "inet6")},
}


def structure(database: Connects) -> Structure:
    """Return every table of the database that takes rows of its own."""
    with database.connect() as connection:
        columns = _by_table(rows(connection, _COLUMNS))
        keys = _by_table(rows(connection, _KEYS))
        references = _by_table(rows(connection, FOREIGN_KEYS))
        checks = _by_table(rows(connection, CHECKS))
    return Structure(
        {name: _table(name, found, keys[name], references[name], checks[name]) for name, found in columns.items()}
    )


def _by_table(found: Iterable[Row]) -> defaultdict[str, list[Any]]:
    tables: defaultdict[str, list[Any]] = defaultdict(list)
    for name, *rest in found:
        tables[name].append(rest)
    return tables


def _table(
    name: str, columns: Sequence[Any], keys: Sequence[Any], references: Sequence[Any], checks: Sequence[Any]
) -> TableStructure:
    documents = {one for (text,) in checks for one in _IS_JSON.findall(text)}
    unique: dict[str, list[str]] = {}
    for index, column, _ in keys:
        unique.setdefault(index, []).append(column)
    for index in {index for index, _, is_whole in keys if not is_whole}:
        del unique[index]
    return TableStructure(
        name=name,
        columns={row[0]: _column(row, is_document=row[0] in documents) for row in columns},
        primary_key=tuple(unique["PRIMARY"]) if "PRIMARY" in unique else None,
        keys=tuple(map(tuple, unique.values())),
        foreign_keys=tuple(foreign_keys(references)),
        checks=tuple(f"CHECK ({_quoted(text)})" for (text,) in checks if not _IS_JSON.fullmatch(text)),
    )


def foreign_keys(references: Sequence[Any]) -> list[ForeignKey]:
    """Return the foreign keys of one table, from the rows of `FOREIGN_KEYS`."""
    found: dict[str, list[Any]] = {}
    for name, *rest in references:
        found.setdefault(name, []).append(rest)
    return [
        ForeignKey(
            columns=tuple(one[0] for one in some), parent=some[0][1], parent_columns=tuple(one[2] for one in some)
        )
        for some in found.values()
    ]


def _quoted(condition: str) -> str:
    """Return a condition with its names in the quotes of standard SQL, in which conditions are read."""
    return condition.replace("`", '"')


def _column(row: Any, *, is_document: bool) -> Column:
    name, base, declared, nullable, has_default, numbered, computed, length, precision, scale = row
    known = dict(_KINDS.get(base, {"kind": "other"}))
    if is_document:
        known = {"kind": "json"}
    elif declared == "tinyint(1)":
        known = {"kind": "bool"}
    elif base in ("char", "varchar"):
        known["length"] = int(length)
    elif base == "decimal":
        known |= {"precision": int(precision), "scale": int(scale)}
    elif base == "bit":
        known["bits"] = min(64, int(precision) + 1)  # one more for the sign, which it has none of
    elif base in ("enum", "set"):
        labels = tuple(one.replace("''", "'") for one in _LABEL.findall(declared))
        known = {"kind": "enum", "labels": labels if base == "enum" else _subsets(labels)}
    if base in _SPATIAL:
        declared = f"spatial {base}"  # other servers have types of these names that are written otherwise
    if "unsigned" in declared and "bits" in known and known["kind"] == "integer":
        known["bits"] += 1
    return Column(
        name=name,
        type=Type(declared=declared, **known),
        nullable=bool(nullable),
        has_default=bool(has_default),
        numbered=bool(numbered),
        computed=bool(computed),
    )


def _subsets(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the values that a SET can have, the smallest first, as far as they are to be counted."""
    sizes = range(len(labels) + 1)
    every = (",".join(some) for size in sizes for some in itertools.combinations(labels, size))
    return tuple(itertools.islice(every, _MOST_SUBSETS))
