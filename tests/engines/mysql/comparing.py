"""A state, a change of it, and the comparison of both, on a real server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas

from rehearse import delimited
from rehearse.engines.mysql.client import execute
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.model import Comparison
from rehearse.protocols import Role
from tests.engines.comparing import COLUMNS
from tests.engines.mysql.numbers import numbered


def numbers(count: int) -> str:
    """Return SQL for a table of the numbers from 1, in the column `seq`, that every server reads."""
    return numbered(f"seq_1_to_{count}")


def run(database: MysqlDatabase, script: str) -> None:
    with database.connect(Role.MIGRATION) as connection:
        for one in delimited.statements(script.splitlines(keepends=True)):
            execute(connection, one.text)


def compared(
    database: MysqlDatabase, before: str, change: str, writes: Iterable[dict[str, Any]] = (), *, limit: int = 20
) -> Comparison:
    """Return what differs after `change` ran on a database that `before` made."""
    run(database, before)
    start = database.snapshot("start")
    copy = database.fork(f"{database.name}_copy")
    try:
        run(database, change)
        after = database.snapshot("back")
        frame = pandas.DataFrame(list(writes), columns=COLUMNS)
        return database.compare(copy, start, after, frame, limit=limit)
    finally:
        copy.drop()
