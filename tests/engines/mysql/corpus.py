"""A database with an object of each kind, made anew for each change of one property."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearse import delimited
from rehearse.engines import _differences
from rehearse.engines.mysql import schema
from rehearse.engines.mysql.client import Connection, execute
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.model import PropertyDifference, Snapshot

ACCOUNTS = (
    "drop user if exists corpus_reader; drop role if exists corpus_role; "
    "drop user if exists corpus_other; create user corpus_reader; create role corpus_role"
)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The statements that make the database, the changes of it, and the database."""

    database: MysqlDatabase
    makes: str
    changes: dict[str, Any]

    @property
    def is_mariadb(self) -> bool:
        """Say whether it is on a MariaDB."""
        return self.database.server.flavour.name == "mariadb"

    @contextmanager
    def fresh(self) -> Iterator[Connection]:
        """Make the database and yield a connection to it."""
        with self.database.server.connect() as connection:
            run(connection, f"{ACCOUNTS}; drop database if exists {self.database.name}")
            run(connection, f"create database {self.database.name}; use {self.database.name}; {self.makes}")
            yield connection

    def snapshot(self, connection: Connection) -> Snapshot:
        """Return the schema as it is."""
        objects, physical = schema.read(connection, self.database.name, self.database.server.users, content=True)
        return Snapshot(name="one", at_ns=0, took_ns=0, schema=objects, physical=physical, tables={})

    def sql(self, change: str) -> str:
        """Return what makes a change."""
        return str(self.changes[change]["sql"]).replace("{database}", self.database.name)


def corpus(server: MysqlServer, folder: Path) -> Corpus:
    """Return the corpus of an engine's folder of tests, on a server."""
    makes = (folder / "schema_changes.sql").read_text(encoding="utf-8")
    changes = tomllib.loads((folder / "schema_changes.toml").read_text(encoding="utf-8"))
    return Corpus(server.create("corpus"), makes, changes)


def run(connection: Connection, script: str) -> None:
    """Run statements as the client would."""
    for one in delimited.statements(script.splitlines(keepends=True)):
        execute(connection, one.text)


def differing(before: Snapshot, after: Snapshot) -> list[PropertyDifference]:
    """Return all that differs."""
    return [*_differences.schema(before, after), *_differences.physical(before, after)]


def severity(found: Iterable[PropertyDifference], thing: str, what: str) -> str:
    """Return how much a property's difference matters."""
    return next(one.severity for one in found if (one.object, one.property) == (thing, what))
