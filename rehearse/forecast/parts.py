"""The statements of a migration, found again at every size, and what it takes besides them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rehearse.forecast import models
from rehearse.forecast.figures import Ground, Guess, bytes_of, figure_of, had, seconds_of
from rehearse.forecast.fit import DRAWS, Point
from rehearse.forecast.outcome import StatementForecast
from rehearse.forecast.seen import TRAFFIC, Ran, Seen

_EACH = 50  # as many statements of one text are told each by itself, if they are as many at every size


@dataclass(frozen=True, slots=True)
class Key:
    """Which statements of a run are taken together: all of a text, or the `at`-th of it."""

    text: str
    at: int | None

    def places(self, run: Seen) -> list[int]:
        """Return their places among the run's statements."""
        found = [n for n, one in enumerate(run.statements) if one.key == self.text]
        return found if self.at is None else found[self.at : self.at + 1]

    def of(self, run: Seen) -> list[Ran]:
        """Return them."""
        return [run.statements[n] for n in self.places(run)]


@dataclass(frozen=True, slots=True)
class Part:
    """The forecast of a statement: its time under traffic, where there was some, and in quiet."""

    key: Key
    forecast: StatementForecast
    busy: Guess
    quiet: Guess


def parts(runs: Sequence[Seen], ground: Ground) -> list[Part]:
    """Return the forecasts of all statements, in their order."""
    return [_part(n, key, runs, ground) for n, key in enumerate(_keys(runs), 1)]


def _keys(runs: Sequence[Seen]) -> Iterator[Key]:
    """Yield what to take together, in the order of the largest run."""
    counts = [Counter(one.key for one in run.statements) for run in runs]
    largest = max(runs, key=lambda one: one.x)
    met: Counter[str] = Counter()
    for one in largest.statements:
        often = {count[one.key] for count in counts}
        if len(often) == 1 and often <= set(range(_EACH + 1)):
            yield Key(one.key, met[one.key])
        elif not met[one.key]:
            yield Key(one.key, None)
        met[one.key] += 1


def _part(n: int, key: Key, runs: Sequence[Seen], ground: Ground) -> Part:
    largest = key.of(max(runs, key=lambda one: one.x))
    kind = models.KINDS[Counter(one.kind for one in largest).most_common(1)[0][0]]
    kind = models.BATCHES if key.at is None and kind is not models.METADATA else kind
    points = [
        Point(x=run.x, y=sum(one.work_s for one in key.of(run)), under=frozenset(run.under))
        for run in runs
        if key.of(run)
    ]
    text = largest[0].sql
    quiet = seconds_of(points, kind, frozenset(), ground, text, seed=n)
    busy = seconds_of(points, kind, frozenset([TRAFFIC]), ground, text, seed=n) if had(points, TRAFFIC) else quiet
    logged = bytes_of(
        runs, lambda run: _logged(key.of(run)), "not measured for this statement", ground, text, kind=kind
    )
    forecast = StatementForecast(
        n=n,
        sql=largest[0].sql,
        kind=kind.says,
        count=_count(key, runs),
        duration=busy.figure,
        log=logged.figure,
    )
    return Part(key, forecast, busy, quiet)


def _logged(statements: Sequence[Ran]) -> float | None:
    known = [one.log_bytes for one in statements if one.log_bytes is not None]
    return float(sum(known)) if statements and len(known) == len(statements) else None


def _count(key: Key, runs: Sequence[Seen]) -> float:
    """Return how often a statement runs at the target's size: as many more times as at the largest sizes."""
    if key.at is not None:
        return 1.0
    counts: dict[float, float] = {run.x: len(key.of(run)) for run in runs}
    x = np.array(sorted(counts))
    slope, level = np.polyfit(x, [counts[one] for one in x], 1)
    return float(max(slope + level, counts[x[-1]]))


def besides(runs: Sequence[Seen], ground: Ground) -> tuple[Guess, Guess]:
    """Return what the whole took besides its statements: the tool's own time."""
    points = [
        Point(
            x=run.x,
            y=max(run.seconds - sum(one.work_s + one.waited_s + one.queued_s for one in run.statements), 0.0),
            under=frozenset(run.under),
        )
        for run in runs
    ]
    kind = models.METADATA if all(len(one.statements) < _EACH for one in runs) else models.UNKNOWN
    ground = replace(ground, telling_s=math.inf)  # however it moves, it is the tool's and tells nothing of the rows
    quiet = seconds_of(points, kind, frozenset(), ground, "", seed=7)
    return (
        seconds_of(points, kind, frozenset([TRAFFIC]), ground, "", seed=7) if had(points, TRAFFIC) else quiet
    ), quiet


def lock_waits(runs: Sequence[Seen]) -> Guess:
    """Return the migration's waits for locks: as long as one of the runs under traffic waited, whatever the size."""
    seen = [sum(one.waited_s for one in run.statements) for run in runs if TRAFFIC in run.under]
    random = np.random.default_rng(11)
    drawn = random.choice(seen, DRAWS) * random.exponential(size=DRAWS) if any(seen) else np.zeros(DRAWS)
    return Guess(figure_of("s", drawn), np.asarray(drawn))
