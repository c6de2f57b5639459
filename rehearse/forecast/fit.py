"""What figures at a few sizes say of the figure at another: every admissible law, each as far as the figures bear it.

For each candidate law the logarithms of the figures are a level, an effect for each condition that some runs were under
(traffic, little memory) and noise. Level, effects and noise are integrated out (a conjugate linear model), so that a
candidate's weight is how well it predicted the figures, and its prediction is Student's t. The forecast is the mixture
of all, as draws: its width holds the scatter of repeats, the doubt in the fixed part, the level and the law, and grows
with the distance. Runs that a hiccup hit weigh less (Huber's weights, from the first fit's residuals).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rehearse.forecast.models import CONSTANT, Floats, Kind, Laws, candidates, shape

DRAWS = 4_000
_DEGREES = 4.0  # runs that the noise known beforehand counts for
_HUBER = 1.5
_QUANTILES = (0.05, 0.5, 0.95)


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
    weights = weights * _huber(solved.residuals[best], weights, noise)
    solved = _solved(laws, np.log(y), logs, design, weights, noise)
    chance = np.exp(solved.log_weight - solved.log_weight.max())
    chance /= chance.sum()
    places = np.unique(np.concatenate([np.geomspace(x.min(), 1.0, 40), x]))
    drawn = _Drawn(laws, solved, chance, wanted, noise, largest, rows, np.random.default_rng(seed))
    middle = drawn.centre(1.0)
    mean = float((chance * middle).sum())
    best = int(np.argmax(chance))
    level = float(np.exp(solved.level[best] @ wanted))
    by_law = {name: float(chance[laws.law == name].sum()) for name in sorted(set(laws.law))}
    law = max(by_law, key=lambda name: by_law[name])
    of_it = np.where(laws.law == law, chance, 0.0)
    best = int(np.argmax(of_it))
    level = float(np.exp(solved.level[best] @ wanted))
    return Fit(
        draws=drawn.at(1.0),
        law=law,
        weight=by_law[law],
        fixed=level * float(laws.fixed[best]),
        slope=0.0 if law == CONSTANT else level * (1.0 - float(laws.fixed[best])) / largest,
        scatter=float(np.sqrt(solved.variance[best])),
        of_law=float(np.sqrt((chance * (middle - mean) ** 2).sum())),
        of_runs=float(np.sqrt((chance * solved.spread(wanted)).sum())),
        curve=tuple((float(place), *drawn.quantiles(float(place))) for place in places),
        effects={name: float(np.exp((chance * solved.level[:, at + 1]).sum())) for at, name in enumerate(conditions)},
    )


def _indicator(points: Sequence[Point], name: str) -> Floats:
    return np.array([float(name in one.under) for one in points])


def _precision(y: Floats, noise: Noise) -> Floats:
    """Return the weight of each figure: what is near the absolute noise tells little of a ratio."""
    return np.asarray(1.0 / (1.0 + (noise.absolute / y / noise.relative) ** 2))


def _huber(residuals: Floats, weights: Floats, noise: Noise) -> Floats:
    scaled = np.abs(residuals) * np.sqrt(weights)
    scale = max(1.4826 * float(np.median(scaled)), noise.relative / 2.0)
    return np.asarray(np.minimum(1.0, _HUBER * scale / np.maximum(scaled, 1e-12)))


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


_EFFECT = 0.5  # of a condition, as a logarithm, beforehand


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


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Draws from the mixture of all candidates."""

    laws: Laws
    solved: _Solved
    chance: Floats
    wanted: Floats
    noise: Noise
    largest: float
    rows: float
    random: np.random.Generator

    def centre(self, place: float) -> Floats:
        """Return each candidate's logarithm of the figure at a share."""
        logs = shape(self.laws, np.array([place]), self.largest, self.rows)[:, 0]
        return np.asarray(self.solved.level @ self.wanted + logs)

    def at(self, place: float) -> Floats:
        """Return draws of the figure that one more run would have."""
        picked = self.random.choice(len(self.chance), size=DRAWS, p=self.chance)
        centre = self.centre(place)[picked]
        variance = self.solved.variance[picked] * (1.0 + float(self.wanted @ self.solved.covariance @ self.wanted))
        absolute = self.noise.absolute / np.maximum(np.exp(centre), self.noise.absolute)
        width = np.sqrt(variance + self.noise.session**2 + absolute**2)
        drawn: Floats = np.exp(centre + width * self.random.standard_t(self.solved.degrees, size=DRAWS))
        return drawn

    def quantiles(self, place: float) -> tuple[float, float, float]:
        """Return the low, middle and high of the 90 % interval at a share."""
        low, middle, high = np.quantile(self.at(place), _QUANTILES)
        return float(low), float(middle), float(high)
