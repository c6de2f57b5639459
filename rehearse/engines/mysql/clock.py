"""The clock of performance_schema's statements, read by our own."""

from __future__ import annotations

import time

from rehearse.engines.mysql.client import Connection, rows

# The statement finds its own beginning. Picoseconds.
_OWN = """
    SELECT c.timer_start
    FROM performance_schema.events_statements_current c
    JOIN performance_schema.threads t ON t.thread_id = c.thread_id
    WHERE t.processlist_id = connection_id()
"""
_TRIES = 5
LATE_NS = 1_000_000  # the server notes a statement's end after it has answered, and after it has tidied up


def offset(connection: Connection) -> tuple[int, int]:
    """Return what is to be added to the server's nanoseconds to get `time.monotonic_ns()`, and the doubt, in ns.

    Of some tries the quickest is taken, whose statement began within its round trip.
    """
    found = []
    for _ in range(_TRIES):
        before = time.monotonic_ns()
        ((began,),) = rows(connection, _OWN)
        took = time.monotonic_ns() - before
        found.append((took, before + took // 2 - int(began) // 1000))
    took, ahead = min(found)
    return ahead, took
