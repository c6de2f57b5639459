"""R…: whether this run can be believed. What these find makes the verdict unknown, never failed and never passed."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from rehearse.checks._check import check, phase
from rehearse.errors import NotMeasured
from rehearse.events import CompanyKept, PhaseRan, Remarked, Sampled
from rehearse.measures.emptiness import touched
from rehearse.measures.latency import latencies
from rehearse.measures.load import load
from rehearse.measures.steadiness import change
from rehearse.model import Finding, Recording, Rule
from rehearse.units import NS_PER_S

ON_TIME_SHARE = 0.99
BASELINE_ERRORS = 0.05
_OTHERS = 0.6  # of all cores
_QUEUED = 0.4  # of the time in which they wanted a core
_ENOUGH_S = 1.0  # CPU is counted in ticks of 10 ms, and what ends is counted late
_NEEDED = frozenset({"server cpu", "client cpu", "client queued", "machine cpu"})  # a server elsewhere has no CPU here
_STOPPED = frozenset({"57014", "57P01", "1317"})  # what we stop ourselves
_LEVELS = 3.0  # times one level of the baseline's median latency is the other, from which it is not one thing


@check(
    Rule(
        code="R001",
        name="traffic on time",
        asks="Did the driver send at least 99 % of the baseline's calls within 5 ms of when they were due?",
        harm="Latencies then tell of the test machine and not of the database.",
        remedy="Lower workload.rate, or run on a machine with more cores or less other work.",
    ),
)
def on_time(recording: Recording, _rule: Rule) -> Iterator[Finding]:
    """Raise NotMeasured where the driver was late in the baseline."""
    before = latencies(recording, "baseline")
    if before is None or not before.due:
        raise NotMeasured("there was no baseline traffic")
    if before.on_time_share is not None and before.on_time_share < _by_chance(before.due):
        raise NotMeasured(
            f"only {before.on_time_share:.1%} of the baseline's calls were sent within 5 ms of when they were due"
        )
    yield from ()


def _by_chance(calls: int) -> float:
    """Return the share below which so few calls are on time that chance does not explain it (two deviations)."""
    return ON_TIME_SHARE - 2 * sqrt(ON_TIME_SHARE * (1 - ON_TIME_SHARE) / calls)


@check(
    Rule(
        code="R002",
        name="baseline sound",
        asks="Does the traffic work before the migration begins?",
        harm="Errors that were there before would be taken for the migration's, or hide it.",
        remedy="Mend the calls that fail in the baseline: their message stands in the report.",
    ),
)
def baseline_works(recording: Recording, _rule: Rule) -> Iterator[Finding]:
    """Raise NotMeasured where calls failed or were missed in the baseline."""
    before = latencies(recording, "baseline")
    if phase(recording, "baseline") is None or before is None or not before.due:
        raise NotMeasured("there was no baseline traffic")
    bad = before.failed + before.unknown + before.missed
    if bad > BASELINE_ERRORS * before.due:
        raise NotMeasured(f"{bad:,} of {before.due:,} calls failed or were missed before the migration began")
    began = phase(recording, "baseline")
    for one in recording.history.of(CompanyKept):
        if began and one.at_ns <= began.ended_ns and one.code is not None and one.code not in _STOPPED:
            raise NotMeasured(f"company {one.name!r} failed before the migration began: {one.message}")
    yield from ()


@check(
    Rule(
        code="R003",
        name="observers saw all",
        asks="Was anything left unseen that a check needs?",
        harm="A lock or a loss that nobody looked for is not in the report.",
        remedy="Read the remarks; most name a setting or a right that the observer lacks.",
    ),
)
def nothing_unseen(recording: Recording, _rule: Rule) -> Iterator[Finding]:
    """Raise NotMeasured with the first remark that weakens what was measured."""
    remarks = [one for one in recording.history.of(Remarked) if one.weakens]
    if remarks:
        more = f" (and {len(remarks) - 1} more remarks)" if len(remarks) > 1 else ""
        raise NotMeasured(f"{remarks[0].source}: {remarks[0].says}{more}")
    yield from ()


@check(
    Rule(
        code="R004",
        name="rows there",
        asks="Did the tables that the migration touches hold any row?",
        harm="On empty tables every lock is over in a moment, and a backfill has nothing to do: that says nothing of "
        "production.",
        remedy="Give the tables rows: data.profile (`rehearse init` writes a first one, `rehearse profile URL` "
        "describes a real database), data.load or data.dump. A table that is empty in production too is named as such: "
        "data.tables = { NAME = 0 }.",
    ),
)
def rows_there(recording: Recording, _rule: Rule) -> Iterator[Finding]:
    """Raise NotMeasured where every table that was touched, or every table there is, was empty."""
    seen = touched(recording)
    way_out = "; give rows in [data]: profile, load or dump"
    if seen.tables and not seen.rows:
        held = "the only table" if seen.tables == 1 else f"all {seen.tables:,} tables"
        raise NotMeasured(f"{held} had 0 rows, so how long locks last and what is lost was not tried{way_out}")
    if seen.empty and not seen.filled:
        raise NotMeasured(
            f"the migration touches only tables with 0 rows ({', '.join(seen.empty[:5])}), so how long its locks last "
            f"was not tried{way_out}, or say that they are empty: data.tables = {{ {seen.empty[0]} = 0 }}"
        )
    yield from ()


@check(
    Rule(
        code="R005",
        name="baseline steady",
        asks="Did the latency of the traffic change its level in the baseline, before the migration began?",
        harm="The baseline says what is slow: where it was two things, neither slowdown nor recovery means much.",
        remedy="Rehearse on a machine with less other work, give the baseline more time (workload.baseline), or lower "
        "the rate.",
    ),
)
def baseline_steady(recording: Recording, _rule: Rule) -> Iterator[Finding]:
    """Raise NotMeasured where the medians of the baseline have two levels, far apart."""
    before = latencies(recording, "baseline")
    found = change(before) if before is not None else None
    if found is not None and max(found.times, 1.0 / found.times) > _LEVELS:
        began = phase(recording, "baseline")
        seconds = (found.at_ns - began.at_ns) / NS_PER_S if began is not None else 0.0
        raise NotMeasured(
            f"{seconds:.1f} s into the baseline the median latency became {found.times:.1f} times what it was; "
            "something else went on beside the traffic"
        )
    yield from ()


@check(
    Rule(
        code="R006",
        name="machine to itself",
        asks="Had the rehearsal the machine for itself, so that stalls are the migration's and not of other work?",
        harm="What others take of the processors makes every call slower, and locks longer, at moments of their own.",
        remedy="Stop what else runs on this machine (its load stands in the report), or take one with more cores.",
    ),
    asked=lambda recording: set(recording.history.frame(Sampled)["name"]) >= _NEEDED,
)
def alone(recording: Recording, _rule: Rule) -> Iterator[Finding]:
    """Raise NotMeasured for a phase in which other processes took more than 60 % of the machine, and ours queued up.

    That others are busy says nothing by itself: a container's share of a large machine is its own.
    """
    measured = 0
    for one in recording.history.of(PhaseRan):
        found = load(recording, one)
        if found is None or found.machine_share is None or found.server_cores is None or found.client_cores is None:
            continue
        measured += 1
        ours = (found.server_cores + found.client_cores) / (found.machine_cores or recording.environment.cores)
        others = found.machine_share - ours
        queued = (found.client_queued or 0.0) / max(found.client_cores + (found.client_queued or 0.0), 1e-9)
        if others > _OTHERS and queued > _QUEUED and found.seconds >= _ENOUGH_S:
            raise NotMeasured(f"in {one.name} other work took {others:.0%} of this machine for {found.seconds:.1f} s")
    if not measured and set(recording.history.frame(Sampled)["name"]) >= _NEEDED:
        raise NotMeasured("no phase was long enough to tell what else ran on this machine")
    yield from ()


CHECKS = (on_time, baseline_works, nothing_unseen, rows_there, baseline_steady, alone)
