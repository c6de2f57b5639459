"""A server of our own, with its roles, from programs on this machine."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import psycopg
from psycopg import sql

from rehearse.engines import _local
from rehearse.engines.postgres import cluster, configuration, roles
from rehearse.engines.postgres.binaries import Installation
from rehearse.engines.postgres.server import Address, PostgresServer
from rehearse.errors import ServerFailed, TooBig
from rehearse.events import Journal
from rehearse.model import Setting
from rehearse.protocols import Role

_OURS = 100  # connections of our own beside the application's: probes, loaders, comparisons, the tool's


@contextmanager
def server(
    installation: Installation, settings: Mapping[str, Setting], journal: Journal, *, sessions: int
) -> Iterator[PostgresServer]:
    """Start a server of this build with production's settings; leaving the block leaves no trace of it."""
    with cluster.running(installation, {"max_connections": connections(sessions), **settings}) as started:
        running = PostgresServer(
            version=installation.version,
            address=Address(
                host="127.0.0.1", port=started.port, parameters={"sslmode": "disable"}, socket=started.sockets
            ),
            logins={Role.OWNER: roles.Login(cluster.OWNER, secrets.token_hex(16)), **roles.new_logins()},
            journal=journal,
            pid=started.process.pid,
            folder=started.folder,
            data=started.data,
            sync=partial(_local.sync_tree, started.data),
            installation=installation,
            log_path=started.log_path if installation.major >= 15 else None,
            dog=started.dog,
        )
        make_roles(running)
        remark(running, installation, settings)
        try:
            yield running
        except psycopg.Error as error:
            raise _reason(error, started) or error from error


def connections(sessions: int) -> int:
    """Return how many connections a server is to take where the application has so many."""
    return max(configuration.CONNECTIONS, sessions + _OURS)


def _reason(error: psycopg.Error, started: cluster.Cluster) -> TooBig | ServerFailed | None:
    """Return what befell the server, where an error is only its consequence."""
    if isinstance(error, psycopg.errors.DiskFull):
        return TooBig(f"the disk of {started.folder.parent} is full: {error}")
    if isinstance(error, psycopg.OperationalError) and started.has_ended(within_s=2.0):
        return ServerFailed(f"the server died; it said last:\n{cluster.last_words(started.folder)}")
    return None


def make_roles(server: PostgresServer) -> None:
    """Make the roles of a server that is ours. Where it has no private socket, the loader's password is the owner's."""
    with server.connect() as connection:
        roles.set_password(connection, server.logins[Role.OWNER])
        roles.create(connection, server.logins)
        roles.give_memberships(connection, server.logins)
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN").format(sql.Identifier(roles.LOADER)))
        roles.set_password(connection, replace(server.logins[Role.OWNER], user=roles.LOADER))
        # Only the migration's statements are logged: logging the application's would cost 1.3 times its CPU.
        statement = sql.SQL("ALTER ROLE {} SET log_min_duration_statement = 0")
        connection.execute(statement.format(sql.Identifier(server.logins[Role.MIGRATION].user)))


def remark(server: PostgresServer, build: configuration.Build, settings: Mapping[str, Setting]) -> None:
    """Say what of production's settings is not so here, and whether the log can be read."""
    for name in configuration.ignored(settings):
        server.remark(f"engine.settings.{name} is not obeyed: it belongs to production's machine, not to this one")
    for name in configuration.unloadable(settings, build):
        server.remark(f"library {name} of shared_preload_libraries is not in PostgreSQL {build}", weakens=True)
    if build.major < 15:
        server.remark(f"PostgreSQL {build.version} cannot write its log as JSON, so it is not read", weakens=True)
