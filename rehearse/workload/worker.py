"""A process that sends calls when they are due, from one loop over all its sessions, and never waits for an answer.

Started by the driver as `python -m rehearse.workload.worker`; what it needs comes through its standard input, and when
that ends, so does the process: a parent that was killed leaves nobody behind. Times are `time.monotonic_ns()`, which
all processes of a machine share.
"""

from __future__ import annotations

import gc
import heapq
import json
import os
import queue
import resource
import select
import selectors
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from rehearse.events import Outcome
from rehearse.workload.arrivals import BLOCK, PHASES, Schedule
from rehearse.workload.draws import Calls
from rehearse.workload.wire import PLACES, PROGRESS, RECORD, Inbox, frame, write_all

if TYPE_CHECKING:
    from rehearse.protocols import Session, SessionAnswer

_TICK_NS = 250_000_000  # how often records are handed over and queued calls are looked through
_RESTLESS_S = 0.002  # how often a session is looked at that connects or has not sent all
_RECORDS = 4096  # records kept before they are handed over out of turn
_AHEAD_NS = 3_000_000  # idle time that is enough to make the next block of calls
_AHEAD = 128  # calls made ready below which that is done
_ERRORS = 1000  # kinds of errors told apart; later ones only by their code
_RETRY_NS, _RETRY_MOST_NS = 10_000_000, 320_000_000  # before a call is sent again: the first time, and at most
_ATTEMPTS = 4  # refused connections in a row after which a phase cannot begin
_CANCELLED = "cancelled by rehearse, since it still ran long after the phase's end"

now = time.monotonic_ns


class Poller:
    """Waits for sockets with a resolution of microseconds, where epoll's own time-out counts milliseconds."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._selector = None if self._epoll else selectors.DefaultSelector()

    def watch(self, descriptor: int) -> None:
        """Wait for this descriptor too, until it is closed."""
        try:
            if self._epoll is not None:
                self._epoll.register(descriptor, select.EPOLLIN)
            elif self._selector is not None:
                self._selector.register(descriptor, selectors.EVENT_READ)
        except (FileExistsError, KeyError):
            return

    def wait(self, seconds: float) -> Iterable[int]:
        """Return the descriptors that can be read, after so many seconds at most."""
        if self._epoll is not None:
            if seconds > 0:
                select.select([self._epoll], (), (), seconds)
            return [descriptor for descriptor, _ in self._epoll.poll(0)]
        assert self._selector is not None
        return [key.fd for key, _ in self._selector.select(max(0.0, seconds))]


class Out:
    """Hands frames to the driver from a thread of its own, so that a slow reader delays no call."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def send(self, letter: bytes, content: bytes = b"") -> None:
        """Hand over a frame."""
        self._frames.put(frame(letter, content))

    def _write(self) -> None:
        while (content := self._frames.get()) is not None:
            try:
                write_all(self._descriptor, content)
            except OSError:
                os._exit(0)  # the driver is gone

    def close(self) -> None:
        """Write what is left."""
        self._frames.put(None)
        self._thread.join()


class Records:
    """What became of each call, as bytes, handed over now and then."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._bytes = bytearray(RECORD.size * _RECORDS)
        self._count = 0
        self._told: list[tuple[int, int, Sequence[Sequence[str]]]] = []
        self._errors: dict[tuple[str | None, str | None], int] = {(None, None): 0}

    def missed(self, call: _Due, at_ns: int) -> None:
        """Record a call that was never sent."""
        missed = PLACES[Outcome.MISSED]
        self._put(call.number, call.due_ns, call.picked_ns, -1, at_ns, 0, 0, 0, call.kind, missed, 0, call.tries)

    def ended(self, call: _Due, session: Session, sent_ns: int, done_ns: int, answer: SessionAnswer) -> None:
        """Record a call that was answered, or whose connection was lost."""
        touched = 0
        for at, told in enumerate(answer.told):
            if told is not None and told[0] > 0:
                touched |= 1 << min(at, 63)
                if told[1]:
                    self._told.append((call.number, at, told[1]))
        error = 0 if answer.outcome is Outcome.OK else self._error(answer.code, answer.message)
        place, reached = PLACES[answer.outcome], min(255, len(answer.told))
        times = (call.due_ns, call.picked_ns, sent_ns, done_ns)
        self._put(call.number, *times, touched, session.pid, error, call.kind, place, reached, call.tries)

    def _put(self, *record: int) -> None:
        """Keep a record; the order is that of `wire.RECORD`."""
        RECORD.pack_into(self._bytes, self._count * RECORD.size, *record)
        self._count += 1
        if self._count == _RECORDS:
            self.hand_over()

    def _error(self, code: str | None, text: str | None) -> int:
        known = self._errors.get((code, text))
        if known is None:
            if len(self._errors) >= _ERRORS:
                text = "(more kinds of messages than are kept)"
            known = self._errors.setdefault((code, text), len(self._errors))
            self._out.send(b"E", json.dumps([known, code, text]).encode())
        return known

    def hand_over(self) -> None:
        """Send what is recorded to the driver."""
        if self._told:
            self._out.send(b"T", json.dumps(self._told).encode())
            self._told = []
        if self._count:
            self._out.send(b"C", bytes(memoryview(self._bytes)[: self._count * RECORD.size]))
            self._count = 0


class _Due:
    """A call that is due."""

    __slots__ = ("due_ns", "kind", "luck", "new", "number", "picked_ns", "tries", "values")

    def __init__(self, number: int, due_ns: int, kind: int, luck: float, values: list[list[bytes | None]]) -> None:
        self.number = number
        self.due_ns = due_ns
        self.kind = kind
        self.luck = luck
        self.values = values
        self.new: tuple[int, list[list[bytes | None]]] | None = None  # what the new version sends in its place
        self.picked_ns = 0
        self.tries = 0


class RollOut:
    """The new version's share of the calls over time: what it was told to be, reached along straight lines."""

    def __init__(self, share: float) -> None:
        self._from, self._to, self._at, self._over = share, share, 0, 1

    def go(self, share: float, at_ns: int, over_ns: int) -> None:
        """From this moment on go to another share, over so many nanoseconds."""
        self._from, self._to, self._at, self._over = self.share(at_ns), share, at_ns, max(1, over_ns)

    def share(self, at_ns: int) -> float:
        """Return the share at a moment."""
        done = min(1.0, max(0.0, (at_ns - self._at) / self._over))
        return self._from + (self._to - self._from) * done


class Traffic:
    """One phase: connects, sends until told to stop, drains, closes."""

    def __init__(self, plan: Mapping[str, Any], asked: Mapping[str, Any], calls: Calls, out: Out, inbox: Inbox) -> None:
        self._out, self._inbox, self._calls = out, inbox, calls
        self._asked = asked
        self._schedule = Schedule(
            seed=plan["seed"],
            phase=asked["phase"],
            rate=asked["rate"],
            shares=plan["shares"],
            width=plan["width"],
            new_shares=plan["new_shares"],
            even=plan["even"],
            curve=plan["curve"],
        )
        self._rollout = RollOut(asked["new"])
        connect = import_module(plan["session"]).connect
        kinds = [SimpleNamespace(**call) for call in plan["calls"]]
        self._sessions: list[Session] = [
            connect(asked["url"], kinds, asked["settings"]) for _ in range(asked["sessions"])
        ]
        self._poller = Poller()
        self._poller.watch(inbox.descriptor)
        self._records = Records(out)
        self._by_descriptor: dict[int, Session] = {}
        self._restless: set[Session] = set(self._sessions)
        self._idle: deque[Session] = deque()
        self._busy: dict[Session, tuple[_Due, int]] = {}
        self._waiting: deque[_Due] = deque()
        self._coming: deque[_Due] = deque()
        self._later: list[tuple[int, int, _Due]] = []  # a heap of calls to be sent again: when, number
        self._retries = [(call["retries"], frozenset(call["retry_on"])) for call in plan["calls"]]
        self._block = 0
        self._began_ns = self._wall_us = 0
        self._stop_ns: int | None = None
        self._due = 0

    def run(self) -> None:
        """Do the whole phase."""
        try:
            self._warm_up()
            if self._connected():
                self._out.send(b"R")
                self._send_until_told()
                self._drain()
                self._records.hand_over()
                self._tell_progress(now())
                self._out.send(b"D")
        finally:
            for session in self._sessions:
                session.close()

    # --- connecting

    def _warm_up(self) -> None:
        """Make a block for nothing, so that the first real one does not build the tables that draws look in."""
        self._calls.values(self._schedule.block(0), np.arange(BLOCK), 0)

    def _connected(self) -> bool:
        give_up = now() + self._asked["connect_ns"]
        while self._restless:
            self._look(_RESTLESS_S)
            if self._stop_ns is not None:
                return False
            failing = [one for one in self._restless if one.attempts >= _ATTEMPTS or (one.trouble and now() > give_up)]
            if failing or (self._restless and now() > give_up):
                trouble = failing[0].trouble if failing else None
                self._out.send(b"F", (trouble or "no answer to the connection in time").encode())
                return False
        return True

    # --- sending

    def _send_until_told(self) -> None:
        while not self._began_ns and self._stop_ns is None:
            self._look(0.05)
        self._fill()
        tick = now() + _TICK_NS
        while self._stop_ns is None:
            at = now()
            self._admit(at)
            self._admit_again(at)
            self._dispatch()
            if at >= tick:
                self._tick(at)
                tick = at + _TICK_NS
            next_ns = min(self._coming[0].due_ns, tick, *(one[0] for one in self._later[:1]))
            free_ns = next_ns - now()
            if free_ns > _AHEAD_NS and len(self._coming) < _AHEAD:
                self._fill()
            self._look(free_ns / 1e9)

    def _fill(self) -> None:
        """Make the calls of the next block that are this process's."""
        block = self._schedule.block(self._block)
        self._block += 1
        own = np.flatnonzero((block.numbers // PHASES) % self._asked["workers"] == self._asked["worker"])
        due = (block.due_ns[own] + self._began_ns).tolist()
        rows = zip(block.numbers[own].tolist(), due, block.kinds[own].tolist(), block.luck[own].tolist(), strict=True)
        values = self._calls.values(block, own, self._wall_us)
        made = [_Due(*row, drawn) for row, drawn in zip(rows, values, strict=True)]
        if self._schedule.new_shares is not None:
            kinds = block.new_kinds[own]
            drawn_new = self._calls.values(block, own, self._wall_us, kinds)
            for call, kind, drawn in zip(made, kinds.tolist(), drawn_new, strict=True):
                call.new = kind, drawn
        self._coming.extend(made)

    def _admit(self, at: int) -> None:
        coming, waiting = self._coming, self._waiting
        while True:
            while not coming:
                self._fill()
            if coming[0].due_ns > at:
                return
            call = coming.popleft()
            if call.new is not None and call.luck < self._rollout.share(call.due_ns):
                call.kind, call.values = call.new
            call.picked_ns = at
            waiting.append(call)
            self._due += 1

    def _admit_again(self, at: int) -> None:
        while self._later and self._later[0][0] <= at:
            self._waiting.append(heapq.heappop(self._later)[2])

    def _is_tried_again(self, call: _Due, answer: SessionAnswer, at: int) -> bool:
        """Take a call back that the application would send again, after a wait that doubles each time."""
        most, codes = self._retries[call.kind]
        if answer.outcome is not Outcome.FAILED or answer.code not in codes or call.tries > most:
            return False
        wait_ns = min(_RETRY_MOST_NS, _RETRY_NS * 2 ** (call.tries - 1))
        heapq.heappush(self._later, (at + wait_ns, call.number, call))
        return True

    def _dispatch(self) -> None:
        while self._waiting and self._idle:
            session = self._idle.popleft()
            if not session.ready:
                self._restless.add(session)
                continue
            call = self._waiting.popleft()
            call.tries += 1
            self._busy[session] = (call, now())
            session.send(call.kind, call.values)
            if session.restless:
                self._restless.add(session)

    def _look(self, seconds: float) -> None:
        """Wait for answers and messages, and take them."""
        if self._restless:
            seconds = min(seconds, _RESTLESS_S)
        for descriptor in self._poller.wait(seconds):
            session = self._by_descriptor.get(descriptor)
            if session is not None:
                self._advance(session)
            elif descriptor == self._inbox.descriptor:
                self._hear()
        for session in list(self._restless):
            self._advance(session)

    def _advance(self, session: Session) -> None:
        was_ready = session.ready
        answer = session.advance()
        if answer is not None:
            call, sent = self._busy.pop(session)
            at = now()
            if not self._is_tried_again(call, answer, at):
                self._records.ended(call, session, sent, at, answer)
        if was_ready and not session.ready:  # it lost its connection while idle
            self._idle.remove(session)
        if session.ready and not was_ready:
            if session in self._restless:  # a new connection, maybe
                self._restless.discard(session)
                self._poller.watch(session.fileno())
                self._by_descriptor[session.fileno()] = session
            self._idle.append(session)
        elif session.restless:
            self._restless.add(session)
        elif self._restless:
            self._restless.discard(session)

    def _hear(self) -> None:
        for _, content in self._inbox.frames():
            told = json.loads(content)
            if told["do"] == "start":
                self._began_ns, self._wall_us = told["at_ns"], told["wall_us"]
            elif told["do"] == "live":
                self._rollout.go(told["share"], told["at_ns"], told["over_ns"])
            elif told["do"] == "end":
                self._stop_ns = told["at_ns"]

    def _tick(self, at: int) -> None:
        patience = self._asked["patience_ns"]
        while self._waiting and self._waiting[0].due_ns + patience < at:
            self._records.missed(self._waiting.popleft(), at)
        self._records.hand_over()
        self._tell_progress(at)

    def _tell_progress(self, at: int) -> None:
        oldest = min((call.due_ns for call, _ in self._busy.values()), default=at)
        if self._waiting:
            oldest = min(oldest, self._waiting[0].due_ns)
        self._out.send(b"P", PROGRESS.pack(self._due, len(self._busy) + len(self._waiting), at - oldest))

    # --- the end

    def _drain(self) -> None:
        """Send what was due, and wait for answers; after a while have the server stop what still runs."""
        give_up = now() + self._asked["drain_ns"]
        while (self._busy or self._waiting or self._later) and now() < give_up:
            self._admit_again(now())
            self._dispatch()
            self._look(_RESTLESS_S)
        for call in (*self._waiting, *(one[2] for one in self._later)):
            self._records.missed(call, now())
        self._waiting.clear()
        self._later.clear()
        for session in list(self._busy):
            session.cancel()
        give_up = now() + self._asked["drain_ns"]
        while self._busy and now() < give_up:
            self._look(_RESTLESS_S)
        for session, (call, sent) in self._busy.items():
            lost = SimpleNamespace(outcome=Outcome.UNKNOWN, code=None, message=_CANCELLED, told=[None])
            self._records.ended(call, session, sent, now(), lost)


def _go_first() -> None:
    """Run before all others, where that is allowed (as root): calls are sent when due, though the cores are taken.

    In production the callers have machines of their own, which a busy server does not slow down.
    """
    with suppress(OSError, AttributeError):  # not allowed; not on this system
        for thread in threading.enumerate():
            os.sched_setscheduler(thread.native_id or 0, os.SCHED_RR, os.sched_param(1))


def main() -> None:
    """Read the plan, then run one phase after the other until the standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what an interrupt means
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a session is a descriptor, and 1,024 is the usual limit
    descriptor = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints must not stand among the frames
    inbox, out = Inbox(sys.stdin.fileno()), Out(descriptor)
    plan: dict[str, Any] = {}
    calls: Calls | None = None
    try:
        while True:
            for _, content in list(inbox.frames()):
                told = json.loads(content)
                if told["do"] == "plan":
                    plan = told
                    calls = Calls(plan["calls"], plan["pools"], plan["seed"])
                    import_module(plan["session"])
                    gc.freeze()  # the rows that exist are never garbage: no collection looks at them again
                elif told["do"] == "begin" and calls is not None:
                    if told["goes_first"]:
                        _go_first()
                    Traffic(plan, told, calls, out, inbox).run()
    except (EOFError, KeyboardInterrupt):
        os._exit(0)  # nobody is there to be told anything


if __name__ == "__main__":
    main()
