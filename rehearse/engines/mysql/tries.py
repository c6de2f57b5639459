"""Tries each kind of call in quiet, in a transaction that is rolled back: whether it works on the schema of now.

What is found beside errors is what an answer is made of: the names and types of its columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pymysql
from pymysql.constants import FIELD_TYPE

from rehearse.delimited import placeholders
from rehearse.engines.mysql import client
from rehearse.engines.mysql.client import Connection, address, connect, execute
from rehearse.engines.mysql.session import literal

Values = Sequence[Sequence[bytes | None]]  # of one call: for each statement its parameters
Tried = tuple[str | None, str | None, str | None]

_LIMITS = """
    SET SESSION lock_wait_timeout = 2, innodb_lock_wait_timeout = 2
    /*M! , max_statement_time = 10 */ /*!80000 , max_execution_time = 10000 */
"""
_NAME = "rehearse_try"
# Values that count rows, which must be numbers.
_COUNTS = re.compile(r"\b(?:limit|offset)\s+\$(\d+)(?:\s*,\s*\$(\d+))?", re.IGNORECASE)
_BINARY, _BYTES_A_LETTER = 63, 4  # the character set of what is no text; of the others as a connection of ours reads
_TYPES: Mapping[int, str] = {
    FIELD_TYPE.TINY: "tinyint",
    FIELD_TYPE.SHORT: "smallint",
    FIELD_TYPE.INT24: "mediumint",
    FIELD_TYPE.LONG: "int",
    FIELD_TYPE.LONGLONG: "bigint",
    FIELD_TYPE.FLOAT: "float",
    FIELD_TYPE.DOUBLE: "double",
    FIELD_TYPE.NEWDECIMAL: "decimal",
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.TIME: "time",
    FIELD_TYPE.DATETIME: "datetime",
    FIELD_TYPE.TIMESTAMP: "timestamp",
    FIELD_TYPE.YEAR: "year",
    FIELD_TYPE.BIT: "bit",
    FIELD_TYPE.JSON: "json",
    FIELD_TYPE.GEOMETRY: "geometry",
}
_TEXTS = (FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.VARCHAR)
_UNSIGNED, _ENUM, _SET = 32, 256, 2048  # flags


def tried(
    url: str, calls: Sequence[tuple[Sequence[str], Sequence[Values]]], settings: Mapping[str, str]
) -> list[Tried]:
    """Return for each call (statements, and values to try in turn) the error's number and words, and its columns.

    The first values that work count; without any the last error does. Columns are "id int, note varchar(20)", None
    where nothing is returned.
    """
    with connect(address(url)) as connection:
        for name, value in settings.items():
            execute(connection, f"SET SESSION {name} = {literal(value)}")
        execute(connection, _LIMITS)
        return [_call(connection, statements, values) for statements, values in calls]


def _call(connection: Connection, statements: Sequence[str], tries: Sequence[Values]) -> Tried:
    found: Tried = (None, None, None)
    for values in tries:
        found = _once(connection, statements, values)
        if found[0] is None:
            break
    return found


def _once(connection: Connection, statements: Sequence[str], values: Values) -> Tried:
    columns: list[str] = []
    execute(connection, "START TRANSACTION")
    try:
        for statement, parameters in zip(statements, values, strict=True):
            columns += _answered(connection, statement, parameters)
    except pymysql.err.MySQLError as error:
        return client.code(error), client.words(error).partition(": ")[2], None
    finally:
        if connection.open:
            execute(connection, "ROLLBACK")
    return None, None, ", ".join(columns) or None


def _answered(connection: Connection, statement: str, values: Sequence[bytes | None]) -> Iterator[str]:
    """Run a statement as the application does, prepared; return the columns of its answer."""
    sql, order = placeholders(statement)
    execute(connection, f"PREPARE {_NAME} FROM %s", (sql,))
    counts = {int(number) - 1 for found in _COUNTS.findall(statement) for number in found if number}
    for place, which in enumerate(order):
        value = values[which]
        text = None if value is None else value.decode("utf-8", "surrogateescape")
        execute(connection, f"SET @rehearse_{place} = %s", (int(text) if text and which in counts else text,))
    using = ", ".join(f"@rehearse_{place}" for place in range(len(order)))
    with connection.cursor() as cursor:
        cursor.execute(f"EXECUTE {_NAME}{f' USING {using}' if using else ''}")
        fields = list(cursor._result.fields or ()) if cursor.description else []
        cursor.fetchall()
    return iter([f"{field.name} {_type(field)}" for field in fields])


def _type(field: object) -> str:
    """Return a column's type in the server's words, as far as an answer tells it."""
    kind, length, charset = field.type_code, field.length, field.charsetnr  # type: ignore[attr-defined]
    flags = field.flags  # type: ignore[attr-defined]
    if flags & (_ENUM | _SET):
        return "enum" if flags & _ENUM else "set"
    if kind in _TEXTS:
        return f"varbinary({length})" if charset == _BINARY else f"varchar({length // _BYTES_A_LETTER})"
    name = _TYPES.get(kind, "blob" if charset == _BINARY else "text")
    if kind == FIELD_TYPE.NEWDECIMAL:
        scale = field.scale  # type: ignore[attr-defined]
        name = f"decimal({length - (scale > 0) - (not flags & _UNSIGNED)},{scale})"
    return f"{name} unsigned" if flags & _UNSIGNED and charset == _BINARY and name not in _UNSIGNED_ANYWAY else name


_UNSIGNED_ANYWAY = ("bit", "year", "timestamp", "datetime", "date", "time", "blob", "geometry", "json")
