"""The report in a terminal: the verdict, the phases, the findings; good at 80 columns."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rehearse.model import Recording, Verdict
from rehearse.reports import _words
from rehearse.reports._document import document
from rehearse.reports._escape import line
from rehearse.reports._shape import FindingSeen, HazardSeen, NotMeasuredSeen, Report
from rehearse.reports._shape_fidelity import RuleSeen
from rehearse.reports._shape_phases import Phase

_STYLES = {"passed": "bold green", "failed": "bold red", "unknown": "bold yellow"}
_FINDINGS = 12
_GAPS = 5
_HAZARDS = 5
_RULES = 5
_SAYS = 400


class TerminalRenderer:
    """Writes the report as text of 100 columns, without colour."""

    suffix: ClassVar[str] = ".txt"

    def __call__(self, recording: Recording, verdict: Verdict, /) -> str:
        """Return the text."""
        console = Console(file=io.StringIO(), width=100, color_system=None, force_terminal=False, highlight=False)
        print_report(console, recording, verdict)
        written = console.file
        assert isinstance(written, io.StringIO)
        return "\n".join(one.rstrip() for one in written.getvalue().splitlines()) + "\n"


def print_report(console: Console, recording: Recording, verdict: Verdict) -> None:
    """Print the report to a console; texts of databases are printed as they are, never as rich's markup."""
    console.print(renderable(document(recording, verdict)))


def renderable(report: Report) -> RenderableType:
    """Return the report as something that rich can print."""
    return Group(
        _headline(report),
        _phases(report.phases),
        *_no_return(report),
        *_findings(report.findings),
        *_hazards(_words.hazards(report)),
        *_rules(report.integrity.rules),
        *_gaps(report.not_measured if report.verdict.status != "passed" else []),
        _foot(report),
    )


def _headline(report: Report) -> RenderableType:
    status = report.verdict.status
    return Text.assemble(
        (f"{_words.SYMBOLS[status]} {_words.TITLES[status]}", _STYLES[status]),
        (f"  {line(report.scenario.name)}\n", "bold"),
        line(report.verdict.says),
        "\n",
    )


def _phases(phases: Sequence[Phase]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("phase", no_wrap=True)
    for head in ("took", "longest outage", "p99 (× baseline)", "failed", "missed"):
        table.add_column(head, justify="right" if head != "longest outage" else "left")
    for phase in phases:
        table.add_row(*_phase(phase))
    return table


def _phase(phase: Phase) -> Iterator[Text]:
    traffic = phase.traffic
    yield Text(phase.name + (" ✗" if phase.error else ""), style="red" if phase.error else "")
    yield Text(_words.seconds(phase.duration_s))
    yield Text(_words.short(line(_words.closed(phase)), 40))
    yield Text(_words.slow(phase))
    yield _number(None if traffic is None else traffic.failed + traffic.unknown)
    yield _number(None if traffic is None else traffic.missed)


def _number(value: int | None) -> Text:
    return Text(_words.count(value), style="red" if value else "")


def _no_return(report: Report) -> Iterator[RenderableType]:
    told = _words.no_return(report.rollback)
    if told:
        yield Text.assemble(("\npoint of no return  ", "bold"), _words.short(line(told), _SAYS))
    plans = [one.call for one in report.rollback.behaviour or [] if (one.state, one.what) == ("back", "plan")]
    if plans:
        told = f"{_words.plural(len(plans), 'call')} planned otherwise after back: {', '.join(plans)}"
        yield Text.assemble(("plans  ", "bold"), _words.short(line(told), _SAYS))


def _findings(findings: Sequence[FindingSeen]) -> Iterator[RenderableType]:
    remedies: set[str] = set()
    for one in findings[:_FINDINGS]:
        yield _finding(one, told=one.remedy in remedies)
        remedies.add(one.remedy)
    if len(findings) > _FINDINGS:
        yield Text(f"\n… and {len(findings) - _FINDINGS} more in the report", style="dim")


def _finding(one: FindingSeen, *, told: bool) -> RenderableType:
    head = Text.assemble(("\n✗ ", "red"), (f"{one.code} {one.rule}", "bold"), (f"  {one.phase or ''}", "dim"))
    parts: list[RenderableType] = [Text(_words.short(line(one.says), _SAYS))]
    if not told:
        parts.append(Text.assemble(("→ ", "cyan"), (one.remedy, "cyan")))
    return Group(head, Padding(Group(*parts), (0, 0, 0, 2)))


def _hazards(hazards: Sequence[HazardSeen]) -> Iterator[RenderableType]:
    """Yield a line a hazard that the SQL tells and the rehearsal has not refuted."""
    open_ = [one for one in hazards if one.proof != "refuted"]
    if open_:
        yield Text("\nhazards that the SQL tells; rehearse explain CODE says what to do", style="bold")
    for one in open_[:_HAZARDS]:
        told = f"{one.code} {one.severity}, {one.phase} {one.statement}: {one.says} ({_words.proof(one)})"
        yield Padding(Text(_words.short(line(told), _SAYS)), (0, 0, 0, 2))
    if len(open_) > _HAZARDS:
        yield Padding(Text(f"… and {len(open_) - _HAZARDS} more in the report", style="dim"), (0, 0, 0, 2))


def _rules(rules: Sequence[RuleSeen]) -> Iterator[RenderableType]:
    """Yield the rules that rows break; of the others, that report has them ready to declare."""
    for one in [one for one in rules if one.warns][:_RULES]:
        yield Text.assemble(("\n! ", "yellow"), (f"{one.code} rule inferred, not declared", "bold"))
        told = f"{one.says}. If it is meant, declare it: the report has the lines."
        yield Padding(Text(_words.short(line(told), _SAYS)), (0, 0, 0, 2))
    kept = [one for one in rules if not one.warns]
    if kept:
        yield Text("\nrules that new columns follow; the report has the lines that declare them", style="dim")
    for one in kept[:_RULES]:
        yield Padding(Text(_words.short(line(one.says), _SAYS), style="dim"), (0, 0, 0, 2))
    if len(kept) > _RULES:
        yield Padding(Text(f"… and {len(kept) - _RULES} more", style="dim"), (0, 0, 0, 2))


def _gaps(gaps: Sequence[NotMeasuredSeen]) -> Iterator[RenderableType]:
    if gaps:
        yield Text("\nnot measured", style="bold yellow")
    for one in gaps[:_GAPS]:
        yield Padding(Text(_words.short(line(f"{one.what}: {one.reason}"), _SAYS)), (0, 0, 0, 2))
    if len(gaps) > _GAPS:
        yield Padding(Text(f"… and {len(gaps) - _GAPS} more in the report", style="dim"), (0, 0, 0, 2))


def _foot(report: Report) -> RenderableType:
    told = f"\n{_words.answers(report)}"
    if report.data.similarity is not None:
        told += f"\ndata like its profile: {_words.likeness(report.data)}"
    return Text(told, style="dim")


RENDERER = TerminalRenderer()
