"""Runs batches over one range of keys, one transaction each, and moves its state on in the same transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rehearse.backfill.control import Pace
from rehearse.backfill.plan import Plan, Range
from rehearse.backfill.seams import Key, Refused, Session, transaction
from rehearse.backfill.state import State
from rehearse.errors import Mistake, ServerFailed
from rehearse.units import counted

Wait = Callable[[Pace], Pace | None]
"""Waits before a batch as long as the pace and what is watched ask; returns the pace, or None to stop here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one batch did: `keys` that it spans, `rows` that it touched; `range` is as it left it.

    `refused` is what the server said where it is to be tried again; nothing was done then. `left` are rows in it for
    which the WHERE still holds, where that was counted.
    """

    range: Range
    keys: int = 0
    rows: int = 0
    took_ns: int = 0
    refused: str | None = None
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """The keys of one batch: beyond one, up to and with another, and how many; `is_last`: there were no more."""

    after: Key | None
    upto: Key
    keys: int
    is_last: bool = False


def stretch(session: Session, plan: Plan, after: Key | None, upto: Key | None, keys: int) -> Stretch | None:
    """Return the next so many keys, or those that are left; None where none is. Reads an index on the key."""
    if found := session.ask(plan.nth_key(after, upto, keys)):
        return Stretch(after, _key(found[0]), keys)
    if not (found := session.ask(plan.last_key(after, upto))):
        return None
    end = _key(found[0])
    return Stretch(after, end, _count(session, plan, after, end), is_last=True)


def _key(row: Sequence[str | None]) -> Key:
    return tuple(map(str, row))


def _count(session: Session, plan: Plan, after: Key | None, upto: Key) -> int:
    return int(session.ask(plan.matching(after, upto, "TRUE") or "")[0][0] or 0)


@dataclass(slots=True)
class Batches:
    """Batches on one connection."""

    plan: Plan
    session: Session
    state: State
    wait: Wait
    pace: Pace
    is_proven: bool = False  # that rows which are done are not matched again
    _ahead: Stretch | None = None  # the next batch's, as it was asked in the last one's transaction

    def over(self, range_: Range) -> Iterator[Batch]:
        """Yield each batch of a range when it is committed, and each that was refused."""
        refusals = 0
        while not range_.is_done:
            pace = self.wait(self.pace)
            if pace is None:
                return
            self.pace = pace
            try:
                batch = self._next(range_)
                refusals = 0
            except Refused as refused:
                refusals += 1
                batch = self._refused(range_, refused, refusals)
            range_ = batch.range
            yield batch

    def _next(self, before: Range) -> Batch:
        found, self._ahead = self._ahead, None
        if found is None or found.after != before.reached:
            found = stretch(self.session, self.plan, before.reached, before.upto, self.pace.keys)
        if found is None:
            return self._end(before)
        return self._do(found, before)

    def _end(self, before: Range) -> Batch:
        after = replace(before, is_done=True)
        if moving := self.state.moving(before, after):
            with transaction(self.session, self.plan.dialect, moving) as opened:
                self._check(opened.touched)
        return Batch(range=after)

    def _do(self, found: Stretch, before: Range) -> Batch:
        """Run a batch; the key that the next one ends with is asked in the same round trip.

        The last one ends its range: what has come behind it meanwhile is for the sweep, or it would never end.
        """
        after = replace(
            before,
            done=found.upto,
            keys=before.keys + found.keys,
            batches=before.batches + 1,
            is_done=found.is_last,
        )
        keys = self.pace.keys
        first = [*self.state.moving(before, after), self.plan.statement(found.after, found.upto)]
        began = time.monotonic_ns()
        with transaction(
            self.session, self.plan.dialect, first, self.plan.nth_key(found.upto, before.upto, keys)
        ) as opened:
            *moved, rows = opened.touched
            self._check(moved)
            left = self._left(found, rows)
            after = replace(after, rows=before.rows + rows)
            opened.last = self.state.counting(after)
            committing = time.monotonic_ns()
        ended = time.monotonic_ns()
        self._ahead = Stretch(found.upto, _key(opened.rows[0]), keys) if opened.rows else None
        self.pace = self.pace.after(found.keys, ended - began, ended - committing)
        return Batch(range=after, keys=found.keys, rows=rows, took_ns=ended - began, left=left)

    def _check(self, moved: Sequence[int]) -> None:
        """Raise where a range could not be moved on; its transaction is not committed then."""
        if any(one != 1 for one in moved):
            raise Mistake(
                f"{self.plan.state} is not as this runner left it: another one is at work on the same backfill, or "
                "its state was removed; nothing of this batch was kept"
            )

    def _left(self, found: Stretch, rows: int) -> int | None:
        """Count once whether rows that are done are matched again; a Mistake where all of them are."""
        query = self.plan.matching(found.after, found.upto)
        if self.is_proven or self.plan.task.once or not rows or query is None:
            return None
        left = int(self.session.ask(query)[0][0] or 0)
        if left >= rows:
            raise Mistake(
                f"the WHERE still holds for all {counted(rows, 'row')} of the first batch after they were set, so that "
                "nothing would tell rows that are done; it was rolled back. Have the WHERE exclude what the SET makes "
                "(such as x IS DISTINCT FROM …), or say --once: then the table of states alone tells what is done"
            )
        self.is_proven = True
        return left

    def _refused(self, range_: Range, refused: Refused, times: int) -> Batch:
        self.give_way(refused, times)
        return Batch(range=range_, refused=str(refused))

    def give_way(self, refused: Refused, times: int) -> None:
        """Take smaller batches after one that was refused; raise where another try would not help."""
        if not self.plan.dialect.is_worth_a_retry(refused.code):
            raise ServerFailed(
                f"a batch failed and was rolled back: {refused}; what was done before it is kept, and the same command "
                "goes on from there"
            ) from None
        if times >= self.plan.task.attempts:
            raise ServerFailed(f"a batch was refused {times} times in a row, the last time so: {refused}") from None
        self.pace = self.pace.after_refusal()
