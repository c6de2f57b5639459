"""What a backfill gives way to: replicas that are behind, a query's answer, a query's own time."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rehearse.backfill.connections import Opened, opened
from rehearse.backfill.control import Pace
from rehearse.backfill.plan import Plan
from rehearse.backfill.seams import Refused, Session
from rehearse.backfill.task import Ceiling
from rehearse.errors import Mistake, ServerFailed
from rehearse.units import NS_PER_MS, NS_PER_S, human_duration

_EVERY_S = 0.2
_PATIENCE_LOOKS = 150  # half a minute of them
_LATENCIES = 100  # of a window, two seconds long
_LATENCY_EVERY_S = 0.02
_QUIET_LOOKS = 5  # at the latency, before the first batch
_LOOK_S = 0.02
_LONGEST_LOOK_S = 10.0


class Watch:
    """What says whether the next batch may begin; asked from a thread of its own, on a connection of its own."""

    def __init__(self, plan: Plan, stop: threading.Event) -> None:
        self._task = plan.task
        self._positions = plan.dialect.positions()
        self._backlog = Backlog()
        self._stop = stop
        self._latencies: list[float] = []
        self._heard = (0.0, 0)  # of the last full window, its p99 as a share of the budget; and the number of windows
        self._looked_at: float | None = None
        self._unseen = 0
        self._failure: str | None = None
        self.reason: str | None = None  # why no batch may begin; None: it may
        self._replicas: list[Opened] = []
        if plan.task.replicas and plan.task.max_lag_ns is None:
            raise Mistake("a replica is looked at for its lag: say how far it may be behind, by --max-lag")
        if plan.task.max_lag_ns is not None and self._positions is None and not plan.task.replicas:
            raise Mistake("this server does not know how far its replicas are behind; name them by --replica URL")

    @property
    def is_needed(self) -> bool:
        """Say whether there is anything to watch."""
        return bool(self._task.ceilings or self._task.max_lag_ns is not None or self._task.latency)

    @contextmanager
    def watching(self, session: Session) -> Iterator[None]:
        """Ask once, so that a query that cannot be asked is said at once, then again and again until the end."""
        with ExitStack() as replicas:
            self._replicas = [replicas.enter_context(opened(one)) for one in self._task.replicas]
            self._look(session)
            if self._task.latency is not None:
                _check_quick(session, self._task.latency)
            with self._looking(session):
                yield

    @contextmanager
    def _looking(self, session: Session) -> Iterator[None]:
        ended = threading.Event()

        def go_on() -> None:
            every = _EVERY_S if self._task.latency is None else _LATENCY_EVERY_S
            while not ended.wait(every) and not self._failure:
                self._look_again(session)

        thread = threading.Thread(target=go_on, daemon=True, name="backfill watch")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _look_again(self, session: Session) -> None:
        """Look; what cannot be asked for a while ends the backfill, for it may be that it never can be."""
        try:
            if self._looked_at is None or time.monotonic() - self._looked_at >= _EVERY_S * 0.9:
                self._look(session)
            if self._task.latency is not None:
                self._listen(session, self._task.latency.query, self._task.latency.most)
            self._unseen = 0
        except Refused as refused:
            self._unseen += 1
            self.reason = f"what is watched cannot be asked: {refused}"
            self._failure = self.reason if self._unseen > _PATIENCE_LOOKS else None

    def wait(self, pace: Pace) -> Pace | None:
        """Wait until a batch may begin; returns its pace, or None where the backfill is to stop."""
        if pace.pause_ns + pace.rest_ns and self._stop.wait((pace.pause_ns + pace.rest_ns) / NS_PER_S):
            return None
        while self._reason_now() is not None:
            if self._failure is not None:
                raise ServerFailed(f"{self._failure}; the same command goes on from here")
            if self._stop.wait(_LOOK_S):
                return None
        if self._stop.is_set():
            return None
        share, window = self._heard
        return pace.after_latency(share, window) if window else pace

    def _reason_now(self) -> str | None:
        """Return why no batch may begin; what was seen long ago is no leave to."""
        if self._looked_at is not None and time.monotonic() - self._looked_at > _LONGEST_LOOK_S:
            self.reason = "what is watched does not answer"
        return self.reason

    def _listen(self, session: Session, query: str, most_ms: float) -> None:
        """Ask once for the latency; a window that is full tells its 99th percentile as a share of the budget."""
        self._latencies.append(_asked_ms(session, query))
        if len(self._latencies) == _LATENCIES:
            p99 = sorted(self._latencies)[math.ceil(0.99 * _LATENCIES) - 1]
            self._heard = p99 / most_ms, self._heard[1] + 1
            self._latencies.clear()

    def _look(self, session: Session) -> None:
        self._looked_at = time.monotonic()
        reasons = [self._above(session, one) for one in self._task.ceilings]
        if self._task.max_lag_ns is not None:
            reasons.append(self._lag(session, self._task.max_lag_ns))
        self.reason = "; ".join(filter(None, reasons)) or None

    @staticmethod
    def _above(session: Session, ceiling: Ceiling) -> str | None:
        found = session.ask(ceiling.query)
        value = _number(found[0][0]) if found and found[0] else None
        if value is None:
            return f"the probe answers no number: {ceiling.query}"
        return f"the probe answers {value:g}, above {ceiling.most:g}" if value > ceiling.most else None

    def _lag(self, session: Session, most_ns: int) -> str | None:
        if not self._replicas:
            assert self._positions is not None
            return self._behind(session, self._positions, most_ns)
        found = [one.behind_ms() for one in self._replicas]
        if None in found:
            return "a --replica does not say how far it is behind: it is none, or does not replicate now"
        return _too_far(max(round((one or 0) * NS_PER_MS) for one in found), most_ns)

    def _behind(self, session: Session, query: str, most_ns: int) -> str | None:
        now, slowest, hidden = session.ask(query)[0]
        if hidden != "0":
            return "how far replicas are may not be known by this user; on PostgreSQL, GRANT pg_monitor to it"
        behind = self._backlog.behind_ns(time.monotonic_ns(), int(now or 0), None if slowest is None else int(slowest))
        return _too_far(behind, most_ns)


def _asked_ms(session: Session, query: str) -> float:
    began = time.monotonic_ns()
    session.ask(query)
    return (time.monotonic_ns() - began) / NS_PER_MS


def _check_quick(session: Session, latency: Ceiling) -> None:
    """Refuse a query that is above its budget before any batch: every batch would be eased for nothing."""
    took = [_asked_ms(session, latency.query) for _ in range(_QUIET_LOOKS)]
    if took and min(took) > latency.most:
        raise Mistake(
            f"the latency that is watched is {min(took):.1f} ms at its best before any batch was run, above its "
            f"{latency.most:g} ms, so that the backfill would only crawl; have the query read by an index (EXPLAIN "
            f"shows whether it does), or give it a larger budget: {latency.query}"
        )


def _too_far(behind_ns: int, most_ns: int) -> str | None:
    if behind_ns <= most_ns:
        return None
    return f"a replica is {human_duration(behind_ns)} behind, above {human_duration(most_ns)}"


class Backlog:
    """How long ago a log was where a replica now is, from positions that were seen; as exact as they are frequent."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=100_000)  # five hours of them

    def behind_ns(self, at_ns: int, position: int, replica: int | None) -> int:
        """Note where the log is, and return how long ago it was last where the replica is; 0 without a replica.

        A replica that was behind at the first look is behind since then at least.
        """
        self._seen.append((at_ns, position))
        if replica is None or replica >= position:
            return 0
        while len(self._seen) > 1 and self._seen[1][1] <= replica:
            self._seen.popleft()
        return at_ns - self._seen[0][0]


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
