"""The order of strategies, and why each stands where it does, in words."""

from __future__ import annotations

from collections.abc import Sequence

from rehearse.measures import ranking
from rehearse.reports import _words
from rehearse.reports._comparison_figures import BLOCKED, DURATION, FIGURES, Figure
from rehearse.reports._comparison_words import cell, value
from rehearse.reports._contenders import NOT_RUN, WORST, Contender, Status

_NAMED = 3  # others that are named beside the first


def in_order(competing: Sequence[Contender]) -> list[Contender]:
    """Return who takes part: those that keep their budget, then by outage, then by duration, as noise allows."""
    groups = [[one.name for one in competing if one.status == status] for status in reversed(WORST)]
    figures = [{one.name: one.sample(figure) for one in competing} for figure in _by(BLOCKED, DURATION)]
    named = {one.name: one for one in competing}
    return [named[name] for name in ranking.ordered(groups, figures)]


def _by(*keys: str) -> list[Figure]:
    return [next(figure for figure in FIGURES if figure.key == key) for key in keys]


def why(better: Contender, worse: Contender) -> str:
    """Say why one stands before another."""
    if better.status != worse.status:
        return f"{_kept(better)} against {_kept(worse)}"
    figure = _telling(better, worse)
    if figure is None and (unmeasured := _unmeasured([better, worse])):
        return f"{unmeasured}; the medians of the others decide"
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


def outside(one: Contender) -> str:
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


def status(contenders: Sequence[Contender], competing: Sequence[Contender]) -> Status:
    """Return passed where an alternative passed, failed where none did, unknown where no run could be believed."""
    statuses = {one.status for one in competing}
    if "passed" in statuses:
        return "passed"
    if not any(one.runs for one in contenders):
        return NOT_RUN
    return "unknown" if statuses == {"unknown"} else "failed"


def result(order: Sequence[Contender], contenders: Sequence[Contender]) -> str:
    """Return the result in one sentence."""
    if not order:
        return "no strategy was run to an end that can be compared" if contenders else "nothing was compared"
    first, others = order[0], order[1:]
    passed = [one for one in order if one.status == "passed"]
    if not passed:
        word = "keeps the budget" if first.status == "failed" else "could be believed to keep the budget"
        return f"no strategy {word}; {first.name} comes nearest: {_beside(first, others)}"
    if not is_compared(order, contenders):
        elsewhere = _elsewhere(contenders)
        return (
            f"{first.name} keeps the budget, and nothing else ends where it does, so that it is compared with nothing: "
            f"{_beside(first, ())}; {_and(elsewhere)} end{'s' * (len(elsewhere) == 1)} elsewhere"
        )
    if len(passed) == 1:
        return f"{first.name} alone {_is_kept(order, contenders)}: {_beside(first, others)}"
    best = equals(order)
    return _no_winner(best, others) if len(best) > 1 else f"{first.name} is best: {_beside(first, others)}"


def _no_winner(best: Sequence[Contender], others: Sequence[Contender]) -> str:
    """Say why none of those that keep the budget can be called the best."""
    names = _and([one.name for one in best])
    runs = min(len(one.runs) for one in best)
    if runs < ranking.ENOUGH:
        few = f"{_words.plural(runs, 'run')} of each cannot tell {names} apart"
        return f"{few}; by the medians {best[0].name} is first: {_beside(best[0], others)}"
    if unmeasured := _unmeasured(best):
        return f"{names} keep the budget, and cannot be told apart: {unmeasured}"
    return f"no difference that the noise allows between {names}, in outage or duration; they keep the budget"


def is_compared(order: Sequence[Contender], contenders: Sequence[Contender]) -> bool:
    """Say whether the first can be called the best: not where it is alone at its end and others stand at another."""
    return len(order) > 1 or not _elsewhere(contenders)


def _elsewhere(contenders: Sequence[Contender]) -> list[str]:
    """Return the names of those that went to an end of their own."""
    return [one.name for one in contenders if one.runs and one.end is not None and one.end.differs]


def _is_kept(order: Sequence[Contender], contenders: Sequence[Contender]) -> str:
    """Say that one alone keeps the budget, as far as it is known of the others."""
    doubtful = [one.name for one in order if one.status == "unknown"]
    absent = [one.name for one in contenders if not one.runs]
    said = [f"of {_and(doubtful)} it cannot be told"] * bool(doubtful)
    said += [f"{_and(absent)} {'was' if len(absent) == 1 else 'were'} not run"] * bool(absent)
    return "keeps the budget" if not said else f"is known to keep the budget ({'; '.join(said)})"


def _unmeasured(some: Sequence[Contender]) -> str | None:
    """Say which of outage and duration was not measured in each run; None: both were."""
    said = [
        f"the {figure.title} of {_and(names)} was not measured in each run"
        for figure in _by(BLOCKED, DURATION)
        if (names := [one.name for one in some if not one.sample(figure).is_whole])
    ]
    return _and(said) or None


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


def equals(order: Sequence[Contender]) -> list[Contender]:
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
