"""The shape of comparison.json, every key described; null means "not measured"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from rehearse.reports._shape import Allowed, LoadedTable, Machine
from rehearse.reports._told import told


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """One rehearsal of a strategy."""

    round: Annotated[int, told("the round in which it ran; every strategy runs once in each")]
    place: Annotated[int | None, told("its place among all runs, in the order of time; null: not known")]
    status: Annotated[Literal["passed", "unknown", "failed"], told("its verdict")]
    says: Annotated[str, told("the verdict in one sentence")]
    failed: Annotated[list[str], told("codes of the checks that failed")]
    unknown: Annotated[list[str], told("codes of the checks that could not tell")]
    folder: Annotated[str | None, told("the folder of its report and recording, from the comparison's")]
    figures: Annotated[Mapping[str, float | None], told("by the figure's key; null: not measured")]
    no_return: Annotated[str | None, told("from which write on the way back loses some, in words")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadSeen:
    """A figure over the runs of a strategy."""

    median: Annotated[float, told("the median of the runs")]
    low: Annotated[float, told("where its interval begins")]
    high: Annotated[float, told("where it ends")]
    holds: Annotated[float, told("how probably the interval holds the true median, 0 to 1")]
    measured: Annotated[int, told("runs in which the figure was measured")]
    doubt: Annotated[float, told("by how much the figure of one run may be wrong, at most")]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSeen:
    """Where a strategy ends, sent forward in quiet on the same data."""

    is_alternative: Annotated[bool | None, told("whether it ends where the first one does; null: not compared")]
    is_first: Annotated[bool, told("it is the one that the others are compared with")]
    error: Annotated[str | None, told("why it did not get to its end in quiet")]
    differs: Annotated[list[str], told("what it ends without, with or otherwise than the first")]
    cosmetic: Annotated[
        list[str], told("what differs without a meaning: names, comments, the order of columns on disk")
    ]
    leftovers: Annotated[list[str], told("tables that it leaves for its own use")]
    not_compared: Annotated[list[str], told("what could not be compared, and why")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySeen:
    """A strategy and its runs."""

    name: Annotated[str, told("its name")]
    way: Annotated[str | None, told("the way of the library that it is; null: a migration of its own")]
    status: Annotated[Literal["passed", "unknown", "failed", "not run"], told("the worst verdict of its runs")]
    refused: Annotated[str | None, told("why it was not run, or not as often as was asked")]
    rank: Annotated[int | None, told("its place in the order; null: it does not take part")]
    why: Annotated[str, told("why it has this place, in a sentence")]
    deploys: Annotated[int | None, told("releases of the application that it needs; null: not told")]
    statements: Annotated[int | None, told("different statements of its way forward, repetitions counted once")]
    steps: Annotated[list[str], told("these statements, each on a line; at most 60")]
    tool: Annotated[str, told("what runs it")]
    end: Annotated[EndSeen, told("where it ends")]
    figures: Annotated[Mapping[str, SpreadSeen | None], told("by the figure's key; null: not measured in any run")]
    no_return: Annotated[str | None, told("the point of no return, of the run where it comes first")]
    runs: Annotated[list[RunSeen], told("its runs, in the order of the rounds")]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureTold:
    """A figure, and what it is in."""

    key: Annotated[str, told("its key in the strategies and runs")]
    group: Annotated[str, told("of what it is: a way, the traffic, the cost, safety")]
    title: Annotated[str, told("what it is, in words")]
    unit: Annotated[Literal["ms", "s", "bytes", "count", "ratio", "share"], told("its unit")]
    budget: Annotated[str | None, told("the budget that it is measured against; null: none")]
    best: Annotated[list[str], told("the winner, or those of which noise hides which it is; empty: cannot be told")]
    p: Annotated[float | None, told("the largest p of the winner's tests against the others; null: no winner")]
    says: Annotated[str, told("who wins it, or why nobody does")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How it was compared."""

    repeats: Annotated[int, told("rounds that were asked for")]
    order: Annotated[list[str], told("the strategies in the order in which they ran")]
    data: Annotated[str, told("whether all had the same bytes, in words")]
    traffic: Annotated[str, told("what the traffic was, in words")]
    caches: Annotated[str, told("the state of the caches at each start, in words")]
    intervals: Annotated[str, told("what an interval is, in words")]
    test: Annotated[str, told("when one strategy is better than another, in words")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Strategies side by side."""

    format: Annotated[Literal[1], told("the number of this shape")]
    name: Annotated[str, told("what is compared")]
    why: Annotated[str, told("why, in the scenario's words")]
    file: Annotated[str | None, told("the scenario's file")]
    engine: Annotated[str, told("the kind of database")]
    engine_version: Annotated[str | None, told("the version that ran; null: none ran")]
    via: Annotated[str, told("how the server was had")]
    seed: Annotated[int, told("the seed of rows, traffic and order")]
    status: Annotated[Literal["passed", "unknown", "failed", "not run"], told("whether any strategy passed")]
    winner: Annotated[
        str | None, told("who keeps the budget and is better than all who do; null: none, or noise hides it")
    ]
    says: Annotated[str, told("the result in one sentence")]
    budget: Annotated[Allowed, told("what the application can bear")]
    environment: Annotated[Machine | None, told("where it ran; null: nothing ran")]
    tables: Annotated[Mapping[str, LoadedTable], told("the data that the strategies met, by table")]
    method: Annotated[Method, told("how it was compared")]
    figures: Annotated[list[FigureTold], told("every figure, and who is best by it")]
    strategies: Annotated[list[StrategySeen], told("in their order; those that take no part last")]
    remarks: Annotated[list[str], told("what a reader must know besides")]
