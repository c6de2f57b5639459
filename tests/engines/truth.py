"""Migrations that hold ACCESS EXCLUSIVE for a known time, sent as tools send them, watched as in a phase."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from rehearse.engines.postgres import ENGINE, binaries
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import Event, LockTaken, PhaseRan, StatementRan
from rehearse.measures.outage import outages
from rehearse.model import EngineChoice, MigrationChoice, Scenario
from rehearse.protocols import Onlooker, Role
from rehearse.rehearsal.watching import watching
from rehearse.testing.recordings import recorded
from rehearse.tools.sql import TOOL


class Kept:
    """A journal that keeps what is written."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.onlooker: Onlooker | None = None

    def write(self, event: Event, /) -> None:
        self.events.append(event)

    def write_frame(self, kind: type[Event], frame: object, /) -> None:
        raise AssertionError(f"no frame of {kind.__name__} was expected")


Way = Callable[[PostgresDatabase, Kept, int, float], None]


def separately(database: PostgresDatabase, journal: Kept, number: int, seconds: float) -> None:
    """Send one statement after the other, as a tool of another language would."""
    with psycopg.connect(database.url(Role.MIGRATION), autocommit=True) as connection:
        for sql in ("BEGIN", *_script(number, seconds), "COMMIT"):
            connection.execute(sql)


def block(database: PostgresDatabase, journal: Kept, number: int, seconds: float) -> None:
    """Send one DO block, in which the lock is taken and held."""
    script = "; ".join(_script(number, seconds)).replace("SELECT", "PERFORM")
    with psycopg.connect(database.url(Role.MIGRATION), autocommit=True) as connection:
        connection.execute(f"DO $$ BEGIN {script}; END $$")


def parameters(database: PostgresDatabase, journal: Kept, number: int, seconds: float) -> None:
    """Send values apart, by the extended protocol, in a transaction of the driver."""
    *first, _, until = _script(number, seconds)
    with psycopg.connect(database.url(Role.MIGRATION)) as connection:
        for sql in first:
            connection.execute(sql)
        connection.execute("SELECT pg_sleep(%s::float8)", [seconds])
        connection.execute(until)


def psql(database: PostgresDatabase, journal: Kept, number: int, seconds: float) -> None:
    """Run psql on a script."""
    program = binaries.embedded(None).program("psql")
    script = ";\n".join(["BEGIN", *_script(number, seconds), "COMMIT"]) + ";\n"
    subprocess.run(
        [program, "-qX", "-v", "ON_ERROR_STOP=1", "-d", database.url(Role.MIGRATION)],
        input=script.encode(),
        stdout=subprocess.DEVNULL,
        check=True,
    )


def tool(database: PostgresDatabase, journal: Kept, number: int, seconds: float) -> None:
    """Run our own tool, which tells its statements itself and has an onlooker between them."""
    text = ";\n".join(_script(number, seconds)) + ";\n"
    migration = TOOL.open(Scenario(name="truth", migration=MigrationChoice(forward=text)))
    assert journal.onlooker is not None
    migration.watch(journal.onlooker)
    migration.forward(database.url(Role.MIGRATION), journal)


WAYS: dict[str, Way] = {"statements": separately, "block": block, "parameters": parameters, "psql": psql, "tool": tool}

_TRUTHS = """
SELECT extract(epoch FROM before)::float8, extract(epoch FROM since)::float8, extract(epoch FROM until)::float8
  FROM held
 WHERE n >= %s
 ORDER BY n
"""


def _script(number: int, seconds: float) -> list[str]:
    """Return a migration that writes down, by the server's clock, between when and when it holds the lock for sure."""
    return [
        f"INSERT INTO held (n, before) VALUES ({number}, clock_timestamp())",
        f"ALTER TABLE orders ADD COLUMN c{number} int",
        f"UPDATE held SET since = clock_timestamp() WHERE n = {number}",
        f"SELECT pg_sleep({seconds})",
        f"UPDATE held SET until = clock_timestamp() WHERE n = {number}",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run, in ms: how far what was found lies outside what the truth can be; None: not found.

    The truth lies between the time from when the ALTER was done to when the COMMIT was sent, and the time from before
    the ALTER to when the client was done: a millisecond or two apart, more where the machine is full. By `beyond_ms`
    the hold is said to be longer than the shorter of the two.
    """

    held_error_ms: float | None
    outage_error_ms: float | None
    beyond_ms: float | None
    doubt_ms: float | None


def prepare(database: PostgresDatabase) -> None:
    """Make the tables."""
    with database.connect(Role.MIGRATION) as connection:
        connection.execute("CREATE TABLE orders (id bigint PRIMARY KEY, status text)")
        connection.execute("INSERT INTO orders SELECT n, 'new' FROM generate_series(1, 1000) n")
        connection.execute("CREATE TABLE held (n int, before timestamptz, since timestamptz, until timestamptz)")
    database.grant()


def measured(database: PostgresDatabase, way: str, milliseconds: Sequence[int], first: int = 0) -> list[Measured]:
    """Hold the lock for each of these times in turn, and compare with what the watch says of it."""
    journal = Kept()
    watch = database.watch(journal)
    journal.onlooker = watch.onlooker
    with watching(watch.probes, journal):
        bounds = []
        for number, ms in enumerate(milliseconds, first):
            start = time.monotonic_ns()
            WAYS[way](database, journal, number, ms / 1_000)
            bounds.append((start, time.monotonic_ns(), time.time()))
    watch.finish([one for one in journal.events if isinstance(one, StatementRan)] or list(watch.statements()))
    with database.connect(Role.MIGRATION) as connection:
        truths = connection.execute(_TRUTHS, [first]).fetchall()
    return [
        _compared(journal, (start, end), ((until - since) * 1_000, (max(done, until) - before) * 1_000))
        for (start, end, done), (before, since, until) in zip(bounds, truths, strict=True)
    ]


def _compared(journal: Kept, bound: tuple[int, int], truth: tuple[float, float]) -> Measured:
    locks = [
        one
        for one in journal.events
        if isinstance(one, LockTaken)
        and (one.table, one.mode, one.index) == ("orders", "AccessExclusiveLock", None)
        and bound[0] <= one.at_ns <= bound[1]
    ]
    phase = PhaseRan(at_ns=bound[0], name="forward", acted_ns=bound[0], finished_ns=bound[1], ended_ns=bound[1])
    closed = {one.stops: one.longest_ns for one in outages(recorded([*locks, phase]), "forward")}
    if len(locks) != 1 or set(closed) != {"reads", "writes"}:
        return Measured(held_error_ms=None, outage_error_ms=None, beyond_ms=None, doubt_ms=None)
    granted, released = locks[0].granted_ns, locks[0].released_ns
    held = None if granted is None or released is None else (released - granted) / 1e6
    return Measured(
        held_error_ms=None if held is None else _outside(held, truth),
        outage_error_ms=_outside(closed["reads"] / 1e6, truth),
        beyond_ms=None if held is None else held - truth[0],
        doubt_ms=locks[0].doubt_ns / 1e6,
    )


def _outside(value: float, truth: tuple[float, float]) -> float:
    return value - min(max(value, truth[0]), truth[1])


def main() -> None:
    """Print the errors of ten holds of 50, 200 and 1000 ms, sent in each way."""
    with ENGINE.start(EngineChoice(), Kept()) as server:
        database = server.create("truth")
        prepare(database)
        first = 0
        print(f"{'ms outside the truth':28}{'found':>8}{'worst':>8}{'outage':>8}{'beyond':>8}{'doubt':>8}")
        for way in WAYS:
            for ms in (50, 200, 1000):
                found = measured(database, way, [ms] * 10, first)
                first += 10
                print(f"{way:20}{ms:5} ms{_figures(found)}", flush=True)


def _figures(found: Sequence[Measured]) -> str:
    held = [abs(one.held_error_ms) for one in found if one.held_error_ms is not None]
    closed = [abs(one.outage_error_ms) for one in found if one.outage_error_ms is not None]
    beyond = [abs(one.beyond_ms) for one in found if one.beyond_ms is not None]
    doubts = [one.doubt_ms for one in found if one.doubt_ms is not None]
    if not held:
        return f"{0:6}/{len(found)}"
    figures = (max(held), max(closed), statistics.median(beyond), statistics.median(doubts))
    return f"{len(held):5}/{len(found)}" + "".join(f"{one:8.1f}" for one in figures)


if __name__ == "__main__":
    main()
