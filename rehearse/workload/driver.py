"""The parent's side of the traffic: starts the sending processes, begins and ends phases, writes down what happened."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import pandas
from numpy.typing import NDArray

from rehearse import registry
from rehearse.errors import Mistake, ServerFailed
from rehearse.events import CallEnded, Journal, Remarked, RowWritten
from rehearse.model import OfCapacity, WorkloadChoice
from rehearse.protocols import Database, Role
from rehearse.units import NS_PER_S
from rehearse.workload.arrivals import PHASES, Schedule
from rehearse.workload.draws import Calls
from rehearse.workload.facts import Errors, Returned, Writes, calls_frame, records
from rehearse.workload.mix import Mix
from rehearse.workload.wire import HEAD, PROGRESS, Inbox, message, write_all

_HEAD_START_NS = 50_000_000  # from the last session's being ready to the first moment of the schedule
_CONNECT_NS = 20 * NS_PER_S
_DRAIN_NS = 3 * NS_PER_S
_LONGEST_END_S = 60.0
_RECENT_NS = 2 * NS_PER_S
_ONE_WORKER = (2000.0, 64)  # calls a second and sessions that one process serves without being late
_ROWS = 50_000  # rows written to the journal at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How the traffic of the phase under way stands. `p99_ns` is of the last two seconds, None if none ended in them.

    `in_flight` counts calls that wait for a session too; the oldest of all has waited `oldest_ns`.
    """

    due: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    missed: int = 0
    in_flight: int = 0
    oldest_ns: int = 0
    p99_ns: int | None = None


@dataclass(slots=True)
class _Worker:
    """A sending process, and what it has handed over in the phase under way."""

    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    spool: IO[bytes]
    signals: queue.SimpleQueue[tuple[bytes, bytes]] = field(default_factory=queue.SimpleQueue)
    errors: dict[int, tuple[str | None, str | None]] = field(default_factory=dict)
    outcomes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(4, dtype=np.int64))
    recent: deque[tuple[int, NDArray[np.int64]]] = field(default_factory=deque)
    progress: tuple[int, int, int] = (0, 0, 0)
    gone: bool = False

    def tell(self, content: Any) -> None:
        """Send a message; that a process is gone shows at its other end."""
        assert self.process.stdin is not None
        try:
            write_all(self.process.stdin.fileno(), message(content))
        except OSError:
            self.gone = True

    def reset(self) -> None:
        """Forget the phase that ended."""
        self.spool.seek(0)
        self.spool.truncate()
        self.errors.clear()
        self.recent.clear()
        self.outcomes[:] = 0
        self.progress = (0, 0, 0)

    def listen(self) -> None:
        """Take what the process hands over, until it ends."""
        assert self.process.stdout is not None
        inbox = Inbox(self.process.stdout.fileno())
        try:
            while True:
                for letter, content in inbox.frames():
                    self._take(letter, content)
        except (EOFError, OSError):
            self.gone = True
            self.signals.put((b"G", b""))

    def _take(self, letter: bytes, content: bytes) -> None:
        if letter in b"CT":
            self.spool.write(HEAD.pack(letter, len(content)) + content)
        if letter == b"C":
            self._count(content)
        elif letter == b"E":
            number, code, text = json.loads(content)
            self.errors[number] = (code, text)
        elif letter == b"P":
            self.progress = PROGRESS.unpack(content)
        elif letter in b"RFD":
            self.signals.put((letter, content))

    def _count(self, content: bytes) -> None:
        found = records(content)
        self.outcomes += np.bincount(found["outcome"], minlength=4)
        self.recent.append((time.monotonic_ns(), found["done"] - found["due"]))
        while self.recent and self.recent[0][0] < time.monotonic_ns() - _RECENT_NS:
            self.recent.popleft()


@dataclass(slots=True)
class _Phase:
    """The phase under way."""

    name: str
    index: int
    rate: float
    journal: Journal
    wall_us: int = 0


class Driver:
    """Sends a mix in phases, from worker processes that live as long as the driver; use it in a `with`.

    Between `begin` and `end` it is connected; outside nobody is. Every call and every row written is in the journal
    once `end` has returned. The same seed gives the same calls at the same times, whatever the number of workers.
    """

    def __init__(self, mix: Mix, database: Database, choice: WorkloadChoice, seed: int, journal: Journal) -> None:
        self._mix, self._database, self._choice = mix, database, choice
        self._seed, self._journal = seed, journal
        self._plan = {
            "do": "plan",
            "seed": seed,
            "session": _session_module(mix.engine),
            **mix.plan(),
            **_arrivals(choice),
        }
        self._workers: list[_Worker] = []
        self._phase: _Phase | None = None
        self._phases = 0
        self._drawn: Calls | None = None

    def __enter__(self) -> Self:
        """Start the sending processes; they load what they need while others work."""
        try:
            for _ in range(workers(self._choice)):
                self._workers.append(_start())
            for worker in self._workers:
                threading.Thread(target=worker.listen, daemon=True).start()
                worker.tell(self._plan)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the sending processes."""
        self._close()

    # --- phases

    def begin(self, name: str, *, new: float = 0.0, rate: float | None = None, journal: Journal | None = None) -> None:
        """Connect all sessions, prepare all calls, and start to send; returns once the schedule's first moment is set.

        `new` is the share of calls of the application's new version; `rate` and `journal` are the driver's own unless
        others are given. Raises ServerFailed, in the server's words, where
        a session cannot connect.
        """
        assert self._phase is None, "a phase is under way"
        if self._phases == PHASES:
            raise Mistake(f"a rehearsal has at most {PHASES} phases with traffic")
        self._phase = _Phase(name, self._phases, rate or self._choice.rate, journal or self._journal)
        self._phases += 1
        for at, worker in enumerate(self._workers):
            worker.reset()
            worker.tell({**self._asked(at), "new": new})
        try:
            self._all_ready()
        except BaseException:
            self._phase = None
            raise
        at_ns = time.monotonic_ns() + _HEAD_START_NS
        self._phase.wall_us = (time.time_ns() + _HEAD_START_NS) // 1000
        for worker in self._workers:
            worker.tell({"do": "start", "at_ns": at_ns, "wall_us": self._phase.wall_us})

    def roll_out(self, share: float, over_ns: int = 0) -> None:
        """From now on bring the new version's share of the calls to another, over so many nanoseconds."""
        for worker in self._workers:
            worker.tell({"do": "live", "share": share, "at_ns": time.monotonic_ns(), "over_ns": over_ns})

    def end(self) -> None:
        """Stop sending, wait for the answers (after 3 s the server is asked to stop what still runs), disconnect.

        Then every call and every row written goes to the journal.
        """
        if self._phase is None:
            return
        phase, self._phase = self._phase, None
        for worker in self._workers:
            worker.tell({"do": "end", "at_ns": time.monotonic_ns()})
        for worker in self._workers:
            if self._signal(worker, _LONGEST_END_S) != b"D":
                self._remark_lost(worker, phase)
        self._write(phase)

    def counts(self) -> Counts:
        """Return how the phase under way stands; a quarter of a second old at most."""
        ok, failed, unknown, missed = (int(sum(one.outcomes[at] for one in self._workers)) for at in range(4))
        recent = [part for one in self._workers for _, part in list(one.recent)]
        p99 = int(np.percentile(np.concatenate(recent), 99)) if recent else None
        progress = [one.progress for one in self._workers]
        return Counts(
            due=sum(due for due, _, _ in progress),
            ok=ok,
            failed=failed,
            unknown=unknown,
            missed=missed,
            in_flight=sum(flying for _, flying, _ in progress),
            oldest_ns=max((oldest for *_, oldest in progress), default=0),
            p99_ns=p99,
        )

    def cpu_s(self) -> float | None:
        """Return the seconds of CPU that the sending processes have used; None where it cannot be seen."""
        try:
            return sum(_cpu_s(one.process.pid) for one in self._workers)
        except (OSError, ValueError):
            return None

    def _asked(self, worker: int) -> dict[str, Any]:
        assert self._phase is not None
        count = len(self._workers)
        sessions = self._choice.sessions
        return {
            "do": "begin",
            "phase": self._phase.index,
            "worker": worker,
            "workers": count,
            "sessions": sessions // count + (worker < sessions % count),
            "rate": self._phase.rate,
            "url": self._database.url(Role.APPLICATION),
            "settings": {name: str(value) for name, value in self._choice.settings.items()},
            "patience_ns": self._choice.patience,
            "connect_ns": _CONNECT_NS,
            "drain_ns": _DRAIN_NS,
            "goes_first": _leaves_room(count, self._phase.rate),
        }

    def _all_ready(self) -> None:
        for worker in self._workers:
            letter, content = self._frame(worker, 2 * _CONNECT_NS / NS_PER_S)
            if letter == b"F":
                raise ServerFailed(
                    f"workload.sessions = {self._choice.sessions}: a session cannot connect; the server says: "
                    f"{content.decode()}"
                )
            if letter != b"R":
                raise ServerFailed(f"a sending process did not start: {_said(worker)}")

    def _signal(self, worker: _Worker, seconds: float) -> bytes:
        return self._frame(worker, seconds)[0]

    def _frame(self, worker: _Worker, seconds: float) -> tuple[bytes, bytes]:
        try:
            return worker.signals.get(timeout=seconds)
        except queue.Empty:
            return b"", b""

    def _remark_lost(self, worker: _Worker, phase: _Phase) -> None:
        says = (
            f"a sending process was lost in phase {phase.name}, and with it what became of its calls: {_said(worker)}"
        )
        phase.journal.write(Remarked(at_ns=time.monotonic_ns(), source="driver", says=says, weakens=True))

    # --- what happened

    def _write(self, phase: _Phase) -> None:
        names = [call.name for call in self._mix.calls]
        writes = self._writes(phase)
        parts: list[pandas.DataFrame] = []
        for worker in self._workers:
            for found, returned in _spooled(worker.spool):
                phase.journal.write_frame(CallEnded, calls_frame(found, names, _known(worker.errors)))
                parts.append(writes.frame(found, returned))
                if sum(map(len, parts)) > _ROWS:
                    _write_rows(parts, phase.journal)
        _write_rows(parts, phase.journal)

    def _writes(self, phase: _Phase) -> Writes:
        if self._drawn is None:
            self._drawn = Calls(self._plan["calls"], self._plan["pools"], self._seed)
        schedule = Schedule(
            seed=self._seed,
            phase=phase.index,
            rate=phase.rate,
            shares=self._mix.shares,
            width=self._mix.width,
            new_shares=self._mix.new_shares,
            even=self._plan["even"],
            curve=self._plan["curve"],
        )
        return Writes(self._mix.calls, schedule, self._drawn, phase.wall_us)

    def _close(self) -> None:
        for worker in self._workers:
            assert worker.process.stdin is not None
            worker.process.stdin.close()
        for worker in self._workers:
            try:
                worker.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            assert worker.process.stdout is not None
            worker.process.stdout.close()
            worker.spool.close()
            worker.stderr.close()
        self._workers.clear()


def _arrivals(choice: WorkloadChoice) -> dict[str, Any]:
    curve = [(at_ns / NS_PER_S, factor) for at_ns, factor in choice.curve]
    return {"even": choice.arrivals == "even", "curve": curve}


def _write_rows(parts: list[pandas.DataFrame], journal: Journal) -> None:
    filled = [part for part in parts if len(part)]
    if filled:
        journal.write_frame(RowWritten, pandas.concat(filled, ignore_index=True))
    parts.clear()


def workers(choice: WorkloadChoice) -> int:
    """Return how many processes send: one up to 2,000 calls/s and 64 sessions, else one a core."""
    if choice.workers:
        return min(choice.workers, choice.sessions)
    rate, sessions = _ONE_WORKER
    assert not isinstance(choice.rate, OfCapacity), "the capacity was not measured"
    if choice.rate <= rate and choice.sessions <= sessions:
        return 1
    return min(os.cpu_count() or 1, choice.sessions)


def _leaves_room(workers: int, rate: float) -> bool:
    """Say whether the processes that send may run before all others: they leave a core, and most of the next one."""
    return workers < (os.cpu_count() or 1) and rate <= _ONE_WORKER[0]


def _session_module(engine: str) -> str:
    return registry.part("engine", engine, "session").__name__


def _start() -> _Worker:
    """Start a sending process; what it must know comes through its standard input, never by arguments."""
    source = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    stderr = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process; `_close` closes it
    process = subprocess.Popen(
        [sys.executable, "-m", "rehearse.workload.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    return _Worker(process, stderr, tempfile.TemporaryFile())


def _said(worker: _Worker) -> str:
    """Return the last lines that a process wrote to its standard error."""
    worker.stderr.seek(0)
    text = worker.stderr.read().decode("utf-8", "replace").strip()
    return text[-2000:] or f"it ended with {worker.process.poll()}"


def _spooled(spool: IO[bytes]) -> Iterator[tuple[Any, Returned]]:
    """Yield the calls of a spool, some thousand at a time, each with the rows that their answers told."""
    spool.seek(0)
    returned: dict[tuple[int, int], list[list[str]]] = {}
    while head := spool.read(HEAD.size):
        letter, size = HEAD.unpack(head)
        content = spool.read(size)
        if letter == b"T":
            returned |= {(number, statement): rows for number, statement, rows in json.loads(content)}
        else:
            yield records(content), returned
            returned = {}


def _known(errors: Errors) -> Errors:
    return dict(errors)


def _cpu_s(pid: int) -> float:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
