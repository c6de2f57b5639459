"""Recordings made by hand, so that checks, measures and reports are tested without a server.

Small builders take seconds on a clock that starts at 0 (`at`) and give events; `recorded` joins them to a Recording.
Whole recordings stand in `rehearse.testing.examples`. All are the same at every call.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy
import pandas

from rehearse.events import (
    CallBehaved,
    CallEnded,
    Event,
    InvariantTried,
    LockTaken,
    LockWaited,
    Outcome,
    PhaseRan,
    RowWritten,
    StageRan,
    StatementRan,
)
from rehearse.model import (
    Budget,
    CallChoice,
    CallShape,
    Comparison,
    Data,
    EngineChoice,
    Environment,
    MigrationChoice,
    Recording,
    Scenario,
    Snapshot,
    TableComparison,
    TableState,
    WorkloadChoice,
)
from rehearse.recording.journal import ListingJournal
from rehearse.units import NS_PER_MS, NS_PER_S

ZERO_NS = 4_000 * NS_PER_S  # second 0 of these recordings on the monotonic clock
MIGRATION = 4242  # the process id of the migration's backend
APPLICATION = tuple(range(5001, 5009))
PATIENCE_S = 10.0
DOWN = "shop/status_not_null.down.sql"


def at(seconds: float) -> int:
    """Return a moment of the recording's clock in nanoseconds."""
    return ZERO_NS + round(seconds * NS_PER_S)


def ns(seconds: float) -> int:
    """Return a length in nanoseconds."""
    return round(seconds * NS_PER_S)


# --- events


def phase(
    name: str, begin: float, end: float, *, acted: tuple[float, float] | None = None, error: str | None = None
) -> PhaseRan:
    """Return a phase from `begin` to `end` in which the migration acted from `acted[0]` to `acted[1]`."""
    return PhaseRan(
        at_ns=at(begin),
        ended_ns=at(end),
        name=name,
        acted_ns=at(acted[0]) if acted else None,
        finished_ns=at(acted[1]) if acted else None,
        error=error,
    )


def stage(name: str, begin: float, end: float) -> StageRan:
    """Return a part of a rehearsal outside the phases."""
    return StageRan(at_ns=at(begin), ended_ns=at(end), name=name)


def statement(
    n: int,
    sql: str,
    begin: float,
    end: float,
    *,
    error: str | None = None,
    code: str | None = None,
    wal_bytes: int | None = 0,
    rewrites: tuple[str, ...] | None = (),
    file: str | None = None,
    transaction: int | None = 1,
) -> StatementRan:
    """Return a statement of the migration, with a doubt of 0.3 ms."""
    return StatementRan(
        at_ns=at(begin),
        ended_ns=at(end),
        n=n,
        sql=sql,
        session=MIGRATION,
        transaction=transaction,
        error=error,
        code=code,
        wal_bytes=wal_bytes,
        rewrites=rewrites,
        doubt_ns=300_000,
        file=file,
    )


def lock(
    table: str,
    asked: float,
    granted: float | None,
    released: float | None,
    *,
    mode: str = "AccessExclusiveLock",
    stops: tuple[str, ...] = ("reads", "writes"),
    by: int | None = 1,
    doubt_ms: float = 2.0,
    index: str | None = None,
) -> LockTaken:
    """Return a lock of the migration that statement `by` asked for."""
    return LockTaken(
        at_ns=at(asked),
        table=table,
        mode=mode,
        stops=stops,
        session=MIGRATION,
        statement=by,
        granted_ns=None if granted is None else at(granted),
        released_ns=None if released is None else at(released),
        doubt_ns=round(doubt_ms * NS_PER_MS),
        index=index,
    )


def waited(
    table: str | None,
    begin: float,
    end: float,
    *,
    session: int = APPLICATION[0],
    role: str = "application",
    mode: str = "AccessShareLock",
    blocked_by: tuple[int, ...] = (MIGRATION,),
) -> LockWaited:
    """Return a wait for a lock."""
    return LockWaited(
        at_ns=at(begin),
        ended_ns=at(end),
        session=session,
        role=role,
        table=table,
        mode=mode,
        blocked_by=blocked_by,
        blocked_by_migration=MIGRATION in blocked_by,
        doubt_ns=600_000,
    )


# --- traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """A stretch in which calls of these kinds get no answer before `end`; all kinds where `calls` is empty."""

    begin: float
    end: float
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A stretch in which calls are refused; at most `most` of them."""

    begin: float
    end: float
    code: str | None
    message: str
    outcome: Outcome = Outcome.FAILED
    calls: tuple[str, ...] = ()
    most: int = 10_000


def traffic(
    begin: float,
    end: float,
    *,
    rate: float = 200,
    calls: Mapping[str, float] | None = None,
    usual_ms: float = 1.0,
    stalls: Sequence[Stall] = (),
    refusals: Sequence[Refusal] = (),
    misses: Sequence[Stall] = (),
    late_ms: float = 0.1,
    seed: int = 1,
    first_number: int = 1,
) -> pandas.DataFrame:
    """Return the calls that were due from `begin` to `end`, evenly spaced, as a frame of CallEnded.

    A call takes about `usual_ms`; one that falls into a stall ends with it; one in `misses` is never sent.
    """
    mix = calls or {"read order": 70, "place order": 30}
    random = numpy.random.default_rng(seed)
    count = round((end - begin) * rate)
    due = numpy.arange(count) / rate + begin
    names = numpy.array(list(mix))[numpy.searchsorted(_cumulated(mix), random.random(count), side="right")]
    sent = due + late_ms / 1_000
    done = sent + usual_ms / 1_000 * (0.6 - 0.4 * numpy.log(1 - random.random(count)))
    for stall in stalls:
        done = numpy.where(_inside(due, names, stall), numpy.maximum(done, stall.end + (done - sent)), done)
    frame = pandas.DataFrame(
        {
            "at_ns": _clock(due),
            "call": names,
            "session": numpy.array(APPLICATION)[numpy.arange(count) % len(APPLICATION)],
            "sent_ns": pandas.array(_clock(sent), dtype="Int64"),
            "done_ns": _clock(done),
            "outcome": Outcome.OK.value,
            "code": None,
            "message": None,
            "number": numpy.arange(count) + first_number,
        }
    )
    for refusal in refusals:
        _refuse(frame, numpy.flatnonzero(_inside(due, names, refusal))[: refusal.most], refusal)
    for miss in misses:
        _miss(frame, numpy.flatnonzero(_inside(due, names, miss)))
    return frame


def _cumulated(mix: Mapping[str, float]) -> numpy.ndarray:
    shares = numpy.cumsum(list(mix.values()))
    return numpy.asarray(shares / shares[-1])


def _clock(seconds: numpy.ndarray) -> numpy.ndarray:
    return ZERO_NS + numpy.round(seconds * NS_PER_S).astype("int64")


def _inside(due: numpy.ndarray, names: numpy.ndarray, stretch: Stall | Refusal) -> numpy.ndarray:
    inside = (due >= stretch.begin) & (due < stretch.end)
    return inside & numpy.isin(names, stretch.calls) if stretch.calls else inside


def _refuse(frame: pandas.DataFrame, rows: numpy.ndarray, refusal: Refusal) -> None:
    columns = ["outcome", "code", "message"]
    values = [refusal.outcome.value, refusal.code, refusal.message]
    for column, value in zip(columns, values, strict=True):
        frame.loc[rows, column] = value


def _miss(frame: pandas.DataFrame, rows: numpy.ndarray) -> None:
    frame.loc[rows, "sent_ns"] = pandas.NA
    frame.loc[rows, "session"] = 0
    frame.loc[rows, "done_ns"] = frame.loc[rows, "at_ns"] + ns(PATIENCE_S)
    frame.loc[rows, "outcome"] = Outcome.MISSED.value


def written(
    number: int,
    sent: float,
    done: float,
    *,
    table: str = "orders",
    kind: str = "insert",
    key: Mapping[str, str | None] | None = None,
    values: Mapping[str, str | None] | None = None,
    outcome: Outcome = Outcome.OK,
) -> RowWritten:
    """Return a row that call `number` wrote."""
    return RowWritten(
        at_ns=at(sent),
        done_ns=at(done),
        number=number,
        outcome=outcome,
        table=table,
        kind=kind,
        key=None if key is None else json.dumps(key),
        values=json.dumps(values or {}),
    )


def promise(
    state: str,
    rows: int | None,
    *,
    kind: str = "foreign key",
    name: str = "orders_customer_id_fkey",
    table: str = "orders",
    before: int | None = None,
    example: str | None = None,
    flaw: str | None = None,
    is_new: bool = False,
    error: str | None = None,
    new: int | None = None,
    error_before: str | None = None,
    seconds: float = 15,
) -> InvariantTried:
    """Return what a promise of the schema was worth in a state."""
    return InvariantTried(
        at_ns=at(seconds),
        ended_ns=at(seconds + 0.1),
        state=state,
        kind=kind,
        name=name,
        table=table,
        rows=rows,
        rows_before=before,
        example=example,
        flaw=flaw,
        is_new=is_new,
        error=error,
        rows_new=new,
        error_before=error_before,
    )


def behaved(
    state: str,
    *,
    call: str = "read order",
    plans: tuple[str, str] = ("Index Scan using orders_pkey on orders", "Index Scan using orders_pkey on orders"),
    by_statistics: bool = False,
    differs: Literal["result", "error"] | None = None,
    answers: tuple[str, str] = ("1 row: paid", "1 row: new"),
    reason: str | None = None,
    asked: int = 12,
    seconds: float = 20,
) -> CallBehaved:
    """Return how a call behaves in a state beside the start, `differs` for the values "17"."""
    return CallBehaved(
        at_ns=at(seconds),
        state=state,
        call=call,
        plan_before=plans[0],
        plan_after=plans[1],
        by_statistics=by_statistics,
        asked=0 if reason else asked,
        rows=0 if reason else asked,
        differs=differs,
        values="17" if differs else None,
        before=answers[0] if differs else None,
        after=answers[1] if differs else None,
        reason=reason,
    )


# --- joined


ENVIRONMENT = Environment(
    cpu="Example CPU @ 2.40GHz",
    cores=2,
    memory_bytes=8 << 30,
    system="Linux 6.1",
    python="3.11.9",
    rehearse="0.1.0",
    engine="postgres",
    engine_version="18.6",
    load_average=0.42,
    settings={"shared_buffers": "256MB", "wal_level": "logical"},
)
SHAPES = (
    CallShape(
        name="read order", sql=("select * from orders where id = :id",), share=70, touches={"orders": ("reads",)}
    ),
    CallShape(
        name="place order",
        sql=("insert into orders (customer_id, total_cents) values (:customer, :total)",),
        share=30,
        touches={"orders": ("writes",)},
    ),
)


def scenario(
    name: str = "orders-status-not-null", *, budget: Budget | None = None, back: str | Literal[False] | None = DOWN
) -> Scenario:
    """Return the scenario that the whole recordings share, with a budget of 500 ms for a closed table."""
    return Scenario(
        name=name,
        why="ORD-812: every order gets a status; the checkout page reads this table",
        seed=812,
        data=Data(profile="shop", scale=0.05),
        engine=EngineChoice(version="18", settings={"shared_buffers": "256MB"}),
        migration=MigrationChoice(schema="shop/schema.sql", forward="shop/status_not_null.up.sql", back=back),
        workload=WorkloadChoice(
            sessions=len(APPLICATION),
            rate=200.0,
            calls=[CallChoice(name=one.name, sql=list(one.sql), share=one.share) for one in SHAPES],
        ),
        budget=budget or Budget(blocked=500 * NS_PER_MS, slowdown=3.0, duration=60 * NS_PER_S),
    )


def recorded(
    events: Iterable[Event] = (),
    *,
    frames: Iterable[pandas.DataFrame] = (),
    of: Scenario | None = None,
    environment: Environment = ENVIRONMENT,
    snapshots: Mapping[str, Snapshot] | None = None,
    comparisons: Sequence[Comparison] = (),
    calls: Sequence[CallShape] = SHAPES,
) -> Recording:
    """Return a Recording of these events; `frames` are calls as `traffic` makes them."""
    journal = ListingJournal()
    for event in events:
        journal.write(event)
    for frame in frames:
        journal.write_frame(CallEnded, frame)
    return Recording(
        scenario=of or scenario(),
        environment=environment,
        history=journal.close(),
        snapshots=snapshots or {},
        comparisons=comparisons,
        calls=calls,
    )


COLUMNS = ("id", "customer_id", "status", "total_cents", "note", "placed_at")


def snapshot(name: str, seconds: float, tables: Mapping[str, int]) -> Snapshot:
    """Return a snapshot of tables with so many rows, each of the same six columns."""
    return Snapshot(
        name=name,
        at_ns=at(seconds),
        took_ns=ns(0.4),
        schema=dict(_objects(tables)),
        physical={},
        tables={
            table: TableState(
                table=table,
                rows=rows,
                size_bytes=rows * 120,
                key=("id",),
                checksum=str(rows * 7_919),
                columns={column: str(rows * 104_729) for column in COLUMNS},
            )
            for table, rows in tables.items()
        },
    )


def _objects(tables: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    for table in tables:
        yield f"table {table}", {"exists": "yes", "owner": "app", "kind": "table"}
        for column in COLUMNS:
            yield f"table {table} column {column}", {"type": "text", "not null": "no", "default": "'new'::text"}


def same(before: str, after: str, tables: Mapping[str, int]) -> Comparison:
    """Return a comparison that found nothing; every table gained 100 rows by acknowledged writes."""
    return Comparison(
        before=before,
        after=after,
        took_ns=ns(0.8),
        schema=(),
        physical=(),
        tables=tuple(unchanged(table, rows) for table, rows in tables.items()),
    )


def unchanged(table: str, rows: int) -> TableComparison:
    """Return a table in which only the traffic's own 100 rows are new."""
    return TableComparison(
        table=table,
        rows_before=rows,
        rows_after=rows + 100,
        rows_missing=0,
        rows_unexpected=0,
        writes_checked=100,
        lost=(),
    )
