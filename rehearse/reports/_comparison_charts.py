"""Small multiples of the strategies' latency on one scale, and their outages as bars on one scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rehearse.reports import _words
from rehearse.reports._charts import beside
from rehearse.reports._comparison_figures import BLOCKED, DURATION
from rehearse.reports._comparison_words import cell, interval, value
from rehearse.reports._contenders import Contender
from rehearse.reports._escape import plain
from rehearse.reports._shape import Report
from rehearse.reports._shape_comparison import Compared, SpreadSeen, StrategySeen
from rehearse.reports._shape_phases import Phase
from rehearse.reports._svg import LogScale, line, path, picture, rect, runs, tag, text, ticks

WIDTH = 1100.0
LEFT = 236.0
RIGHT = 14.0
GAP = 22.0
TOP = 30.0
HEIGHT = 112.0  # of a strategy's band
CLOSED = 14.0  # of the lane below it, in which closed stretches stand
BETWEEN = 16.0
FEET = 26.0
PHASES = ("forward", "back")
ROW = 22.0


@dataclass(frozen=True, slots=True)
class Panel:
    """A phase's stretch of the picture, the same for every strategy: seconds since the migration began to act."""

    name: str
    begin_s: float
    end_s: float
    left: float
    width: float

    def x(self, at_s: float) -> float:
        """Return the place of a moment."""
        inside = min(max(at_s, self.begin_s), self.end_s)
        return self.left + self.width * (inside - self.begin_s) / (self.end_s - self.begin_s)


def typical(contender: Contender) -> Report:
    """Return the run that stands for a strategy: the one whose longest outage, or else duration, is the median."""
    reports = [one.report for one in contender.runs]
    return sorted(reports, key=_weight)[(len(reports) - 1) // 2]


def _weight(report: Report) -> tuple[float, float]:
    forward = _phase(report, "forward")
    closed = _words.longest_ms(forward) if forward else None
    return (closed or 0.0, forward.duration_s if forward else 0.0)


def _phase(report: Report, name: str) -> Phase | None:
    return next((one for one in report.phases if one.name == name and one.acted_s is not None), None)


def timelines(found: Compared, contenders: Sequence[Contender]) -> Markup:
    """Return a band of latency for each strategy, all on the same axes; nothing where no traffic ran."""
    shown = [(one, typical(one)) for one in contenders]
    panels = _panels([report for _, report in shown])
    values = [one for _, report in shown for one in _latencies(report)]
    if not panels or not values:
        return Markup("")
    height = TOP + len(shown) * (HEIGHT + CLOSED + BETWEEN) + FEET
    parts: list[Markup] = [text(panel.left, 16, panel.name, kind="phase") for panel in panels]
    seen = {one.name: one for one in found.strategies}
    for number, (contender, _) in enumerate(shown):
        top = TOP + number * (HEIGHT + CLOSED + BETWEEN)
        scale = LogScale.around(values, top + HEIGHT - 4, top + 8)
        parts += _strategy(seen[contender.name], contender, panels=panels, scale=scale, top=top)
    parts += _axes(panels, height - FEET)
    told = "; ".join(f"{one.name}: {_told(report)}" for one, report in shown)
    return picture(WIDTH, height, "Latency of every strategy on one scale", told, *parts, name="timelines")


def _told(report: Report) -> str:
    forward = _phase(report, "forward")
    return "forward was not run" if forward is None else f"{_words.closed(forward)} closed, p99 {_words.slow(forward)}"


def _latencies(report: Report) -> Iterator[float]:
    for name in PHASES:
        phase = _phase(report, name)
        series = phase.traffic.series if phase and phase.traffic else None
        if series:
            yield from (one for one in (*series.p50_ms, *series.p99_ms) if one is not None)


def _panels(reports: Sequence[Report]) -> list[Panel]:
    """Return the phases that any strategy has, each as long as its longest, and wide by that, but no sliver."""
    spans = []
    for name in PHASES:
        phases = [phase for report in reports if (phase := _phase(report, name)) is not None]
        if phases:
            begin = min(-phase.acted_s[0] for phase in phases if phase.acted_s)
            end = max(phase.traffic_s - phase.acted_s[0] for phase in phases if phase.acted_s)
            spans.append((name, begin, max(end, begin + 0.1)))
    whole = sum(end - begin for _, begin, end in spans) or 1.0
    shares = [max((end - begin) / whole, 0.22) for _, begin, end in spans]
    room = WIDTH - LEFT - RIGHT - GAP * (len(spans) - 1)
    panels, left = [], LEFT
    for (name, begin, end), share in zip(spans, shares, strict=True):
        width = room * share / sum(shares)
        panels.append(Panel(name, begin, end, left, width))
        left += width + GAP
    return panels


def _strategy(
    one: StrategySeen, contender: Contender, *, panels: Sequence[Panel], scale: LogScale, top: float
) -> Iterator[Markup]:
    report = typical(contender)
    yield from _label(one, top)
    baseline = next((phase.traffic for phase in report.phases if phase.acted_s is None and phase.traffic), None)
    for panel in panels:
        yield rect(panel.left, top, panel.width, HEIGHT, kind="ground")
        phase = _phase(report, panel.name)
        if phase is None:
            yield text(panel.left + 10, top + HEIGHT / 2, "not run")
            continue
        yield from _acting(panel, phase, top)
        yield from _grid(panel, scale, is_first=panel is panels[0])
        for other in (run.report for run in contender.runs if run.report is not report):
            yield from _faint(panel, _phase(other, panel.name), scale)
        yield from _band(panel, phase, scale)
        if baseline and baseline.latency_ms.p99:
            y = scale(baseline.latency_ms.p99)
            yield line(panel.left, y, panel.left + panel.width, y, kind="baseline")
        yield from _closed(panel, phase, top + HEIGHT + 2)


def _label(one: StrategySeen, top: float) -> Iterator[Markup]:
    sign = {"passed": "✓", "failed": "✗", "unknown": "?"}.get(one.status, "–")
    kind = {"passed": "name passed", "failed": "name failed"}.get(one.status, "name")
    place = f"{one.rank}. " if one.rank else ""
    yield tag(
        "g", tag("title", one.name), text(0, top + 16, _words.short(plain(f"{place}{one.name}"), 27), kind="value")
    )
    yield text(0, top + 34, f"{sign} {one.status}", kind=kind)
    blocked, took = one.figures[BLOCKED], one.figures[DURATION]
    yield text(0, top + 52, f"closed {_median('ms', blocked)}", kind="note")
    yield text(0, top + 68, f"takes {_median('s', took)}", kind="note")


def _median(unit: str, spread: SpreadSeen | None) -> str:
    return value(unit, None if spread is None else spread.median)


def _acting(panel: Panel, phase: Phase, top: float) -> Iterator[Markup]:
    assert phase.acted_s is not None
    begin, end = panel.x(0.0), panel.x(phase.acted_s[1] - phase.acted_s[0])
    says = f"the migration acted for {_words.seconds(phase.duration_s)}"
    yield rect(begin, top, max(end - begin, 1.0), HEIGHT, kind="acting", says=says)


def _grid(panel: Panel, scale: LogScale, *, is_first: bool) -> Iterator[Markup]:
    for mark in scale.ticks():
        y = scale(mark)
        yield line(panel.left, y, panel.left + panel.width, y, kind="grid")
        if is_first:
            yield text(panel.left - 6, y + 4, _words.decade(mark), anchor="end", kind="tick")


def _band(panel: Panel, phase: Phase, scale: LogScale) -> Iterator[Markup]:
    for upper, lower in _curves(panel, phase, scale):
        yield path([*upper, *reversed(lower)], kind="band", close=True)
        yield path(lower, kind="p50")
        yield path(upper, kind="p99")


def _faint(panel: Panel, phase: Phase | None, scale: LogScale) -> Iterator[Markup]:
    """Return the p99 of another run of the strategy, behind the one that stands for it."""
    if phase is not None:
        yield from (path(upper, kind="p99 other") for upper, _ in _curves(panel, phase, scale))


Points = list[tuple[float, float]]


def _curves(panel: Panel, phase: Phase, scale: LogScale) -> Iterator[tuple[Points, Points]]:
    """Yield p99 and p50 as points, cut where no call was answered."""
    series = phase.traffic.series if phase.traffic else None
    if series is None or phase.acted_s is None:
        return
    shift = series.window_ms / 2_000 - phase.acted_s[0]
    for run in runs(series.p99_ms):
        yield (
            [(panel.x(series.at_s[n] + shift), scale(series.p99_ms[n] or 0)) for n in run],
            [(panel.x(series.at_s[n] + shift), scale(series.p50_ms[n] or 0)) for n in run],
        )


def _closed(panel: Panel, phase: Phase, top: float) -> Iterator[Markup]:
    """Return when tables were closed to reads or to writes, below the band."""
    for one in sorted(phase.outages or (), key=lambda each: each.stops, reverse=True):  # writes below reads
        for begin_s, end_s in one.windows_s:
            assert phase.acted_s is not None
            begin, end = (panel.x(at_s - phase.acted_s[0]) for at_s in (begin_s, end_s))
            says = f"{one.table} closed to {one.stops} for {_words.ms((end_s - begin_s) * 1_000)}"
            kind = "stops-all" if one.stops == "reads" else "stops-amber"
            y, height = (top, 5.0) if one.stops == "reads" else (top + 6, 5.0)
            yield rect(begin, y, max(end - begin, 1.5), height, kind=kind, says=says)


def _axes(panels: Sequence[Panel], top: float) -> Iterator[Markup]:
    for panel in panels:
        for at_s in ticks(panel.end_s, max(2, int(panel.width // 70))):
            x = panel.x(at_s)
            yield line(x, TOP, x, top, kind="grid faint")
            yield line(x, top, x, top + 4, kind="axis")
            yield text(x, top + 16, f"{at_s:g} s", kind="tick", anchor="middle")


# --- outages


_BARS = (
    ("reads_ms", "forward · reads", "stops-all"),
    ("writes_ms", "forward · writes", "stops-amber"),
    ("back_reads_ms", "back · reads", "stops-all"),
    ("back_writes_ms", "back · writes", "stops-amber"),
)


def outages(found: Compared) -> Markup:
    """Return the longest outages of every strategy as bars on one scale, with their intervals and the budget."""
    shown = [one for one in found.strategies if any(one.figures[key] for key, _, _ in _BARS)]
    spreads = [spread for one in shown for key, _, _ in _BARS if (spread := one.figures[key]) is not None]
    budget = found.budget.blocked_ms
    most = max([one.high for one in spreads] + ([budget * 1.05] if budget else []), default=0.0)
    if not most:
        return Markup("")
    left, room = 310.0, WIDTH - 310.0 - 210.0
    height = 26 + len(shown) * (len(_BARS) * ROW + 14) + FEET
    parts: list[Markup] = []
    for at_ms in ticks(most, 8):
        x = left + room * at_ms / most
        parts += [
            line(x, 22, x, height - FEET, kind="grid"),
            text(x, height - 8, _words.decade(at_ms), kind="tick", anchor="middle"),
        ]
    if budget is not None:
        x = left + room * budget / most
        parts += [
            line(x, 22, x, height - FEET, kind="budget"),
            text(x, 14, f"budget {_words.ms(budget)}", kind="note", anchor="middle"),
        ]
    for number, one in enumerate(shown):
        top = 26 + number * (len(_BARS) * ROW + 14)
        parts.append(text(0, top + 15, _words.short(plain(one.name), 26), kind="value"))
        for place, (key, name, kind) in enumerate(_BARS):
            at = Place(left, top + place * ROW, room / most)
            parts += _bar(name, one.figures[key], kind, at, budget)
    told = "; ".join(f"{one.name}: {cell('ms', one.figures[BLOCKED])}" for one in shown)
    return picture(WIDTH, height, "Longest outages of every strategy", told, *parts, name="outages")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bar begins, and how many units of the picture a millisecond has."""

    left: float
    y: float
    scale: float


def _bar(name: str, spread: SpreadSeen | None, kind: str, at: Place, budget: float | None) -> Iterator[Markup]:
    left, y, scale = at.left, at.y, at.scale
    yield text(left - 10, y + 15, name, anchor="end")
    if spread is None:
        yield text(left + 6, y + 15, _words.NOT_MEASURED)
        return
    over = budget is not None and spread.median - spread.doubt > budget
    says = f"{name}: {cell('ms', spread)}"
    yield rect(left, y + 4, max(spread.median * scale, 1.5), ROW - 9, kind=kind, says=says)
    if (spread.high - spread.low) * scale >= 2:
        yield line(left + spread.low * scale, y + ROW / 2, left + spread.high * scale, y + ROW / 2, kind="whisker")
    between = interval("ms", spread)
    label = value("ms", spread.median) + (f" ({between})" if between else "") + (" ✗" if over else "")
    x = beside(
        left + max(spread.median, spread.high) * scale + 8, label, None if budget is None else left + budget * scale
    )
    yield text(x, y + 15, label, kind="value bad" if over else "value")
