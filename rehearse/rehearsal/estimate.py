"""estimate(scenario) -> Estimate: the change run at small sizes, within a time limit, and forecast at the target's."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rehearse import registry, units
from rehearse.errors import RehearseError, ScenarioMistake, TooBig
from rehearse.forecast.figures import SIZES, Ground
from rehearse.forecast.forecast import way
from rehearse.forecast.machines import Ratio
from rehearse.forecast.outcome import Change, Estimate, SizeSeen
from rehearse.forecast.regimes import crossed
from rehearse.forecast.seen import LITTLE_MEMORY, TRAFFIC, Seen
from rehearse.model import Calibration, Limits, OfCapacity, Scenario, Setting
from rehearse.rehearsal import machine, scales
from rehearse.rehearsal.prepare import check_room
from rehearse.rehearsal.progress import Progress, Silent
from rehearse.rehearsal.sizes import Site, Size, site
from rehearse.rehearsal.target import Target, target

_TRAFFIC_S = 1.7  # a run under traffic beyond the run itself: connecting, half a second before and after, the end
_FOR_LITTLE = 0.3  # of the time, for a server with little memory where the target's tables outgrow its cache
_LITTLE_RUNS = 3
_LOST = 0.05
_HELD, _FAR = 10.0, 15.0  # times the largest size: at which intervals were held against real runs, and what is far


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of an estimate.

    `at` are rows by table at the target; a table that is not named has as many times its profile's rows as the first
    that is. `scales` are shares of the profile's rows; None: chosen to fit `within_s`.
    """

    at: Mapping[str, int] = field(default_factory=dict)
    scales: Sequence[float] | None = None
    within_s: float = 300.0
    repeats: int = 3
    window_s: float | None = None
    back: bool = False
    traffic: bool = True
    machine: Calibration | None = None


def estimate(scenario: Scenario, asked: Asked, *, progress: Progress | None = None) -> Estimate:
    """Measure a scenario's change at small sizes and forecast it; nothing of the servers is left."""
    progress = progress or Silent()
    began = time.monotonic()
    goal = target(scenario, asked.at)
    if asked.machine is not None:
        _check_machine(scenario, asked.machine)
    if scenario.migration.back is False and asked.back:
        raise ScenarioMistake(f"{scenario.name}: --back: the scenario names no way back")
    with site(scenario, progress) as here:
        run = _Measuring(here, goal, asked, began)
        run.measure()
        limits = run.limits()
        version = here.server.version
        ratio = None if asked.machine is None else machine.ratio(asked.machine, run.calibration())
    if run.left_s() > 0 and not run.has_failed:
        run.try_little(limits)
    took_s = time.monotonic() - began
    return _estimate(scenario, run, limits, ratio, version, took_s)


def _check_machine(scenario: Scenario, there: Calibration) -> None:
    """Raise a ScenarioMistake for a calibration of another kind of server."""
    theirs = "mariadb" if there.engine == "mysql" and "mariadb" in there.server.lower() else there.engine
    if theirs != scenario.engine.name:
        raise ScenarioMistake(
            f"--machine: it was measured on {theirs}, and the scenario is for {scenario.engine.name}; calibrate the "
            "server that the migration is for"
        )


@dataclass(slots=True)
class _Measuring:
    """What was measured so far, and how long it took."""

    site: Site
    goal: Target
    asked: Asked
    began: float
    seen: list[Seen] = field(default_factory=list)
    costs: list[scales.Cost] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    little: dict[str, dict[str, Setting]] = field(default_factory=dict)  # by what changes: how that was had here

    @property
    def largest(self) -> float:
        """The largest size."""
        return max(one.x for one in self.sizes)

    def left_s(self) -> float:
        """Return how much of the time is left."""
        return self.asked.within_s - (time.monotonic() - self.began)

    @property
    def has_failed(self) -> bool:
        """Whether a run failed: then nothing is forecast, and further runs tell nothing."""
        return any(one.error is not None for one in self.seen)

    def measure(self) -> None:
        """Load the sizes, the smallest first, run once on each, then all other runs in random order.

        A run that fails is the last one.
        """
        fixed = self._fixed() or []
        if fixed:
            self._check_room(fixed[-1])
        for x in fixed:
            if not self.has_failed:
                self._first(x)
        if not self.sizes:
            self._chosen()
        others = [(size, False) for size in self.sizes for _ in range(self.asked.repeats - 1)]
        others += [(size, True) for size in self.sizes if self.asked.traffic]
        random.Random(self.site.scenario.seed).shuffle(others)
        others.sort(key=lambda one: not one[1])  # those under traffic are one a size, so they come first
        for size, traffic in others:
            if self.has_failed:
                return
            if self.asked.scales is None and self.left_s() < 0 and not traffic:
                self.notes.append("the time was up before all repeats were run")
                return
            self._run(size, traffic=traffic)

    def try_little(self, limits: Limits) -> None:
        """Measure with little memory; where that cannot be had, what was measured before is kept, and it is said."""
        before = list(self.seen)
        try:
            self.measure_little(limits)
        except RehearseError as error:
            self.seen, self.little = before, {}
            self.notes.append(f"what changes with the size was not measured by runs with little memory: {error}")

    def measure_little(self, limits: Limits) -> None:
        """Run on a server whose memory and log are to the largest size as the server's are to the target's.

        It has little of that alone of which the target's tables ask for more than there is.
        """
        scenario = self.site.scenario
        self.little = little(scenario, limits, self.largest, [one.name for one in crossed(limits, self.seen)])
        if not self.little:
            return
        settings = {name: value for some in self.little.values() for name, value in some.items()}
        engine = replace(scenario.engine, settings={**scenario.engine.settings, **settings})
        with site(replace(scenario, engine=engine), self.site.progress, under=(LITTLE_MEMORY,)) as small:
            size = small.loaded(self.largest, self.goal.scenario(small.scenario, self.largest))
            for _ in range(_LITTLE_RUNS):
                self.seen += small.measured(size, traffic=False, back=self.asked.back)

    def limits(self) -> Limits:
        """Return the limits of the server."""
        name = self.site.scenario.engine.name
        if not registry.has_part("engine", name, "limits"):
            return Limits()
        found: Limits = registry.part("engine", name, "limits").limits(self.sizes[-1].database)
        return found

    def calibration(self) -> Calibration:
        """Return the speeds of the server."""
        self.site.progress.stage("calibrate this machine")
        return machine.of(self.sizes[-1].database, self.site.scenario.engine.name)

    def _fixed(self) -> list[float] | None:
        if self.asked.scales is None:
            return None
        return self.goal.shares(self.asked.scales)

    def _chosen(self) -> None:
        """Choose sizes by what the ones before them cost."""
        rows = float(self.goal.largest)
        first = scales.pilot(rows)
        self._first(first)
        if self.has_failed:
            return
        budget = self.left_s() * (1.0 - _FOR_LITTLE)
        planned = list(self._plan(budget, rows).sizes)
        if planned[0] > 1.2 * first:
            self._drop(first)
        else:  # the first stands for the planned size that is next to it
            planned.remove(min(planned, key=lambda x: abs(x - first)))
        while planned and not self.has_failed:
            try:
                self._first(planned.pop(0))
            except TooBig as error:
                if len(self.sizes) < SIZES:
                    raise
                self.notes.append(f"larger sizes were left out: {error}")
                return
            again = self._plan(self.left_s() * (1.0 - _FOR_LITTLE) + self._spent(), rows)
            planned = scales.rest(planned, [one.x for one in self.sizes], max(again.sizes))

    def _spent(self) -> float:
        """Return what loading and running the sizes so far took, which a new plan counts again."""
        return sum(one.load_s + one.run_s for one in self.costs if one.x in {size.x for size in self.sizes})

    def _plan(self, within_s: float, rows: float) -> scales.Plan:
        traffic = _TRAFFIC_S if self.asked.traffic else 0.0
        runs = self.asked.repeats + bool(traffic)
        return scales.plan(self.costs, within_s=within_s, runs=runs, traffic_s=traffic, rows=rows)

    def _first(self, x: float) -> None:
        """Load a size and run on it once; what it cost is kept."""
        scenario = self._check_room(x)
        began = time.monotonic()
        size = self.site.loaded(x, scenario)
        loaded = time.monotonic()
        self.sizes.append(size)
        self._run(size, traffic=False)
        self.costs.append(scales.Cost(x=x, load_s=loaded - began, run_s=time.monotonic() - loaded))

    def _check_room(self, x: float) -> Scenario:
        """Return the scenario of a size; raises TooBig where this machine cannot hold it."""
        scenario = self.goal.scenario(self.site.scenario, x)
        check_room(scenario, registry.engine(scenario.engine.name))
        return scenario

    def _run(self, size: Size, *, traffic: bool) -> None:
        self.seen += self.site.measured(size, traffic=traffic, back=self.asked.back)

    def _drop(self, x: float) -> None:
        """Forget a size: it is too small beside the others."""
        for size in (one for one in self.sizes if one.x == x):
            size.database.drop()
        self.sizes = [one for one in self.sizes if one.x != x]
        self.seen = [one for one in self.seen if one.x != x]


def little(scenario: Scenario, limits: Limits, x: float, regimes: Collection[str]) -> dict[str, dict[str, Setting]]:
    """Return by regime the settings under which a share of the data is as short of memory as the whole is.

    None for a server that is not started by us: its settings stay as they are.
    """
    name = scenario.engine.name
    if scenario.engine.via == "url" or not registry.has_part("engine", name, "limits"):
        return {}
    found: dict[str, dict[str, Setting]] = registry.part("engine", name, "limits").scaled(limits, x, regimes)
    return found


def _estimate(  # noqa: PLR0917  all that is known in the end
    scenario: Scenario, run: _Measuring, limits: Limits, ratio: Ratio | None, version: str, took_s: float
) -> Estimate:
    goal, asked = run.goal, run.asked
    changed = crossed(limits, run.seen)
    known = set(run.little)
    ground = Ground(
        at=goal.tables,
        regimes=[one for one in changed if one.name not in known],
        window_s=asked.window_s,
        machine=ratio.factor if ratio else None,
        little=bool(known),
        sort=limits.sort,
    )
    names = ["forward", *(["back"] if asked.back else [])]
    ways = [way(run.seen, name, ground) for name in names]
    changes = [Change(name=one.name, says=one.says, measured=one.name in known) for one in changed]
    if ratio:
        changes.append(Change(name="machine", says=ratio.says, measured=True))
    largest = max(run.sizes, key=lambda one: one.x)
    return Estimate(
        format=1,
        scenario=scenario.name,
        engine=scenario.engine.name,
        engine_version=version,
        at=dict(goal.tables),
        driver=ground.driver(" ".join(one.sql for one in run.seen[0].statements))[0],
        bytes=sum(largest.sizes.values()) / largest.x,
        sizes=[_size(one, run.seen) for one in sorted(run.sizes, key=lambda one: one.x)],
        took_s=took_s,
        ways=ways,
        changes=changes,
        notes=[*_notes(scenario, asked, run.seen, largest.x), *run.notes],
        settings=dict(limits.settings),
    )


def _size(size: Size, runs: Sequence[Seen]) -> SizeSeen:
    here = [one for one in runs if one.x == size.x and one.phase == "forward"]
    under = [name for one in here for name in one.under]
    return SizeSeen(
        x=size.x,
        rows=size.rows,
        bytes=sum(size.sizes.values()),
        runs=sum(not one.under for one in here),
        runs_under={name: under.count(name) for name in sorted(set(under))},
    )


def _lost(runs: Sequence[Seen]) -> float:
    """Return the share of the statements' time in which they waited for a core."""
    whole = sum(one.work_s + one.queued_s for run in runs for one in run.statements)
    return sum(run.queued_s for run in runs) / whole if whole > 0 else 0.0


def _notes(scenario: Scenario, asked: Asked, runs: Sequence[Seen], largest: float) -> Iterator[str]:
    rate = scenario.workload.rate
    if 1.0 / largest > _FAR:
        yield (
            f"the target is {1.0 / largest:,.0f} times the largest size that was run, and intervals were held against "
            f"real runs at {_HELD:.0f} times only: give it more time (--within), or larger --scales"
        )
    if not asked.traffic:
        yield (
            "no run was under traffic: waits for locks, and what the application's work costs beside it, are in no "
            "figure; without --quiet-only they are"
        )
    else:
        told = str(rate) if isinstance(rate, OfCapacity) else f"{rate:g} calls/s"
        busy = [sum(each.waited_s for each in one.statements) for one in runs if TRAFFIC in one.under]
        yield (
            f"one run of each size was under the scenario's traffic ({told}), without a baseline before it; the rate "
            "is the same at every size"
        )
        yield (
            f"it waited for locks for {units.human_duration(max(busy, default=0.0) * units.NS_PER_S)} at most in "
            f"{units.counted(len(busy), 'run')} under traffic; a transaction that is open for longer in production "
            "adds what is left of it"
        )
    yield "every run began with the server's own cache empty, and with the files in the operating system's"
    lost = _lost(runs)
    if lost > _LOST:
        yield (
            f"for {100 * lost:.0f} % of the time of statements the server wanted a core of this machine that others "
            "had; that is taken out, and the forecast is for a machine that is not so full"
        )
    if not asked.machine:
        yield (
            "the times are this machine's: `rehearse calibrate` compares it with production's, and --machine applies it"
        )
