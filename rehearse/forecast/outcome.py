"""What a forecast says: the shape of estimate.json, every key described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from rehearse.model.words import told


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A figure that is not certain."""

    low: Annotated[float, told("with 95 % it is more")]
    middle: Annotated[float, told("as likely more as less")]
    high: Annotated[float, told("with 95 % it is less")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a run showed."""

    x: Annotated[float, told("its size as a share of the target's rows")]
    y: Annotated[float, told("the figure")]
    under: Annotated[list[str], told("conditions of the run besides the usual ones: traffic, little memory")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Along:
    """The fit at a size."""

    x: Annotated[float, told("the size as a share of the target's rows")]
    low: Annotated[float, told("lower end of the 90 % interval of one run")]
    middle: Annotated[float, told("its middle")]
    high: Annotated[float, told("its upper end")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure at the target's size, in seconds or bytes."""

    unit: Annotated[Literal["s", "bytes"], told("of all its values")]
    amount: Annotated[Amount | None, told("its 90 % interval; null: not known")]
    unknown: Annotated[str | None, told("why it is not known; null: it is")]
    law: Annotated[str | None, told("the likeliest law: constant, linear, n log n, square; null: it is a sum")]
    law_weight: Annotated[float | None, told("how likely that law is among those admitted, 0 to 1")]
    says: Annotated[str, told("the law with its parameters, in words")]
    why: Annotated[list[str], told("what makes the interval as wide as it is, in words")]
    measured: Annotated[list[Measured], told("the runs that it was fitted to")]
    along: Annotated[list[Along], told("the fit from the smallest size that was run to the target's")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementForecast:
    """A statement of the migration, or several of the same text but for their literals."""

    n: Annotated[int, told("its place among the statements, from 1")]
    sql: Annotated[str, told("its text")]
    kind: Annotated[str, told("the kind of work it was seen to do")]
    count: Annotated[float, told("how often it runs at the target's size; 1 but for batches")]
    duration: Annotated[Figure, told("how long it runs, all its runs together, without waits for locks")]
    log: Annotated[Figure, told("write-ahead log or binary log that it writes")]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageForecast:
    """For how long a table is closed."""

    table: Annotated[str, told("the table")]
    stops: Annotated[Literal["reads", "writes"], told("what is stopped")]
    longest: Annotated[Figure, told("the longest stretch")]
    total: Annotated[Figure, told("all stretches together")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Whether it fits a maintenance window."""

    sure_s: Annotated[float | None, told("it ends within this time with the surety below; null: not known")]
    surety: Annotated[float, told("0 to 1")]
    asked_s: Annotated[float | None, told("the window that was asked about; null: none was")]
    chance: Annotated[float | None, told("how likely it ends within that, 0 to 1; null: not asked, or not known")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way of the migration: forward or back."""

    name: Annotated[str, told("forward or back")]
    duration: Annotated[Figure, told("from its beginning to its end, under the scenario's traffic where runs were")]
    quiet: Annotated[Figure, told("the same without traffic")]
    statements: Annotated[list[StatementForecast], told("in the order in which they ran")]
    outages: Annotated[list[OutageForecast] | None, told("the longest first; null: locks were not seen")]
    disk: Annotated[Figure, told("what it needs on disk at most besides what is there, the log aside")]
    log: Annotated[Figure, told("write-ahead log or binary log that it writes")]
    window: Annotated[Window, told("whether it fits a maintenance window")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSeen:
    """A size that was run."""

    x: Annotated[float, told("as a share of the target's rows")]
    rows: Annotated[dict[str, int], told("rows by table")]
    bytes: Annotated[int, told("all tables with their indexes")]
    runs: Annotated[int, told("runs without traffic")]
    runs_under: Annotated[dict[str, int], told("runs under other conditions")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that is otherwise at the target's size than it was at the sizes that were run."""

    name: Annotated[str, told("cache, storage, sort, checkpoints, workers, machine …")]
    says: Annotated[str, told("what changes, and what it does to the forecast")]
    measured: Annotated[bool, told("its effect was measured by runs of their own; false: it widens the interval")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a migration will take at a size at which it was not run."""

    format: Annotated[Literal[1], told("the number of this shape")]
    scenario: Annotated[str, told("the scenario's name")]
    engine: Annotated[str, told("the kind of database")]
    engine_version: Annotated[str, told("the version that ran")]
    at: Annotated[dict[str, int], told("rows by table that the forecast is for")]
    driver: Annotated[str, told("the table whose rows the laws are told in")]
    bytes: Annotated[float, told("size of all tables with their indexes then")]
    sizes: Annotated[list[SizeSeen], told("the sizes that were run, the smallest first")]
    took_s: Annotated[float, told("how long the estimate took")]
    ways: Annotated[list[Way], told("forward, and back where it was asked for")]
    changes: Annotated[list[Change], told("what is otherwise at the target's size")]
    notes: Annotated[list[str], told("what a reader must know besides")]
    settings: Annotated[dict[str, str], told("settings of the server that the forecast supposes in production, too")]
