"""Who connects: owner, migration, application and observer, as accounts, and what each may do."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rehearse.engines.mysql.client import Address, Connection, connect, execute, named
from rehearse.engines.mysql.flavour import Flavour
from rehearse.engines.mysql.grants import as_whole
from rehearse.protocols import Role


@dataclass(frozen=True, slots=True)
class Login:
    """A role's account, and its password."""

    user: str
    password: str = field(repr=False)


Logins = Mapping[Role, Login]
WORKING = (Role.MIGRATION, Role.APPLICATION, Role.OBSERVER)


def new_logins(*roles: Role, suffix: str = "") -> dict[Role, Login]:
    """Return accounts, each with a password of its own, with all that a server's policy may ask for."""
    # Of 32 letters: replication, and so gh-ost, takes no more.
    return {role: Login(f"rehearse_{role}{suffix}", f"{secrets.token_hex(15)}_A") for role in roles}


def making(flavour: Flavour, logins: Logins) -> Iterator[str]:
    """Yield what makes the accounts; the owner may do everything, the others nothing in any database yet."""
    for role, login in logins.items():
        yield f"CREATE USER '{login.user}'@'%' {flavour.identified(login.password)}"
        if role is Role.OWNER:
            yield f"GRANT ALL PRIVILEGES ON *.* TO '{login.user}'@'%' WITH GRANT OPTION"
        if role is Role.OWNER and flavour.name == "mysql":  # else the migration may not drop what the owner defined
            yield f"REVOKE SYSTEM_USER ON *.* FROM '{login.user}'@'%'"
        if role in (Role.MIGRATION, Role.OBSERVER):
            yield f"GRANT PROCESS ON *.* TO '{login.user}'@'%'"
        if role is Role.OBSERVER:
            yield f"GRANT SELECT ON performance_schema.* TO '{login.user}'@'%'"


def opening(flavour: Flavour, login: Login) -> Iterator[str]:
    """Yield what leaves a fresh server with one account, the owner's."""
    yield from making(flavour, {Role.OWNER: login})
    for host in ("localhost", "127.0.0.1", "::1"):
        yield f"DROP USER IF EXISTS 'root'@'{host}'"


def introduce(addresses: Iterable[Address]) -> None:
    """Log in once as each: MySQL then knows the passwords, and takes them from clients without TLS."""
    for one in addresses:
        with connect(one):
            pass


def watching(logins: Logins) -> Iterator[str]:
    """Yield what has the server keep the statements of the migration, and of nobody else."""
    yield "UPDATE performance_schema.setup_actors SET history = 'NO'"
    migration = logins[Role.MIGRATION].user
    yield f"INSERT INTO performance_schema.setup_actors VALUES ('%', '{migration}', '%', 'YES', 'YES')"


def grant(connection: Connection, logins: Logins, database: str) -> None:
    """Give the roles their rights in a database, in what is there and in all that comes."""
    place = named(as_whole(connection, database))
    rights = {
        Role.MIGRATION: "ALL PRIVILEGES",
        Role.APPLICATION: "SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, LOCK TABLES",
        Role.OBSERVER: "SELECT, SHOW VIEW, LOCK TABLES, UPDATE",
    }
    for role, right in rights.items():
        execute(connection, f"GRANT {right} ON {place}.* TO '{logins[role].user}'@'%'")
