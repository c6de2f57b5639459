"""Who owns what was loaded: the migration's role, whoever the files named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from rehearse.engines.postgres import roles
from rehearse.protocols import Role

if TYPE_CHECKING:
    from rehearse.engines.postgres.database import PostgresDatabase

# Owners of anything in this database, through the dependencies that the server keeps of its shared objects.
_OWNERS = """
    SELECT DISTINCT pg_get_userbyid(refobjid)
    FROM pg_shdepend
    WHERE deptype = 'o'
      AND refclassid = 'pg_authid'::regclass
      AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND pg_get_userbyid(refobjid) <> ALL(%s)
"""
# What only a superuser may own goes to the first one, which REASSIGN OWNED leaves alone.
_FOR_SUPERUSERS = """
    SELECT 'EVENT TRIGGER', evtname FROM pg_event_trigger WHERE evtowner <> 10
    UNION ALL
    SELECT 'FOREIGN DATA WRAPPER', fdwname FROM pg_foreign_data_wrapper WHERE fdwowner <> 10
    UNION ALL
    SELECT 'SUBSCRIPTION', subname FROM pg_subscription
    WHERE subowner <> 10 AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def settle(database: PostgresDatabase) -> None:
    """Give everything to the migration's role, and the application and the observer their rights on it."""
    server = database.server
    migration, owner = server.logins[Role.MIGRATION], server.logins[Role.OWNER]
    if migration == owner:
        return
    with database.connect() as connection:
        if server.is_ours:
            _reassign(connection, migration.user, owner.user)
        else:
            roles.grant_reads(connection, server.logins)
        roles.grant(connection, server.logins)


def _reassign(connection: roles.Connection, migration: str, owner: str) -> None:
    for kind, name in connection.execute(_FOR_SUPERUSERS).fetchall():
        statement = sql.SQL("ALTER {} {} OWNER TO {}")
        connection.execute(statement.format(sql.SQL(kind), sql.Identifier(name), sql.Identifier(owner)))
    others = [name for (name,) in connection.execute(_OWNERS, [[migration, owner]]).fetchall()]
    if others:
        statement = sql.SQL("REASSIGN OWNED BY {} TO {}")
        names = sql.SQL(", ").join(map(sql.Identifier, others))
        connection.execute(statement.format(names, sql.Identifier(migration)))
