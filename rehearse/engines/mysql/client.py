"""Connections of our own by PyMySQL, names in SQL, and URLs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.cursors import SSCursor

from rehearse.errors import Missing, ScenarioMistake

__all__ = [
    "Address",
    "Connection",
    "Row",
    "address",
    "connect",
    "execute",
    "is_mariadb",
    "listed",
    "named",
    "rows",
    "words",
]

Row = tuple[Any, ...]

_FULL = (1021, 1114)

# What every connection of ours begins with: text is UTF-8, times are UTC, and a value is kept as it is.
_SESSION = "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO', group_concat_max_len = 1073741824"
# MySQL would tell sizes and counters as they were up to a day ago.
_SESSION += " /*!80000 , information_schema_stats_expiry = 0 */"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server is and who connects; `socket` is the path of its private socket, where it has one."""

    host: str
    port: int
    user: str
    password: str = field(repr=False, default="")
    database: str | None = None
    socket: Path | None = None

    @property
    def url(self) -> str:
        """The address as most tools read it; holds the password."""
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mysql://{quote(self.user, safe='')}{secret}@{host}:{self.port}/{quote(self.database or '', safe='')}"


def address(url: str, where: str = "the database's URL") -> Address:
    """Return the parts of a URL; `where` says for an error which one it is, and no error quotes it."""
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
    except ValueError:
        parts, port = urlsplit(""), 3306
    if parts.scheme.partition("+")[0] not in ("mysql", "mariadb") or not parts.hostname:
        raise ScenarioMistake(
            f"{where} cannot be read; write mysql://user@host:3306/database, with % and @ in a password as %25 and %40"
        )
    return Address(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password) if parts.password else os.environ.get("MYSQL_PWD", ""),
        database=unquote(parts.path.lstrip("/")) or None,
    )


@contextmanager
def connect(where: Address, **options: Any) -> Iterator[Connection]:
    """Connect in autocommit, in UTC; by the private socket where there is one."""
    connection = opened(where, **options)
    try:
        yield connection
    finally:
        if connection.open:
            connection.close()


def opened(where: Address, **options: Any) -> Connection:
    """Return a connection that the caller closes."""
    wanted: dict[str, Any] = {"autocommit": True, "connect_timeout": 30, "charset": "utf8mb4", "local_infile": True}
    wanted |= {"init_command": _SESSION, "client_flag": CLIENT.FOUND_ROWS, "conv": _CONVERTERS} | options
    try:
        return pymysql.connect(
            host=where.host,
            port=where.port,
            user=where.user,
            password=where.password,
            database=where.database,
            unix_socket=str(where.socket) if where.socket else None,
            ssl_disabled=where.socket is not None,  # else it reads the system's certificates first, for 30 to 60 ms
            **wanted,
        )
    except RuntimeError as error:  # without TLS, MySQL takes a password that it does not know encrypted for itself
        raise Missing(
            f"user {where.user!r} cannot log in: the server offers no TLS, and {error}; have the server offer it, or "
            "pip install cryptography"
        ) from None


def is_mariadb(connection: Connection) -> bool:
    """Say whether the server is MariaDB; else it is MySQL."""
    return "mariadb" in str(connection.get_server_info()).lower()


def rows(connection: Connection, query: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> Sequence[Row]:
    """Return the rows of a query; numbers as numbers, everything else as the server writes it."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return tuple(cursor.fetchall())


def streamed(connection: Connection, query: str) -> Iterator[Row]:
    """Yield the rows of a query as they come; nothing else may be asked meanwhile."""
    with connection.cursor(SSCursor) as cursor:
        cursor.execute(query)
        yield from cursor.fetchall_unbuffered()


def execute(connection: Connection, query: str, values: Sequence[Any] | None = None) -> int:
    """Run a statement and return the rows that it touched."""
    with connection.cursor() as cursor:
        return int(cursor.execute(query, values))


def named(*names: str) -> str:
    """Return a name as SQL needs it, with its schema before it where two are given."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def listed(names: Sequence[str]) -> str:
    """Return names as a list in SQL."""
    return ", ".join(named(name) for name in names)


def words(error: pymysql.err.MySQLError) -> str:
    """Return a server's error on one line, its number first."""
    code, *rest = error.args or (0, str(error))
    text = " ".join(str(part) for part in rest)
    return " ".join(f"ERROR {code}: {text}".split())


def is_full(error: pymysql.err.MySQLError) -> bool:
    """Say whether an error is that the disk is full, or a table."""
    return bool(error.args) and error.args[0] in _FULL


def interruption(error: BaseException) -> BaseException | None:
    """Return the Ctrl-C or the end during whose clearing-up an error came; None: it came by itself."""
    before = error.__context__
    while before is not None and not isinstance(before, KeyboardInterrupt | SystemExit):
        before = before.__context__
    return before


def code(error: pymysql.err.MySQLError) -> str:
    """Return a server's error number as text."""
    return str(error.args[0]) if error.args else "2013"


def _converters() -> dict[Any, Any]:
    """Return PyMySQL's ways to write values, and of those to read them only the ones of whole numbers."""
    from pymysql.constants import FIELD_TYPE  # noqa: PLC0415
    from pymysql.converters import encoders  # noqa: PLC0415

    whole = (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.INT24)
    return {**encoders, **dict.fromkeys(whole, int)}


_CONVERTERS = _converters()
