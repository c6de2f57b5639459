"""Two small pictures: the outages by table, and the percentiles of each phase."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from rehearse.reports import _words
from rehearse.reports._escape import plain
from rehearse.reports._shape import Report
from rehearse.reports._shape_phases import Outage, Percentiles, Phase
from rehearse.reports._svg import LogScale, line, picture, rect, tag, text, ticks

WIDTH = 1100.0
LEFT = 250.0
RIGHT = 170.0
ROW = 24.0
MOST = 24
LETTER = 7.0  # width of a letter of a label

_NAMED = (("p50", "p50"), ("p95", "p95"), ("p99", "p99"), ("p999", "p99.9"), ("max", "max"))


def outages(report: Report) -> Markup:
    """Return the longest outages as bars, with the doubt and the budget; nothing where no table was closed."""
    found = [(phase.name, one) for phase in report.phases for one in phase.outages or []]
    worst = sorted(found, key=lambda pair: -pair[1].longest_ms)[:MOST]
    if not worst:
        return Markup("")
    budget = report.scenario.budget.blocked_ms
    most = max([one.longest_ms + one.doubt_ms for _, one in worst] + ([budget] if budget else []))
    room = WIDTH - LEFT - RIGHT
    height = ROW * len(worst) + 44
    parts = [*_time_grid(most, room, height - 26)]
    if budget is not None:
        x = LEFT + room * budget / most
        parts += [
            line(x, 12, x, height - 26, kind="budget"),
            text(x, 9, f"budget {_words.ms(budget)}", kind="note", anchor="middle"),
        ]
    for number, (phase, one) in enumerate(worst):
        parts += _outage(phase, one, 16 + ROW * number, room / most, budget)
    told = "; ".join(
        f"{phase}: {one.table} closed to {one.stops} for {_words.ms(one.longest_ms)}" for phase, one in worst
    )
    return picture(WIDTH, height, "Longest outages by table", told, *parts, name="outages")


def _time_grid(most_ms: float, room: float, bottom: float) -> Iterator[Markup]:
    for value in ticks(most_ms, 8):
        x = LEFT + room * value / most_ms
        yield line(x, 12, x, bottom, kind="grid")
        yield text(x, bottom + 16, _words.decade(value), kind="tick", anchor="middle")


def _outage(phase: str, one: Outage, y: float, scale: float, budget: float | None) -> Iterator[Markup]:
    width = max(one.longest_ms * scale, 1.5)
    over = budget is not None and one.longest_ms - one.doubt_ms > budget
    kind = "stops-all" if one.stops == "reads" else "stops-writes"
    blocked = "" if one.calls_blocked is None else f"; {_words.plural(one.calls_blocked, 'call')} waited"
    says = f"{one.table} closed to {one.stops}: {_words.doubted(one.longest_ms, one.doubt_ms)}{blocked}"
    name = f"{phase} · {_words.short(plain(one.table), 20)} · {one.stops}"
    yield tag("g", tag("title", says), text(LEFT - 10, y + 14, name, anchor="end"))
    yield rect(LEFT, y + 4, width, ROW - 10, kind=kind, says=says)
    middle, half = LEFT + width, one.doubt_ms * scale
    if half >= 1:
        yield line(max(middle - half, LEFT), y + ROW / 2 - 1, middle + half, y + ROW / 2 - 1, kind="whisker")
    label = _words.ms(one.longest_ms) + (" ✗ over budget" if over else "")
    x = beside(middle + half + 6, label, None if budget is None else LEFT + budget * scale)
    yield text(x, y + 15, label, kind="value bad" if over else "value")


def beside(x: float, label: str, line_x: float | None) -> float:
    """Return where a label begins: behind the budget's line where it would lie on it."""
    is_struck = line_x is not None and x - 3 < line_x < x + LETTER * len(label) + 3
    return line_x + 6 if is_struck and line_x is not None else x


def percentiles(report: Report) -> Markup:
    """Return the percentiles of each phase on one logarithmic axis; nothing where there was no traffic."""
    felt = [row for phase in report.phases for row in _rows(phase)]
    values = [one for _, each in felt for one in _values(each)]
    if not values:
        return Markup("")
    height = 31.0 * len(felt) + 50
    scale = LogScale.around(values, 130.0, WIDTH - 40)
    parts = [*_log_grid(scale, height - 26)]
    for number, (name, each) in enumerate(felt):
        parts += _dots(name, each, 34 + 31.0 * number, scale)
    told = "; ".join(
        f"{name}: " + ", ".join(f"{label} {_words.ms(getattr(each, field))}" for field, label in _NAMED)
        for name, each in felt
    )
    return picture(WIDTH, height, "Latency before, during and after", told, *parts, name="percentiles")


def _rows(phase: Phase) -> Iterator[tuple[str, Percentiles]]:
    """Yield the baseline, and of the other phases what was felt during the migration and after it."""
    if phase.traffic and phase.acted_s is None:
        yield phase.name, phase.traffic.latency_ms
    elif phase.traffic:
        for one in phase.traffic.stretches:
            if one.name != "before":
                yield f"{phase.name}: {one.name}", one.latency_ms


def _values(each: Percentiles) -> list[float]:
    return [value for field, _ in _NAMED if (value := getattr(each, field)) is not None]


def _log_grid(scale: LogScale, bottom: float) -> Iterator[Markup]:
    for value in scale.ticks():
        x = scale(value)
        yield line(x, 8, x, bottom, kind="grid")
        yield text(x, bottom + 16, _words.decade(value), kind="tick", anchor="middle")


def _dots(name: str, each: Percentiles, y: float, scale: LogScale) -> Iterator[Markup]:
    yield text(118, y + 4, name, anchor="end", kind="label strong")
    values = _values(each)
    if not values:
        yield text(130, y + 4, "no call was due")
        return
    yield line(scale(min(values)), y, scale(max(values)), y, kind="span")
    for field, label in _NAMED:
        value = getattr(each, field)
        if value is not None:
            says = f"{name} {label}: {_words.ms(value)}"
            yield tag("circle", tag("title", says), cx=scale(value), cy=y, r=5, class_=f"dot {field}")
    yield from _named(each, y, scale)


def _named(each: Percentiles, y: float, scale: LogScale) -> Iterator[Markup]:
    """Return the names of the dots that have room, the most wanted first."""
    taken: list[float] = []
    for field, label in sorted(_NAMED, key=lambda pair: ("p50", "p99", "max", "p95", "p999").index(pair[0])):
        value = getattr(each, field)
        x = None if value is None else scale(value)
        if x is not None and all(abs(x - other) > 92 for other in taken):
            yield text(x, y - 9, f"{label} {_words.ms(value)}", kind="note", anchor="middle")
            taken.append(x)
