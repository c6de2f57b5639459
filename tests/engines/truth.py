"""Migrations that hold ACCESS EXCLUSIVE for a known time, sent as tools send them, watched as in a phase."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from rehearse.engines.postgres import binaries
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import Event, LockTaken, PhaseRan, StatementRan
from rehearse.measures.outage import outages
from rehearse.model import MigrationChoice, Scenario
from rehearse.protocols import Role
from rehearse.rehearsal.watching import watching
from rehearse.testing.recordings import recorded
from rehearse.tools.sql import TOOL


class Kept:
    """A journal that keeps what is written."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event, /) -> None:
        self.events.append(event)

    def write_frame(self, kind: type[Event], frame: object, /) -> None:
        raise AssertionError(f"no frame of {kind.__name__} was expected")


Way = Callable[[PostgresDatabase, Kept, int, float], None]


def statements(database: PostgresDatabase, journal: Kept, number: int, seconds: float) -> None:
    """Send one statement after the other, as a tool of another language would."""
    with psycopg.connect(database.url(Role.MIGRATION), autocommit=True) as connection:
        for sql in _script(number, seconds):
            connection.execute(sql)


def block(database: PostgresDatabase, journal: Kept, number: int, seconds: float) -> None:
    """Send one DO block, in which the lock is taken and held."""
    with psycopg.connect(database.url(Role.MIGRATION), autocommit=True) as connection:
        connection.execute(
            f"DO $$ BEGIN ALTER TABLE orders ADD COLUMN c{number} int; PERFORM pg_sleep({seconds}); END $$"
        )


def parameters(database: PostgresDatabase, journal: Kept, number: int, seconds: float) -> None:
    """Send values apart, by the extended protocol, in a transaction of the driver."""
    with psycopg.connect(database.url(Role.MIGRATION)) as connection:
        connection.execute(f"ALTER TABLE orders ADD COLUMN c{number} int")
        connection.execute("SELECT pg_sleep(%s::float8)", [seconds])


def psql(database: PostgresDatabase, journal: Kept, number: int, seconds: float) -> None:
    """Run psql on a script."""
    program = binaries.embedded(None).program("psql")
    script = ";\n".join(_script(number, seconds)) + ";\n"
    subprocess.run(
        [program, "-qX", "-v", "ON_ERROR_STOP=1", "-d", database.url(Role.MIGRATION)],
        input=script.encode(),
        stdout=subprocess.DEVNULL,
        check=True,
    )


def tool(database: PostgresDatabase, journal: Kept, number: int, seconds: float) -> None:
    """Run our own tool, which tells its statements itself and has an onlooker between them."""
    text = f"ALTER TABLE orders ADD COLUMN c{number} int;\nSELECT pg_sleep({seconds});\n"
    migration = TOOL.open(Scenario(name="truth", migration=MigrationChoice(forward=text)))
    migration.watch(journal.onlooker)
    migration.forward(database.url(Role.MIGRATION), journal)


WAYS: dict[str, Way] = {"statements": statements, "block": block, "parameters": parameters, "psql": psql, "tool": tool}


def _script(number: int, seconds: float) -> list[str]:
    return ["BEGIN", f"ALTER TABLE orders ADD COLUMN c{number} int", f"SELECT pg_sleep({seconds})", "COMMIT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run: what was found, in ms beyond the time asked for; None: not found."""

    held_error_ms: float | None
    outage_error_ms: float | None
    doubt_ms: float | None


def measured(database: PostgresDatabase, way: str, milliseconds: Sequence[int], first: int = 0) -> list[Measured]:
    """Hold the lock for each of these times in turn, and compare with what the watch says of it."""
    journal = Kept()
    watch = database.watch(journal)
    journal.onlooker = watch.onlooker  # type: ignore[attr-defined]
    began = time.monotonic_ns()
    with watching(watch.probes, journal):
        bounds = []
        for number, ms in enumerate(milliseconds, first):
            start = time.monotonic_ns()
            WAYS[way](database, journal, number, ms / 1_000)
            bounds.append((start, time.monotonic_ns()))
    ran = [one for one in journal.events if isinstance(one, StatementRan)] or list(watch.statements())
    watch.finish(ran)
    return [_compared(journal, began, bound, ms) for bound, ms in zip(bounds, milliseconds, strict=True)]


def _compared(journal: Kept, began: int, bound: tuple[int, int], ms: int) -> Measured:
    locks = [
        one
        for one in journal.events
        if isinstance(one, LockTaken)
        and one.mode == "AccessExclusiveLock"
        and one.index is None
        and bound[0] <= one.at_ns <= bound[1]
    ]
    phase = PhaseRan(at_ns=bound[0], name="forward", acted_ns=bound[0], finished_ns=bound[1], ended_ns=bound[1])
    closed = {
        one.stops: one.longest_ns for one in outages(recorded([*locks, phase]), "forward") if one.table == "orders"
    }
    if len(locks) != 1 or None in (locks[0].granted_ns, locks[0].released_ns) or set(closed) != {"reads", "writes"}:
        return Measured(held_error_ms=None, outage_error_ms=None, doubt_ms=None)
    (lock,) = locks
    return Measured(
        held_error_ms=(lock.released_ns - lock.granted_ns) / 1e6 - ms,  # type: ignore[operator]
        outage_error_ms=closed["reads"] / 1e6 - ms,
        doubt_ms=lock.doubt_ns / 1e6,
    )
