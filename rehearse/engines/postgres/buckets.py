"""Rows in buckets by key: counts and sums of row hashes, so that only buckets that differ are streamed.

One grouped pass over each side, by as many connections a side as are given: they share one exported snapshot, and
each reads a range of pages. What comes back is a few thousand sums, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from psycopg import Connection, sql

from rehearse.engines.postgres import images
from rehearse.engines.postgres.abreast import stoppable
from rehearse.engines.postgres.pairing import Pairing

_ROWS = 1_000  # a bucket: few enough to stream for one difference, enough that the sums are few
_MOST = 16_384  # buckets
_RANGES = 200  # of keys in one condition: beyond that the table is scanned
_PAGES = 8_192  # that are worth a connection of their own
EVERYTHING = sql.SQL("true")

Sums = Mapping[int, tuple[int, int]]  # of each bucket: rows, and the sum of their hashes


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are compared at a time: at most so many a side, and the condition for them on each side."""

    rows: int
    older: sql.Composable
    newer: sql.Composable


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows of both sides, and the parts that differ."""

    before: int
    after: int
    parts: tuple[Part, ...]


def whole(rows: int) -> tuple[Part, ...]:
    """Return one part of all rows."""
    return (Part(rows, EVERYTHING, EVERYTHING),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """How rows are told apart: by ranges of 2^shift integer keys, or by `count` values of their number."""

    pairing: Pairing
    count: int
    shift: int | None

    def of(self, side: images.Table) -> sql.Composed:
        """Return SQL for a row's bucket."""
        number = self.pairing.number(side)
        if self.shift is None:
            return sql.SQL("({} & {})").format(number, sql.Literal(self.count - 1))
        return sql.SQL("({} >> {})").format(number, sql.Literal(self.shift))

    def among(self, side: images.Table, chosen: Sequence[int]) -> sql.Composed:
        """Return the condition for rows of these buckets (sorted): ranges of the key where there are few."""
        runs = list(_runs(chosen)) if self.shift is not None else []
        if not runs or len(runs) > _RANGES:
            listed = sql.SQL("'{" + ",".join(map(str, chosen)) + "}'::int8[]")
            return sql.SQL("{} = any({})").format(self.of(side), listed)
        assert self.shift is not None, "there are runs of ranges only"
        key, width = self.pairing.place(side), 1 << self.shift
        ranges = (
            sql.SQL("{} between {} and {}").format(key, _int8(first * width), _int8(last * width + width - 1))
            for first, last in runs
        )
        return sql.SQL("({})").format(sql.SQL(" or ").join(ranges))


def _int8(number: int) -> sql.Composed:
    return sql.SQL("{}::int8").format(sql.Literal(str(number)))


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of each run of neighbours among sorted numbers."""
    for _, pairs in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in pairs]
        yield run[0], run[-1]


def counted(
    older: Sequence[Connection[Any]], newer: Sequence[Connection[Any]], pairing: Pairing, *, rows: int, limit: int
) -> Counted:
    """Return how many rows each side has, and in parts of at most `limit` rows a side those that may differ.

    `rows` is about how many there are. All connections of a side see one snapshot. A bucket that alone is larger (of
    keys that lie far apart) comes as several parts, which each scan it.
    """
    buckets = _buckets(older[0], newer[0], pairing, rows)
    with stoppable([*older, *newer], 2) as both:
        one = both.submit(_sums, older, buckets, pairing.older)
        other = both.submit(_sums, newer, buckets, pairing.newer)
        before, after = one.result(), other.result()
    different = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    sizes = {name: max(before.get(name, (0, 0))[0], after.get(name, (0, 0))[0]) for name in different}
    return Counted(
        before=sum(count for count, _ in before.values()),
        after=sum(count for count, _ in after.values()),
        parts=tuple(_parts(buckets, different, sizes, limit)),
    )


def _buckets(older: Connection[Any], newer: Connection[Any], pairing: Pairing, rows: int) -> Buckets:
    count = 1 << max(0, min(_MOST, rows // _ROWS).bit_length() - 1)
    if not pairing.is_numbered:
        return Buckets(pairing=pairing, count=count, shift=None)
    ends = [
        end
        for connection, side in ((older, pairing.older), (newer, pairing.newer))
        for end in _row(
            connection.execute(
                sql.SQL("select min({0})::int8, max({0})::int8 from {1}").format(pairing.place(side), side.source)
            )
        )
        if end is not None
    ]
    span = max(ends) - min(ends) + 1 if ends else 1
    return Buckets(pairing=pairing, count=count, shift=max(0, (-(-span // count) - 1).bit_length()))


def _row(cursor: Any) -> tuple[Any, ...]:
    found = cursor.fetchone()
    assert found is not None, "an aggregate returns one row"
    return tuple(found)


def _sums(connections: Sequence[Connection[Any]], buckets: Buckets, side: images.Table) -> Sums:
    """Return the sums of one side, its ranges of pages shared out among the connections."""
    hashed = buckets.pairing.row(side) if buckets.pairing.key else buckets.pairing.number(side)
    query = sql.SQL("select {}, count(*), sum({}) from {} where {} group by 1")
    sources = _sources(connections[0], side, len(connections))
    free = list(connections)

    def summed(source: tuple[sql.Composable, sql.Composable]) -> list[tuple[int, int, int]]:
        connection = free.pop()
        try:
            with connection.transaction(force_rollback=True):  # it keeps no lock
                connection.execute("set local enable_sort = off")  # hashing a few thousand sums is cheaper, always
                return connection.execute(query.format(buckets.of(side), hashed, *source)).fetchall()
        finally:
            free.append(connection)

    found: dict[int, tuple[int, int]] = {}
    with stoppable(connections, len(connections)) as readers:
        for rows in readers.map(summed, sources):
            for name, count, total in rows:
                known = found.get(name, (0, 0))
                found[name] = known[0] + count, known[1] + int(total)
    return found


_LEAVES = """
select n.nspname, c.relname, c.relkind = 'r', pg_relation_size(c.oid) / current_setting('block_size')::int
from pg_partition_tree(%s::regclass) p join pg_class c on c.oid = p.relid join pg_namespace n on n.oid = c.relnamespace
where p.isleaf
"""


def _sources(
    connection: Connection[Any], side: images.Table, readers: int
) -> list[tuple[sql.Composable, sql.Composable]]:
    """Return what to read, and on what condition: the table, or ranges of pages of it and its partitions."""
    whole: list[tuple[sql.Composable, sql.Composable]] = [(side.source, EVERYTHING)]
    if readers == 1:
        return whole
    name = sql.Identifier(side.schema, side.relation).as_string(connection)
    leaves = connection.execute(_LEAVES, [name]).fetchall() if side.is_partitioned else []
    if not side.is_partitioned:
        size = "select pg_relation_size(%s::regclass) / current_setting('block_size')::int"
        leaves = [(side.schema, side.relation, True, *_row(connection.execute(size, [name])))]
    if not all(is_heap for _, _, is_heap, _ in leaves):
        return whole
    width = max(_PAGES, -(-sum(pages for *_, pages in leaves) // readers))
    return [
        (sql.SQL("only {}").format(sql.Identifier(schema, relation)), _pages(start, start + width, pages))
        for schema, relation, _, pages in leaves
        for start in range(0, max(1, pages), width)
    ]


def _pages(start: int, end: int, pages: int) -> sql.Composable:
    """Return the condition for a range of a table's pages; the last has no end, since pages may have come."""
    first = sql.SQL("ctid >= '({},0)'::tid").format(sql.SQL(str(start)))
    return first if end >= pages else first + sql.SQL(" and ctid < '({},0)'::tid").format(sql.SQL(str(end)))


def _parts(buckets: Buckets, different: Sequence[int], sizes: Mapping[int, int], limit: int) -> Iterator[Part]:
    start, rows = 0, 0
    for place, name in enumerate(different):
        if rows and rows + sizes[name] > limit:
            yield from _split(buckets, different[start:place], rows, limit)
            start, rows = place, 0
        rows += sizes[name]
    if rows:
        yield from _split(buckets, different[start:], rows, limit)


def _split(buckets: Buckets, chosen: Sequence[int], rows: int, limit: int) -> Iterator[Part]:
    pairing, passes = buckets.pairing, max(1, -(-rows // limit))
    whole: Callable[[images.Table], sql.Composable] = lambda side: buckets.among(side, chosen)  # noqa: E731
    if passes == 1:
        yield Part(rows, whole(pairing.older), whole(pairing.newer))
        return
    for number in range(passes):
        conditions = (
            sql.SQL("{} and abs({} % {}) = {}").format(
                whole(side), pairing.number(side), sql.Literal(passes), sql.Literal(number)
            )
            for side in pairing.sides
        )
        yield Part(rows // passes, *conditions)
