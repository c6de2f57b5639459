"""A state, a change of it, and the comparison of both, on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas

from rehearse.engines.postgres.compare import compare
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.schema import take
from rehearse.model import Comparison, PropertyDifference, TableComparison

COLUMNS = ["at_ns", "done_ns", "number", "outcome", "table", "kind", "key", "values", "unclear", "deltas"]


def wrote(
    kind: str,
    key: Mapping[str, str] | None,
    values: Mapping[str, str | None] | None = None,
    *,
    outcome: str = "ok",
    at: tuple[int, int] | None = None,
    unclear: Iterable[str] = (),
    deltas: Mapping[str, str] | None = None,
    table: str = "t",
) -> dict[str, Any]:
    """Return a row of `RowWritten`; `at` is (sent, done), by default after all that were made before."""
    sent, done = at or (wrote.clock, wrote.clock + 5)  # type: ignore[attr-defined]
    wrote.clock += 10  # type: ignore[attr-defined]
    return {
        "at_ns": sent,
        "done_ns": done,
        "number": wrote.clock,  # type: ignore[attr-defined]
        "outcome": outcome,
        "table": table,
        "kind": kind,
        "key": None if key is None else json.dumps(key),
        "values": json.dumps(values or {}),
        "unclear": json.dumps(list(unclear)),
        "deltas": json.dumps(deltas or {}),
    }


wrote.clock = 1000  # type: ignore[attr-defined]


def compared(
    database: PostgresDatabase,
    before: str,
    change: str,
    writes: Iterable[dict[str, Any]] = (),
    *,
    first: str | None = None,
    limit: int = 20,
) -> Comparison:
    """Return what differs after `change` ran on a database that `before` made; what `first` makes is the origin."""
    origin = None
    if first is not None:
        run(database, first)
        origin = take(database, "start")
    run(database, before)
    start = take(database, "start")
    copy = database.fork(f"{database.name}_copy")
    try:
        run(database, change)
        after = take(database, "back")
        frame = pandas.DataFrame(list(writes), columns=COLUMNS)
        return compare(database, copy, start, after, frame, origin=origin, limit=limit)
    finally:
        copy.drop()


def run(database: PostgresDatabase, script: str) -> None:
    with database.connect() as connection:
        if script.strip():
            connection.execute(script.encode())


def table(comparison: Comparison, name: str = "t") -> TableComparison:
    return next(one for one in comparison.tables if one.table == name)


def named(differences: Iterable[PropertyDifference]) -> set[tuple[str, str]]:
    return {(one.object, one.property) for one in differences}
