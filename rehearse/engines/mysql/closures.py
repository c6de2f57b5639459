"""From looks at whether tables are closed, and the times of statements, to `LockTaken`: pure.

A stretch begins after the last look that found the table open and ends before the first that found it open again.
Where a statement of the migration begins or ends in such a gap, that is when: DDL takes its locks at once and releases
them with its end. Of an ALTER the server tells stages too, which date what changes within it, and what no look saw.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rehearse.engines.mysql import ddl_words
from rehearse.events import LockTaken, StatementRan

READS, WRITES = "reads", "writes"
_MODES = {(READS, WRITES): "EXCLUSIVE", (WRITES,): "SHARED_NO_WRITE"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A table in one look: what it is closed to, and whether the migration still waits for its lock."""

    session: int
    stops: tuple[str, ...]
    waits: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """At `at_ns` a session asked for a lock that closes a table so; `granted_ns` is when it was, where it waited.

    `lasts` says that the lock is kept to the statement's end.
    """

    session: int
    stops: tuple[str, ...]
    at_ns: int
    granted_ns: int | None = None
    lasts: bool = False


@dataclass(slots=True)
class Stretch:
    """A table was closed in one way, from after `open_ns` to before `gone_ns`. None: no look gives the bound."""

    table: str
    stops: tuple[str, ...]
    session: int
    open_ns: int | None
    first_ns: int
    last_ns: int
    waited_ns: int | None = None  # the last look in which the lock was not granted yet
    held_ns: int | None = None  # the first look in which it was
    gone_ns: int | None = None
    blind: tuple[int, int] = (0, 0)  # the widest gap between two looks that both found it closed


@dataclass(slots=True)
class Hand:
    """Looks from `first_ns` to `last_ns` found a session's hand on a table, which closed it to nobody."""

    table: str
    session: int
    mode: str
    first_ns: int
    last_ns: int


@dataclass(slots=True)
class Closures:
    """Follows the tables from look to look."""

    done: list[Stretch] = field(default_factory=list)
    hands: list[Hand] = field(default_factory=list)
    _open: dict[tuple[str, int], Hand] = field(default_factory=dict)
    _now: dict[str, Stretch] = field(default_factory=dict)
    _last_ns: int | None = None

    @property
    def stretches(self) -> list[Stretch]:
        """All that was seen, what still goes on included."""
        return [*self.done, *self._now.values()]

    def see(self, from_ns: int, until_ns: int, tables: Mapping[str, Seen]) -> None:
        """Take a look; tables that are not in it are open."""
        for table in [one for one in self._now if one not in tables or tables[one].stops != self._now[one].stops]:
            stretch = self._now.pop(table)
            stretch.gone_ns = until_ns
            self.done.append(stretch)
        for table, seen in tables.items():
            if seen.stops:
                self._note(table, seen, from_ns, until_ns)
        self._last_ns = from_ns

    def touch(self, at_ns: int, modes: Mapping[tuple[str, int], str]) -> None:
        """Take the (table, session) of a look whose locks close nothing, with the locks' modes."""
        self._open = {key: hand for key, hand in self._open.items() if modes.get(key) == hand.mode}
        for (table, session), mode in modes.items():
            if (table, session) not in self._open:
                self._open[table, session] = Hand(table, session, mode, at_ns, at_ns)
                self.hands.append(self._open[table, session])
            self._open[table, session].last_ns = at_ns

    def _note(self, table: str, seen: Seen, from_ns: int, until_ns: int) -> None:
        stretch = self._now.get(table)
        if stretch is None:
            stretch = Stretch(table, seen.stops, seen.session, self._last_ns, until_ns, from_ns)
            self._now[table] = stretch
        if from_ns - stretch.last_ns > stretch.blind[1] - stretch.blind[0]:
            stretch.blind = (stretch.last_ns, from_ns)
        stretch.last_ns = from_ns
        if seen.waits:
            stretch.waited_ns, stretch.held_ns = from_ns, None  # the first look may fall between asking and waiting
        elif stretch.held_ns is None:
            stretch.held_ns = until_ns


def locks_taken(
    stretches: Iterable[Stretch], statements: Sequence[StatementRan], edges: Sequence[Edge] = ()
) -> list[LockTaken]:
    """Return the stretches as locks of the migration, in the order of their requests.

    `edges` are what the server told of the statements' stages, and date what changes within a statement.
    """
    found = [
        _taken(
            one,
            [ran for ran in statements if ran.session == one.session],
            [edge for edge in edges if edge.session == one.session],
        )
        for one in stretches
    ]
    return sorted(found, key=lambda one: one.at_ns)


def locks_unseen(
    taken: Sequence[LockTaken], statements: Iterable[StatementRan], edges: Sequence[Edge], tables: Container[str]
) -> Iterator[LockTaken]:
    """Yield the exclusive locks at the end of an ALTER that were over before a look came: the stages tell of them."""
    for ran in statements:
        own = [one.at_ns for one in edges if one.lasts and one.session == ran.session and _is_in(one, ran)]
        table = ddl_words.table(ran.sql)
        if not own or table is None or table not in tables:
            continue
        asked = min(own)
        if any(lock.session == ran.session and READS in lock.stops and _overlaps(lock, asked, ran) for lock in taken):
            continue
        yield LockTaken(
            at_ns=asked,
            table=table,
            mode=_MODES[READS, WRITES],
            stops=(READS, WRITES),
            session=ran.session,
            statement=ran.n,
            granted_ns=asked,
            released_ns=max(asked, ran.ended_ns),
            doubt_ns=ran.doubt_ns,
        )


def locks_of_open_tables(
    taken: Sequence[LockTaken], statements: Iterable[StatementRan], hands: Sequence[Hand]
) -> Iterator[LockTaken]:
    """Yield the locks that close nothing of DDL that closed nothing: looks were there, and found the tables open."""
    for ran in statements:
        if not ddl_words.is_change(ran.sql):
            continue
        if any(lock.session == ran.session and _overlaps(lock, ran.at_ns, ran) for lock in taken):
            continue
        for hand in hands:
            if hand.session == ran.session and hand.last_ns >= ran.at_ns and hand.first_ns <= ran.ended_ns:
                at, until = max(hand.first_ns, ran.at_ns), min(hand.last_ns, ran.ended_ns)
                yield LockTaken(
                    at_ns=at,
                    table=hand.table,
                    mode=hand.mode,
                    stops=(),
                    session=ran.session,
                    statement=ran.n,
                    granted_ns=at,
                    released_ns=until,
                    doubt_ns=at - ran.at_ns + ran.ended_ns - until + ran.doubt_ns,
                )


def _is_in(edge: Edge, ran: StatementRan) -> bool:
    return ran.at_ns - ran.doubt_ns <= edge.at_ns <= ran.ended_ns + ran.doubt_ns


def _overlaps(lock: LockTaken, asked_ns: int, ran: StatementRan) -> bool:
    return lock.at_ns <= ran.ended_ns and (lock.released_ns is None or lock.released_ns >= asked_ns)


def _taken(one: Stretch, statements: Sequence[StatementRan], edges: Sequence[Edge]) -> LockTaken:
    own = [edge for edge in edges if edge.stops == one.stops]
    told = _first(one.open_ns, one.first_ns, own)
    begins = [ran.at_ns for ran in statements] if told is None else [told]
    at, early = _between(one.open_ns, one.first_ns, begins)
    granted = _granted(one, at, own)
    released, late = (None, 0)
    if one.gone_ns is not None:
        low = max(one.last_ns, granted or 0)
        ends = [ran.ended_ns for ran in statements if low <= ran.ended_ns <= one.gone_ns]
        upgraded = _first(low, one.gone_ns, [edge for edge in edges if edge.stops != one.stops])
        released, late = _between(low, one.gone_ns, ends or [upgraded or 0])
    asking = next((ran.n for ran in reversed(statements) if ran.at_ns <= one.first_ns), None)
    return LockTaken(
        at_ns=at,
        table=one.table,
        mode=_MODES[one.stops],
        stops=one.stops,
        session=one.session,
        statement=asking,
        granted_ns=granted,
        released_ns=None if released is None else max(released, at),
        doubt_ns=early + late + _unseen_ns(one, own),
    )


def _unseen_ns(one: Stretch, edges: Iterable[Edge]) -> int:
    """Return for how long a table may have been open unseen: an INPLACE closes it at its begin and at its end only."""
    begin, end = one.blind
    return end - begin if any(edge.lasts and begin < edge.at_ns <= end for edge in edges) else 0


def _first(low: int | None, high: int, edges: Iterable[Edge]) -> int | None:
    """Return the first edge between two looks: a statement that asks, waits and swaps has more than one."""
    return min((edge.at_ns for edge in edges if (low or high) <= edge.at_ns <= high), default=None)


def _granted(one: Stretch, at_ns: int, edges: Sequence[Edge]) -> int | None:
    """Return when the lock was granted: as it was asked for, or when the wait was over, to the looks' interval.

    None: it never was, or only between two looks and no edge tells.
    """
    if one.waited_ns is None:
        return at_ns
    high = one.held_ns or one.gone_ns or one.last_ns
    exact = [edge.granted_ns for edge in edges if edge.granted_ns and one.waited_ns <= edge.granted_ns <= high]
    if len(exact) == 1:
        return max(at_ns, exact[0])
    return None if one.held_ns is None else max(at_ns, (one.waited_ns + one.held_ns) // 2)


def _between(low: int | None, high: int, told: Sequence[int]) -> tuple[int, int]:
    """Return the moment between two looks, and how wide the doubt is: none where exactly one statement tells it."""
    if low is None:
        return high, 0
    exact = [at for at in told if low <= at <= high]
    return (exact[0], 0) if len(exact) == 1 else ((low + high) // 2, high - low)
