"""Tries each kind of call in quiet, in a transaction that is rolled back: whether it works on the schema of now.

What is found beside errors is what an answer is made of: the names and types of its columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg
from psycopg import pq

Values = Sequence[Sequence[bytes | None]]  # of one call: for each statement its parameters

_LIMITS = ("SET LOCAL lock_timeout = '2s'", "SET LOCAL statement_timeout = '10s'")
_OK = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


def tried(
    url: str, calls: Sequence[tuple[Sequence[str], Sequence[Values]]], settings: Mapping[str, str]
) -> list[tuple[str | None, str | None, str | None]]:
    """Return for each call (statements, and values to try in turn) the error's code and words, and its columns.

    The first values that work count; without any the last error does. Columns are "id integer, note text", None where
    nothing is returned.
    """
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        return [_call(connection, statements, values) for statements, values in calls]


def _call(
    connection: psycopg.Connection, statements: Sequence[str], tries: Sequence[Values]
) -> tuple[str | None, str | None, str | None]:
    found: tuple[str | None, str | None, str | None] = (None, None, None)
    for values in tries:
        found = _once(connection, statements, values)
        if found[0] is None:
            break
    return found


def _once(
    connection: psycopg.Connection, statements: Sequence[str], values: Values
) -> tuple[str | None, str | None, str | None]:
    columns: list[tuple[str, int, int]] = []
    pg = connection.pgconn
    connection.execute("BEGIN")
    try:
        for one in _LIMITS:
            connection.execute(one)
        for statement, parameters in zip(statements, values, strict=True):
            result = pg.exec_params(statement.encode(), parameters)
            if result.status not in _OK:
                code = result.error_field(pq.DiagnosticField.SQLSTATE) or b"08006"
                words = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
                return code.decode(), words.decode("utf-8", "replace").strip(), None
            names = (((result.fname(at) or b"").decode(), result.ftype(at)) for at in range(result.nfields))
            columns += [(name, kind, result.fmod(at)) for at, (name, kind) in enumerate(names)]
    finally:
        connection.execute("ROLLBACK")
    return None, None, _told(connection, columns)


def _told(connection: psycopg.Connection, columns: Sequence[tuple[str, int, int]]) -> str | None:
    if not columns:
        return None
    types = [connection.execute("SELECT format_type(%s, %s)", [kind, mod]).fetchone() for _, kind, mod in columns]
    return ", ".join(f"{name} {kind[0] if kind else '?'}" for (name, *_), kind in zip(columns, types, strict=True))
