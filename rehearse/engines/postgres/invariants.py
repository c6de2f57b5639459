"""Verifies what the schema promises of its rows: keys, constraints, unique indexes and sequences, from the rows.

What neither rows nor schema can have changed is not read again. What is broken is asked of the start's copy too, so
that the migration does not answer for what was there before it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from typing import Any

import psycopg
from psycopg import Connection, sql

from rehearse.engines._patience import PATIENCE_S, Clock
from rehearse.engines.postgres import promises, soundness
from rehearse.engines.postgres.promises import Promise
from rehearse.engines.postgres.schema import Connects
from rehearse.events import InvariantTried
from rehearse.protocols import Role

_SETTINGS = {
    "default_transaction_read_only": "on",
    "lock_timeout": "2s",
    "jit": "off",
    "work_mem": "64MB",
    # The rows are to be read, not what the server has concluded of them.
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
    "constraint_exclusion": "off",
    "enable_partition_pruning": "off",
}
_EXAMPLE = 300
_MOST = 200_000  # rows whose keys are compared

Count = tuple[int | None, str | None, str | None]  # rows, an example, the error


def tried(
    database: Connects,
    start: Connects | None,
    state: str,
    *,
    unchanged: Collection[str] = (),
    given: Collection[tuple[str, str]] = (),
) -> list[InvariantTried]:
    """Return what each promise of the schema is worth in this state.

    `start` is a copy of the database as it was at the start. `unchanged` are tables whose rows are proven to be those
    of the start; `given` are (table, column) to which calls give values themselves, past the column's sequence.
    """
    began, clock = time.monotonic_ns(), Clock()
    with ExitStack() as stack:
        now = stack.enter_context(_reading(database))
        before = stack.enter_context(_reading(start)) if start is not None else None
        found = promises.read(now)
        older = _matched(found, promises.read(before) if before is not None else [])
        kept = [one for one in found if _is_unchanged(one, older.get(one.key), unchanged)]
        own = {one.key for one in found if one.kind == "sequence" and (one.table, one.column) in given}
        own.update(one.key for one in kept)
        asked = [one for one in found if one.key not in own]
        counts = _counts(now, asked, clock)
        broken = [older[one.key] for one in asked if counts[one.key][0] and one.key in older]
        then = _counts(before, broken, clock) if before is not None else {}
        twice = [(one, older[one.key]) for one in asked if one.key in older and _breaks(then, older[one.key])]
        new = {one.key: _breaking_anew(now, before, one, old, clock) for one, old in twice if before is not None}
        damages = soundness.damages(soundness.Sides(database, now, start, before), unchanged, clock)
    olds = {key: then.get(old.key) for key, old in older.items()}
    return [
        *(_event(one, one, (0, None, None), state, began, is_unchanged=True) for one in kept),
        *(
            _event(
                one, older.get(one.key), counts[one.key], state, began, before=olds.get(one.key), new=new.get(one.key)
            )
            for one in asked
        ),
        *(damage.event(state, began) for damage in damages),
    ]


def _reading(database: Connects) -> Connection[Any]:
    connection = database.connect(Role.OWNER)
    for name, value in _SETTINGS.items():
        connection.execute("select set_config(%s, %s, false)", [name, value])
    return connection


def _matched(found: Iterable[Promise], start: Iterable[Promise]) -> dict[promises.Key, Promise]:
    """Return, by the key of a promise of now, the same one of the start: by number, else by table and name."""
    numbered = {one.key: one for one in start}
    named = {(one.kind, one.table, one.name): one for one in numbered.values()}
    pairs = ((one, numbered.get(one.key) or named.get((one.kind, one.table, one.name))) for one in found)
    return {one.key: old for one, old in pairs if old is not None}


def _is_unchanged(one: Promise, old: Promise | None, unchanged: Collection[str]) -> bool:
    return (
        old is not None
        and bool(one.tables)
        and set(one.tables) <= set(unchanged)
        and (one.definition, one.flaw, one.tables) == (old.definition, old.flaw, old.tables)
        and not one.calls_functions  # a function's body may be another
    )


# --- asking


def _counts(connection: Connection[Any], asked: Sequence[Promise], clock: Clock) -> dict[promises.Key, Count]:
    """Return by its key how many rows break each promise; all conditions of a table are asked in one pass."""
    found: dict[promises.Key, Count] = {}
    by_source = sorted((one for one in asked if one.breaks is not None), key=lambda one: one.table)
    for _, some in groupby(by_source, key=lambda one: one.table):
        found |= _conditions(connection, list(some), clock)
    for one in asked:
        if one.query is not None:
            ((rows, example, error),) = _rows(connection, one.query, clock)
            found[one.key] = (rows, example, error)
        elif one.breaks is None:
            found[one.key] = (None if one.unasked else 0, None, one.unasked)
    return found


def _conditions(connection: Connection[Any], some: Sequence[Promise], clock: Clock) -> dict[promises.Key, Count]:
    parts = [
        sql.SQL("count(*) filter (where {0}), min({1}) filter (where {0})").format(one.breaks, one.example)
        for one in some
    ]
    counts = _rows(connection, sql.SQL("select {} from {}").format(sql.SQL(", ").join(parts), some[0].source), clock)
    if len(some) > 1 and counts[0][2] is not None and clock.left_ms:  # one of them fails: which?
        return {key: value for one in some for key, value in _conditions(connection, [one], clock).items()}
    counts = counts if len(counts) == len(some) else counts * len(some)
    return {one.key: count for one, count in zip(some, counts, strict=True)}


def _rows(connection: Connection[Any], query: sql.Composed, clock: Clock) -> list[Count]:
    """Return the query's pairs of a number and an example, or one triple with the error."""
    if not clock.left_ms:
        return [(None, None, f"the {PATIENCE_S} s for it were over")]
    try:
        connection.execute("select set_config('statement_timeout', %s, false)", [f"{clock.left_ms}ms"])
        row = connection.execute(query).fetchone()
    except psycopg.Error as refused:
        return [(None, None, refused.diag.message_primary or type(refused).__name__)]
    assert row is not None, "an aggregate returns one row"
    pairs = zip(row[::2], row[1::2], strict=True)
    return [(int(rows), None if example is None else str(example)[:_EXAMPLE], None) for rows, example in pairs]


def _breaks(counts: Mapping[promises.Key, Count], one: Promise) -> bool:
    return one.key in counts and bool(counts[one.key][0])


def _breaking_anew(
    now: Connection[Any], before: Connection[Any], one: Promise, old: Promise, clock: Clock
) -> set[str] | None:
    """Return what tells the rows that break a promise now and did not at the start; None: that cannot be told."""
    if one.breaking is None or old.breaking is None or one.told_by != old.told_by:
        return None
    found, then = _told(now, one.breaking, clock), _told(before, old.breaking, clock)
    return None if found is None or then is None else found - then


def _told(connection: Connection[Any], query: sql.Composed, clock: Clock) -> set[str] | None:
    if not clock.left_ms:
        return None
    try:
        connection.execute("select set_config('statement_timeout', %s, false)", [f"{clock.left_ms}ms"])
        rows = connection.execute(query + sql.SQL(" limit {}").format(sql.Literal(_MOST + 1))).fetchall()
    except psycopg.Error:
        return None
    return {str(key)[:_EXAMPLE] for (key,) in rows} if len(rows) <= _MOST else None


def _event(
    one: Promise,
    old: Promise | None,
    count: Count,
    state: str,
    began: int,
    *,
    before: Count | None = None,
    new: Collection[str] | None = None,
    is_unchanged: bool = False,
) -> InvariantTried:
    rows, example, error = count
    return InvariantTried(
        at_ns=began,
        ended_ns=time.monotonic_ns(),
        state=state,
        kind=one.kind,
        name=one.name,
        table=one.table,
        rows=rows,
        rows_before=before[0] if before else None,
        rows_new=None if new is None else len(new),
        error_before=before[2] if before else None,
        example=(min(new) if new else example) if rows else None,
        flaw=one.flaw,
        is_new=old is None or (one.flaw is not None and one.flaw != old.flaw),
        is_unchanged=is_unchanged,
        error=error,
    )
