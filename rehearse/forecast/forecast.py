"""From what runs at small sizes showed to what the target's size takes: statements, outages, disk, log, the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rehearse.forecast.figures import SIZES, Ground, bytes_of, summed, unknown, with_points
from rehearse.forecast.fit import DISK, DRAWS, Point
from rehearse.forecast.models import INDEX, Floats
from rehearse.forecast.outages import outages
from rehearse.forecast.outcome import Amount, Figure, Way, Window
from rehearse.forecast.parts import besides, lock_waits, parts
from rehearse.forecast.seen import TRAFFIC, Seen

SURETY = 0.98
_TELLING = 0.05  # of the longest run: a time below tells nothing of its growth
_SAMPLED_S, _UNSEEN = 2.0, 0.25  # disk is sampled four times a second
_LIKE_IT = 0.3  # of the logarithm: temporary files beside what is made of them


def way(runs: Sequence[Seen], name: str, ground: Ground) -> Way:
    """Return the forecast of a phase from its runs at all sizes."""
    runs = [one for one in runs if one.phase == name]
    failed = next((one for one in runs if one.error is not None), None)
    if failed is not None:
        return _not_known(runs, name, f"it failed at {failed.x:.3g} of the target's rows: {failed.error}")
    sizes = len({one.x for one in runs})
    if sizes < SIZES:
        return _not_known(runs, name, f"it was run at {sizes} sizes, and fewer than {SIZES} tell no law")
    telling = max(ground.telling_s, _TELLING * max(one.free_s for one in runs))
    ground = replace(ground, telling_s=telling)
    texts = " ".join(one.sql for one in runs[0].statements)
    ground = replace(ground, main=ground.driver(texts)[0])
    statements, waits = parts(runs, ground), lock_waits(runs)
    tool_busy, tool_quiet = besides(runs, ground)
    busy = summed([*(one.busy for one in statements), tool_busy, waits], "s")
    quiet = summed([*(one.quiet for one in statements), tool_quiet], "s")
    points = [Point(x=one.x, y=one.free_s, under=frozenset(one.under)) for one in runs]
    return Way(
        name=name,
        duration=with_points(busy.figure, points, ground, texts),
        quiet=with_points(quiet.figure, [one for one in points if TRAFFIC not in one.under], ground, texts),
        statements=[one.forecast for one in statements],
        outages=outages(runs, statements, waits, ground),
        disk=_disk(runs, ground, texts),
        log=bytes_of(runs, lambda one: one.log_bytes, "no log was measured", ground, texts).figure,
        window=_window(busy.draws, ground.window_s),
    )


def _disk(runs: Sequence[Seen], ground: Ground, texts: str) -> Figure:
    """Return what it needs on disk: new files by their size, and what was sampled beside them, if runs were long."""
    missing = "what it takes on disk was not measured"
    found = bytes_of(runs, lambda one: one.disk_bytes, missing, ground, texts, noise=DISK)
    largest = max(one.x for one in runs)
    if found.draws is None or found.figure.amount is None or not found.figure.amount.high:
        return found.figure
    random, drawn, why = np.random.default_rng(5), found.draws, list[str]()
    is_short = float(np.median([one.seconds for one in runs if one.x == largest])) < _SAMPLED_S
    if is_short:
        drawn = drawn * np.exp(_UNSEEN * np.abs(random.standard_normal(DRAWS)))
        why.append(
            f"no run was longer than {_SAMPLED_S:.0f} s: what was there for a moment was not seen, up to a half more"
        )
    spilled = _spilled(runs, largest, ground.sort, is_short=is_short)
    if spilled:
        drawn = drawn + found.draws * spilled * np.exp(_LIKE_IT * random.standard_normal(DRAWS))
        why.append("the keys that are sorted lie in temporary files meanwhile, about as large as what is made of them")
    if not why:
        return found.figure
    low, middle, high = (float(one) for one in np.quantile(drawn, (0.05, 0.5, 0.95)))
    return replace(found.figure, amount=Amount(low=low, middle=middle, high=high), why=[*found.figure.why, *why])


def _spilled(runs: Sequence[Seen], largest: float, sort: int | None, *, is_short: bool) -> float:
    """Return the temporary files of sorts at the target that no run's figure holds, as a share of what it does hold.

    Keys that outgrow the memory of a sort are there twice while an index is made of them. Runs that sorted in memory
    did not show that, nor runs that were too short to be sampled.
    """
    there = [one for one in runs if one.x == largest and not one.under and one.disk_bytes]
    grown = max((_sorted_bytes(one) for one in there), default=0.0)
    if sort is None or grown / largest <= sort or (grown > sort and not is_short):
        return 0.0
    return min(1.0, grown / max(one.disk_bytes or 0.0 for one in there))


def _sorted_bytes(run: Seen) -> float:
    """Return what a run's indexes added to its tables; 0 where it made none."""
    return run.grown_bytes if any(one.kind == INDEX.name for one in run.statements) else 0.0


def _window(draws: Floats | None, asked_s: float | None) -> Window:
    if draws is None:
        return Window(sure_s=None, surety=SURETY, asked_s=asked_s, chance=None)
    chance = None if asked_s is None else float(np.mean(draws <= asked_s))
    return Window(sure_s=float(np.quantile(draws, SURETY)), surety=SURETY, asked_s=asked_s, chance=chance)


def _not_known(runs: Sequence[Seen], name: str, reason: str) -> Way:
    """Return a forecast that says why there is none."""
    points = [Point(x=one.x, y=one.free_s, under=frozenset(one.under)) for one in runs]
    time, size = unknown("s", reason, points).figure, unknown("bytes", reason).figure
    return Way(
        name=name,
        duration=time,
        quiet=time,
        statements=[],
        outages=None,
        disk=size,
        log=size,
        window=_window(None, None),
    )
