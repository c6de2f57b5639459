"""Runs a backfill from its beginning or from where it was left, and says whether every row is right at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

from rehearse.backfill import sweep
from rehearse.backfill.batches import Batches
from rehearse.backfill.control import Pace
from rehearse.backfill.plan import Plan, Range, ranges
from rehearse.backfill.progress import Standing
from rehearse.backfill.seams import Key, Refused, Session
from rehearse.backfill.state import State
from rehearse.backfill.watch import Watch
from rehearse.errors import Mistake

_PATIENCE_S = 10.0
_SWEEPS = 20


Open = Callable[[], AbstractContextManager[Session]]
"""Opens one more connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a backfill came to; of rows and keys those of this run, `before` those of runs before it.

    `left` is how many rows are not right at the end: None where that was not looked at, as when it was stopped.
    `coming` are rows that were not right as they came, beyond the last key of the look before: the last look did them,
    and more of them come as long as nothing fills them as they are written.
    """

    rows: int
    keys: int
    batches: int
    refused: int
    seconds: float
    before: int = 0
    swept: int = 0  # rows that were done in looking once more
    left: int | None = None
    coming: int = 0
    examples: tuple[Key, ...] = ()
    is_stopped: bool = False

    @property
    def is_right(self) -> bool:
        """Say whether every row was looked at and found right; of rows that come, those that had come by then."""
        return self.left == 0


@dataclass(slots=True)
class _Sweep:
    """What a look at all keys came to: rows that were done, up to the fence and beyond it, and its last key."""

    done: int = 0
    new: int = 0
    left: int = 0
    examples: tuple[Key, ...] = ()
    end: Key | None = None


@dataclass(slots=True)
class Running:
    """A backfill under way."""

    plan: Plan
    open: Open
    state: State
    stop: threading.Event = field(default_factory=threading.Event)
    standing: Standing = field(default_factory=Standing)

    def run(self, session: Session, *, restart: bool = False, keep_state: bool = False) -> Result:
        """Do all batches, look for what is left, and verify; `session` is the one that holds the lock."""
        watch = Watch(self.plan, self.stop)
        found = self._begun(session, restart=restart)
        self.standing.begin(self.plan, found)
        try:
            return self._run(session, found, watch, keep_state=keep_state)
        except BaseException:
            if not self.standing.batches and not self.standing.keys_before:
                with suppress(Refused):
                    self._forget(session)  # nothing was done that a state would tell of
            raise

    def _run(self, session: Session, found: Sequence[Range], watch: Watch, *, keep_state: bool) -> Result:
        began = time.monotonic()
        with ExitStack() as opened:
            if watch.is_needed:
                opened.enter_context(watch.watching(opened.enter_context(self.open())))
            self.standing.watch = watch
            self._all(found, watch)
            left, examples = self._verified(watch)
        if not self.stop.is_set() and not keep_state and not left and not self.plan.task.once:
            self._forget(session)
        return self.standing.result(
            seconds=time.monotonic() - began, left=left, examples=examples, is_stopped=self.stop.is_set()
        )

    def _begun(self, session: Session, *, restart: bool) -> list[Range]:
        found = self.state.ranges(session)
        if found and restart:
            self.state.forget(session)
            found = []
        if not found:
            found = ranges(session, self.plan)
            with only(session, self.plan, f"states {self.plan.state}", patience_s=_PATIENCE_S):
                self.state.begin(session, found)
        return found

    def _forget(self, session: Session) -> None:
        with only(session, self.plan, f"states {self.plan.state}", patience_s=_PATIENCE_S):
            self.state.forget(session)

    def _all(self, found: Sequence[Range], watch: Watch) -> None:
        """Do the ranges that are not done, by as many workers as were asked for."""
        ahead: SimpleQueue[Range] = SimpleQueue()
        for one in found:
            if not one.is_done:
                ahead.put(one)
        workers = min(self.plan.task.workers, max(1, ahead.qsize()))
        self._together([lambda: self._some(ahead, watch)] * workers)

    def _together(self, deeds: Sequence[Callable[[], None]]) -> None:
        """Do deeds in threads; the first that fails stops the others after their batch, and is raised."""
        with ThreadPoolExecutor(len(deeds), thread_name_prefix="backfill") as pool:
            waiting = [pool.submit(one) for one in deeds]
            try:
                done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
            except BaseException:
                self.stop.set()
                raise
            if any(one.exception() for one in done):
                self.stop.set()
        for one in waiting:
            one.result()

    def _some(self, ahead: SimpleQueue[Range], watch: Watch) -> None:
        with self.open() as session:
            batches = self._batches(session, watch)
            while not self.stop.is_set():
                try:
                    range_ = ahead.get_nowait()
                except Empty:
                    return
                for batch in batches.over(range_):
                    self.standing.note(batch, batches.pace)

    def _batches(self, session: Session, watch: Watch) -> Batches:
        task = self.plan.task
        pace = Pace(keys=task.batch, target_ns=task.batch_time_ns, most=task.most_keys, pause_ns=task.pause_ns)
        return Batches(self.plan, session, self.state, watch.wait, pace)

    def _verified(self, watch: Watch) -> tuple[int | None, tuple[Key, ...]]:
        """Return how many rows are not right, and keys of some; None where that is not known, or it stopped."""
        if self.stop.is_set():
            return None, ()
        with self.open() as session:
            batches = self._batches(session, watch)
            seen = None if self.plan.task.once else self._mended(batches)
            if self.plan.task.verify is not None and not (seen and seen.left):
                fence = seen.end if seen else None  # what has come since is as whoever wrote it made it
                seen = self._swept(batches, sweep.counting(self.plan.task.verify), fence, beyond=False)
        return (None, ()) if self.stop.is_set() or seen is None else (seen.left, seen.examples)

    def _mended(self, batches: Batches) -> _Sweep | None:
        """Sweep until a sweep finds nothing to do but rows that came since the last one; once where it cannot tell."""
        if self.plan.reading.overwrites:  # each sweep would touch every row
            self._swept(batches, sweep.mended)
            return None
        seen = _Sweep()
        for _ in range(_SWEEPS):
            seen = self._swept(batches, sweep.mended, seen.end)
            if not seen.done or self.stop.is_set():
                self.standing.coming = seen.new
                return seen
        return replace(seen, left=seen.done)

    def _swept(self, batches: Batches, look: sweep.Looking, fence: Key | None = None, *, beyond: bool = True) -> _Sweep:
        found = _Sweep(end=fence)
        self.standing.sweep()
        for one in sweep.swept(batches, look, fence, beyond=beyond):
            if one.is_new:
                found.new += one.done
            else:
                found.done += one.done
            found.left += one.left
            found.examples += (one.example,) if one.example and len(found.examples) < 3 else ()
            found.end = one.upto or found.end
            self.standing.look(one, batches.pace)
        return found


@contextmanager
def only(session: Session, plan: Plan, name: str, *, patience_s: float = 0.0) -> Iterator[None]:
    """Hold a lock of this name; a Mistake where another runner holds it for longer than the patience."""
    until = time.monotonic() + patience_s
    while session.ask(plan.dialect.lock(name))[0][0] != "1":
        if time.monotonic() > until:
            raise Mistake(
                "another runner is at work on this backfill (the same statement on the same table); wait for it, or "
                "end it first"
            )
        time.sleep(0.05)
    try:
        yield
    finally:
        with suppress(Refused):  # a connection that is lost holds no lock
            session.ask(plan.dialect.unlock(name))
