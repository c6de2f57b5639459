"""What a session was at that stood in the migration's way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Set

import pymysql

from rehearse.engines.mysql.client import Connection, rows
from rehearse.events import SessionSeen

# The digest is the last statement without its values. A transaction's age is told to the second.
_SESSIONS = """
    SELECT t.processlist_id, t.processlist_user, t.processlist_command, t.processlist_state, s.digest_text,
           (SELECT TIMESTAMPDIFF(MICROSECOND, x.trx_started, now(6))
            FROM information_schema.innodb_trx x WHERE x.trx_mysql_thread_id = t.processlist_id)
    FROM performance_schema.threads t
    LEFT JOIN performance_schema.events_statements_current s ON s.thread_id = t.thread_id
    WHERE t.processlist_id IN %s
"""


def sightings(connection: Connection, sessions: Set[int], roles: Mapping[str, str]) -> Iterator[SessionSeen]:
    """Yield what these sessions are at now; nothing where that cannot be read. `roles` are by the accounts' names."""
    try:
        found = rows(connection, _SESSIONS, (tuple(sessions),))
    except pymysql.err.MySQLError:
        return
    at = time.monotonic_ns()
    seen = set()
    for session, user, command, state, query, age_us in found:
        if session in seen:  # a statement within another has a row of its own
            continue
        seen.add(session)
        yield SessionSeen(
            at_ns=at,
            session=int(session),
            role=roles.get(str(user), "other"),
            kind="client",
            # Who sleeps and holds a table's lock is in a transaction, which the server tells late if it only reads.
            state="idle in transaction" if command == "Sleep" else (state or command or "").lower() or None,
            since_ns=None if age_us is None else at - max(0, int(age_us)) * 1000,
            query=query or None,
        )
