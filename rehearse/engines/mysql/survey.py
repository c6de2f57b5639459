"""What the traffic must know of a database: tables, keys, references, rows that exist; and whether a call is sound."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pymysql

from rehearse.delimited import placeholders
from rehearse.engines.mysql.client import (
    Connection,
    Row,
    address,
    connect,
    execute,
    is_mariadb,
    listed,
    named,
    rows,
    words,
)
from rehearse.engines.mysql.session import literal
from rehearse.engines.mysql.structure import CHECKS
from rehearse.model import ForeignKey, Survey, TableFacts

_TABLES = """
    SELECT table_name, coalesce(table_rows, 0), coalesce(data_length + index_length, 0)
    FROM information_schema.tables
    WHERE table_schema = database() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
    ORDER BY table_name
"""
# The order in which an INSERT without a list of columns fills them: those that are not seen come last.
_COLUMNS = """
    SELECT table_name, column_name, data_type, COALESCE(generation_expression, '') <> '' OR extra LIKE '%%on update%%'
    FROM information_schema.columns
    WHERE table_schema = database()
    ORDER BY table_name, extra LIKE '%%INVISIBLE%%', ordinal_position
"""
_NUMBERED = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = database() AND extra LIKE '%auto_increment%' AND @@auto_increment_increment = 1
"""
# Whole unique indexes of columns that are never NULL are keys, the primary one first. A part that is an expression has
# no column (MySQL).
KEYS = """
    SELECT s.table_name, s.index_name, s.column_name, s.non_unique, s.sub_part IS NULL AND c.is_nullable = 'NO'
    FROM information_schema.statistics s
    LEFT JOIN information_schema.columns c USING (table_schema, table_name, column_name)
    WHERE s.table_schema = database()
    ORDER BY s.table_name, s.index_name <> 'PRIMARY', s.index_name, s.seq_in_index
"""
_REFERENCES = """
    SELECT table_name, referenced_table_name, delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT')
    FROM information_schema.referential_constraints
    WHERE constraint_schema = database() AND unique_constraint_schema = database()
"""
_TRIGGERS = """
    SELECT event_object_table, action_statement
    FROM information_schema.triggers
    WHERE trigger_schema = database() AND action_timing = 'BEFORE' AND event_manipulation IN ('INSERT', 'UPDATE')
"""
_VIEWS = "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = database()"
_ROUTINES = """
    SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema = database()
"""
_PARTITIONED = """
    SELECT DISTINCT table_name, concat_ws(' ', partition_expression, subpartition_expression)
    FROM information_schema.partitions
    WHERE table_schema = database() AND partition_expression IS NOT NULL
"""
# Kinds of types in the order in which a small update likes them.
_LIKED = {
    **dict.fromkeys(("varchar", "char", "text", "tinytext", "mediumtext", "longtext"), 0),
    **dict.fromkeys(("int", "bigint", "smallint", "mediumint", "tinyint", "decimal", "double", "float"), 1),
    **dict.fromkeys(("datetime", "timestamp", "date", "time", "year"), 2),
    "enum": 3,
}
_ASSIGNS = re.compile(r"\bnew\.`?(\w+)`?\s*:?=", re.IGNORECASE)
_MAY_WRITE = re.compile(r"\b(insert|update|delete|replace|truncate|call|execute)\b", re.IGNORECASE)
_COUNTED = 1_000_000  # the server's own estimate of fewer rows is too coarse to rely on


def survey(url: str) -> Survey:
    """Return the tables, references and views of a database; counts tables that the server believes to be small."""
    with connect(address(url)) as connection:
        found = {name: (int(estimate), int(size)) for name, estimate, size in rows(connection, _TABLES)}
        columns = _grouped(rows(connection, _COLUMNS))
        keys = _grouped(rows(connection, KEYS))
        checks = _texts(rows(connection, CHECKS))
        returning = ("insert", "delete") if is_mariadb(connection) else ()
        numbered = set() if returning else set(rows(connection, _NUMBERED))
        partitioned = _texts(rows(connection, _PARTITIONED))
        triggers = _grouped(rows(connection, _TRIGGERS))
        tables = [
            TableFacts(
                table=name,
                schema="",
                name=name,
                rows=estimate if estimate > _COUNTED else _count(connection, name),
                size_bytes=size,
                columns=tuple(column for column, *_ in columns[name]),
                key=keyed,
                unclear=_unclear(columns[name], triggers[name]),
                numbered=keyed[0] if (name, *keyed) in numbered else None,
                only_key=_unique(keys[name]) == bool(keyed),
                plain=_plain(columns[name], keys[name], checks[name] + partitioned[name]),
            )
            for name, (estimate, size) in found.items()
            for keyed in [next(iter(whole_keys(keys[name])), ())]
        ]
        references = rows(connection, _REFERENCES)
        views = _below(rows(connection, _VIEWS), found)
        routines = rows(connection, _ROUTINES)
    return Survey(
        tables={one.table: one for one in tables},
        references=tuple(ForeignKey(table=a, references=b, cascades=bool(c)) for a, b, c in references if b in found),
        views=views,
        functions={str(name).lower(): tuple(_mentioned(text or "", found)) for name, text in routines if _writes(text)},
        quote="`",
        returning=returning,
        folds=False,
    )


def _writes(text: str | None) -> bool:
    return text is None or bool(_MAY_WRITE.search(text))


def _grouped(found: Iterable[Row]) -> defaultdict[str, list[Any]]:
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for name, *rest in found:
        groups[name].append(rest)
    return groups


def _texts(found: Iterable[Row]) -> defaultdict[str, str]:
    texts: defaultdict[str, str] = defaultdict(str)
    for name, text in found:
        texts[name] += f" {text}"
    return texts


def _count(connection: Connection, table: str) -> int:
    ((count,),) = rows(connection, f"SELECT count(*) FROM {named(table)}")
    return int(count)


def whole_keys(indexes: Sequence[Sequence[Any]]) -> list[tuple[str, ...]]:
    """Return the columns of each key of one table, from the rows of `KEYS`."""
    keys: dict[str, list[str]] = {}
    broken = {index for index, _, non_unique, is_sure in indexes if non_unique or not is_sure}
    for index, column, *_ in indexes:
        if index not in broken:
            keys.setdefault(index, []).append(column)
    return [tuple(columns) for columns in keys.values()]


def _unique(indexes: Sequence[Sequence[Any]]) -> int:
    return len({index for index, _, non_unique, _ in indexes if not non_unique})


def _unclear(columns: Sequence[Sequence[Any]], triggers: Sequence[Sequence[Any]]) -> tuple[str, ...]:
    """Return the columns that the server itself may change: generated ones, ON UPDATE, and what triggers assign."""
    assigned = {name.lower() for (text,) in triggers for name in _ASSIGNS.findall(text or "")}
    return tuple(name for name, _, is_made in columns if is_made or name.lower() in assigned)


def _plain(columns: Sequence[Sequence[Any]], indexes: Sequence[Sequence[Any]], rules: str) -> tuple[str, ...]:
    """Return the columns that take any value they hold already: not unique, generated, checked or partitioned by."""
    indexed = {column for _, column, *_ in indexes}
    unique = {column for _, column, non_unique, _ in indexes if not non_unique}
    checked = {name.lower() for name in re.findall(r"\w+", rules)}
    fit = [
        (name in indexed, _LIKED[kind], place, name)
        for place, (name, kind, is_made) in enumerate(columns)
        if kind in _LIKED and not is_made and name not in unique and name.lower() not in checked
    ]
    return tuple(name for *_, name in sorted(fit))


def _below(views: Iterable[Row], tables: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the tables that each view's text names, those behind other views included."""
    texts = {name: str(text) for name, text in views}
    found = {name: set(_mentioned(text, [*tables, *texts])) - {name} for name, text in texts.items()}
    for _ in texts:
        for below in found.values():
            below |= {deeper for one in below if one in found for deeper in found[one]}
    return {name: tuple(sorted(below - found.keys())) for name, below in found.items()}


def _mentioned(text: str, tables: Iterable[str]) -> list[str]:
    words_in = set(re.findall(r"[\w$]+", text))
    return sorted(one for one in tables if one in words_in)


def sample(url: str, table: TableFacts, columns: Sequence[str], *, limit: int, seed: int) -> list[list[str | None]]:
    """Return at most about `limit` rows of some columns as text, column by column, spread evenly over the table.

    Of more rows those are taken whose hash of the seed and the columns is small: a scan, and the same rows each time.
    """
    texts = ", ".join(f"CAST({named(column)} AS CHAR CHARACTER SET utf8mb4)" for column in columns)
    share = min(1.0, 1.05 * limit / table.rows) if table.rows > limit else 1.0
    hashed = f"CRC32(CONCAT_WS('|', {seed}, {listed(table.key or columns)}))"
    chosen = f" WHERE {hashed} < {int(share * 2**32)}" if share < 1.0 else ""
    with connect(address(url)) as connection:
        found = sorted(rows(connection, f"SELECT {texts} FROM {named(table.name)}{chosen} LIMIT {limit}"), key=repr)
    return [list(column) for column in zip(*found, strict=True)] if found else [[] for _ in columns]


def greatest(url: str, table: TableFacts, column: str) -> str | None:
    """Return the greatest value of a column as text; None for an empty table. Quick where an index leads with it."""
    with connect(address(url)) as connection:
        ((value,),) = rows(connection, f"SELECT CAST(max({named(column)}) AS CHAR) FROM {named(table.name)}")
    return None if value is None else str(value)


def refusals(url: str, statements: Sequence[str], settings: Mapping[str, str]) -> list[str | None]:
    """Return for each statement what the server says against preparing it, or None."""
    with connect(address(url), init_command=None) as connection:
        for name, value in settings.items():
            try:
                execute(connection, f"SET SESSION {name} = {literal(value)}")
            except pymysql.err.MySQLError as error:
                return [f"workload.settings.{name}: {words(error)}" for _ in statements]
        return [_refusal(connection, placeholders(one)[0]) for one in statements]


def _refusal(connection: Connection, statement: str) -> str | None:
    """Let the server prepare a statement; it reads the text from a variable."""
    try:
        execute(connection, "SET @rehearse = %s", (statement,))
        execute(connection, "PREPARE rehearse FROM @rehearse")
        execute(connection, "DEALLOCATE PREPARE rehearse")
    except pymysql.err.MySQLError as error:
        return words(error)
    return None
