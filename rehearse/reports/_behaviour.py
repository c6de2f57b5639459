"""How calls behave after the way back, as a report shows it."""

from __future__ import annotations

from rehearse.measures import latency
from rehearse.measures.behaviour import behaviour
from rehearse.model import Recording
from rehearse.reports._shape_fidelity import BehaviourSeen, CallLatency
from rehearse.units import NS_PER_MS

_CALLS = 100  # fewer tell nothing of a p99
_TEXT = 2_000


def differences(recording: Recording) -> list[BehaviourSeen] | None:
    """Return the calls that behave otherwise than at the start; None: not compared."""
    found = behaviour(recording)
    if found is None:
        return None
    return [
        BehaviourSeen(
            state=one.state,
            call=one.call,
            what=one.what,
            before=_cut(one.before),
            after=_cut(one.after),
            example=_cut(one.example),
            cause=one.cause,
            is_meant=one.is_meant,
        )
        for one in found.differences
    ]


def unanswered(recording: Recording) -> list[str]:
    """Return the calls whose answers after back could not be compared, each with the reason."""
    found = behaviour(recording)
    return [f"{call}: {reason}" for call, reason in found.unmeasured] if found else []


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _TEXT else text[:_TEXT] + " …"


def latencies(recording: Recording) -> list[CallLatency]:
    """Return the latencies of the baseline beside those after back, of the calls that both have enough of."""
    baseline = latency.latencies(recording, "baseline")
    before = {one.call: one for one in (baseline.calls if baseline else ())}
    pairs = ((before[one.call], one) for one in latency.after_back(recording) if one.call in before)
    return [
        CallLatency(
            call=old.call,
            calls_before=old.due,
            calls_after=new.due,
            p50_before_ms=(old.p50_ns or 0) / NS_PER_MS,
            p50_after_ms=(new.p50_ns or 0) / NS_PER_MS,
            p99_before_ms=(old.p99_ns or 0) / NS_PER_MS,
            p99_after_ms=(new.p99_ns or 0) / NS_PER_MS,
        )
        for old, new in pairs
        if min(old.due, new.due) >= _CALLS
    ]
