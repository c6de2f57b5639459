"""Figures at the target's size: fitted, summed, or not known; each with its draws, by which it is added to others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rehearse.forecast import models, words
from rehearse.forecast.fit import BYTES, DRAWS, SECONDS, Fit, Noise, Point, fitted
from rehearse.forecast.models import Floats, Kind
from rehearse.forecast.outcome import Along, Amount, Figure, Measured
from rehearse.forecast.regimes import Regime
from rehearse.forecast.seen import LITTLE_MEMORY, Seen, without_literals

SIZES = 3  # fewer tell no law
_FELL = 0.7  # a figure at the largest size that is less than this share of an earlier one's fits no law
_TELLING_BYTES = 65_536.0
_TINY_S = 0.02
_TINY = Noise(relative=0.3, absolute=0.0005, session=0.2)  # of what takes less: it is all noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all forecasts of one estimate stand on: the target's rows by table, and what is otherwise there.

    `machine` are further factors of time, for a kind of work, from the calibration of two machines. `little` says that
    the target is where runs with little memory tell how it is. `sort` is the memory of a sort in bytes; None: not
    known. `main` is the table that drives a statement which names none.
    """

    at: Mapping[str, int]
    regimes: Sequence[Regime] = ()
    window_s: float | None = None
    machine: Callable[[Kind, int, np.random.Generator], Floats] | None = None
    little: bool = False
    telling_s: float = 0.02  # a time below tells nothing of its growth
    sort: int | None = None
    main: str | None = None

    def driver(self, texts: str) -> tuple[str, float]:
        """Return the table whose rows drive a statement, and their number: the largest that its text names.

        Where it names none (a table that the migration made itself), it is the main one, or else the largest there is.
        """
        bare = without_literals(texts)
        named = [name for name in self.at if re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", bare, re.IGNORECASE)]
        table = max(named or [self.main] if self.main else named or self.at, key=lambda name: self.at[name])
        return table, float(self.at[table])


@dataclass(frozen=True, slots=True)
class Guess:
    """A figure with its draws; None: it is not known."""

    figure: Figure
    draws: Floats | None


def seconds_of(
    points: Sequence[Point], kind: Kind, under: frozenset[str], ground: Ground, text: str, *, seed: int
) -> Guess:
    """Return a time under conditions that some of the runs were under; `text` names the table that drives it."""
    reason = unfit(points, ground.telling_s)
    if reason:
        return unknown("s", reason, points)
    if ground.little and had(points, LITTLE_MEMORY):
        under |= {LITTLE_MEMORY}
    noise = SECONDS if max(one.y for one in points) > _TINY_S else _TINY
    driver = ground.driver(text)
    fit = fitted(points, kind, rows=driver[1], under=under, noise=noise, seed=seed)
    random = np.random.default_rng(seed + 1_000)
    draws = fit.draws.copy()
    met = [one for one in ground.regimes if kind.name in one.kinds] if _grows(fit, points) else []
    for regime in met:
        draws *= regime.factor(kind, DRAWS, random)
    if ground.machine is not None:
        draws *= ground.machine(kind, DRAWS, random)
    why = [*words.width(fit, points), *(one.brief for one in met)]
    why += ["the other machine, by what was measured of both"] if ground.machine else []
    return _fitted("s", fit, draws, points, why, driver)


def _grows(fit: Fit, points: Sequence[Point]) -> bool:
    """Say whether it is more at the target, by half or, where the target is near, by half of what the rows are more."""
    farther = 1.0 / max(one.x for one in points) - 1.0
    return float(np.median(fit.draws)) > (1.0 + 0.5 * min(1.0, farther)) * max(one.y for one in points)


def bytes_of(
    runs: Sequence[Seen],
    figure: Callable[[Seen], float | None],
    missing: str,
    ground: Ground,
    text: str,
    *,
    kind: Kind = models.UNKNOWN,
    noise: Noise = BYTES,
) -> Guess:
    """Return a figure in bytes from the runs without traffic, whose own writes are not the migration's."""
    points = [Point(x=run.x, y=value) for run in runs if not run.under and (value := figure(run)) is not None]
    if len({one.x for one in points}) < SIZES:
        return unknown("bytes", missing, points)
    if all(one.y == 0 for one in points):
        return Guess(figure_of("bytes", np.zeros(DRAWS), says="none at any size", points=points), np.zeros(DRAWS))
    reason = unfit(points, _TELLING_BYTES)
    if reason:
        return unknown("bytes", reason, points)
    driver = ground.driver(text)
    fit = fitted(points, kind, rows=driver[1], noise=noise)
    return _fitted("bytes", fit, fit.draws, points, words.width(fit, points), driver)


def unfit(points: Sequence[Point], telling: float) -> str | None:
    """Return why no law can be told from figures; None: one can."""
    sizes = sorted({one.x for one in points})
    if len(sizes) < SIZES:
        return f"it was seen at {len(sizes)} sizes only, and fewer than {SIZES} tell no law"
    quiet = [one for one in points if not one.under] or points
    medians = [float(np.median([one.y for one in quiet if one.x == x] or [0.0])) for x in sizes]
    last, most = medians[-1], max(medians[:-1])
    if most > telling and last < _FELL * most:
        at = sizes[medians.index(most)]
        return f"it took less at the largest size than at {at / sizes[-1]:.2g} of it, so the work is not the same"
    return None


def _fitted(  # noqa: PLR0917  a figure's parts
    unit: str, fit: Fit, draws: Floats, points: Sequence[Point], why: list[str], driver: tuple[str, float]
) -> Guess:
    figure = figure_of(
        unit,
        draws,
        law=fit.law,
        weight=fit.weight,
        says=words.law(fit, unit, driver[1], driver[0]),
        why=why,
        points=points,
        along=[Along(x=x, low=low, middle=middle, high=high) for x, low, middle, high in fit.curve],
    )
    return Guess(figure, draws)


def figure_of(
    unit: str,
    draws: Floats | None,
    *,
    unknown: str | None = None,
    law: str | None = None,
    weight: float | None = None,
    says: str = "",
    why: Iterable[str] = (),
    points: Sequence[Point] = (),
    along: Sequence[Along] = (),
) -> Figure:
    """Return a figure with the interval of its draws; None: it is not known."""
    amount = None
    if draws is not None:
        low, middle, high = (float(one) for one in np.quantile(draws, (0.05, 0.5, 0.95)))
        amount = Amount(low=low, middle=middle, high=high)
    return Figure(
        unit=unit,  # type: ignore[arg-type]
        amount=amount,
        unknown=unknown,
        law=law,
        law_weight=weight,
        says=says,
        why=list(why),
        measured=[Measured(x=one.x, y=one.y, under=sorted(one.under)) for one in points],
        along=list(along),
    )


def unknown(unit: str, reason: str, points: Sequence[Point] = ()) -> Guess:
    """Return a figure that is not known, and why."""
    return Guess(figure_of(unit, None, unknown=reason, points=points), None)


def summed(guesses: Sequence[Guess], unit: str) -> Guess:
    """Return the sum of figures; what is not known of one is not known of the sum."""
    lost = [one.figure.unknown for one in guesses if one.draws is None]
    if lost:
        return unknown(unit, f"a part of it is not known: {lost[0]}")
    draws: Floats = np.sum([_together(one.draws) for one in guesses if one.draws is not None], axis=0)
    largest = max(guesses, key=lambda one: 0.0 if one.draws is None else float(np.median(one.draws)))
    return Guess(figure_of(unit, draws, says="the sum of its parts", why=largest.figure.why), draws)


def _together(draws: Floats | None) -> Floats:
    """Return draws half of which go with those of others: a law that is misjudged for one is for its likes."""
    assert draws is not None
    half = len(draws) // 2
    return np.concatenate([np.sort(draws[:half]), draws[half:]])


def with_points(figure: Figure, points: Sequence[Point], ground: Ground, texts: str) -> Figure:
    """Return the sum with the whole's own measured figures, and the fit of the whole for the picture."""
    measured = [Measured(x=one.x, y=one.y, under=sorted(one.under)) for one in points]
    along: list[Along] = []
    if figure.amount is not None and not unfit(points, ground.telling_s):
        under = frozenset.union(*(one.under for one in points)) - ({LITTLE_MEMORY} if not ground.little else set())
        fit = fitted(points, models.UNKNOWN, rows=ground.driver(texts)[1], under=under)
        along = [Along(x=x, low=low, middle=middle, high=high) for x, low, middle, high in fit.curve]
    fields = {name: getattr(figure, name) for name in ("unit", "amount", "unknown", "law", "law_weight", "says", "why")}
    return Figure(**fields, measured=measured, along=along)


def had(points: Sequence[Point], condition: str) -> bool:
    """Say whether some of the figures were under a condition."""
    return any(condition in one.under for one in points)
