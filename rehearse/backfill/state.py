"""Where a backfill has come to: a table that is written in the transaction of each batch, or memory alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from rehearse.backfill.plan import Plan, Range
from rehearse.backfill.seams import Key, Refused, Session, transaction
from rehearse.errors import Mistake


class State(Protocol):
    """Where a backfill has come to."""

    def ranges(self, session: Session, /) -> list[Range]:
        """Return the ranges of a backfill that was begun; none where it was not."""
        ...

    def begin(self, session: Session, ranges: Sequence[Range], /) -> None:
        """Write down the ranges."""
        ...

    def moving(self, before: Range, after: Range, /) -> Sequence[str]:
        """Return what writes down that a range moves on, at the beginning of its batch's transaction.

        Each statement must touch one row: where it does not, the state is not as this runner left it.
        """
        ...

    def counting(self, after: Range, /) -> Sequence[str]:
        """Return what writes down the rows that its batch touched, at the end of the same transaction."""
        ...

    def forget(self, session: Session, /) -> None:
        """Remove what was written down."""
        ...


class Memory:
    """Nothing is written down: for a backfill that is begun anew if it does not end."""

    def ranges(self, _session: Session, /) -> list[Range]:
        """Return none."""
        return []

    def begin(self, _session: Session, _ranges: Sequence[Range], /) -> None:
        """Do nothing."""

    def moving(self, _before: Range, _after: Range, /) -> Sequence[str]:
        """Return nothing."""
        return ()

    def counting(self, _after: Range, /) -> Sequence[str]:
        """Return nothing."""
        return ()

    def forget(self, _session: Session, /) -> None:
        """Do nothing."""


class Table:
    """A row for each range, in a table of our own beside the one that is filled."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._task = plan.dialect.quoted(plan.name)

    def ranges(self, session: Session, /) -> list[Range]:
        """Return the ranges that are written down; where the table is not there, none."""
        try:
            found = session.ask(
                "SELECT range_no, after_key, upto_key, done_key, rows_done, keys_done, batches_done, is_done "
                f"FROM {self._plan.state} WHERE task = {self._task} ORDER BY range_no"
            )
        except Refused as refused:
            if refused.code == self._plan.dialect.no_such_table:
                return []
            raise
        return [_range(one) for one in found]

    def begin(self, session: Session, ranges: Sequence[Range], /) -> None:
        """Make the table if it is not there, and a row for each range."""
        try:
            session.tell(self._plan.dialect.state_table(self._plan.state))
            with transaction(session, self._plan.dialect):
                for one in ranges:
                    session.tell(self._insert(one))
        except Refused as refused:
            raise Mistake(
                f"the table of states {self._plan.state} cannot be made or written to: {refused}; give the user the "
                "right to create tables there, or make it yourself as --dry-run shows it"
            ) from None

    def moving(self, before: Range, after: Range, /) -> Sequence[str]:
        """Return what moves a range on, unless another runner has done so."""
        return (
            f"UPDATE {self._plan.state} SET done_key = {self._text(after.done)}, keys_done = {after.keys}, "
            f"batches_done = {after.batches}, is_done = {int(after.is_done)} "
            f"WHERE task = {self._task} AND range_no = {before.number} AND batches_done = {before.batches} "
            "AND is_done = 0",
        )

    def counting(self, after: Range, /) -> Sequence[str]:
        """Return what adds up the rows."""
        return (
            f"UPDATE {self._plan.state} SET rows_done = {after.rows} "
            f"WHERE task = {self._task} AND range_no = {after.number}",
        )

    def forget(self, session: Session, /) -> None:
        """Remove the rows, and the table where no other backfill has a row in it."""
        session.tell(f"DELETE FROM {self._plan.state} WHERE task = {self._task}")
        if not session.ask(f"SELECT 1 FROM {self._plan.state} LIMIT 1"):
            session.tell(f"DROP TABLE {self._plan.state}")

    def _insert(self, one: Range) -> str:
        words = self._plan.dialect.quoted(self._plan.task.statement.strip())
        return (
            f"INSERT INTO {self._plan.state} (task, range_no, statement, after_key, upto_key, done_key, rows_done, "
            f"keys_done, batches_done, is_done) VALUES ({self._task}, {one.number}, {words}, {self._text(one.after)}, "
            f"{self._text(one.upto)}, NULL, 0, 0, 0, 0)"
        )

    def _text(self, key: Key | None) -> str:
        return "NULL" if key is None else self._plan.dialect.quoted(json.dumps(key, ensure_ascii=False))


def _range(row: Sequence[str | None]) -> Range:
    number, after, upto, done, rows, keys, batches, is_done = row
    return Range(
        number=int(number or 0),
        after=_key(after),
        upto=_key(upto),
        done=_key(done),
        rows=int(rows or 0),
        keys=int(keys or 0),
        batches=int(batches or 0),
        is_done=is_done == "1",
    )


def _key(text: str | None) -> Key | None:
    return None if text is None else tuple(json.loads(text))
