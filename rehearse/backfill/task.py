"""What is to be filled, and what it may cost: the options of a backfill, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from rehearse.errors import Mistake
from rehearse.units import NS_PER_MS, NS_PER_S

MOST_KEYS = 100_000  # of one batch: its row locks and its log are one transaction's
LEAST_KEYS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """A query of one number, asked between batches; the backfill waits while it is above `most`, or NULL."""

    query: str
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """One UPDATE, or one INSERT … SELECT, to be run in batches by key.

    `statement` is the whole of it, as it would be run at once; its WHERE must tell rows that are done from those that
    are not, unless it is `once`: then each range of keys is done once, as the table of states has it. `key` are the
    columns of a unique key, else the primary key is taken. `batch` is how many keys the first batch spans, and the
    next ones are made to take `batch_time_ns` each; None keeps them as they are. `verify` is a condition that must
    hold for no row at the end, else it is the statement's own WHERE.
    """

    statement: str
    key: tuple[str, ...] = ()
    batch: int = 1_000
    batch_time_ns: int | None = 100 * NS_PER_MS
    most_keys: int = MOST_KEYS
    pause_ns: int = 0
    workers: int = 1
    once: bool = False
    verify: str | None = None
    lock_timeout_ns: int = NS_PER_S
    statement_timeout_ns: int = 30 * NS_PER_S
    attempts: int = 50  # of one batch, that the server refuses for a lock, a deadlock or its length
    ceilings: tuple[Ceiling, ...] = ()
    max_lag_ns: int | None = None  # of replicas
    replicas: tuple[str, ...] = field(default=(), repr=False)  # their URLs; without one the primary is asked for all
    latency: Ceiling | None = None  # a query whose own time, in ms, may not be above `most` at the 99th percentile
    state: str = "rehearse_backfill"

    def __post_init__(self) -> None:
        if not LEAST_KEYS <= self.batch <= self.most_keys:
            raise Mistake(f"a batch of {self.batch:,} keys: between {LEAST_KEYS} and {self.most_keys:,}")
        if not 1 <= self.workers <= 64:
            raise Mistake(f"{self.workers} workers: between 1 and 64")


def update(table: str, assignments: str, where: str | None) -> str:
    """Return the UPDATE of a table, a SET and a WHERE, each as SQL has it."""
    return f"UPDATE {table} SET {assignments}" + (f" WHERE {where}" if where and where.strip() else "")
