"""For how long tables are closed: the time of the statements that close them, and what lies between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rehearse.forecast import models
from rehearse.forecast.figures import Ground, Guess, had, seconds_of, summed, with_points
from rehearse.forecast.fit import Point
from rehearse.forecast.outcome import Figure, OutageForecast
from rehearse.forecast.parts import Key, Part
from rehearse.forecast.seen import TRAFFIC, Closed, Seen

_MOSTLY = 0.5  # a table that is closed for more of a statement's time is closed while it waits, too
_ONE = 0.97


def outages(runs: Sequence[Seen], parts: Sequence[Part], waits: Guess, ground: Ground) -> list[OutageForecast] | None:
    """Return the outages, the longest first: the time of the statements that closed a table, and what lay between.

    None: at some size no run's locks were seen.
    """
    told = [run for run in runs if run.closed is not None]
    if {run.x for run in told} != {run.x for run in runs}:
        return None
    unlike = replace(ground, telling_s=math.inf)  # what lies between is short and uneven, and no reason to know nothing
    found = sorted({(one.table, one.stops) for run in told for one in run.closed or ()})
    made = []
    for seed, (table, stops) in enumerate(found, 1):
        seen = [
            (run, next((one for one in run.closed or () if (one.table, one.stops) == (table, stops)), None))
            for run in told
        ]
        closed = [(run, one) for run, one in seen if one is not None]
        shares = [_share(one.key, closed) for one in parts]
        between = seconds_of(_between(closed, parts, shares), models.UNKNOWN, frozenset(), unlike, table, seed=seed)
        some = [_scaled(one.busy, share) for one, share in zip(parts, shares, strict=True) if share]
        points = [Point(x=run.x, y=_free(run, one.total_s), under=frozenset(run.under)) for run, one in closed]
        whole = summed([*some, *([waits] if max(shares, default=0.0) > _MOSTLY else []), between], "s")
        total_figure = with_points(whole.figure, points, ground, table)
        made.append(
            OutageForecast(
                table=table,
                stops="reads" if stops == "reads" else "writes",
                longest=total_figure if _is_one(closed) else _longest(closed, ground, table, seed),
                total=total_figure,
            )
        )
    return sorted(made, key=lambda one: -(one.longest.amount.middle if one.longest.amount else 0.0))


def _share(key: Key, closed: Sequence[tuple[Seen, Closed]]) -> float:
    """Return the share of a statement's time in which the table was closed, at the largest sizes."""
    largest = sorted({run.x for run, _ in closed})[-2:]
    shares = []
    for run, one in closed:
        pairs = [(run.statements[n], one.inside[n]) for n in key.places(run) if n < len(one.inside)]
        whole = sum(each.work_s + each.waited_s + each.queued_s for each, _ in pairs)
        if run.x in largest and whole > 0:
            shares.append(sum(inside for _, inside in pairs) / whole)
    return min(1.0, float(np.median(shares))) if shares else 0.0


def _between(closed: Sequence[tuple[Seen, Closed]], parts: Sequence[Part], shares: Sequence[float]) -> list[Point]:
    """Return how long the table was closed while no statement ran."""
    found = []
    for run, one in closed:
        told = sum(
            share * sum(each.work_s + each.waited_s + each.queued_s for each in part.key.of(run))
            for part, share in zip(parts, shares, strict=True)
        )
        found.append(Point(x=run.x, y=max(one.total_s - told, 0.0), under=frozenset(run.under)))
    return found


def _is_one(closed: Sequence[tuple[Seen, Closed]]) -> bool:
    """Say whether the table was closed in one stretch at all sizes."""
    return all(one.longest_s > _ONE * one.total_s for _, one in closed)


def _longest(closed: Sequence[tuple[Seen, Closed]], ground: Ground, table: str, seed: int) -> Figure:
    points = [Point(x=run.x, y=_free(run, one.longest_s), under=frozenset(run.under)) for run, one in closed]
    under = frozenset([TRAFFIC]) if had(points, TRAFFIC) else frozenset[str]()
    return seconds_of(points, models.UNKNOWN, under, ground, table, seed=seed).figure


def _free(run: Seen, seconds: float) -> float:
    """Return a time of a run as it would have been with a core to itself."""
    return seconds * run.free_s / run.seconds if run.seconds > 0 else seconds


def _scaled(guess: Guess, share: float) -> Guess:
    return guess if guess.draws is None else Guess(guess.figure, guess.draws * share)
