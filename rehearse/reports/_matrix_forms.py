"""The matrix as a table in a terminal, in Markdown and on a page; the same words in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rehearse.reports import _words
from rehearse.reports._escape import line, plain
from rehearse.reports._escape import markdown as escaped
from rehearse.reports.html import rendered
from rehearse.reports.matrix import NOT_RUN, Run, relative

TITLES = {**_words.TITLES, NOT_RUN: "NOT RUN"}
SYMBOLS = {**_words.SYMBOLS, NOT_RUN: "–"}
_STYLES = {"passed": "green", "failed": "bold red", "unknown": "bold yellow", NOT_RUN: "yellow"}
_MARKS = {"passed": "✅", "failed": "❌", "unknown": "❔", NOT_RUN: "➖"}
FIGURES = (
    "closed to reads",
    "closed to writes",
    "forward",
    "back",
    "p99 (× baseline)",
    "fidelity",
    "errors",
)
_COLUMNS = {"no reads\nno writes": 10, "forward\nback": 8, "p99\n× baseline": 10, "fidelity": 8, "errors": 7}
_CODES = 6
_VERDICTS = {"passed": "passed", "failed": "FAILED", "unknown": "unknown", NOT_RUN: "not run"}
_SAYS = 600


def figures(run: Run) -> list[str]:
    """Return the cells under FIGURES; empty where it was not run."""
    if run.status == NOT_RUN:
        return [""] * len(FIGURES)
    times = "" if run.slowdown is None else f" ({_words.ratio(run.slowdown)})"
    return [
        _words.ms(run.reads_ms),
        _words.ms(run.writes_ms),
        _words.seconds(run.forward_s),
        _words.seconds(run.back_s),
        f"{_words.ms(run.p99_ms)}{times}",
        _words.share(run.fidelity),
        _words.count(run.errors),
    ]


def engine(run: Run) -> str:
    """Return "mariadb 10.11.19 (binary)"."""
    return " ".join([run.engine, *([run.version] if run.version else []), *([f"({run.via})"] if run.via else [])])


def codes(run: Run, *, most: int | None = None) -> str:
    """Return the checks that failed, and with a "?" those that could not tell: "L001 L002 R006? +3"."""
    found = [*run.failed, *(f"{code}?" for code in run.unknown)]
    more = len(found) - (most or len(found))
    return " ".join([*found[:most], *([f"+{more}"] if more > 0 else [])])


def told(runs: Sequence[Run]) -> str:
    """Return "3 runs: 1 passed, 1 failed, 1 not run"."""
    words = {"passed": "passed", "failed": "failed", "unknown": "could not tell", NOT_RUN: NOT_RUN}
    counts: Counter[str] = Counter(run.status for run in runs)
    return f"{_words.plural(len(runs), 'run')}: " + ", ".join(
        f"{counts[status]:,} {word}" for status, word in words.items() if counts[status]
    )


def table(runs: Sequence[Run]) -> RenderableType:
    """Return the matrix as something that rich can print, good at 80 columns; below it why a run was not run."""
    width = max(len(line(one)) for run in runs for one in (run.via or "", _server(run)))
    groups = [list(some) for _, some in groupby(runs, key=lambda run: run.scenario)]
    tables = [_table(some, width, show_header=number == 0) for number, some in enumerate(groups)]
    return Group(Text(f"\n{told(runs)}\n", style="bold"), *tables, *_reasons(runs))


def _table(runs: Sequence[Run], width: int, *, show_header: bool) -> Table:
    """Return the rows of one scenario, two lines each; tables of the same width stand below each other as one."""
    shown = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_header=show_header,
        show_edge=False,
        leading=1,
        padding=0,
        title=Text(f"{'' if show_header else chr(10)}{line(runs[0].scenario)}", style="bold"),
        title_justify="left",
    )
    shown.add_column("engine", width=width)
    shown.add_column("verdict\nchecks", width=12)
    for head, size in _COLUMNS.items():
        shown.add_column(head, width=size, justify="right")
    for run in runs:
        verdict = Text.assemble((f"{SYMBOLS[run.status]} {_VERDICTS[run.status]}", _STYLES[run.status]))
        name = Text.assemble(line(_server(run)), "\n", (run.via or "", "dim"))
        shown.add_row(name, Text.assemble(verdict, "\n", codes(run, most=_CODES)), *_pairs(run))
    return shown


def _server(run: Run) -> str:
    return f"{run.engine} {run.version}" if run.version else run.engine


def _pairs(run: Run) -> list[str]:
    """Return the cells under _COLUMNS, two figures each."""
    if run.status == NOT_RUN:
        return [""] * len(_COLUMNS)
    p99, times = _words.ms(run.p99_ms), _words.ratio(run.slowdown)
    reads, writes, forward, back, _, fidelity, errors = figures(run)
    pairs = [f"{reads}\n{writes}", f"{forward}\n{back}", f"{p99}\n{times}", fidelity, errors]
    return [one.replace(_words.NOT_MEASURED, "unknown") for one in pairs]


def _reasons(runs: Sequence[Run]) -> Iterator[RenderableType]:
    for run in runs:
        if run.status == NOT_RUN:
            says = _words.short(line(run.says), _SAYS)
            yield Text.assemble((f"\nnot run: {run.scenario} on {engine(run)}  ", "yellow"), says)


def markdown(runs: Sequence[Run], folder: Path) -> str:
    """Return the matrix for a comment on a pull request; links lead to the reports from a folder."""
    head = ["scenario", "engine", "verdict", "checks", *FIGURES, "report"]
    lines = [head, ["---"] * len(head), *(_row(run, folder) for run in runs)]
    text = f"## {escaped(told(runs))}\n\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    reasons = "".join(_said(run) for run in runs)
    return f"{text}\n{reasons}"


def _said(run: Run) -> str:
    says = escaped(f"{run.scenario} on {engine(run)}"), escaped(_words.short(run.says, _SAYS))
    return f"- {_MARKS[run.status]} {': '.join(says)}\n"


def _row(run: Run, folder: Path) -> list[str]:
    place = _link(run, folder)
    link = "" if place is None else f"[report](<{place}/report.md>)"
    verdict = f"{_MARKS[run.status]} {TITLES[run.status]}"
    return [*map(escaped, (run.scenario, engine(run), verdict, codes(run), *figures(run))), link]


def _link(run: Run, folder: Path) -> str | None:
    place = relative(run, folder)
    return None if place is None else quote(place)


def page(runs: Sequence[Run], folder: Path) -> str:
    """Return the page; everything that is not ours in it is escaped."""
    groups = [list(some) for _, some in groupby(runs, key=lambda run: run.scenario)]
    return rendered(
        "matrix.html.j2",
        title=plain(told(runs)),
        status=_overall(runs),
        groups=[(some, [_link(run, folder) for run in some]) for some in groups],
        heads=FIGURES,
        figures=figures,
        engine=engine,
        codes=codes,
        titles=TITLES,
        symbols=SYMBOLS,
        server=_server,
        kinds={status: "unknown" if status == NOT_RUN else status for status in TITLES},
    )


def _overall(runs: Sequence[Run]) -> str:
    """Return the status that stands for all: that of the worst verdict, or that not all were run."""
    statuses = {run.status for run in runs}
    return next((one for one in ("failed", NOT_RUN, "unknown", "passed") if one in statuses), NOT_RUN)
