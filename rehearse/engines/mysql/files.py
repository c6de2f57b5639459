"""Runs the user's own SQL files: schema, rows, dumps of mariadb-dump and mysqldump."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

from rehearse import delimited
from rehearse.engines.mysql.client import execute, words
from rehearse.errors import Mistake, ScenarioMistake
from rehearse.protocols import Role

if TYPE_CHECKING:
    from rehearse.engines.mysql.database import MysqlDatabase

_SHOWN = 200  # characters of a statement in an error
# As the clients do: the mode that a statement was written in is the server's own, and not the one of our connections.
_PLAIN = "SET SESSION time_zone = '+00:00'"


def run_file(database: MysqlDatabase, path: Path) -> None:
    """Run a file's statements as the owner, whose dumps may name any definer.

    On a server of the user's they are run as the migration, which has no right in any database but ours: a dump may
    say USE.
    """
    flavour = database.server.flavour
    role = Role.OWNER if database.server.is_ours else Role.MIGRATION
    with path.open("rb") as file:
        head = file.read(5)
    if head == b"PGDMP":
        raise ScenarioMistake(f"{path}: a dump by pg_dump cannot be restored into {flavour.title}; use {flavour.dump}")
    try:
        with (
            path.open(encoding="utf-8-sig", newline="") as lines,
            database.connect(role, init_command=_PLAIN) as connection,
        ):
            for one in delimited.statements(lines):
                try:
                    execute(connection, one.text)
                except pymysql.err.MySQLError as error:
                    shown = " ".join(one.text.split())[:_SHOWN]
                    raise ScenarioMistake(f"{path}:{one.line}: {words(error)}: {shown}") from None
    except UnicodeDecodeError as error:
        raise Mistake(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
