"""What the server reports of long commands while they run: pg_stat_progress_*, as parts with a beginning and an end."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rehearse.engines._progress import Figures, Key, Parts
from rehearse.engines.postgres.relations import Relations
from rehearse.engines.postgres.wire import ConnectionLost, Refused, Wire
from rehearse.events import Event
from rehearse.units import NS_PER_MS

EVERY_NS = 100 * NS_PER_MS
_RARELY_NS = 500 * NS_PER_MS  # while nothing goes on that the server reports of
_INDEX = """
SELECT pid, command, phase, relid,
       CASE WHEN lockers_total > 0 AND phase LIKE 'waiting%' THEN lockers_done
            WHEN blocks_total > 0 THEN blocks_done WHEN tuples_total > 0 THEN tuples_done END,
       CASE WHEN lockers_total > 0 AND phase LIKE 'waiting%' THEN lockers_total
            WHEN blocks_total > 0 THEN blocks_total WHEN tuples_total > 0 THEN tuples_total END,
       CASE WHEN lockers_total > 0 AND phase LIKE 'waiting%' THEN 'sessions'
            WHEN blocks_total > 0 THEN 'blocks' WHEN tuples_total > 0 THEN 'rows' END
  FROM pg_stat_progress_create_index WHERE datname = current_database()
"""
_CLUSTER = """
SELECT pid, command, phase, relid,
       CASE WHEN heap_blks_total > 0 THEN heap_blks_scanned ELSE heap_tuples_written END,
       nullif(heap_blks_total, 0), CASE WHEN heap_blks_total > 0 THEN 'blocks' ELSE 'rows' END
  FROM pg_stat_progress_cluster WHERE datname = current_database()
"""
_VACUUM = """
SELECT pid, 'VACUUM', phase, relid,
       CASE WHEN phase LIKE 'vacuuming%' THEN heap_blks_vacuumed ELSE heap_blks_scanned END, heap_blks_total, 'blocks'
  FROM pg_stat_progress_vacuum WHERE datname = current_database()
"""
_ANALYZE = """
SELECT pid, 'ANALYZE', phase, relid, sample_blks_scanned, sample_blks_total, 'blocks'
  FROM pg_stat_progress_analyze WHERE datname = current_database()
"""
_COPY = """
SELECT pid, command, CASE WHEN command = 'COPY TO' THEN 'copying out' ELSE 'copying in' END, relid,
       CASE WHEN bytes_total > 0 THEN bytes_processed ELSE tuples_processed END, nullif(bytes_total, 0),
       CASE WHEN bytes_total > 0 THEN 'bytes' ELSE 'rows' END
  FROM pg_stat_progress_copy WHERE datname = current_database()
"""
_SINCE = ((_INDEX, 12), (_CLUSTER, 12), (_VACUUM, 12), (_ANALYZE, 13), (_COPY, 14))


class ProgressProbe:
    """Looks ten times a second while something goes on, and twice where nothing does: shorter parts may be missed.

    A part's beginning and its end each lie between two looks: that is its doubt.
    """

    def __init__(self, url: str, major: int) -> None:
        self.every_ns = _RARELY_NS
        self._url = url
        self._sql = " UNION ALL ".join(query for query, since in _SINCE if major >= since)
        self._wire: Wire | None = None
        self._relations = Relations()
        self._parts: Parts[int] = Parts(self._table, _RARELY_NS)

    def look(self) -> Iterable[Event]:
        """Look once; return the parts that are over. A look that fails is left to the next."""
        try:
            if self._wire is None:
                self._wire = Wire(self._url, "rehearse observer: progress")
            rows = self._wire.rows(self._sql)
            self._relations.learn(self._wire, (int(row[3]) for row in rows if row[3]))
        except Refused:
            return []
        except ConnectionLost:
            self._disconnect()
            return []
        seen = {
            Key(int(pid or 0), command or "", part or "", int(oid or 0)): Figures(_number(done), _number(total), unit)
            for pid, command, part, oid, done, total, unit in rows
        }
        events = list(self._parts.note(seen, time.monotonic_ns()))
        self.every_ns = EVERY_NS if self._parts else _RARELY_NS
        return events

    def close(self) -> Iterable[Event]:
        """Look a last time, return what was still going on, and disconnect."""
        events = list(self.look())
        events += self._parts.over(None, time.monotonic_ns())
        self._disconnect()
        return events

    def _table(self, relation: int) -> str | None:
        where = self._relations.get(relation)
        return None if where is None else where.table

    def _disconnect(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
