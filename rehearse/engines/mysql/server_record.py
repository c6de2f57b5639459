"""The migration's statements as the server kept them, for tools that tell none: pure, but for the one that asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rehearse.engines.mysql.client import Connection, rows
from rehearse.events import StatementRan
from rehearse.model.ending import ends_transaction

# Only the migration's are kept (see `accounts.watching`). Picoseconds since the server's start; any length of time.
_STATEMENTS = """
    SELECT thread_id, event_id, end_event_id, timer_start, timer_end, sql_text, mysql_errno, message_text, rows_affected
    FROM performance_schema.events_statements_history_long
    WHERE timer_start >= %s AND sql_text IS NOT NULL AND (current_schema = %s OR current_schema IS NULL)
    ORDER BY timer_start
"""
_TRANSACTIONS = """
    SELECT thread_id, event_id, end_event_id, nesting_event_id, state
    FROM performance_schema.events_transactions_history_long
    WHERE timer_start >= %s AND autocommit = 'NO'
    ORDER BY timer_start
"""
_COPIES, _IN_PLACE, _METADATA = "COPY", "INPLACE", "metadata only"
_SWAPS = re.compile(r"\s*(?:truncate|rename|drop)\b", re.IGNORECASE)
Files = Mapping[str, tuple[int, int]]
"""Of each table, its number in InnoDB, which another follows where it is made anew, and how many columns it has."""


@dataclass(frozen=True, slots=True)
class Block:
    """A transaction of several statements, by the numbers of the events that began and ended it."""

    thread: int
    opened_by: int
    first: int
    last: int
    committed: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement with the numbers of its events, by which transactions are found; never by time."""

    ran: StatementRan
    thread: int
    first: int
    last: int

    def is_in(self, block: Block) -> bool:
        """Say whether it began the transaction, was part of it, or ended it."""
        opened = self.first == block.opened_by
        return self.thread == block.thread and (opened or block.first < self.first <= block.last)

    def commits(self, block: Block) -> bool:
        """Say whether it committed a transaction that others had begun, without being there to end one."""
        ended = self.thread == block.thread and block.opened_by < self.first <= block.last <= self.last
        return ended and block.committed and not ends_transaction(self.ran.sql)


def kept(
    connection: Connection, database: str, since_ps: int, *, ahead_ns: int, session_of: Callable[[int], int]
) -> list[Kept]:
    """Return the migration's statements since a moment, numbered from 1; `ahead_ns` turns its times into ours."""
    return [
        Kept(
            StatementRan(
                at_ns=int(start) // 1000 + ahead_ns,
                ended_ns=int(end) // 1000 + ahead_ns,
                n=n,
                sql=str(sql),
                session=session_of(int(thread)),
                error=f"ERROR {code}: {message}" if code else None,
                code=str(code) if code else None,
                rows=int(touched),
            ),
            int(thread),
            int(first),
            int(last),
        )
        for n, (thread, first, last, start, end, sql, code, message, touched) in enumerate(
            rows(connection, _STATEMENTS, (since_ps, database)), 1
        )
    ]


def blocks(connection: Connection, since_ps: int) -> list[Block]:
    """Return the transactions that did not commit by themselves."""
    return [
        Block(int(thread), int(opener or 0), int(first), int(last), state == "COMMITTED")
        for thread, first, last, opener, state in rows(connection, _TRANSACTIONS, (since_ps,))
    ]


def in_transactions(statements: Sequence[Kept], found: Iterable[Block]) -> Iterator[StatementRan]:
    """Yield the statements with their transactions, and which of them committed what was open before them.

    Without autocommit the server begins a transaction for DDL too: one of a single statement is none.
    """
    several = [block for block in found if sum(one.is_in(block) for one in statements) > 1]
    for one in statements:
        yield replace(
            one.ran,
            transaction=next((n for n, block in enumerate(several, 1) if one.is_in(block)), None),
            commits=any(one.commits(block) for block in several),
        )


def with_effects(
    statements: Sequence[StatementRan], algorithms: Mapping[int, str | None], before: Files, after: Files
) -> Iterator[StatementRan]:
    """Yield the statements with their algorithms and the tables that they made anew.

    Files are known from before the first and after the last only: where more than one statement may have made a table
    anew, it is not known which. A column more or less without a new file is INSTANT, where one statement names it.
    """
    changed = {name for name in before if after.get(name, before[name])[0] != before[name][0]}
    grew = {name for name in before.keys() & after.keys() - changed if after[name][1] != before[name][1]}
    named = {one.n: {name for name in before if _names(one.sql, name)} for one in statements}
    may = {one.n for one in statements if _may_swap(one, algorithms.get(one.n))}
    bare = {one.n for one in statements if algorithms.get(one.n) == _METADATA}
    for one in statements:
        how = algorithms.get(one.n)
        if how == _METADATA and any(_only(name, one.n, bare, named) for name in grew):
            how = "INSTANT"
        touched = named[one.n] & changed if one.n in may else set()
        sure = all(_only(name, one.n, may, named) for name in touched) and (how != _COPIES or touched)
        yield replace(one, algorithm=how, rewrites=tuple(sorted(touched)) if sure else None)


def _may_swap(one: StatementRan, algorithm: str | None) -> bool:
    return algorithm in (_COPIES, _IN_PLACE) or bool(_SWAPS.match(one.sql))


def _only(table: str, n: int, among: Iterable[int], named: Mapping[int, set[str]]) -> bool:
    return [each for each in among if table in named[each]] == [n]


def _names(sql: str, table: str) -> bool:
    return bool(re.search(rf"(?<![\w$]){re.escape(table)}(?![\w$])", sql, re.IGNORECASE))
