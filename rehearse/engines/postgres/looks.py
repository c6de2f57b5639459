"""One look at a server: its question, and the answer as values. Times are the server's, made monotonic by its clock."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from rehearse.engines.postgres.clock import ServerClock, server_ns
from rehearse.engines.postgres.wire import Row, Wire

USER_OIDS = 16384  # relations below are the server's own

# 0.15 ms of the server's CPU with few locks, 1.2 µs more a lock. Blockers are asked for those only who wait: over all
# backends that takes 80 ms at 10,000 locks. The branches of UNION ALL are run in order, so the last clock is the end.
_LOOK = """
WITH activity AS MATERIALIZED (
    SELECT pid, state, xact_start, query_start, state_change, query
      FROM pg_stat_get_activity(NULL)
     WHERE usesysid = $1::oid AND datid = $2::oid AND leader_pid IS NULL)
SELECT 'session', pid::text, state, xact_start::text, query_start::text, state_change::text, query, NULL, NULL
  FROM activity
 UNION ALL
SELECT 'lock', pid::text, virtualtransaction, coalesce(relation, 0)::text, mode, granted::text, {waitstart}::text,
       array_to_string(CASE WHEN NOT granted THEN pg_blocking_pids(pid) END, ','),
       concat_ws(' ', locktype, transactionid, page, tuple,
                 CASE WHEN locktype <> 'advisory' THEN objid::text
                      WHEN objsubid = 1 THEN ((classid::int8 << 32) | objid::int8)::text
                      ELSE classid || ',' || objid END)
  FROM pg_lock_status()
 WHERE (NOT granted AND (database = $2::oid OR database IS NULL OR database = 0))
    OR (relation >= 16384 AND database = $2::oid AND pid IN (SELECT pid FROM activity))
 UNION ALL
SELECT 'clock', NULL, statement_timestamp()::text, clock_timestamp()::text,
       (pg_current_wal_insert_lsn() - '0/0')::text, NULL, NULL, NULL, NULL
"""
# The same for one backend alone, asked between two statements.
_LOOK_AT_ONE = """
SELECT 'lock', pid::text, virtualtransaction, coalesce(relation, 0)::text, mode, granted::text, NULL, NULL, locktype
  FROM pg_lock_status()
 WHERE granted AND relation >= 16384 AND database = $2::oid AND pid = $1::int4
 UNION ALL
SELECT 'clock', NULL, statement_timestamp()::text, clock_timestamp()::text,
       (pg_current_wal_insert_lsn() - '0/0')::text, NULL, NULL, NULL, NULL
"""


class Lock(NamedTuple):
    """A row of pg_locks. `transaction` is virtual; `relation` is 0 where the lock is on something else."""

    session: int
    transaction: str
    relation: int
    mode: str
    granted: bool
    asked_ns: int | None  # when a wait began; None: does not wait, or has just begun to
    blocked_by: tuple[int, ...]
    on: str  # kind and number of what is locked


class Activity(NamedTuple):
    """A session of the migration as pg_stat_activity tells it; monotonic times."""

    session: int
    state: str
    transaction_ns: int | None
    query_ns: int | None
    changed_ns: int | None
    query: str


@dataclass(frozen=True, slots=True)
class Look:
    """What was so at one moment between `from_ns` and `until_ns`."""

    from_ns: int
    until_ns: int
    locks: tuple[Lock, ...]
    sessions: tuple[Activity, ...]
    took_ns: int
    wal: int  # bytes since the beginning of the server's log


def look(wire: Wire, clock: ServerClock, migration: str, database: str, version: int) -> Look:
    """Look at every session of the migration's role and at all who wait; role and database by oid."""
    waitstart = "waitstart" if version >= 140_000 else "NULL::timestamptz"
    return _look(wire, clock, _LOOK.format(waitstart=waitstart), migration, database)


def look_at_one(wire: Wire, clock: ServerClock, session: int, database: str) -> Look:
    """Look at the locks that one session holds."""
    return _look(wire, clock, _LOOK_AT_ONE, str(session), database)


def _look(wire: Wire, clock: ServerClock, sql: str, *values: str) -> Look:
    sent = time.monotonic_ns()
    rows = wire.rows(sql, values)
    answered = time.monotonic_ns()
    _, _, began, ended, wal, *_ = rows[-1]
    assert began and ended and wal
    clock.observe(sent, server_ns(ended), answered)
    doubt = clock.doubt_ns or 0
    return Look(
        from_ns=max(sent, clock.monotonic_ns(server_ns(began)) - doubt),
        until_ns=min(answered, clock.monotonic_ns(server_ns(ended)) + doubt),
        locks=tuple(_locks(rows, clock)),
        sessions=tuple(_sessions(rows, clock)),
        took_ns=answered - sent,
        wal=int(wal),
    )


def _locks(rows: list[Row], clock: ServerClock) -> Iterable[Lock]:
    for kind, pid, transaction, relation, mode, granted, asked, blockers, on in rows:
        if kind == "lock" and pid and mode:
            by = tuple(sorted({int(one) for one in (blockers or "").split(",") if one}))
            yield Lock(
                int(pid),
                transaction or "",
                int(relation or 0),
                mode,
                granted == "true",
                _ns(asked, clock),
                by,
                on or "",
            )


def _sessions(rows: list[Row], clock: ServerClock) -> Iterable[Activity]:
    for kind, pid, state, transaction, query_start, changed, query, *_ in rows:
        if kind == "session" and pid:
            times = (_ns(transaction, clock), _ns(query_start, clock), _ns(changed, clock))
            yield Activity(int(pid), state or "", *times, query or "")


def _ns(text: str | None, clock: ServerClock) -> int | None:
    return None if text is None else clock.monotonic_ns(server_ns(text))
