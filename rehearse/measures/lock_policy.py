"""How a migration that gives up its lock and tries again would fare: foreseen from who held the table, and when.

A lock that is asked for waits for those who hold the table at that moment, and for nobody who comes later: these queue
behind it. So from the times at which the table was held it follows for each moment how long the wait would have been,
and from those for any time-out, pause and number of attempts how often, how long, and at whose cost it is tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

from rehearse.errors import NotMeasured
from rehearse.events import CallEnded, CompanyKept, PhaseRan
from rehearse.model import Recording
from rehearse.model.names import split
from rehearse.units import NS_PER_MS, NS_PER_S
from rehearse.workload.shapes import parsed, target

GRID_NS = tuple(round(ms * NS_PER_MS) for ms in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000))
_STARTS = 400  # moments at which the migration might begin, equally far apart
_ENOUGH = 0.99  # share of the moments from which the lock must be had in the end
_LEAST_HOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """When a table was held, [begin, end] in ns each and in order of begin, in a window of time that is taken to recur.

    `per_s` is how many calls a second come for it, which would queue; `longest_ns` is the longest hold.
    """

    table: str
    spans: numpy.ndarray
    begin_ns: int
    end_ns: int
    per_s: float

    @property
    def longest_ns(self) -> int:
        """The longest hold."""
        return int((self.spans[:, 1] - self.spans[:, 0]).max()) if len(self.spans) else 0

    def waits(self, at_ns: numpy.ndarray) -> numpy.ndarray:
        """Return how long a lock would have waited that was asked for at these moments, in ns."""
        length = self.end_ns - self.begin_ns
        at = (at_ns - self.begin_ns) % length + self.begin_ns
        # The window before, too: what began there may hold on into this one.
        spans = numpy.concatenate([self.spans - length, self.spans]) if len(self.spans) else numpy.zeros((0, 2))
        until = numpy.maximum.accumulate(spans[:, 1]) if len(spans) else numpy.zeros(0)
        place = numpy.searchsorted(spans[:, 0], at, side="right") - 1
        known = numpy.where(place >= 0, until[numpy.maximum(place, 0)], at) if len(spans) else at
        found: numpy.ndarray = numpy.maximum(0, known - at)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long a lock is waited for, how often it is tried, and the pauses, each longer by `backoff`."""

    lock_timeout_ns: int
    attempts: int = 60
    pause_ns: int = 500 * NS_PER_MS
    backoff: float = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What a policy comes to. `share` of attempts get the lock, and in `gets` of all cases one does in the end.

    `attempts` and `took_ns` are expected until it is had or given up; `queued_ns` is what calls wait behind all
    attempts together, `stall_ns` the longest that one attempt keeps them.
    """

    policy: Policy
    share: float
    gets: float
    attempts: float
    took_ns: float
    queued: float
    queued_ns: float
    stall_ns: int


def holds(recording: Recording, table: str, kinds: Sequence[str] = ("reads", "writes")) -> Holds:
    """Return when a table was held in the baseline by what a lock that stops these kinds would wait for.

    Raises NotMeasured where it is not known what calls touch, or where hardly anything was seen.
    """
    ran = next((one for one in recording.history.of(PhaseRan) if one.name == "baseline"), None)
    if ran is None or ran.ended_ns <= ran.at_ns:
        raise NotMeasured("there was no baseline in which it could be seen who holds the table")
    touching = [one.name for one in recording.calls if one.touches and set(kinds) & set(one.touches.get(table, ()))]
    if any(one.touches is None for one in recording.calls):
        raise NotMeasured(f"of a call it is not known whether it touches {table}")
    calls = recording.history.frame(CallEnded)
    inside = calls["sent_ns"].notna() & (calls["at_ns"] >= ran.at_ns) & (calls["at_ns"] < ran.ended_ns)
    mine = calls[inside & calls["call"].isin(touching)]
    spans = numpy.column_stack([mine["sent_ns"].to_numpy(float), mine["done_ns"].to_numpy(float)])
    company = _company(recording, ran, table, kinds)
    every = numpy.concatenate([spans, company])
    if len(every) < _LEAST_HOLDS:
        raise NotMeasured(f"hardly anything held {table} in the baseline ({len(every)} times)")
    length_s = (ran.ended_ns - ran.at_ns) / NS_PER_S
    return Holds(
        table=table,
        spans=every[numpy.argsort(every[:, 0], kind="stable")],
        begin_ns=ran.at_ns,
        end_ns=ran.ended_ns,
        per_s=len(mine) / length_s,
    )


def _company(recording: Recording, ran: PhaseRan, table: str, kinds: Sequence[str]) -> numpy.ndarray:
    """Return when sessions beside the traffic held the table; a transaction keeps what it has asked for to its end."""
    names = {
        one.name
        for one in recording.scenario.workload.company
        if set(kinds) & _touched(one.sql if isinstance(one.sql, list) else [one.sql], table, recording)
    }
    found = [
        (max(one.at_ns, ran.at_ns), min(one.ended_ns, ran.ended_ns))
        for one in recording.history.of(CompanyKept)
        if one.name in names and one.at_ns < ran.ended_ns and one.ended_ns > ran.at_ns
    ]
    return numpy.array(found, dtype=float).reshape(-1, 2)


def _touched(texts: Sequence[str], table: str, recording: Recording) -> set[str]:
    from sqlglot import exp  # noqa: PLC0415

    found: set[str] = set()
    own = split(table)[1]
    for text in texts:
        tree = parsed(text, engine=recording.scenario.engine.name)
        if tree is None:
            continue
        written = target(tree) if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge) else None
        if written is not None and written.name == own:
            found.add("writes")
        if any(one.name == own and one is not written for one in tree.find_all(exp.Table)):
            found.add("reads")
    return found


def foreseen(seen: Holds, policy: Policy) -> Foreseen:
    """Return what a policy comes to, over all moments at which the migration might begin."""
    now = numpy.linspace(seen.begin_ns, seen.end_ns, _STARTS, endpoint=False)
    begun = now.copy()
    is_open = numpy.ones(_STARTS, dtype=bool)
    tries = numpy.zeros(_STARTS)
    queued_ns = numpy.zeros(_STARTS)
    queued = numpy.zeros(_STARTS)
    stall = 0.0
    pause = float(policy.pause_ns)
    per_ns = seen.per_s / NS_PER_S
    for _ in range(policy.attempts):
        wait = seen.waits(now)
        held = numpy.where(is_open, numpy.minimum(wait, policy.lock_timeout_ns), 0)
        tries += is_open
        stall = max(stall, float(held.max()))
        queued += per_ns * held
        queued_ns += per_ns * held**2 / 2  # those who come while it waits, each for what is left of the wait
        got = is_open & (wait <= policy.lock_timeout_ns)
        now = now + held
        is_open &= ~got
        if not is_open.any():
            break
        now = numpy.where(is_open, now + pause, now)
        pause = min(pause * policy.backoff, 60 * NS_PER_S)
    return Foreseen(
        policy=policy,
        share=float((~is_open).sum() / tries.sum()),
        gets=float((~is_open).mean()),
        attempts=float(tries.mean()),
        took_ns=float((now - begun).mean()),
        queued=float(queued.mean()),
        queued_ns=float(queued_ns.mean()),
        stall_ns=round(stall),
    )


def grid(seen: Holds, policies: Mapping[str, float] | None = None) -> list[Foreseen]:
    """Return what each lock_timeout from 10 ms to 5 s comes to; `policies` are other words of a Policy."""
    return [foreseen(seen, Policy(lock_timeout_ns=one, **(policies or {}))) for one in GRID_NS]  # type: ignore[arg-type]


def recommended(found: Sequence[Foreseen], *, blocked_ns: int | None) -> Foreseen | None:
    """Return the policy that costs calls least, of those that get the lock and keep within the budget.

    None: no policy gets it in nearly all cases without stalling calls for longer than they may be.
    """
    fit = [one for one in found if one.gets >= _ENOUGH and (blocked_ns is None or one.stall_ns <= blocked_ns)]
    return min(fit, key=lambda one: (round(one.queued_ns / NS_PER_MS), one.took_ns), default=None)
