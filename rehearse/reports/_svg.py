"""A small builder of SVG whose colours come from the page's style, and the scales that pictures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from rehearse.reports._escape import plain

Part = str | Markup


def tag(name: str, *inside: Part, **attributes: str | float | None) -> Markup:
    """Return an element; `_` in an attribute's name stands for `-`, a trailing one is dropped, None leaves it out."""
    told = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _value(value))
        for key, value in attributes.items()
        if value is not None
    )
    content = Markup("").join(one if isinstance(one, Markup) else escape(plain(one)) for one in inside)
    return Markup("<{0}{1}>{2}</{0}>").format(name, told, content)


def _value(value: str | float) -> str:
    return plain(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def picture(width: float, height: float, title: str, description: str, *inside: Part, name: str) -> Markup:
    """Return a whole picture with its title and its description for those who cannot see it."""
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        *inside,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_=f"picture {name}",
    )


def rect(x: float, y: float, width: float, height: float, *, kind: str, says: str | None = None) -> Markup:
    """Return a rectangle with a tool tip."""
    inside = (tag("title", says),) if says else ()
    return tag("rect", *inside, x=x, y=y, width=max(width, 0.0), height=height, class_=kind)


def text(x: float, y: float, says: str, *, kind: str = "label", anchor: str | None = None) -> Markup:
    """Return a text; `anchor` is "middle" or "end"."""
    return tag("text", says, x=x, y=y, class_=kind, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, *, kind: str) -> Markup:
    """Return a line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def path(points: Sequence[tuple[float, float]], *, kind: str, close: bool = False) -> Markup:
    """Return a line through points, or the area that they enclose."""
    steps = " ".join(f"{'M' if n == 0 else 'L'}{x:.1f} {y:.1f}" for n, (x, y) in enumerate(points))
    return tag("path", d=f"{steps}{' Z' if close else ''}", class_=kind)


def runs(values: Sequence[float | None]) -> list[list[int]]:
    """Return the places of values, cut where one is missing: a gap is not drawn over."""
    found: list[list[int]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            found[-1].append(place)
    return [run for run in found if run]


@dataclass(frozen=True, slots=True)
class LogScale:
    """Maps milliseconds of `low` … `high`, whole decades, to `bottom` … `top` (or left … right)."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> LogScale:
        """Return the scale of the decades that hold all values; at least one decade."""
        positive = [one for one in values if one > 0] or [1.0]
        low = math.floor(math.log10(min(positive)))
        high = max(math.ceil(math.log10(max(positive))), low + 1)
        return cls(10.0**low, 10.0**high, start, end)

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        share = math.log10(inside / self.low) / math.log10(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return the decades."""
        decades = round(math.log10(self.high / self.low))
        return [self.low * 10.0**n for n in range(decades + 1)]


def nice_step(length: float, most: int) -> float:
    """Return the smallest of 1, 2, 5 × 10ⁿ that cuts a length into at most so many parts."""
    if length <= 0:
        return 1.0
    rough = length / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def ticks(length: float, most: int) -> list[float]:
    """Return round places from 0 to a length."""
    step = nice_step(length, most)
    return [step * n for n in range(math.floor(length / step + 1e-9) + 1)]
