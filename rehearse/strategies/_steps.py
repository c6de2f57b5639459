"""Steps of a way, and the text that a migration tool runs: SQL that stays runnable by the server's own client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rehearse.strategies._options import Options

Mode = Literal["alone", "together", "patient", "batches"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step: what it is for, and its statements.

    They run each by itself (`alone`), in one transaction (`together`), in one transaction that asks for its locks with
    a short time-out again and again (`patient`), or as one statement that goes through a table (`batches`, by `key`,
    `short` ones where their locks are in the way of others).
    """

    says: str
    sql: tuple[str, ...]
    mode: Mode = "alone"
    key: tuple[str, ...] = ()
    short: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A way written out: forward, and back; where there is no way back, `no_back` says why.

    `deploys` counts releases of the application beside it, `notes` are what a reader must know.
    """

    forward: tuple[Step, ...]
    back: tuple[Step, ...] | None = None
    no_back: str | None = None
    needs: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def alone(says: str, *sql: str) -> Step:
    """Return a step whose statements are transactions of their own."""
    return Step(says, sql)


def together(says: str, *sql: str) -> Step:
    """Return a step in one transaction."""
    return Step(says, sql, "together")


def patient(says: str, *sql: str) -> Step:
    """Return a step in one transaction that gives up a lock that it does not get soon, and tries again."""
    return Step(says, sql, "patient")


def batches(says: str, sql: str, key: Sequence[str], *, short: bool = False) -> Step:
    """Return a step of one statement that goes through a table in batches, by a key of it (bare names)."""
    return Step(says, (sql,), "batches", tuple(key), short)


def text(steps: Iterable[Step], options: Options, notes: Sequence[str] = ()) -> str:
    """Return the steps as a file: numbered, each with its comment and markers."""
    parts = ["".join(f"-- {line}\n" for line in notes)] if notes else []
    for number, step in enumerate((one for one in steps if one.sql), 1):
        parts.append("\n".join(_lines(number, step, options)) + "\n")
    return "\n".join(parts)


def commands(steps: Iterable[Step], _options: Options, notes: Sequence[str] = ()) -> str:
    """Return the steps as a shell script, for an external tool."""
    told = [f"# {line}" for line in notes]
    return "\n".join([*told, *(sql for step in steps for sql in step.sql)]) + "\n"


def _lines(number: int, step: Step, options: Options) -> Iterator[str]:
    yield f"-- {number}. {step.says}"
    if step.mode == "patient":
        yield options.retry_marker
    if step.mode == "batches":
        yield options.backfill_marker(step.key, short=step.short)
    grouped = step.mode in ("together", "patient") and len(step.sql) > 1
    if grouped:
        yield "BEGIN;"
    for sql in step.sql:
        yield f"{sql};"
    if grouped:
        yield "COMMIT;"
