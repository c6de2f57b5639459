"""What a backfill gives way to: replicas that are behind, a query's answer, a query's own time."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rehearse.backfill.control import Pace
from rehearse.backfill.plan import Plan
from rehearse.backfill.seams import Refused, Session
from rehearse.backfill.task import Ceiling
from rehearse.errors import Mistake
from rehearse.units import NS_PER_MS, NS_PER_S, human_duration

_EVERY_S = 0.2
_LATENCIES = 100  # of the last 20 seconds
_FEWEST = 5
_LOOK_S = 0.02


class Watch:
    """What says whether the next batch may begin; asked from a thread of its own, on a connection of its own."""

    def __init__(self, plan: Plan, stop: threading.Event) -> None:
        self._task = plan.task
        self._positions = plan.dialect.positions()
        self._backlog = Backlog()
        self._stop = stop
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self.reason: str | None = None  # why no batch may begin; None: it may
        if plan.task.max_lag_ns is not None and self._positions is None:
            raise Mistake(
                "this server does not know how far its replicas are behind; give --probe a query that tells it"
            )

    @property
    def is_needed(self) -> bool:
        """Say whether there is anything to watch."""
        return bool(self._task.ceilings or self._task.max_lag_ns is not None or self._task.latency)

    @contextmanager
    def watching(self, session: Session) -> Iterator[None]:
        """Ask once, so that a query that cannot be asked is said at once, then again and again until the end."""
        self._look(session)
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(_EVERY_S):
                try:
                    self._look(session)
                except Refused as refused:
                    self.reason = f"what is watched cannot be asked: {refused}"

        thread = threading.Thread(target=go_on, daemon=True, name="backfill watch")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def wait(self, pace: Pace) -> Pace | None:
        """Wait until a batch may begin; returns its pace, or None where the backfill is to stop."""
        if pace.pause_ns + pace.rest_ns and self._stop.wait((pace.pause_ns + pace.rest_ns) / NS_PER_S):
            return None
        while self.reason is not None:
            if self._stop.wait(_LOOK_S):
                return None
        return None if self._stop.is_set() else pace.after_latency(self._share())

    def _share(self) -> float | None:
        """Return the 99th percentile of the watched latency as a share of its budget; None: not known."""
        if self._task.latency is None or len(self._latencies) < _FEWEST:
            return None
        return self.p99_ms() / self._task.latency.most

    def p99_ms(self) -> float:
        """Return the 99th percentile of the watched latency, in ms."""
        found = sorted(self._latencies)
        return found[max(0, math.ceil(0.99 * len(found)) - 1)]

    def _look(self, session: Session) -> None:
        reasons = [self._above(session, one) for one in self._task.ceilings]
        if self._task.max_lag_ns is not None and self._positions is not None:
            reasons.append(self._behind(session, self._positions, self._task.max_lag_ns))
        if self._task.latency is not None:
            began = time.monotonic_ns()
            session.ask(self._task.latency.query)
            self._latencies.append((time.monotonic_ns() - began) / NS_PER_MS)
        self.reason = "; ".join(filter(None, reasons)) or None

    @staticmethod
    def _above(session: Session, ceiling: Ceiling) -> str | None:
        found = session.ask(ceiling.query)
        value = _number(found[0][0]) if found and found[0] else None
        if value is None:
            return f"the probe answers no number: {ceiling.query}"
        return f"the probe answers {value:g}, above {ceiling.most:g}" if value > ceiling.most else None

    def _behind(self, session: Session, query: str, most_ns: int) -> str | None:
        now, slowest, hidden = session.ask(query)[0]
        if hidden != "0":
            return "how far replicas are may not be known by this user; on PostgreSQL, GRANT pg_monitor to it"
        behind = self._backlog.behind_ns(time.monotonic_ns(), int(now or 0), None if slowest is None else int(slowest))
        if behind <= most_ns:
            return None
        return f"a replica is {human_duration(behind)} behind, above {human_duration(most_ns)}"


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
