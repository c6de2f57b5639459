"""Who connects: owner, migration, application and observer, and what each may do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from rehearse.protocols import Role

Connection = psycopg.Connection[Any]

LOADER = "rehearse_loader"  # a superuser whose objects can be given away, which those of the first superuser cannot

_RIGHTS_IN_DATABASE = """
    ALTER SCHEMA public OWNER TO {migration};
    GRANT USAGE ON SCHEMA public TO {application};
    ALTER DEFAULT PRIVILEGES FOR ROLE {migration} GRANT USAGE ON SCHEMAS TO {application};
    ALTER DEFAULT PRIVILEGES FOR ROLE {migration} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {application};
    ALTER DEFAULT PRIVILEGES FOR ROLE {migration} GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {application};
"""
_SCHEMAS = """
    SELECT nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    ORDER BY nspname
"""
_RIGHTS_IN_SCHEMA = """
    GRANT USAGE ON SCHEMA {schema} TO {application};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {application};
    GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {application};
"""
_READS_IN_SCHEMA = """
    GRANT USAGE ON SCHEMA {schema} TO {observer};
    GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {observer};
"""


@dataclass(frozen=True, slots=True)
class Login:
    """A role's name in the server, and its password."""

    user: str
    password: str | None = field(repr=False)


Logins = Mapping[Role, Login]


def new_logins(suffix: str = "") -> dict[Role, Login]:
    """Return the roles that work in databases, each with a password of its own."""
    working = (Role.MIGRATION, Role.APPLICATION, Role.OBSERVER)
    return {role: Login(f"rehearse_{role}{suffix}", secrets.token_hex(16)) for role in working}


def create(connection: Connection, logins: Logins, *, comment: str | None = None) -> None:
    """Make the roles that work in databases."""
    abilities = {
        Role.MIGRATION: sql.SQL("CREATEDB CREATEROLE"),
        Role.APPLICATION: sql.SQL(""),
        Role.OBSERVER: sql.SQL(""),
    }
    for role, ability in abilities.items():
        name = sql.Identifier(logins[role].user)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN {}").format(name, ability))
        set_password(connection, logins[role])
        if comment:
            connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(comment)))


def give_memberships(connection: Connection, logins: Logins) -> None:
    """Let the observer read everything and the migration see the server's state."""
    for group, role in (
        ("pg_monitor", Role.MIGRATION),
        ("pg_monitor", Role.OBSERVER),
        ("pg_read_all_data", Role.OBSERVER),
    ):
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(group), sql.Identifier(logins[role].user)))


def set_password(connection: Connection, login: Login) -> None:
    """Set a role's password; only its SCRAM verifier is sent, so no log can hold it."""
    assert login.password
    verifier = connection.pgconn.encrypt_password(login.password.encode(), login.user.encode(), b"scram-sha-256")
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(login.user), sql.Literal(verifier.decode())))


def prepare_database(connection: Connection, logins: Logins) -> None:
    """Give a new database's roles their rights, also in what the migration will make."""
    connection.execute(_named(_RIGHTS_IN_DATABASE, logins))


def grant(connection: Connection, logins: Logins) -> None:
    """Give the application its rights in every schema, for what is there now."""
    for (schema,) in connection.execute(_SCHEMAS).fetchall():
        connection.execute(_named(_RIGHTS_IN_SCHEMA, logins, schema=schema))


def grant_reads(connection: Connection, logins: Logins) -> None:
    """Let the observer read what is there now, where it may not read everything anyway."""
    for (schema,) in connection.execute(_SCHEMAS).fetchall():
        connection.execute(_named(_READS_IN_SCHEMA, logins, schema=schema))


def _named(text: str, logins: Logins, **names: str) -> sql.Composed:
    roles = {role.value: sql.Identifier(login.user) for role, login in logins.items()}
    others = {name: sql.Identifier(value) for name, value in names.items()}
    return sql.SQL(text).format(**roles, **others)
