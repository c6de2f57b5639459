"""What figures at a few sizes say of the figure at another: every admissible law, each as far as the figures bear it.

For each candidate law the logarithms of the figures are a level, an effect for each condition that some runs were under
(traffic, little memory) and noise. Level, effects and noise are integrated out (a conjugate linear model), so that a
candidate's weight is how well it predicted the figures, and its prediction is Student's t. The forecast is the mixture
of all, as draws: its width holds the scatter of repeats, the doubt in the fixed part, the level and the law, and grows
with the distance. Runs that a hiccup hit weigh less (by the first fit's residuals, as in robust regression).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rehearse.forecast.models import CONSTANT, Floats, Kind, Laws, candidates, shape

DRAWS = 4_000
_DEGREES = 4.0  # runs that the noise known beforehand counts for
_ABOVE, _BELOW = 0.5, 2.5  # of the scatter: what lies farther off weighs less
_QUANTILES = (0.05, 0.5, 0.95)
_PLACES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A figure of one run at a share of the target's rows, and the conditions that the run was under."""

    x: float
    y: float
    under: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What is known of scatter beforehand: relative from run to run, absolute below, and from one day to another."""

    relative: float = 0.06
    absolute: float = 0.0
    session: float = 0.04


SECONDS = Noise(relative=0.06, absolute=0.0015, session=0.04)
BYTES = Noise(relative=0.01, absolute=4096.0, session=0.005)
DISK = Noise(relative=0.05, absolute=65536.0, session=0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A forecast at share 1 as draws, and what was learnt on the way.

    `law` is the likeliest with its `weight`; `fixed` and `slope` are its parameters in figures: y = fixed + slope · g.
    `scatter` is the relative standard deviation of one run. `curve` gives (x, low, middle, high) along the sizes.
    `of_law` is the standard deviation of the logarithm that comes from not knowing the law, `of_runs` from the runs.
    """

    draws: Floats
    law: str
    weight: float
    fixed: float
    slope: float
    scatter: float
    of_law: float
    of_runs: float
    curve: tuple[tuple[float, float, float, float], ...]
    effects: dict[str, float]


def fitted(
    points: Sequence[Point],
    kind: Kind,
    *,
    rows: float,
    under: frozenset[str] = frozenset(),
    noise: Noise = SECONDS,
    seed: int = 1,
) -> Fit:
    """Return the forecast at share 1, under conditions that some of the runs were under."""
    x = np.array([one.x for one in points])
    y = np.maximum(np.array([one.y for one in points]), noise.absolute / 4.0 or 1e-9)
    conditions = sorted({name for one in points for name in one.under})
    design = np.column_stack([np.ones(len(x)), *(_indicator(points, name) for name in conditions)])
    wanted = np.array([1.0, *(float(name in under) for name in conditions)])
    laws = candidates(kind)
    largest = float(x.max())
    logs = shape(laws, x, largest, rows)
    weights = _precision(y, noise)
    solved = _solved(laws, np.log(y), logs, design, weights, noise)
    best = int(np.argmax(solved.log_weight))
    weights = weights * _robust(solved.residuals[best], weights, noise)
    solved = _solved(laws, np.log(y), logs, design, weights, noise)
    chance = np.exp(solved.log_weight - solved.log_weight.max())
    chance /= chance.sum()
    unlike = _scatter(solved.residuals[int(np.argmax(chance))], _precision(y, noise), noise) ** 2
    drawn = _Drawn(laws, solved, chance, wanted, noise, seed, least=unlike)
    middle = solved.level @ wanted + shape(laws, np.array([1.0]), largest, rows)[:, 0]
    mean = float((chance * middle).sum())
    by_law = {name: float(chance[laws.law == name].sum()) for name in sorted(set(laws.law))}
    law = max(by_law, key=lambda name: by_law[name])
    of_it = np.where(laws.law == law, chance, 0.0)
    best = int(np.argmax(of_it))
    level = float(np.exp(solved.level[best] @ wanted))
    return Fit(
        draws=drawn.at(np.array([1.0]), largest, rows)[:, 0],
        law=law,
        weight=by_law[law],
        fixed=level * float(laws.fixed[best]),
        slope=0.0 if law == CONSTANT else level * (1.0 - float(laws.fixed[best])) / largest,
        scatter=float(np.sqrt(solved.variance[best])),
        of_law=float(np.sqrt((chance * (middle - mean) ** 2).sum())),
        of_runs=float(np.sqrt((chance * solved.spread(wanted)).sum())),
        curve=tuple(_along(drawn, x, largest, rows)),
        effects={name: float(np.exp((chance * solved.level[:, at + 1]).sum())) for at, name in enumerate(conditions)},
    )


def _along(drawn: _Drawn, x: Floats, largest: float, rows: float) -> Iterator[tuple[float, float, float, float]]:
    """Yield (share, low, middle, high) from the smallest size to the target's."""
    places = np.geomspace(x.min(), 1.0, _PLACES)
    drawn_there = drawn.at(places, largest, rows)
    for place, three in zip(places, np.quantile(drawn_there, _QUANTILES, axis=0).T, strict=True):
        low, middle, high = (float(one) for one in three)
        yield float(place), low, middle, high


def _indicator(points: Sequence[Point], name: str) -> Floats:
    return np.array([float(name in one.under) for one in points])


def _precision(y: Floats, noise: Noise) -> Floats:
    """Return the weight of each figure: what is near the absolute noise tells little of a ratio."""
    return np.asarray(1.0 / (1.0 + (noise.absolute / y / noise.relative) ** 2))


def _scatter(residuals: Floats, weights: Floats, noise: Noise) -> float:
    """Return the standard deviation of one run, by the median of what the runs lie off."""
    return max(1.4826 * float(np.median(np.abs(residuals * np.sqrt(weights)))), noise.relative / 2.0)


def _robust(residuals: Floats, weights: Floats, noise: Noise) -> Floats:
    """Return less than 1 for what lies off: above sooner than below, since hiccups only make a run longer."""
    scaled = residuals * np.sqrt(weights)
    limit = np.where(scaled > 0, _ABOVE, _BELOW) * _scatter(residuals, weights, noise)
    return np.asarray(np.minimum(1.0, limit / np.maximum(np.abs(scaled), 1e-12)) ** 2)


@dataclass(frozen=True, slots=True)
class _Solved:
    """Of each candidate: level and effects, residuals, variance of one run, and the logarithm of its weight."""

    level: Floats
    residuals: Floats
    variance: Floats
    log_weight: Floats
    covariance: Floats  # over the variance
    degrees: float

    def spread(self, wanted: Floats) -> Floats:
        """Return the variance of the level under the wanted conditions."""
        return np.asarray(self.variance * float(wanted @ self.covariance @ wanted))


_EFFECT = 0.3  # of a condition, as a logarithm, beforehand


def _solved(  # noqa: PLR0917  a model's parts
    laws: Laws, y: Floats, logs: Floats, design: Floats, weights: Floats, noise: Noise
) -> _Solved:
    """Integrate level, effects and noise out of each candidate."""
    prior = np.diag([1e-9, *[(noise.relative / _EFFECT) ** 2] * (design.shape[1] - 1)])
    precision = (design * weights[:, None]).T @ design + prior
    covariance: Floats = np.asarray(np.linalg.inv(precision), dtype=float)
    target = y[None, :] - logs
    level = target * weights @ design @ covariance
    residuals = target - level @ design.T
    square = (weights * residuals**2).sum(axis=1) + ((level @ prior) * level).sum(axis=1)
    degrees = _DEGREES + float(weights.sum()) - 1.0
    total = _DEGREES * noise.relative**2 + square
    log_weight = laws.prior - 0.5 * degrees * np.log(total)
    return _Solved(level, residuals, total / degrees, log_weight, covariance, degrees)


class _Drawn:
    """Draws from the mixture of all candidates; the same candidates and chances at every size, for a smooth curve."""

    def __init__(  # noqa: PLR0917  a model's parts
        self, laws: Laws, solved: _Solved, chance: Floats, wanted: Floats, noise: Noise, seed: int, *, least: float
    ) -> None:
        random = np.random.default_rng(seed)
        self._picked = random.choice(len(chance), size=DRAWS, p=chance)
        self._chances = random.standard_t(solved.degrees, size=DRAWS)
        self._level = solved.level @ wanted
        variance = np.maximum(solved.variance[self._picked], least)  # what weighs less is scatter all the same
        self._variance = variance * (1.0 + float(wanted @ solved.covariance @ wanted)) + noise.session**2
        self._laws, self._noise = laws, noise

    def at(self, x: Floats, largest: float, rows: float) -> Floats:
        """Return draws of the figure that one more run would have at shares; (draws, shares)."""
        centre = (self._level[:, None] + shape(self._laws, x, largest, rows))[self._picked]
        absolute = self._noise.absolute / np.maximum(np.exp(centre), self._noise.absolute)
        width = np.sqrt(self._variance[:, None] + absolute**2)
        return np.asarray(np.exp(centre + width * self._chances[:, None]))
