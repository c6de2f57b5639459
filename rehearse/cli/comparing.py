"""A comparison on a server: rounds of runs, each with its own report, then one table of what is known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

import click
from rich.console import Console
from rich.status import Status

from rehearse import strategies as library
from rehearse.cli import masked
from rehearse.cli.matrix import worst
from rehearse.cli.run import Options, console, read_whole
from rehearse.errors import Mistake, ScenarioMistake, near_miss
from rehearse.events import Event, Remarked
from rehearse.judging import judge
from rehearse.measures import alike
from rehearse.measures.end_states import EndState
from rehearse.model import Recording, Scenario, StrategyChoice
from rehearse.reading import strategies
from rehearse.rehearsal.contest import Contest, Entry, contest, rounds
from rehearse.rehearsal.progress import Silent
from rehearse.rehearsal.ways import reached
from rehearse.reports import _comparison_forms as forms
from rehearse.reports import folder as folders
from rehearse.reports._document import document
from rehearse.reports._shape_comparison import Compared
from rehearse.reports.comparison import Contender, Ran, Setting, as_json, compared

EXIT = {"passed": 0, "failed": 1, "unknown": 3, "not run": 3}
_COPIED = "prepared once; every run had a copy of the same bytes, checkpointed and brought to the disk"
_ANEW = "prepared anew for each run from the same seed, since this engine makes no copies: the same rows, other files"
_CACHES = (
    "each run began with its data on the disk and in the system's cache; the server's own cache was warmed by what "
    "reads keys for the calls and by {baseline} of the baseline's traffic, the same for all"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How much is said, and in which form."""

    as_json: bool
    quiet: bool


def strategies_of(
    files: Sequence[Path], engine: str | None, options: Options, *, ways: str | None, only: Sequence[str]
) -> tuple[Scenario, list[Scenario]]:
    """Return the scenario that stands for the whole, and one for each strategy of all files."""
    read = [_read(path, engine, options) for path in dict.fromkeys(files)]
    if ways is not None and len(read) > 1:
        raise Mistake("--ways: name one scenario, whose [change] the ways make")
    found = [one for scenario in read for one in strategies.expanded(scenario, _ways(scenario, ways))]
    if len(read) > 1:
        found = _named_apart(found)
    return _whole(read), _chosen(found, only)


def _read(path: Path, engine: str | None, options: Options) -> Scenario:
    scenario = read_whole(path, engine, options)
    return scenario if engine is None or options.via is not None else reached(scenario)[0]


def _ways(scenario: Scenario, ways: str | None) -> Sequence[str]:
    """Return the names of the ways that the command line asks for."""
    if ways is None:
        return ()
    if scenario.change is None:
        raise ScenarioMistake(f"{scenario.file or scenario.name}: --ways: there is no [change] that a way could make")
    known: tuple[str, ...] = library.ways(scenario.change, scenario.engine.name)
    asked = list(known) if ways == "all" else [one.strip() for one in ways.split(",") if one.strip()]
    for one in asked:
        if one not in known:
            raise Mistake(f"--ways {one}: no way to {scenario.change.kind} here{near_miss(one, known)}")
    return [one for one in asked if one not in {choice.way for choice in scenario.strategies if choice.name is None}]


def _named_apart(found: Sequence[Scenario]) -> list[Scenario]:
    """Return strategies of several files, by their scenarios' names where there is no other or two have the same."""
    counts = Counter(strategies.named(one) for one in found)
    named = []
    for one in found:
        name = strategies.named(one)
        choice = one.strategies[0] if len(one.strategies) == 1 else StrategyChoice()
        is_clear = bool(one.strategies) and counts[name] == 1
        named.append(one if is_clear else replace(one, strategies=[replace(choice, name=one.name)]))
    return named


def leaving(scenario: Scenario, tables: Sequence[str]) -> Scenario:
    """Return a strategy's scenario with more tables that it may leave for its own use."""
    choice = scenario.strategies[0] if scenario.strategies else StrategyChoice(name=strategies.AS_WRITTEN)
    return replace(scenario, strategies=[replace(choice, leftovers=[*choice.leftovers, *tables])])


def _whole(read: Sequence[Scenario]) -> Scenario:
    """Return the scenario that stands for all: the only one, or the first by the beginning that their names share."""
    if len(read) == 1:
        return read[0]
    first, last = min(one.name for one in read), max(one.name for one in read)
    shared = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    name = shared.strip("-_. ") or "comparison"
    return replace(read[0], name=name)


def _chosen(found: Sequence[Scenario], only: Sequence[str]) -> list[Scenario]:
    named = {strategies.named(one): one for one in found}
    for name in only:
        if name not in named:
            raise Mistake(f"--strategy {name}: there is no such strategy{near_miss(name, named)}")
    chosen = [one for one in found if not only or strategies.named(one) in only]
    if len(chosen) < 2:
        raise Mistake(
            "one strategy has nothing to be compared with: name another scenario, write [[strategies]], or give --ways"
        )
    return chosen


# --- the runs


@dataclass(slots=True)
class _Known:
    """What is known so far."""

    entries: Sequence[Entry] = ()
    ends: dict[str, EndState] = field(default_factory=dict)
    ran: dict[str, list[Ran]] = field(default_factory=dict)
    otherwise: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    codes: list[int] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    copies: bool = True
    capacity: float | None = None
    remarks: list[str] = field(default_factory=list)

    def contenders(self) -> list[Contender]:
        """Return the strategies with their runs."""
        return [
            Contender(
                name=one.name,
                scenario=one.scenario,
                runs=self.ran.get(one.name, ()),
                end=self.ends.get(one.name),
                otherwise=self.otherwise.get(one.name, ()),
                refused=self.refused.get(one.name),
            )
            for one in self.entries
        ]


def compare(whole: Scenario, scenarios: Sequence[Scenario], *, repeats: int, out: Path | None, telling: Telling) -> int:
    """Rehearse all strategies in rounds, write and show the comparison, and return the exit code."""
    known = _Known(remarks=list(alike.other_words(scenarios)))
    with folders.opened(whole, out) as folder, _kept(whole, known, repeats, folder):
        with _shown(telling) as line, contest(scenarios, line) as going:
            known.entries, known.copies, known.capacity = going.entries, going.copies, going.capacity
            for name, state in going.end_states():
                known.ends[name] = state
            names = [one.name for one in going.entries]
            for place, (number, name) in enumerate(rounds(names, repeats, whole.seed), 1):
                line.what = f"round {number} of {repeats}: {name}"
                _run(going, known, (number, place, name), folder, line)
        found = _written(whole, known, repeats, folder)
        tell(found, folder / "comparison.html", telling)
    return worst([EXIT[found.status], *known.codes])


def _run(going: Contest, known: _Known, at: tuple[int, int, str], folder: Path, line: _Line) -> None:
    """Rehearse a strategy once; one that cannot be run here is told so, and the others go on."""
    number, place, name = at
    if name in known.refused:
        return
    entry = next(one for one in going.entries if one.name == name)
    try:
        recording = going.rehearse(entry, line)
    except Mistake as error:
        known.refused[name] = masked(str(error))
        known.codes.append(error.exit_code)
        click.echo(f"rehearse: {name}: not run: {known.refused[name]}", err=True)
        return
    known.order.append(name)
    here = folder / strategies.folder_name(name) / str(number)
    verdict = judge(recording)
    folders.write(recording, verdict, here, newest=False)
    report = document(recording, verdict)
    ran = Ran(report=report, round=number, place=place, folder=here.relative_to(folder).as_posix())
    known.ran.setdefault(name, []).append(ran)
    _note_ends(going, known, name, recording)
    line.told(f"{name}: {report.verdict.status}: {report.verdict.says.replace(' below.', '.')}")


def _note_ends(going: Contest, known: _Known, name: str, recording: Recording) -> None:
    said = known.otherwise.setdefault(name, [])
    said += [one for one in going.otherwise(name, recording) if one not in said]


@contextmanager
def _kept(whole: Scenario, known: _Known, repeats: int, folder: Path) -> Iterator[None]:
    """Write what is known also where the rest is not run any more."""
    try:
        yield
    except BaseException as stopped:
        if any(known.ran.values()) and not isinstance(stopped, GeneratorExit):
            why = "interrupted" if isinstance(stopped, KeyboardInterrupt) else f"it broke: {type(stopped).__name__}"
            known.remarks.append(f"not all runs were made: {why}")
            _written(whole, known, repeats, folder)
            click.echo(f"rehearse: what is known so far is in {folder / 'comparison.html'}", err=True)
        raise


def _written(whole: Scenario, known: _Known, repeats: int, folder: Path) -> Compared:
    contenders = known.contenders()
    found = compared(contenders, _setting(whole, known, repeats))
    forms.write(found, contenders, folder)
    return found


def _setting(whole: Scenario, known: _Known, repeats: int) -> Setting:
    from rehearse.units import human_duration  # noqa: PLC0415

    workload = known.entries[0].scenario.workload if known.entries else whole.workload
    rate = f"{workload.rate:,.0f} calls/s" if isinstance(workload.rate, float | int) else str(workload.rate)
    share = "" if known.capacity is None else f", of {known.capacity:,.0f}/s that the database answers at most"
    return Setting(
        scenario=whole,
        repeats=repeats,
        order=known.order,
        data=_COPIED if known.copies else _ANEW,
        traffic=f"{rate} by {workload.sessions} sessions{share}, drawn from the same seed for every run",
        caches=_CACHES.format(baseline=human_duration(workload.baseline)),
        remarks=known.remarks,
    )


# --- showing


class _Line(Silent):
    """A line on a terminal that says what is under way, and a line for each run that is over."""

    def __init__(self, console: Console, status: Status | None, *, quiet: bool) -> None:
        self.what = ""
        self._console, self._status, self._quiet = console, status, quiet
        self._said: set[str] = set()

    def stage(self, name: str) -> None:
        """Show the stage that begins."""
        if self._status is not None:
            self._status.update(f"{self.what}  {name}" if self.what else name)

    def event(self, event: Event, /) -> None:
        """Print what weakens the figures, once."""
        if isinstance(event, Remarked) and event.weakens and event.says not in self._said:
            self._said.add(event.says)
            self.told(f"! {event.source}: {event.says}")

    def told(self, says: str) -> None:
        """Print a line that stays."""
        if not self._quiet:
            self._console.print(f"  {says}", markup=False, overflow="ellipsis", no_wrap=True)


@contextmanager
def _shown(telling: Telling) -> Iterator[_Line]:
    console = Console(stderr=True, highlight=False)
    quiet = telling.as_json or telling.quiet
    if quiet or not console.is_terminal:
        yield _Line(console, None, quiet=quiet)
        return
    with console.status("") as status:
        yield _Line(console, status, quiet=False)


def tell(found: Compared, page: Path | None, telling: Telling) -> None:
    """Print a comparison: as JSON, as one line, or as a table; then where its page is."""
    if telling.as_json:
        click.echo(json.dumps(as_json(found), ensure_ascii=False, indent=2, allow_nan=False))
        return
    if telling.quiet:
        click.echo(f"{found.name}: {forms.headline(found)}")
    else:
        shown = console()
        shown.print(forms.table(found, width=shown.width))
    if page is not None:
        click.echo(str(page))
