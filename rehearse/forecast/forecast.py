"""From what runs at small sizes showed to what the target's size takes: statements, outages, disk, log, the whole."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rehearse.forecast import models, words
from rehearse.forecast.fit import BYTES, DISK, DRAWS, SECONDS, Fit, Noise, Point, fitted
from rehearse.forecast.models import Floats, Kind
from rehearse.forecast.outcome import (
    Along,
    Amount,
    Figure,
    Measured,
    OutageForecast,
    StatementForecast,
    Way,
    Window,
)
from rehearse.forecast.regimes import Regime
from rehearse.forecast.seen import LITTLE_MEMORY, TRAFFIC, Closed, Ran, Seen

SURETY = 0.98
_SIZES = 3  # fewer tell no law
_FELL = 0.7  # a figure at the largest size that is less than this share of an earlier one's fits no law
_TELLING = 0.05  # of the longest run: a time below tells nothing of its growth
_TELLING_BYTES = 65_536.0
_SAMPLED_S, _UNSEEN = 2.0, 0.25  # disk is sampled four times a second
_TINY_S = 0.02
_TINY = Noise(relative=0.3, absolute=0.0005, session=0.2)  # of what takes less: it is all noise
_MOSTLY, _ONE = 0.5, 0.97
_EACH = 50  # as many statements of one text are told each by itself, if they are as many at every size


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all forecasts of one estimate stand on: the target's rows by table, and what is otherwise there.

    `machine` are further factors of time, for a kind of work, from the calibration of two machines. `little` says that
    the target is where runs with little memory tell how it is.
    """

    at: Mapping[str, int]
    regimes: Sequence[Regime] = ()
    window_s: float | None = None
    machine: Callable[[Kind, int, np.random.Generator], Floats] | None = None
    little: bool = False
    telling_s: float = 0.02  # a time below tells nothing of its growth

    def driver(self, texts: str) -> tuple[str, float]:
        """Return the table whose rows drive a statement, and their number: the largest that its text names."""
        named = [name for name in self.at if re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", texts)]
        table = max(named or self.at, key=lambda name: self.at[name])
        return table, float(self.at[table])


@dataclass(frozen=True, slots=True)
class _Guess:
    """A figure with its draws; None: not known."""

    figure: Figure
    draws: Floats | None


def way(runs: Sequence[Seen], name: str, ground: Ground) -> Way:
    """Return the forecast of a phase from its runs at all sizes."""
    runs = [one for one in runs if one.phase == name]
    failed = next((one for one in runs if one.error is not None), None)
    if failed is not None:
        return _not_known(runs, name, f"it failed at {failed.x:.3g} of the target's rows: {failed.error}")
    sizes = len({one.x for one in runs})
    if sizes < _SIZES:
        return _not_known(runs, name, f"it was run at {sizes} sizes, and fewer than {_SIZES} tell no law")
    telling = max(ground.telling_s, _TELLING * max(one.free_s for one in runs))
    ground = replace(ground, telling_s=telling)
    texts = " ".join(one.sql for one in runs[0].statements)
    keys = list(_keys(runs))
    parts = [_part(n, key, runs, ground) for n, key in enumerate(keys, 1)]
    waits = _waits(runs)
    rest = _rest(runs, ground)
    busy = _sum([*(one.guesses[0] for one in parts), rest[0], waits], "s")
    quiet = _sum([*(one.guesses[1] for one in parts), rest[1]], "s")
    points = [Point(x=one.x, y=one.free_s, under=frozenset(one.under)) for one in runs]
    return Way(
        name=name,
        duration=_with_points(busy.figure, points, ground, texts),
        quiet=_with_points(quiet.figure, [one for one in points if TRAFFIC not in one.under], ground, texts),
        statements=[one.forecast for one in parts],
        outages=_outages(runs, list(zip(keys, parts, strict=True)), waits, ground),
        disk=_disk(runs, ground, texts),
        log=_bytes(runs, lambda one: one.log_bytes, "no log was measured", ground, texts).figure,
        window=_window(busy.draws, ground.window_s),
    )


# --- statements


@dataclass(frozen=True, slots=True)
class _Key:
    """Which statements of a run are taken together: all of a text, or the `at`-th of it."""

    text: str
    at: int | None

    def places(self, run: Seen) -> list[int]:
        found = [n for n, one in enumerate(run.statements) if one.key == self.text]
        return found if self.at is None else found[self.at : self.at + 1]

    def of(self, run: Seen) -> list[Ran]:
        return [run.statements[n] for n in self.places(run)]


@dataclass(frozen=True, slots=True)
class _Part:
    forecast: StatementForecast
    guesses: tuple[_Guess, _Guess]  # under traffic where there was some, and in quiet


def _keys(runs: Sequence[Seen]) -> Iterator[_Key]:
    """Yield what to take together, in the order of the largest run."""
    counts = [Counter(one.key for one in run.statements) for run in runs]
    largest = max(runs, key=lambda one: one.x)
    met: Counter[str] = Counter()
    for one in largest.statements:
        often = {count[one.key] for count in counts}
        if len(often) == 1 and often <= set(range(_EACH + 1)):
            yield _Key(one.key, met[one.key])
        elif not met[one.key]:
            yield _Key(one.key, None)
        met[one.key] += 1


def _part(n: int, key: _Key, runs: Sequence[Seen], ground: Ground) -> _Part:
    largest = key.of(max(runs, key=lambda one: one.x))
    kind = models.KINDS[Counter(one.kind for one in largest).most_common(1)[0][0]]
    kind = models.BATCHES if key.at is None and kind is not models.METADATA else kind
    points = [
        Point(x=run.x, y=sum(one.work_s for one in key.of(run)), under=frozenset(run.under))
        for run in runs
        if key.of(run)
    ]
    text = largest[0].sql
    quiet = _time(points, kind, frozenset(), ground, text, seed=n)
    busy = _time(points, kind, frozenset([TRAFFIC]), ground, text, seed=n) if _had(points, TRAFFIC) else quiet
    logged = _bytes(runs, lambda run: _logged(key.of(run)), "not measured for this statement", ground, text, kind=kind)
    forecast = StatementForecast(
        n=n,
        sql=largest[0].sql,
        kind=kind.says,
        count=_count(key, runs),
        duration=busy.figure,
        log=logged.figure,
    )
    return _Part(forecast, (busy, quiet))


def _logged(statements: Sequence[Ran]) -> float | None:
    known = [one.log_bytes for one in statements if one.log_bytes is not None]
    return float(sum(known)) if statements and len(known) == len(statements) else None


def _count(key: _Key, runs: Sequence[Seen]) -> float:
    """Return how often a statement runs at the target's size: as many more times as at the largest sizes."""
    if key.at is not None:
        return 1.0
    counts: dict[float, float] = {run.x: len(key.of(run)) for run in runs}
    x = np.array(sorted(counts))
    slope, level = np.polyfit(x, [counts[one] for one in x], 1)
    return float(max(slope + level, counts[x[-1]]))


def _rest(runs: Sequence[Seen], ground: Ground) -> tuple[_Guess, _Guess]:
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
    quiet = _time(points, kind, frozenset(), ground, "", seed=7)
    return (_time(points, kind, frozenset([TRAFFIC]), ground, "", seed=7) if _had(points, TRAFFIC) else quiet), quiet


def _waits(runs: Sequence[Seen]) -> _Guess:
    """Return the migration's waits for locks: as long as one of the runs under traffic waited, whatever the size."""
    seen = [sum(one.waited_s for one in run.statements) for run in runs if TRAFFIC in run.under]
    random = np.random.default_rng(11)
    drawn = random.choice(seen, DRAWS) * random.exponential(size=DRAWS) if any(seen) else np.zeros(DRAWS)
    return _Guess(_figure("s", drawn), np.asarray(drawn))


# --- figures


def _time(
    points: Sequence[Point], kind: Kind, under: frozenset[str], ground: Ground, text: str, *, seed: int
) -> _Guess:
    reason = _unfit(points, ground.telling_s)
    if reason:
        return _unknown("s", reason, points)
    if ground.little and _had(points, LITTLE_MEMORY):
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
    return float(np.median(fit.draws)) > 1.5 * max(one.y for one in points if one.y)


def _bytes(
    runs: Sequence[Seen],
    figure: Callable[[Seen], float | None],
    missing: str,
    ground: Ground,
    text: str,
    *,
    kind: Kind = models.UNKNOWN,
    noise: Noise = BYTES,
) -> _Guess:
    """Return a figure in bytes from the runs without traffic, whose own writes are not the migration's."""
    points = [Point(x=run.x, y=value) for run in runs if not run.under and (value := figure(run)) is not None]
    if len({one.x for one in points}) < _SIZES:
        return _unknown("bytes", missing, points)
    if all(one.y == 0 for one in points):
        return _Guess(_figure("bytes", np.zeros(DRAWS), says="none at any size", points=points), np.zeros(DRAWS))
    reason = _unfit(points, _TELLING_BYTES)
    if reason:
        return _unknown("bytes", reason, points)
    driver = ground.driver(text)
    fit = fitted(points, kind, rows=driver[1], noise=noise)
    return _fitted("bytes", fit, fit.draws, points, words.width(fit, points), driver)


def _disk(runs: Sequence[Seen], ground: Ground, texts: str) -> Figure:
    """Return what it needs on disk: new files by their size, and what was sampled beside them, if runs were long."""
    missing = "what it takes on disk was not measured"
    found = _bytes(runs, lambda one: one.disk_bytes, missing, ground, texts, noise=DISK)
    largest = max(one.x for one in runs)
    if found.draws is None or found.figure.amount is None or not found.figure.amount.high:
        return found.figure
    if float(np.median([one.seconds for one in runs if one.x == largest])) >= _SAMPLED_S:
        return found.figure
    drawn = found.draws * np.exp(_UNSEEN * np.abs(np.random.default_rng(5).standard_normal(DRAWS)))
    why = f"no run was longer than {_SAMPLED_S:.0f} s: what was there for a moment was not seen, up to a half more"
    low, middle, high = (float(one) for one in np.quantile(drawn, (0.05, 0.5, 0.95)))
    return replace(found.figure, amount=Amount(low=low, middle=middle, high=high), why=[*found.figure.why, why])


def _unfit(points: Sequence[Point], telling: float) -> str | None:
    """Return why no law can be told from figures; None: one can."""
    sizes = sorted({one.x for one in points})
    if len(sizes) < _SIZES:
        return f"it was seen at {len(sizes)} sizes only, and fewer than {_SIZES} tell no law"
    quiet = [one for one in points if not one.under] or points
    medians = [float(np.median([one.y for one in quiet if one.x == x] or [0.0])) for x in sizes]
    last, most = medians[-1], max(medians[:-1])
    if most > telling and last < _FELL * most:
        at = sizes[medians.index(most)]
        return f"it took less at the largest size than at {at / sizes[-1]:.2g} of it, so the work is not the same"
    return None


def _fitted(  # noqa: PLR0917  a figure's parts
    unit: str, fit: Fit, draws: Floats, points: Sequence[Point], why: list[str], driver: tuple[str, float]
) -> _Guess:
    figure = _figure(
        unit,
        draws,
        law=fit.law,
        weight=fit.weight,
        says=words.law(fit, unit, driver[1], driver[0]),
        why=why,
        points=points,
        along=[Along(x=x, low=low, middle=middle, high=high) for x, low, middle, high in fit.curve],
    )
    return _Guess(figure, draws)


def _figure(
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


def _unknown(unit: str, reason: str, points: Sequence[Point] = ()) -> _Guess:
    return _Guess(_figure(unit, None, unknown=reason, points=points), None)


def _sum(guesses: Sequence[_Guess], unit: str) -> _Guess:
    """Return the sum of figures; what is not known of one is not known of the sum."""
    lost = [one.figure.unknown for one in guesses if one.draws is None]
    if lost:
        return _unknown(unit, f"a part of it is not known: {lost[0]}")
    draws: Floats = np.sum([_together(one.draws) for one in guesses if one.draws is not None], axis=0)
    largest = max(guesses, key=lambda one: 0.0 if one.draws is None else float(np.median(one.draws)))
    return _Guess(_figure(unit, draws, says="the sum of its parts", why=largest.figure.why), draws)


def _together(draws: Floats | None) -> Floats:
    """Return draws half of which go with those of others: a law that is misjudged for one is for its likes."""
    assert draws is not None
    half = len(draws) // 2
    return np.concatenate([np.sort(draws[:half]), draws[half:]])


def _with_points(figure: Figure, points: Sequence[Point], ground: Ground, texts: str) -> Figure:
    """Return the sum with the whole's own measured figures, and the fit of the whole for the picture."""
    measured = [Measured(x=one.x, y=one.y, under=sorted(one.under)) for one in points]
    along: list[Along] = []
    if figure.amount is not None and not _unfit(points, ground.telling_s):
        under = frozenset.union(*(one.under for one in points)) - ({LITTLE_MEMORY} if not ground.little else set())
        fit = fitted(points, models.UNKNOWN, rows=ground.driver(texts)[1], under=under)
        along = [Along(x=x, low=low, middle=middle, high=high) for x, low, middle, high in fit.curve]
    fields = {name: getattr(figure, name) for name in ("unit", "amount", "unknown", "law", "law_weight", "says", "why")}
    return Figure(**fields, measured=measured, along=along)


# --- outages, window


def _outages(
    runs: Sequence[Seen], parts: Sequence[tuple[_Key, _Part]], waits: _Guess, ground: Ground
) -> list[OutageForecast]:
    """Return the outages, the longest first: the time of the statements that closed a table, and what lay between."""
    found = sorted({(one.table, one.stops) for run in runs for one in run.closed})
    made = []
    for seed, (table, stops) in enumerate(found, 1):
        seen = [
            (run, next((one for one in run.closed if (one.table, one.stops) == (table, stops)), None)) for run in runs
        ]
        closed = [(run, one) for run, one in seen if one is not None]
        shares = [_share(key, closed) for key, _ in parts]
        between = _time(_between(closed, parts, shares), models.UNKNOWN, frozenset(), ground, table, seed=seed)
        some = [_scaled(part.guesses[0], share) for (_, part), share in zip(parts, shares, strict=True) if share]
        points = [Point(x=run.x, y=_free(run, one.total_s), under=frozenset(run.under)) for run, one in closed]
        total = _sum([*some, *([waits] if max(shares, default=0.0) > _MOSTLY else []), between], "s")
        total_figure = _with_points(total.figure, points, ground, table)
        made.append(
            OutageForecast(
                table=table,
                stops="reads" if stops == "reads" else "writes",
                longest=total_figure if _is_one(closed) else _longest(closed, ground, table, seed),
                total=total_figure,
            )
        )
    return sorted(made, key=lambda one: -(one.longest.amount.middle if one.longest.amount else 0.0))


def _share(key: _Key, closed: Sequence[tuple[Seen, Closed]]) -> float:
    """Return the share of a statement's time in which the table was closed, at the largest sizes."""
    largest = sorted({run.x for run, _ in closed})[-2:]
    shares = []
    for run, one in closed:
        pairs = [(run.statements[n], one.inside[n]) for n in key.places(run) if n < len(one.inside)]
        whole = sum(each.work_s + each.waited_s + each.queued_s for each, _ in pairs)
        if run.x in largest and whole > 0:
            shares.append(sum(inside for _, inside in pairs) / whole)
    return min(1.0, float(np.median(shares))) if shares else 0.0


def _between(
    closed: Sequence[tuple[Seen, Closed]], parts: Sequence[tuple[_Key, _Part]], shares: Sequence[float]
) -> list[Point]:
    """Return how long the table was closed while no statement ran."""
    found = []
    for run, one in closed:
        told = sum(
            share * sum(each.work_s + each.waited_s + each.queued_s for each in key.of(run))
            for (key, _), share in zip(parts, shares, strict=True)
        )
        found.append(Point(x=run.x, y=max(one.total_s - told, 0.0), under=frozenset(run.under)))
    return found


def _is_one(closed: Sequence[tuple[Seen, Closed]]) -> bool:
    """Say whether the table was closed in one stretch at all sizes."""
    return all(one.longest_s > _ONE * one.total_s for _, one in closed)


def _longest(closed: Sequence[tuple[Seen, Closed]], ground: Ground, table: str, seed: int) -> Figure:
    points = [Point(x=run.x, y=_free(run, one.longest_s), under=frozenset(run.under)) for run, one in closed]
    under = frozenset([TRAFFIC]) if _had(points, TRAFFIC) else frozenset[str]()
    return _time(points, models.UNKNOWN, under, ground, table, seed=seed).figure


def _free(run: Seen, seconds: float) -> float:
    """Return a time of a run as it would have been with a core to itself."""
    return seconds * run.free_s / run.seconds if run.seconds > 0 else seconds


def _scaled(guess: _Guess, share: float) -> _Guess:
    return guess if guess.draws is None else _Guess(guess.figure, guess.draws * share)


def _had(points: Sequence[Point], condition: str) -> bool:
    """Say whether some of the figures were under a condition."""
    return any(condition in one.under for one in points)


def _window(draws: Floats | None, asked_s: float | None) -> Window:
    if draws is None:
        return Window(sure_s=None, surety=SURETY, asked_s=asked_s, chance=None)
    chance = None if asked_s is None else float(np.mean(draws <= asked_s))
    return Window(sure_s=float(np.quantile(draws, SURETY)), surety=SURETY, asked_s=asked_s, chance=chance)


def _not_known(runs: Sequence[Seen], name: str, reason: str) -> Way:
    """Return a forecast that says why there is none."""
    points = [Point(x=one.x, y=one.free_s, under=frozenset(one.under)) for one in runs]
    time, size = _unknown("s", reason, points).figure, _unknown("bytes", reason).figure
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


def sizes_of(runs: Sequence[Seen]) -> Mapping[float, list[Seen]]:
    """Return the runs by their size, the smallest first."""
    found: dict[float, list[Seen]] = defaultdict(list)
    for one in sorted(runs, key=lambda one: one.x):
        found[one.x].append(one)
    return found
