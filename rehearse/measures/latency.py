"""Latencies of a phase, from when each call was *due*: percentiles, counts, errors, and windows for the picture.

Percentiles are those of the raw records: the value at rank ⌈q · n⌉, as HDR histograms define it. Every call counts, a
refused one with the time until it was refused. A missed call counts with the time until it was given up, which is less
than it would have waited: with missed calls a percentile is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from rehearse.events import CallEnded, Outcome, PhaseRan
from rehearse.measures._remembered import remembered
from rehearse.model import Recording

WINDOW_NS = 100_000_000
ON_TIME_NS = 5_000_000
_ERRORS = 20  # kinds of errors listed, the most frequent

Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallError:
    """Calls that failed with one code; `example` is the message that came most often. None: the connection was lost.

    `acting` of them ended while the migration acted; None in the baseline.
    """

    code: str | None
    count: int
    example: str | None
    acting: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLatencies:
    """Calls of one kind, or of one stretch of time. A percentile is None where no call was due."""

    call: str
    due: int
    ok: int
    failed: int
    unknown: int
    missed: int
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    p999_ns: int | None
    max_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Calls due within `window_ns` from `at_ns`; `answered` counts the calls that ended OK within it."""

    at_ns: int
    ok: int
    failed: int
    unknown: int
    missed: int
    answered: int
    p50_ns: int | None
    p99_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """What the application felt in a phase.

    `on_time_share` is of the calls that the driver turned to within 5 ms of when they were due; `sent_share` of those
    that also found a session free by then. `throughput` counts OK answers a second. `before`, `during` and `after` the
    migration's act are None in the baseline.
    """

    phase: str
    due: int
    ok: int
    failed: int
    unknown: int
    missed: int
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    p999_ns: int | None
    max_ns: int | None
    on_time_share: float | None
    sent_share: float | None
    throughput: float | None
    retried: int | None  # calls that were sent more than once; None in a recording that does not tell
    before: CallLatencies | None
    during: CallLatencies | None
    after: CallLatencies | None
    calls: tuple[CallLatencies, ...]
    errors: tuple[CallError, ...]
    windows: tuple[Window, ...]
    window_ns: int = WINDOW_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """Percentiles of a phase over the baseline's of the same run; None where one of the two is not known."""

    p50: float | None
    p99: float | None


@remembered
def latencies(recording: Recording, phase: str) -> Latencies | None:
    """Return what the application felt in a phase, or None where the phase was not run."""
    ran = next((one for one in recording.history.of(PhaseRan) if one.name == phase), None)
    if ran is None:
        return None
    calls = calls_in(recording.history.frame(CallEnded), ran)
    return Latencies(
        phase=phase,
        **_counts(calls),
        **_percentiles(_waits(calls)),
        on_time_share=_share(calls, "picked_ns"),
        sent_share=_share(calls, "sent_ns"),
        throughput=_throughput(calls),
        retried=_retried(calls),
        **_stretches(calls, ran),
        calls=tuple(_kind(str(name), calls[calls["call"] == name]) for name in sorted(calls["call"].unique())),
        errors=tuple(_errors(calls, ran)),
        windows=tuple(_windows(calls, ran)),
    )


def after_back(recording: Recording) -> tuple[CallLatencies, ...]:
    """Return the latencies of each kind of call on the schema that the way back leaves, before again acts."""
    phases = {ran.name: ran for ran in recording.history.of(PhaseRan)}
    back, again = phases.get("back"), phases.get("again")
    if back is None or back.error or back.finished_ns is None:
        return ()
    calls = recording.history.frame(CallEnded)
    inside = calls["at_ns"].between(back.finished_ns, back.ended_ns)
    if again is not None and again.acted_ns is not None:
        inside |= calls["at_ns"].between(again.at_ns, again.acted_ns, inclusive="left")
    return tuple(_kind(str(name), some) for name, some in calls[inside].groupby("call"))


def slowdown(during: Latencies, before: Latencies) -> Slowdown:
    """Return how many times slower a phase is than the baseline."""
    return Slowdown(p50=_ratio(during.p50_ns, before.p50_ns), p99=_ratio(during.p99_ns, before.p99_ns))


def calls_in(calls: pandas.DataFrame, ran: PhaseRan) -> pandas.DataFrame:
    """Return the calls that were due in a phase."""
    return calls[(calls["at_ns"] >= ran.at_ns) & (calls["at_ns"] <= ran.ended_ns)]


def percentile(ordered: Times, share: float) -> int | None:
    """Return the value at rank ⌈share · n⌉ of values in ascending order; None for no values."""
    if not len(ordered):
        return None
    rank = int(np.ceil(np.round(share * len(ordered), 9)))
    return int(ordered[max(0, rank - 1)])


def _ratio(during: int | None, before: int | None) -> float | None:
    return None if during is None or not before else during / before


def _waits(calls: pandas.DataFrame) -> Times:
    return np.sort((calls["done_ns"] - calls["at_ns"]).to_numpy(dtype=np.int64))


def _percentiles(ordered: Times) -> dict[str, Any]:
    shares = {"p50_ns": 0.5, "p95_ns": 0.95, "p99_ns": 0.99, "p999_ns": 0.999, "max_ns": 1.0}
    return {name: percentile(ordered, share) for name, share in shares.items()}


def _counts(calls: pandas.DataFrame) -> dict[str, Any]:
    found = calls["outcome"].value_counts()
    return {"due": len(calls), **{one.value: int(found.get(one.value, 0)) for one in Outcome}}


def _kind(name: str, calls: pandas.DataFrame) -> CallLatencies:
    return CallLatencies(call=name, **_counts(calls), **_percentiles(_waits(calls)))


def _share(calls: pandas.DataFrame, column: str) -> float | None:
    """Return the share of calls whose time in `column` is at most 5 ms after they were due; not known is late."""
    times = calls[column]
    if column == "picked_ns" and times.isna().all():  # a recording that tells only when calls were sent
        times = calls["sent_ns"]
    if not len(calls):
        return None
    late = pandas.to_numeric(times).astype("Int64") - calls["at_ns"]
    return float((late <= ON_TIME_NS).fillna(value=False).mean())


def _throughput(calls: pandas.DataFrame) -> float | None:
    if len(calls) < 2:
        return None
    lasted = int(calls["done_ns"].max() - calls["at_ns"].min())
    return float((calls["outcome"] == Outcome.OK.value).sum() / (lasted / 1e9)) if lasted else None


def _retried(calls: pandas.DataFrame) -> int | None:
    tries = pandas.to_numeric(calls["tries"])
    return None if len(calls) and tries.isna().all() else int((tries > 1).sum())


def _stretches(calls: pandas.DataFrame, ran: PhaseRan) -> dict[str, Any]:
    if ran.acted_ns is None:
        return {"before": None, "during": None, "after": None}
    finished = ran.finished_ns if ran.finished_ns is not None else ran.ended_ns
    due = calls["at_ns"]
    return {
        "before": _kind("before", calls[due < ran.acted_ns]),
        "during": _kind("during", calls[(due >= ran.acted_ns) & (due <= finished)]),
        "after": _kind("after", calls[due > finished]),
    }


def _errors(calls: pandas.DataFrame, ran: PhaseRan) -> Iterator[CallError]:
    bad = calls[calls["outcome"].isin([Outcome.FAILED.value, Outcome.UNKNOWN.value])]
    codes = bad["code"].astype(object).where(bad["code"].notna(), "")
    for code, count in codes.value_counts().head(_ERRORS).items():
        same = bad[codes == code]
        messages = same["message"].dropna()
        yield CallError(
            code=str(code) or None,
            count=int(count),
            example=str(messages.mode().iloc[0]) if len(messages) else None,
            acting=_acting(same, ran),
        )


def _acting(calls: pandas.DataFrame, ran: PhaseRan) -> int | None:
    if ran.acted_ns is None:
        return None
    return int(calls["done_ns"].between(ran.acted_ns, ran.finished_ns or ran.ended_ns).sum())


def _windows(calls: pandas.DataFrame, ran: PhaseRan) -> Iterator[Window]:
    """Yield windows of 100 ms from the phase's start to the last call's, empty ones too."""
    if not len(calls):
        return
    due, done = (calls[name].to_numpy(dtype=np.int64) for name in ("at_ns", "done_ns"))
    outcomes = calls["outcome"].to_numpy(dtype=object)
    places = (due - ran.at_ns) // WINDOW_NS
    count = int(places.max()) + 1
    tallies = {one: np.bincount(places[outcomes == one.value], minlength=count) for one in Outcome}
    ended = (done[outcomes == Outcome.OK.value] - ran.at_ns) // WINDOW_NS
    answered = np.bincount(ended[ended < count], minlength=count)
    order = np.lexsort((done - due, places))
    waits = (done - due)[order]
    edges = np.searchsorted(places[order], np.arange(count + 1))
    for at in range(count):
        inside = waits[edges[at] : edges[at + 1]]
        yield Window(
            at_ns=ran.at_ns + at * WINDOW_NS,
            **{one.value: int(tallies[one][at]) for one in Outcome},
            answered=int(answered[at]),
            p50_ns=percentile(inside, 0.5),
            p99_ns=percentile(inside, 0.99),
        )
