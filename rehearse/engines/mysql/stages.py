"""What the migration's statements were at, as the server kept it: how an ALTER was done, and when its locks changed.

The same stages are told by MySQL and MariaDB. Only the migration's are kept (see `accounts.watching`); those that an
ALTER goes through are few, so that they cost the traffic nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from rehearse.engines.mysql.client import Connection, rows
from rehearse.engines.mysql.closures import READS, WRITES, Edge
from rehearse.events import StatementRan

WAITING = "Waiting for table metadata lock"
_COPYING = "copy to tmp table"
_IN_PLACE = "altering table"
_READING = "alter table ("  # InnoDB's own: reads the rows, sorts, inserts, applies the log
_SWAPPING = ("rename result table", "committing alter table to storage engine")
INSTRUMENTS = (
    *(f"stage/sql/{name}" for name in (WAITING, _COPYING, _IN_PLACE, *_SWAPPING)),
    "stage/innodb/alter table%",
)
_SINCE = """
    SELECT thread_id, event_id, event_name, timer_start, timer_end
    FROM performance_schema.events_stages_history_long
    WHERE timer_start >= %s AND timer_end IS NOT NULL
    ORDER BY thread_id, event_id
"""
_OF_SESSION = """
    SELECT h.event_id, h.event_name
    FROM performance_schema.threads t
    JOIN performance_schema.events_stages_history_long h ON h.thread_id = t.thread_id
    WHERE t.processlist_id = %s AND h.event_id > %s
"""
_KEPT = """
    SELECT (SELECT COUNT(*) FROM performance_schema.setup_consumers
            WHERE name = 'events_stages_history_long' AND enabled = 'YES')
         * (SELECT COUNT(*) FROM performance_schema.setup_instruments
            WHERE name = 'stage/sql/copy to tmp table' AND enabled = 'YES')
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a statement; `name` is the server's, without the kind before it. Times in ns of our own clock."""

    thread: int
    event: int
    name: str
    at_ns: int
    ended_ns: int


def are_kept(connection: Connection) -> bool:
    """Say whether the server keeps the stages of an ALTER; without them its algorithm is not known."""
    ((kept,),) = rows(connection, _KEPT)
    return bool(kept)


def since(connection: Connection, began_ns: int, ahead_ns: int) -> list[Stage]:
    """Return the stages since a moment, in the order of each thread's; `ahead_ns` turns the server's time into ours."""
    found = rows(connection, _SINCE, (max(0, (began_ns - ahead_ns) * 1000),))
    return [
        Stage(int(thread), int(event), _bare(name), int(at) // 1000 + ahead_ns, int(end) // 1000 + ahead_ns)
        for thread, event, name, at, end in found
    ]


class Following:
    """Follows one session's stages from statement to statement."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: dict[int, int] = {}

    def names(self, session: int) -> set[str]:
        """Return the stages of a session since this was asked last."""
        found = rows(self._connection, _OF_SESSION, (session, self._last.get(session, 0)))
        self._last[session] = max((int(event) for event, _ in found), default=self._last.get(session, 0))
        return {_bare(name) for _, name in found}


def algorithm(names: Collection[str], *, grew: bool = False) -> str | None:
    """Return how an ALTER was done, from the stages that it went through; None: it is none, or it is not known.

    COPY writes every row into another table, INPLACE reads the rows within InnoDB, for an index or a rebuild. Where no
    row was touched it is INSTANT if a table has another number of columns (`grew`), else "metadata only", which the
    server calls INSTANT or INPLACE: it is as quick.
    """
    if _COPYING in names:
        return "COPY"
    if any(name.startswith(_READING) for name in names):
        return "INPLACE"
    if _IN_PLACE not in names:
        return None
    return "INSTANT" if grew else "metadata only"


def algorithms(
    statements: Iterable[StatementRan], threads: Mapping[int, int], stages: Iterable[Stage]
) -> dict[int, str | None]:
    """Return the algorithm of each statement by its number; `threads` are the sessions' by the threads' numbers."""
    by_session: dict[int, list[Stage]] = defaultdict(list)
    for stage in stages:
        by_session[threads.get(stage.thread, -stage.thread)].append(stage)
    return {
        one.n: algorithm({each.name for each in by_session[one.session] if one.at_ns <= each.at_ns <= one.ended_ns})
        for one in statements
    }


def edges(stages: Iterable[Stage], threads: Mapping[int, int]) -> list[Edge]:
    """Return when an ALTER's lock became another: it closes its table to writes as it copies, to all as it swaps.

    It asks for the exclusive lock when it waits for it, when InnoDB has read all rows or need not read any, or at last
    when it begins to rename.
    """
    found = []
    for one, following in pairwise([*stages, None]):
        assert one is not None
        session = threads.get(one.thread, -one.thread)
        if one.name == WAITING:
            found.append(Edge(session, (READS, WRITES), one.at_ns, one.ended_ns))
        elif one.name in _SWAPPING or (one.name == _IN_PLACE and not _reads_on(one, following)):
            found.append(Edge(session, (READS, WRITES), one.at_ns, lasts=True))
        elif one.name == _COPYING:
            found.append(Edge(session, (WRITES,), one.at_ns))
        elif one.name.startswith(_READING) and not _reads_on(one, following):
            found.append(Edge(session, (READS, WRITES), one.ended_ns, lasts=True))
    return found


def _reads_on(one: Stage, following: Stage | None) -> bool:
    return following is not None and following.thread == one.thread and following.name.startswith(_READING)


def _bare(name: str) -> str:
    return str(name).split("/", 2)[-1]
