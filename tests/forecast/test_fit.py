"""What a fit promises, by simulation: the truth is known there, noise and hiccups are as on a shared machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import pytest

from rehearse.forecast import models
from rehearse.forecast.fit import SECONDS, Point, fitted
from rehearse.forecast.forecast import SURETY
from rehearse.forecast.models import Kind

SIZES = (0.1, 0.2154, 0.4642, 1.0)
CASES = 25


@dataclass(frozen=True, slots=True)
class Case:
    """A statement's law in seconds by rows, and how it is told to the fit."""

    kind: Kind
    law: Callable[[float, np.random.Generator], float]


def _linear(rows: float, random: np.random.Generator) -> float:
    return 10 ** random.uniform(-3, -1) + 10 ** random.uniform(-0.5, 1.2) * rows / 1e6


def _sorted(rows: float, random: np.random.Generator) -> float:
    return 0.01 + 10 ** random.uniform(-0.5, 1.0) * rows / 1e6 * np.log(rows) / np.log(1e6)


def _bent(rows: float, random: np.random.Generator) -> float:
    """No admitted law: a row costs some per cent more a decade, as caches have it."""
    power = 1.0 + random.normal(0.0, 0.03)
    return 0.02 + 10 ** random.uniform(-0.5, 1.0) * (rows / 1e6) ** power


def _stepping(rows: float, _random: np.random.Generator) -> float:
    """Batches of 5,000 rows, each with a commit."""
    return 0.004 * np.ceil(rows / 5_000) + 0.01


CASES_OF = {
    "rewrite": Case(models.REWRITE, _linear),
    "index": Case(models.INDEX, _sorted),
    "scan": Case(models.SCAN, _linear),
    "rows, bent": Case(models.ROWS, _bent),
    "a law of another kind": Case(models.SCAN, _sorted),
    "unknown": Case(models.UNKNOWN, _linear),
    "batches": Case(models.BATCHES, _stepping),
    "metadata": Case(models.METADATA, lambda _rows, random: 10 ** random.uniform(-3, -1)),
}


@dataclass(frozen=True, slots=True)
class Tried:
    """A forecast against its truth."""

    inside: bool
    error: float
    width: float
    within: bool  # the end that is told with SURETY


def tried(case: Case, seed: int, *, largest: float, noise: float) -> Tried:
    """Fit noisy runs up to `largest` of the target, and compare with one more run there."""
    random = np.random.default_rng(seed)
    target = float(random.choice([1e7, 3e7]))
    own = int(random.integers(2**31))

    def took(x: float) -> float:
        hiccup = random.exponential(0.7) if random.random() < 0.05 else 0.0
        return case.law(x * target, np.random.default_rng(own)) * np.exp(random.normal(0.0, noise) + hiccup)

    points = [Point(x=largest * size, y=took(largest * size)) for size in SIZES for _ in range(3)]
    fit = fitted(points, case.kind, rows=target, seed=seed)
    truth = case.law(target, np.random.default_rng(own)) * np.exp(random.normal(0.0, noise))
    low, middle, high = np.quantile(fit.draws, (0.05, 0.5, 0.95))
    within = bool(truth <= np.quantile(fit.draws, SURETY))
    return Tried(bool(low <= truth <= high), abs(middle / truth - 1.0), high / low, within)


def _all(noise: float, cases: Sequence[str] = tuple(CASES_OF)) -> list[Tried]:
    return [
        tried(CASES_OF[name], 1000 * number + n, largest=0.1, noise=noise)
        for number, name in enumerate(cases)
        for n in range(CASES)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.02, 0.08])
def test_nine_in_ten_truths_are_in_the_interval_and_it_is_not_idle(noise: float) -> None:
    found = _all(noise)
    assert sum(one.inside for one in found) / len(found) >= 0.88
    assert sum(one.within for one in found) / len(found) >= SURETY - 0.01
    assert median(one.error for one in found) <= 0.12
    assert median(one.width for one in found) <= 2.2
    for number, name in enumerate(CASES_OF):
        of_it = found[number * CASES : (number + 1) * CASES]
        assert sum(one.inside for one in of_it) / CASES >= 0.72, name


def test_the_interval_grows_with_the_distance_and_with_the_noise() -> None:
    def width(largest: float, noise: float) -> float:
        case = CASES_OF["rewrite"]
        return median(tried(case, n, largest=largest, noise=noise).width for n in range(10))

    assert width(0.5, 0.03) < width(0.05, 0.03) < width(0.005, 0.03)
    assert width(0.1, 0.02) < width(0.1, 0.15)


def _points(law: Callable[[float], float], under: frozenset[str] = frozenset(), factor: float = 1.0) -> list[Point]:
    wobble = (0.99, 1.0, 1.01)
    return [Point(x=0.1 * x, y=factor * w * law(0.1 * x), under=under) for x in SIZES for w in wobble]


@pytest.mark.parametrize(
    ("law", "told"),
    [
        (lambda x: 0.05, models.CONSTANT),
        (lambda x: 0.05 + 30.0 * x, models.LINEAR),
        (lambda x: 400.0 * x * x, models.SQUARE),
    ],
    ids=["constant", "linear", "square"],
)
def test_a_law_is_told_from_the_figures_alone(law: Callable[[float], float], told: str) -> None:
    fit = fitted(_points(law), models.UNKNOWN, rows=1e7)
    assert fit.law == told
    assert np.median(fit.draws) == pytest.approx(law(1.0), rel=0.15)


def test_the_fixed_part_is_told_apart() -> None:
    fit = fitted(_points(lambda x: 0.5 + 10.0 * x), models.REWRITE, rows=1e7)
    assert fit.fixed == pytest.approx(0.5, rel=0.3)
    assert np.median(fit.draws) == pytest.approx(10.5, rel=0.12)


def test_a_hiccup_of_one_run_moves_little() -> None:
    points = _points(lambda x: 0.01 + 10.0 * x)
    spoiled = [*points[:-1], Point(x=points[-1].x, y=5.0 * points[-1].y)]
    without, with_it = (np.median(fitted(some, models.REWRITE, rows=1e7).draws) for some in (points, spoiled))
    assert with_it == pytest.approx(without, rel=0.15)


def test_a_condition_is_an_effect_that_the_forecast_takes_or_leaves() -> None:
    busy = frozenset(["traffic"])
    points = _points(lambda x: 10.0 * x) + _points(lambda x: 10.0 * x, busy, 1.5)
    quiet = fitted(points, models.REWRITE, rows=1e7)
    under = fitted(points, models.REWRITE, rows=1e7, under=busy)
    assert np.median(quiet.draws) == pytest.approx(10.0, rel=0.12)
    assert np.median(under.draws) == pytest.approx(15.0, rel=0.12)
    assert under.effects["traffic"] == pytest.approx(1.5, rel=0.05)


def test_the_same_figures_give_the_same_forecast() -> None:
    points = _points(lambda x: 10.0 * x)
    one, other = (fitted(points, models.SCAN, rows=1e7, seed=3, noise=SECONDS) for _ in range(2))
    assert np.array_equal(one.draws, other.draws)
    assert one.curve == other.curve
