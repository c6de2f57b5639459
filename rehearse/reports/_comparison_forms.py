"""A comparison as a table in a terminal, in Markdown and on a page; the same words in each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rehearse.errors import Mistake
from rehearse.reports import _comparison_charts, _words
from rehearse.reports._comparison_words import interval, value
from rehearse.reports._escape import line, plain
from rehearse.reports._escape import markdown as escaped
from rehearse.reports._matrix_forms import SYMBOLS, TITLES
from rehearse.reports._shape_comparison import Compared, FigureTold, StrategySeen
from rehearse.reports.comparison import Contender, as_json
from rehearse.reports.html import rendered

_STYLES = {"passed": "green", "failed": "bold red", "unknown": "bold yellow", "not run": "yellow"}
_MARKS = {"passed": "✅", "failed": "❌", "unknown": "❔", "not run": "➖"}
_COLUMN = 22  # of a strategy in a terminal, at most
_LEAST = 15
_LABEL = 34
_SHORT = (  # the figures of a comment on a pull request
    "reads_ms", "writes_ms", "back_reads_ms", "back_writes_ms", "forward_s", "p99_ms", "slowdown",
    "errors", "lost_writes", "disk_extra_bytes", "fidelity",
)  # fmt: skip
_REASONS = 12
_STEPS = "the way itself"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a strategy: its median, its interval or nothing, and whether it wins."""

    median: str
    between: str | None = None
    wins: bool = False
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: what it is, and a cell for each strategy."""

    group: str
    title: str
    budget: str | None
    cells: tuple[Cell, ...]


def rows(found: Compared, *, keys: Sequence[str] | None = None) -> list[Row]:
    """Return the figures as lines; a log that the server does not keep is left out."""
    figures = [one for one in found.figures if keys is None or one.key in keys]
    has_log = any(one.figures["binlog_bytes"] for one in found.strategies)
    lines = [_row(found, one) for one in figures if has_log or one.key != "binlog_bytes"]
    steps = [
        _plain_row("statements", [_count(one.statements) for one in found.strategies]),
        _plain_row("deploys", ["not told" if one.deploys is None else str(one.deploys) for one in found.strategies]),
        _plain_row("point of no return", [_no_return(one) for one in found.strategies]),
    ]
    return [*lines, *steps]


def _row(found: Compared, figure: FigureTold) -> Row:
    cells = [_cell(found, figure, one) for one in found.strategies]
    return Row(figure.group, figure.title, _allowed(found, figure), tuple(cells))


def _cell(found: Compared, figure: FigureTold, one: StrategySeen) -> Cell:
    spread = one.figures[figure.key]
    if spread is None:
        return Cell(_words.NOT_MEASURED, is_known=False)
    some = "" if spread.measured == len(one.runs) else f" ({spread.measured} of {len(one.runs)} runs)"
    wins = len(figure.best) == 1 and one.name in figure.best
    return Cell(value(figure.unit, spread.median) + some, interval(figure.unit, spread), wins=wins)


def _plain_row(title: str, texts: Sequence[str]) -> Row:
    return Row(_STEPS, title, None, tuple(Cell(one, is_known=one != _words.NOT_MEASURED) for one in texts))


def _no_return(one: StrategySeen) -> str:
    """Return the point of no return without its reason: "none", "45 ms after forward began", "back is blocked …"."""
    return _words.NOT_MEASURED if one.no_return is None else one.no_return.partition(":")[0]


def _count(number: int | None) -> str:
    return _words.NOT_MEASURED if number is None else str(number)


def _allowed(found: Compared, figure: FigureTold) -> str | None:
    """Return the budget of a figure in words; None: there is none, or it is not asked."""
    budgets = {
        "blocked": ("ms", found.budget.blocked_ms),
        "duration": ("s", found.budget.duration_s),
        "slowdown": ("ratio", found.budget.slowdown),
        "lost_writes": ("count", found.budget.lost_writes),
        "errors": ("count", found.budget.errors),
        "missed": ("count", found.budget.missed),
        "fidelity": ("share", found.budget.fidelity),
    }
    unit, amount = budgets.get(figure.budget or "", ("", None))
    return None if amount is None else value(unit, amount)


def headline(found: Compared) -> str:
    """Return the result with its sign."""
    return f"{SYMBOLS[found.status]} {found.says}"


def word(found: Compared) -> str:
    """Return the result in a word: the winner, or why there is none. No difference is what was looked for in vain."""
    if found.winner is not None:
        return found.winner
    if found.status != "passed":
        return TITLES[found.status]
    if found.says.startswith("no difference"):
        return "NO DIFFERENCE"
    return "NOT TOLD APART" if sum(one.rank is not None for one in found.strategies) > 1 else "NOTHING TO COMPARE"


def verdict(one: StrategySeen) -> str:
    """Return "passed 3 of 3"."""
    if not one.runs:
        return "not run"
    count = sum(run.status == "passed" for run in one.runs)
    word = {"passed": "passed", "failed": "FAILED", "unknown": "unknown", "not run": "not run"}[one.status]
    return f"{word}, {count} of {len(one.runs)}"


def broken(one: StrategySeen) -> str | None:
    """Say what its runs failed by, or could not tell, in the words of the first that did; None: all passed."""
    some = [run for run in one.runs if run.status == one.status != "passed"]
    if not some:
        return None
    codes = list(
        dict.fromkeys(code for run in some for code in (run.failed if one.status == "failed" else run.unknown))
    )
    runs = f"{len(some)} of {_words.plural(len(one.runs), 'run')}"
    return f"{one.status} in {runs} ({', '.join(codes)}): {some[0].says}"


def ends(found: Compared) -> Iterator[tuple[StrategySeen, str]]:
    """Yield in words where strategies end that do not end quite where the first does."""
    for one in found.strategies:
        end = one.end
        if end.error is not None:
            yield one, f"does not get to its end: {end.error}"
        for says in end.differs[:_REASONS]:
            yield one, f"ends elsewhere: {says}"
        if len(end.differs) > _REASONS:
            yield one, f"… and {len(end.differs) - _REASONS} more differences in comparison.json"
        if end.leftovers:
            yield one, f"leaves for its own use: {', '.join(end.leftovers)}"
        for says in end.cosmetic[:_REASONS]:
            yield one, f"without a meaning: {says}"
        for says in end.not_compared[:_REASONS]:
            yield one, f"not compared: {says}"


def same_end(found: Compared) -> str | None:
    """Say which strategies end in the same place, as far as that was looked at."""
    first = next((one for one in found.strategies if one.end.is_first), None)
    same = [one for one in found.strategies if one.end.is_alternative and not one.end.is_first]
    if first is None or not same:
        return None
    names = " and ".join(one.name for one in (first, *same))
    if any(one.end.not_compared for one in same):
        return f"{names} end with the same schema, and with the same rows as far as they were compared"
    return f"{names} end with the same schema and the same rows"


# --- a terminal


def table(found: Compared, *, width: int = 100) -> RenderableType:
    """Return the comparison as something that rich can print; figures are lines, strategies are columns."""
    most = max(1, (width - _LABEL) // (_natural(found) + 1))
    groups = [found.strategies[n : n + most] for n in range(0, len(found.strategies), most)]
    tables = [_table(found, some) for some in groups]
    notes = [Text.assemble((f"{line(one.name)}  ", "bold"), line(says)) for one, says in ends(found)]
    same = same_end(found)
    order = [part for one in found.strategies for part in _placed(one)]
    title = Text(f"\n{headline(found)}\n", style=_STYLES[found.status])
    ended = [Text("\nwhere they end", style="bold"), *([Text(same)] if same else []), *notes] if same or notes else []
    remarks = [Text(f"! {line(one)}", style="yellow") for one in found.remarks]
    return Group(title, *tables, Text("\norder", style="bold"), *order, *ended, *remarks)


def _placed(one: StrategySeen) -> Iterator[Text]:
    """Yield a strategy's place and why, and what it broke."""
    place = f"{one.rank}. " if one.rank else "–  "
    yield Text.assemble((place, "bold"), (line(one.name), "bold"), f"  {line(one.why)}")
    if (says := broken(one)) is not None:
        yield Text(f"   {line(says)}", style=_STYLES[one.status])


def _natural(found: Compared) -> int:
    """Return how wide a column must be for figures to stay on one line, within reason."""
    cells = [cell for row in rows(found) if row.group != _STEPS for cell in row.cells]
    return max(_LEAST, min(_COLUMN, max((len(_shown(cell)) for cell in cells), default=_COLUMN)))


def _table(found: Compared, some: Sequence[StrategySeen]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    shown.add_column("", width=_LABEL - 1)
    for one in some:
        title = Text.assemble((line(one.name), "bold"), "\n", (verdict(one), _STYLES[one.status]))
        shown.add_column(title, width=_natural(found), justify="right")
    places = [found.strategies.index(one) for one in some]
    group = None
    for row in rows(found):
        if row.group != group:
            shown.add_row(Text(row.group, style="bold"))
        group = row.group
        label = Text.assemble(f" {line(row.title)}", (f" ({row.budget})" if row.budget else "", "dim"))
        shown.add_row(label, *(_shown(row.cells[place]) for place in places))
    return shown


def _shown(cell: Cell) -> Text:
    style = "bold green" if cell.wins else "" if cell.is_known else "dim"
    return Text.assemble((line(cell.median), style), (f" ({cell.between})" if cell.between else "", "dim"))


# --- Markdown


def markdown(found: Compared) -> str:
    """Return the comparison for a pull request: the result, a short table, where they end."""
    head = ["", *(_linked(one) for one in found.strategies)]
    lines = [head, ["---", *("---:" for _ in found.strategies)]]
    lines.append(["verdict", *(f"{_MARKS[one.status]} {escaped(verdict(one))}" for one in found.strategies)])
    for row in rows(found, keys=_SHORT):
        budget = f" (budget {row.budget})" if row.budget else ""
        lines.append([escaped(f"{row.group}: {row.title}{budget}"), *(_in_markdown(one) for one in row.cells)])
    text = f"## {_MARKS[found.status]} {escaped(found.name)}: {escaped(found.says)}\n\n"
    text += "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    order = "".join(
        f"{one.rank or '-'}{'.' if one.rank else ''} **{escaped(one.name)}**: {escaped(one.why)}\n"
        + (f"   {_MARKS[one.status]} {escaped(says)}\n" if (says := broken(one)) else "")
        for one in found.strategies
    )
    same = same_end(found)
    ended = [f"- {escaped(same)}\n"] if same else []
    ended += [f"- **{escaped(one.name)}** {escaped(says)}\n" for one, says in ends(found)]
    method = f"{found.method.data}; {found.method.traffic}. Medians of {_words.plural(found.method.repeats, 'run')}"
    remarks = "".join(f"- ⚠️ {escaped(one)}\n" for one in found.remarks)
    return f"{text}\n{order}\n{''.join(ended)}{remarks}\n{escaped(method)}.\n"


def _linked(one: StrategySeen) -> str:
    folder = one.runs[0].folder if one.runs else None
    return escaped(one.name) if folder is None else f"[{escaped(one.name)}](<{quote(folder)}/report.md>)"


def _in_markdown(cell: Cell) -> str:
    median = f"**{escaped(cell.median)}**" if cell.wins else escaped(cell.median)
    return median + (f" ({escaped(cell.between)})" if cell.between else "")


# --- a page


def page(found: Compared, contenders: Sequence[Contender]) -> str:
    """Return the page; everything that is not ours in it is escaped."""
    by_name = {one.name: one for one in contenders}
    drawn = [by_name[one.name] for one in found.strategies if by_name[one.name].runs]
    return rendered(
        "comparison.html.j2",
        found=found,
        title=plain(f"{TITLES[found.status]}: {found.name}"),
        word=word(found),
        kind="unknown" if found.status == "not run" else found.status,
        kinds={"passed": "passed", "failed": "failed", "unknown": "unknown", "not run": "unknown"},
        timelines=_comparison_charts.timelines(found, drawn),
        outages=_comparison_charts.outages(found),
        groups=[(group, list(lines)) for group, lines in groupby(rows(found), key=lambda row: row.group)],
        wins=[one for one in found.figures if one.best or one.says != "not ranked"],
        ends=list(ends(found)),
        same=same_end(found),
        verdict=verdict,
        broken=broken,
        links={
            one.name: [quote(run.folder) if run.folder is not None else None for run in one.runs]
            for one in found.strategies
        },
    )


def write(found: Compared, contenders: Sequence[Contender], folder: Path) -> Path:
    """Write the comparison in every form and return the path of its page."""
    forms = {
        "json": json.dumps(as_json(found), ensure_ascii=False, indent=2, allow_nan=False) + "\n",
        "md": markdown(found),
        "html": page(found, contenders),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for form, text in forms.items():
            (folder / f"comparison.{form}").write_text(text, encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{folder}: the comparison cannot be written: {error.strerror}") from error
    return folder / "comparison.html"
