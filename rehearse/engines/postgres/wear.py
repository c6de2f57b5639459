"""Leaves a loaded table as worn as its profile says: dead rows, free space, pages that are not all-visible.

Both come from deeds that are rolled back, under which no row moves or changes and nobody's trigger fires. A DELETE that
is rolled back takes its page's mark away and leaves nothing else; the INSERT of the same row in that transaction leaves
a dead row, with its index entries, that no reader prunes: it stays until a vacuum, whatever the fillfactor.

What cannot be had together: dead rows fill pages of their own behind the live ones, and those are not all-visible, so
`visible` is at most 1 / (1 + dead). Production gets past that where its dead rows were pruned to mere line pointers.
Free space of earlier wear is that of dead rows which are then vacuumed; their entries leave room in the indexes. Where
the table is more than a tenth smaller than it was, so much is made, as far as that takes no more than half a million
rows; dead rows then lie in it. Where autovacuum is on, it cleans a table with more than its threshold (0.2 of the rows,
by default), as it does in production.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from rehearse.events import Journal, Remarked
from rehearse.protocols import TableData, Worn

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

_BATCH_ROWS = 20_000  # of one transaction
_LOOSE = 1.1  # times a table's size, from which free space is made
_LOOSE_INDEX = 1.15  # times an index's size, from which it is built with room
_INDEX_FILL = 90  # per cent of a page, by default
_MOST_FREED = 500_000  # rows, at 30,000 a second
_ROUNDS = 8  # that the same rows may be copied, so that few pages lose their mark
_GOLDEN = 0.6180339887  # multiples of it, less their whole parts, lie evenly however many there are
_FORGETS = 150_000  # server_version_num from which counters can be brought up to date on demand
_TRIES = 3  # at the share of visible pages: holes that dead rows fell into are on pages that nobody counted
_LIVE_PARTS = """
    SELECT c.oid, c.oid::regclass::text, pg_relation_size(c.oid) / current_setting('block_size')::int, c.reltuples,
           c.relhastriggers, c.reloptions, current_setting('block_size')::int, pg_relation_size(c.oid, 'fsm') > 0
    FROM pg_class c
    WHERE c.oid = ANY(%s) AND c.relkind = 'r'
"""
# B-trees by the names that they have on the table itself, in parts where it has partitions.
_INDEXES = """
    SELECT x.indexrelid::regclass::text, root.relname, pg_relation_size(x.indexrelid), c.reloptions
    FROM pg_index x
    JOIN pg_class c ON c.oid = x.indexrelid
    JOIN pg_class root ON root.oid = coalesce(pg_partition_root(c.oid)::oid, c.oid)
    WHERE x.indrelid = ANY(%s) AND x.indisvalid AND c.relam = 403
"""
_COLUMNS = """
    SELECT attname::text
    FROM pg_attribute
    WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    ORDER BY attnum
"""
_VISIBLE = "SELECT relpages, relallvisible FROM pg_class WHERE oid = %s"
# Triggers that are ENABLE ALWAYS fire under every replication role.
_SLEEP = "UPDATE pg_class SET relhastriggers = false, reloptions = %s WHERE oid = %s"
_WAKE = "UPDATE pg_class SET relhastriggers = %s, reloptions = %s WHERE oid = %s"
_UNMARK = "DELETE FROM ONLY {part} WHERE ctid = ANY(%s::tid[])"
_COPY = """
    WITH gone AS (DELETE FROM ONLY {part} WHERE ctid = ANY(%s::tid[]) RETURNING *)
    INSERT INTO {part} ({columns}) OVERRIDING SYSTEM VALUE
    SELECT {columns} FROM gone
"""
_LAST_ROW = "SELECT max(ctid)::text FROM ONLY {part} WHERE ctid >= %s::tid"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A relation that holds rows, as the load left it: `a_page` rows on each of its pages, all of them visible."""

    oid: int
    name: sql.SQL
    pages: int
    rows: int
    columns: sql.Composed
    first: sql.Identifier
    triggers: bool
    options: list[str] | None
    block_bytes: int
    holes: bool  # whether the server knows of pages with room

    @property
    def a_page(self) -> float:
        return self.rows / self.pages

    @property
    def beyond_holes(self) -> list[str] | None:
        """Storage options under which dead rows go behind the live ones and not into what room their pages have."""
        if not self.holes:
            return self.options
        others = [one for one in self.options or () if not one.startswith("fillfactor=")]
        usual = next((int(one[len("fillfactor=") :]) for one in self.options or () if one not in others), 100)
        room = max(10, math.ceil(200 / self.a_page))  # of two rows, in % of a page
        return [*others, f"fillfactor={max(10, usual - room)}"]

    def spread(self, start: int, count: int) -> list[int]:
        """Return so many pages from all over the part, those after the first `start` of an order that repeats none."""
        step = max(1, round(self.pages * _GOLDEN))
        while math.gcd(step, self.pages) > 1:
            step += 1
        return [place * step % self.pages for place in range(start, min(self.pages, start + count))]


def vacuum(
    connection: Connection, name: sql.Identifier, parts: Sequence[int], rows: TableData, journal: Journal
) -> None:
    """Leave statistics and visibility as after a vacuum, and after the wear since then, where the rows tell of one.

    Costs nothing where they do not; else 30,000 dead rows a second (of a table with four indexes), and an ANALYZE more.
    What the server refuses is a remark.
    """
    connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(name))
    if not isinstance(rows, Worn) or not rows.rows:
        return
    try:
        _loosen(connection, parts, rows)
    except psycopg.Error as error:
        words = error.diag.message_primary or str(error)
        says = f"{rows.table}: its indexes are not as loose as they were: {words}"
        journal.write(Remarked(at_ns=time.monotonic_ns(), source="data", says=says))
    found = list(_parts(connection, parts))
    factor = _growth(found, rows)
    if factor <= _LOOSE and rows.dead <= 0.0 and rows.visible >= 1.0:
        return
    try:
        free = _freed(connection, name, found, factor, rows, journal) if factor > _LOOSE else {}
        _wear(connection, found, rows, free)
    except psycopg.Error as error:
        words = error.diag.message_primary or str(error)
        says = f"{rows.table}: its dead rows and not all-visible pages are not reproduced: {words}"
        journal.write(Remarked(at_ns=time.monotonic_ns(), source="data", says=says))
    connection.execute(sql.SQL("ANALYZE {}").format(name))


def flush(connection: Connection) -> None:
    """Have all commits so far on the disk, and from now on this connection's at once.

    A vacuum marks no page whose rows were committed asynchronously and are not there yet, nor those of which that holds
    for any of 32 neighbouring transactions (PostgreSQL keeps one place in the log for so many).
    """
    connection.execute("SET synchronous_commit = on")
    connection.execute("SELECT pg_logical_emit_message(true, 'rehearse', '')")


def _loosen(connection: Connection, parts: Sequence[int], wanted: Worn) -> None:
    """Build the indexes again that were larger: with so much room in their pages, as rows that came in any order leave.

    The option that does it is taken back at once; it says nothing of an index that is there.
    """
    if not wanted.index_bytes:
        return
    together: dict[str, list[tuple[str, int, list[str] | None]]] = defaultdict(list)
    for name, root, size, options in connection.execute(_INDEXES, [list(parts)]).fetchall():
        if root in wanted.index_bytes:
            together[root].append((name, size, options))
    for root, indexes in together.items():
        factor = wanted.index_bytes[root] / max(1, sum(size for _, size, _ in indexes))
        if factor < _LOOSE_INDEX:
            continue
        for name, _, options in indexes:
            usual = next((int(one[11:]) for one in options or () if one.startswith("fillfactor=")), _INDEX_FILL)
            room, index = sql.Literal(max(10, math.floor(usual / factor))), sql.SQL(name)
            connection.execute(sql.SQL("ALTER INDEX {} SET (fillfactor = {})").format(index, room))
            connection.execute(sql.SQL("REINDEX INDEX {}").format(index))
            again = "RESET (fillfactor)" if usual == _INDEX_FILL else f"SET (fillfactor = {usual})"
            connection.execute(sql.SQL("ALTER INDEX {} " + again).format(index))


def _growth(parts: Sequence[_Part], wanted: Worn) -> float:
    """Return how many times its size a table was, dead rows and all."""
    size = sum(part.pages * part.block_bytes for part in parts)
    return wanted.size_bytes / size if wanted.size_bytes and size else 1.0


def _freed(  # noqa: PLR0917 - the parts of one table
    connection: Connection, name: sql.Identifier, parts: Sequence[_Part], factor: float, rows: Worn, journal: Journal
) -> dict[int, int]:
    """Make free space, so that a table is `factor` times as large; return the pages of it, for each part."""
    wanted = {part.oid: round((factor - 1.0) * part.rows) for part in parts}
    if sum(wanted.values()) > _MOST_FREED:
        says = f"{rows.table}: was {factor:.1f} times as large, by free space that is not reproduced"
        journal.write(Remarked(at_ns=time.monotonic_ns(), source="data", says=says))
        return {}
    for part in parts:
        _die(connection, part, wanted[part.oid], max(1, math.ceil(wanted[part.oid] / part.a_page / _ROUNDS)))
        _close(connection, part)
    connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(name))
    return {part.oid: math.ceil(wanted[part.oid] / part.a_page) for part in parts}


def _wear(connection: Connection, parts: Sequence[_Part], wanted: Worn, free: Mapping[int, int]) -> None:
    for part in parts:
        dead = round(wanted.dead * part.rows)
        used = _touched(part, dead, wanted.visible, free.get(part.oid, 0)) if dead else 0
        if dead:
            _die(connection, part, dead, used)
            if part.oid not in free:  # else a row stands at its end already
                _close(connection, part)
        for _ in range(_TRIES):
            more = _too_many(connection, part, wanted.visible)
            for tids in _batches((page, 1) for page in part.spread(used, more)):
                _undone(connection, part, _UNMARK, tids)
            used += more
    _forget_inserts(connection, [part.oid for part in parts])


def _parts(connection: Connection, parts: Sequence[int]) -> Iterator[_Part]:
    for oid, name, pages, rows, *rest in connection.execute(_LIVE_PARTS, [list(parts)]).fetchall():
        columns = [sql.Identifier(column) for (column,) in connection.execute(_COLUMNS, [oid])]
        if columns and rows > 0:
            yield _Part(
                oid=oid,
                name=sql.SQL(name),
                pages=pages,
                rows=round(rows),
                columns=sql.SQL(", ").join(columns),
                first=columns[0],
                **dict(zip(("triggers", "options", "block_bytes", "holes"), rest, strict=True)),
            )


def _touched(part: _Part, dead: int, visible: float, free: int) -> int:
    """Return on how many of a part's pages the rows are to be copied that shall lie dead behind them."""
    grown = math.ceil(dead / part.a_page)
    unmarked = round((1.0 - visible) * (part.pages + max(grown, free)))
    return min(part.pages, max(unmarked - grown, math.ceil(grown / _ROUNDS)))


def _die(connection: Connection, part: _Part, dead: int, pages: int) -> None:
    """Make so many dead rows, copies of rows on the first pages of the part's order, in as many rounds as it takes."""
    left = dead
    while left > 0:
        places = _places(part, left, pages)
        made = sum(_undone(connection, part, _COPY, tids) for tids in _batches(places))
        if not made:
            return
        left -= made


def _places(part: _Part, count: int, pages: int) -> Iterator[tuple[int, int]]:
    """Yield places of about `count` rows, none twice, and of no more than these pages have."""
    each = max(1, min(math.floor(part.a_page), math.ceil(count / pages)))
    some = part.spread(0, min(pages, math.ceil(count / each)))
    return islice(((page, item) for page in some for item in range(1, each + 1)), count)


def _batches(places: Iterable[tuple[int, int]]) -> Iterator[list[str]]:
    coming = iter(places)
    while batch := [f"({page},{item})" for page, item in islice(coming, _BATCH_ROWS)]:
        yield batch


def _undone(connection: Connection, part: _Part, statement: str, tids: list[str]) -> int:
    """Run a statement on these rows, roll it back, and say how many there were."""
    with connection.transaction(force_rollback=True):
        _sleep(connection, part)
        return connection.execute(sql.SQL(statement).format(part=part.name, columns=part.columns), [tids]).rowcount


def _sleep(connection: Connection, part: _Part) -> None:
    connection.execute("SET LOCAL session_replication_role = replica")
    connection.execute(_SLEEP, [part.beyond_holes, part.oid])


def _close(connection: Connection, part: _Part) -> None:
    """Put a live row behind the dead ones, the last: a vacuum would cut an end without one off."""
    with connection.transaction():
        _sleep(connection, part)
        find = sql.SQL(_LAST_ROW).format(part=part.name)
        last = connection.execute(find, [f"({max(0, part.pages - 1)},0)"]).fetchone()
        if last and last[0]:
            connection.execute(sql.SQL(_COPY).format(part=part.name, columns=part.columns), [[last[0]]])
        connection.execute(_WAKE, [part.triggers, part.options, part.oid])


def _too_many(connection: Connection, part: _Part, wanted: float) -> int:
    """Return how many more pages must lose their mark; reads 300 of them, as ANALYZE does with the least target."""
    with connection.transaction():
        connection.execute("SET LOCAL default_statistics_target = 1")
        connection.execute(sql.SQL("ANALYZE {} ({})").format(part.name, part.first))
    found = connection.execute(_VISIBLE, [part.oid]).fetchone()
    assert found is not None
    pages, visible = map(int, found)
    return max(0, min(part.pages, visible - round(wanted * pages)))


def _forget_inserts(connection: Connection, parts: Sequence[int]) -> None:
    """Forget that dead rows came by inserts, which PostgreSQL 18 would have autovacuum come for at once."""
    if connection.info.server_version >= _FORGETS:
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.execute("SELECT pg_stat_reset_single_table_counters(oid) FROM unnest(%s::oid[]) oid", [list(parts)])
