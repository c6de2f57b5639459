"""Goes over all keys once more: rows that came meanwhile or were undone are done, and what must hold is counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from rehearse.backfill.batches import Batches, Stretch, stretch
from rehearse.backfill.seams import Key, Refused, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found in a stretch: rows to be done, those of them that were done, and those that still are to be.

    `upto` is the stretch's last key. `is_new`: it lies beyond the fence, so that its rows came after that.
    """

    keys: int
    found: int = 0
    done: int = 0
    left: int = 0
    example: Key | None = None  # the key of a row that is left
    refused: str | None = None
    upto: Key | None = None
    is_new: bool = False


Looking = Callable[[Batches, Stretch], Look]


class _Steps:
    """The stretches of a sweep: of a whole number by its value, which reads no index twice; else key by key.

    It ends with the last key that there is at its beginning, however quick others come.
    """

    def __init__(self, batches: Batches, after: Key | None, upto: Key | None) -> None:
        self._batches = batches
        self._after = after
        self._at = self._last = 0
        self._spread = 1.0  # of numbers, for one key
        plan = batches.plan
        first, last = (batches.session.ask(one) for one in (plan.nth_key(after, upto, 1), plan.last_key(after, upto)))
        self._upto = tuple(map(str, last[0])) if last else None
        if plan.is_whole_number and first and last:
            self._at, self._last = int(first[0][0] or 0), int(last[0][0] or 0)
            self._spread = max(1.0, (self._last - self._at) / max(1, plan.target.rows or 1))

    def next(self, keys: int) -> Stretch | None:
        """Return the stretch of about so many keys that comes next; None where there is none."""
        if self._upto is None:
            return None
        if self._at >= self._last:
            return stretch(self._batches.session, self._batches.plan, self._after, self._upto, keys)
        upto = min(self._last, self._at + max(1, round(keys * self._spread)))
        return Stretch(self._after, (str(upto),), keys)

    def seen(self, found: Stretch) -> None:
        """Go on beyond a stretch."""
        self._after = found.upto
        self._at = int(found.upto[0]) if self._at < self._last else self._at


def swept(batches: Batches, look: Looking, fence: Key | None = None, *, beyond: bool = True) -> Iterator[Look]:
    """Yield what a look at each stretch of keys found, each sized to take its time; ends early where told to stop.

    What lies beyond the fence comes last, in stretches of its own, or not at all.
    """
    for after, upto in ((None, fence), (fence, None))[: 2 if fence and beyond else 1]:
        for one in _swept(batches, look, _Steps(batches, after, upto)):
            yield replace(one, is_new=after is not None)


def _swept(batches: Batches, look: Looking, steps: _Steps) -> Iterator[Look]:
    refusals = 0
    while (pace := batches.wait(batches.pace)) is not None:
        batches.pace = pace
        found = steps.next(pace.keys)
        if found is None:
            return
        began = time.monotonic_ns()
        try:
            seen = look(batches, found)
        except Refused as refused:
            refusals += 1
            batches.give_way(refused, refusals)
            yield Look(keys=0, refused=str(refused))
            continue
        batches.pace = batches.pace.after(found.keys, time.monotonic_ns() - began)
        refusals = 0
        steps.seen(found)
        yield replace(seen, upto=found.upto)


def mended(batches: Batches, found: Stretch) -> Look:
    """Do the rows of a stretch for which the statement's WHERE holds; without one, run it and see what it does."""
    plan, session = batches.plan, batches.session
    matching = plan.matching(found.after, found.upto)
    before = 0 if matching is None else _number(session.ask(matching))
    if matching is not None and not before:
        return Look(keys=found.keys)
    with transaction(session, plan.dialect):
        rows = session.run(plan.statement(found.after, found.upto))
        left = 0 if matching is None else _number(session.ask(matching))
    if matching is None:
        return Look(keys=found.keys, found=rows, done=rows)
    example = _example(batches, found, plan.reading.condition) if left else None
    return Look(keys=found.keys, found=before, done=max(0, before - left), left=left, example=example)


def counting(condition: str) -> Looking:
    """Return what counts the rows for which a condition holds."""

    def counted(batches: Batches, found: Stretch) -> Look:
        query = batches.plan.matching(found.after, found.upto, condition)
        left = _number(batches.session.ask(query or ""))
        return Look(
            keys=found.keys, found=left, left=left, example=_example(batches, found, condition) if left else None
        )

    return counted


def _example(batches: Batches, found: Stretch, condition: str | None) -> Key | None:
    rows = batches.session.ask(batches.plan.example(found.after, found.upto, condition or "TRUE"))
    return tuple(map(str, rows[0])) if rows else None


def _number(rows: object) -> int:
    assert isinstance(rows, list | tuple)
    return int(rows[0][0] or 0)
