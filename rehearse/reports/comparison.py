"""compared(strategies) -> Compared: the figures of every strategy, who is best by each, and in which order they stand.

It needs no server: reports of runs go in, and where each strategy ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from rehearse.measures import ranking
from rehearse.measures.end_states import EndState
from rehearse.measures.ranking import Sample
from rehearse.model import Scenario, StrategyChoice
from rehearse.reports import _comparison_figures, _words
from rehearse.reports._comparison_figures import BLOCKED, DURATION, FIGURES, RANKED, Figure
from rehearse.reports._document import allowed, path
from rehearse.reports._shape import Report
from rehearse.reports._shape_comparison import (
    Compared,
    EndSeen,
    FigureTold,
    Method,
    RunSeen,
    SpreadSeen,
    StrategySeen,
)

Status = Literal["passed", "unknown", "failed", "not run"]
NOT_RUN: Status = "not run"
_NAMED = 3  # others that are named beside the first
_WORST: Sequence[Status] = ("failed", "unknown", "passed")
INTERVALS = (
    "the median of the runs, and in brackets the smallest to the largest of them; from six runs on the narrowest pair "
    "of runs that holds the true median with 95 %"
)
TEST = (
    f"one strategy is better than another by a figure where their intervals, widened by the figures' own doubt, do not "
    f"meet and the exact test of ranks gives p ≤ {ranking.LEVEL:g}, which three runs each can just reach; a winner is "
    "better than each of the others"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run's report, in which round and at which place it ran, and where its reports are, from the comparison's."""

    report: Report
    round: int
    place: int | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A strategy, what is known of its runs, and where it ended; `refused` is why it was not run, or not to the end."""

    name: str
    scenario: Scenario
    runs: Sequence[Ran] = ()
    end: EndState | None = None
    otherwise: Sequence[str] = ()  # where it ended otherwise under traffic than in quiet
    refused: str | None = None

    @property
    def choice(self) -> StrategyChoice | None:
        """The scenario's own words for it."""
        return self.scenario.strategies[0] if len(self.scenario.strategies) == 1 else None

    @property
    def status(self) -> Status:
        """The worst verdict of its runs."""
        statuses = {one.report.verdict.status for one in self.runs}
        return next((one for one in _WORST if one in statuses), NOT_RUN)

    @property
    def competes(self) -> bool:
        """Whether it was run and ends where the first does."""
        elsewhere = bool(self.otherwise) or (self.end is not None and self.end.is_elsewhere)
        return bool(self.runs) and not elsewhere

    def sample(self, figure: Figure) -> Sample:
        """Return a figure of its runs."""
        doubts = [figure.doubt(one.report) for one in self.runs]
        return Sample(values=tuple(figure.of(one.report) for one in self.runs), doubt=max(doubts, default=0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How it was compared, as far as the runs do not tell it; `scenario` is the one with all strategies."""

    scenario: Scenario
    repeats: int
    order: Sequence[str]
    data: str
    traffic: str
    caches: str
    remarks: Sequence[str] = ()


def compared(contenders: Sequence[Contender], setting: Setting) -> Compared:
    """Return the comparison of what is known so far."""
    competing = [one for one in contenders if one.competes]
    order = _order(competing)
    reports = [run.report for one in contenders for run in one.runs]
    first = reports[0] if reports else None
    scenario = setting.scenario
    status = _status(contenders, competing)
    equals = _equals(order)
    return Compared(
        format=1,
        name=scenario.name,
        why=scenario.why,
        file=path(scenario),
        engine=scenario.engine.name,
        engine_version=first.scenario.engine_version if first else None,
        via=scenario.engine.via,
        seed=scenario.seed,
        status=status,
        winner=equals[0].name if len(equals) == 1 else None,
        says=_says(order, contenders),
        budget=allowed(scenario.budget),
        environment=first.environment if first else None,
        tables=dict(first.data.tables) if first else {},
        method=Method(
            repeats=setting.repeats,
            order=list(setting.order),
            data=setting.data,
            traffic=setting.traffic,
            caches=setting.caches,
            intervals=INTERVALS,
            test=TEST,
        ),
        figures=[_figure(one, competing) for one in FIGURES],
        strategies=[*_seen(order), *(_strategy(one, None, _outside(one)) for one in contenders if not one.competes)],
        remarks=list(dict.fromkeys([*setting.remarks, *_weak(contenders)])),
    )


# --- the order


def _order(competing: Sequence[Contender]) -> list[Contender]:
    """Return who takes part: those that keep their budget, then by outage, then by duration, as noise allows."""
    groups = [[one.name for one in competing if one.status == status] for status in reversed(_WORST)]
    figures = [{one.name: one.sample(figure) for one in competing} for figure in _by(BLOCKED, DURATION)]
    named = {one.name: one for one in competing}
    return [named[name] for name in ranking.ordered(groups, figures)]


def _by(*keys: str) -> list[Figure]:
    return [next(figure for figure in FIGURES if figure.key == key) for key in keys]


def _seen(order: Sequence[Contender]) -> list[StrategySeen]:
    """Return the strategies in their order, each with why it stands before the next or behind the one before."""
    found = []
    for place, one in enumerate(order):
        other = order[place - 1] if place else order[1] if len(order) > 1 else None
        if other is None:
            why = "nothing else ends where it does"
        elif place:
            why = f"behind {other.name}: {_why(other, one)}"
        else:
            why = f"before {other.name}: {_why(one, other)}"
        found.append(_strategy(one, place + 1, why))
    return found


def _why(better: Contender, worse: Contender) -> str:
    """Say why one stands before another."""
    if better.status != worse.status:
        return f"{_kept(better)} against {_kept(worse)}"
    figure = _telling(better, worse)
    if figure is None:
        runs = min(len(better.runs), len(worse.runs))
        few = f", which {_words.plural(runs, 'run')} of each cannot measure" if runs < ranking.ENOUGH else ""
        return f"neither outage nor duration tells them apart beyond the noise{few}; the medians decide"
    return f"{figure.title} {_shown(figure, better)} against {_shown(figure, worse)}"


def _telling(better: Contender, worse: Contender) -> Figure | None:
    """Return the figure that tells one from another, outage before duration; None: neither does beyond the noise."""
    figures = _by(BLOCKED, DURATION)
    return next((one for one in figures if ranking.better(better.sample(one), worse.sample(one))), None)


def _shown(figure: Figure, one: Contender) -> str:
    return cell(figure.unit, ranking.spread(one.sample(figure)))


def _kept(one: Contender) -> str:
    """Say how a strategy's runs stand to its budget."""
    runs = _words.plural(len(one.runs), "run")
    if one.status == "passed":
        return f"passed in {'its run' if len(one.runs) == 1 else f'each of {runs}'}"
    checks = [check for run in one.runs for check in run.report.verdict.checks if check.status == one.status]
    codes = list(dict.fromkeys(check.code for check in checks))
    word = "failed" if one.status == "failed" else "not told"
    count = sum(run.report.verdict.status == one.status for run in one.runs)
    return f"{word} in {count} of {runs} ({', '.join(codes[:4])}{' …' if len(codes) > 4 else ''})"


def _outside(one: Contender) -> str:
    """Say why a strategy takes no part in the order."""
    if not one.runs:
        return f"not run: {one.refused}" if one.refused else "not run"
    if one.end is not None and one.end.error is not None:
        return f"it does not get to its end: {one.end.error}"
    if one.end is not None and one.end.differs:
        return f"not an alternative, since it ends elsewhere: {_listed(one.end.differs)}"
    return f"not an alternative, since under traffic it ends otherwise than in quiet: {_listed(one.otherwise)}"


def _listed(reasons: Sequence[str], most: int = 3) -> str:
    more = len(reasons) - most
    return "; ".join(reasons[:most]) + (f"; and {more} more" if more > 0 else "")


# --- the result


def _status(contenders: Sequence[Contender], competing: Sequence[Contender]) -> Status:
    """Return passed where an alternative passed, failed where none did, unknown where no run could be believed."""
    statuses = {one.status for one in competing}
    if "passed" in statuses:
        return "passed"
    if not any(one.runs for one in contenders):
        return NOT_RUN
    return "unknown" if statuses == {"unknown"} else "failed"


def _says(order: Sequence[Contender], contenders: Sequence[Contender]) -> str:
    """Return the result in one sentence."""
    if not order:
        return "no strategy was run to an end that can be compared" if contenders else "nothing was compared"
    first, others = order[0], order[1:]
    passed = [one for one in order if one.status == "passed"]
    if not passed:
        word = "keeps the budget" if first.status == "failed" else "could be believed to keep the budget"
        return f"no strategy {word}; {first.name} comes nearest: {_beside(first, others)}"
    if len(passed) == 1:
        return f"{first.name} alone keeps the budget: {_beside(first, others)}"
    equals = _equals(order)
    if len(equals) > 1:
        names = " and ".join(one.name for one in equals)
        return f"no difference that the noise allows between {names}, in outage or duration; they keep the budget"
    return f"{first.name} is best: {_beside(first, others)}"


def _equals(order: Sequence[Contender]) -> list[Contender]:
    """Return the first that keeps the budget, and all who do and cannot be told from it by outage or duration."""
    passed = [one for one in order if one.status == "passed"]
    return [one for one in passed if one is passed[0] or _telling(passed[0], one) is None]


def _beside(first: Contender, others: Sequence[Contender]) -> str:
    """Return the outage and the duration of the first, with those of the others."""
    outage, duration = _by(BLOCKED, DURATION)
    closed = [f"{one.name} for {_shown(outage, one)}" for one in others[:_NAMED]]
    took = [_median(duration, one) for one in others[:_NAMED]]
    said = ", ".join([f"it closes a table for {_shown(outage, first)} at most", *closed])
    return f"{said}; it takes {_median(duration, first)}" + (
        f", the other{'s' * (len(took) > 1)} {' and '.join(took)}" if took else ""
    )


def _median(figure: Figure, one: Contender) -> str:
    spread = ranking.spread(one.sample(figure))
    return value(figure.unit, None if spread is None else spread.median)


def _figure(figure: Figure, competing: Sequence[Contender]) -> FigureTold:
    if figure.key not in RANKED:
        best: Sequence[str] = ()
        p, says = None, "not ranked"
    else:
        samples = {one.name: one.sample(figure) for one in competing}
        won = ranking.winner(samples, more_is_better=figure.more_is_better)
        best, p = won.best, won.p
        says = won.reason or f"{best[0]} (p ≤ {p:.2g})"
    return FigureTold(
        key=figure.key,
        group=figure.group,
        title=figure.title,
        unit=figure.unit,
        budget=figure.budget,
        best=list(best),
        p=p,
        says=says,
    )


# --- a strategy


def _strategy(one: Contender, rank: int | None, why: str) -> StrategySeen:
    choice = one.choice
    samples = {figure.key: one.sample(figure) for figure in FIGURES}
    counts = [count for run in one.runs if (count := _comparison_figures.statements(run.report)) is not None]
    return StrategySeen(
        name=one.name,
        way=choice.way if choice else None,
        status=one.status,
        refused=one.refused,
        rank=rank,
        why=why,
        deploys=choice.deploys if choice else None,
        statements=max(counts, default=None),
        steps=max((_comparison_figures.steps(run.report) for run in one.runs), key=len, default=[]),
        tool=one.scenario.migration.tool,
        end=_end(one),
        figures={key: _spread(sample) for key, sample in samples.items()},
        no_return=_no_return(one),
        runs=[_run(run) for run in one.runs],
    )


def _end(one: Contender) -> EndSeen:
    end = one.end or EndState()
    known = one.end is not None or bool(one.otherwise)
    return EndSeen(
        is_alternative=not (one.otherwise or end.is_elsewhere) if known else None,
        is_first=end.is_first,
        error=end.error,
        differs=[*end.differs, *(f"under traffic, {says}" for says in one.otherwise)],
        cosmetic=list(end.cosmetic),
        leftovers=list(end.leftovers),
        not_compared=list(end.not_compared),
    )


def _spread(sample: Sample) -> SpreadSeen | None:
    found = ranking.spread(sample)
    if found is None:
        return None
    return SpreadSeen(
        median=found.median,
        low=found.low,
        high=found.high,
        holds=found.holds,
        measured=found.measured,
        doubt=sample.doubt,
    )


def _run(run: Ran) -> RunSeen:
    report = run.report
    codes = {status: [one.code for one in report.verdict.checks if one.status == status] for status in _WORST}
    return RunSeen(
        round=run.round,
        place=run.place,
        status=report.verdict.status,
        says=report.verdict.says.replace(" below.", "."),
        failed=codes["failed"],
        unknown=codes["unknown"],
        folder=run.folder,
        figures={figure.key: figure.of(report) for figure in FIGURES},
        no_return=_words.no_return(report.rollback),
    )


def _no_return(one: Contender) -> str | None:
    """Return the point of no return of the run where it comes first; None: not measured in any."""
    found = [(run.report.rollback, _words.no_return(run.report.rollback)) for run in one.runs]
    known = [(back, says) for back, says in found if says is not None]
    if not known:
        return None
    return min(known, key=lambda pair: _lost_at(pair[0]))[1]


def _lost_at(rollback: Any) -> float:
    point, blocked = rollback.point_of_no_return, rollback.blocked
    if blocked is not None:
        return float("-inf") if blocked.at_ms is None else cast(float, blocked.at_ms)
    return float("inf") if point.at_ms is None else cast(float, point.at_ms)


def _weak(contenders: Sequence[Contender]) -> list[str]:
    """Return what weakens what was measured, once each, with the strategies that it is said of."""
    said: dict[str, list[str]] = {}
    for one in contenders:
        for says in dict.fromkeys(r.says for run in one.runs for r in run.report.remarks if r.weakens):
            said.setdefault(says, []).append(one.name)
    return [f"{', '.join(names)}: {says}" for says, names in said.items()]


# --- words


def value(unit: str, amount: float | None) -> str:
    """Return an amount in its unit."""
    words = {
        "ms": _words.ms,
        "s": _words.seconds,
        "bytes": _words.size,
        "count": _words.count,
        "ratio": _words.ratio,
        "share": _words.share,
    }
    return words[unit](amount)


def interval(unit: str, spread: ranking.Spread | SpreadSeen | None) -> str | None:
    """Return "12–15 ms", without the unit where it is that of the median; None: the runs are alike, or there is one."""
    if spread is None or spread.measured < 2:
        return None
    (low, of_low), (high, of_high), (_, of_median) = (
        value(unit, one).rpartition(" ")[::2] for one in (spread.low, spread.high, spread.median)
    )
    if (low, of_low) == (high, of_high):
        return None
    if of_low != of_high or not low or " " in low + high:
        return f"{value(unit, spread.low)} – {value(unit, spread.high)}"
    return f"{low}–{high}" + ("" if of_high == of_median else f" {of_high}")


def cell(unit: str, spread: ranking.Spread | SpreadSeen | None) -> str:
    """Return the median with its interval."""
    if spread is None:
        return _words.NOT_MEASURED
    between = interval(unit, spread)
    return value(unit, spread.median) + (f" ({between})" if between else "")


def as_json(found: Compared) -> dict[str, Any]:
    """Return the comparison as plain values."""
    return asdict(found)
