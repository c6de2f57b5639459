"""A server that the user names as disposable: our own databases and accounts in it, marked, and removed at the end."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pymysql

from rehearse.engines import _local
from rehearse.engines.mysql import accounts
from rehearse.engines.mysql.client import Address, Connection, address, connect, execute, named, rows, words
from rehearse.engines.mysql.flavour import Flavour
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import Missing, ScenarioMistake, ServerFailed
from rehearse.events import Journal
from rehearse.model import EngineChoice

_ACCOUNTS = "SELECT user, host FROM mysql.user WHERE user LIKE %s"
_SESSIONS = """
    SELECT id FROM information_schema.processlist WHERE (user LIKE %s OR db LIKE %s) AND id <> connection_id()
"""
_WAIT_S = 60  # for what a killed session still holds


@contextmanager
def server(flavour: Flavour, choice: EngineChoice, journal: Journal) -> Iterator[MysqlServer]:
    """Use the server that `choice.url` names; leaving the block drops every database and account that we made in it."""
    if not choice.url:
        raise ScenarioMistake("engine.via = 'url' needs engine.url, for example mysql://root@127.0.0.1:3306/")
    owner = replace(address(choice.url, "engine.url"), database=None)
    version = _version(flavour, owner, choice.version)
    token = secrets.token_hex(4)
    with _local.watchdog() as dog:
        dog.call(__name__, "sweep", {"url": choice.url, "token": token, "ours": flavour.ours})
        made = MysqlServer(
            flavour=flavour,
            version=version,
            address=owner,
            logins=accounts.new_logins(*accounts.WORKING, suffix=f"_{token}"),
            journal=journal,
            token=token,
            dog=dog,
        )
        try:
            _make_accounts(made)
            if choice.settings:
                made.remark("engine.settings are not obeyed: the server of engine.url is not ours", weakens=True)
            yield made
        finally:
            for says in sweep(choice.url, token, flavour.ours):
                made.remark(f"left on the server of engine.url: {says}; remove it yourself")


def sweep(url: str, token: str, ours: str) -> list[str]:
    """Drop the databases that bear a rehearsal's mark and the accounts that end in its token, and no others.

    `ours` is SQL for the databases that bear the mark. Returns what stays, and why.
    """
    where = replace(address(url, "engine.url"), database=None)
    try:
        with connect(where, connect_timeout=10) as connection:
            return list(_swept(connection, token, ours))
    except pymysql.err.MySQLError as error:
        return [f"databases and accounts with {token} in their names ({words(error)})"]


def _swept(connection: Connection, token: str, ours: str) -> Iterator[str]:
    """End our sessions, then drop; yield what stays. Accounts stay with a database: MySQL has its mark in them."""
    execute(connection, f"SET SESSION lock_wait_timeout = {_WAIT_S}")
    ending = f"rehearse\\_%\\_{token}"
    for (session,) in rows(connection, _SESSIONS, (ending, f"rehearse\\_{token}\\_%")):
        with suppress(pymysql.err.MySQLError):  # it has just gone by itself
            execute(connection, f"KILL {session}")
    left: list[str] = []
    for (name,) in rows(connection, ours, (token,)):
        left += _refused(connection, f"DROP DATABASE IF EXISTS {named(name)}", f"database {name}")
    yield from left
    for user, host in rows(connection, _ACCOUNTS, (ending,)):
        if left:
            yield f"account {user}@{host}"
        else:
            yield from _refused(connection, f"DROP USER IF EXISTS '{user}'@'{host}'", f"account {user}@{host}")


def _refused(connection: Connection, statement: str, what: str) -> Iterator[str]:
    """Run a statement; yield what it should remove, and the server's words, where it is refused."""
    try:
        execute(connection, statement)
    except pymysql.err.MySQLError as error:
        yield f"{what} ({words(error)})"


def _version(flavour: Flavour, owner: Address, wanted: str | None) -> str:
    try:
        with connect(owner, connect_timeout=10) as connection:
            ((text,),) = rows(connection, "SELECT version()")
    except pymysql.err.MySQLError as error:
        raise ServerFailed(f"engine.url: no connection: {words(error)}") from None
    found = flavour.reported.match(str(text))
    if not found:
        raise ScenarioMistake(f"engine.url: that server is {text}, and engine.name = {flavour.name!r}")
    version = found[1]
    if not flavour.is_new_enough(version):
        raise ScenarioMistake(f"engine.url: {flavour.title} {version} is too old; {flavour.oldest_told} is the oldest")
    if wanted and version != wanted and not version.startswith(f"{wanted}."):
        raise Missing(f"engine.version = {wanted!r}, and the server of engine.url is {version}; make them agree")
    return version


def _make_accounts(server: MysqlServer) -> None:
    try:
        with server.connect() as connection:
            for statement in accounts.making(server.flavour, server.logins):
                execute(connection, statement)
        accounts.introduce(server.at(role) for role in accounts.WORKING)
    except pymysql.err.MySQLError as error:
        raise ScenarioMistake(
            f"engine.url: user {server.address.user!r} may not make accounts, which tell the migration's statements "
            f"from the application's: {words(error)}; name a user with ALL PRIVILEGES and GRANT OPTION"
        ) from None
