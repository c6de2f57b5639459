"""A running PostgreSQL server as a rehearsal sees it: databases, roles, settings."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from rehearse.engines import _local
from rehearse.engines.postgres import roles
from rehearse.engines.postgres.binaries import Installation
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import Journal, Remarked
from rehearse.protocols import Kept, Role

# Safe only while what is loaded can be loaded again.
_FAST: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_recycle": "off",
    "autovacuum": "off",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "maintenance_work_mem": "256MB",
}
_SETTINGS = """
    SELECT name, current_setting(name)
    FROM pg_settings
    WHERE setting IS DISTINCT FROM boot_val
      AND source NOT IN ('default', 'override', 'client', 'session')
      AND name !~ '^(port|unix_socket_directories|listen_addresses|cluster_name|log_(filename|directory|rotation_.*))$'
    ORDER BY name
"""
_DATABASES = """
    SELECT datname FROM pg_database
    WHERE NOT datistemplate AND datname <> 'postgres' AND %(mark)s::text IS NULL
       OR shobj_description(oid, 'pg_database') = %(mark)s
    ORDER BY oid
"""
_APPLY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens; `socket` is the folder of its private socket, where it has one."""

    host: str
    port: int | None
    parameters: Mapping[str, str] = field(default_factory=dict)
    socket: Path | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class PostgresServer:
    """A disposable server, or one of the user's in which only our own databases are touched (`token` is their mark).

    `folder` is one of ours beside it, `sync` brings its files to the disk. What is None of `pid`, `data`,
    `installation` and `log_path` is out of our sight: all of the user's server, and the data of a container's.
    """

    version: str
    address: Address
    logins: roles.Logins
    journal: Journal
    home: str = "postgres"  # the database to connect to where none is meant
    token: str | None = None
    pid: int | None = None
    folder: Path | None = None
    data: Path | None = None
    sync: Callable[[], None] | None = None
    installation: Installation | None = None
    log_path: Path | None = None
    dog: _local.Watchdog | None = None
    usual: dict[str, str] = field(default_factory=dict, init=False, repr=False)  # before they were changed for a load
    held: dict[str, str] = field(default_factory=dict, init=False, repr=False)  # to the end, whatever they were

    @property
    def major(self) -> int:
        """The version's first number."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]

    @property
    def is_ours(self) -> bool:
        """Whether the whole server is ours, so that its settings may be changed."""
        return self.token is None

    @property
    def comment(self) -> str | None:
        """What is written on a database of ours; None where the whole server is ours."""
        return mark_of(self.token) if self.token else None

    def url(self, role: Role, database: str) -> str:
        """Return a URL that every tool understands, over TCP for those that know no sockets."""
        login = self.logins[role]
        secret = f":{quote(login.password, safe='')}" if login.password else ""
        port = f":{self.address.port}" if self.address.port else ""
        host = self.address.host if not self.address.host.startswith("/") else ""
        host = f"[{host}]" if ":" in host and "," not in host else host
        words = dict(self.address.parameters) | {"application_name": f"rehearse-{role}"}
        if self.address.host.startswith("/"):
            words["host"] = self.address.host
        query = urlencode(words, quote_via=quote)
        return f"postgresql://{quote(login.user, safe='')}{secret}@{host}{port}/{quote(database, safe='')}?{query}"

    def connect(self, role: Role = Role.OWNER, database: str | None = None, **options: Any) -> roles.Connection:
        """Connect in autocommit, by the private socket where there is one."""
        wanted: dict[str, Any] = {"autocommit": True, "connect_timeout": 30} | options
        if self.address.socket:
            wanted = {"host": str(self.address.socket)} | wanted
        return psycopg.connect(self.url(role, database or self.home), **wanted)

    def create(self, name: str) -> PostgresDatabase:
        """Make an empty database that the migration's role owns, with the other roles' rights."""
        database = self.database(name)
        with self.connect() as connection:
            statement = sql.SQL("CREATE DATABASE {} OWNER {}")
            names = (sql.Identifier(database.name), sql.Identifier(self.logins[Role.MIGRATION].user))
            connection.execute(statement.format(*names))
            self.mark(connection, database.name)
        with database.connect() as connection:
            if self.logins[Role.MIGRATION] != self.logins[Role.OWNER]:
                roles.prepare_database(connection, self.logins)
        return database

    def database(self, name: str) -> PostgresDatabase:
        """Return a database by the name that it was made with."""
        return PostgresDatabase(f"{prefix_of(self.token)}{name}" if self.token else name, self)

    def mark(self, connection: roles.Connection, name: str) -> None:
        """Write on a database that it is ours, where the server is not."""
        if self.comment:
            statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Literal(self.comment)))

    def settings(self) -> Mapping[str, str]:
        """Return the settings in force that differ from the server's defaults."""
        with self.connect() as connection:
            return dict(connection.execute(_SETTINGS).fetchall())

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Trade safety for speed while the block loads; all settings are back, and seen to be, when it is left."""
        self.settings_fast()
        try:
            yield
        finally:
            self.settings_measured()

    def settings_fast(self) -> None:
        """Switch off what makes writes safe; does nothing on a server that is not ours."""
        if not self.is_ours:
            return
        with self.connect() as connection:
            self.usual.update(_values(connection))
            for name, value in _FAST.items():
                statement = sql.SQL("ALTER SYSTEM SET {} = {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Literal(value)))
            connection.execute("SELECT pg_reload_conf()")

    def hold(self, settings: Mapping[str, str]) -> None:
        """Keep settings at these values from now on, after a load too; the server must be ours."""
        assert self.is_ours
        self.held.update(settings)
        with self.connect() as connection:
            for name, value in settings.items():
                statement = sql.SQL("ALTER SYSTEM SET {} = {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Literal(value)))
            connection.execute("SELECT pg_reload_conf()")

    def settings_measured(self) -> None:
        """Switch everything back, wait until it is in force, and bring what was loaded to the disk."""
        if not self.is_ours:
            return
        with self.connect() as connection:
            for name in _FAST.keys() - self.held.keys():
                connection.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
            left = _reloaded(connection, {name: self.held.get(name, value) for name, value in self.usual.items()})
            connection.execute("CHECKPOINT")
        if self.sync:
            self.sync()
        if left:
            self.remark(f"settings that speed up the load could not be switched back: {', '.join(left)}", weakens=True)

    def keep(self) -> Kept:
        """Have the databases outlive us; the URLs are the owner's, and our own server's password is in a file."""
        assert self.dog
        with self.connect() as connection:
            names = [name for (name,) in connection.execute(_DATABASES, {"mark": self.comment}).fetchall()]
        owner = self.logins[Role.OWNER]
        words = {**self.address.parameters, **self._passfile(owner)}
        shown = replace(
            self,
            address=replace(self.address, parameters=words),
            logins=dict.fromkeys(Role, replace(owner, password=None)),
        )
        return Kept(urls=tuple(shown.url(Role.OWNER, name) for name in names), process=self.dog.keep())

    def _passfile(self, login: roles.Login) -> dict[str, str]:
        """Write a password file that only we can read, where the folder is ours; it goes with the server."""
        if self.folder is None:
            return {}
        path = self.folder / "pgpass"
        path.touch(mode=0o600)
        path.write_text(f"*:*:*:{login.user}:{login.password}\n")
        return {"passfile": str(path)}

    def remark(self, says: str, *, weakens: bool = False) -> None:
        """Write into the journal what a reader of the report must know."""
        self.journal.write(Remarked(at_ns=time.monotonic_ns(), source="server", says=says, weakens=weakens))


def mark_of(token: str) -> str:
    """Return the comment that says that a database is ours."""
    return f"rehearse disposable {token}"


def prefix_of(token: str) -> str:
    """Return what the names of our databases on a server begin with that is not ours; the token is drawn for each."""
    return f"rehearse_{token}_"


def _values(connection: roles.Connection) -> dict[str, str]:
    query = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
    return dict(connection.execute(query, [list(_FAST)]).fetchall())


def _reloaded(connection: roles.Connection, wanted: Mapping[str, str]) -> list[str]:
    """Have the configuration read again and return the settings that are not as wanted within the limit."""
    connection.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + _APPLY_S
    while True:
        values = _values(connection)
        left = [name for name, value in wanted.items() if values.get(name) != value]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.005)
