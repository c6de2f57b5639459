"""Which of several strategies is the better by a figure, as far as the noise between their runs lets it be told.

The middle of a strategy's runs is their median; its interval goes from the k-th smallest to the k-th largest run, with
the largest k whose interval holds the true median with 95 % at least, whatever the distribution; with fewer than six
runs that is all of them, and what it holds the median with is said (75 % with three).

One strategy is better than another where both of these hold: their intervals, widened by what the figures themselves
may be wrong, do not meet; and the exact test of ranks (Mann and Whitney; ties are counted as they are) gives p ≤ 0.1,
which three runs each can just reach. A strategy wins a figure if it is better than each of the others. That is an
intersection of tests, so that no correction for their number is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

LEVEL = 0.1  # of the test
ENOUGH = 3  # runs of each with which the test can come to it
_HOLDS = 0.95  # with which an interval holds the median, where there are runs enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The runs of one strategy in one figure: of `runs` runs `measured`; `holds` is the interval's level."""

    median: float
    low: float
    high: float
    holds: float
    measured: int
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A figure of a strategy's runs, None where not measured; the true ones are at most `doubt` off."""

    values: tuple[float | None, ...]
    doubt: float = 0.0

    @property
    def known(self) -> list[float]:
        """The measured ones, the smallest first."""
        return sorted(one for one in self.values if one is not None)

    @property
    def is_whole(self) -> bool:
        """Whether every run was measured."""
        return bool(self.values) and None not in self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Won:
    """Who is best by a figure. `best` has one name where there is a winner, and more where noise hides which is it.

    `p` is the largest of the winner's tests; `reason` says why there is none.
    """

    best: tuple[str, ...]
    p: float | None = None
    reason: str | None = None


def spread(sample: Sample) -> Spread | None:
    """Return the median of the runs and its interval; None where no run was measured."""
    known = sample.known
    if not known:
        return None
    low, high, holds = _interval(known)
    return Spread(median=median(known), low=low, high=high, holds=holds, measured=len(known), runs=len(sample.values))


def better(one: Sample, other: Sample, *, more_is_better: bool = False) -> bool:
    """Say whether the first is better than the other beyond the noise and the doubt of the figures.

    What was not measured in each run of both is not told apart: those that were are no fair choice of them.
    """
    if not one.is_whole or not other.is_whole:
        return False
    first, second = (_turned(each, more_is_better=more_is_better) for each in (one, other))
    is_apart = _interval(first)[1] + _doubt(one, other) < _interval(second)[0] - _doubt(other, one)
    return is_apart and p_value(first, second) <= LEVEL


def _doubt(one: Sample, other: Sample) -> float:
    """Return how far off a sample may be; where nothing was seen at all, as far as the other, by the same means."""
    return one.doubt if any(one.known) else max(one.doubt, other.doubt)


def winner(samples: Mapping[str, Sample], *, more_is_better: bool = False) -> Won:
    """Return who is best by a figure among strategies of which every run was measured."""
    unknown = [name for name, sample in samples.items() if not sample.is_whole]
    if unknown:
        return Won(best=(), reason=f"not measured in each run of {', '.join(unknown)}")
    if len(samples) < 2:
        return Won(best=(), reason="there is nothing to compare with")
    best = leaders(samples, more_is_better=more_is_better)
    if len(best) == 1:
        mine = samples[best[0]].known
        p = max(p_value(mine, one.known) for name, one in samples.items() if name != best[0])
        return Won(best=best, p=p)
    return Won(best=best, reason=_why(samples))


def leaders(samples: Mapping[str, Sample], *, more_is_better: bool = False) -> tuple[str, ...]:
    """Return the strategy with the best median, and those that it is not better than beyond the noise."""
    known = {name: sample for name, sample in samples.items() if sample.known}
    if not known:
        return ()
    sign = -1.0 if more_is_better else 1.0
    first = min(known, key=lambda name: sign * median(known[name].known))
    return (
        first,
        *(
            name
            for name in known
            if name != first and not better(known[first], known[name], more_is_better=more_is_better)
        ),
    )


def p_value(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the exact p of the test of ranks: twice the share of the deals of all runs that are as one-sided."""
    ranks = _doubled_ranks([*one, *other])
    whole, size = len(ranks), len(one)
    ways: list[dict[int, int]] = [{0: 1}, *({} for _ in range(size))]  # by how many are dealt: {sum: ways}
    for rank in ranks:
        for dealt in range(size, 0, -1):
            for total, count in ways[dealt - 1].items():
                ways[dealt][total + rank] = ways[dealt].get(total + rank, 0) + count
    found = sum(ranks[:size])
    below = sum(count for total, count in ways[size].items() if total <= found)
    above = sum(count for total, count in ways[size].items() if total >= found)
    return min(1.0, 2 * min(below, above) / math.comb(whole, size))


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Return twice the rank of each value, from 1; equal ones share the mean of theirs, which is then whole."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered, 1)))}
    last = {value: place for place, value in enumerate(ordered, 1)}
    return [first[value] + last[value] for value in values]


def _interval(known: Sequence[float]) -> tuple[float, float, float]:
    """Return the interval of the median from sorted runs, and with which probability it holds it."""
    runs = len(known)
    k, holds = 1, _coverage(runs, 1)
    while 2 * (k + 1) <= runs and _coverage(runs, k + 1) >= _HOLDS:
        k, holds = k + 1, _coverage(runs, k + 1)
    return known[k - 1], known[runs - k], holds


def _coverage(runs: int, k: int) -> float:
    """Return how probably the k-th smallest to the k-th largest of so many runs hold the true median."""
    return max(0.0, 1.0 - 2.0 * sum(math.comb(runs, n) for n in range(k)) / 2.0**runs)


def _turned(sample: Sample, *, more_is_better: bool) -> list[float]:
    return sorted(-one for one in sample.known) if more_is_better else sample.known


def _why(samples: Mapping[str, Sample]) -> str:
    """Say why nobody wins."""
    if len({one for sample in samples.values() for one in sample.values}) == 1:
        return "the same in every run"
    least = min(least_p(one.known, other.known) for one, other in _pairs(list(samples.values())))
    if least > LEVEL:
        runs = min(len(one.values) for one in samples.values())
        return (
            f"{runs} run{'' if runs == 1 else 's'} of each cannot tell a difference from noise "
            f"(p is {least:.2g} at best); three can"
        )
    return "no difference that the noise allows"


def least_p(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the smallest p that so many runs can come to."""
    return min(1.0, 2.0 / math.comb(len(one) + len(other), len(one)))


def _pairs(samples: Sequence[Sample]) -> Iterable[tuple[Sample, Sample]]:
    return ((one, other) for n, one in enumerate(samples) for other in samples[n + 1 :])


def ordered(groups: Sequence[Sequence[str]], figures: Sequence[Mapping[str, Sample]]) -> list[str]:
    """Return names in order: of an earlier group before those of a later one, then by each figure in turn.

    The next is drawn from those that lead the rest by the first figure, and of these by the second, and so on, so that
    a difference within the noise decides nothing that a later figure can; at last the medians do.
    """
    found: list[str] = []
    for group in groups:
        rest = list(group)
        while rest:
            left = rest
            for samples in figures:
                lead = leaders({name: samples[name] for name in left})
                left = [name for name in left if name in lead] or left
            found.append(min(left, key=lambda name: [_middle(samples[name]) for samples in figures]))
            rest.remove(found[-1])
    return found


def _middle(sample: Sample) -> float:
    return median(sample.known) if sample.known else math.inf
