"""The history as a table in a terminal and as a page: a row a run, a picture a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from markupsafe import Markup
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rehearse.reports import _words
from rehearse.reports._escape import line as on_one_line
from rehearse.reports._svg import line, path, picture, runs, tag, text
from rehearse.reports.history import FIGURES, Change, Entry
from rehearse.reports.html import rendered

_STYLES = {"passed": "green", "failed": "bold red", "unknown": "bold yellow"}
_SHOWN = {"forward_s": "forward", "back_s": "back", "reads_ms": "no reads", "writes_ms": "no writes", "p99_ms": "p99"}
_PICTURE = (340.0, 132.0)
_LEFT, _TOP, _RIGHT, _BOTTOM = 12.0, 28.0, 12.0, 22.0


def table(entries: Sequence[Entry]) -> RenderableType:
    """Return the runs of each scenario, and below them what the newest one changed."""
    parts: list[RenderableType] = []
    for name, some in groupby(entries, key=lambda one: one.scenario):
        group = list(some)
        parts += [Text(f"\n{on_one_line(name)}", style="bold"), _rows(group), *map(Text, told(group)), Text("")]
    return Group(*parts)


def told(group: Sequence[Entry]) -> Iterator[str]:
    """Yield what is to be said of a scenario's newest run, in sentences."""
    newest = group[-1]
    alike = [one for one in group[:-1] if not one.differs]
    if not alike:
        others = sorted({part for one in group[:-1] for part in one.differs})
        why = f": other runs differ in {', '.join(others)}" if others else ""
        yield f"no run before the newest can be compared with it{why}"
        return
    for code in newest.newly_failed or ():
        yield f"worse: {code} fails, and did not in the run before"
    yield from (sentence(one) for one in newest.changes)
    unsure = list(_unsure(newest, alike[-1]))
    yield from unsure
    if not newest.changes and not newest.newly_failed and not unsure:
        yield f"as the {_words.plural(len(alike), 'comparable run')} before it, within the noise"


def _unsure(newest: Entry, before: Entry) -> Iterator[str]:
    """Yield what the newest run does not tell, and the one before it did."""
    if newest.status == "unknown" and before.status == "passed":
        yield f"could not tell, and the run before passed: {on_one_line(newest.says)}"
    gone = [
        kind.title for key, kind in FIGURES.items() if newest.figures[key] is None and before.figures[key] is not None
    ]
    if gone:
        yield f"not measured, and in the run before it was: {', '.join(gone)}"


def sentence(one: Change) -> str:
    """Return "worse: forward 4.9 s, after 3.2 s (2.9 s … 3.6 s by 5 runs' own scatter)"."""
    kind = FIGURES[one.figure]
    by = "own scatter" if one.own else "and a usual scatter"
    of = "run's" if one.runs == 1 else "runs'"
    expected = f"{kind.words(one.low)} … {kind.words(one.high)} by {one.runs:,} {of} {by}"
    return f"{one.verdict}: {kind.title} {kind.words(one.value)}, after {kind.words(one.before)} (expected {expected})"


def _rows(group: Sequence[Entry]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for head in ("when (UTC)", "commit", ""):
        shown.add_column(head, no_wrap=True)
    for head in _SHOWN.values():
        shown.add_column(head, justify="right", no_wrap=True)
    for one in group:
        cells = [_marked(one, key) for key in _SHOWN]
        style = "dim" if one.differs else ""
        verdict = Text(_words.SYMBOLS[one.status], style=_STYLES[one.status])
        shown.add_row(one.began[:16].replace("T", " "), _short(one.commit), verdict, *cells, style=style)
    return shown


def _short(commit: str | None) -> str:
    """Return the first eight letters of a commit, and its "+"."""
    return "–" if commit is None else on_one_line(commit)[:8] + "+" * commit.endswith("+")


def _marked(one: Entry, key: str) -> Text:
    """Return a figure, with an arrow where it is beyond the noise."""
    words = FIGURES[key].words(one.figures[key]).replace(_words.NOT_MEASURED, "–")
    found = next((change for change in one.changes if change.figure == key), None)
    if found is None:
        return Text(words)
    return Text(f"{words} ▲", style="bold red") if found.verdict == "worse" else Text(f"{words} ▼", style="green")


def page(entries: Sequence[Entry]) -> str:
    """Return the page; everything that is not ours in it is escaped."""
    groups = [(name, list(some)) for name, some in groupby(entries, key=lambda one: one.scenario)]
    return rendered(
        "history.html.j2",
        groups=[(name, group, list(told(group)), list(pictures(group))) for name, group in groups],
        figures=FIGURES,
        cell=_cell,
        missing=_words.NOT_MEASURED,
    )


def _cell(one: Entry, key: str) -> tuple[str, str]:
    """Return a figure in words, and "worse", "better" or ""."""
    found = next((change.verdict for change in one.changes if change.figure == key), "")
    return FIGURES[key].words(one.figures[key]), found


def pictures(group: Sequence[Entry]) -> Iterator[Markup]:
    """Yield a picture for each figure that is above 0 somewhere: its values over the runs that can be compared."""
    alike = [one for one in group if not one.differs]
    for key, kind in FIGURES.items():
        values = [one.figures[key] for one in alike]
        if len(alike) > 1 and any(values):
            yield _picture(key, kind.title, values, alike)


def _picture(key: str, title: str, values: Sequence[float | None], alike: Sequence[Entry]) -> Markup:
    width, height = _PICTURE
    words = FIGURES[key].words
    most = max(one for one in values if one is not None)
    right, floor = width - _RIGHT, height - _BOTTOM
    step = (right - _LEFT) / (len(values) - 1)

    def place(number: int, value: float) -> tuple[float, float]:
        return _LEFT + step * number, floor - (floor - _TOP) * value / most

    parts = [text(_LEFT, 14, title, kind="label strong"), line(_LEFT, floor, right, floor, kind="grid")]
    for run in runs(values):
        points = [place(number, values[number] or 0.0) for number in run]
        parts.append(path(points, kind="run"))
    for number, (value, one) in enumerate(zip(values, alike, strict=True)):
        if value is not None:
            x, y = place(number, value)
            kind = next((change.verdict for change in one.changes if change.figure == key), "as before")
            says = f"{one.began[:16].replace('T', ' ')} {one.commit or ''}: {words(value)} ({kind})"
            parts.append(tag("circle", tag("title", says), cx=x, cy=y, r=4, class_=f"dot {kind.split()[0]}"))
    newest = values[-1]
    parts.append(text(right, 14, words(newest), kind="value", anchor="end"))
    parts.append(text(_LEFT, height - 6, alike[0].began[:10], kind="tick"))
    parts.append(text(right, height - 6, alike[-1].began[:10], kind="tick", anchor="end"))
    described = ", ".join(words(value) for value in values)
    return picture(width, height, f"{title} over time", described, *parts, name=f"history-{key}")
