"""compared(strategies) -> Compared: the figures of every strategy, who is best by each, and in which order they stand.

It needs no server: reports of runs go in, and where each strategy ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from rehearse.measures import ranking
from rehearse.measures.end_states import EndState
from rehearse.measures.ranking import Sample
from rehearse.model import Scenario
from rehearse.reports import _comparison_figures, _words
from rehearse.reports._comparison_figures import FIGURES, RANKED, Figure
from rehearse.reports._comparison_order import equals, in_order, is_compared, outside, result, status, why
from rehearse.reports._contenders import WORST, Contender, Ran
from rehearse.reports._document import allowed, path
from rehearse.reports._shape_comparison import (
    Compared,
    EndSeen,
    FigureTold,
    Method,
    RunSeen,
    SpreadSeen,
    StrategySeen,
)

__all__ = ["Contender", "Ran", "Setting", "as_json", "compared"]

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
    ranked = in_order(competing)
    reports = [run.report for one in contenders for run in one.runs]
    first = reports[0] if reports else None
    scenario = setting.scenario
    best = equals(ranked)
    return Compared(
        format=1,
        name=scenario.name,
        why=scenario.why,
        file=path(scenario),
        engine=scenario.engine.name,
        engine_version=first.scenario.engine_version if first else None,
        via=scenario.engine.via,
        seed=scenario.seed,
        status=status(contenders, competing),
        winner=best[0].name if len(best) == 1 and is_compared(ranked, contenders) else None,
        says=result(ranked, contenders),
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
        strategies=[*_seen(ranked), *(_strategy(one, None, outside(one)) for one in contenders if not one.competes)],
        remarks=list(dict.fromkeys([*setting.remarks, *_agreeing(contenders), *_weak(contenders)])),
    )


# --- what is seen


def _seen(order: Sequence[Contender]) -> list[StrategySeen]:
    """Return the strategies in their order, each with why it stands before the next or behind the one before."""
    found = []
    for place, one in enumerate(order):
        other = order[place - 1] if place else order[1] if len(order) > 1 else None
        if other is None:
            reason = "nothing else ends where it does"
        elif place:
            reason = f"behind {other.name}: {why(other, one)}"
        else:
            reason = f"before {other.name}: {why(one, other)}"
        found.append(_strategy(one, place + 1, reason))
    return found


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


def _strategy(one: Contender, rank: int | None, reason: str) -> StrategySeen:
    choice = one.choice
    samples = {figure.key: one.sample(figure) for figure in FIGURES}
    counts = [count for run in one.runs if (count := _comparison_figures.statements(run.report)) is not None]
    return StrategySeen(
        name=one.name,
        way=choice.way if choice else None,
        status=one.status,
        refused=one.refused,
        rank=rank,
        why=reason,
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
    codes = {status: [one.code for one in report.verdict.checks if one.status == status] for status in WORST}
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


def _agreeing(contenders: Sequence[Contender]) -> list[str]:
    """Say which strategies differ from the first in the same: it may be the first that ends elsewhere."""
    first = next((one.name for one in contenders if one.end is not None and one.end.is_first), None)
    alike: dict[tuple[str, ...], list[str]] = {}
    for one in contenders:
        if one.end is not None and one.end.differs:
            places = tuple(says.partition(", for example ")[0] for says in one.end.differs)
            alike.setdefault(places, []).append(one.name)
    return [
        f"{' and '.join(names)} differ from {first} in the same: it may be {first} that ends elsewhere; all are held "
        "against the strategy that stands first in the scenario, so put there the one that ends as it is meant"
        for names in alike.values()
        if first is not None and len(names) > 1
    ]


def _weak(contenders: Sequence[Contender]) -> list[str]:
    """Return what weakens what was measured, once each, with the strategies that it is said of."""
    said: dict[str, list[str]] = {}
    for one in contenders:
        for says in dict.fromkeys(r.says for run in one.runs for r in run.report.remarks if r.weakens):
            said.setdefault(says, []).append(one.name)
    return [f"{', '.join(names)}: {says}" for says, names in said.items()]


def as_json(found: Compared) -> dict[str, Any]:
    """Return the comparison as plain values."""
    return asdict(found)
