"""A forecast's picture: what was measured, the fit with its band, and the interval at the target, both axes in logs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from rehearse.forecast.outcome import Figure
from rehearse.reports import _words
from rehearse.reports._svg import LogScale, line, path, picture, tag, text

WIDTH, HEIGHT = 1100.0, 300.0
LEFT, RIGHT, TOP, FEET = 84.0, 150.0, 16.0, 34.0
_KINDS = {"traffic": "busy", "little memory": "little"}
_NEAR = 46.0  # labels of sizes nearer than this to the next are left out


def fit(figure: Figure, rows: float, driver: str, *, title: str, name: str) -> Markup:
    """Return the picture of a figure whose target has so many rows; nothing where nothing was measured."""
    values = [one.y for one in figure.measured] + [one.high for one in figure.along] + [one.low for one in figure.along]
    if figure.amount is not None:
        values += [figure.amount.low, figure.amount.high]
    if not figure.measured or max(values) <= 0:
        return Markup("")
    sizes = sorted({one.x for one in figure.measured})
    least = min((one for one in values if one > 0), default=1.0)
    across = LogScale(sizes[0] / 1.25, 1.25, LEFT, WIDTH - RIGHT)
    up = LogScale(least / 1.3, max(values) * 1.3, HEIGHT - FEET, TOP)
    parts = [*_grid(figure, up), *_sizes(sizes, rows, across), *_fit(figure, across, up), *_points(figure, across, up)]
    if figure.amount is not None:
        parts += _target(figure, across, up)
    parts.append(text(WIDTH - RIGHT + 10, HEIGHT - 10, f"rows of {_words.short(driver, 18)}", kind="note"))
    return picture(WIDTH, HEIGHT, title, _told(figure, title), *parts, name=name)


def amount(value: float, unit: str) -> str:
    """Return a figure in its unit."""
    return _words.seconds(value) if unit == "s" else _words.size(value)


def rows_told(rows: float) -> str:
    """Return "1.2 M" or "35 k"."""
    for limit, word in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rows >= limit:
            return f"{rows / limit:.3g} {word}"
    return f"{rows:.0f}"


def _told(figure: Figure, title: str) -> str:
    seen = "; ".join(f"{one.x:.3g} of the target: {amount(one.y, figure.unit)}" for one in figure.measured[:40])
    if figure.amount is None:
        return f"{title}: not known. {seen}"
    low, high = (amount(one, figure.unit) for one in (figure.amount.low, figure.amount.high))
    return f"{title}: {low} to {high} at the target. {seen}"


def _grid(figure: Figure, up: LogScale) -> Iterator[Markup]:
    for value in _ticks(up.low, up.high):
        yield line(LEFT, up(value), WIDTH - RIGHT, up(value), kind="grid")
        yield text(LEFT - 8, up(value) + 4, _tick(value, figure.unit), kind="tick", anchor="end")


def _tick(value: float, unit: str) -> str:
    return _words.decade(value * 1000) if unit == "s" else _words.size(value)


def _ticks(low: float, high: float) -> list[float]:
    """Return places of 1, 2, 5 in each decade, or the decades alone where these are many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(decades) <= 4 else (1,)
    return [value for n in decades for factor in factors if low <= (value := factor * 10.0**n) <= high]


def _sizes(sizes: Sequence[float], rows: float, across: LogScale) -> Iterator[Markup]:
    taken = math.inf
    for x in [1.0, *reversed([one for one in sizes if one < 1.0])]:
        place = across(x)
        yield line(place, TOP, place, HEIGHT - FEET, kind="baseline" if x == 1.0 else "grid")
        if taken - place > _NEAR:
            kind = "value" if x == 1.0 else "tick"
            yield text(place, HEIGHT - 16, rows_told(x * rows), kind=kind, anchor="middle")
            taken = place


def _fit(figure: Figure, across: LogScale, up: LogScale) -> Iterator[Markup]:
    if not figure.along:
        return
    over = [(across(one.x), up(one.high)) for one in figure.along]
    under = [(across(one.x), up(max(one.low, up.low))) for one in reversed(figure.along)]
    yield path([*over, *under], kind="band", close=True)
    yield path([(across(one.x), up(one.middle)) for one in figure.along], kind="p99")


def _points(figure: Figure, across: LogScale, up: LogScale) -> Iterator[Markup]:
    for one in figure.measured:
        kind = next((_KINDS[name] for name in one.under if name in _KINDS), "quiet")
        says = (
            f"{one.x:.3g} of the target: {amount(one.y, figure.unit)}{', ' if one.under else ''}{', '.join(one.under)}"
        )
        yield tag("circle", tag("title", says), cx=across(one.x), cy=up(one.y), r=4.5, class_=f"dot {kind}")


def _target(figure: Figure, across: LogScale, up: LogScale) -> Iterator[Markup]:
    assert figure.amount is not None
    x, low, high = across(1.0), up(figure.amount.low), up(figure.amount.high)
    middle = up(figure.amount.middle)
    yield line(x, low, x, high, kind="whisker")
    yield line(x - 7, low, x + 7, low, kind="whisker")
    yield line(x - 7, high, x + 7, high, kind="whisker")
    yield tag("circle", cx=x, cy=middle, r=6, class_="dot target")
    apart = 14.0
    ends = (max(low, middle + apart), middle, min(high, middle - apart))
    values = (figure.amount.low, figure.amount.middle, figure.amount.high)
    for y, value, kind in zip(ends, values, ("note", "value", "note"), strict=True):
        yield text(x + 14, y + 4, amount(value, figure.unit), kind=kind)
