"""estimate.html, .md and .json: a forecast for people, for a pull request, and for machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rehearse.errors import Mistake
from rehearse.forecast.outcome import Change, Estimate, Figure, OutageForecast, Way
from rehearse.reports import _words
from rehearse.reports._escape import line, plain
from rehearse.reports._escape import markdown as escaped
from rehearse.reports._estimate_charts import amount, fit, rows_told

PAGE = "estimate.html"
_LEAST = 0.002  # a statement of less of the whole is not drawn
_PICTURES = 12


def write(estimate: Estimate, folder: Path) -> Path:
    """Write the forecast in every form and return the path of its page."""
    forms = {PAGE: page(estimate), "estimate.md": markdown(estimate), "estimate.json": as_json(estimate)}
    try:
        for name, text in forms.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{folder}: the estimate cannot be written: {error.strerror}") from error
    return folder / PAGE


def as_json(estimate: Estimate) -> str:
    """Return the forecast as JSON."""
    return json.dumps(asdict(estimate), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def told(figure: Figure) -> str:
    """Return "11.2 s (8.90 s to 14.3 s)", or that it is not known and why."""
    if figure.amount is None:
        return f"not known: {figure.unknown}"
    low, middle, high = (
        amount(one, figure.unit) for one in (figure.amount.low, figure.amount.middle, figure.amount.high)
    )
    return middle if low == high else f"{middle} ({low} to {high})"


def headline(estimate: Estimate) -> str:
    """Return what the forecast says in one sentence."""
    way = estimate.ways[0]
    at = f"{rows_told(estimate.at[estimate.driver])} rows of {line(estimate.driver)}"
    if way.duration.amount is None:
        return f"At {at} it is not known how long {way.name} takes: {way.duration.unknown}."
    return f"At {at} {way.name} takes {told(way.duration)}; {sure(way)}."


def sure(way: Way) -> str:
    """Return "98 % sure within 12 min", and how likely the window is that was asked about."""
    window = way.window
    if window.sure_s is None:
        return "how long it takes is not known"
    says = f"{100 * window.surety:.0f} % sure within {_words.seconds(window.sure_s)}"
    says += "" if _is_busy(way) else " if nobody else is at work there"
    if window.chance is None:
        return says
    return f"{says}; {_chance(window.chance)} that it ends within {_words.seconds(window.asked_s)}"


def _is_busy(way: Way) -> bool:
    """Say whether some of the runs were under traffic, so that its waits for locks are in the figures."""
    return any("traffic" in one.under for one in way.duration.measured)


def _chance(chance: float) -> str:
    if chance > 0.999:
        return "more than 99.9 %"
    return "less than 0.1 %" if chance < 0.001 else f"{100 * chance:.1f} %"


def lines(estimate: Estimate) -> list[str]:
    """Return the forecast for a terminal, a line each."""
    found = [headline(estimate), ""]
    for way in estimate.ways:
        found += [f"{way.name}", *(f"  {name:<28} {says}" for name, says in facts(way))]
        found += [f"  {one.n:>3}  {told(one.duration):<42} {_words.short(line(one.sql), 70)}" for one in shown(way)]
    found += ["", *(f"{one.name}: {one.says}{measured(one)}" for one in estimate.changes)]
    return [*found, *(f"note: {one}" for one in estimate.notes)]


def measured(change: Change) -> str:
    """Say whether runs of their own measured what a change of the size does; else the interval is wider for it."""
    return " (measured by runs of its own)" if change.measured else " (not measured)"


def facts(way: Way) -> list[tuple[str, str]]:
    """Return the figures of a way, each with its name."""
    is_busy = _is_busy(way)
    found = [("duration, under traffic", told(way.duration))] if is_busy else []
    found += [("duration, without traffic", told(way.quiet)), ("maintenance window", sure(way))]
    if not way.outages:
        found.append(("tables closed", _none_closed(way)))
    found += [(f"{line(one.table)} closed to {one.stops}", _closed(one)) for one in way.outages or []]
    return [*found, ("extra disk, log aside", told(way.disk)), ("log written", told(way.log))]


def _closed(one: OutageForecast) -> str:
    if one.longest.amount is None and one.longest.unknown == one.total.unknown:
        return told(one.longest)
    return f"longest {told(one.longest)}, in all {told(one.total)}"


def _none_closed(way: Way) -> str:
    if way.outages is None:
        return "not known: at some size no run's locks were seen, or it did not run at enough sizes"
    return "none seen at any size that was run"


def shown(way: Way) -> list[Any]:
    """Return the statements that take a part of the time that counts."""
    whole = way.duration.amount.middle if way.duration.amount else 0.0
    return [
        one
        for one in way.statements
        if one.duration.amount is None or one.duration.amount.middle > _LEAST * whole or len(way.statements) < 4
    ]


def markdown(estimate: Estimate) -> str:
    """Return the forecast for a comment on a pull request."""
    text = f"## {escaped(estimate.scenario)}: an estimate\n\n{escaped(headline(estimate))}\n\n"
    for way in estimate.ways:
        text += f"### {way.name}\n\n| | 90 % interval |\n|---|---|\n"
        text += "".join(f"| {escaped(name)} | {escaped(says)} |\n" for name, says in facts(way))
        text += "\n| statement | takes | law | why so wide |\n|---|---|---|---|\n"
        for one in shown(way):
            cells = (_words.short(one.sql, 120), told(one.duration), one.duration.says, "; ".join(one.duration.why))
            text += f"| {' | '.join(map(escaped, cells))} |\n"
        text += "\n"
    sizes = ", ".join(rows_told(one.x * estimate.at[estimate.driver]) for one in estimate.sizes)
    text += f"Run at {escaped(sizes)} rows of {escaped(estimate.driver)}, in {_words.seconds(estimate.took_s)}.\n\n"
    text += "".join(f"- {escaped(one.name)}: {escaped(one.says + measured(one))}\n" for one in estimate.changes)
    return text + "".join(f"- {escaped(one)}\n" for one in estimate.notes)


def page(estimate: Estimate) -> str:
    """Return the page; everything that is not ours in it is escaped."""
    from rehearse.reports.html import rendered  # noqa: PLC0415  Jinja2 is slow to load

    rows = float(estimate.at[estimate.driver])
    return rendered(
        "estimate.html.j2",
        estimate=estimate,
        title=plain(f"Estimate: {estimate.scenario}"),
        headline=headline(estimate),
        facts=facts,
        told=told,
        shown=shown,
        rows_told=rows_told,
        rows=rows,
        pictures={way.name: _pictures(way, estimate.driver, rows) for way in estimate.ways},
    )


def _pictures(way: Way, driver: str, rows: float) -> list[tuple[str, Figure, Any]]:
    """Return pictures with their titles: the whole, each statement that counts, outages, disk."""
    figures = [("The whole", way.duration)]
    figures += [
        (_words.short(line(one.sql), 110), one.duration) for one in shown(way)[:_PICTURES] if one.duration.along
    ]
    figures += [(f"{line(one.table)} closed to {one.stops}", one.longest) for one in (way.outages or [])[:4]]
    figures += [("Extra disk", way.disk), ("Log written", way.log)]
    return [
        (title, figure, fit(figure, rows, driver, title=title, name=f"fit {way.name}-{number}"))
        for number, (title, figure) in enumerate(figures)
    ]
