"""A running server as a rehearsal sees it: databases, accounts, settings."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rehearse.engines import _local
from rehearse.engines.mysql import accounts
from rehearse.engines.mysql.client import Address, Connection, connect, execute, named, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.flavour import Flavour
from rehearse.events import Journal, Remarked
from rehearse.protocols import Role

# Safe only while what is loaded can be loaded again; all of them can be changed while the server runs.
_FAST: Mapping[str, str] = {
    "innodb_flush_log_at_trx_commit": "0",
    "innodb_stats_auto_recalc": "OFF",
    "innodb_max_dirty_pages_pct": "90",
}
_PLACES = frozenset({"datadir", "tmpdir", "socket", "pid_file", "log_error", "init_file", "port", "basedir"})


@dataclass(slots=True, kw_only=True, eq=False)
class MysqlServer:
    """A disposable server, or one of the user's in which only our own databases are touched (`token` is their mark).

    `pid` is None for the user's server; `folder` is the data folder, where its files are within our reach.
    """

    flavour: Flavour
    version: str
    address: Address  # the owner's
    logins: accounts.Logins
    journal: Journal
    token: str | None = None
    pid: int | None = None
    folder: Path | None = None
    dog: _local.Watchdog | None = None
    usual: dict[str, str] = field(default_factory=dict, init=False, repr=False)  # before they were changed for a load

    @property
    def is_ours(self) -> bool:
        """Whether the whole server is ours, so that its settings may be changed."""
        return self.token is None

    @property
    def users(self) -> frozenset[str]:
        """The names of our own accounts."""
        return frozenset(login.user for login in self.logins.values())

    def at(self, role: Role, database: str | None = None) -> Address:
        """Return where a role connects."""
        if role is Role.OWNER:
            return replace(self.address, database=database)
        login = self.logins[role]
        return replace(self.address, user=login.user, password=login.password, database=database)

    def url(self, role: Role, database: str) -> str:
        """Return a URL that every tool understands."""
        return self.at(role, database).url

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Connect as the owner, to no database."""
        with connect(self.at(Role.OWNER)) as connection:
            yield connection

    def create(self, name: str) -> MysqlDatabase:
        """Make an empty database, with the roles' rights in it."""
        database = self.database(name)
        with self.connect() as connection:
            accounts.grant(connection, self.logins, database.name)  # which is the mark where there is no comment
            mark = f" /*M! COMMENT 'rehearse disposable {self.token}' */" if self.token else ""
            execute(connection, f"CREATE DATABASE {named(database.name)}{mark}")
        return database

    def database(self, name: str) -> MysqlDatabase:
        """Return a database by the name that it was made with."""
        return MysqlDatabase(f"rehearse_{self.token}_{name}" if self.token else name, self)

    def settings(self) -> Mapping[str, str]:
        """Return the settings in force that differ from the server's defaults."""
        with self.connect() as connection:
            found = {str(name): str(value) for name, value in rows(connection, self.flavour.settings)}
        return {name: value for name, value in found.items() if name not in _PLACES}

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Trade safety for speed while the block loads; all settings are back, and seen to be, when it is left."""
        if not self.is_ours:
            yield
            return
        with self.connect() as connection:
            self.usual = {name: _value(connection, name) for name in _FAST}
            _set(connection, _FAST)
        try:
            yield
        finally:
            self._measured()

    def _measured(self) -> None:
        with self.connect() as connection:
            _set(connection, self.usual)
            left = [name for name, value in self.usual.items() if _value(connection, name) != value]
            execute(connection, "FLUSH LOGS")
        if left:
            self.remark(f"settings that speed up the load could not be switched back: {', '.join(left)}", weakens=True)

    def remark(self, says: str, *, weakens: bool = False) -> None:
        """Write into the journal what a reader of the report must know."""
        self.journal.write(Remarked(at_ns=time.monotonic_ns(), source="server", says=says, weakens=weakens))


def _set(connection: Connection, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        execute(connection, f"SET GLOBAL {name} = {value}")


def _value(connection: Connection, name: str) -> str:
    ((value,),) = rows(connection, f"SELECT @@GLOBAL.{name}")
    return str(value)
