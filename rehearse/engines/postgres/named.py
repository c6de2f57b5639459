"""A server that the user names as disposable: our own databases and roles in it, marked, and removed at the end."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
from psycopg import sql

from rehearse.engines import _local
from rehearse.engines.postgres import given, roles
from rehearse.engines.postgres.binaries import OLDEST
from rehearse.engines.postgres.server import Address, PostgresServer, mark_of, prefix_of
from rehearse.errors import Missing, ScenarioMistake, ServerFailed
from rehearse.events import Journal
from rehearse.model import EngineChoice
from rehearse.protocols import Role

_ABILITIES = """
    SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, current_setting('server_version'),
           current_setting('server_version_num')::int / 10000, current_database()
    FROM pg_roles
    WHERE rolname = current_user
"""
# One that was just being made, when all was interrupted, has its name and owner already, and no mark yet.
_MARKED = """
    SELECT datname FROM pg_database d
    WHERE shobj_description(oid, 'pg_database') = %(mark)s
       OR (shobj_description(oid, 'pg_database') IS NULL AND starts_with(datname, %(prefix)s)
           AND (pg_get_userbyid(datdba) = current_user OR shobj_description(datdba, 'pg_authid') = %(mark)s))
"""
_MARKED_ROLES = "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = %s"


@contextmanager
def server(choice: EngineChoice, journal: Journal) -> Iterator[PostgresServer]:
    """Use the server that `choice.url` names; leaving the block drops every database and role that we made in it."""
    if not choice.url:
        raise ScenarioMistake("engine.via = 'url' needs engine.url, for example postgresql://user@host/postgres")
    bare = _opened(choice.url, choice.version, journal)
    assert bare.token
    arguments = {"url": choice.url, "token": bare.token}
    with _local.watchdog() as dog:
        dog.call(__name__, "sweep", arguments)
        try:
            if choice.settings:
                bare.remark(
                    "engine.settings are not obeyed: the server of engine.url is not ours to configure", weakens=True
                )
            yield replace(bare, logins={**bare.logins, **_logins(bare)}, dog=dog)
        finally:
            if not dog.keeps:
                sweep(**arguments)


def sweep(url: str, token: str) -> None:
    """Drop the databases and roles that bear a rehearsal's mark, and no others."""
    with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        marked = {"mark": mark_of(token), "prefix": prefix_of(token)}
        for (name,) in connection.execute(_MARKED, marked).fetchall():
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        for (name,) in connection.execute(_MARKED_ROLES, [mark_of(token)]).fetchall():
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def _opened(url: str, version: str | None, journal: Journal) -> PostgresServer:
    words = given.words(url, "engine.url")
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            found = connection.execute(_ABILITIES).fetchone()
            host, port = connection.info.host, connection.info.port
            owner = roles.Login(connection.info.user, connection.info.password or None)
    except psycopg.OperationalError as error:
        raise ServerFailed(f"engine.url: no connection: {str(error).strip()}") from error
    assert found
    user, is_super, may_create, _, text, major, home = found
    _refuse(user, version, text, major, is_allowed=is_super or may_create)
    kept = {
        k: v for k, v in words.items() if k not in ("host", "port", "user", "password", "dbname", "application_name")
    }
    return PostgresServer(
        version=text.split()[0],
        address=Address(host=host, port=port, parameters=kept),
        logins=dict.fromkeys(Role, owner),
        journal=journal,
        home=home,
        token=secrets.token_hex(4),
    )


def _refuse(user: str, version: str | None, found: str, major: int, *, is_allowed: bool) -> None:
    if not is_allowed:
        raise ScenarioMistake(
            f"engine.url: user {user!r} may not create databases; ALTER ROLE {user} CREATEDB, or name another user"
        )
    if major < OLDEST:
        raise ScenarioMistake(
            f"engine.url: PostgreSQL {found} is too old; {OLDEST} is the oldest that can be rehearsed"
        )
    if version and not re.match(rf"{re.escape(version)}(\b|$)", found):
        raise Missing(f"engine.version = {version!r}, and the server of engine.url is {found}; make them agree")


def _logins(server: PostgresServer) -> dict[Role, roles.Login]:
    """Make roles of our own; where that is not allowed all roles are the URL's user."""
    logins = roles.new_logins(f"_{server.token}")
    try:
        with server.connect(autocommit=False) as connection:
            roles.create(connection, logins, comment=server.comment)
            _join(connection, logins)
            _let_watch(server, connection, logins)
        with replace(server, logins={**server.logins, **logins}).connect(Role.MIGRATION):
            return logins
    except (psycopg.errors.InsufficientPrivilege, psycopg.OperationalError) as error:
        _drop_roles(server)
        server.remark(
            "roles could not be told apart, so all are the user of engine.url, and locks of the application may be "
            f"taken for the migration's: {str(error).strip().splitlines()[0]}",
            weakens=True,
        )
        return {}


def _let_watch(server: PostgresServer, connection: roles.Connection, logins: roles.Logins) -> None:
    try:
        with connection.transaction():
            roles.give_memberships(connection, logins)
    except psycopg.errors.InsufficientPrivilege:
        server.remark(
            "the user of engine.url may not grant pg_monitor and pg_read_all_data, so the observer sees less of other "
            "sessions; name a superuser, or GRANT both to that user WITH ADMIN OPTION",
            weakens=True,
        )


def _join(connection: roles.Connection, logins: roles.Logins) -> None:
    """Let the URL's user act for our roles, which it must to make databases that they own."""
    for login in logins.values():
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(login.user)))


def _drop_roles(server: PostgresServer) -> None:
    with server.connect() as connection:
        for (name,) in connection.execute(_MARKED_ROLES, [server.comment]).fetchall():
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))
