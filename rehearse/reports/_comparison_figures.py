"""The figures of a strategy's run, taken from its report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rehearse.reports._shape import Report
from rehearse.reports._shape_phases import Outage, Phase, Statement, Traffic
from rehearse.reports._words import short

Unit = Literal["ms", "s", "bytes", "count", "ratio", "share"]
_TRANSACTION = re.compile(r"\s*(begin|commit|start\s+transaction|end)\b", re.IGNORECASE)
_STEP, _STEPS = 300, 60  # letters of a statement, and statements, that are shown
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of a run: what it is, the budget that it is measured against, and how far off it may be."""

    key: str
    group: str
    title: str
    unit: Unit
    of: Callable[[Report], float | None]
    budget: str | None = None
    more_is_better: bool = False
    doubt: Callable[[Report], float] = lambda _: 0.0


def _phase(report: Report, name: str) -> Phase | None:
    return next((one for one in report.phases if one.name == name), None)


def _acted(report: Report) -> list[Phase]:
    return [one for one in report.phases if one.acted_s is not None]


def _outages(report: Report, phase: str, stops: Sequence[str]) -> list[Outage] | None:
    """Return the outages of a phase of one kind or of both; None: not run, or not seen."""
    found = _phase(report, phase)
    if found is None or found.outages is None:
        return None
    return [one for one in found.outages if one.stops in stops]


def _longest(phase: str, *stops: str) -> Callable[[Report], float | None]:
    def of(report: Report) -> float | None:
        found = _outages(report, phase, stops)
        return None if found is None else max((one.longest_ms for one in found), default=0.0)

    return of


def _doubt(phase: str, *stops: str) -> Callable[[Report], float]:
    def of(report: Report) -> float:
        found = _outages(report, phase, stops) or []
        return max(found, key=lambda one: one.longest_ms).doubt_ms if found else 0.0

    return of


def _total(phase: str, *stops: str) -> Callable[[Report], float | None]:
    """Return the time for which the table that was closed for longest was closed in all."""

    def of(report: Report) -> float | None:
        found = _outages(report, phase, stops)
        return None if found is None else max((one.total_ms for one in found), default=0.0)

    return of


def _took(phase: str) -> Callable[[Report], float | None]:
    def of(report: Report) -> float | None:
        found = _phase(report, phase)
        return None if found is None or found.error else found.duration_s

    return of


def _traffic(phase: str, part: Callable[[Traffic], float | None]) -> Callable[[Report], float | None]:
    def of(report: Report) -> float | None:
        found = _phase(report, phase)
        return None if found is None or found.traffic is None else part(found.traffic)

    return of


def _calls(part: Callable[[Traffic], int]) -> Callable[[Report], float | None]:
    """Return a count of calls over all ways of the migration; None where one of them had no traffic."""

    def of(report: Report) -> float | None:
        counts = [part(one.traffic) for one in _acted(report) if one.traffic is not None]
        return sum(counts) if counts and len(counts) == len(_acted(report)) else None

    return of


def _disk(report: Report) -> float | None:
    forward = _phase(report, "forward")
    return None if forward is None or forward.load is None else forward.load.disk_extra_bytes


def _wal(report: Report) -> float | None:
    forward = _phase(report, "forward")
    return None if forward is None or forward.load is None else forward.load.wal_bytes


def _binlog(report: Report) -> float | None:
    forward = _phase(report, "forward")
    if forward is None or not forward.statements or forward.statements_left_out:
        return None
    written = [one.binlog_bytes for one in forward.statements]
    return None if None in written else float(sum(one for one in written if one is not None))


def statements(report: Report) -> int | None:
    """Return how many different statements the way forward has; repetitions of one, for other rows, count once."""
    forward = _phase(report, "forward")
    if forward is None or not forward.statements:
        return None
    return len(set(map(_kind, _own(forward.statements))))


def steps(report: Report) -> list[str]:
    """Return the different statements of the way forward, in the order in which they first ran, on a line each."""
    forward = _phase(report, "forward")
    found: dict[str, str] = {}
    for one in _own(forward.statements if forward else ()):
        found.setdefault(_kind(one), short(one.sql, _STEP))
    return list(found.values())[:_STEPS]


def _own(ran: Sequence[Statement]) -> Iterator[Statement]:
    return (one for one in ran if not _TRANSACTION.match(one.sql))


def _kind(one: Statement) -> str:
    """Return where a statement stands, or its text without its numbers."""
    return one.file or _NUMBER.sub("#", one.sql)


BLOCKED, DURATION = "blocked_ms", "forward_s"
_FORWARD, _BACK, _TRAFFIC, _COST, _SAFETY = "forward", "the way back", "traffic, forward", "cost, forward", "safety"
_NAMES = {"forward": _FORWARD, "back": _BACK}


def _closed(phase: str, key: str, title: str, *stops: str, budget: str | None = None) -> Figure:
    of, doubt = _longest(phase, *stops), _doubt(phase, *stops)
    return Figure(key=key, group=_NAMES[phase], title=title, unit="ms", budget=budget, of=of, doubt=doubt)


def _closed_in_all(phase: str, key: str, stops: str) -> Figure:
    return Figure(key=key, group=_NAMES[phase], title=f"closed to {stops}, in all", unit="ms", of=_total(phase, stops))


def _latency(key: str, title: str, phase: str, part: Callable[[Traffic], float | None]) -> Figure:
    return Figure(key=key, group=_TRAFFIC, title=title, unit="ms", of=_traffic(phase, part))


def _counted(key: str, title: str, part: Callable[[Traffic], int]) -> Figure:
    return Figure(key=key, group=_SAFETY, title=title, unit="count", budget=key, of=_calls(part))


FIGURES: Sequence[Figure] = (
    _closed("forward", BLOCKED, "longest outage", "reads", "writes", budget="blocked"),
    _closed("forward", "reads_ms", "closed to reads, longest", "reads"),
    _closed_in_all("forward", "reads_total_ms", "reads"),
    _closed("forward", "writes_ms", "closed to writes, longest", "writes"),
    _closed_in_all("forward", "writes_total_ms", "writes"),
    Figure(key=DURATION, group=_FORWARD, title="duration", unit="s", budget="duration", of=_took("forward")),
    _closed("back", "back_reads_ms", "closed to reads, longest", "reads"),
    _closed_in_all("back", "back_reads_total_ms", "reads"),
    _closed("back", "back_writes_ms", "closed to writes, longest", "writes"),
    _closed_in_all("back", "back_writes_total_ms", "writes"),
    Figure(key="back_s", group=_BACK, title="duration", unit="s", of=_took("back")),
    _latency("p50_ms", "p50", "forward", lambda one: one.latency_ms.p50),
    _latency("p99_ms", "p99", "forward", lambda one: one.latency_ms.p99),
    _latency("max_ms", "slowest call", "forward", lambda one: one.latency_ms.max),
    _latency("baseline_p99_ms", "p99 of the baseline", "baseline", lambda one: one.latency_ms.p99),
    Figure(
        key="slowdown",
        group=_TRAFFIC,
        title="p99 over the baseline's",
        unit="ratio",
        budget="slowdown",
        of=_traffic("forward", lambda one: one.slowdown.p99),
    ),
    Figure(key="wal_bytes", group=_COST, title="log written", unit="bytes", of=_wal),
    Figure(key="binlog_bytes", group=_COST, title="binary log written", unit="bytes", of=_binlog),
    Figure(key="disk_extra_bytes", group=_COST, title="extra disk at its peak", unit="bytes", of=_disk),
    _counted("errors", "calls that failed", lambda one: one.failed + one.unknown),
    _counted("missed", "calls without a session", lambda one: one.missed),
    Figure(
        key="lost_writes",
        group=_SAFETY,
        title="acknowledged writes lost",
        unit="count",
        budget="lost_writes",
        of=lambda report: report.integrity.lost_writes,
    ),
    Figure(
        key="fidelity",
        group=_SAFETY,
        title="rollback fidelity",
        unit="share",
        budget="fidelity",
        more_is_better=True,
        of=lambda report: report.rollback.fidelity,
    ),
)
RANKED = (BLOCKED, DURATION, "slowdown", "lost_writes", "errors", "missed", "fidelity", "disk_extra_bytes")
