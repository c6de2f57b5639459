"""The timeline: statements and locks over latency and calls, all phases on one axis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from markupsafe import Markup

from rehearse.reports import _words
from rehearse.reports._escape import plain
from rehearse.reports._shape import Report
from rehearse.reports._shape_phases import Lock, Phase, Series, Statement
from rehearse.reports._svg import LogScale, line, path, picture, rect, runs, tag, text, ticks

WIDTH = 1100.0
LEFT = 132.0
RIGHT = 12.0
GAP = 16.0
HEAD = 34.0
LANE = 20.0
LANES = 8
LATENCY = 130.0
CALLS = 64.0
MARKS = 16.0
FEET = 30.0
_ENOUGH = 25
_LETTER = 7.4  # width of a letter of a phase's name
BARS = 400  # bars of a lane in a phase; shorter ones are left out beyond that


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Panel:
    """The stretch of the picture that a phase has."""

    phase: Phase
    left: float
    width: float

    def x(self, at_s: float) -> float:
        """Return the place of a moment of the phase."""
        share = at_s / self.phase.traffic_s if self.phase.traffic_s > 0 else 0.0
        return self.left + self.width * min(max(share, 0.0), 1.0)


def timeline(report: Report) -> Markup:
    """Return the picture, or nothing where no phase ran."""
    if not report.phases:
        return Markup("")
    panels = _panels(report.phases)
    tables = _tables(report.phases)
    lanes = HEAD + LANE * (1 + len(tables)) + 16
    height = lanes + LATENCY + 14 + CALLS + MARKS + FEET
    parts = [
        _patterns(),
        *(_frame(panel, height) for panel in panels),
        *_statements(panels, HEAD),
        *_locks(panels, tables, HEAD + LANE),
        *_latency(panels, lanes),
        *_calls(panels, lanes + LATENCY + 14),
        *_axes(panels, height - FEET),
    ]
    return picture(WIDTH, height, "Timeline", _told(report.phases), *parts, name="timeline")


def _panels(phases: Sequence[Phase]) -> list[Panel]:
    """Share the width by length, but give each phase at least an eighth, so that a short one can be read."""
    room = WIDTH - LEFT - RIGHT - GAP * (len(phases) - 1)
    whole = sum(phase.traffic_s for phase in phases) or 1.0
    shares = [max(phase.traffic_s / whole, 0.125) for phase in phases]
    panels, left = [], LEFT
    for phase, share in zip(phases, shares, strict=True):
        width = room * share / sum(shares)
        panels.append(Panel(phase, left, width))
        left += width + GAP
    return panels


def _all_locks(phase: Phase) -> Iterator[Lock]:
    for statement in phase.statements:
        yield from statement.locks
    yield from phase.other_locks


def _tables(phases: Sequence[Phase]) -> list[str]:
    """Return the tables with locks, those closed for longest first."""
    weight: dict[str, float] = defaultdict(float)
    for phase in phases:
        for lock in _all_locks(phase):
            weight[lock.table] += ((lock.waited_ms or 0) + (lock.held_ms or 0)) * (0.001 + len(lock.stops))
    return sorted(weight, key=lambda table: -weight[table])[:LANES]


def _told(phases: Sequence[Phase]) -> str:
    told = (f"{one.name}: longest outage {_words.closed(one)}, p99 {_words.slow(one)}" for one in phases)
    return "Statements, locks by table, latency (p50 to p99) and calls over time. " + "; ".join(told)


def _patterns() -> Markup:
    stripes = tag("path", d="M0 6 L6 0", class_="stripe")
    return tag(
        "defs",
        tag("pattern", rect(0, 0, 6, 6, kind="wait-ground"), stripes, id="waiting", width=6, height=6,
            patternUnits="userSpaceOnUse"),
        tag("pattern", rect(0, 0, 4, 4, kind="writes-ground"), tag("path", d="M2 0 L2 4", class_="writes-stripe"),
            id="writes", width=4, height=4, patternUnits="userSpaceOnUse"),
    )  # fmt: skip


def _frame(panel: Panel, height: float) -> Markup:
    """Return a phase's ground, its name, and the stretch in which the migration acted."""
    phase = panel.phase
    bottom = height - FEET
    parts = [rect(panel.left, HEAD - 6, panel.width, bottom - HEAD + 6, kind="ground")]
    if phase.acted_s:
        begin, end = (panel.x(at_s) for at_s in phase.acted_s)
        says = f"the migration acted for {_words.seconds(phase.duration_s)}"
        parts.append(rect(begin, HEAD - 6, max(end - begin, 1), bottom - HEAD + 6, kind="acting", says=says))
    took = _words.seconds(phase.duration_s) if phase.acted_s else _words.seconds(phase.traffic_s)
    label = f"{phase.name} · migration {took}" if phase.acted_s else f"{phase.name} · {took}"
    label = label if panel.width > _LETTER * len(label) else phase.name
    parts.append(text(panel.left, 18, label, kind="phase failed" if phase.error else "phase"))
    return tag("g", *parts)


# --- what the migration did


def _statements(panels: Sequence[Panel], top: float) -> Iterator[Markup]:
    yield text(LEFT - 8, top + 13, "statements", anchor="end")
    for panel in panels:
        for one in _longest(panel.phase.statements, lambda one: one.duration_s):
            yield from _statement(panel, one, top)


def _longest(things: Iterable[T], length: Callable[[T], float]) -> list[T]:
    return sorted(things, key=lambda one: -length(one))[:BARS]


def _statement(panel: Panel, one: Statement, top: float) -> Iterator[Markup]:
    x = panel.x(one.started_s)
    width = max(panel.x(one.started_s + one.duration_s) - x, 1.5)
    error = f"; {'tried again' if one.retried else 'failed'}: {one.error}" if one.error else ""
    says = f"{one.n}: {_words.short(one.sql, 200)} ({_words.seconds(one.duration_s)}){error}"
    yield rect(x, top + 3, width, LANE - 8, kind="statement failed" if one.error else "statement", says=says)
    if width > 14:
        yield text(x + width / 2, top + 12.5, str(one.n), kind="on-bar", anchor="middle")


def _locks(panels: Sequence[Panel], tables: Sequence[str], top: float) -> Iterator[Markup]:
    for number, table in enumerate(tables):
        y = top + LANE * number
        yield tag("g", tag("title", table), text(LEFT - 8, y + 13, _words.short(plain(table), 17), anchor="end"))
        for panel in panels:
            locks = [one for one in _all_locks(panel.phase) if one.table == table]
            weak_first = sorted(_longest(locks, lambda one: one.held_ms or 0), key=lambda one: len(one.stops))
            for lock in weak_first:
                yield from _lock(panel, lock, y)


def _lock(panel: Panel, lock: Lock, y: float) -> Iterator[Markup]:
    part = f" on {lock.index}" if lock.index else ""
    held = _words.doubted(lock.held_ms, lock.doubt_ms)
    says = (
        f"{lock.table}{part}: {lock.mode} stops {_words.enough(lock.stops)}; "
        f"waited {_words.ms(lock.waited_ms)}, held {held}"
    )
    granted = lock.asked_s if lock.waited_ms is None else lock.asked_s + lock.waited_ms / 1_000
    released = panel.phase.traffic_s if lock.held_ms is None else granted + lock.held_ms / 1_000
    begin, middle, end = panel.x(lock.asked_s), panel.x(granted), panel.x(released)
    if middle - begin >= 0.5:
        yield rect(begin, y + 4, middle - begin, LANE - 8, kind="waiting", says=says)
    thin = 3 if not lock.stops else 0
    yield rect(middle, y + 4 + thin, max(end - middle, 1.5), LANE - 8 - 2 * thin, kind=_kind(lock), says=says)


def _kind(lock: Lock) -> str:
    kind = {(): "stops-nothing", ("reads",): "stops-reads", ("writes",): "stops-writes"}
    unseen = " unseen" if lock.held_ms is None else ""
    return kind.get(tuple(lock.stops), "stops-all") + unseen


# --- what the application felt


def _series(panels: Sequence[Panel]) -> Iterator[tuple[Panel, Series]]:
    for panel in panels:
        if panel.phase.traffic and panel.phase.traffic.series:
            yield panel, panel.phase.traffic.series


def _latency(panels: Sequence[Panel], top: float) -> Iterator[Markup]:
    drawn = list(_series(panels))
    bottom = top + LATENCY
    yield text(LEFT - 8, top - 2, "latency", anchor="end", kind="label strong")
    if not drawn:
        yield text(LEFT + 10, top + LATENCY / 2, "no traffic: not measured")
        return
    values = [one for _, series in drawn for one in (*series.p50_ms, *series.p99_ms) if one is not None]
    scale = LogScale.around(values, bottom - 8, top + 16)
    yield from _grid(scale)
    for panel, series in drawn:
        yield from _band(panel, series, scale)
    before = next((one.phase.traffic for one in panels if one.phase.acted_s is None), None)
    if before and before.latency_ms.p99:
        y = scale(before.latency_ms.p99)
        yield line(LEFT, y, WIDTH - RIGHT, y, kind="baseline")
        yield from _baseline_key(before.latency_ms.p99, top - 2)


def _baseline_key(p99_ms: float, y: float) -> Iterator[Markup]:
    """Name the line of the baseline above the curves, where nothing is drawn."""
    says = f"baseline p99 {_words.ms(p99_ms)}"
    right = WIDTH - RIGHT - 2
    yield text(right, y, says, kind="note", anchor="end")
    begin = right - 6.4 * len(says) - 34
    yield line(begin, y - 4, begin + 28, y - 4, kind="baseline")


def _grid(scale: LogScale) -> Iterator[Markup]:
    for value in scale.ticks():
        y = scale(value)
        yield line(LEFT, y, WIDTH - RIGHT, y, kind="grid")
        yield text(LEFT - 8, y + 4, _words.decade(value), anchor="end", kind="tick")


def _band(panel: Panel, series: Series, scale: LogScale) -> Iterator[Markup]:
    half = series.window_ms / 2_000
    for run in runs(series.p99_ms):
        upper = [(panel.x(series.at_s[n] + half), scale(series.p99_ms[n] or 0)) for n in run]
        lower = [(panel.x(series.at_s[n] + half), scale(series.p50_ms[n] or 0)) for n in run]
        yield path([*upper, *reversed(lower)], kind="band", close=True)
        yield path(lower, kind="p50")
        yield path(upper, kind="p99")


def _calls(panels: Sequence[Panel], top: float) -> Iterator[Markup]:
    drawn = [(panel, series, _rates(panel, series)) for panel, series in _series(panels)]
    bottom = top + CALLS
    yield text(LEFT - 8, top + 2, "calls due", anchor="end", kind="label strong")
    most = max((rate.due for _, _, rates in drawn for rate in rates), default=0.0)
    if not most:
        return
    yield text(LEFT - 8, top + 18, f"{most:,.0f}/s", anchor="end", kind="tick")
    yield text(LEFT - 8, bottom + 12, "failed, missed", anchor="end", kind="tick")
    for panel, series, rates in drawn:
        yield _answered(panel, rates, bottom, (CALLS - 8) / most)
        yield from _marks(panel, series, bottom + 2)


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls a second that were due in a stretch, and of them those that were answered."""

    from_s: float
    until_s: float
    due: float
    ok: float


def _rates(panel: Panel, series: Series) -> list[Rate]:
    """Return stretches of at least 25 calls, so that chance arrivals do not hide the rate; the last takes the rest."""
    due = [sum(counts) for counts in zip(series.ok, series.failed, series.missed, strict=True)]
    together = max(1, min(round(_ENOUGH * len(due) / max(sum(due), 1)), len(due) // 8))
    begins = [n for n in range(0, len(due), together) if n == 0 or n + together <= len(due)]
    edges = [*(series.at_s[n] for n in begins), max(panel.phase.traffic_s, series.at_s[-1] + 0.001)]
    ends = [*begins[1:], len(due)]
    return [
        Rate(begin, end, sum(due[n:m]) / (end - begin), sum(series.ok[n:m]) / (end - begin))
        for begin, end, n, m in zip(edges, edges[1:], begins, ends, strict=False)
    ]


def _answered(panel: Panel, rates: Sequence[Rate], bottom: float, scale: float) -> Markup:
    """Return the calls that were answered as a stepped area; what it lacks to its top failed or was missed."""
    points = [(panel.left, bottom)]
    for one in rates:
        y = bottom - one.ok * scale
        points += [(panel.x(one.from_s), y), (panel.x(one.until_s), y)]
    return path([*points, (points[-1][0], bottom)], kind="calls", close=True)


def _marks(panel: Panel, series: Series, top: float) -> Iterator[Markup]:
    for n, at_s in enumerate(series.at_s):
        x = panel.x(at_s)
        width = max(panel.x(at_s + series.window_ms / 1_000) - x, 2)
        if series.failed[n]:
            yield rect(x, top, width, 6, kind="failed", says=_words.plural(series.failed[n], "call") + " failed")
        if series.missed[n]:
            yield rect(x, top + 7, width, 6, kind="missed", says=_words.plural(series.missed[n], "call") + " missed")


def _axes(panels: Sequence[Panel], top: float) -> Iterator[Markup]:
    for panel in panels:
        most = max(1, int(panel.width // 60))
        for at_s in ticks(panel.phase.traffic_s, most):
            x = panel.x(at_s)
            yield line(x, top, x, top + 4, kind="axis")
            yield text(x, top + 16, f"{at_s:g} s", kind="tick", anchor="middle" if at_s else None)
