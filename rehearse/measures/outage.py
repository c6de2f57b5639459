"""For how long each table was closed to reads or to writes, and which calls felt it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy
import pandas

from rehearse.events import CallEnded, LockTaken, LockWaited, Outcome, PhaseRan, StatementRan
from rehearse.measures._remembered import remembered
from rehearse.model import CallShape, Recording
from rehearse.units import NS_PER_MS

KINDS = ("reads", "writes")
_FELT_NS = 5 * NS_PER_MS
_TOLERANCE_NS = 10 * NS_PER_MS

Windows = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A table was closed to a kind of call in these windows: from a lock's *request*, for whoever comes after queues.

    `doubt_ns` is that of the longest window. `calls_blocked` and `felt_ns` (the longest of them, from due to done) are
    None where it is not known what calls touch; `felt_ns` also where no call was blocked.
    """

    table: str
    stops: str
    windows: Windows
    longest_ns: int
    total_ns: int
    doubt_ns: int
    calls_blocked: int | None
    felt_ns: int | None


@remembered
def outages(recording: Recording, phase: str) -> list[Outage]:
    """Return the outages of a phase, the longest first; none where the migration closed nothing.

    Locks on a partition, index or other part close the table that it belongs to.
    """
    ran = next((one for one in recording.history.of(PhaseRan) if one.name == phase), None)
    if ran is None:
        return []
    closing = _closing(recording, ran)
    if not closing:
        return []
    calls = _calls(recording, ran)
    usual = _usual(recording)
    found = []
    for (table, kind), spans in closing.items():
        windows = list(_merged(spans))
        touching = _touching(recording.calls, table, kind)
        felt = None if touching is None else _felt(calls[calls["call"].isin(touching)], windows, usual)
        found.append(_outage(table, kind, windows, felt))
    return sorted(found, key=lambda one: (-one.longest_ns, one.table, one.stops))


@dataclass(frozen=True, slots=True)
class _Span:
    """One lock closes a table: from its request to its release."""

    from_ns: int
    until_ns: int
    doubt_ns: int


def _closing(recording: Recording, phase: PhaseRan) -> Mapping[tuple[str, str], list[_Span]]:
    """Return the spans of {(table, kind)} in a phase.

    A lock on an index or TOAST table that the same session holds beside one on the table itself adds only its doubt:
    the table's is asked for first and both go at the transaction's end. So such a lock is left out.
    """
    found: dict[tuple[str, str], list[_Span]] = defaultdict(list)
    locks = [one for one in recording.history.of(LockTaken) if phase.at_ns <= one.at_ns <= phase.ended_ns]
    whole = [(one, _span(recording, phase, one)) for one in locks if one.index is None]
    parts = [(one, _span(recording, phase, one)) for one in locks if one.index is not None]
    for lock, span in [*whole, *parts]:
        for kind in lock.stops:
            if lock.index is None or not any(_is_covered(lock, span, kind, other) for other in whole):
                found[lock.table, kind].append(span)
    return found


def _span(recording: Recording, phase: PhaseRan, lock: LockTaken) -> _Span:
    return _Span(lock.at_ns, max(lock.at_ns, _until(recording, phase, lock)), lock.doubt_ns)


def _is_covered(part: LockTaken, span: _Span, kind: str, other: tuple[LockTaken, _Span]) -> bool:
    """Say whether another lock of the session closes the whole table to the kind meanwhile."""
    lock, theirs = other
    is_same = lock.session == part.session and lock.table == part.table and kind in lock.stops
    return is_same and theirs.from_ns <= span.until_ns and span.from_ns <= theirs.until_ns


def _until(recording: Recording, phase: PhaseRan, lock: LockTaken) -> int:
    """Return when a lock closed the table no longer: released, or given up; the phase's end where neither was seen."""
    if lock.released_ns is not None:
        return lock.released_ns
    if lock.granted_ns is not None:
        return phase.ended_ns
    waits = (
        one.ended_ns
        for one in recording.history.of(LockWaited)
        if one.session == lock.session and one.at_ns <= lock.at_ns <= one.ended_ns
    )
    statements = (
        one.ended_ns
        for one in recording.history.of(StatementRan)
        if one.session == lock.session and one.at_ns <= lock.at_ns <= one.ended_ns
    )
    return next(waits, None) or next(statements, None) or lock.at_ns


def _outage(table: str, kind: str, spans: Sequence[_Span], felt: numpy.ndarray | None) -> Outage:
    longest = max(spans, key=lambda one: one.until_ns - one.from_ns)
    windows = tuple((one.from_ns, one.until_ns) for one in spans)
    return Outage(
        table=table,
        stops=kind,
        windows=windows,
        longest_ns=longest.until_ns - longest.from_ns,
        total_ns=sum(until - begin for begin, until in windows),
        doubt_ns=longest.doubt_ns,
        calls_blocked=None if felt is None else len(felt),
        felt_ns=None if felt is None or not len(felt) else int(felt.max()),
    )


def _merged(spans: Sequence[_Span]) -> Iterator[_Span]:
    """Yield the union of spans; where several make one window, the doubts of the first and of the last to end count."""
    now: _Span | None = None
    first = 0
    for span in sorted(spans, key=lambda one: (one.from_ns, -one.until_ns)):
        if now is None or span.from_ns > now.until_ns:
            if now is not None:
                yield now
            now, first = span, span.doubt_ns
        elif span.until_ns > now.until_ns:
            now = _Span(now.from_ns, span.until_ns, first + span.doubt_ns)
    if now is not None:
        yield now


def _touching(shapes: Sequence[CallShape], table: str, kind: str) -> list[str] | None:
    """Return the calls that touch a table in this way; None where that is told of no call at all."""
    told = [shape for shape in shapes if shape.touches is not None]
    if not told:
        return None
    return [shape.name for shape in told if kind in (shape.touches or {}).get(table, ())]


def _calls(recording: Recording, phase: PhaseRan) -> pandas.DataFrame:
    calls = recording.history.frame(CallEnded)
    return calls[(calls["at_ns"] >= phase.at_ns) & (calls["at_ns"] <= phase.ended_ns)]


def _usual(recording: Recording) -> dict[str, float]:
    """Return each call's p99 in the baseline, from due to done; empty without a baseline."""
    baseline = next((one for one in recording.history.of(PhaseRan) if one.name == "baseline"), None)
    if baseline is None:
        return {}
    calls = _calls(recording, baseline)
    took = (calls["done_ns"] - calls["at_ns"]).groupby(calls["call"])
    return {str(name): float(value) for name, value in took.quantile(0.99).items()}


def _felt(calls: pandas.DataFrame, spans: Sequence[_Span], usual: Mapping[str, float]) -> numpy.ndarray:
    """Return how long the blocked calls took, in ns.

    A call was blocked by a window if it was inside for at least 5 ms, and for longer than its p99 in the baseline, and
    was not answered well before the window's end: one that was had the table already, and others waited for it.
    """
    due, done = calls["at_ns"].to_numpy(numpy.int64), calls["done_ns"].to_numpy(numpy.int64)
    least = numpy.maximum(_FELT_NS, calls["call"].map(usual).fillna(0).to_numpy(float))
    refused = calls["outcome"].to_numpy() != Outcome.OK.value
    blocked = numpy.zeros(len(calls), dtype=bool)
    for span in spans:
        inside = numpy.minimum(done, span.until_ns) - numpy.maximum(due, span.from_ns)
        blocked |= (inside >= least) & (refused | (done >= span.until_ns - span.doubt_ns - _TOLERANCE_NS))
    felt: numpy.ndarray = (done - due)[blocked]
    return felt
