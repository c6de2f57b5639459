"""One database in a server: what the rehearsal asks of it, each answered by the module that knows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql

from rehearse.engines.mysql.client import Connection, connect, execute, named, rows
from rehearse.errors import NotDisposable, ServerFailed
from rehearse.events import Journal
from rehearse.model import Comparison, Snapshot
from rehearse.protocols import Database, Role, TableData, Watch

if TYPE_CHECKING:
    import pandas

    from rehearse.engines.mysql.server import MysqlServer
    from rehearse.profiles import Structure
    from rehearse.profiles.blueprint import Blueprint

_SESSIONS = "SELECT id FROM information_schema.processlist WHERE user = %s AND db = %s AND id <> connection_id()"
_OF_ALL = "SELECT id FROM information_schema.processlist WHERE db = %s"
_END_S = 600.0  # a long ALTER that is killed removes its copy first


@dataclass(slots=True)
class MysqlDatabase:
    """One database in a server."""

    name: str
    server: MysqlServer

    def url(self, role: Role) -> str:
        """Return a URL with the role's account and password; never logged."""
        return self.server.url(role, self.name)

    @contextmanager
    def connect(self, role: Role = Role.OWNER, **options: Any) -> Iterator[Connection]:
        """Connect as a role, in autocommit."""
        with connect(self.server.at(role, self.name), **options) as connection:
            yield connection

    def grant(self) -> None:
        """Give the roles their rights, which are those of the whole database and so hold for what comes too."""
        self.refuse_unless_ours()
        from rehearse.engines.mysql import accounts  # noqa: PLC0415

        with self.server.connect() as connection:
            accounts.grant(connection, self.server.logins, self.name)

    def run_file(self, path: Path) -> None:
        """Run SQL as the servers' own clients read it; an error names file, line and the server's words."""
        self.refuse_unless_ours()
        from rehearse.engines.mysql.files import run_file  # noqa: PLC0415

        run_file(self, path)

    def restore(self, path: Path) -> None:
        """Restore a dump of mariadb-dump or mysqldump, which is SQL."""
        self.run_file(path)

    def load(self, tables: Iterable[TableData], journal: Journal) -> None:
        """Fill tables; constraints and indexes are there afterwards, and foreign keys are proved."""
        self.refuse_unless_ours()
        from rehearse.engines.mysql.load import load  # noqa: PLC0415

        load(self, tables, journal)

    def structure(self) -> Structure:
        """Return the tables as a generator of rows must know them."""
        from rehearse.engines.mysql.structure import structure  # noqa: PLC0415

        return structure(self)

    def blueprint(self) -> Blueprint:
        """Return the tables as a way to change them must know them."""
        from rehearse.engines.mysql.blueprint import blueprint  # noqa: PLC0415

        return blueprint(self)

    def snapshot(self, name: str) -> Snapshot:
        """Return schema, rows and checksums as they are in quiet; reads every row."""
        from rehearse.engines.mysql.schema import take  # noqa: PLC0415

        return take(self, name)

    def compare(
        self,
        older: Database,
        before: Snapshot,
        after: Snapshot,
        writes: pandas.DataFrame,
        *,
        origin: Snapshot | None = None,
        known: Comparison | None = None,
        limit: int = 20,
    ) -> Comparison:
        """Return what differs between `older` (in state `before`) and this one (in state `after`)."""
        from rehearse.engines.mysql.compare import compare  # noqa: PLC0415

        assert isinstance(older, MysqlDatabase)
        return compare(self, older, before, after, writes, origin=origin, known=known, limit=limit)

    def watch(self, journal: Journal) -> Watch:
        """Begin a watch of what locks and waits; the caller runs its probes."""
        from rehearse.engines.mysql.locks import watch  # noqa: PLC0415

        return watch(self, journal)

    def fork(self, name: str) -> MysqlDatabase:
        """Return a new database with the same objects and rows."""
        self.refuse_unless_ours()
        from rehearse.engines.mysql.copies import copy  # noqa: PLC0415

        target = self.server.create(name)
        copy(self, target)
        return target

    def end_sessions(self, role: Role) -> None:
        """End what a role still runs here, and wait until it is gone: a killed ALTER holds its locks for a while."""
        self.refuse_unless_ours()
        user = self.server.at(role).user
        deadline = time.monotonic() + _END_S
        with self.server.connect() as connection:
            while found := rows(connection, _SESSIONS, (user, self.name)):
                for (session,) in found:
                    with suppress(pymysql.err.OperationalError):  # it has just gone by itself
                        execute(connection, f"KILL {session}")
                if time.monotonic() > deadline:
                    raise ServerFailed(f"a session of the {role} does not end in {_END_S:.0f} s after it was killed")
                time.sleep(0.01)

    def drop(self) -> None:
        """Remove the database with all rights in it, and end its sessions."""
        self.refuse_unless_ours()
        from rehearse.engines.mysql import grants  # noqa: PLC0415

        with self.server.connect() as connection:
            for (session,) in rows(connection, _OF_ALL, (self.name,)):
                with suppress(pymysql.err.OperationalError):
                    execute(connection, f"KILL {session}")
            for revoke in list(grants.revoked(connection, self.name, self.server.users)):
                with suppress(pymysql.err.MySQLError):  # the account has just gone
                    execute(connection, revoke)
            execute(connection, f"DROP DATABASE IF EXISTS {named(self.name)}")

    def refuse_unless_ours(self) -> None:
        """Raise NotDisposable for a database that does not bear our mark; on a server of our own all are ours."""
        if self.server.is_ours:
            return
        with self.server.connect() as connection:
            ours = rows(connection, self.server.flavour.ours, (self.server.token,))
        if (self.name,) not in ours:
            raise NotDisposable(
                f"database {self.name!r} was not made by this rehearsal, so nothing is written to it or dropped; "
                "rehearse makes databases of its own on the server that engine.url names"
            )
