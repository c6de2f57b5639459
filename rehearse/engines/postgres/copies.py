"""A database copied whole, by its files, with what the copy of the files leaves out: rights and settings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from rehearse.engines.postgres import roles
from rehearse.errors import ServerFailed
from rehearse.protocols import Role

if TYPE_CHECKING:
    from rehearse.engines.postgres.server import PostgresServer

_END_SESSIONS = """
    SELECT pg_terminate_backend(pid, 5000)
    FROM pg_stat_activity
    WHERE datname = %s AND pid <> pg_backend_pid()
"""
_RIGHTS = """
    SELECT CASE WHEN one.grantee = 0 THEN NULL ELSE pg_get_userbyid(one.grantee) END,
           one.privilege_type, one.is_grantable
    FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS one
    WHERE datname = %s
"""
_SETTINGS = """
    SELECT CASE WHEN setrole = 0 THEN NULL ELSE pg_get_userbyid(setrole) END,
           split_part(one, '=', 1), substr(one, strpos(one, '=') + 1)
    FROM pg_db_role_setting, unnest(setconfig) AS one
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = %s)
"""
_TRIES = 50
_NO_CLONE = ("0A000", "58030", "22023", "XX000")  # not supported by this build, this system or this file system


def copy(server: PostgresServer, source: str, target: str) -> None:
    """Make `target` from the files of `source`, whose sessions are ended first and cannot come back meanwhile."""
    with server.connect() as connection:
        with _closed(connection, source):
            _copy_files(server, connection, source, target)
        server.mark(connection, target)
        _copy_rights(connection, source, target)
    _copy_settings(server, source, target)


@contextmanager
def _closed(connection: roles.Connection, name: str) -> Iterator[None]:
    database = sql.Identifier(name)
    connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))
    try:
        connection.execute(_END_SESSIONS, [name])
        yield
    finally:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))


def _copy_files(server: PostgresServer, connection: roles.Connection, source: str, target: str) -> None:
    names = {"source": source, "target": target, "owner": server.logins[Role.MIGRATION].user}
    text = "CREATE DATABASE {target} OWNER {owner} TEMPLATE {source}" + (
        " STRATEGY FILE_COPY" if server.major >= 15 else ""
    )
    statement = sql.SQL(text).format(**{name: sql.Identifier(value) for name, value in names.items()})
    if server.major >= 18 and _cloned(connection, statement):
        return
    for left in reversed(range(_TRIES)):
        try:
            connection.execute(statement)
        except psycopg.errors.ObjectInUse as busy:  # a session that is ending, or autovacuum's
            if not left:
                raise ServerFailed(f"database {source} could not be copied: {busy}") from busy
            time.sleep(0.1)
            connection.execute(_END_SESSIONS, [source])
        else:
            return


def _cloned(connection: roles.Connection, statement: sql.Composed) -> bool:
    """Copy by sharing blocks, where server and file system can (PostgreSQL 18; btrfs, xfs, APFS)."""
    try:
        connection.execute("SET file_copy_method = clone")
        connection.execute(statement)
    except (psycopg.errors.ObjectInUse, psycopg.OperationalError, psycopg.DatabaseError) as error:
        if error.sqlstate in _NO_CLONE or isinstance(error, psycopg.errors.ObjectInUse):
            return False
        raise
    else:
        return True
    finally:
        with suppress(psycopg.DatabaseError):
            connection.execute("RESET file_copy_method")


def _copy_rights(connection: roles.Connection, source: str, target: str) -> None:
    """Take from the copy what the source does not grant, and grant what it lacks."""
    wanted, there = (set(connection.execute(_RIGHTS, [name]).fetchall()) for name in (source, target))
    for text, rights in (
        ("REVOKE {} ON DATABASE {} FROM {}", there - wanted),
        ("GRANT {} ON DATABASE {} TO {}", wanted - there),
    ):
        for grantee, privilege, grantable in sorted(rights, key=str):
            whom = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
            statement = sql.SQL(text).format(sql.SQL(privilege), sql.Identifier(target), whom)
            is_option = grantable and text.startswith("GRANT")
            connection.execute(statement + sql.SQL(" WITH GRANT OPTION" if is_option else ""))


def _copy_settings(server: PostgresServer, source: str, target: str) -> None:
    """Copy ALTER DATABASE … SET; by FROM CURRENT, since a list such as search_path cannot be quoted as one text."""
    with server.connect() as connection:
        for role, name, value in connection.execute(_SETTINGS, [source]).fetchall():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
            whose = sql.SQL("ALTER ROLE {} IN DATABASE {}" if role else "ALTER DATABASE {}")
            names = [sql.Identifier(one) for one in (role, target) if one]
            statement = sql.SQL("{} SET {} FROM CURRENT")
            connection.execute(statement.format(whose.format(*names), sql.Identifier(*name.split("."))))
