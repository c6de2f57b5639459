"""One database in a server: what the rehearsal asks of it, each answered by the module that knows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import sql

from rehearse.engines.postgres import copies, roles
from rehearse.errors import NotDisposable
from rehearse.events import Journal
from rehearse.model import Comparison, Snapshot
from rehearse.protocols import Database, Role, TableData, Watch

if TYPE_CHECKING:
    import pandas

    from rehearse.engines.postgres.server import PostgresServer
    from rehearse.profiles import ForeignKey, Structure
    from rehearse.profiles.blueprint import Blueprint
    from rehearse.profiles.contents import Contents, Part

_COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"

# Told apart by user, or by the name in our URLs where all roles are one user.
_END = """
    SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity
    WHERE datname = %s AND usename = %s AND application_name = coalesce(%s, application_name)
"""


@dataclass(slots=True)
class PostgresDatabase:
    """One database in a server."""

    name: str
    server: PostgresServer

    def url(self, role: Role) -> str:
        """Return a URL with the role's user and password; never logged."""
        return self.server.url(role, self.name)

    def connect(self, role: Role = Role.OWNER, **options: Any) -> roles.Connection:
        """Connect as a role, in autocommit; `options` are libpq's and psycopg's."""
        return self.server.connect(role, self.name, **options)

    def grant(self) -> None:
        """Make the migration's role the owner of all that is there, and let the application use it."""
        from rehearse.engines.postgres import ownership  # noqa: PLC0415

        ownership.settle(self)

    def run_file(self, path: Path) -> None:
        """Run plain SQL, `COPY … FROM stdin` included; an error names file, line and the server's words."""
        from rehearse.engines.postgres.files import run_file  # noqa: PLC0415

        self.refuse_unless_ours()
        run_file(self, path)

    def restore(self, path: Path) -> None:
        """Restore a dump (custom, directory, tar or plain); says what program is missing where one is."""
        from rehearse.engines.postgres.dumps import restore  # noqa: PLC0415

        self.refuse_unless_ours()
        restore(self, path)

    def load(self, tables: Iterable[TableData], journal: Journal) -> None:
        """Fill tables, parents first, in the fastest sound order; constraints and indexes are there afterwards."""
        from rehearse.engines.postgres.load import load  # noqa: PLC0415

        self.refuse_unless_ours()
        load(self, tables, journal)

    def check_statistics(self) -> None:
        """Raise a ScenarioMistake where the server takes no statistics."""
        from rehearse.engines.postgres import injection  # noqa: PLC0415

        with self.connect() as connection:
            injection.check(connection)

    def reckon_with(self, production: Iterable[TableData], journal: Journal) -> None:
        """Have the planner reckon with these tables, and keep it so where the server is ours."""
        from rehearse.engines.postgres import injection  # noqa: PLC0415

        self.refuse_unless_ours()
        injected = injection.inject(self, production, journal)
        if not self.server.is_ours:
            self.server.remark("the statistics of production last until autovacuum analyzes the tables", weakens=True)
            return
        with self.connect() as connection:
            self.server.hold({"autovacuum": "off"} | injection.parallel_from(connection, injected.share))

    def structure(self) -> Structure:
        """Return the tables as a generator of rows must know them."""
        from rehearse.engines.postgres.structure import structure  # noqa: PLC0415

        return structure(self)

    def blueprint(self) -> Blueprint:
        """Return the tables as a way to change them must know them."""
        from rehearse.engines.postgres.blueprint import blueprint  # noqa: PLC0415

        return blueprint(self)

    def contents(
        self,
        *,
        rows: int,
        parts: Mapping[str, Mapping[str, Collection[Part]]] | None = None,
        keys: Mapping[str, Sequence[ForeignKey]] | None = None,
    ) -> Contents:
        """Return the tables' rows, sampled where they are more than `rows`, and the fan-outs of their foreign keys."""
        from rehearse.engines.postgres.alike import contents  # noqa: PLC0415

        return contents(self, rows=rows, parts=parts, keys=keys)

    def snapshot(self, name: str) -> Snapshot:
        """Return schema, rows and checksums as they are in quiet; reads every row."""
        from rehearse.engines.postgres.schema import take  # noqa: PLC0415

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
        from rehearse.engines.postgres.compare import compare  # noqa: PLC0415

        assert isinstance(older, PostgresDatabase)
        return compare(self, older, before, after, writes, origin=origin, known=known, limit=limit)

    def watch(self, journal: Journal) -> Watch:
        """Begin a watch of what locks and waits; the caller runs its probes."""
        from rehearse.engines.postgres.locks import watch  # noqa: PLC0415

        return watch(self, journal)

    def fork(self, name: str) -> PostgresDatabase:
        """Return a new database with the same bytes, rights and settings; ends the sessions of this one first."""
        self.refuse_unless_ours()
        target = self.server.database(name)
        copies.copy(self.server, self.name, target.name)
        return target

    def end_sessions(self, role: Role) -> None:
        """End what a role still runs here; a tool that was killed leaves its statement running."""
        self.refuse_unless_ours()
        logins = self.server.logins
        shared = sum(one.user == logins[role].user for one in logins.values()) > 1
        with self.server.connect() as connection:
            connection.execute(_END, (self.name, logins[role].user, f"rehearse-{role}" if shared else None))

    def drop(self) -> None:
        """Remove the database and end its sessions."""
        self.refuse_unless_ours()
        with self.server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def refuse_unless_ours(self) -> None:
        """Raise NotDisposable for a database that does not bear our mark; on a server of our own all are ours."""
        if self.server.is_ours:
            return
        with self.server.connect() as connection:
            found = connection.execute(_COMMENT, [self.name]).fetchone()
        if not found or found[0] != self.server.comment:
            raise NotDisposable(
                f"database {self.name!r} was not made by this rehearsal, so nothing is written to it or dropped; "
                "rehearse makes databases of its own on the server that engine.url names"
            )
